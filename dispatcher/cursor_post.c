#include "dispatcher/cursor_post.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "dispatcher/record_post.h"

#include <stdlib.h>

struct cursor_post {
    struct record_post post;
    struct buffer key, value;
    void (*stored)(void *context, int64_t offset);
    void *context;
};

static struct cursor_post *post_of(struct record_post *post) {
    return CONTAINER_OF(post, struct cursor_post, post);
}

static void post_destroy(struct cursor_post *post) {
    buffer_clear(&post->key);
    buffer_clear(&post->value);
    free(post);
}

static void post_stored(struct record_post *record_post) {
    struct cursor_post *post = post_of(record_post);
    post->stored(post->context, record_post->append.offset);
    post_destroy(post);
}

static bool post_failed(struct record_post *record_post, enum status status) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_ERROR, "cursor not stored, will be tried again",
                 LOG_TEXT("reason", status_name(status)),
                 LOG_BYTES("key", buffer_bytes(&post_of(record_post)->key)),
                 LOG_NUMBER("failures", (int64_t)record_post->failures),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
    return true;
}

static void post_released(struct record_post *record_post) {
    post_destroy(post_of(record_post));
}

static struct cursor_post *start(const struct cursor_post_options *options,
                                 struct cursor_post *post, bool has_value) {
    static const struct record_post_events events = {
        .stored = post_stored, .failed = post_failed, .released = post_released};
    struct record_post_options record_options = {
        .events = &events,
        .log = options->log,
        .loop = options->loop,
        .stream = EVENT_LOG_CURSORS,
        .record = {.key = buffer_bytes(&post->key),
                   .value = buffer_bytes(&post->value),
                   .has_value = has_value},
    };
    post->stored = options->stored;
    post->context = options->context;
    record_post_start(&post->post, &record_options);
    return post;
}

struct cursor_post *cursor_post_record(const struct cursor_post_options *options,
                                       const struct cursor_record *record) {
    struct cursor_post *post = memory_allocate(sizeof *post);
    struct cursor_key key;
    cursor_record_key(record, &key);
    cursor_key_write(&key, &post->key);
    cursor_record_write(record, &post->value);
    return start(options, post, true);
}

struct cursor_post *cursor_post_removal(const struct cursor_post_options *options,
                                        const struct cursor_key *key) {
    struct cursor_post *post = memory_allocate(sizeof *post);
    cursor_key_write(key, &post->key);
    return start(options, post, false);
}

void cursor_post_forget(struct cursor_post *post) {
    if (record_post_forget(&post->post)) {
        post_destroy(post);
    }
}
