#include "ingest/function_answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

static void answer_text(struct function_answer *answer, unsigned status, const char *text) {
    buffer_reset(&answer->storage);
    buffer_append_text(&answer->storage, text);
    answer->response = (struct http_response){
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .body = buffer_bytes(&answer->storage),
    };
}

// True when the function did not give an answer that the caller may see; the caller's response is
// then made.
static bool answer_failure(const struct invocation_result *result, struct function_answer *answer) {
    if (result->outcome == INVOCATION_SUCCEEDED ||
        (result->is_function_answer && result->status < 500)) {
        return false;
    }
    if (result->outcome == INVOCATION_NO_FUNCTION) {
        answer_text(answer, 500, "unable to look up registered function");
    } else if (result->outcome == INVOCATION_FORBIDDEN && result->status == 403) {
        // The provider's word on the credentials. What target rules refused names addresses: not
        // for callers.
        answer_text(answer, 500, result->error_text);
    } else {
        answer_text(answer, 500, "Function call failed. Please check logs.");
    }
    return true;
}

void function_answer_of_invoke(const struct invocation_result *result,
                               struct function_answer *ret_answer) {
    *ret_answer = (struct function_answer){0};
    if (answer_failure(result, ret_answer)) {
        return;
    }
    if (result->content_type.size > 0) {
        buffer_append(&ret_answer->storage, result->content_type);
    }
    ret_answer->response = (struct http_response){
        .status = 200,
        .content_type = ret_answer->storage.data,
        .body = result->body,
    };
}

// Framing belongs to the server, not to the function.
static bool header_is_ours(const char *name) {
    static const char *const ours[] = {"Connection", "Content-Length", "Transfer-Encoding",
                                       "Keep-Alive", "Date"};
    for (size_t i = 0; i < ARRAY_LENGTH(ours); i++) {
        if (bytes_equal_ignoring_case(bytes_of_text(name), bytes_of_text(ours[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_header_value(const json_t *value) {
    struct bytes text = json_string_bytes(value);
    return json_is_string(value) && header_value_is_valid(text);
}

static bool answer_has_header(const struct function_answer *answer, struct bytes name) {
    for (size_t i = 0; i < answer->response.header_count; i++) {
        if (bytes_equal_ignoring_case(answer->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

static enum status read_headers(const json_t *headers, struct function_answer *answer) {
    const char *name;
    json_t *value;
    if (!headers || json_is_null(headers)) {
        return STATUS_OK;
    }
    if (!json_is_object(headers)) {
        return STATUS_INVALID;
    }
    answer->headers = memory_allocate(json_object_size(headers) * sizeof *answer->headers);
    json_object_foreach((json_t *)headers, name, value) {
        if (!header_name_is_valid(bytes_of_text(name)) || !is_header_value(value)) {
            return STATUS_INVALID;
        }
        if (header_is_ours(name)) {
            continue;
        }
        answer->headers[answer->response.header_count++] =
            (struct http_header){.name = bytes_of_text(name), .value = json_string_bytes(value)};
    }
    answer->response.headers = answer->headers;
    return STATUS_OK;
}

static enum status read_body(const json_t *document, struct function_answer *answer) {
    const json_t *body = json_object_get(document, "body");
    if (!body || json_is_null(body)) {
        return STATUS_OK;
    }
    if (json_is_string(body)) {
        struct bytes text = json_string_bytes(body);
        if (json_is_true(json_object_get(document, "isBase64Encoded"))) {
            if (base64_decode(text, &answer->storage) != STATUS_OK) {
                return STATUS_INVALID;
            }
            text = buffer_bytes(&answer->storage);
        }
        answer->response.body = text;
        return STATUS_OK;
    }
    // Not text: it is sent as the JSON that it is.
    json_append(body, &answer->storage);
    if (!answer_has_header(answer, BYTES("Content-Type"))) {
        answer->response.content_type = "application/json";
    }
    answer->response.body = buffer_bytes(&answer->storage);
    return STATUS_OK;
}

static enum status read_document(struct function_answer *answer) {
    const json_t *document = answer->document;
    const json_t *status = json_object_get(document, "statusCode");
    if (!json_is_object(document) || (status && !json_is_integer(status))) {
        return STATUS_INVALID;
    }
    json_int_t code = status ? json_integer_value(status) : 200;
    if (code < 200 || code > 599) {
        return STATUS_INVALID;
    }
    answer->response.status = (unsigned)code;
    enum status result = read_headers(json_object_get(document, "headers"), answer);
    return result == STATUS_OK ? read_body(document, answer) : result;
}

void function_answer_of_subscription(const struct invocation_result *result,
                                     struct function_answer *ret_answer) {
    struct error error;
    *ret_answer = (struct function_answer){0};
    if (answer_failure(result, ret_answer)) {
        return;
    }
    if (json_parse(result->body, &ret_answer->document, &error) != STATUS_OK ||
        read_document(ret_answer) != STATUS_OK) {
        answer_text(ret_answer, 500, "HTTP response object malformed");
    }
}

void function_answer_clear(struct function_answer *answer) {
    buffer_clear(&answer->storage);
    free(answer->headers);
    json_decref(answer->document);
    *answer = (struct function_answer){0};
}
