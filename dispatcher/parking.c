#include "dispatcher/parking.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/record_post.h"

#include <stdlib.h>

struct parking_post {
    struct record_post post;
    struct encoded_record encoded;
    const struct event *event;
    void (*stored)(void *context);
    void (*refused)(void *context);
    void *context;
};

static struct parking_post *parking_of(struct record_post *post) {
    return CONTAINER_OF(post, struct parking_post, post);
}

static void parking_destroy(struct parking_post *parking) {
    event_record_clear(&parking->encoded);
    event_unref(parking->event);
    free(parking);
}

static void parking_stored(struct record_post *post) {
    struct parking_post *parking = parking_of(post);
    metric_add(dispatcher_metrics()->parked, 1);
    parking->stored(parking->context);
    parking_destroy(parking);
}

static void log_failure(const struct parking_post *parking, enum status status) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_ERROR,
                 status == STATUS_TOO_LARGE ? "delivery not parked, waits in memory"
                                            : "delivery not parked, will be tried again",
                 LOG_TEXT("reason", status_name(status)), LOG_BYTES("event", parking->event->id),
                 LOG_NUMBER("failures", (int64_t)parking->post.failures),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static bool parking_failed(struct record_post *post, enum status status) {
    struct parking_post *parking = parking_of(post);
    metric_add(dispatcher_metrics()->parking_failures, 1);
    log_failure(parking, status);
    if (status != STATUS_TOO_LARGE) {
        return true;
    }
    parking->refused(parking->context);
    parking_destroy(parking);
    return false;
}

static void parking_released(struct record_post *post) {
    if (post->append.status == STATUS_OK) {
        metric_add(dispatcher_metrics()->parked, 1);
    }
    parking_destroy(parking_of(post));
}

struct parking_post *parking_post_start(const struct parking_options *options) {
    static const struct record_post_events events = {parking_stored, parking_failed,
                                                     parking_released};
    struct parking_post *parking = memory_allocate(sizeof *parking);
    parking->event = event_ref(options->event);
    parking->stored = options->stored;
    parking->refused = options->refused;
    parking->context = options->context;
    parked_delivery_encode(options->parked, options->event, &parking->encoded);
    struct record_post_options post = {.events = &events,
                                       .log = options->log,
                                       .loop = options->loop,
                                       .stream = options->stream,
                                       .gather_us = options->gather_us,
                                       .record = parking->encoded.record};
    record_post_start(&parking->post, &post);
    return parking;
}

void parking_post_forget(struct parking_post *post) {
    if (record_post_forget(&post->post)) {
        parking_destroy(post);
    }
}
