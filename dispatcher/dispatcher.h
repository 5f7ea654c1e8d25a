// The dispatcher role: reads the event log as a member of the consumer group, matches each event
// once with the current subscriptions, delivers to functions at least once, and commits only what
// is finished. Partitions are spread over the worker loops; a partition's state belongs to one
// loop. Created, closed and destroyed by main's thread.
#ifndef EVENT_GATEWAY_DISPATCHER_DISPATCHER_H
#define EVENT_GATEWAY_DISPATCHER_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/status.h"
#include "core/event_log/event_log.h"
#include "core/functions/invoker.h"
#include "core/registry/registry.h"
#include "dispatcher/outcomes.h"
#include "dispatcher/retry_tiers.h"

struct dispatcher;

struct dispatcher_worker {
    struct event_loop *loop;
    struct invoker *invoker; // on that loop
};

struct dispatcher_options {
    struct event_log *log;
    struct registry *registry;
    const struct dispatcher_worker *workers;
    size_t worker_count;
    const char *group;        // consumer group: "eg-dispatcher"
    const char *source;       // of system events; NULL = "/event-gateway"
    bool is_hosted;           // a hosted domain is set: system events lie on "/{space}"
    size_t window_max_events; // events taken and not finished, per partition; 0 = 4096
    size_t calls_max;         // that run at once, over all workers; 0 = 1024 for each
    size_t window_max_bytes;  // their bytes, over all partitions; 0 = 256 MiB
    int64_t
        notice_interval_ms; // between two notices of a subscription's dead letters; 0 = a minute
    int64_t hand_over_ms;   // what is in flight may finish when a partition goes; 0 = 5000
    const char *node;       // who delivers, for eg.outcome; NULL = not told
    enum outcome_recording recording;
    const struct retry_tiers *tiers; // copied; NULL = those of retry_tiers.h
};
// Starts reading. The loops may run already or start later.
enum status must_check dispatcher_create(const struct dispatcher_options *options,
                                         struct dispatcher **ret_dispatcher, struct error *error);
// Stops taking events, lets what is in flight finish for at most deadline_ms, commits, leaves the
// group. Blocks; needs the loops running.
void dispatcher_close(struct dispatcher *dispatcher, int64_t deadline_ms);
// Without a close before it is one whose deadline has come: what is in flight is not waited for,
// and is delivered again by the partition's next owner. The invokers are destroyed afterwards.
void dispatcher_destroy(struct dispatcher *dispatcher);
// Visits the partitions that are this node's now, in order. Any thread, also after the close.
void dispatcher_each_partition(struct dispatcher *dispatcher,
                               void (*visit)(void *context, int32_t partition), void *context);

#endif
