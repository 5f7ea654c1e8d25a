// The operations API: events and dead letters of a space. operations_api.c finds out what a request
// wants, operations_lookup.c answers from the index, operations_letters.c deletes,
// operations_redrives.c redrives, operations_emit.c takes events. Everything belongs to the admin's
// loop.
#ifndef EVENT_GATEWAY_ADMIN_OPERATIONS_API_H
#define EVENT_GATEWAY_ADMIN_OPERATIONS_API_H

#include "admin/admin_private.h"
#include "admin/event_store.h"
#include "admin/query_params.h"

// One request. space and id are decoded.
struct operations_call {
    struct admin *admin;
    struct http_request *request;
    struct buffer space, id;
    struct list_params params;

    struct event_store_call store;
    struct json_t *answer;
    unsigned answer_status; // when it is well
    struct log_place place;
    bool is_letter;
    struct event_log_slice slice;
    struct event_log_append append;
    struct letter_mark_record *mark;
    struct log_place *letters; // to be redriven
    size_t letter_count;
    int64_t rate;
    int64_t letter_total;
};

// Ends it with what status says; error's text is for people.
void operations_call_fail(struct operations_call *call, enum status status,
                          const struct error *error);
// Ends it with call->answer, or without a body when there is none.
void operations_call_answer(struct operations_call *call);
void operations_call_destroy(struct operations_call *call);
// Runs on the store's thread, or fails the call.
void operations_call_run(struct operations_call *call,
                         void (*run)(struct event_store_call *call, struct event_index *index),
                         void (*done)(struct event_store_call *call));
struct operations_call *operations_call_of(struct event_store_call *call);
// operations_lookup.c, on the store's thread: the dead letter of the call's id, into answer and
// place.
void operations_find_letter(struct event_store_call *call, struct event_index *index);

// Each ends the call, now or later.
void operations_list_events(struct operations_call *call);
void operations_get_event(struct operations_call *call);
void operations_list_letters(struct operations_call *call);
void operations_get_letter(struct operations_call *call);
void operations_delete_letter(struct operations_call *call);
// redrive_request.c: the body, checked, into the call.
enum status must_check operations_read_redrive(struct operations_call *call, struct error *error);
void operations_begin_redrive(struct operations_call *call);
void operations_list_redrives(struct operations_call *call);
void operations_get_redrive(struct operations_call *call);
void operations_cancel_redrive(struct operations_call *call);
void operations_stream_events(struct operations_call *call);
void operations_emit(struct operations_call *call);

#endif
