#include "dispatcher/start_query.h"

#include "core/base/memory.h"
#include "core/event_log/event_log.h"
#include "dispatcher/lane.h"

#include <stdlib.h>

struct start_query {
    struct event_log_time_query query;
    int32_t partition;
    struct event_loop *loop;
    bool is_inside;                              // the log has the query
    struct event_loop_timer timer;               // when it would not take it
    void (*done)(void *context, int64_t offset); // NULL: forgotten
    void *context;
};

static void end(struct start_query *query, int64_t offset) {
    void (*done)(void *, int64_t) = query->done;
    void *context = query->context;
    event_log_time_query_clear(&query->query);
    free(query);
    if (done) {
        done(context, offset);
    }
}

static void query_done(struct event_log_time_query *time_query) {
    struct start_query *query = CONTAINER_OF(time_query, struct start_query, query);
    bool is_known = time_query->status == STATUS_OK && query->partition >= 0 &&
                    (size_t)query->partition < time_query->count;
    end(query, is_known ? time_query->offsets[query->partition] : -1);
}

static void was_refused(struct event_loop_timer *timer) {
    end(CONTAINER_OF(timer, struct start_query, timer), -1);
}

struct start_query *start_query_begin(struct lane *lane, int32_t partition,
                                      const struct subscription *subscription,
                                      void (*done)(void *context, int64_t offset), void *context) {
    struct start_query *query = memory_allocate(sizeof *query);
    bool is_earliest = subscription->start == SUBSCRIPTION_START_EARLIEST;
    query->query.stream = EVENT_LOG_EVENTS;
    query->query.time_ms = is_earliest ? 0 : subscription->start_ms;
    query->query.loop = lane->loop;
    query->query.done = query_done;
    query->partition = partition;
    query->loop = lane->loop;
    query->done = done;
    query->context = context;
    query->is_inside = event_log_find_time(lane->log, &query->query) == STATUS_OK;
    if (!query->is_inside) {
        query->timer.expired = was_refused;
        event_loop_timer_start(lane->loop, &query->timer, 0);
    }
    return query;
}

void start_query_forget(struct start_query *query) {
    if (query->is_inside) {
        query->done = NULL; // The log's answer frees it.
        return;
    }
    event_loop_timer_stop(query->loop, &query->timer);
    free(query);
}
