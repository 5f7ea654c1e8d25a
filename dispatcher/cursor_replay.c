// A replay: a cursor in a queue of its own, with an end, that is never attached.
#include "dispatcher/cursor_private.h"

void cursor_replay(struct subscription_queue *queue, const struct cursor_record *record) {
    struct cursor *cursor = cursor_create(queue, CURSOR_REASON_REPLAY);
    cursor->created = bytes_to_text(queue->subscription->created);
    cursor->until = record->until;
    cursor->state = cursor->posted = CURSOR_CATCHING_UP;
    cursor->posted_position = record->position;
    cursor->lost = record->lost;
    cursor->delivered = record->delivered;
    cursor->failed = record->failed;
    cursor->is_changed = true;
    cursor_progress_init(&cursor->progress, record->position, &record->finished);
    for (size_t i = 0; i < record->tried.count; i++) {
        cursor_put_tried(cursor, &record->tried.items[i]);
    }
}

// Calls that run are the last ones.
static void end_early(struct cursor *cursor) {
    cursor->queue->is_gone = true;
    cursor->is_stopped = true;
    cursor_rewind(cursor);
}

void cursor_stop_replay(struct cursor *cursor) {
    end_early(cursor);
    cursor->is_changed = true;
    cursor_go_on(cursor);
}

void cursor_remove_replay(struct cursor *cursor) {
    end_early(cursor);
    cursor_doom(cursor);
}

void cursor_count(struct cursor *cursor, bool is_delivered) {
    cursor->delivered += is_delivered;
    cursor->failed += !is_delivered;
}

int64_t cursor_matched(const struct cursor *cursor) {
    return cursor->delivered + cursor->failed + (int64_t)cursor->progress.count;
}

void cursor_skip_to(struct cursor *cursor, int64_t first_offset) {
    int64_t next = first_offset < cursor->until ? first_offset : cursor->until;
    cursor->lost += next - cursor->progress.read_offset;
    cursor_progress_read(&cursor->progress, next);
    cursor->is_changed = true;
}
