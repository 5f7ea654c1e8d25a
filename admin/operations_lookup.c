// GET events, events/stream, events/{id}, deadletters, deadletters/{id}

#include <jansson.h>

#include "admin/event_streams.h"
#include "admin/operations_api.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/events/event_format.h"

static void answer_found(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status == STATUS_OK) {
        operations_call_answer(call);
    } else {
        operations_call_fail(call, store->status, &store->error);
    }
}

static void list_events(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status =
            event_index_list_events(index, &call->params.query, &call->answer, &store->error);
    }
}

void operations_list_events(struct operations_call *call) {
    operations_call_run(call, list_events, answer_found);
}

static void list_letters(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status =
            event_index_list_letters(index, &call->params.query, &call->answer, &store->error);
    }
}

void operations_list_letters(struct operations_call *call) {
    operations_call_run(call, list_letters, answer_found);
}

void operations_stream_events(struct operations_call *call) {
    struct error error = {0};
    enum status status =
        event_streams_add(call->admin->streams, call->request, &call->params.query);
    if (status == STATUS_OK) {
        operations_call_destroy(call);
    } else {
        (void)error_set(&error, status, "too many clients follow events already");
        operations_call_fail(call, status, &error);
    }
}

// --- One of them: the index knows where the record lies, the log has its data.

// The event goes in as text: its data keeps its numbers and the order of its members.
static void answer_with_event(struct operations_call *call, const struct event *event) {
    struct buffer body = {0};
    json_append(call->answer, &body);
    body.size--; // the last brace
    buffer_append_text(&body, ",\"event\":");
    event_format_append_json(event, &body);
    buffer_append_byte(&body, '}');
    struct bytes text = buffer_bytes(&body);
    struct http_response response = {.status = 200,
                                     .content_type = "application/json",
                                     .body = text,
                                     .body_owned = buffer_take(&body)};
    http_respond(call->request, &response);
    operations_call_destroy(call);
}

// Where the record is gone already (retention is faster than the index), what is known is the
// answer.
static void record_read(struct event_log_slice *slice) {
    struct operations_call *call = CONTAINER_OF(slice, struct operations_call, slice);
    const struct event *event = NULL;
    struct error error = {0};
    if (slice->status != STATUS_OK) {
        (void)error_set(&error, slice->status, "the event log cannot be read now, try again");
        operations_call_fail(call, STATUS_UNAVAILABLE, &error);
        return;
    }
    bool is_there = slice->count > 0 && slice->records[0].offset == call->place.offset;
    if (is_there && event_record_decode(&slice->records[0], &event, NULL) == STATUS_OK) {
        answer_with_event(call, event);
        event_unref(event);
    } else {
        operations_call_answer(call);
    }
}

static void read_record(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status != STATUS_OK) {
        operations_call_fail(call, store->status, &store->error);
        return;
    }
    call->slice = (struct event_log_slice){
        .stream = call->is_letter ? EVENT_LOG_DEAD_LETTERS : EVENT_LOG_EVENTS,
        .partition = call->place.partition,
        .from_offset = call->place.offset,
        .max_records = 1,
        .loop = call->admin->options.loop,
        .done = record_read,
    };
    enum status status = event_log_read(call->admin->options.log, &call->slice);
    if (status != STATUS_OK) {
        operations_call_fail(call, status, NULL);
    }
}

static void find_event(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status = event_index_find_event(index, buffer_bytes(&call->space),
                                               buffer_bytes(&call->id), call->params.query.source,
                                               &call->answer, &call->place, &store->error);
    }
}

void operations_get_event(struct operations_call *call) {
    operations_call_run(call, find_event, read_record);
}

void operations_find_letter(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status =
            event_index_find_letter(index, buffer_bytes(&call->space), buffer_bytes(&call->id),
                                    &call->answer, &call->place, &store->error);
    }
}

void operations_get_letter(struct operations_call *call) {
    call->is_letter = true;
    operations_call_run(call, operations_find_letter, read_record);
}
