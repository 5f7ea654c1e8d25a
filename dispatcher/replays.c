#include "dispatcher/replays.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/registry/snapshot.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>

struct replay_mark {
    char *space, *id;
};

static void add(struct replays *replays, const struct replay *replay) {
    if (replays->count == replays->capacity) {
        replays->capacity = replays->capacity > 0 ? replays->capacity * 2 : 8;
        replays->items = memory_resize(replays->items, replays->capacity, sizeof *replays->items);
    }
    replays->items[replays->count++] =
        (struct replay_mark){bytes_to_text(replay->space), bytes_to_text(replay->id)};
}

static bool has_begun(const struct replays *replays, const struct replay *replay) {
    for (size_t i = 0; i < replays->count; i++) {
        if (bytes_equal_text(replay->id, replays->items[i].id) &&
            bytes_equal_text(replay->space, replays->items[i].space)) {
            return true;
        }
    }
    return false;
}

static void clear_mark(struct replay_mark *mark) {
    free(mark->space);
    free(mark->id);
}

// What is gone from the registry never begins again: every replay has an id of its own.
static void forget_removed(struct replays *replays, const struct snapshot *snapshot) {
    size_t kept = 0;
    for (size_t i = 0; i < replays->count; i++) {
        struct replay_mark *mark = &replays->items[i];
        if (snapshot_replay(snapshot, bytes_of_text(mark->space), bytes_of_text(mark->id))) {
            replays->items[kept++] = *mark;
        } else {
            clear_mark(mark);
        }
    }
    replays->count = kept;
}

void replays_clear(struct replays *replays) {
    for (size_t i = 0; i < replays->count; i++) {
        clear_mark(&replays->items[i]);
    }
    free(replays->items);
    *replays = (struct replays){0};
}

// The subscription that it was made for, not another one of that id.
static const struct subscription *subscription_of(const struct partition *partition,
                                                  const struct replay *replay) {
    const struct subscription *subscription =
        snapshot_subscription(partition->lane->snapshot, replay->space, replay->subscription_id);
    return subscription && bytes_equal(subscription->created, replay->subscription_created)
               ? subscription
               : NULL;
}

bool replays_record_is_current(const struct partition *partition,
                               const struct cursor_record *record) {
    return snapshot_replay(partition->lane->snapshot, record->space, record->replay_id) != NULL;
}

void replays_restore(struct partition *partition, const struct cursor_record *record) {
    const struct replay *replay =
        snapshot_replay(partition->lane->snapshot, record->space, record->replay_id);
    const struct subscription *subscription = replay ? subscription_of(partition, replay) : NULL;
    if (!replay || has_begun(&partition->replays, replay)) {
        return;
    }
    add(&partition->replays, replay);
    if (subscription && record->position < record->until && replay->stopped_us == 0) {
        cursor_replay(queue_table_get_replay(&partition->queues, partition, subscription, replay),
                      record);
    }
}

static void begin(struct partition *partition, const struct replay *replay,
                  const struct subscription *subscription) {
    const struct replay_part *part = &replay->parts[partition->number];
    struct cursor_record record = {.kind = CURSOR_REPLAY,
                                   .reason = BYTES(CURSOR_REASON_REPLAY),
                                   .position = part->from,
                                   .until = part->until};
    struct subscription_queue *queue =
        queue_table_get_replay(&partition->queues, partition, subscription, replay);
    log_line(LOG_INFO, "replay begins", LOG_BYTES("space", replay->space),
             LOG_BYTES("subscription", replay->subscription_id), LOG_BYTES("replay", replay->id),
             LOG_NUMBER("partition", partition->number), LOG_NUMBER("from", part->from),
             LOG_NUMBER("until", part->until));
    add(&partition->replays, replay);
    cursor_replay(queue, &record);
    cursor_go_on(queue->cursor);
}

static void begin_if_new(void *context, struct bytes space, struct bytes id,
                         const struct json_t *document) {
    struct partition *partition = context;
    const struct replay *replay = snapshot_replay(partition->lane->snapshot, space, id);
    const struct subscription *subscription = subscription_of(partition, replay);
    (void)document;
    if (subscription && replay->stopped_us == 0 && (size_t)partition->number < replay->part_count &&
        !has_begun(&partition->replays, replay)) {
        begin(partition, replay, subscription);
    }
}

static void stop_if_unwanted(void *context, struct subscription_queue *queue) {
    const struct partition *partition = context;
    if (!queue->replay || !queue->cursor || queue->cursor->is_doomed) {
        return;
    }
    const struct replay *replay =
        snapshot_replay(partition->lane->snapshot, queue->replay->space, queue->replay->id);
    if (!replay) {
        cursor_remove_replay(queue->cursor);
    } else if (replay->stopped_us > 0 && !queue->cursor->is_stopped) {
        cursor_stop_replay(queue->cursor);
    }
}

void replays_look(struct partition *partition) {
    const struct snapshot *snapshot = partition->lane->snapshot;
    queue_table_each(&partition->queues, stop_if_unwanted, partition);
    forget_removed(&partition->replays, snapshot);
    snapshot_each(snapshot, RESOURCE_REPLAY, (struct bytes){0}, begin_if_new, partition);
}
