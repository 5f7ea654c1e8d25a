#include "core/functions/google_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/text.h"

#include "google_key.h"

#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define FORM "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
#define NOW_S INT64_C(1795482123)

static EVP_PKEY *key;

static int make_key(void **state) {
    (void)state;
    key = EVP_RSA_gen(2048);
    return key ? 0 : -1;
}

static int free_key(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static json_t *decode_part(struct bytes part) {
    struct buffer text = {0};
    json_t *value = NULL;
    assert_int_equal(base64url_decode(part, &text), STATUS_OK);
    assert_int_equal(json_parse(buffer_bytes(&text), &value, NULL), STATUS_OK);
    buffer_clear(&text);
    return value;
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static void check_claims(struct bytes header_part, struct bytes claims_part) {
    json_t *header = decode_part(header_part);
    json_t *claims = decode_part(claims_part);
    assert_string_equal(text_of(header, "alg"), "RS256");
    assert_string_equal(text_of(header, "kid"), "kid-1");
    assert_string_equal(text_of(claims, "iss"), "eg@p.iam.gserviceaccount.com");
    assert_string_equal(text_of(claims, "aud"), TOKEN_URL);
    assert_string_equal(text_of(claims, "target_audience"), "https://f.example/f");
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")), NOW_S);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), NOW_S + 3600);
    json_decref(header);
    json_decref(claims);
}

static void check_signature(struct bytes text, struct bytes signature_part) {
    struct buffer signature = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(base64url_decode(signature_part, &signature), STATUS_OK);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(context, (const unsigned char *)signature.data,
                                      signature.size, (const unsigned char *)text.data, text.size),
                     1);
    EVP_MD_CTX_free(context);
    buffer_clear(&signature);
}

static void the_accounts_key_signs_a_request_for_the_audience(void **state) {
    (void)state;
    struct buffer json = {0};
    struct buffer form = {0};
    struct google_account *account = NULL;
    google_key_write(key, TOKEN_URL, &json);
    assert_int_equal(google_account_create(buffer_bytes(&json), &account, NULL), STATUS_OK);
    assert_string_equal(google_account_token_url(account), TOKEN_URL);
    assert_int_equal(
        google_token_request(account, BYTES("https://f.example/f"), NOW_S, &form, NULL), STATUS_OK);
    struct bytes assertion = buffer_bytes(&form);
    assert_true(bytes_start_with(assertion, BYTES(FORM)));
    assertion = bytes_slice(assertion, sizeof FORM - 1, assertion.size);
    size_t first = bytes_find(assertion, '.');
    struct bytes rest = bytes_slice(assertion, first + 1, assertion.size);
    size_t second = bytes_find(rest, '.');
    check_claims(bytes_slice(assertion, 0, first), bytes_slice(rest, 0, second));
    check_signature(bytes_slice(assertion, 0, first + 1 + second),
                    bytes_slice(rest, second + 1, rest.size));
    google_account_destroy(account);
    buffer_clear(&form);
    buffer_clear(&json);
}

static void what_is_no_service_account_is_told_without_its_key(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "is not the JSON of a service account's key"},
        {"[]", "is not the JSON of a service account's key"},
        {"{}", "client_email is missing"},
        {"{\"client_email\":\"a\",\"private_key\":\"SECRET\"}", "token_uri is missing"},
        {"{\"client_email\":\"a\",\"token_uri\":\"https://b\"}", "private_key is missing"},
        {"{\"client_email\":\"a\",\"token_uri\":\"file:///etc\",\"private_key\":\"SECRET\"}",
         "token_uri is not a URL"},
        {"{\"client_email\":\"a\",\"token_uri\":\"https://b\\nc\",\"private_key\":\"SECRET\"}",
         "token_uri is not a URL"},
        {"{\"client_email\":\"a\",\"token_uri\":\"https://b\",\"private_key\":\"SECRET\"}",
         "private_key is not an RSA key in PEM"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct google_account *account = NULL;
        struct error error = {0};
        assert_int_equal(google_account_create(bytes_of_text(cases[i][0]), &account, &error),
                         STATUS_INVALID);
        assert_string_equal(error.text, cases[i][1]);
        assert_null(account);
    }
}

static void only_rsa_keys_sign(void **state) {
    (void)state;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    struct buffer json = {0};
    struct google_account *account = NULL;
    google_key_write(other, TOKEN_URL, &json);
    assert_int_equal(google_account_create(buffer_bytes(&json), &account, NULL), STATUS_INVALID);
    EVP_PKEY_free(other);
    buffer_clear(&json);
}

static void a_token_and_its_end_are_read(void **state) {
    (void)state;
    char *token = NULL;
    int64_t expires_s = 0;
    // {"exp":1795485723}
    struct bytes answer = BYTES("{\"id_token\":\"e30.eyJleHAiOjE3OTU0ODU3MjN9.c2ln\"}");
    assert_int_equal(google_token_read(answer, &token, &expires_s, NULL), STATUS_OK);
    assert_string_equal(token, "e30.eyJleHAiOjE3OTU0ODU3MjN9.c2ln");
    assert_int_equal(expires_s, 1795485723);
    free(token);
}

static void an_answer_without_a_token_says_why(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"<html>", "the answer is not JSON"},
        {"{}", "no id_token"},
        {"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}",
         "invalid_grant: Invalid JWT Signature."},
        {"{\"id_token\":\"abc\"}", "its id_token is not one"},
        {"{\"id_token\":\"a.b\"}", "its id_token is not one"},
        {"{\"id_token\":\"e30.e30.x\"}", "its id_token is not one"},
        {"{\"id_token\":\"e30.!.x\"}", "its id_token is not one"},
        {"{\"id_token\":\"e30.eyJleHAiOjE3OTU0ODU3MjN9.\\r\\nx: y\"}", "its id_token is not one"},
        {"{\"id_token\":5}", "no id_token"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *token = NULL;
        int64_t expires_s = -1;
        struct error error = {0};
        assert_int_equal(google_token_read(bytes_of_text(cases[i][0]), &token, &expires_s, &error),
                         STATUS_INVALID);
        assert_string_equal(error.text, cases[i][1]);
        assert_null(token);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accounts_key_signs_a_request_for_the_audience),
        cmocka_unit_test(what_is_no_service_account_is_told_without_its_key),
        cmocka_unit_test(only_rsa_keys_sign),
        cmocka_unit_test(a_token_and_its_end_are_read),
        cmocka_unit_test(an_answer_without_a_token_says_why),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
