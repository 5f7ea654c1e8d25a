#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_http_decode.h"
#include "core/events/event_json.h"

// A header or a query parameter; index keeps those of one name in their order.
struct pair {
    struct bytes name;
    struct bytes value;
    size_t index;
};

static int compare_pairs(const void *a, const void *b) {
    const struct pair *left = a;
    const struct pair *right = b;
    int order = bytes_compare(left->name, right->name);
    if (order != 0) {
        return order;
    }
    return left->index < right->index ? -1 : 1;
}

// The end of the run of pairs that have the name of the one at start.
static size_t end_of_run(const struct pair *pairs, size_t count, size_t start) {
    size_t end = start + 1;
    while (end < count && bytes_equal(pairs[end].name, pairs[start].name)) {
        end++;
    }
    return end;
}

static void append_values(const struct pair *pairs, size_t start, size_t end,
                          struct buffer *buffer) {
    buffer_append_byte(buffer, '[');
    for (size_t i = start; i < end; i++) {
        if (i > start) {
            buffer_append_byte(buffer, ',');
        }
        json_append_string(pairs[i].value, buffer);
    }
    buffer_append_byte(buffer, ']');
}

struct bytes event_http_word_case(struct event_builder *builder, struct bytes name,
                                  bool first_is_capital) {
    char *text = event_builder_reserve(builder, name.size);
    bool starts_word = first_is_capital;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (starts_word && c >= 'a' && c <= 'z') {
            c = (char)(c - 'a' + 'A');
        } else if (!starts_word && c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        starts_word = c == '-';
        text[i] = c;
    }
    return (struct bytes){text, name.size};
}

static struct pair *collect_headers(const struct event_http_request *request,
                                    struct event_builder *builder, size_t *ret_count) {
    struct pair *pairs = memory_resize(NULL, request->header_count, sizeof *pairs);
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        // It has a member of its own.
        if (!bytes_equal_ignoring_case(header->name, BYTES("host"))) {
            // As functions expect that were written for the original.
            pairs[count++] =
                (struct pair){.name = event_http_word_case(builder, header->name, true),
                              .value = header->value,
                              .index = i};
        }
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    *ret_count = count;
    return pairs;
}

static void append_joined(const struct pair *pairs, size_t start, size_t end, struct buffer *joined,
                          struct buffer *buffer) {
    buffer_reset(joined);
    for (size_t i = start; i < end; i++) {
        if (i > start) {
            buffer_append_text(joined, ", ");
        }
        buffer_append(joined, pairs[i].value);
    }
    json_append_string(buffer_bytes(joined), buffer);
}

// A name that is the same text in every JSON.
static bool is_plain(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

// Headers that came more than once are also kept one by one, for the classic format.
static void append_headers(const struct event_http_request *request, struct event_builder *builder,
                           struct buffer *buffer) {
    size_t count;
    struct pair *pairs = collect_headers(request, builder, &count);
    struct buffer separate = {0};
    size_t end;
    for (size_t i = 0; i < count; i = end) {
        end = end_of_run(pairs, count, i);
        buffer_append_byte(buffer, i == 0 ? '{' : ',');
        json_append_string(pairs[i].name, buffer);
        buffer_append_byte(buffer, ':');
        if (end - i == 1) {
            json_append_string(pairs[i].value, buffer);
            continue;
        }
        append_joined(pairs, i, end, &builder->scratch, buffer);
        if (!is_plain(pairs[i].name)) {
            continue;
        }
        buffer_append_byte(&separate, separate.size == 0 ? '{' : ',');
        json_append_string(pairs[i].name, &separate);
        buffer_append_byte(&separate, ':');
        append_values(pairs, i, end, &separate);
    }
    buffer_append_text(buffer, count == 0 ? "{}" : "}");
    if (separate.size > 0) {
        buffer_append_byte(&separate, '}');
        buffer_reset(&builder->scratch);
        event_json_append_ascii(buffer_bytes(&separate), &builder->scratch);
        event_builder_add_extension(builder, BYTES(EVENT_NAME_HEADERS),
                                    event_builder_copy(builder, buffer_bytes(&builder->scratch)),
                                    EVENT_VALUE_STRING);
    }
    buffer_clear(&separate);
    free(pairs);
}

static bool authenticates(struct bytes name) {
    static const char *const names[] = {"Authorization", "Cookie", "Proxy-Authorization",
                                        "X-Api-Key"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (bytes_equal_text(name, names[i])) {
            return true;
        }
    }
    return false;
}

void event_http_append_headers(const struct event_http_request *request,
                               struct buffer *ret_buffer) {
    struct event_builder names;
    event_builder_init(&names);
    size_t count;
    struct pair *pairs = collect_headers(request, &names, &count);
    size_t end;
    for (size_t i = 0; i < count; i = end) {
        end = end_of_run(pairs, count, i);
        buffer_append_byte(ret_buffer, i == 0 ? '{' : ',');
        json_append_string(pairs[i].name, ret_buffer);
        buffer_append_byte(ret_buffer, ':');
        if (authenticates(pairs[i].name)) {
            json_append_string(BYTES("*****"), ret_buffer);
        } else {
            append_joined(pairs, i, end, &names.scratch, ret_buffer);
        }
    }
    buffer_append_text(ret_buffer, count == 0 ? "{}" : "}");
    free(pairs);
    event_builder_clear(&names);
}

static struct bytes decode_query_text(struct event_builder *builder, struct bytes text) {
    buffer_reset(&builder->scratch);
    percent_decode(text, true, &builder->scratch);
    return event_builder_copy(builder, buffer_bytes(&builder->scratch));
}

static struct pair *collect_query(struct bytes query, struct event_builder *builder,
                                  size_t *ret_count) {
    size_t most = 1;
    for (size_t i = 0; i < query.size; i++) {
        most += query.data[i] == '&';
    }
    struct pair *pairs = memory_resize(NULL, most, sizeof *pairs);
    size_t count = 0;
    while (query.size > 0) {
        struct bytes part = bytes_slice(query, 0, bytes_find(query, '&'));
        query = bytes_slice(query, part.size + 1, query.size);
        if (part.size == 0) {
            continue;
        }
        size_t equals = bytes_find(part, '=');
        pairs[count] = (struct pair){
            .name = decode_query_text(builder, bytes_slice(part, 0, equals)),
            .value = decode_query_text(builder, bytes_slice(part, equals + 1, part.size)),
            .index = count};
        count++;
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    *ret_count = count;
    return pairs;
}

static void append_query(struct bytes query, struct event_builder *builder, struct buffer *buffer) {
    size_t count;
    struct pair *pairs = collect_query(query, builder, &count);
    size_t end;
    for (size_t i = 0; i < count; i = end) {
        end = end_of_run(pairs, count, i);
        buffer_append_byte(buffer, i == 0 ? '{' : ',');
        json_append_string(pairs[i].name, buffer);
        buffer_append_byte(buffer, ':');
        append_values(pairs, i, end, buffer);
    }
    buffer_append_text(buffer, count == 0 ? "{}" : "}");
    free(pairs);
}

// The scanner's limit of nesting lies above this number of brackets.
#define SURELY_FLAT 256

// True for JSON that is at the limit of nesting by itself and beyond it as a member of the data.
static bool is_too_deep(struct bytes json) {
    size_t brackets = 0;
    for (size_t i = 0; i < json.size; i++) {
        brackets += json.data[i] == '{' || json.data[i] == '[';
    }
    if (brackets <= SURELY_FLAT) {
        return false;
    }
    struct buffer nested = {0};
    buffer_append_byte(&nested, '[');
    buffer_append(&nested, json);
    buffer_append_byte(&nested, ']');
    bool is_valid = json_is_valid(buffer_bytes(&nested));
    buffer_clear(&nested);
    return !is_valid;
}

static void append_body(const struct event_http_request *request, struct buffer *buffer) {
    struct bytes media_type = BYTES("");
    event_http_header(request, "content-type", &media_type);
    enum event_data_kind kind = event_data_kind_of(media_type, request->body);
    if (kind == EVENT_DATA_JSON && is_too_deep(request->body)) {
        kind = EVENT_DATA_BINARY;
    }
    switch (kind) {
    case EVENT_DATA_JSON:
        buffer_append(buffer, bytes_trim(request->body));
        return;
    case EVENT_DATA_TEXT:
        json_append_string(request->body, buffer);
        return;
    case EVENT_DATA_NONE:
    case EVENT_DATA_BINARY:
        buffer_append_byte(buffer, '"');
        base64_encode(request->body, buffer);
        buffer_append_byte(buffer, '"');
        return;
    }
}

static void append_member(struct buffer *buffer, const char *name, struct bytes value) {
    buffer_append_byte(buffer, buffer->size == 0 ? '{' : ',');
    buffer_append_format(buffer, "\"%s\":", name);
    json_append_string(value, buffer);
}

void event_http_decode_request(const struct event_http_request *request,
                               const struct event_http_options *options,
                               struct event_builder *builder) {
    struct bytes host = BYTES("");
    event_http_header(request, "host", &host);
    // Built aside: the builder's own buffer lends to what is built in it.
    struct buffer data = {0};
    append_member(&data, "path", options->context.path);
    append_member(&data, "method", request->method);
    append_member(&data, "host", host);
    buffer_append_text(&data, ",\"headers\":");
    append_headers(request, builder, &data);
    buffer_append_text(&data, ",\"query\":");
    append_query(request->query, builder, &data);
    buffer_append_text(&data, ",\"params\":{},\"body\":");
    append_body(request, &data);
    buffer_append_byte(&data, '}');
    buffer_clear(&builder->data_buffer);
    builder->data_buffer = data;
    event_builder_lend_data(builder, buffer_bytes(&data), EVENT_DATA_JSON);

    event_http_set_origin(options, builder);
    builder->core[EVENT_ATTRIBUTE_TYPE] = BYTES(EVENT_TYPE_HTTP_REQUEST);
    builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE] = BYTES("application/json");
}
