#include "admin/event_streams.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/base/text.h"
#include "core/events/event_format.h"

#define VIEWERS_MAX 100
#define BUFFER_MAX_BYTES 524288 // of one viewer
// A larger event is shown without what makes it large.
#define EVENT_MAX_BYTES 65536
#define SLICE_RECORDS 200
#define SLICE_BYTES 524288
#define WAIT_MS 30000
#define RETRY_US 1000000
// Shows a client that the connection lives, and us that the client does.
#define HEARTBEAT_US 15000000
// Whether partitions were added.
#define LOOK_US 1000000

static struct metric_family metric_viewers = {
    .name = "eventgateway_event_stream_viewers",
    .help = "Clients that follow events live.",
    .kind = METRIC_GAUGE,
};

struct viewer {
    struct event_streams *streams;
    struct viewer *next;
    struct http_stream *stream;
    struct buffer space, type, source, subject, text;
    uint64_t skipped; // events that it was too slow for, since it was told
    bool is_live;     // was told that it misses nothing from now on
};

// The end of one partition.
struct tail {
    struct event_streams *streams;
    struct event_log_slice slice;
    struct event_loop_timer retry;
    bool is_inside;
    bool has_place; // from_offset is where it goes on
};

struct event_streams {
    struct event_log *log;
    struct event_loop *loop;
    struct viewer *viewers;
    size_t viewer_count;
    struct tail **tails;
    size_t tail_count;
    struct event_loop_timer heartbeat;
    struct event_loop_timer look;
};

static void read_tail(struct tail *tail);

// --- Viewers.

static bool is_any_or(const struct buffer *wanted, struct bytes text) {
    return wanted->size == 0 || bytes_equal(buffer_bytes(wanted), text);
}

static bool contains_ignoring_case(struct bytes text, const struct buffer *part) {
    for (size_t i = 0; i + part->size <= text.size; i++) {
        if (strncasecmp(text.data + i, part->data, part->size) == 0) {
            return true;
        }
    }
    return false;
}

static bool wants(const struct viewer *viewer, const struct event *event) {
    struct bytes space = event->context.space.size > 0 ? event->context.space : BYTES("default");
    bool has_text = viewer->text.size == 0 || contains_ignoring_case(event->id, &viewer->text) ||
                    contains_ignoring_case(event->type, &viewer->text) ||
                    contains_ignoring_case(event->source, &viewer->text) ||
                    contains_ignoring_case(event->subject, &viewer->text);
    return has_text && bytes_equal(buffer_bytes(&viewer->space), space) &&
           is_any_or(&viewer->type, event->type) && is_any_or(&viewer->source, event->source) &&
           is_any_or(&viewer->subject, event->subject);
}

static void show(struct viewer *viewer, struct bytes message) {
    if (viewer->skipped > 0) {
        struct buffer note = {0};
        buffer_append_format(&note, "event: skipped\ndata: {\"count\":%" PRIu64 "}\n\n",
                             viewer->skipped);
        bool is_told = http_stream_write(viewer->stream, buffer_bytes(&note));
        viewer->skipped = is_told ? 0 : viewer->skipped;
        buffer_clear(&note);
    }
    if (viewer->skipped > 0 || !http_stream_write(viewer->stream, message)) {
        viewer->skipped++;
    }
}

static void free_viewer(struct viewer *viewer) {
    buffer_clear(&viewer->space);
    buffer_clear(&viewer->type);
    buffer_clear(&viewer->source);
    buffer_clear(&viewer->subject);
    buffer_clear(&viewer->text);
    free(viewer);
}

static void stop_tails(struct event_streams *streams) {
    for (size_t i = 0; i < streams->tail_count; i++) {
        struct tail *tail = streams->tails[i];
        event_loop_timer_stop(streams->loop, &tail->retry);
        tail->has_place = false;
        if (tail->is_inside) {
            event_log_slice_cancel(streams->log, &tail->slice);
        }
    }
    event_loop_timer_stop(streams->loop, &streams->heartbeat);
    event_loop_timer_stop(streams->loop, &streams->look);
}

static void viewer_ended(void *context) {
    struct viewer *viewer = context;
    struct event_streams *streams = viewer->streams;
    struct viewer **place = &streams->viewers;
    while (*place != viewer) {
        place = &(*place)->next;
    }
    *place = viewer->next;
    streams->viewer_count--;
    metric_set(METRIC(&metric_viewers), (int64_t)streams->viewer_count);
    free_viewer(viewer);
    if (!streams->viewers) {
        stop_tails(streams);
    }
}

// As soon as the end of each partition is known, nothing that comes afterwards is missed.
static void tell_live(struct event_streams *streams) {
    for (size_t i = 0; i < streams->tail_count; i++) {
        if (!streams->tails[i]->has_place) {
            return;
        }
    }
    for (struct viewer *viewer = streams->viewers; viewer; viewer = viewer->next) {
        if (!viewer->is_live) {
            viewer->is_live = http_stream_write(viewer->stream, BYTES(": live\n\n"));
        }
    }
}

// --- Events.

// The same members as an event of the list has, and the event itself. What is raw JSON from outside
// may hold line breaks, which end a line of the stream; between JSON tokens they mean nothing.
static void write_event(const struct stored_record *stored, const struct event *event,
                        struct buffer *message) {
    struct buffer json = {0};
    char time[TIMESTAMP_TEXT_SIZE];
    event_format_append_json(event, &json);
    timestamp_format(event->context.received_us, time);
    buffer_append_format(message, "id: %" PRId32 "-%" PRId64 "\ndata: {\"id\":", stored->partition,
                         stored->offset);
    json_append_string(event->id, message);
    buffer_append_text(message, ",\"source\":");
    json_append_string(event->source, message);
    buffer_append_text(message, ",\"type\":");
    json_append_string(event->type, message);
    if (event->subject.size > 0) {
        buffer_append_text(message, ",\"subject\":");
        json_append_string(event->subject, message);
    }
    buffer_append_format(message,
                         ",\"receivedTime\":\"%s\",\"partition\":%" PRId32 ",\"offset\":%" PRId64,
                         time, stored->partition, stored->offset);
    if (json.size <= EVENT_MAX_BYTES) {
        for (size_t i = 0; i < json.size; i++) {
            json.data[i] = json.data[i] == '\n' || json.data[i] == '\r' ? ' ' : json.data[i];
        }
        buffer_append_text(message, ",\"event\":");
        buffer_append(message, buffer_bytes(&json));
    }
    buffer_append_text(message, "}\n\n");
    buffer_clear(&json);
}

static void show_event(struct event_streams *streams, const struct stored_record *stored,
                       struct buffer *message) {
    const struct event *event;
    if (event_record_decode(stored, &event, NULL) != STATUS_OK) {
        return;
    }
    buffer_reset(message);
    for (struct viewer *viewer = streams->viewers; viewer; viewer = viewer->next) {
        if (!wants(viewer, event)) {
            continue;
        }
        if (message->size == 0) {
            write_event(stored, event, message);
        }
        show(viewer, buffer_bytes(message));
    }
    event_unref(event);
}

// --- Tails.

static void take_slice(struct tail *tail) {
    struct event_log_slice *slice = &tail->slice;
    struct buffer message = {0};
    for (size_t i = 0; i < slice->count; i++) {
        show_event(tail->streams, &slice->records[i], &message);
    }
    buffer_clear(&message);
    // A log that was made anew ends before the place.
    slice->from_offset =
        slice->next_offset > slice->end_offset ? EVENT_LOG_END : slice->next_offset;
    tail->has_place = slice->from_offset >= 0;
    tell_live(tail->streams);
}

static void slice_done(struct event_log_slice *slice) {
    struct tail *tail = CONTAINER_OF(slice, struct tail, slice);
    struct event_streams *streams = tail->streams;
    bool was_dropped = !tail->has_place && slice->wait_ms > 0; // everybody had gone
    tail->is_inside = false;
    if (!streams->viewers || slice->status == STATUS_CLOSED) {
        event_log_slice_clear(slice);
        // Somebody came back meanwhile, unless it is the log that closes.
        if (streams->viewers && was_dropped) {
            read_tail(tail);
        }
        return;
    }
    if (slice->status != STATUS_OK) {
        event_loop_timer_start(streams->loop, &tail->retry, RETRY_US);
        return;
    }
    if (!was_dropped) {
        take_slice(tail);
    }
    read_tail(tail);
}

static void read_tail(struct tail *tail) {
    struct event_streams *streams = tail->streams;
    tail->slice.from_offset = tail->has_place ? tail->slice.from_offset : EVENT_LOG_END;
    // The end is asked for first and not waited at: only then it is known which one it was.
    tail->slice.wait_ms = tail->has_place ? WAIT_MS : 0;
    tail->is_inside = event_log_read(streams->log, &tail->slice) == STATUS_OK;
    if (!tail->is_inside) {
        event_loop_timer_start(streams->loop, &tail->retry, RETRY_US);
    }
}

static void retry_expired(struct event_loop_timer *timer) {
    read_tail(CONTAINER_OF(timer, struct tail, retry));
}

static void heartbeat_expired(struct event_loop_timer *timer) {
    struct event_streams *streams = CONTAINER_OF(timer, struct event_streams, heartbeat);
    for (struct viewer *viewer = streams->viewers; viewer; viewer = viewer->next) {
        (void)http_stream_write(viewer->stream, BYTES(":\n\n"));
    }
    event_loop_timer_start(streams->loop, timer, HEARTBEAT_US);
}

static void add_tail(struct event_streams *streams) {
    struct tail *tail = memory_allocate(sizeof *tail);
    tail->streams = streams;
    tail->retry.expired = retry_expired;
    tail->slice = (struct event_log_slice){
        .stream = EVENT_LOG_EVENTS,
        .partition = (int32_t)streams->tail_count,
        .max_records = SLICE_RECORDS,
        .max_bytes = SLICE_BYTES,
        .loop = streams->loop,
        .done = slice_done,
    };
    streams->tails = memory_resize(streams->tails, streams->tail_count + 1, sizeof(void *));
    streams->tails[streams->tail_count++] = tail;
}

// One for each partition.
static void add_tails(struct event_streams *streams) {
    while (streams->tail_count <
           (size_t)event_log_partition_count(streams->log, EVENT_LOG_EVENTS)) {
        add_tail(streams);
    }
}

// What lies in a partition that was added since is all new.
static void look_expired(struct event_loop_timer *timer) {
    struct event_streams *streams = CONTAINER_OF(timer, struct event_streams, look);
    size_t before = streams->tail_count;
    add_tails(streams);
    for (size_t i = before; i < streams->tail_count; i++) {
        streams->tails[i]->slice.from_offset = EVENT_LOG_BEGINNING;
        streams->tails[i]->has_place = true;
        read_tail(streams->tails[i]);
    }
    event_loop_timer_start(streams->loop, timer, LOOK_US);
}

static void start_tails(struct event_streams *streams) {
    event_loop_timer_start(streams->loop, &streams->heartbeat, HEARTBEAT_US);
    event_loop_timer_start(streams->loop, &streams->look, LOOK_US);
    add_tails(streams);
    for (size_t i = 0; i < streams->tail_count; i++) {
        if (!streams->tails[i]->is_inside) {
            read_tail(streams->tails[i]);
        }
    }
}

// --- What the API calls.

struct event_streams *event_streams_create(struct event_log *log, struct event_loop *loop) {
    struct event_streams *streams = memory_allocate(sizeof *streams);
    streams->log = log;
    streams->loop = loop;
    streams->heartbeat.expired = heartbeat_expired;
    streams->look.expired = look_expired;
    return streams;
}

static struct viewer *create_viewer(struct event_streams *streams,
                                    const struct event_query *query) {
    struct viewer *viewer = memory_allocate(sizeof *viewer);
    viewer->streams = streams;
    buffer_append(&viewer->space, query->space);
    buffer_append(&viewer->type, query->type);
    buffer_append(&viewer->source, query->source);
    buffer_append(&viewer->subject, query->subject);
    buffer_append(&viewer->text, query->text);
    return viewer;
}

enum status event_streams_add(struct event_streams *streams, struct http_request *request,
                              const struct event_query *query) {
    if (streams->viewer_count >= VIEWERS_MAX) {
        return STATUS_FULL;
    }
    struct viewer *viewer = create_viewer(streams, query);
    const struct http_header headers[] = {
        {BYTES("Cache-Control"), BYTES("no-store")},
        {BYTES("X-Accel-Buffering"), BYTES("no")}, // proxies that would collect it
    };
    const struct http_stream_options options = {
        .content_type = "text/event-stream",
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .buffer_max_bytes = BUFFER_MAX_BYTES,
        .ended = viewer_ended,
        .context = viewer,
    };
    bool is_first = !streams->viewers;
    viewer->next = streams->viewers;
    streams->viewers = viewer;
    streams->viewer_count++;
    metric_set(METRIC(&metric_viewers), (int64_t)streams->viewer_count);
    viewer->stream = http_respond_stream(request, &options);
    // The head goes out at once.
    (void)http_stream_write(viewer->stream, BYTES("retry: 1000\n\n"));
    if (is_first) {
        start_tails(streams);
    }
    tell_live(streams);
    return STATUS_OK;
}

void event_streams_destroy(struct event_streams *streams) {
    if (!streams) {
        return;
    }
    stop_tails(streams);
    for (size_t i = 0; i < streams->tail_count; i++) {
        event_log_slice_clear(&streams->tails[i]->slice);
        free(streams->tails[i]);
    }
    while (streams->viewers) {
        struct viewer *viewer = streams->viewers;
        streams->viewers = viewer->next;
        free_viewer(viewer);
    }
    free(streams->tails);
    free(streams);
}
