#include "dispatcher/lane.h"

#include "core/base/memory.h"
#include "dispatcher/dead_letter_notices.h"
#include "dispatcher/partition.h"

#include <stddef.h>

// Commits and resumes of a whole turn at once: each takes the reader's lock.
static bool settle_all(struct event_loop_hook *hook) {
    struct lane *lane = CONTAINER_OF(hook, struct lane, hook);
    if (!lane->dirty) {
        return false;
    }
    while (lane->dirty) {
        struct partition *partition = lane->dirty;
        lane->dirty = partition->next_dirty;
        partition->is_dirty = false;
        partition_settle(partition);
    }
    // The bytes are counted for all of them, so what one gave back can let another go on.
    for (struct partition *partition = lane->partitions; partition; partition = partition->next) {
        if (partition->state == PARTITION_FED) {
            window_resume_if_low(&partition->window);
        }
    }
    return false;
}

static void renew_partitions(struct lane *lane) {
    for (struct partition *partition = lane->partitions; partition; partition = partition->next) {
        partition_configuration_changed(partition);
    }
}

static void renew_replays(struct lane *lane) {
    for (struct partition *partition = lane->partitions; partition; partition = partition->next) {
        partition_replays_changed(partition);
    }
}

void lane_refresh(struct lane *lane) {
    const struct snapshot *current = registry_snapshot(lane->registry);
    if (current == lane->snapshot) {
        snapshot_unref(current);
        return;
    }
    const struct snapshot *before = lane->snapshot;
    lane->snapshot = current;
    if (!before || snapshot_routes(before) != snapshot_routes(current)) {
        renew_partitions(lane);
        subscribers_configuration_changed(lane);
    } else if (!snapshot_same_replays(before, current)) {
        renew_replays(lane);
    }
    snapshot_unref(before);
}

static void configuration_changed(struct event_loop_task *task) {
    struct lane *lane = CONTAINER_OF(task, struct lane, changed_task);
    // Before the snapshot is taken, so that a later change is posted again.
    atomic_store(&lane->is_change_posted, false);
    lane_refresh(lane);
}

void lane_post_change(struct lane *lane) {
    if (!atomic_exchange(&lane->is_change_posted, true)) {
        event_loop_post(lane->loop, &lane->changed_task);
    }
}

void lane_init(struct lane *lane) {
    lane->hook.before_wait = settle_all;
    lane->changed_task.run = configuration_changed;
    atomic_init(&lane->is_change_posted, false);
    atomic_init(&lane->budget.bytes, 0);
    atomic_init(&lane->parked_budget.bytes, 0);
    outcomes_init(&lane->outcomes);
    running_calls_init(&lane->calls);
    lane->retention.lane = lane;
}

void lane_add(struct lane *lane, struct partition *partition) {
    if (!lane->is_hooked) {
        lane->is_hooked = true;
        event_loop_hook_add(lane->loop, &lane->hook);
        flow_start(&lane->flow);
        retention_watch_start(&lane->retention);
    }
    partition->next = lane->partitions;
    lane->partitions = partition;
}

static void unlink_dirty(struct lane *lane, struct partition *partition) {
    struct partition **link = &lane->dirty;
    while (*link && *link != partition) {
        link = &(*link)->next_dirty;
    }
    if (*link) {
        *link = partition->next_dirty;
    }
}

void lane_remove(struct lane *lane, struct partition *partition) {
    if (partition->is_dirty) {
        unlink_dirty(lane, partition);
    }
    struct partition **link = &lane->partitions;
    while (*link != partition) {
        link = &(*link)->next;
    }
    *link = partition->next;
}

void lane_mark(struct lane *lane, struct partition *partition) {
    if (!partition->is_dirty) {
        partition->is_dirty = true;
        partition->next_dirty = lane->dirty;
        lane->dirty = partition;
    }
}

static void stop(struct event_loop_task *task) {
    struct lane *lane = CONTAINER_OF(task, struct lane, stop_task);
    while (lane->partitions) {
        partition_destroy(lane->partitions);
    }
    if (lane->is_hooked) {
        event_loop_hook_remove(lane->loop, &lane->hook);
        flow_stop(&lane->flow);
        retention_watch_stop(&lane->retention);
    }
    dead_letter_notices_leave(lane->notices, lane);
    catch_up_stop(lane);
    subscribers_clear(lane);
    outcomes_close(&lane->outcomes); // After the last who has something to tell.
    snapshot_unref(lane->snapshot);
    sem_post(lane->stopped);
}

void lane_post_stop(struct lane *lane, sem_t *stopped) {
    lane->stopped = stopped;
    lane->stop_task.run = stop;
    event_loop_post(lane->loop, &lane->stop_task);
}
