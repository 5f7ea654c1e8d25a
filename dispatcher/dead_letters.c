#include "dispatcher/dead_letters.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/record_post.h"

#include <stdlib.h>

struct dead_letter_post {
    struct record_post post;
    struct encoded_record encoded;
    const struct event *event;
    struct dead_letter letter; // points into text
    struct buffer text;
    void (*done)(void *context);
    void *context;
};

static struct dead_letter_post *letter_of(struct record_post *post) {
    return CONTAINER_OF(post, struct dead_letter_post, post);
}

static void letter_destroy(struct dead_letter_post *letter) {
    event_record_clear(&letter->encoded);
    event_unref(letter->event);
    buffer_clear(&letter->text);
    free(letter);
}

static void log_failure(const struct dead_letter_post *letter, enum status status) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_ERROR, "dead letter not stored, will be tried again",
                 LOG_TEXT("reason", status_name(status)),
                 LOG_BYTES("subscription", letter->letter.subscription_id),
                 LOG_BYTES("event", letter->event->id),
                 LOG_NUMBER("failures", (int64_t)letter->post.failures),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void encode(struct dead_letter_post *letter) {
    event_record_clear(&letter->encoded);
    dead_letter_encode(&letter->letter, letter->event, &letter->encoded);
}

static void letter_stored(struct record_post *post) {
    struct dead_letter_post *letter = letter_of(post);
    metric_add(dispatcher_metrics()->dead_letters, 1);
    letter->done(letter->context);
    letter_destroy(letter);
}

static bool letter_failed(struct record_post *post, enum status status) {
    struct dead_letter_post *letter = letter_of(post);
    metric_add(dispatcher_metrics()->dead_letter_failures, 1);
    log_failure(letter, status);
    if (status == STATUS_TOO_LARGE && letter->letter.last_answer.size > 0) {
        // The event itself has been in the log, so what does not fit is what the function said.
        letter->letter.last_answer = BYTES("");
        encode(letter);
        record_post_replace(post, &letter->encoded.record);
    }
    return true;
}

static void letter_released(struct record_post *post) {
    if (post->append.status == STATUS_OK) {
        metric_add(dispatcher_metrics()->dead_letters, 1);
    }
    letter_destroy(letter_of(post));
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
    static const struct record_post_events events = {letter_stored, letter_failed, letter_released};
    struct dead_letter_post *post = memory_allocate(sizeof *post);
    post->event = event_ref(event);
    post->done = done;
    post->context = context;
    copy_letter(post, letter);
    encode(post);
    struct record_post_options options = {.events = &events,
                                          .log = log,
                                          .loop = loop,
                                          .stream = EVENT_LOG_DEAD_LETTERS,
                                          .record = post->encoded.record};
    record_post_start(&post->post, &options);
    return post;
}

struct bytes dead_letter_post_reason(const struct dead_letter_post *post) {
    return post->letter.reason;
}

void dead_letter_post_forget(struct dead_letter_post *post) {
    if (record_post_forget(&post->post)) {
        letter_destroy(post);
    }
}
