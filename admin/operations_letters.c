// DELETE deadletters/{id}: a mark in the log, so that every node knows it, and in this node's
// index.

#include <jansson.h>

#include "admin/operations_api.h"
#include "core/base/memory.h"
#include "core/events/letter_mark.h"

static void mark_letter(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        event_index_begin(index);
        event_index_mark_letter(index, call->place.partition, call->place.offset, LETTER_DELETED,
                                (struct bytes){0});
        store->status = event_index_commit(index, &store->error);
    }
}

// The log has the mark: that is what counts.
static void letter_marked(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    json_decref(call->answer);
    call->answer = NULL;
    call->answer_status = 204;
    operations_call_answer(call);
}

static void mark_appended(struct event_log_append *append) {
    struct operations_call *call = CONTAINER_OF(append, struct operations_call, append);
    struct error error = {0};
    if (append->status == STATUS_OK) {
        operations_call_run(call, mark_letter, letter_marked);
        return;
    }
    (void)error_set(&error, append->status, "the event log cannot be written now, try again");
    operations_call_fail(call, STATUS_UNAVAILABLE, &error);
}

static void append_mark(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status != STATUS_OK) {
        operations_call_fail(call, store->status, &store->error);
        return;
    }
    const struct letter_mark mark = {.kind = LETTER_MARK_DELETED,
                                     .partition = call->place.partition,
                                     .offset = call->place.offset};
    call->mark = memory_allocate(sizeof *call->mark);
    letter_mark_encode(&mark, call->mark);
    call->append = (struct event_log_append){
        .stream = EVENT_LOG_DEAD_LETTERS,
        .record = call->mark->record,
        .loop = call->admin->options.loop,
        .done = mark_appended,
    };
    enum status status = event_log_append(call->admin->options.log, &call->append);
    if (status != STATUS_OK) {
        struct error error = {0};
        (void)error_set(&error, status, "the event log cannot be written now, try again");
        operations_call_fail(call, STATUS_UNAVAILABLE, &error);
    }
}

void operations_delete_letter(struct operations_call *call) {
    operations_call_run(call, operations_find_letter, append_mark);
}
