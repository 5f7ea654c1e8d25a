#include "admin/replays_api.h"

#include <stdlib.h>

#include <jansson.h>

#include "admin/config_lookup.h"
#include "admin/cursor_view.h"
#include "admin/kept_entries.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/event_log/event_log.h"
#include "core/registry/registry.h"

#define SPACES_PATH BYTES("/v1/spaces/")
#define SUBSCRIPTIONS BYTES("subscriptions/")
#define REPLAYS BYTES("replays")
#define REPLAYS_END BYTES("/replays")
#define TRIES_MAX 10
#define SWEPT_MAX 16 // by one new replay
#define PEER_SIZE 64

// A replay that is begun or removed.
struct replay_call {
    struct admin *admin;
    struct http_request *request;
    struct buffer space, id;     // of the replay
    struct buffer subscription;  // its id
    struct replay_request asked; // of one that begins
    struct event_log_time_query query;
    int64_t *from; // by partition
    size_t from_count;
    struct buffer document; // of one that begins, or is stopped
    bool begins;
    struct cursor_view_request view;
    struct kept_entry *entries; // of the space, when the cursors were read; ids are copies
    size_t entry_count;
    const struct cursor_fold *fold; // while it is looked at
    bool is_over;                   // the one that is stopped or removed
    unsigned tries;
    const struct snapshot *snapshot;           // that the change is based on; edits point into it
    struct registry_edit edits[1 + SWEPT_MAX]; // itself first
    size_t edit_count;
    struct registry_change change;
};

static void call_destroy(struct replay_call *call) {
    buffer_clear(&call->space);
    buffer_clear(&call->id);
    buffer_clear(&call->subscription);
    buffer_clear(&call->document);
    json_decref(call->asked.document);
    snapshot_unref(call->snapshot);
    event_log_time_query_clear(&call->query);
    for (size_t i = 0; i < call->entry_count; i++) {
        free((char *)call->entries[i].id.data);
    }
    free(call->entries);
    free(call->from);
    free(call);
}

static void fail(struct replay_call *call, unsigned status, const char *message) {
    admin_answer_error(call->request, CONFIG_SPACES, status, status == 503 ? 1 : 0,
                       bytes_of_text(message));
    call_destroy(call);
}

static struct replay_call *call_create(struct admin *admin, struct http_request *request,
                                       struct bytes space) {
    struct replay_call *call = memory_allocate(sizeof *call);
    call->admin = admin;
    call->request = request;
    buffer_append(&call->space, space);
    return call;
}

// --- The change of the registry.

static void answer_done(struct replay_call *call) {
    if (!call->begins) {
        admin_answer_empty(call->request, 204);
    } else {
        json_t *answer = json_pack("{s:s}", "replayId", call->id.data);
        admin_answer_json(call->request, 201, answer);
        json_decref(answer);
    }
    call_destroy(call);
}

static void try_change(struct replay_call *call);

static void change_done(struct registry_change *change) {
    struct replay_call *call = CONTAINER_OF(change, struct replay_call, change);
    if (change->status == STATUS_OK) {
        answer_done(call);
    } else if (change->status == STATUS_CONFLICT && call->tries < TRIES_MAX) {
        try_change(call);
    } else {
        fail(call, change->status == STATUS_TOO_LARGE ? 413 : 503,
             change->error.text[0] ? change->error.text
                                   : "the configuration cannot be changed now");
    }
}

static void add_removal(struct replay_call *call, struct bytes id) {
    if (call->edit_count < ARRAY_LENGTH(call->edits)) {
        call->edits[call->edit_count++] = (struct registry_edit){
            .kind = RESOURCE_REPLAY, .space = buffer_bytes(&call->space), .id = id};
    }
}

// With a new one those go that were over long ago, and the first of too many.
static void sweep(struct replay_call *call) {
    size_t there = 0;
    for (size_t i = 0; i < call->entry_count; i++) {
        struct kept_entry entry = call->entries[i];
        if (snapshot_replay(call->snapshot, entry.space, entry.id)) {
            call->entries[i] = call->entries[there];
            call->entries[there++] = entry;
        }
    }
    size_t going = kept_entries_select(call->entries, there, 1, clock_wall_us());
    for (size_t i = 0; i < going; i++) {
        add_removal(call, call->entries[i].id);
    }
}

static void write_stopped(struct replay_call *call, const struct replay *replay) {
    char peer[PEER_SIZE] = "", stopped[TIMESTAMP_TEXT_SIZE];
    json_t *document = json_copy((json_t *)replay->document);
    http_request_peer(call->request, peer, sizeof peer);
    timestamp_format(clock_wall_us(), stopped);
    json_object_set_new(document, "stopped", json_string(stopped));
    json_object_set_new(document, "stoppedBy", json_string(peer));
    buffer_reset(&call->document);
    json_append(document, &call->document);
    json_decref(document);
}

static void put_document(struct replay_call *call) {
    call->edits[0] = (struct registry_edit){.kind = RESOURCE_REPLAY,
                                            .space = buffer_bytes(&call->space),
                                            .id = buffer_bytes(&call->id),
                                            .document = buffer_bytes(&call->document)};
    call->edit_count = 1;
}

// NULL, or why it cannot be any more.
static const char *plan_begin(struct replay_call *call, unsigned *ret_status) {
    struct bytes space = buffer_bytes(&call->space);
    if (!snapshot_subscription(call->snapshot, space, buffer_bytes(&call->subscription))) {
        *ret_status = 404;
        return "Subscription not found.";
    }
    put_document(call);
    sweep(call);
    *ret_status = 409;
    return snapshot_count(call->snapshot, RESOURCE_REPLAY, space) <
                   KEPT_ENTRIES_MAX + call->edit_count - 1
               ? NULL
               : "100 replays of this space go on; stop one";
}

// One that goes on is stopped, and stays to be looked at; one that is over is removed.
static const char *plan_end(struct replay_call *call, unsigned *ret_status) {
    const struct replay *replay =
        snapshot_replay(call->snapshot, buffer_bytes(&call->space), buffer_bytes(&call->id));
    *ret_status = 404;
    if (!replay) {
        return "Replay not found.";
    }
    call->edit_count = 0;
    if (call->is_over || replay->stopped_us > 0) {
        add_removal(call, replay->id);
    } else {
        write_stopped(call, replay);
        put_document(call);
    }
    return NULL;
}

static void try_change(struct replay_call *call) {
    unsigned status = 0;
    snapshot_unref(call->snapshot);
    call->snapshot = registry_snapshot(call->admin->options.registry);
    const char *reason = call->begins ? plan_begin(call, &status) : plan_end(call, &status);
    if (reason) {
        fail(call, status, reason);
        return;
    }
    call->tries++;
    call->change = (struct registry_change){.edits = call->edits,
                                            .edit_count = call->edit_count,
                                            .based_on = snapshot_revision(call->snapshot),
                                            .loop = call->admin->options.loop,
                                            .done = change_done};
    registry_apply(call->admin->options.registry, &call->change);
}

// --- What is over: told by the cursors.

static void add_entry(void *context, struct bytes space, struct bytes id,
                      const struct json_t *document) {
    struct replay_call *call = context;
    const struct replay *replay = snapshot_replay(call->snapshot, space, id);
    const struct subscription *subscription =
        snapshot_subscription(call->snapshot, space, replay->subscription_id);
    (void)document;
    struct replay_progress progress;
    replay_progress_of(call->fold, replay, &progress);
    bool is_of_none =
        !subscription || !bytes_equal(subscription->created, replay->subscription_created);
    int64_t ended_us = replay_ended_us(&progress, replay);
    // Nobody waits for those of subscriptions that are gone: they go with the next new one.
    ended_us = is_of_none ? 1 : ended_us;
    call->entries[call->entry_count++] =
        (struct kept_entry){buffer_bytes(&call->space), {bytes_to_text(id), id.size}, ended_us};
    call->is_over |= ended_us > 0 && bytes_equal(id, buffer_bytes(&call->id));
}

static void cursors_read(struct cursor_view_request *request, const struct cursor_fold *fold) {
    struct replay_call *call = CONTAINER_OF(request, struct replay_call, view);
    struct bytes space = buffer_bytes(&call->space);
    if (!fold) {
        fail(call, 503, "the event log cannot be read now");
        return;
    }
    call->snapshot = registry_snapshot(call->admin->options.registry);
    size_t count = snapshot_count(call->snapshot, RESOURCE_REPLAY, space);
    call->entries = memory_allocate((count + 1) * sizeof *call->entries);
    call->fold = fold;
    snapshot_each(call->snapshot, RESOURCE_REPLAY, space, add_entry, call);
    call->fold = NULL;
    try_change(call);
}

static void look_at_cursors(struct replay_call *call) {
    call->view.done = cursors_read;
    cursor_view_ask(call->admin->cursors, &call->view);
}

// --- Where it begins and ends on each partition.

static void write_document(struct replay_call *call) {
    json_t *document = call->asked.document;
    json_t *parts = json_array();
    char created[TIMESTAMP_TEXT_SIZE];
    char id[UUID_TEXT_SIZE];
    for (size_t i = 0; i < call->from_count && i < call->query.count; i++) {
        int64_t from = call->from[i];
        int64_t until = call->query.offsets[i] > from ? call->query.offsets[i] : from;
        replay_request_apply(&call->asked, i, &from, &until);
        json_array_append_new(parts, json_pack("[I,I]", (json_int_t)from, (json_int_t)until));
    }
    uuid_create(id);
    timestamp_format(clock_wall_us(), created);
    buffer_append_text(&call->id, id);
    json_object_set_new(document, "space", json_stringn(call->space.data, call->space.size));
    json_object_set_new(document, "replayId", json_string(id));
    json_object_set_new(document, "subscriptionId",
                        json_stringn(call->subscription.data, call->subscription.size));
    json_object_set_new(document, "created", json_string(created));
    json_object_set_new(document, "partitions", parts);
    json_append(document, &call->document);
}

static void find(struct replay_call *call, int64_t time_ms,
                 void (*done)(struct event_log_time_query *query)) {
    event_log_time_query_clear(&call->query);
    call->query = (struct event_log_time_query){.stream = EVENT_LOG_EVENTS,
                                                .time_ms = time_ms,
                                                .loop = call->admin->options.loop,
                                                .done = done};
    if (event_log_find_time(call->admin->options.log, &call->query) != STATUS_OK) {
        fail(call, 503, "the event log cannot be read now");
    }
}

static void end_found(struct event_log_time_query *query) {
    struct replay_call *call = CONTAINER_OF(query, struct replay_call, query);
    if (query->status != STATUS_OK) {
        fail(call, 503, "the event log cannot be read now");
        return;
    }
    write_document(call);
    call->begins = true;
    look_at_cursors(call);
}

static void begin_found(struct event_log_time_query *query) {
    struct replay_call *call = CONTAINER_OF(query, struct replay_call, query);
    if (query->status != STATUS_OK) {
        fail(call, 503, "the event log cannot be read now");
        return;
    }
    call->from = memory_allocate((query->count + 1) * sizeof *call->from);
    call->from_count = query->count;
    for (size_t i = 0; i < query->count; i++) {
        call->from[i] = query->offsets[i];
    }
    find(call, call->asked.to_ms, end_found);
}

// --- Requests.

static const struct subscription *find_subscription(const struct snapshot *snapshot,
                                                    struct bytes space, struct bytes raw_id) {
    const json_t *stored = config_lookup(snapshot, RESOURCE_SUBSCRIPTION, space, raw_id);
    const json_t *id = json_object_get(stored, "subscriptionId");
    return stored ? snapshot_subscription(snapshot, space, json_string_bytes(id)) : NULL;
}

static void begin(struct admin *admin, struct http_request *request, struct bytes space,
                  const struct subscription *subscription) {
    struct replay_call *call = call_create(admin, request, space);
    struct error error = {0};
    buffer_append(&call->subscription, subscription->id);
    if (replay_request_read(http_request_body(request), &call->asked, &error) != STATUS_OK) {
        fail(call, 400, error.text);
        return;
    }
    json_object_set_new(call->asked.document, "subscriptionCreated",
                        json_stringn(subscription->created.data ? subscription->created.data : "",
                                     subscription->created.size));
    find(call, call->asked.from_ms, begin_found);
}

static void handle_new(struct admin *admin, struct http_request *request, struct bytes space,
                       struct bytes raw_id) {
    if (!admin_method_is(request, "POST")) {
        admin_answer_wrong_method(request, CONFIG_SPACES, "POST");
        return;
    }
    const struct snapshot *snapshot = registry_snapshot(admin->options.registry);
    const struct subscription *subscription = find_subscription(snapshot, space, raw_id);
    if (!subscription) {
        admin_answer_error(request, CONFIG_SPACES, 404, 0, BYTES("Subscription not found."));
    } else if (subscription->is_sync) {
        admin_answer_error(request, CONFIG_SPACES, 400, 0,
                           BYTES("a synchronous subscription has nothing to replay"));
    } else {
        begin(admin, request, space, subscription);
    }
    snapshot_unref(snapshot);
}

static void handle_old(struct admin *admin, struct http_request *request, struct bytes space,
                       struct bytes id) {
    if (admin_method_reads(request)) {
        replay_status_answer(admin, request, space, id);
    } else if (id.size > 0 && admin_method_is(request, "DELETE")) {
        struct replay_call *call = call_create(admin, request, space);
        buffer_append(&call->id, id);
        look_at_cursors(call);
    } else {
        admin_answer_wrong_method(request, CONFIG_SPACES,
                                  id.size > 0 ? "GET, HEAD, DELETE" : "GET, HEAD");
    }
}

bool replays_api_handle(struct admin *admin, struct http_request *request) {
    struct bytes path = http_request_path(request);
    if (!bytes_start_with(path, SPACES_PATH)) {
        return false;
    }
    struct bytes rest = bytes_slice(path, SPACES_PATH.size, path.size);
    struct bytes raw_space = bytes_slice(rest, 0, bytes_find(rest, '/'));
    rest = bytes_slice(rest, raw_space.size + 1, rest.size);
    struct bytes collection = bytes_slice(rest, 0, bytes_find(rest, '/'));
    bool is_new = bytes_start_with(rest, SUBSCRIPTIONS) && bytes_end_with(rest, REPLAYS_END) &&
                  rest.size > SUBSCRIPTIONS.size + REPLAYS_END.size;
    bool is_old = bytes_equal(collection, REPLAYS);
    struct buffer space = {0}, id = {0};
    if (raw_space.size == 0 || (!is_new && !is_old)) {
        return false;
    }
    percent_decode(raw_space, false, &space);
    if (is_new) {
        handle_new(admin, request, buffer_bytes(&space),
                   bytes_slice(rest, SUBSCRIPTIONS.size,
                               rest.size - SUBSCRIPTIONS.size - REPLAYS_END.size));
    } else {
        percent_decode(bytes_slice(rest, collection.size + 1, rest.size), false, &id);
        handle_old(admin, request, buffer_bytes(&space), buffer_bytes(&id));
    }
    buffer_clear(&space);
    buffer_clear(&id);
    return true;
}
