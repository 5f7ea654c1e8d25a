// What a cursor has to do with the live deliveries of its queue: which there are, and how it takes
// them over.
#include "dispatcher/cursor_private.h"

#include "core/base/memory.h"
#include "dispatcher/delivery.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/taken_event.h"

#include <stdlib.h>

static size_t delivery_count(const struct subscription_queue *queue) {
    return queue->held.count + queue->waiting.count + queue->started.count;
}

static int compare_offsets(const void *a, const void *b) {
    int64_t difference = *(const int64_t *)a - *(const int64_t *)b;
    return difference < 0 ? -1 : difference > 0;
}

static size_t live_offsets(const struct subscription_queue *queue, int64_t *ret_offsets) {
    const struct delivery_list *lists[] = {&queue->held, &queue->waiting, &queue->started};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        for (const struct delivery *delivery = lists[i]->first; delivery;
             delivery = delivery->next) {
            if (!delivery->taken->cursor) {
                ret_offsets[count++] = delivery->taken->place.offset;
            }
        }
    }
    qsort(ret_offsets, count, sizeof *ret_offsets, compare_offsets);
    return count;
}

int64_t cursor_first_live(const struct cursor *cursor) {
    const struct subscription_queue *queue = cursor->queue;
    int64_t *offsets = memory_allocate((delivery_count(queue) + 1) * sizeof *offsets);
    int64_t first = live_offsets(queue, offsets) > 0 ? offsets[0] : cursor_live_next(cursor);
    free(offsets);
    return first;
}

void cursor_cover_live(struct cursor *cursor) {
    const struct subscription_queue *queue = cursor->queue;
    int64_t *offsets = memory_allocate((delivery_count(queue) + 1) * sizeof *offsets);
    size_t count = live_offsets(queue, offsets);
    int64_t from = cursor->live_first;
    for (size_t i = 0; i < count; i++) {
        offset_ranges_add(&cursor->progress.ranges, from, offsets[i]);
        from = offsets[i] + 1;
    }
    offset_ranges_add(&cursor->progress.ranges, from, cursor_live_next(cursor));
    offset_ranges_cut(&cursor->progress.ranges, cursor->progress.read_offset);
    free(offsets);
}

void cursor_inherit_live(struct cursor *cursor) {
    const struct live_share *share = live_progress_find(&cursor->partition->live.progress,
                                                        cursor->queue->subscription->fingerprint);
    for (size_t i = 0; share && i < share->finished.count; i++) {
        offset_ranges_add(&cursor->progress.ranges, share->finished.items[i].first,
                          share->finished.items[i].end);
    }
    for (size_t i = 0; share && i < share->tried.count; i++) {
        cursor_put_tried(cursor, &share->tried.items[i]);
    }
    offset_ranges_cut(&cursor->progress.ranges, cursor->progress.read_offset);
}

// Live deliveries below offset whose calls run: those of an earlier subscription of the same id.
static size_t running_below(const struct subscription_queue *queue, int64_t offset,
                            int64_t *ret_offsets) {
    size_t count = 0;
    for (const struct delivery *delivery = queue->started.first; delivery;
         delivery = delivery->next) {
        bool is_running = delivery->state != DELIVERY_RETRY_WAIT && !delivery->taken->cursor;
        if (is_running && delivery->taken->place.offset < offset) {
            ret_offsets[count++] = delivery->taken->place.offset;
        }
    }
    qsort(ret_offsets, count, sizeof *ret_offsets, compare_offsets);
    return count;
}

void cursor_cover_before(struct cursor *cursor, int64_t offset) {
    const struct subscription_queue *queue = cursor->queue;
    int64_t *running = memory_allocate((delivery_count(queue) + 1) * sizeof *running);
    size_t count = running_below(queue, offset, running);
    cursor_progress_clear(&cursor->progress);
    cursor_progress_init_unfinished(&cursor->progress, running, count, offset);
    free(running);
}

static void forget_live(void *context, struct taken_event *taken) {
    struct cursor *cursor = context;
    partition_delivery_moved(cursor->partition, taken);
}

static void adopt(struct cursor *cursor, struct delivery_list *list) {
    for (struct delivery *delivery = list->first; delivery; delivery = delivery->next) {
        struct taken_event *live = delivery->taken;
        if (!live->cursor) {
            delivery->taken = taken_event_copy_for(cursor, live);
            cursor_progress_add(&cursor->progress, &delivery->taken->place);
            partition_delivery_moved(cursor->partition, live);
        }
    }
}

void cursor_take_over_live(struct cursor *cursor) {
    struct subscription_queue *queue = cursor->queue;
    cursor_cover_live(cursor);
    schedule_forget_idle(queue, NULL, forget_live, cursor);
    adopt(cursor, &queue->waiting);
    adopt(cursor, &queue->started);
    cursor->live_from = cursor->until = CURSOR_NO_END;
    cursor->state = CURSOR_CATCHING_UP;
}
