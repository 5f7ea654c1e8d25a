#include "core/base/http_request.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// What a Content-Length may reserve before its bytes have come.
enum {
    BODY_FIRST_RESERVE_MAX = 64 * 1024,
    BODY_FIRST_CAPACITY = 1024
};

struct http_request *http_request_create(const char *target) {
    const char *question_mark = target ? strchr(target, '?') : NULL;
    size_t query_size = question_mark ? strlen(question_mark + 1) : 0;
    struct http_request *request = memory_allocate(sizeof *request + query_size + 1);
    if (query_size > 0) {
        memcpy(request->query, question_mark + 1, query_size);
    }
    request->query_size = query_size;
    request->body_expected = SIZE_MAX;
    return request;
}

void http_request_destroy(struct http_request *request, struct http_body_budget *budget) {
    if (request) {
        http_request_body_free(request, budget);
        budget->total -= request->answer_size;
        free(request);
    }
}

static size_t next_capacity(const struct http_request *request, size_t needed, size_t one_max) {
    size_t expected = request->body_expected < one_max ? request->body_expected : one_max;
    size_t capacity = request->body_capacity * 2;
    if (request->body_expected != SIZE_MAX && capacity < BODY_FIRST_RESERVE_MAX) {
        capacity = BODY_FIRST_RESERVE_MAX;
    } else if (capacity < BODY_FIRST_CAPACITY) {
        capacity = BODY_FIRST_CAPACITY;
    }
    if (capacity > expected) {
        capacity = expected;
    }
    return capacity < needed ? needed : capacity;
}

enum status http_request_body_append(struct http_request *request, struct http_body_budget *budget,
                                     const char *data, size_t size) {
    if (size > budget->one_max - request->body_size) {
        return STATUS_TOO_LARGE;
    }
    size_t needed = request->body_size + size;
    if (needed > request->body_capacity) {
        size_t capacity = next_capacity(request, needed, budget->one_max);
        size_t more = capacity - request->body_capacity;
        if (budget->total > budget->total_max || more > budget->total_max - budget->total) {
            return STATUS_FULL;
        }
        request->body = memory_resize(request->body, capacity, 1);
        request->body_capacity = capacity;
        budget->total += more;
    }
    memcpy(request->body + request->body_size, data, size);
    request->body_size = needed;
    return STATUS_OK;
}

void http_request_body_free(struct http_request *request, struct http_body_budget *budget) {
    budget->total -= request->body_capacity;
    free(request->body);
    request->body = NULL;
    request->body_size = 0;
    request->body_capacity = 0;
}

struct bytes http_path_of_target(const char *target) {
    if (target[0] != '/' &&
        (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0)) {
        const char *path = strchr(strchr(target, ':') + 3, '/');
        return path ? bytes_of_text(path) : BYTES("/");
    }
    return bytes_of_text(target);
}

static void visit_length(struct http_framing *framing, struct bytes value) {
    if (framing->has_length || value.size == 0) {
        framing->is_broken = true;
    }
    framing->has_length = true;
    framing->length = 0;
    for (size_t i = 0; i < value.size; i++) {
        unsigned digit = (unsigned char)value.data[i] - (unsigned)'0';
        if (digit > 9) {
            framing->is_broken = true;
            return;
        }
        if (__builtin_mul_overflow(framing->length, 10, &framing->length) ||
            __builtin_add_overflow(framing->length, digit, &framing->length)) {
            framing->length = UINT64_MAX;
            return;
        }
    }
}

void http_framing_visit(struct http_framing *framing, struct bytes name, struct bytes value) {
    // The sizes alone rule nearly every header out.
    if (name.size == sizeof "Content-Length" - 1 &&
        strncasecmp(name.data, "Content-Length", name.size) == 0) {
        visit_length(framing, value);
    } else if (name.size == sizeof "Transfer-Encoding" - 1 &&
               strncasecmp(name.data, "Transfer-Encoding", name.size) == 0) {
        framing->is_unknown_encoding |= framing->has_encoding || value.size != 7 ||
                                        strncasecmp(value.data, "chunked", value.size) != 0;
        framing->has_encoding = true;
    } else if (name.size == sizeof "Host" - 1 && strncasecmp(name.data, "Host", name.size) == 0) {
        framing->hosts++;
    }
    framing->is_broken |= framing->has_length && framing->has_encoding;
}

struct bytes http_request_method(const struct http_request *request) {
    return request->method;
}

struct bytes http_request_path(const struct http_request *request) {
    return request->path;
}

struct bytes http_request_query(const struct http_request *request) {
    return (struct bytes){request->query, request->query_size};
}

struct bytes http_request_body(const struct http_request *request) {
    return (struct bytes){request->body, request->body_size};
}

int64_t http_request_received_us(const struct http_request *request) {
    return request->received_us;
}
