// The registry in a file: whom it is kept from, and which files are refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <sys/stat.h>

#include "tests/support/registry_stores.h"

static void a_second_opener_of_the_file_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    struct registry_store *second = NULL;
    struct error error = {""};
    assert_int_equal(registry_store_sqlite_create(fixture->place, &second, &error),
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "in use by another process"));
    store_put(fixture->store, "f", "{}", 0);
}

static void only_the_owner_can_read_the_file(void **state) {
    struct store_fixture *fixture = *state;
    struct stat found;
    store_put(fixture->store, "f", "{}", 0);
    assert_int_equal(stat(fixture->place, &found), 0);
    assert_int_equal(found.st_mode & 077, 0);
}

static void a_newer_format_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    struct registry_store *second = NULL;
    struct error error = {""};
    sqlite3 *database = NULL;
    fixture->store->ops->destroy(fixture->store);
    fixture->store = NULL;
    assert_int_equal(sqlite3_open(fixture->place, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 9", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(database);
    assert_int_equal(registry_store_sqlite_create(fixture->place, &second, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "newer"));
}

static void a_file_that_is_no_database_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    struct registry_store *second = NULL;
    struct error error = {""};
    fixture->store->ops->destroy(fixture->store);
    fixture->store = NULL;
    FILE *file = fopen(fixture->place, "w");
    fputs("this is not a database, whatever its name says", file);
    fclose(file);
    assert_int_equal(registry_store_sqlite_create(fixture->place, &second, &error), STATUS_FAILED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_second_opener_of_the_file_is_refused),
        STORE_TEST(only_the_owner_can_read_the_file),
        STORE_TEST(a_newer_format_is_refused),
        STORE_TEST(a_file_that_is_no_database_is_refused),
    };
    store_kind_use(&store_kind_sqlite);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
