// Input: a line that is Lambda's error type, a line that is a Retry-After, then a body. It is read
// as an answer of AWS, as a token of Google's and as a service account's key.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/functions/aws_call.h"
#include "core/functions/google_token.h"
#include "core/functions/provider_call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take_line(struct bytes *rest) {
    struct bytes line = bytes_slice(*rest, 0, bytes_find(*rest, '\n'));
    *rest = bytes_slice(*rest, line.size + 1, rest->size);
    return line;
}

// What refuses the call is never told as the function's own words, and the text ends somewhere.
static void check_aws(unsigned status, struct bytes type, struct bytes body) {
    static const struct aws_service service = {.name = "lambda", .action = "lambda:invokeFunction"};
    struct http_header header = {BYTES("X-Amzn-ErrorType"), type};
    struct http_answer answer = {.result = HTTP_CALL_ANSWERED,
                                 .status = status,
                                 .headers = &header,
                                 .header_count = type.size > 0 ? 1 : 0,
                                 .body = body,
                                 .error_text = ""};
    struct provider_call call = {.timeout_ms = 1};
    struct invocation_result result = {.retry_after_ms = -1};
    provider_call_read(&answer, &result);
    aws_answer_read(&call, &service, &answer, &result);
    assert(result.outcome == INVOCATION_SUCCEEDED || !result.is_function_answer);
    assert(strlen(result.error_text) < sizeof call.problem.text);
    assert(result.outcome != INVOCATION_FORBIDDEN || result.status == 403);
    assert(result.retry_after_ms >= -1 && result.retry_after_ms <= INT64_C(86400000));
    aws_answer_take_member(&call, &answer, "MessageId", &result);
    buffer_clear(&call.answer);
}

static void check_google(struct bytes body) {
    struct google_account *account = NULL;
    char *token = NULL;
    int64_t expires_s = 0;
    struct error error = {0};
    if (google_token_read(body, &token, &expires_s, &error) == STATUS_OK) {
        assert(token && token[0] != '\0' && !strpbrk(token, " \r\n"));
    } else {
        assert(!token && error.text[0] != '\0');
    }
    free(token);
    if (google_account_create(body, &account, &error) == STATUS_OK) {
        // A damaged key may be read and not sign.
        struct buffer form = {0};
        error.text[0] = '\0';
        enum status status =
            google_token_request(account, BYTES("https://f.example"), 1, &form, &error);
        assert((status == STATUS_OK) == (form.size > 0));
        assert((status == STATUS_OK) == (error.text[0] == '\0'));
        buffer_clear(&form);
    }
    google_account_destroy(account);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned statuses[] = {200, 400, 403, 413, 429, 500, 503};
    struct bytes rest = {(const char *)data, size};
    struct bytes type = take_line(&rest);
    struct bytes wait = take_line(&rest);
    int64_t wait_ms = retry_after_parse(wait, INT64_C(1795482123000000));
    assert(wait_ms >= -1 && wait_ms <= INT64_C(86400000));
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        check_aws(statuses[i], type, rest);
    }
    check_google(rest);
    return 0;
}
