#include "core/functions/webhook_signature.h"

#include "functions_test.h"

#include "core/registry/secrets.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static void own_headers_and_a_bearer_token_are_sent(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http",
                "{\"url\":\"http://127.0.0.1:PORT/\",\"auth\":{\"bearer\":\"token\"},"
                "\"headers\":{\"X-Team\":\"red\",\"content-type\":\"text/plain\"}}",
                NULL);
    fixture_call(&fixture, "f");
    assert_string_equal(fixture_header(&fixture, "Authorization"), "Bearer token");
    assert_string_equal(fixture_header(&fixture, "X-Team"), "red");
    // The message's own headers stay.
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/cloudevents+json");
    fixture_close(&fixture);
}

static void basic_credentials_are_sent(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http",
                "{\"url\":\"http://127.0.0.1:PORT/\",\"auth\":{\"basic\":\"user:pass\"}}", NULL);
    fixture_call(&fixture, "f");
    assert_string_equal(fixture_header(&fixture, "Authorization"), "Basic dXNlcjpwYXNz");
    fixture_close(&fixture);
}

static void a_signature_fits_the_body_and_its_id_stays_for_a_subscription(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {BYTES("Event-Gateway-Subscription"), BYTES("s1")}};
    struct invocation_options options = {.headers = headers, .header_count = 1};
    struct webhook_signer *signer = NULL;
    struct webhook_signature expected;
    char id[WEBHOOK_ID_SIZE];
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http",
                "{\"url\":\"http://127.0.0.1:PORT/\",\"signing\":{\"scheme\":\"standard-webhooks\","
                "\"secret\":\"" SECRET "\"}}",
                NULL);
    fixture_call_with(&fixture, "f", &options);
    snprintf(id, sizeof id, "%s", fixture_header(&fixture, "webhook-id"));
    assert_int_equal(webhook_signer_create(SECRET, &signer, NULL), STATUS_OK);
    webhook_sign(signer, id, strtoll(fixture_header(&fixture, "webhook-timestamp"), NULL, 10),
                 buffer_bytes(&fixture.stub.body), &expected);
    assert_string_equal(fixture_header(&fixture, "webhook-signature"), expected.signature);
    webhook_signer_destroy(signer);
    fixture_call_with(&fixture, "f", &options);
    assert_string_equal(fixture_header(&fixture, "webhook-id"), id);
    fixture_call(&fixture, "f");
    assert_string_not_equal(fixture_header(&fixture, "webhook-id"), id);
    fixture_close(&fixture);
}

static void every_header_of_a_large_binary_event_arrives(void **state) {
    (void)state;
    struct event_builder *builder = fixture_event_builder();
    const struct event *event = NULL;
    struct fixture fixture;
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        event_builder_set(builder, bytes_of_text(name), BYTES("v"), EVENT_VALUE_STRING);
    }
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    struct invocation_options options = {.event = event};
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}",
                "cloudevents-binary/1.0");
    fixture_call_with(&fixture, "f", &options);
    assert_string_equal(fixture_header(&fixture, "ce-x0"), "v");
    assert_string_equal(fixture_header(&fixture, "ce-x299"), "v");
    event_unref(event);
    fixture_close(&fixture);
}

// A key file of its own for each run.
static struct secrets *make_secrets(char path[64]) {
    struct secrets *secrets = NULL;
    struct error error = {0};
    snprintf(path, 64, "/tmp/functions-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    strncat(path, "/key", 63 - strlen(path));
    if (secrets_create(path, true, &secrets, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return secrets;
}

static void remove_secrets(char path[64], struct secrets *secrets) {
    remove(path);
    *strrchr(path, '/') = '\0';
    remove(path);
    secrets_destroy(secrets);
}

static void put_sealed(struct fixture *fixture, const struct secrets *secrets, const char *owner) {
    struct buffer sealed = {0};
    struct buffer provider = {0};
    assert_int_equal(secrets_seal(secrets, BYTES("token"), bytes_of_text(owner), &sealed, NULL),
                     STATUS_OK);
    buffer_append_format(&provider,
                         "{\"url\":\"http://127.0.0.1:PORT/\",\"auth\":{\"bearer\":\"%s\"}}",
                         sealed.data);
    fixture_put(fixture, "f", "http", provider.data, NULL);
    buffer_clear(&sealed);
    buffer_clear(&provider);
}

static void a_sealed_secret_is_opened_for_the_call(void **state) {
    (void)state;
    char path[64];
    struct fixture fixture;
    struct secrets *secrets = make_secrets(path);
    fixture_open_with(&fixture, "any", secrets);
    put_sealed(&fixture, secrets, "default/f/auth.bearer");
    fixture_call(&fixture, "f");
    assert_string_equal(fixture_header(&fixture, "Authorization"), "Bearer token");
    fixture_close(&fixture);
    remove_secrets(path, secrets);
}

static void a_secret_that_cannot_be_opened_is_never_sent_sealed(void **state) {
    (void)state;
    char path[64];
    struct secrets *secrets = make_secrets(path);
    for (int has_key = 0; has_key < 2; has_key++) {
        struct fixture fixture;
        fixture_open_with(&fixture, "any", has_key ? secrets : NULL);
        put_sealed(&fixture, secrets, "default/other/auth.bearer");
        fixture_call(&fixture, "f");
        assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
        assert_non_null(strstr(fixture.error_text, "provider.auth.bearer"));
        assert_int_equal(fixture.stub.requests, 0);
        fixture_close(&fixture);
    }
    remove_secrets(path, secrets);
}

static void a_url_that_is_not_one_after_all_is_not_told(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:99999999/?token=geheim\"}",
                NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_string_equal(fixture.error_text, "the function's URL is not well-formed");
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_headers_and_a_bearer_token_are_sent),
        cmocka_unit_test(basic_credentials_are_sent),
        cmocka_unit_test(a_signature_fits_the_body_and_its_id_stays_for_a_subscription),
        cmocka_unit_test(every_header_of_a_large_binary_event_arrives),
        cmocka_unit_test(a_sealed_secret_is_opened_for_the_call),
        cmocka_unit_test(a_secret_that_cannot_be_opened_is_never_sent_sealed),
        cmocka_unit_test(a_url_that_is_not_one_after_all_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
