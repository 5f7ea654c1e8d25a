#include "ingest/recording.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/events/event_record.h"
#include "ingest/ingest_private.h"

// Records that go together cost the store a fraction. What nobody waits for may wait for that.
#define RECORDINGS_PAUSE_US 5000
#define RECORDINGS_MAX 256

static struct metric_family lost_family = {
    .name = "eventgateway_sync_events_not_recorded_total",
    .help = "Events of synchronous calls that the log did not take; the callers were answered.",
    .kind = METRIC_COUNTER,
};

struct recording {
    struct event_log_append append;
    struct recording *next; // in its list, until it is handed over
    struct encoded_record encoded;
    const struct event *event;
    recording_done_fn done;
    void *context;
    char marks[]; // copies: what they are pieces of is gone with the answer
};

static void count_loss(enum status status) {
    static struct log_limit limit;
    uint64_t suppressed = 0;
    metric_add(METRIC(&lost_family, NULL), 1);
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "event of a synchronous call not recorded",
                 LOG_TEXT("reason", status_name(status)), LOG_NUMBER("more", (int64_t)suppressed));
    }
}

static void recording_destroy(struct recording *recording) {
    event_record_clear(&recording->encoded);
    event_unref(recording->event);
    free(recording);
}

static void recording_end(struct recording *recording, enum status status) {
    recording_done_fn done = recording->done;
    void *context = recording->context;
    if (status != STATUS_OK) {
        count_loss(status);
    }
    recording_destroy(recording);
    if (done) {
        done(context);
    }
}

static void recording_done(struct event_log_append *append) {
    recording_end(CONTAINER_OF(append, struct recording, append), append->status);
}

static struct bytes copy_mark(struct bytes mark, char **next) {
    char *copy = *next;
    if (mark.size > 0) {
        *next = mempcpy(copy, mark.data, mark.size);
    }
    return (struct bytes){copy, mark.size};
}

static struct recording *recording_create(const struct event *event,
                                          const struct recording_marks *marks) {
    struct recording *recording = memory_allocate(sizeof *recording + marks->sync.size +
                                                  marks->traceparent.size + marks->tracestate.size);
    char *next = recording->marks;
    recording->event = event_ref(event);
    // The event itself is not copied for the sake of its marks: its record is written from this.
    struct event marked = *event;
    marked.context.sync = copy_mark(marks->sync, &next);
    marked.context.traceparent = copy_mark(marks->traceparent, &next);
    marked.context.tracestate = copy_mark(marks->tracestate, &next);
    event_record_encode(&marked, &recording->encoded);
    return recording;
}

static void list_init(struct recording_list *list) {
    *list = (struct recording_list){.last = &list->first};
}

static void list_add(struct recording_list *list, struct recording *recording) {
    *list->last = recording;
    list->last = &recording->next;
    list->count++;
}

void recording_start(struct ingest *ingest, const struct event *event,
                     const struct recording_marks *marks, recording_done_fn done, void *context) {
    struct recording *recording = recording_create(event, marks);
    recording->done = done;
    recording->context = context;
    recording->append = (struct event_log_append){
        .stream = EVENT_LOG_EVENTS,
        .record = recording->encoded.record,
        .loop = ingest->options.loop,
        .done = recording_done,
        .is_patient = done == NULL,
    };
    list_add(done ? &ingest->awaited_recordings : &ingest->recordings, recording);
}

static void append_list(struct ingest *ingest, struct recording_list *list) {
    struct recording *recording = list->first;
    list_init(list);
    while (recording) {
        struct recording *next = recording->next;
        enum status status = event_log_append(ingest->options.log, &recording->append);
        if (status != STATUS_OK) {
            ingest->has_refused = true;
            recording_end(recording, status);
        }
        recording = next;
    }
}

void append_awaited_recordings(struct ingest *ingest) {
    append_list(ingest, &ingest->awaited_recordings);
}

void append_recordings(struct ingest *ingest) {
    event_loop_timer_stop(ingest->options.loop, &ingest->recordings_due);
    ingest->recorded_us = event_loop_now_us(ingest->options.loop);
    append_list(ingest, &ingest->recordings);
}

void append_recordings_if_due(struct ingest *ingest) {
    if (!ingest->recordings.first) {
        return;
    }
    int64_t left_us =
        ingest->recorded_us + RECORDINGS_PAUSE_US - event_loop_now_us(ingest->options.loop);
    bool is_due = left_us <= 0 || ingest->is_closed;
    if (is_due || ingest->recordings.count >= RECORDINGS_MAX) {
        append_recordings(ingest);
    } else if (ingest->recordings_due.heap_index == 0) {
        event_loop_timer_start(ingest->options.loop, &ingest->recordings_due, left_us);
    }
}

static void recordings_due(struct event_loop_timer *timer) {
    append_recordings(CONTAINER_OF(timer, struct ingest, recordings_due));
}

void recordings_init(struct ingest *ingest) {
    list_init(&ingest->awaited_recordings);
    list_init(&ingest->recordings);
    ingest->recordings_due.expired = recordings_due;
}
