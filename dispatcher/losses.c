#include "dispatcher/losses.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/base/text.h"
#include "core/registry/snapshot.h"
#include "dispatcher/cursor.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>

#define LINES_PER_SECOND 10

static struct metric_family lost_family = {
    .name = "eventgateway_subscription_events_lost_total",
    .help = "Offsets that retention removed before they were delivered to the subscription; which "
            "of them it asked for is not known.",
    .kind = METRIC_COUNTER,
    .label_names = {"space", "subscription"},
};

struct loss {
    struct loss *next; // in its bucket
    struct partition *partition;
    char *space, *id, *created;
    int64_t count;
    int64_t until;            // all below was counted
    struct cursor_post *post; // on its way
    bool is_changed;          // beyond that
};

static struct loss **bucket_of(struct losses *losses, struct bytes id) {
    return &losses->buckets[bytes_hash(id) % LOSSES_BUCKETS];
}

static struct loss *find_or_add(struct partition *partition, struct bytes space, struct bytes id) {
    struct loss **bucket = bucket_of(&partition->losses, id);
    for (struct loss *loss = *bucket; loss; loss = loss->next) {
        if (bytes_equal_text(id, loss->id) && bytes_equal_text(space, loss->space)) {
            return loss;
        }
    }
    struct loss *loss = memory_allocate(sizeof *loss);
    loss->partition = partition;
    loss->space = bytes_to_text(space);
    loss->id = bytes_to_text(id);
    loss->next = *bucket;
    *bucket = loss;
    partition->losses.count++;
    return loss;
}

static void set_created(struct loss *loss, struct bytes created) {
    free(loss->created);
    loss->created = bytes_to_text(created);
}

void losses_restore(struct partition *partition, const struct cursor_record *record) {
    struct loss *loss = find_or_add(partition, record->space, record->subscription_id);
    set_created(loss, record->created);
    loss->count = record->lost;
    loss->until = record->position;
}

// --- Writing.

static void write_loss(struct loss *loss);

static void loss_written(void *context, int64_t offset) {
    (void)offset;
    struct loss *loss = context;
    loss->post = NULL;
    loss->partition->losses.inside--;
    if (loss->is_changed) {
        write_loss(loss);
    }
    lane_mark(loss->partition->lane, loss->partition);
}

static void write_loss(struct loss *loss) {
    struct partition *partition = loss->partition;
    struct lane *lane = partition->lane;
    const struct cursor_post_options options = {
        .log = lane->log, .loop = lane->loop, .stored = loss_written, .context = loss};
    const struct cursor_record record = {.kind = CURSOR_LOST,
                                         .partition = partition->number,
                                         .epoch = partition->epoch,
                                         .space = bytes_of_text(loss->space),
                                         .subscription_id = bytes_of_text(loss->id),
                                         .created = bytes_of_text(loss->created),
                                         .position = loss->until,
                                         .until = CURSOR_NO_END,
                                         .lost = loss->count,
                                         .written_us = clock_wall_us()};
    loss->is_changed = false;
    partition->losses.inside++;
    loss->post = cursor_post_record(&options, &record);
}

// --- Counting.

static void log_loss(const struct partition *partition, const struct subscription *subscription,
                     int64_t from, int64_t first) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, LINES_PER_SECOND, &suppressed)) {
        log_line(LOG_ERROR, "retention has removed events that were not delivered",
                 LOG_BYTES("space", subscription->space),
                 LOG_BYTES("subscription", subscription->id),
                 LOG_NUMBER("partition", partition->number), LOG_NUMBER("position", from),
                 LOG_NUMBER("first", first), LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void show(const struct loss *loss, int64_t count) {
    metric_add(METRIC(&lost_family, loss->space, loss->id), count);
}

void losses_note(struct partition *partition, const struct subscription *subscription, int64_t from,
                 int64_t first) {
    const struct lane *lane = partition->lane;
    struct loss *loss = find_or_add(partition, subscription->space, subscription->id);
    if (!bytes_equal_text(subscription->created, loss->created)) {
        set_created(loss, subscription->created); // Another one had its id.
        loss->count = loss->until = 0;
    }
    from = from > loss->until ? from : loss->until;
    if (first <= from) {
        return;
    }
    loss->count += first - from;
    loss->until = first;
    show(loss, first - from);
    log_loss(partition, subscription, from, first);
    system_emit_events_lost(&lane->emitter, lane->snapshot, subscription, partition->number, from,
                            first - from);
    loss->is_changed = true;
    if (!loss->post) {
        write_loss(loss);
    }
}

// Whether the live position serves it, where it reads now. What its cursor was still to read before
// is removed as well.
static bool is_live(struct partition *partition, const struct subscription *subscription,
                    int64_t first) {
    const struct subscription_queue *queue = queue_table_find(&partition->queues, subscription);
    const struct cursor *cursor = queue ? queue->cursor : NULL;
    if (!cursor || cursor->is_doomed || cursor->state == CURSOR_DETACHING) {
        return true;
    }
    if (cursor->state == CURSOR_ATTACHING) {
        losses_note(partition, subscription, cursor->progress.read_offset,
                    first < cursor->until ? first : cursor->until);
    }
    return cursor->live_from != CURSOR_NO_END && cursor->state != CURSOR_STARTING;
}

void losses_note_live(struct partition *partition, int64_t from, int64_t first) {
    size_t count;
    const struct subscription *const *subscriptions =
        snapshot_subscriptions(partition->lane->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (!subscriptions[i]->is_sync && is_live(partition, subscriptions[i], first)) {
            losses_note(partition, subscriptions[i], from, first);
        }
    }
}

// Whether it asked for events already when some of that time were new.
static bool has_waited_since(const struct subscription *subscription, int64_t time_ms) {
    int64_t since_us;
    if (subscription->is_sync || timestamp_parse(subscription->created, &since_us) != STATUS_OK) {
        return false;
    }
    bool begins_later =
        subscription->start == SUBSCRIPTION_START_TIME && subscription->start_ms > since_us / 1000;
    return (begins_later ? subscription->start_ms : since_us / 1000) < time_ms;
}

void losses_oldest_came(struct partition *partition, int64_t stored_ms) {
    int64_t first = partition->losses.unread_until;
    if (first == 0) {
        return;
    }
    size_t count;
    bool are_lost = false;
    const struct subscription *const *subscriptions =
        snapshot_subscriptions(partition->lane->snapshot, &count);
    partition->losses.unread_until = 0;
    for (size_t i = 0; i < count; i++) {
        if (has_waited_since(subscriptions[i], stored_ms)) {
            losses_note(partition, subscriptions[i], 0, first);
            are_lost = true;
        }
    }
    if (are_lost) {
        metric_add(dispatcher_metrics()->events_lost, first);
    }
}

void losses_note_unread(struct partition *partition, int64_t first) {
    int64_t keeps_ms = event_log_keeps_ms(partition->lane->log);
    bool is_empty = event_log_reader_end_offset(partition->reader, partition->number) == first;
    // Where nothing says when they were removed, nobody is told of a loss that may be none.
    partition->losses.unread_until = is_empty && keeps_ms == 0 ? 0 : first;
    if (is_empty) {
        losses_oldest_came(partition, clock_wall_us() / 1000 - keeps_ms);
    }
}

// --- Forgetting.

// Nothing waits for the confirmation of one that is forgotten.
static void forget_first(struct losses *losses, struct loss **link) {
    struct loss *loss = *link;
    *link = loss->next;
    losses->count--;
    if (loss->post) {
        cursor_post_forget(loss->post);
        losses->inside--;
    }
    free(loss->space);
    free(loss->id);
    free(loss->created);
    free(loss);
}

static bool is_gone(const struct loss *loss, const struct snapshot *snapshot) {
    const struct subscription *subscription =
        snapshot_subscription(snapshot, bytes_of_text(loss->space), bytes_of_text(loss->id));
    return !subscription || !bytes_equal_text(subscription->created, loss->created);
}

void losses_configuration_changed(struct partition *partition) {
    struct losses *losses = &partition->losses;
    size_t inside = losses->inside;
    for (size_t i = 0; i < LOSSES_BUCKETS && losses->count > 0; i++) {
        struct loss **link = &losses->buckets[i];
        while (*link) {
            if (is_gone(*link, partition->lane->snapshot)) {
                forget_first(losses, link);
            } else {
                link = &(*link)->next;
            }
        }
    }
    if (losses->inside < inside) {
        lane_mark(partition->lane, partition); // The position may have waited for it.
    }
}

void losses_clear(struct losses *losses) {
    for (size_t i = 0; i < LOSSES_BUCKETS; i++) {
        while (losses->buckets[i]) {
            forget_first(losses, &losses->buckets[i]);
        }
    }
}
