#include "dispatcher/cursor.h"

#include "core/base/memory.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/cursor_private.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/start_query.h"
#include "dispatcher/subscriber.h"
#include "dispatcher/taken_event.h"

#include <stdlib.h>

int64_t cursor_live_next(const struct cursor *cursor) {
    return cursor->partition->tracker.next_offset;
}

bool cursor_is_paused(const struct cursor *cursor) {
    return cursor->queue->subscription->is_paused || cursor->queue->subscriber->suspension;
}

bool cursor_serves(const struct cursor *cursor, int64_t offset) {
    return offset < cursor->live_from && !cursor->is_doomed;
}

int64_t cursor_live_from(const struct cursor *cursor) {
    return cursor->is_doomed || cursor->state == CURSOR_STARTING ? CURSOR_NO_END
                                                                 : cursor->live_from;
}

bool cursor_holds(const struct cursor *cursor) {
    return !cursor->is_doomed && (cursor->state == CURSOR_STARTING ||
                                  cursor->state == CURSOR_DETACHING || cursor->detach_again);
}

static void look_again(struct event_loop_timer *timer) {
    cursor_go_on(CONTAINER_OF(timer, struct cursor, timer));
}

struct cursor *cursor_create(struct subscription_queue *queue, const char *reason) {
    struct cursor *cursor = memory_allocate(sizeof *cursor);
    cursor->queue = queue;
    cursor->partition = queue->partition;
    cursor->reason = memory_copy_text(reason);
    cursor->timer.expired = look_again;
    cursor->newest_match = cursor->look_from = -1;
    queue->cursor = cursor;
    if (!queue->replay) {
        metric_add(dispatcher_metrics()->detached, 1);
        cursor_lag_start(cursor);
    }
    return cursor;
}

void cursor_restore(struct subscription_queue *queue, const struct cursor_record *record) {
    char *reason = bytes_to_text(record->reason);
    struct cursor *cursor = cursor_create(queue, reason);
    free(reason);
    cursor->created = bytes_to_text(record->created);
    bool is_ordered = queue->subscription->delivery.ordering == ORDERING_KEY;
    // An ordered one goes on alone: live deliveries would come before those that are to be read.
    cursor->until = is_ordered ? CURSOR_NO_END : record->until;
    cursor->live_from = cursor->live_first = cursor->until;
    cursor->state = cursor->until == CURSOR_NO_END ? CURSOR_CATCHING_UP : CURSOR_ATTACHING;
    cursor->is_changed = cursor->until != record->until;
    cursor->posted = cursor->state;
    cursor->posted_position = record->position;
    cursor->lost = record->lost;
    cursor_progress_init(&cursor->progress, record->position, &record->finished);
    for (size_t i = 0; i < record->tried.count; i++) {
        cursor_put_tried(cursor, &record->tried.items[i]);
    }
    cursor_inherit_live(cursor); // It may have been live still, or partly.
}

void cursor_destroy(struct cursor *cursor) {
    struct lane *lane = cursor->partition->lane;
    while (cursor->progress.first) {
        struct taken_event *taken = CONTAINER_OF(cursor->progress.first, struct taken_event, place);
        cursor_progress_forget(&cursor->progress, &taken->place);
        taken_event_destroy(taken);
    }
    if (cursor->post) {
        cursor_post_forget(cursor->post);
    }
    if (cursor->start_post) {
        cursor_post_forget(cursor->start_post);
    }
    if (cursor->start) {
        start_query_forget(cursor->start);
    }
    catch_up_forget(lane, cursor);
    event_loop_timer_stop(lane->loop, &cursor->timer);
    cursor_lag_stop(cursor);
    cursor_progress_clear(&cursor->progress);
    cursor_clear_tried(cursor);
    metric_add(dispatcher_metrics()->detached, cursor->queue->replay ? 0 : -1);
    cursor->queue->cursor = NULL;
    free(cursor->reason);
    free(cursor->created);
    free(cursor);
}

void cursor_go_on(struct cursor *cursor) {
    cursor_look_up_start(cursor);
    cursor_attach_if_possible(cursor);
    cursor_write_if_needed(cursor);
    if (cursor_room(cursor) > 0) {
        catch_up_want(cursor->partition->lane, cursor);
    }
}

void cursor_doom(struct cursor *cursor) {
    cursor->is_doomed = true;
    cursor->detach_again = NULL;
    cursor_go_on(cursor);
}

void cursor_delivery_finished(struct cursor *cursor, struct taken_event *taken) {
    cursor->has_finished = true;
    cursor->has_news = true;
    cursor_progress_finish(&cursor->progress, &taken->place);
    taken_event_destroy(taken);
    cursor_go_on(cursor);
}
