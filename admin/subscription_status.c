#include "admin/subscription_status.h"

#include <stdlib.h>

#include <jansson.h>

#include "admin/config_lookup.h"
#include "admin/cursor_view.h"
#include "admin/event_store.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/event_log/event_log.h"
#include "core/registry/registry.h"

#define SPACES_PATH BYTES("/v1/spaces/")
#define COLLECTION BYTES("subscriptions/")
#define END BYTES("/status")

// What eg.cursor says of the subscription on a partition.
struct place {
    int64_t position; // of its cursor, or the live one
    int64_t finished; // beyond
    char *detached;   // why; NULL = it is at the live position
    bool is_behind;   // something lies beyond
};

struct status_call {
    struct admin *admin;
    struct http_request *request;
    struct buffer space, id, created;
    bool is_paused;
    struct cursor_view_request view;
    struct place *places; // of each partition of the events
    int32_t partition_count;
    int32_t partition; // that is looked at
    struct event_log_slice slice;
    struct event_store_call store;
    int64_t index_behind; // records; -1 = not known
    struct event_log_time_query query;

    json_t *partitions;
    json_t *deliveries; // what the index knows; NULL = nothing
    bool is_detached, is_circuit_open, is_at_risk;
    int64_t lag, lost;
    int64_t oldest_ms; // 0 = nothing waits
};

static void call_destroy(struct status_call *call) {
    for (int32_t i = 0; call->places && i < call->partition_count; i++) {
        free(call->places[i].detached);
    }
    free(call->places);
    buffer_clear(&call->space);
    buffer_clear(&call->id);
    buffer_clear(&call->created);
    event_log_slice_clear(&call->slice);
    event_log_time_query_clear(&call->query);
    json_decref(call->partitions);
    json_decref(call->deliveries);
    free(call);
}

static void fail(struct status_call *call) {
    admin_answer_error(call->request, CONFIG_SPACES, 503, 1,
                       BYTES("the event log cannot be read now"));
    call_destroy(call);
}

// --- The answer.

static const char *state_of(const struct status_call *call) {
    if (call->is_paused) {
        return "paused";
    }
    if (call->is_circuit_open) {
        return "open-circuit";
    }
    return call->is_detached ? "catching-up" : "live";
}

static void set_oldest(const struct status_call *call, json_t *value) {
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(call->oldest_ms * 1000, text);
    json_object_set_new(value, "oldestUndelivered",
                        call->oldest_ms > 0 ? json_string(text) : json_null());
}

// null where the index does not know: it is made anew, or cannot be opened.
static void set_deliveries(const struct status_call *call, json_t *value) {
    static const char *const members[] = {"inFlight", "waitingForRetry", "lastSuccess", "lastError",
                                          "deadLetters"};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        json_t *member = json_object_get(call->deliveries, members[i]);
        json_object_set(value, members[i], member ? member : json_null());
    }
    json_object_set_new(value, "indexBehind",
                        call->index_behind >= 0 ? json_integer(call->index_behind) : json_null());
}

static void answer(struct status_call *call) {
    json_t *value = json_object();
    json_object_set_new(value, "state", json_string(state_of(call)));
    json_object_set_new(value, "lag", json_integer(call->lag));
    set_oldest(call, value);
    set_deliveries(call, value);
    json_object_set_new(value, "lostToRetention", json_integer(call->lost));
    json_object_set_new(value, "retentionAtRisk", json_boolean(call->is_at_risk));
    json_object_set(value, "partitions", call->partitions);
    admin_answer_json(call->request, 200, value);
    json_decref(value);
    call_destroy(call);
}

// --- What the index knows, which follows the log by itself.

static struct status_call *call_of_store(struct event_store_call *store) {
    return CONTAINER_OF(store, struct status_call, store);
}

static void describe_deliveries(struct event_store_call *store, struct event_index *index) {
    struct status_call *call = call_of_store(store);
    call->index_behind = event_store_behind(store->store);
    if (!index || call->index_behind < 0) {
        return;
    }
    struct subscription_query query = {.space = buffer_bytes(&call->space),
                                       .id = buffer_bytes(&call->id),
                                       .now_us = clock_wall_us()};
    if (timestamp_parse(buffer_bytes(&call->created), &query.created_us) != STATUS_OK) {
        query.created_us = 0; // It is older than that this is written.
    }
    store->status =
        event_index_describe_subscription(index, &query, &call->deliveries, &store->error);
}

static void deliveries_described(struct event_store_call *store) {
    answer(call_of_store(store));
}

static void look_at_deliveries(struct status_call *call) {
    call->store = (struct event_store_call){.run = describe_deliveries,
                                            .done = deliveries_described,
                                            .loop = call->admin->options.loop};
    if (!call->admin->events || event_store_run(call->admin->events, &call->store) != STATUS_OK) {
        answer(call);
    }
}

// --- What the log's retention threatens: what is older than four fifths of it.

static void ages_found(struct event_log_time_query *query) {
    struct status_call *call = CONTAINER_OF(query, struct status_call, query);
    if (query->status != STATUS_OK) {
        fail(call);
        return;
    }
    for (int32_t i = 0; i < call->partition_count && (size_t)i < query->count; i++) {
        const struct place *place = &call->places[i];
        bool is_at_risk = place->is_behind && place->position < query->offsets[i];
        json_object_set_new(json_array_get(call->partitions, (size_t)i), "atRisk",
                            json_boolean(is_at_risk));
        call->is_at_risk |= is_at_risk;
    }
    look_at_deliveries(call);
}

static void look_at_ages(struct status_call *call) {
    int64_t keeps_ms = event_log_keeps_ms(call->admin->options.log);
    if (keeps_ms == 0 || call->lag == 0) {
        look_at_deliveries(call);
        return;
    }
    call->query =
        (struct event_log_time_query){.stream = EVENT_LOG_EVENTS,
                                      .time_ms = clock_wall_us() / 1000 - keeps_ms / 5 * 4,
                                      .loop = call->admin->options.loop,
                                      .done = ages_found};
    if (event_log_find_time(call->admin->options.log, &call->query) != STATUS_OK) {
        fail(call);
    }
}

// --- Each partition of the events.

static void note_oldest(struct status_call *call, const struct event_log_slice *slice) {
    if (slice->count > 0 &&
        (call->oldest_ms == 0 || slice->records[0].timestamp_ms < call->oldest_ms)) {
        call->oldest_ms = slice->records[0].timestamp_ms;
    }
}

// What is not finished, as far as the log says: the owner writes positions with some delay.
static void add_partition(struct status_call *call, const struct event_log_slice *slice) {
    struct place *place = &call->places[call->partition];
    int64_t position =
        slice->from_offset > slice->first_offset ? slice->from_offset : slice->first_offset;
    int64_t lag = slice->end_offset - position - place->finished;
    lag = lag > 0 ? lag : 0;
    json_t *partition = json_pack("{s:i,s:I,s:I,s:I}", "partition", (int)call->partition,
                                  "position", (json_int_t)position, "end",
                                  (json_int_t)slice->end_offset, "lag", (json_int_t)lag);
    if (place->detached) {
        json_object_set_new(partition, "detached", json_string(place->detached));
    }
    call->lag += lag;
    place->is_behind = lag > 0;
    place->position = position;
    if (lag > 0) {
        note_oldest(call, slice);
    }
    json_array_append_new(call->partitions, partition);
}

static void look_at_next(struct status_call *call);

static void partition_read(struct event_log_slice *slice) {
    struct status_call *call = CONTAINER_OF(slice, struct status_call, slice);
    if (slice->status != STATUS_OK) {
        fail(call);
        return;
    }
    add_partition(call, slice);
    call->partition++;
    look_at_next(call);
}

static void look_at_next(struct status_call *call) {
    if (call->partition == call->partition_count) {
        look_at_ages(call);
        return;
    }
    call->slice.stream = EVENT_LOG_EVENTS;
    call->slice.partition = call->partition;
    call->slice.from_offset = call->places[call->partition].position;
    call->slice.max_records = 1;
    call->slice.loop = call->admin->options.loop;
    call->slice.done = partition_read;
    if (event_log_read(call->admin->options.log, &call->slice) != STATUS_OK) {
        fail(call);
    }
}

// --- The stream of cursors.

static int64_t finished_beyond(const struct cursor_record *cursor, int64_t live) {
    int64_t count = 0;
    for (size_t i = 0; i < cursor->finished.count; i++) {
        count += cursor->finished.items[i].end - cursor->finished.items[i].first;
    }
    // Live deliveries go on beyond its end.
    return count +
           (cursor->until != CURSOR_NO_END && live > cursor->until ? live - cursor->until : 0);
}

static void find_place(struct status_call *call, const struct cursor_fold *fold,
                       int32_t partition) {
    struct place *place = &call->places[partition];
    struct cursor_key key = {.kind = CURSOR_LIVE, .partition = partition};
    const struct cursor_record *live = cursor_fold_find(fold, &key);
    key.kind = CURSOR_CATCH_UP;
    key.space = buffer_bytes(&call->space);
    key.name = buffer_bytes(&call->id);
    const struct cursor_record *cursor = cursor_fold_find(fold, &key);
    place->position = live ? live->position : EVENT_LOG_BEGINNING;
    if (cursor && bytes_equal(cursor->created, buffer_bytes(&call->created))) {
        place->finished = finished_beyond(cursor, place->position);
        place->position = cursor->position;
        place->detached = bytes_to_text(cursor->reason);
        call->is_detached = true;
        call->is_circuit_open |= bytes_equal_text(cursor->reason, CURSOR_REASON_CIRCUIT);
        call->lost += cursor->lost; // Counted so by an earlier version.
    }
    key.kind = CURSOR_LOST;
    const struct cursor_record *loss = cursor_fold_find(fold, &key);
    if (loss && bytes_equal(loss->created, buffer_bytes(&call->created))) {
        call->lost += loss->lost;
    }
}

static void cursors_read(struct cursor_view_request *request, const struct cursor_fold *fold) {
    struct status_call *call = CONTAINER_OF(request, struct status_call, view);
    if (!fold) {
        fail(call);
        return;
    }
    for (int32_t i = 0; i < call->partition_count; i++) {
        find_place(call, fold, i);
    }
    look_at_next(call);
}

static void begin(struct admin *admin, struct http_request *request,
                  const struct subscription *subscription) {
    struct status_call *call = memory_allocate(sizeof *call);
    call->admin = admin;
    call->request = request;
    buffer_append(&call->space, subscription->space);
    buffer_append(&call->id, subscription->id);
    buffer_append(&call->created, subscription->created);
    call->is_paused = subscription->is_paused;
    call->index_behind = -1;
    call->partitions = json_array();
    call->partition_count = event_log_partition_count(admin->options.log, EVENT_LOG_EVENTS);
    call->places = memory_allocate((size_t)call->partition_count * sizeof *call->places);
    call->view.done = cursors_read;
    cursor_view_ask(admin->cursors, &call->view);
}

static void look_up(struct admin *admin, struct http_request *request, struct bytes raw_space,
                    struct bytes raw_id) {
    const struct snapshot *snapshot = registry_snapshot(admin->options.registry);
    struct buffer space = {0};
    percent_decode(raw_space, false, &space);
    const json_t *stored =
        config_lookup(snapshot, RESOURCE_SUBSCRIPTION, buffer_bytes(&space), raw_id);
    const json_t *id = json_object_get(stored, "subscriptionId");
    const struct subscription *subscription =
        stored
            ? snapshot_subscription(snapshot, buffer_bytes(&space),
                                    (struct bytes){json_string_value(id), json_string_length(id)})
            : NULL;
    if (!subscription) {
        admin_answer_error(request, CONFIG_SPACES, 404, 0, BYTES("Subscription not found."));
    } else if (subscription->is_sync) {
        admin_answer_error(request, CONFIG_SPACES, 400, 0,
                           BYTES("a synchronous subscription has no position"));
    } else {
        begin(admin, request, subscription);
    }
    buffer_clear(&space);
    snapshot_unref(snapshot);
}

bool subscription_status_handle(struct admin *admin, struct http_request *request) {
    struct bytes path = http_request_path(request);
    if (!bytes_start_with(path, SPACES_PATH) || !bytes_end_with(path, END)) {
        return false;
    }
    struct bytes rest = bytes_slice(path, SPACES_PATH.size, path.size);
    struct bytes space = bytes_slice(rest, 0, bytes_find(rest, '/'));
    rest = bytes_slice(rest, space.size + 1, rest.size);
    if (space.size == 0 || !bytes_start_with(rest, COLLECTION) ||
        rest.size <= COLLECTION.size + END.size) {
        return false;
    }
    struct bytes id = bytes_slice(rest, COLLECTION.size, rest.size - COLLECTION.size - END.size);
    if (admin_method_reads(request)) {
        look_up(admin, request, space, id);
    } else {
        admin_answer_wrong_method(request, CONFIG_SPACES, "GET, HEAD");
    }
    return true;
}
