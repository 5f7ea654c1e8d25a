#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "core/base/memory.h"
#include "core/registry/secrets.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define KEY_B "MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY="

static int set_up(void **state) {
    char folder[] = "/tmp/secrets-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    *state = memory_copy_text(folder);
    return 0;
}

static int tear_down(void **state) {
    char path[128];
    snprintf(path, sizeof path, "%s/key", (char *)*state);
    unlink(path);
    rmdir(*state);
    free(*state);
    return 0;
}

static const char *write_key(void **state, const char *content, mode_t mode) {
    static _Thread_local char path[128];
    snprintf(path, sizeof path, "%s/key", (char *)*state);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static struct secrets *create(const char *path) {
    struct secrets *secrets = NULL;
    struct error error = {""};
    if (secrets_create(path, false, &secrets, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return secrets;
}

static void what_was_sealed_opens_again(void **state) {
    struct secrets *secrets = create(write_key(state, KEY_A "\n", 0600));
    static const char *const plains[] = {"", "x y", "a much longer secret with spaces"};
    for (size_t i = 0; i < ARRAY_LENGTH(plains); i++) {
        struct buffer sealed = {0};
        struct buffer plain = {0};
        assert_int_equal(secrets_seal(secrets, bytes_of_text(plains[i]), BYTES("default/f/secret"),
                                      &sealed, NULL),
                         STATUS_OK);
        assert_true(secret_is_sealed(buffer_bytes(&sealed)));
        assert_null(plains[i][0] ? strstr(sealed.data, plains[i]) : NULL);
        assert_int_equal(
            secrets_open(secrets, buffer_bytes(&sealed), BYTES("default/f/secret"), &plain, NULL),
            STATUS_OK);
        assert_true(bytes_equal_text(buffer_bytes(&plain), plains[i]));
        buffer_clear(&sealed);
        buffer_clear(&plain);
    }
    secrets_destroy(secrets);
}

static void no_two_sealed_texts_are_equal(void **state) {
    struct secrets *secrets = create(write_key(state, KEY_A, 0600));
    struct buffer one = {0};
    struct buffer two = {0};
    assert_int_equal(secrets_seal(secrets, BYTES("x"), BYTES("o"), &one, NULL), STATUS_OK);
    assert_int_equal(secrets_seal(secrets, BYTES("x"), BYTES("o"), &two, NULL), STATUS_OK);
    assert_string_not_equal(one.data, two.data);
    buffer_clear(&one);
    buffer_clear(&two);
    secrets_destroy(secrets);
}

static void a_sealed_text_opens_for_its_owner_alone(void **state) {
    struct secrets *secrets = create(write_key(state, KEY_A, 0600));
    struct buffer sealed = {0};
    struct buffer plain = {0};
    struct error error = {""};
    assert_int_equal(secrets_seal(secrets, BYTES("x"), BYTES("default/f/a"), &sealed, NULL),
                     STATUS_OK);
    assert_int_equal(
        secrets_open(secrets, buffer_bytes(&sealed), BYTES("default/g/a"), &plain, &error),
        STATUS_INVALID);
    assert_int_equal(plain.size, 0);
    buffer_clear(&sealed);
    secrets_destroy(secrets);
}

static void a_changed_text_does_not_open(void **state) {
    struct secrets *secrets = create(write_key(state, KEY_A, 0600));
    struct buffer sealed = {0};
    assert_int_equal(secrets_seal(secrets, BYTES("secret"), BYTES("o"), &sealed, NULL), STATUS_OK);
    for (size_t i = 0; i < sealed.size; i++) {
        struct buffer plain = {0};
        char kept = sealed.data[i];
        sealed.data[i] = kept == 'B' ? 'C' : 'B';
        assert_int_not_equal(secrets_open(secrets, buffer_bytes(&sealed), BYTES("o"), &plain, NULL),
                             STATUS_OK);
        sealed.data[i] = kept;
        buffer_clear(&plain);
    }
    for (size_t size = 0; size < sealed.size; size++) {
        struct buffer plain = {0};
        assert_int_not_equal(
            secrets_open(secrets, (struct bytes){sealed.data, size}, BYTES("o"), &plain, NULL),
            STATUS_OK);
        buffer_clear(&plain);
    }
    buffer_clear(&sealed);
    secrets_destroy(secrets);
}

static void older_keys_still_open_and_the_first_one_seals(void **state) {
    struct secrets *older = create(write_key(state, KEY_A "\n", 0600));
    struct secrets *newer =
        create(write_key(state, "# now\n  " KEY_B "\r\n\n# before\n" KEY_A "\n", 0600));
    struct buffer sealed = {0};
    struct buffer plain = {0};
    struct error error = {""};
    assert_int_equal(secrets_seal(older, BYTES("x"), BYTES("o"), &sealed, NULL), STATUS_OK);
    assert_int_equal(secrets_open(newer, buffer_bytes(&sealed), BYTES("o"), &plain, &error),
                     STATUS_OK);
    buffer_reset(&sealed);
    buffer_reset(&plain);
    assert_int_equal(secrets_seal(newer, BYTES("x"), BYTES("o"), &sealed, NULL), STATUS_OK);
    assert_int_equal(secrets_open(older, buffer_bytes(&sealed), BYTES("o"), &plain, &error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "key"));
    buffer_clear(&sealed);
    buffer_clear(&plain);
    secrets_destroy(older);
    secrets_destroy(newer);
}

static void a_key_file_that_everybody_can_read_is_refused(void **state) {
    static const mode_t modes[] = {0604, 0602, 0666};
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        struct secrets *secrets = NULL;
        struct error error = {""};
        const char *path = write_key(state, KEY_A, modes[i]);
        assert_int_equal(secrets_create(path, false, &secrets, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "chmod 600"));
        assert_int_equal(secrets_create(path, true, &secrets, &error), STATUS_INVALID);
    }
}

static void wrong_keys_are_refused_with_the_line(void **state) {
    static const char *const wrong[] = {"\n00112233\n", "\n" KEY_A "00\n",
                                        "\nzz112233445566778899aabbccddeeff00112233445566778899AA"
                                        "BBCCDDEEFF\n",
                                        "\nc2hvcnQ=\n"};
    struct secrets *secrets = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct error error = {""};
        assert_int_equal(secrets_create(write_key(state, wrong[i], 0600), false, &secrets, &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.text, "line 2"));
        assert_null(strstr(error.text, "0011"));
    }
    assert_int_equal(secrets_create(write_key(state, "# none\n", 0600), false, &secrets, NULL),
                     STATUS_INVALID);
}

static void a_missing_file_is_made_only_when_it_may(void **state) {
    char path[128];
    struct secrets *secrets = NULL;
    struct error error = {""};
    struct stat found;
    snprintf(path, sizeof path, "%s/key", (char *)*state);
    assert_int_equal(secrets_create(path, false, &secrets, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(secrets_create(path, true, &secrets, &error), STATUS_OK);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    struct buffer sealed = {0};
    struct buffer plain = {0};
    assert_int_equal(secrets_seal(secrets, BYTES("x"), BYTES("o"), &sealed, NULL), STATUS_OK);
    secrets_destroy(secrets);
    assert_int_equal(secrets_create(path, true, &secrets, &error), STATUS_OK);
    assert_int_equal(secrets_open(secrets, buffer_bytes(&sealed), BYTES("o"), &plain, NULL),
                     STATUS_OK);
    secrets_destroy(secrets);
    buffer_clear(&sealed);
    buffer_clear(&plain);
}

static void only_sealed_texts_are_sealed(void **state) {
    (void)state;
    assert_false(secret_is_sealed(BYTES("")));
    assert_false(secret_is_sealed(BYTES("sealed:")));
    assert_false(secret_is_sealed(BYTES(SECRET_MASK)));
    assert_true(secret_is_sealed(BYTES("sealed:v1:0:")));
}

#define SECRETS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SECRETS_TEST(what_was_sealed_opens_again),
        SECRETS_TEST(no_two_sealed_texts_are_equal),
        SECRETS_TEST(a_sealed_text_opens_for_its_owner_alone),
        SECRETS_TEST(a_changed_text_does_not_open),
        SECRETS_TEST(older_keys_still_open_and_the_first_one_seals),
        SECRETS_TEST(a_key_file_that_everybody_can_read_is_refused),
        SECRETS_TEST(wrong_keys_are_refused_with_the_line),
        SECRETS_TEST(a_missing_file_is_made_only_when_it_may),
        cmocka_unit_test(only_sealed_texts_are_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
