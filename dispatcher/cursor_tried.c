// What a cursor remembers of attempts, so that they go on to count: of deliveries that were
// forgotten and are read again later, and, in its record, of those that are there.
#include "dispatcher/cursor_private.h"

#include "dispatcher/delivery.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/taken_event.h"

// Of all cursors of a lane, about 5 MiB. Thousands can be detached at once; then some begin anew.
#define TRIED_OF_LANE_MAX 65536

static size_t *count_of_lane(const struct cursor *cursor) {
    return &cursor->partition->lane->catch_up.tried;
}

static void count_change(const struct cursor *cursor, size_t before) {
    *count_of_lane(cursor) += cursor->tried.count - before; // Modulo, when it is less now.
}

void cursor_put_tried(struct cursor *cursor, const struct tried *tried) {
    size_t before = cursor->tried.count;
    if (*count_of_lane(cursor) < TRIED_OF_LANE_MAX) {
        tried_list_put(&cursor->tried, tried);
        count_change(cursor, before);
    }
}

void cursor_clear_tried(struct cursor *cursor) {
    *count_of_lane(cursor) -= cursor->tried.count;
    tried_list_clear(&cursor->tried);
}

void cursor_keep_tried(struct cursor *cursor, const struct delivery *delivery) {
    struct tried tried;
    delivery_tried(delivery, &tried);
    if (tried.attempts > 0) {
        cursor_put_tried(cursor, &tried);
        cursor->has_news = true;
    }
}

void cursor_take_tried(struct cursor *cursor, struct delivery *delivery) {
    size_t before = cursor->tried.count;
    struct tried tried;
    if (tried_list_take(&cursor->tried, delivery->taken->place.offset, &tried)) {
        count_change(cursor, before);
        delivery_go_on(delivery, &tried);
    }
}

void cursor_note_news(struct cursor *cursor) {
    cursor->has_news = true;
    cursor_write_if_needed(cursor);
}

static void gather_list(const struct cursor *cursor, const struct delivery_list *list,
                        struct tried_list *ret_tried) {
    for (const struct delivery *delivery = list->first; delivery; delivery = delivery->next) {
        bool is_own = delivery->taken->cursor == cursor || cursor->state == CURSOR_DETACHING;
        struct tried tried;
        delivery_tried(delivery, &tried);
        if (is_own && tried.attempts > 0) {
            tried_list_put(ret_tried, &tried);
        }
    }
}

void cursor_gather_tried(struct cursor *cursor, struct tried_list *ret_tried) {
    const struct subscription_queue *queue = cursor->queue;
    int64_t position = cursor_progress_position(&cursor->progress);
    size_t before = cursor->tried.count;
    tried_list_cut(&cursor->tried, position);
    count_change(cursor, before);
    for (size_t i = 0; i < cursor->tried.count; i++) {
        tried_list_put(ret_tried, &cursor->tried.items[i]);
    }
    gather_list(cursor, &queue->held, ret_tried);
    gather_list(cursor, &queue->waiting, ret_tried);
    gather_list(cursor, &queue->started, ret_tried);
    // Calls of an earlier subscription of the same id may lie below.
    tried_list_cut(ret_tried, position);
}
