// Waits until the index has taken in what lies in eg.deadletter by now: which letters there are,
// and the marks of those who redrove them before. Belongs to the event store's thread.
#ifndef EVENT_GATEWAY_ADMIN_INDEX_CATCH_UP_H
#define EVENT_GATEWAY_ADMIN_INDEX_CATCH_UP_H

#include "admin/event_index.h"
#include "core/base/event_loop.h"

struct index_catch_up;

struct index_catch_up_options {
    struct event_log *log;
    struct event_loop *loop;
    struct event_index *index;
    void (*done)(void *context); // later, once, unless it is cancelled
    void *context;
};
struct index_catch_up *index_catch_up_start(const struct index_catch_up_options *options);
// done is not called any more. released is, later, when nothing of it is inside the log.
void index_catch_up_cancel(struct index_catch_up *catch_up, void (*released)(void *context));

#endif
