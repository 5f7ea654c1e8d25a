// Signs requests for integration/test_aws.py, which compares with an independent computation: one
// JSON object with texts in base64 a line on stdin, one Authorization header a line on stdout.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/aws_sign.h"

#define HEADERS_MAX 20

static void fail(const char *text) {
    fprintf(stderr, "sign_requests: %s\n", text);
    exit(1);
}

static struct bytes decoded(const json_t *value, struct buffer *buffer) {
    struct bytes text = {json_string_value(value), json_string_length(value)};
    if (base64_decode(text, buffer) != STATUS_OK) {
        fail("not base64");
    }
    return buffer_bytes(buffer);
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static void sign(const json_t *line) {
    const json_t *headers = json_object_get(line, "headers");
    struct aws_signer_options options = {.access_key_id = text_of(line, "key"),
                                         .secret_access_key = text_of(line, "secret"),
                                         .session_token = text_of(line, "token"),
                                         .region = text_of(line, "region"),
                                         .service = text_of(line, "service")};
    struct http_header list[HEADERS_MAX];
    struct buffer storage[2 * HEADERS_MAX + 3] = {0};
    struct buffer *next = storage;
    size_t count = json_array_size(headers);
    if (count > HEADERS_MAX) {
        fail("too many headers");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *header = json_array_get(headers, i);
        list[i].name = decoded(json_array_get(header, 0), next++);
        list[i].value = decoded(json_array_get(header, 1), next++);
    }
    struct aws_request request = {
        .method = text_of(line, "method"),
        .host = bytes_of_text(text_of(line, "host")),
        .path = decoded(json_object_get(line, "path"), next++),
        .query = decoded(json_object_get(line, "query"), next++),
        .headers = list,
        .header_count = count,
        .body = decoded(json_object_get(line, "body"), next++),
    };
    struct aws_signer *signer = aws_signer_create(&options);
    struct aws_signature signature;
    aws_sign(signer, &request, json_integer_value(json_object_get(line, "time_us")), &signature);
    printf("%s %s\n", signature.date, signature.authorization.data);
    aws_signature_clear(&signature);
    aws_signer_destroy(signer);
    while (next > storage) {
        buffer_clear(--next);
    }
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        struct error error = {0};
        json_t *document = NULL;
        if (json_parse((struct bytes){line, (size_t)size}, &document, &error) != STATUS_OK) {
            fail(error.text);
        }
        sign(document);
        json_decref(document);
    }
    free(line);
    return 0;
}
