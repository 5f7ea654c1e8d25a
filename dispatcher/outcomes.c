#include "dispatcher/outcomes.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "dispatcher/dispatcher_metrics.h"

#include <stdlib.h>

#define FLUSH_AFTER_US 20000
#define FLUSH_BYTES ((size_t)64 << 10)
// An event with a longer name than that is not told of: it would make too large a record.
#define NAME_MAX_BYTES ((size_t)64 << 10)
#define INSIDE_MAX 32

struct outcome_post {
    struct event_log_append append;
    struct outcome_batch batch;
    struct outcomes *owner; // NULL: it was closed
    struct outcome_post *previous, *next;
};

static void unlink_post(struct outcome_post *post) {
    struct outcomes *outcomes = post->owner;
    if (post->previous) {
        post->previous->next = post->next;
    } else {
        outcomes->inside = post->next;
    }
    if (post->next) {
        post->next->previous = post->previous;
    }
    outcomes->inside_count--;
}

static void link_post(struct outcomes *outcomes, struct outcome_post *post) {
    post->next = outcomes->inside;
    if (outcomes->inside) {
        outcomes->inside->previous = post;
    }
    outcomes->inside = post;
    outcomes->inside_count++;
}

static void post_end(struct outcome_post *post, enum status status) {
    metric_add(status == STATUS_OK ? dispatcher_metrics()->outcomes
                                   : dispatcher_metrics()->outcomes_dropped,
               (int64_t)post->batch.outcome_count);
    if (post->owner) {
        unlink_post(post);
    }
    outcome_batch_clear(&post->batch);
    free(post);
}

static void append_done(struct event_log_append *append) {
    post_end(CONTAINER_OF(append, struct outcome_post, append), append->status);
}

// The batch goes to the log, or is lost when that does not take it.
static void flush(struct outcomes *outcomes) {
    event_loop_timer_stop(outcomes->loop, &outcomes->timer);
    if (outcomes->batch.count == 0) {
        return;
    }
    struct outcome_post *post = memory_allocate(sizeof *post);
    post->batch = outcomes->batch;
    post->owner = outcomes;
    outcomes->batch = (struct outcome_batch){0};
    link_post(outcomes, post);
    post->append.stream = EVENT_LOG_OUTCOMES;
    post->append.loop = outcomes->loop;
    post->append.done = append_done;
    post->append.record =
        (struct record){.value = outcome_batch_finish(&post->batch), .has_value = true};
    enum status status = outcomes->inside_count > INSIDE_MAX
                             ? STATUS_FULL
                             : event_log_append(outcomes->log, &post->append);
    if (status != STATUS_OK) {
        post_end(post, status);
    }
}

static void timer_expired(struct event_loop_timer *timer) {
    flush(CONTAINER_OF(timer, struct outcomes, timer));
}

void outcomes_init(struct outcomes *outcomes) {
    outcomes->timer.expired = timer_expired;
}

static bool is_wanted(const struct outcomes *outcomes, const struct outcome *outcome) {
    bool is_plain = outcome->kind == OUTCOME_DELIVERED && outcome->attempt <= 1;
    return outcomes->recording == OUTCOMES_ON ||
           (outcomes->recording == OUTCOMES_OF_FAILURES && !is_plain);
}

static void begin_batch(struct outcomes *outcomes) {
    if (outcomes->batch.count == 0) {
        event_loop_timer_start(outcomes->loop, &outcomes->timer, FLUSH_AFTER_US);
    }
}

static void flush_if_full(struct outcomes *outcomes) {
    if (outcomes->batch.json.size >= FLUSH_BYTES) {
        flush(outcomes);
    }
}

void outcomes_note(struct outcomes *outcomes, const struct outcome *outcome) {
    if (!is_wanted(outcomes, outcome)) {
        return;
    }
    if (outcome->event_id.size + outcome->event_source.size > NAME_MAX_BYTES) {
        metric_add(dispatcher_metrics()->outcomes_dropped, 1);
        return;
    }
    struct outcome noted = *outcome;
    noted.node = outcomes->node;
    noted.time_us = clock_wall_us();
    begin_batch(outcomes);
    outcome_batch_add(&outcomes->batch, &noted);
    flush_if_full(outcomes);
}

void outcomes_note_in_flight(struct outcomes *outcomes, const struct in_flight_count *count) {
    struct in_flight_count noted = *count;
    noted.node = outcomes->node;
    noted.time_us = clock_wall_us();
    begin_batch(outcomes);
    outcome_batch_add_in_flight(&outcomes->batch, &noted);
    flush_if_full(outcomes);
}

void outcomes_close(struct outcomes *outcomes) {
    flush(outcomes);
    for (struct outcome_post *post = outcomes->inside; post; post = post->next) {
        post->owner = NULL;
    }
    outcomes->inside = NULL;
    outcome_batch_clear(&outcomes->batch);
}
