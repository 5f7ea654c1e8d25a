// A worker loop's part of the dispatcher: its partitions, the snapshot that they match with, and
// what is done once for all that a turn of the loop brought. Everything belongs to the loop's
// thread unless it says otherwise.
#ifndef EVENT_GATEWAY_DISPATCHER_LANE_H
#define EVENT_GATEWAY_DISPATCHER_LANE_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/event_loop.h"
#include "core/base/log_line.h"
#include "core/event_log/event_log.h"
#include "core/functions/invoker.h"
#include "core/registry/registry.h"
#include "core/system/system_emitter.h"
#include "dispatcher/backlog.h"
#include "dispatcher/catch_up.h"
#include "dispatcher/flow.h"
#include "dispatcher/outcomes.h"
#include "dispatcher/retention_watch.h"
#include "dispatcher/retry_tiers.h"
#include "dispatcher/subscriber.h"
#include "dispatcher/window.h"

struct dead_letter_notices;
struct open_circuits;
struct partition;

struct lane {
    struct event_loop *loop;
    struct invoker *invoker;
    struct event_log *log;
    struct registry *registry;
    struct backlog *backlog;
    struct backlog *parked[RETRY_TIER_COUNT]; // as backlog, of eg.retry.*
    struct window_budget budget;
    struct flow flow;
    struct system_emitter emitter;
    struct dead_letter_notices *notices; // of all lanes
    struct open_circuits *circuits;      // of all lanes
    struct window_budget parked_budget;  // what waits takes no place of what runs
    const struct retry_tiers *tiers;
    struct outcomes outcomes;
    struct running_calls calls;
    struct retention_watch retention;

    const struct snapshot *snapshot; // NULL until it was needed first
    struct subscriber_table subscribers;
    struct catch_up catch_up;
    struct partition *partitions;
    struct partition *dirty; // to be settled when the turn is over
    struct event_loop_hook hook;
    bool is_hooked;
    struct log_limit given_up_limit;

    struct event_loop_task changed_task;
    atomic_bool is_change_posted; // any thread
    struct event_loop_task stop_task;
    sem_t *stopped;
};

// The owner has filled in loop to tiers, of the budgets bytes_max, of outcomes what it wants, and
// has initialised the flow.
void lane_init(struct lane *lane);
// Any thread: the registry has a new snapshot.
void lane_post_change(struct lane *lane);
// Takes the registry's current snapshot; queues go on with the subscriptions as they are now.
void lane_refresh(struct lane *lane);

void lane_add(struct lane *lane, struct partition *partition);
void lane_remove(struct lane *lane, struct partition *partition);
// The partition has something to settle at the end of the turn.
void lane_mark(struct lane *lane, struct partition *partition);

// Any thread, once nothing is posted any more: forgets all partitions and posts stopped when the
// loop has nothing of the lane left but calls that free themselves.
void lane_post_stop(struct lane *lane, sem_t *stopped);

#endif
