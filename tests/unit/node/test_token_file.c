#include "core/node/token_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/base/bytes.h"

static int make_folder(void **state) {
    char path[] = "/tmp/token-file-test-XXXXXX";
    if (!mkdtemp(path)) {
        return -1;
    }
    *state = strdup(path);
    return 0;
}

static int remove_folder(void **state) {
    char path[64];
    snprintf(path, sizeof path, "%s/token", (char *)*state);
    unlink(path);
    rmdir(*state);
    free(*state);
    return 0;
}

// Reads a token file with this text and mode.
static enum status read_token(void **state, struct bytes text, mode_t mode, char **ret_token,
                              struct error *error) {
    char path[64];
    snprintf(path, sizeof path, "%s/token", (char *)*state);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text.data, text.size), text.size);
    assert_int_equal(fchmod(file, mode), 0);
    close(file);
    enum status status = token_file_read(path, ret_token, error);
    unlink(path);
    return status;
}

static void expect_token(void **state, const char *text, const char *token) {
    char *found = NULL;
    struct error error = {0};
    assert_int_equal(read_token(state, bytes_of_text(text), 0600, &found, &error), STATUS_OK);
    assert_string_equal(found, token);
    free(found);
}

static void expect_refused(void **state, struct bytes text, mode_t mode, const char *part) {
    char *found = NULL;
    struct error error = {0};
    assert_int_equal(read_token(state, text, mode, &found, &error), STATUS_INVALID);
    assert_null(found);
    if (!strstr(error.text, part) || !strstr(error.text, "--admin-token-file")) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    }
}

static void the_token_is_the_first_line_without_blanks(void **state) {
    expect_token(state, "0123456789abcdef", "0123456789abcdef");
    expect_token(state, "  0123456789abcdef\t\r\nsecond line\n", "0123456789abcdef");
}

static void a_token_that_is_too_short_is_refused(void **state) {
    expect_refused(state, BYTES(""), 0600, "fewer than 16 characters");
    expect_refused(state, BYTES("0123456789abcde\nf"), 0600, "fewer than 16 characters");
    expect_refused(state, BYTES("    0123456789abcde    "), 0600, "fewer than 16 characters");
}

static void a_mounted_secret_that_all_can_read_is_taken(void **state) {
    char *found = NULL;
    struct error error;
    assert_int_equal(read_token(state, BYTES("0123456789abcdef"), 0444, &found, &error), STATUS_OK);
    free(found);
}

static void a_token_that_would_be_cut_is_refused(void **state) {
    struct buffer text = {0};
    memset(buffer_reserve(&text, 5000), 'a', 5000);
    text.size = 5000;
    expect_refused(state, buffer_bytes(&text), 0600, "at most 4096 bytes");
    buffer_clear(&text);
}

static void a_token_with_a_nul_is_refused(void **state) {
    struct bytes text = {"0123456789abcdef\0gh", 19};
    expect_refused(state, text, 0600, "control character");
}

static void what_is_no_file_is_refused_and_not_waited_for(void **state) {
    char path[64];
    char *found = NULL;
    struct error error = {0};
    assert_int_equal(token_file_read(*state, &found, &error), STATUS_INVALID);
    snprintf(path, sizeof path, "%s/token", (char *)*state);
    assert_int_equal(token_file_read(path, &found, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(token_file_read(path, &found, &error), STATUS_INVALID);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_token_is_the_first_line_without_blanks),
        IN_FOLDER(a_token_that_is_too_short_is_refused),
        IN_FOLDER(a_mounted_secret_that_all_can_read_is_taken),
        IN_FOLDER(a_token_that_would_be_cut_is_refused),
        IN_FOLDER(a_token_with_a_nul_is_refused),
        IN_FOLDER(what_is_no_file_is_refused_and_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
