// Functions of the AWS providers at a stub, and what it was sent.
#ifndef EVENT_GATEWAY_TESTS_UNIT_FUNCTIONS_AWS_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_FUNCTIONS_AWS_TEST_H

#include "tests/unit/functions/functions_test.h"

#include "core/base/text.h"
#include "core/functions/aws_sign.h"

#define KEYS                                                                                       \
    "\"region\":\"eu-west-1\",\"awsAccessKeyId\":\"AKID\",\"awsSecretAccessKey\":\"secret\","      \
    "\"awsSessionToken\":\"session\",\"endpoint\":\"http://127.0.0.1:PORT\""
#define LAMBDA "{\"arn\":\"hello\"," KEYS "}"

// The request is signed as it arrived: the same headers, the same body, the time that it names.
static inline void assert_signed(const struct fixture *fixture, const char *service,
                                 const char *path, const char *const *names, size_t count) {
    struct aws_signer_options options = {.access_key_id = "AKID",
                                         .secret_access_key = "secret",
                                         .session_token = "session",
                                         .region = "eu-west-1",
                                         .service = service};
    struct aws_signer *signer = aws_signer_create(&options);
    struct aws_signature signature;
    struct http_header headers[4];
    char values[4][200];
    char host[64];
    char date[64];
    char time[64];
    int64_t now_us = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(values[i], sizeof values[i], "%s", fixture_header(fixture, names[i]));
        headers[i] = (struct http_header){bytes_of_text(names[i]), bytes_of_text(values[i])};
    }
    snprintf(host, sizeof host, "%s", fixture_header(fixture, "Host"));
    snprintf(date, sizeof date, "%s", fixture_header(fixture, "X-Amz-Date"));
    snprintf(time, sizeof time, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date, date + 4, date + 6,
             date + 9, date + 11, date + 13);
    assert_int_equal(timestamp_parse(bytes_of_text(time), &now_us), STATUS_OK);
    struct aws_request request = {
        .method = "POST",
        .host = bytes_of_text(host),
        .path = bytes_of_text(path),
        .headers = headers,
        .header_count = count,
        .body = buffer_bytes(&fixture->stub.body),
    };
    aws_sign(signer, &request, now_us, &signature);
    assert_string_equal(fixture_header(fixture, "Authorization"), signature.authorization.data);
    assert_string_equal(fixture_header(fixture, "X-Amz-Security-Token"), "session");
    aws_signature_clear(&signature);
    aws_signer_destroy(signer);
}

static inline void put_all(struct fixture *fixture) {
    fixture_put(fixture, "awslambda", "awslambda", LAMBDA, NULL);
    fixture_put(fixture, "awskinesis", "awskinesis", "{\"streamName\":\"stream\"," KEYS "}", NULL);
    fixture_put(fixture, "awsfirehose", "awsfirehose",
                "{\"deliveryStreamName\":\"stream\"," KEYS "}", NULL);
    fixture_put(
        fixture, "awssqs", "awssqs",
        "{\"queueUrl\":\"http://127.0.0.1:PORT/123456789012/queue\",\"region\":\"eu-west-1\","
        "\"awsAccessKeyId\":\"AKID\",\"awsSecretAccessKey\":\"secret\","
        "\"awsSessionToken\":\"session\"}",
        NULL);
}

static inline json_t *sent(const struct fixture *fixture) {
    json_t *document = NULL;
    assert_int_equal(json_parse(buffer_bytes(&fixture->stub.body), &document, NULL), STATUS_OK);
    return document;
}

#endif
