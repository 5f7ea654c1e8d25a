// Bounds what a partition has taken and not finished: its events, and together with the other
// partitions of its lane their bytes. Filled on the consumer's thread, emptied on the lane's; when
// it is full the reader's flow is paused, and resumed when half of it is free.
//
// Invariants:
//   1. While the window is full the partition is paused: it overruns by what was on its way at
//      most.
//   2. A paused partition is resumed when the window is half empty. Only the consumer's thread
//      pauses, it sets is_paused after that, and looks again at once; who clears is_paused resumes
//      after that. So the reader's last order is a resume unless is_paused is set, and then
//      somebody is still to give something back.
#ifndef EVENT_GATEWAY_DISPATCHER_WINDOW_H
#define EVENT_GATEWAY_DISPATCHER_WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event_log/event_log.h"

// A lane's share of the bytes.
struct window_budget {
    size_t bytes_max;
    atomic_size_t bytes;
};

struct window {
    struct window_budget *budget; // outlives the window
    size_t events_max;
    atomic_size_t events;
    atomic_bool is_paused;
    struct event_log_reader *reader; // outlives the window
    int32_t partition;
};

void window_init(struct window *window, struct window_budget *budget, size_t events_max,
                 struct event_log_reader *reader, int32_t partition);
// The consumer's thread: so much was taken. Pauses the flow when the window is full now.
void window_take(struct window *window, size_t events, size_t bytes);
// The lane: memory that an event costs beyond its own bytes.
void window_charge(struct window *window, size_t bytes);
// The lane: so much is finished or forgotten. window_resume_if_low follows, for all partitions of
// the lane, when the turn is over.
void window_give(struct window *window, size_t events, size_t bytes);
void window_resume_if_low(struct window *window);

#endif
