#include "dispatcher/dead_letters.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "dispatcher/dispatcher_metrics.h"

#include <stdlib.h>

#define FIRST_WAIT_US 20000
#define LONGEST_WAIT_US 10000000

struct dead_letter_post {
    struct event_log_append append;
    bool is_inside; // the log has the append
    struct encoded_record encoded;
    struct event_log *log;
    struct event_loop *loop;
    const struct event *event;
    struct dead_letter letter; // points into text
    struct buffer text;
    struct event_loop_timer timer;
    unsigned failures;
    void (*done)(void *context); // NULL: forgotten
    void *context;
};

static void post_append(struct dead_letter_post *post);

static void post_destroy(struct dead_letter_post *post) {
    event_record_clear(&post->encoded);
    event_unref(post->event);
    buffer_clear(&post->text);
    free(post);
}

static void timer_expired(struct event_loop_timer *timer) {
    post_append(CONTAINER_OF(timer, struct dead_letter_post, timer));
}

static void log_failure(const struct dead_letter_post *post, enum status status) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_ERROR, "dead letter not stored, will be tried again",
                 LOG_TEXT("reason", status_name(status)),
                 LOG_BYTES("subscription", post->letter.subscription_id),
                 LOG_BYTES("event", post->event->id),
                 LOG_NUMBER("failures", (int64_t)post->failures),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void encode(struct dead_letter_post *post) {
    event_record_clear(&post->encoded);
    dead_letter_encode(&post->letter, post->event, &post->encoded);
    post->append.record = post->encoded.record;
}

static int64_t wait_us(unsigned failures) {
    int64_t longest_us = failures < 10 ? FIRST_WAIT_US << (failures - 1) : LONGEST_WAIT_US;
    longest_us = longest_us < LONGEST_WAIT_US ? longest_us : LONGEST_WAIT_US;
    return longest_us / 2 + (int64_t)random_below((uint64_t)longest_us / 2);
}

static void append_failed(struct dead_letter_post *post, enum status status) {
    post->failures++;
    metric_add(dispatcher_metrics()->dead_letter_failures, 1);
    log_failure(post, status);
    if (status == STATUS_TOO_LARGE && post->letter.last_answer.size > 0) {
        // The event itself has been in the log, so what does not fit is what the function said.
        post->letter.last_answer = BYTES("");
        encode(post);
    }
    post->timer.expired = timer_expired;
    event_loop_timer_start(post->loop, &post->timer, wait_us(post->failures));
}

static void append_done(struct event_log_append *append) {
    struct dead_letter_post *post = CONTAINER_OF(append, struct dead_letter_post, append);
    post->is_inside = false;
    if (append->status == STATUS_OK) {
        metric_add(dispatcher_metrics()->dead_letters, 1);
    }
    if (!post->done) {
        post_destroy(post);
    } else if (append->status == STATUS_OK) {
        post->done(post->context);
        post_destroy(post);
    } else {
        append_failed(post, append->status);
    }
}

static void post_append(struct dead_letter_post *post) {
    post->is_inside = true;
    enum status status = event_log_append(post->log, &post->append);
    if (status != STATUS_OK) {
        post->is_inside = false;
        append_failed(post, status);
    }
}

static size_t copy_into(struct buffer *text, struct bytes bytes) {
    size_t start = text->size;
    buffer_append(text, bytes);
    return start;
}

// The buffer moves while it grows, so the letter is pointed at it when all is inside.
static void copy_letter(struct dead_letter_post *post, const struct dead_letter *letter) {
    struct buffer *text = &post->text;
    size_t subscription = copy_into(text, letter->subscription_id);
    size_t function = copy_into(text, letter->function_id);
    size_t space = copy_into(text, letter->space);
    size_t reason = copy_into(text, letter->reason);
    size_t answer = copy_into(text, letter->last_answer);
    struct bytes all = buffer_bytes(text);
    post->letter = *letter;
    post->letter.subscription_id = bytes_slice(all, subscription, letter->subscription_id.size);
    post->letter.function_id = bytes_slice(all, function, letter->function_id.size);
    post->letter.space = bytes_slice(all, space, letter->space.size);
    post->letter.reason = bytes_slice(all, reason, letter->reason.size);
    post->letter.last_answer = bytes_slice(all, answer, letter->last_answer.size);
}

struct dead_letter_post *dead_letter_post_start(struct event_log *log, struct event_loop *loop,
                                                const struct dead_letter *letter,
                                                const struct event *event,
                                                void (*done)(void *context), void *context) {
    struct dead_letter_post *post = memory_allocate(sizeof *post);
    post->log = log;
    post->loop = loop;
    post->event = event_ref(event);
    post->done = done;
    post->context = context;
    post->append.stream = EVENT_LOG_DEAD_LETTERS;
    post->append.loop = loop;
    post->append.done = append_done;
    copy_letter(post, letter);
    encode(post);
    post_append(post);
    return post;
}

void dead_letter_post_forget(struct dead_letter_post *post) {
    if (post->is_inside) {
        // The log still holds the append; its answer frees it.
        post->done = NULL;
    } else {
        event_loop_timer_stop(post->loop, &post->timer);
        post_destroy(post);
    }
}
