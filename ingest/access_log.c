#include "ingest/access_log.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "ingest/ingest_private.h"

#define TRACE_ID_START 3
#define TRACE_ID_SIZE 32

static const char *dialect_name(enum event_dialect dialect) {
    static const char *const names[] = {
        [EVENT_DIALECT_BATCH] = "batch",          [EVENT_DIALECT_STRUCTURED] = "structured",
        [EVENT_DIALECT_BINARY_1_0] = "binary",    [EVENT_DIALECT_BINARY_0_1] = "binary 0.1",
        [EVENT_DIALECT_INVOKE] = "invoke",        [EVENT_DIALECT_CUSTOM] = "custom",
        [EVENT_DIALECT_REQUEST] = "http.request",
    };
    return names[dialect];
}

// What is only known of some requests is left out of the lines of the others.
struct line {
    struct log_field fields[16]; // the first one is log_write's
    size_t count;
};

static void add(struct line *line, struct log_field field) {
    line->fields[line->count++] = field;
}

static void add_bytes(struct line *line, const char *name, struct bytes value) {
    if (value.size > 0) {
        add(line, LOG_BYTES(name, value));
    }
}

static void add_events(struct line *line, const struct intake *intake) {
    if (intake->events.count == 1) {
        add_bytes(line, "type", intake->events.events[0]->type);
        add_bytes(line, "event", intake->events.events[0]->id);
    } else if (intake->events.count > 1) {
        add(line, LOG_NUMBER("events", (int64_t)intake->events.count));
    }
}

void access_log_write(const struct intake *intake, unsigned status, size_t answer_size) {
    char peer[64];
    struct line line = {.count = 1};
    struct bytes trace =
        bytes_slice(bytes_of_text(intake->traceparent), TRACE_ID_START, TRACE_ID_SIZE);
    int64_t begun_us = http_request_received_us(intake->request);
    http_request_peer(intake->request, peer, sizeof peer);
    add(&line, LOG_TEXT("client", peer));
    add(&line, LOG_BYTES("method", http_request_method(intake->request)));
    add(&line, LOG_BYTES("path", http_request_path(intake->request)));
    add(&line, LOG_NUMBER("status", status));
    add(&line, LOG_NUMBER("us", event_loop_now_us(intake->ingest->options.loop) - begun_us));
    add(&line, LOG_NUMBER("received", (int64_t)intake->http.body.size));
    add(&line, LOG_NUMBER("sent", (int64_t)answer_size));
    if (intake->has_dialect) {
        add(&line, LOG_TEXT("dialect", dialect_name(intake->dialect)));
    }
    add_bytes(&line, "space", buffer_bytes(&intake->space));
    add_events(&line, intake);
    add_bytes(&line, "trace", trace);
    // Whatever the log level: whoever switches it on wants to see it.
    log_write(LOG_INFO, "request", line.fields, line.count);
}

void access_log_write_refused(const struct http_refused_request *refused) {
    struct line line = {.count = 1};
    add(&line, LOG_TEXT("client", refused->peer));
    add_bytes(&line, "method", refused->method);
    add_bytes(&line, "path", refused->path);
    add(&line, LOG_NUMBER("status", refused->status));
    log_write(LOG_INFO, "request", line.fields, line.count);
}
