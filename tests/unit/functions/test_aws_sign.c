// The signatures were computed with botocore 1.44.5 (botocore.auth.SigV4Auth) over the same
// requests.
#include "core/functions/aws_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"

#define NOW_US INT64_C(1795482123000000) // 2026-11-24T01:02:03Z
#define DAY_US INT64_C(86400000000)

static struct aws_signer *make_signer(const char *token, const char *region, const char *service) {
    struct aws_signer_options options = {
        .access_key_id = "AKIDEXAMPLE",
        .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .session_token = token,
        .region = region,
        .service = service,
    };
    return aws_signer_create(&options);
}

static const struct http_header plain_headers[] = {
    {BYTES("X-Amz-Invocation-Type"), BYTES("RequestResponse")},
    {BYTES("Content-Type"), BYTES("application/json")},
};

static struct aws_request plain_request(void) {
    return (struct aws_request){
        .method = "POST",
        .host = BYTES("lambda.us-east-1.amazonaws.com"),
        .path = BYTES("/2015-03-31/functions/hello/invocations"),
        .headers = plain_headers,
        .header_count = ARRAY_LENGTH(plain_headers),
        .body = BYTES("{\"a\":1}"),
    };
}

#define PLAIN_AUTHORIZATION                                                                        \
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/us-east-1/lambda/aws4_request, "             \
    "SignedHeaders=content-type;host;x-amz-date;x-amz-invocation-type, "                           \
    "Signature=3469d0d9d7f5eb1262454d0649db11c9048c267f638c908cf325471cd3694157"

static void a_plain_request_is_signed_as_botocore_signs_it(void **state) {
    (void)state;
    struct aws_signer *signer = make_signer(NULL, "us-east-1", "lambda");
    struct aws_request request = plain_request();
    struct aws_signature signature;
    aws_sign(signer, &request, NOW_US, &signature);
    assert_string_equal(signature.date, "20261124T010203Z");
    assert_string_equal(signature.authorization.data, PLAIN_AUTHORIZATION);
    assert_int_equal(signature.header_count, 2);
    aws_signature_clear(&signature);
    aws_signer_destroy(signer);
}

static void an_arn_in_the_path_a_query_and_a_session_token_are_signed(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/json")},
        {BYTES("X-Amz-Invocation-Type"), BYTES("Event")},
    };
    struct aws_signer *signer =
        make_signer("FwoGZXIvYXdzE//token+with/signs==", "eu-west-1", "lambda");
    struct aws_request request = {
        .method = "POST",
        .host = BYTES("lambda.eu-west-1.amazonaws.com"),
        .path = BYTES("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3A"
                      "function%3Ahello%3A7/invocations"),
        .query = BYTES("Qualifier=%24LATEST&B=2&A=1"),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = BYTES("{\"text\":\"Gr\xc3\xbc\xc3\x9f"
                      "e \xe2\x82\xac\"}"),
    };
    struct aws_signature signature;
    aws_sign(signer, &request, NOW_US, &signature);
    assert_string_equal(
        signature.authorization.data,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-west-1/lambda/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-invocation-type;x-amz-security-token, "
        "Signature=bfa66b6e0f80222c012f8f3d992c6bfad3949fb517c0eb941a2cd7181629c358");
    assert_int_equal(signature.header_count, 3);
    assert_true(bytes_equal_text(signature.headers[2].name, "X-Amz-Security-Token"));
    aws_signature_clear(&signature);
    aws_signer_destroy(signer);
}

static void blanks_in_a_value_count_once_and_an_empty_body_is_signed(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {BYTES("X-Odd"), BYTES("  two   blanks  inside ")},
        {BYTES("Content-Type"), BYTES("application/x-amz-json-1.0")},
        {BYTES("X-Amz-Target"), BYTES("AmazonSQS.SendMessage")},
    };
    struct aws_signer *signer = make_signer(NULL, "us-east-1", "sqs");
    struct aws_request request = {
        .method = "POST",
        .host = BYTES("127.0.0.1:5000"),
        .path = BYTES("/"),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
    };
    struct aws_signature signature;
    aws_sign(signer, &request, NOW_US, &signature);
    assert_string_equal(
        signature.authorization.data,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/us-east-1/sqs/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target;x-odd, "
        "Signature=02236e287c0a254a60f6a9aa2c249031d336e1c4ba218827230f4b3016da59d2");
    aws_signature_clear(&signature);
    aws_signer_destroy(signer);
}

static void parameters_are_sorted_by_name_and_then_by_value(void **state) {
    (void)state;
    static const char *const orders[] = {"A=1&A=2&A-b=0", "A-b=0&A=2&A=1"};
    struct aws_signer *signer = make_signer(NULL, "us-east-1", "lambda");
    struct aws_signature signatures[2];
    for (size_t i = 0; i < 2; i++) {
        struct aws_request request = plain_request();
        request.query = bytes_of_text(orders[i]);
        aws_sign(signer, &request, NOW_US, &signatures[i]);
    }
    assert_string_equal(signatures[0].authorization.data, signatures[1].authorization.data);
    assert_non_null(
        strstr(signatures[0].authorization.data,
               "Signature=073600f5728fa17a406dfb8b8849482c03bdbba94d5b28372ac53ebc42713feb"));
    aws_signature_clear(&signatures[0]);
    aws_signature_clear(&signatures[1]);
    aws_signer_destroy(signer);
}

static void assert_same_signature(const struct aws_request *one, const struct aws_request *other) {
    struct aws_signer *signer = make_signer(NULL, "us-east-1", "lambda");
    struct aws_signature signatures[2];
    aws_sign(signer, one, NOW_US, &signatures[0]);
    aws_sign(signer, other, NOW_US, &signatures[1]);
    assert_string_equal(signatures[0].authorization.data, signatures[1].authorization.data);
    aws_signature_clear(&signatures[0]);
    aws_signature_clear(&signatures[1]);
    aws_signer_destroy(signer);
}

static void a_path_is_signed_as_servers_see_it(void **state) {
    (void)state;
    static const char *const paths[][2] = {
        {"/a//b/./c/../d", "/a/b/d"}, {"/..", "/"}, {"/a/..", "/"}, {"/a/.", "/a"}, {"//a/", "/a/"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct aws_request odd = plain_request();
        struct aws_request plain = plain_request();
        odd.path = bytes_of_text(paths[i][0]);
        plain.path = bytes_of_text(paths[i][1]);
        assert_same_signature(&odd, &plain);
    }
}

static void a_parameter_without_a_name_counts(void **state) {
    (void)state;
    struct aws_request end = plain_request();
    struct aws_request begin = plain_request();
    end.query = BYTES("A=1&");
    begin.query = BYTES("=&A=1");
    assert_same_signature(&end, &begin);
}

static void a_new_day_derives_a_new_key(void **state) {
    (void)state;
    struct aws_signer *signer = make_signer(NULL, "us-east-1", "lambda");
    struct aws_request request = plain_request();
    struct aws_signature signatures[3];
    aws_sign(signer, &request, NOW_US, &signatures[0]);
    aws_sign(signer, &request, NOW_US + DAY_US, &signatures[1]);
    aws_sign(signer, &request, NOW_US, &signatures[2]);
    assert_non_null(strstr(signatures[1].authorization.data, "/20261125/"));
    assert_non_null(
        strstr(signatures[1].authorization.data,
               "Signature=36347f91cedbe38edd5998240eac4535812c12b004bb729e7329c49f052292a4"));
    assert_string_equal(signatures[2].authorization.data, PLAIN_AUTHORIZATION);
    for (size_t i = 0; i < 3; i++) {
        aws_signature_clear(&signatures[i]);
    }
    aws_signer_destroy(signer);
}

static void encoding_leaves_only_what_aws_calls_unreserved(void **state) {
    (void)state;
    struct buffer text = {0};
    aws_encode(BYTES("aZ09-._~/:@ \xc3\xbc"), false, &text);
    assert_string_equal(text.data, "aZ09-._~%2F%3A%40%20%C3%BC");
    buffer_reset(&text);
    aws_encode(BYTES("/a%3Ab"), true, &text);
    assert_string_equal(text.data, "/a%253Ab");
    buffer_clear(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_signed_as_botocore_signs_it),
        cmocka_unit_test(an_arn_in_the_path_a_query_and_a_session_token_are_signed),
        cmocka_unit_test(blanks_in_a_value_count_once_and_an_empty_body_is_signed),
        cmocka_unit_test(parameters_are_sorted_by_name_and_then_by_value),
        cmocka_unit_test(a_path_is_signed_as_servers_see_it),
        cmocka_unit_test(a_parameter_without_a_name_counts),
        cmocka_unit_test(a_new_day_derives_a_new_key),
        cmocka_unit_test(encoding_leaves_only_what_aws_calls_unreserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
