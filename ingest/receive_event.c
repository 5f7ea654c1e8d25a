// The asynchronous way of a request: every event of it is appended to the log, and the caller gets
// 202 when all of them are durable. Invariant 1: no 202 before each append was confirmed.

#include <assert.h>
#include <stdlib.h>

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/events/event_record.h"
#include "ingest/ingest_private.h"

static struct metric_family append_family = {
    .name = "eventgateway_log_append_seconds",
    .help = "From the append of a request's events to the log's last confirmation.",
    .kind = METRIC_HISTOGRAM,
};

static struct metric_family append_failed_family = {
    .name = "eventgateway_log_append_failed_total",
    .help = "Requests whose events the log did not confirm, by reason.",
    .kind = METRIC_COUNTER,
    .label_names = {"reason"},
};

struct reception;

struct reception_append {
    struct event_log_append append;
    struct encoded_record encoded;
    struct reception *reception;
};

// One request that waits for the log.
struct reception {
    struct intake *intake;
    struct reception *next; // in what the loop's turn has brought so far
    int64_t started_us;
    size_t waiting;     // appends not confirmed yet
    enum status status; // OK, or the first failure
    size_t count;
    struct reception_append appends[];
};

static void answer_stored(struct intake *intake) {
    struct http_header event_id = {.name = BYTES("Event-Id")};
    if (intake->events.count == 1) {
        event_id.value = intake->events.events[0]->id;
    }
    struct http_response response = {
        .status = 202,
        .headers = &event_id,
        .header_count = intake->events.count == 1 ? 1 : 0,
    };
    intake_answer(intake, &response);
}

static void answer_not_stored(struct intake *intake, enum status status) {
    static struct log_limit limit;
    uint64_t suppressed = 0;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "events refused: the event log did not take them",
                 LOG_TEXT("reason", status_name(status)), LOG_NUMBER("more", (int64_t)suppressed));
    }
    metric_add(METRIC(&append_failed_family, status_name(status)), 1);
    switch (status) {
    case STATUS_TOO_LARGE:
        intake_refuse(intake, 413, 0, "the event is larger than the event log takes");
        return;
    case STATUS_FULL:
        intake_refuse(intake, 503, 1, "the event log's buffer is full, try again");
        return;
    case STATUS_CLOSED:
        intake_refuse(intake, 503, 1, "this gateway is shutting down");
        return;
    default:
        intake_refuse(intake, 503, 2, "the event log cannot be written now (%s), try again",
                      status_name(status));
    }
}

static void reception_finish(struct reception *reception) {
    struct intake *intake = reception->intake;
    enum status status = reception->status;
    int64_t now_us = event_loop_now_us(intake->ingest->options.loop);
    metric_observe_us(METRIC(&append_family, NULL), now_us - reception->started_us);
    for (size_t i = 0; i < reception->count; i++) {
        event_record_clear(&reception->appends[i].encoded);
    }
    free(reception);
    if (status == STATUS_OK) {
        intake_tell_received(intake);
        answer_stored(intake);
    } else {
        answer_not_stored(intake, status);
    }
}

static void append_done(struct event_log_append *append) {
    struct reception_append *own = CONTAINER_OF(append, struct reception_append, append);
    struct reception *reception = own->reception;
    if (append->status != STATUS_OK && reception->status == STATUS_OK) {
        reception->status = append->status;
    }
    assert(reception->waiting > 0);
    reception->waiting--;
    if (reception->waiting == 0) {
        reception_finish(reception);
    }
}

static void encode_all(struct reception *reception) {
    struct intake *intake = reception->intake;
    for (size_t i = 0; i < reception->count; i++) {
        struct reception_append *own = &reception->appends[i];
        own->reception = reception;
        event_record_encode(intake->events.events[i], &own->encoded);
        own->append = (struct event_log_append){
            .stream = EVENT_LOG_EVENTS,
            .record = own->encoded.record,
            .loop = intake->ingest->options.loop,
            .done = append_done,
        };
    }
}

// After the first refusal nothing more is handed to the log; what it has taken is waited for.
static void append_all(struct reception *reception) {
    struct intake *intake = reception->intake;
    for (size_t i = 0; i < reception->count && reception->status == STATUS_OK; i++) {
        struct reception_append *own = &reception->appends[i];
        const struct event *event = intake->events.events[i];
        reception->waiting++;
        enum status status = event_log_append(intake->ingest->options.log, &own->append);
        if (status != STATUS_OK) {
            reception->waiting--;
            reception->status = status;
        }
        count_received(intake, event);
    }
}

void receive_event(struct intake *intake) {
    struct ingest *ingest = intake->ingest;
    size_t count = intake->events.count;
    if (count == 0) {
        answer_stored(intake);
        return;
    }
    struct reception *reception =
        memory_allocate(sizeof *reception + count * sizeof reception->appends[0]);
    reception->intake = intake;
    reception->count = count;
    reception->started_us = event_loop_now_us(ingest->options.loop);
    encode_all(reception);
    *ingest->last_received = reception;
    ingest->last_received = &reception->next;
}

void append_received(struct ingest *ingest) {
    struct reception *reception = ingest->first_received;
    ingest->first_received = NULL;
    ingest->last_received = &ingest->first_received;
    while (reception) {
        struct reception *next = reception->next;
        append_all(reception);
        if (reception->waiting == 0) {
            ingest->has_refused = true;
            reception_finish(reception);
        }
        reception = next;
    }
}
