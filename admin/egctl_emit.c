// emit: one CloudEvent 1.0 in binary mode; it returns when the gateway has stored it.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#define HEADERS_MAX 64

struct headers {
    const char *lines[HEADERS_MAX];
    size_t count;
};

static void add_line(struct headers *headers, struct buffer *line) {
    if (headers->count + 1 < HEADERS_MAX) {
        headers->lines[headers->count++] = buffer_take(line);
    }
}

static void add_attribute(struct headers *headers, const char *name, const char *value) {
    struct buffer line = {0};
    if (value) {
        buffer_append_format(&line, "ce-%s: ", name);
        percent_encode_header_value(bytes_of_text(value), &line);
        add_line(headers, &line);
    }
}

static void add_headers(const struct egctl_flags *flags, const char *type,
                        struct headers *headers) {
    char id[UUID_TEXT_SIZE];
    struct buffer content_type = {0};
    struct buffer space = {0};
    uuid_create(id);
    buffer_append_format(&content_type, "Content-Type: %s",
                         flags->content_type ? flags->content_type : "application/json");
    add_line(headers, &content_type);
    buffer_append_format(&space, "Space: %s", flags->space);
    add_line(headers, &space);
    add_attribute(headers, "specversion", "1.0");
    add_attribute(headers, "type", type);
    add_attribute(headers, "id", flags->id ? flags->id : id);
    add_attribute(headers, "source", flags->source ? flags->source : "/egctl");
    add_attribute(headers, "subject", flags->subject);
    for (size_t i = 0; i < flags->extension_count; i++) {
        add_attribute(headers, flags->extensions[i].name, flags->extensions[i].value);
    }
}

int egctl_emit(const struct egctl_flags *flags, int count, char **arguments) {
    struct headers headers = {0};
    struct buffer data = {0};
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    if (count != 1) {
        return egctl_fail(EGCTL_USAGE, "emit: one event type is needed");
    }
    if (egctl_read_data(flags, &data, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_USAGE, "%s", error.text);
    }
    add_headers(flags, arguments[0], &headers);
    buffer_append_format(&url, "%s%s", flags->events_url, flags->path ? flags->path : "/");
    if (egctl_request(flags, flags->method ? flags->method : "POST", url.data, headers.lines,
                      buffer_bytes(&data), &answer, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.status < 200 || answer.status > 299) {
        egctl_answer_error(&answer, &error);
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.status != 202) {
        // A synchronous subscription has answered.
        fwrite(answer.body.data, 1, answer.body.size, stdout);
        return EGCTL_OK;
    }
    const char *id = answer.event_id.data ? answer.event_id.data : "";
    if (flags->wants_json) {
        json_t *document = json_pack("{s:s}", "id", id);
        egctl_print_json(document);
    } else {
        printf("Stored %s.\n", id);
    }
    return EGCTL_OK;
}
