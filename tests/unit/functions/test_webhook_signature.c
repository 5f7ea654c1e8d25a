#include "core/functions/webhook_signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void sign_vector(const char *secret, struct webhook_signature *ret_signature) {
    struct webhook_signer *signer = NULL;
    assert_int_equal(webhook_signer_create(secret, &signer, NULL), STATUS_OK);
    webhook_sign(signer, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                 BYTES("{\"test\": 2432232314}"), ret_signature);
    webhook_signer_destroy(signer);
}

// The example of the Standard Webhooks libraries.
static void the_published_vector_comes_out(void **state) {
    (void)state;
    struct webhook_signature signature;
    sign_vector(SECRET, &signature);
    assert_string_equal(signature.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_string_equal(signature.timestamp, "1614265330");
    assert_true(bytes_equal_text(signature.headers[0].name, "webhook-id"));
    assert_true(bytes_equal_text(signature.headers[0].value, "msg_p5jXN8AQM9LWM0D4loKWxJek"));
    assert_true(bytes_equal_text(signature.headers[1].name, "webhook-timestamp"));
    assert_true(bytes_equal_text(signature.headers[2].name, "webhook-signature"));
}

static void each_secret_of_a_rotation_signs(void **state) {
    (void)state;
    struct webhook_signature one;
    struct webhook_signature two;
    sign_vector(OTHER, &one);
    sign_vector(OTHER "  " SECRET, &two);
    assert_memory_equal(two.signature, one.signature, strlen(one.signature));
    assert_string_equal(two.signature + strlen(one.signature),
                        " v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_secret_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const secrets[] = {
        "",
        "whsec_",
        "whsec_AAAA",
        "whsec_not base64",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        SECRET " whsec_AAAA",
        SECRET " " SECRET " " SECRET " " SECRET " " SECRET,
    };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct error error = {0};
        assert_int_equal(webhook_secret_check(secrets[i], &error), STATUS_INVALID);
        assert_null(strstr(error.text, "AAAA"));
    }
}

static void an_id_depends_on_source_id_and_subscription(void **state) {
    (void)state;
    char ids[4][WEBHOOK_ID_SIZE];
    char again[WEBHOOK_ID_SIZE];
    webhook_id_write(BYTES("/a"), BYTES("1"), BYTES("s"), ids[0]);
    webhook_id_write(BYTES("/a1"), BYTES(""), BYTES("s"), ids[1]);
    webhook_id_write(BYTES("/a"), BYTES("1s"), BYTES(""), ids[2]);
    webhook_id_write(BYTES("/a"), BYTES("1"), BYTES("t"), ids[3]);
    webhook_id_write(BYTES("/a"), BYTES("1"), BYTES("s"), again);
    assert_string_equal(ids[0], again);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector_comes_out),
        cmocka_unit_test(each_secret_of_a_rotation_signs),
        cmocka_unit_test(a_secret_that_is_none_is_refused),
        cmocka_unit_test(an_id_depends_on_source_id_and_subscription),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
