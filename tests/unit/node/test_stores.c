#include "core/node/stores.h"

#include <dirent.h>
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

static int make_folder(void **state) {
    char path[] = "/tmp/stores-test-XXXXXX";
    if (!mkdtemp(path)) {
        return -1;
    }
    *state = strdup(path);
    return 0;
}

static void empty_folder(const char *path) {
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder) {
        closedir(folder);
    }
    rmdir(path);
}

static int remove_folder(void **state) {
    char path[64];
    snprintf(path, sizeof path, "%s/data", (char *)*state);
    empty_folder(path);
    empty_folder(*state);
    free(*state);
    return 0;
}

static void write_file(void **state, const char *name, const char *text, mode_t mode) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", (char *)*state, name);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

// data: below the test's folder.
static enum status open_stores(void **state, const char *data, struct node_settings *settings,
                               struct stores *stores, struct error *error) {
    char flag[80];
    snprintf(flag, sizeof flag, "--data=%s%s", (char *)*state, data);
    char *arguments[] = {flag};
    assert_int_equal(node_settings_read(COMMAND_DEV, 1, arguments, NULL, settings, error),
                     STATUS_OK);
    return stores_open(settings, stores, error);
}

static void expect_refused(void **state, const char *data, const char *part) {
    struct node_settings settings;
    struct stores stores = {0};
    struct error error = {0};
    assert_int_not_equal(open_stores(state, data, &settings, &stores, &error), STATUS_OK);
    assert_null(stores.log);
    assert_null(stores.registry);
    assert_null(stores.secrets);
    if (!strstr(error.text, part)) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    }
    node_settings_clear(&settings);
}

static void dev_makes_its_folder_for_its_owner_alone(void **state) {
    struct node_settings settings;
    struct stores stores = {0};
    struct error error = {0};
    struct stat found;
    char path[64];
    assert_int_equal(open_stores(state, "/data", &settings, &stores, &error), STATUS_OK);
    assert_non_null(stores.secrets);
    snprintf(path, sizeof path, "%s/data", (char *)*state);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    event_log_close(stores.log, 1000);
    stores_destroy(&stores);
    node_settings_clear(&settings);
}

static void a_second_gateway_on_the_same_data_is_refused(void **state) {
    struct node_settings settings;
    struct stores stores = {0};
    struct error error = {0};
    assert_int_equal(open_stores(state, "/data", &settings, &stores, &error), STATUS_OK);
    expect_refused(state, "/data", "another process");
    event_log_close(stores.log, 1000);
    stores_destroy(&stores);
    node_settings_clear(&settings);
}

static void a_folder_that_cannot_be_made_is_named(void **state) {
    expect_refused(state, "/not/there", "cannot make the folder");
    write_file(state, "file", "", 0600);
    expect_refused(state, "/file", "Not a directory");
}

static void a_store_that_cannot_be_opened_is_named(void **state) {
    write_file(state, "registry.db", "this is no database, and long enough to be seen", 0600);
    expect_refused(state, "", "registry.db");
}

static void an_event_log_that_cannot_be_opened_leaves_nothing_open(void **state) {
    write_file(state, "events.db", "this is no database, and long enough to be seen", 0600);
    expect_refused(state, "", "events.db");
}

static void a_key_that_others_can_read_is_refused(void **state) {
    write_file(state, "secrets.key",
               "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 0644);
    expect_refused(state, "", "chmod 600");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(dev_makes_its_folder_for_its_owner_alone),
        IN_FOLDER(a_second_gateway_on_the_same_data_is_refused),
        IN_FOLDER(a_folder_that_cannot_be_made_is_named),
        IN_FOLDER(a_store_that_cannot_be_opened_is_named),
        IN_FOLDER(an_event_log_that_cannot_be_opened_leaves_nothing_open),
        IN_FOLDER(a_key_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
