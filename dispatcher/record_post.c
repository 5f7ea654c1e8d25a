#include "dispatcher/record_post.h"

#include "core/base/clock.h"
#include "core/base/memory.h"

#define FIRST_WAIT_US 20000
#define LONGEST_WAIT_US 10000000

static void append_record(struct record_post *post) {
    post->is_inside = true;
    post->refused = event_log_append(post->log, &post->append);
    if (post->refused != STATUS_OK) {
        post->is_inside = false;
        event_loop_timer_start(post->loop, &post->timer, 0);
    }
}

static int64_t wait_us(unsigned failures) {
    int64_t longest_us = failures < 10 ? FIRST_WAIT_US << (failures - 1) : LONGEST_WAIT_US;
    longest_us = longest_us < LONGEST_WAIT_US ? longest_us : LONGEST_WAIT_US;
    return longest_us / 2 + (int64_t)random_below((uint64_t)longest_us / 2);
}

static void append_failed(struct record_post *post, enum status status) {
    post->failures++;
    if (post->events->failed(post, status)) {
        event_loop_timer_start(post->loop, &post->timer, wait_us(post->failures));
    }
}

static void timer_expired(struct event_loop_timer *timer) {
    struct record_post *post = CONTAINER_OF(timer, struct record_post, timer);
    enum status refused = post->refused;
    post->refused = STATUS_OK;
    if (refused != STATUS_OK) {
        append_failed(post, refused);
    } else {
        append_record(post);
    }
}

static void append_done(struct event_log_append *append) {
    struct record_post *post = CONTAINER_OF(append, struct record_post, append);
    post->is_inside = false;
    if (post->is_forgotten) {
        post->events->released(post);
    } else if (append->status == STATUS_OK) {
        post->events->stored(post);
    } else {
        append_failed(post, append->status);
    }
}

void record_post_start(struct record_post *post, const struct record_post_options *options) {
    *post = (struct record_post){
        .events = options->events,
        .log = options->log,
        .loop = options->loop,
        .append = {.stream = options->stream,
                   .record = options->record,
                   .loop = options->loop,
                   .done = append_done},
        .timer = {.expired = timer_expired},
    };
    if (options->gather_us > 0) {
        int64_t since_us = event_loop_now_us(post->loop) % options->gather_us;
        event_loop_timer_start(post->loop, &post->timer, options->gather_us - since_us);
    } else {
        append_record(post);
    }
}

void record_post_replace(struct record_post *post, const struct record *record) {
    post->append.record = *record;
}

bool record_post_forget(struct record_post *post) {
    if (post->is_inside) {
        post->is_forgotten = true;
        return false;
    }
    event_loop_timer_stop(post->loop, &post->timer);
    return true;
}
