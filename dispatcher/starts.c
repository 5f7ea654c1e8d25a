#include "dispatcher/starts.h"

#include "core/base/memory.h"
#include "core/registry/snapshot.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>
#include <string.h>

struct start_mark {
    char *space, *id, *created;
};

static void add(struct starts *starts, struct bytes space, struct bytes id, struct bytes created) {
    if (starts->count == starts->capacity) {
        starts->capacity = starts->capacity > 0 ? starts->capacity * 2 : 8;
        starts->items = memory_resize(starts->items, starts->capacity, sizeof *starts->items);
    }
    starts->items[starts->count++] = (struct start_mark){
        .space = bytes_to_text(space), .id = bytes_to_text(id), .created = bytes_to_text(created)};
}

void starts_note(struct starts *starts, const struct cursor_record *record) {
    add(starts, record->space, record->subscription_id, record->created);
}

static bool is_followed(const struct starts *starts, const struct subscription *subscription) {
    for (size_t i = 0; i < starts->count; i++) {
        const struct start_mark *mark = &starts->items[i];
        if (bytes_equal_text(subscription->id, mark->id) &&
            bytes_equal_text(subscription->space, mark->space) &&
            bytes_equal_text(subscription->created, mark->created)) {
            return true;
        }
    }
    return false;
}

static void follow(struct partition *partition, const struct subscription *subscription) {
    struct subscription_queue *queue = queue_table_get(&partition->queues, partition, subscription);
    if (queue->cursor && queue->cursor->is_doomed) {
        return; // Of one that had the same id; when it has ended this one's turn comes.
    }
    add(&partition->starts, subscription->space, subscription->id, subscription->created);
    if (queue->cursor) {
        cursor_write_start(queue->cursor); // Its record was written, and only the marker was not.
    } else {
        cursor_start(queue);
    }
}

void starts_look(struct partition *partition) {
    size_t count;
    const struct subscription *const *subscriptions =
        snapshot_subscriptions(partition->lane->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (subscriptions[i]->start != SUBSCRIPTION_START_LATEST &&
            !is_followed(&partition->starts, subscriptions[i])) {
            follow(partition, subscriptions[i]);
        }
    }
}

void starts_clear(struct starts *starts) {
    for (size_t i = 0; i < starts->count; i++) {
        free(starts->items[i].space);
        free(starts->items[i].id);
        free(starts->items[i].created);
    }
    free(starts->items);
    *starts = (struct starts){0};
}
