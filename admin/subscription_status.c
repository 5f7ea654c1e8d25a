#include "admin/subscription_status.h"

#include <stdlib.h>

#include <jansson.h>

#include "admin/config_lookup.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/cursors/cursor_fold.h"
#include "core/event_log/event_log.h"
#include "core/registry/registry.h"

#define SPACES_PATH BYTES("/v1/spaces/")
#define COLLECTION BYTES("subscriptions/")
#define END BYTES("/status")
#define SLICE_RECORDS 2000

struct status_call {
    struct admin *admin;
    struct http_request *request;
    struct buffer space, id, created;
    bool is_paused;
    struct cursor_fold *fold;
    struct event_log_slice slice;
    int64_t read_until; // of the stream of cursors; -1 = not known yet
    int32_t partition;  // of the events, that is looked at
    int32_t partition_count;

    json_t *partitions;
    bool is_detached, is_circuit_open;
    int64_t lag, lost;
    int64_t oldest_ms; // 0 = nothing waits
};

static void call_destroy(struct status_call *call) {
    buffer_clear(&call->space);
    buffer_clear(&call->id);
    buffer_clear(&call->created);
    cursor_fold_destroy(call->fold);
    event_log_slice_clear(&call->slice);
    json_decref(call->partitions);
    free(call);
}

static void fail(struct status_call *call) {
    admin_answer_error(call->request, CONFIG_SPACES, 503, 1,
                       BYTES("the event log cannot be read now"));
    call_destroy(call);
}

static const char *state_of(const struct status_call *call) {
    if (call->is_paused) {
        return "paused";
    }
    if (call->is_circuit_open) {
        return "open-circuit";
    }
    return call->is_detached ? "catching-up" : "live";
}

static void answer(struct status_call *call) {
    json_t *value = json_object();
    json_object_set_new(value, "state", json_string(state_of(call)));
    json_object_set_new(value, "lag", json_integer(call->lag));
    json_object_set_new(value, "lostToRetention", json_integer(call->lost));
    if (call->oldest_ms > 0) {
        char text[TIMESTAMP_TEXT_SIZE];
        timestamp_format(call->oldest_ms * 1000, text);
        json_object_set_new(value, "oldestUndelivered", json_string(text));
    } else {
        json_object_set_new(value, "oldestUndelivered", json_null());
    }
    json_object_set(value, "partitions", call->partitions);
    admin_answer_json(call->request, 200, value);
    json_decref(value);
    call_destroy(call);
}

// --- Each partition of the events.

static const struct cursor_record *cursor_of(const struct status_call *call) {
    struct cursor_key key = {.kind = CURSOR_CATCH_UP,
                             .partition = call->partition,
                             .space = buffer_bytes(&call->space),
                             .name = buffer_bytes(&call->id)};
    const struct cursor_record *record = cursor_fold_find(call->fold, &key);
    return record && bytes_equal(record->created, buffer_bytes(&call->created)) ? record : NULL;
}

static int64_t live_position(const struct status_call *call) {
    struct cursor_key key = {.kind = CURSOR_LIVE, .partition = call->partition};
    const struct cursor_record *record = cursor_fold_find(call->fold, &key);
    return record ? record->position : EVENT_LOG_BEGINNING;
}

static int64_t finished_beyond(const struct cursor_record *cursor) {
    int64_t count = 0;
    for (size_t i = 0; cursor && i < cursor->finished.count; i++) {
        count += cursor->finished.items[i].end - cursor->finished.items[i].first;
    }
    return count;
}

// What is not finished, as far as the log says: the owner writes positions with some delay.
static int64_t lag_of(const struct status_call *call, const struct cursor_record *cursor,
                      int64_t position, int64_t end) {
    int64_t lag = end - position - finished_beyond(cursor);
    if (cursor && cursor->until != CURSOR_NO_END) {
        int64_t live = live_position(call);
        int64_t live_done = live > cursor->until ? live - cursor->until : 0;
        lag -= live_done;
    }
    return lag > 0 ? lag : 0;
}

static void note_oldest(struct status_call *call, const struct event_log_slice *slice) {
    if (slice->count > 0 &&
        (call->oldest_ms == 0 || slice->records[0].timestamp_ms < call->oldest_ms)) {
        call->oldest_ms = slice->records[0].timestamp_ms;
    }
}

static void add_partition(struct status_call *call, const struct event_log_slice *slice) {
    const struct cursor_record *cursor = cursor_of(call);
    int64_t position =
        slice->from_offset > slice->first_offset ? slice->from_offset : slice->first_offset;
    int64_t lag = lag_of(call, cursor, position, slice->end_offset);
    json_t *partition = json_pack("{s:i,s:I,s:I,s:I}", "partition", (int)call->partition,
                                  "position", (json_int_t)position, "end",
                                  (json_int_t)slice->end_offset, "lag", (json_int_t)lag);
    if (cursor) {
        call->is_detached = true;
        call->is_circuit_open |= bytes_equal_text(cursor->reason, CURSOR_REASON_CIRCUIT);
        call->lost += cursor->lost;
        json_object_set_new(partition, "detached",
                            json_stringn(cursor->reason.data, cursor->reason.size));
    }
    call->lag += lag;
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

static void read_slice(struct status_call *call, void (*done)(struct event_log_slice *slice)) {
    call->slice.loop = call->admin->options.loop;
    call->slice.done = done;
    if (event_log_read(call->admin->options.log, &call->slice) != STATUS_OK) {
        fail(call);
    }
}

static void look_at_next(struct status_call *call) {
    if (call->partition == call->partition_count) {
        answer(call);
        return;
    }
    const struct cursor_record *cursor = cursor_of(call);
    call->slice.stream = EVENT_LOG_EVENTS;
    call->slice.partition = call->partition;
    call->slice.from_offset = cursor ? cursor->position : live_position(call);
    call->slice.max_records = 1;
    read_slice(call, partition_read);
}

// --- The stream of cursors.

static void cursors_read(struct event_log_slice *slice) {
    struct status_call *call = CONTAINER_OF(slice, struct status_call, slice);
    if (slice->status != STATUS_OK) {
        fail(call);
        return;
    }
    for (size_t i = 0; i < slice->count; i++) {
        cursor_fold_add(call->fold, &slice->records[i].record);
    }
    if (call->read_until < 0) {
        call->read_until = slice->end_offset;
    }
    if (slice->count == 0 || slice->next_offset >= call->read_until) {
        look_at_next(call);
        return;
    }
    slice->from_offset = slice->next_offset;
    read_slice(call, cursors_read);
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
    call->fold = cursor_fold_create(NULL, 0);
    call->partitions = json_array();
    call->partition_count = event_log_partition_count(admin->options.log, EVENT_LOG_EVENTS);
    call->read_until = -1;
    call->slice.stream = EVENT_LOG_CURSORS;
    call->slice.from_offset = EVENT_LOG_BEGINNING;
    call->slice.max_records = SLICE_RECORDS;
    read_slice(call, cursors_read);
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
