#include "dispatcher/window.h"

#include <assert.h>

void window_init(struct window *window, struct window_budget *budget, size_t events_max,
                 struct event_log_reader *reader, int32_t partition) {
    window->budget = budget;
    window->events_max = events_max;
    window->reader = reader;
    window->partition = partition;
    atomic_init(&window->events, 0);
    atomic_init(&window->is_paused, false);
}

static bool is_low(const struct window *window) {
    return atomic_load(&window->events) <= window->events_max / 2 &&
           atomic_load(&window->budget->bytes) <= window->budget->bytes_max / 2;
}

void window_take(struct window *window, size_t events, size_t bytes) {
    size_t events_now = atomic_fetch_add(&window->events, events) + events;
    size_t bytes_now = atomic_fetch_add(&window->budget->bytes, bytes) + bytes;
    if (events_now >= window->events_max || bytes_now >= window->budget->bytes_max) {
        event_log_reader_pause(window->reader, window->partition);
        atomic_store(&window->is_paused, true);
        window_resume_if_low(window);
    }
}

void window_charge(struct window *window, size_t bytes) {
    atomic_fetch_add(&window->budget->bytes, bytes);
}

void window_give(struct window *window, size_t events, size_t bytes) {
    size_t events_before = atomic_fetch_sub(&window->events, events);
    size_t bytes_before = atomic_fetch_sub(&window->budget->bytes, bytes);
    assert(events_before >= events && bytes_before >= bytes);
}

void window_resume_if_low(struct window *window) {
    if (atomic_load(&window->is_paused) && is_low(window) &&
        atomic_exchange(&window->is_paused, false)) {
        event_log_reader_resume(window->reader, window->partition);
    }
}
