// Detaches a subscription from the live position, for the first time or again.
#include "dispatcher/cursor_private.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/taken_event.h"

#include <stdlib.h>

#define LINES_PER_SECOND 10

static void forget_event(void *context, struct taken_event *taken) {
    struct cursor *cursor = context;
    cursor_progress_forget(&cursor->progress, &taken->place);
    taken_event_destroy(taken);
}

void cursor_rewind(struct cursor *cursor) {
    cursor_progress_rewind(&cursor->progress);
    schedule_forget_idle(cursor->queue, cursor, forget_event, cursor);
}

void cursor_log_detached(const struct cursor *cursor) {
    static struct log_limit limit;
    const struct subscription *subscription = cursor->queue->subscription;
    uint64_t suppressed;
    if (log_limit_allows(&limit, LINES_PER_SECOND, &suppressed)) {
        log_line(LOG_INFO, "subscription detached from the live position",
                 LOG_BYTES("space", subscription->space),
                 LOG_BYTES("subscription", subscription->id),
                 LOG_NUMBER("partition", cursor->partition->number),
                 LOG_NUMBER("position", cursor_progress_position(&cursor->progress)),
                 LOG_TEXT("reason", cursor->reason), LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void detach_live(struct subscription_queue *queue, const char *reason) {
    struct cursor *cursor = cursor_create(queue, reason);
    cursor->created = bytes_to_text(queue->subscription->created);
    cursor->state = CURSOR_DETACHING;
    cursor->until = CURSOR_NO_END;
    cursor->live_first = cursor_first_live(cursor);
    cursor_progress_init(&cursor->progress, cursor->live_first, NULL);
    cursor_cover_live(cursor);
    cursor_inherit_live(cursor);
    cursor->is_changed = true;
    cursor_log_detached(cursor);
    cursor_write_if_needed(cursor);
}

static void set_reason(struct cursor *cursor, const char *reason) {
    free(cursor->reason);
    cursor->reason = memory_copy_text(reason);
    cursor->is_changed = true;
}

// It has been attached, but not everything before is finished: the same record takes the live
// deliveries back.
static void detach_again(struct cursor *cursor) {
    cursor->state = CURSOR_DETACHING;
    cursor->has_finished = false;
    cursor_cover_live(cursor);
    cursor_log_detached(cursor);
}

void cursor_detach(struct subscription_queue *queue, const char *reason) {
    struct cursor *cursor = queue->cursor;
    if (!partition_is_fed(queue->partition)) {
        return;
    }
    if (!cursor && !queue->replay) {
        detach_live(queue, reason);
    }
    if (!cursor) {
        return;
    }
    switch (cursor->state) {
    case CURSOR_STARTING:
    case CURSOR_DETACHING:
        break;
    case CURSOR_ENDING:
        cursor->detach_again = cursor->is_doomed || cursor->queue->replay ? NULL : reason;
        break;
    case CURSOR_ATTACHING:
        set_reason(cursor, reason);
        detach_again(cursor);
        cursor_rewind(cursor);
        cursor_write_if_needed(cursor);
        break;
    case CURSOR_CATCHING_UP:
        set_reason(cursor, reason);
        cursor->has_finished = false;
        cursor_rewind(cursor);
        cursor_write_if_needed(cursor);
        break;
    }
}
