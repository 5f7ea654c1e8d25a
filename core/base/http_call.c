#include "core/base/http_call.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEEP_MAX_BYTES = 64 * 1024
};

static bool is_one_of(struct bytes name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_ignoring_case(name, bytes_of_text(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_clients_header(struct bytes name) {
    static const char *const names[] = {
        "Host",       "Content-Length", "Transfer-Encoding", "Connection",
        "Keep-Alive", "Expect",         "Upgrade",           "TE",
        "Trailer"};
    return is_one_of(name, names, ARRAY_LENGTH(names));
}

static bool breaks_line(struct bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] == '\r' || bytes.data[i] == '\n' || bytes.data[i] == '\0') {
            return true;
        }
    }
    return false;
}

// Lines lie one behind the other, each with its NUL, which is how curl wants them.
static void add_line(struct http_call_head *head, struct bytes name, struct bytes value) {
    buffer_append(&head->text, name);
    if (value.size > 0) {
        buffer_append(&head->text, BYTES(": "));
        buffer_append(&head->text, value);
    } else {
        // curl's way to say that a header is sent although it is empty.
        buffer_append_byte(&head->text, ';');
    }
    buffer_append_byte(&head->text, '\0');
}

static void suppress(struct http_call_head *head, struct bytes name) {
    buffer_append(&head->text, name);
    buffer_append(&head->text, (struct bytes){":", 2});
}

enum status http_call_head_build(struct http_call_head *head,
                                 const struct http_call_options *options, struct error *error) {
    buffer_reset(&head->text);
    head->count = 1;
    bool has_accept = false;
    bool has_type = false;
    suppress(head, BYTES("Expect"));
    for (size_t i = 0; i < options->header_count; i++) {
        const struct http_header *header = &options->headers[i];
        if (header->name.size == 0 || breaks_line(header->name) || breaks_line(header->value) ||
            bytes_find(header->name, ':') < header->name.size) {
            return error_set(error, STATUS_INVALID, "header \"%.*s\" cannot be sent",
                             header->name.size < 100 ? (int)header->name.size : 100,
                             header->name.data ? header->name.data : "");
        }
        if (is_clients_header(header->name)) {
            continue;
        }
        has_accept |= bytes_equal_ignoring_case(header->name, BYTES("Accept"));
        has_type |= bytes_equal_ignoring_case(header->name, BYTES("Content-Type"));
        add_line(head, header->name, header->value);
        head->count++;
    }
    if (!has_accept) {
        suppress(head, BYTES("Accept"));
        head->count++;
    }
    if (!has_type) {
        suppress(head, BYTES("Content-Type"));
        head->count++;
    }
    return STATUS_OK;
}

void http_call_head_clear(struct http_call_head *head) {
    buffer_clear(&head->text);
    head->count = 0;
}

bool http_answer_text_add_line(struct http_answer_text *answer, struct bytes line, size_t max) {
    if (bytes_start_with(line, BYTES("HTTP/"))) {
        buffer_reset(&answer->head);
        buffer_reset(&answer->body);
        answer->head_has_ended = false;
    }
    if (line.size > max - answer->head.size) {
        return false;
    }
    buffer_append(&answer->head, line);
    answer->head_has_ended |= line.size > 0 && (line.data[0] == '\r' || line.data[0] == '\n');
    return true;
}

static bool parse_line(struct bytes line, struct http_header *ret_header) {
    size_t colon = bytes_find(line, ':');
    if (colon == 0 || colon == line.size) {
        return false;
    }
    ret_header->name = bytes_trim(bytes_slice(line, 0, colon));
    ret_header->value = bytes_trim(bytes_slice(line, colon + 1, line.size));
    return true;
}

static void add_header(struct http_answer_text *answer, size_t *count, struct http_header header) {
    if (*count == answer->header_capacity) {
        answer->header_capacity = *count > 0 ? *count * 2 : 16;
        answer->headers =
            memory_resize(answer->headers, answer->header_capacity, sizeof *answer->headers);
    }
    answer->headers[*count] = header;
    (*count)++;
}

const struct http_header *http_answer_text_headers(struct http_answer_text *answer,
                                                   size_t *ret_count) {
    struct bytes rest = buffer_bytes(&answer->head);
    *ret_count = 0;
    while (rest.size > 0) {
        size_t end = bytes_find(rest, '\n');
        struct bytes line = bytes_slice(rest, 0, end);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        struct http_header header;
        if (!bytes_start_with(line, BYTES("HTTP/")) && parse_line(line, &header)) {
            add_header(answer, ret_count, header);
        }
        rest = bytes_slice(rest, end + 1, rest.size);
    }
    return answer->headers;
}

static void reset_or_clear(struct buffer *buffer) {
    if (buffer->capacity > KEEP_MAX_BYTES) {
        buffer_clear(buffer);
    } else {
        buffer_reset(buffer);
    }
}

void http_answer_text_reset(struct http_answer_text *answer) {
    reset_or_clear(&answer->head);
    reset_or_clear(&answer->body);
    answer->head_has_ended = false;
}

void http_answer_text_clear(struct http_answer_text *answer) {
    buffer_clear(&answer->head);
    buffer_clear(&answer->body);
    free(answer->headers);
    answer->headers = NULL;
    answer->header_capacity = 0;
}

struct bytes http_url_host(const char *url) {
    struct bytes rest = bytes_of_text(url);
    const char *start = strstr(url, "://");
    if (start) {
        rest = bytes_of_text(start + 3);
    }
    rest.size = strcspn(rest.data, "/?#");
    const char *at = memrchr(rest.data, '@', rest.size);
    if (at) {
        size_t skipped = (size_t)(at + 1 - rest.data);
        rest = bytes_slice(rest, skipped, rest.size);
    }
    if (rest.size > 0 && rest.data[0] == '[') {
        return bytes_slice(rest, 1, bytes_find(rest, ']') - 1);
    }
    return bytes_slice(rest, 0, bytes_find(rest, ':'));
}
