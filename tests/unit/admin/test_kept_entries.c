#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "admin/kept_entries.h"

#define NOW_US (INT64_C(100) * 24 * 3600 * 1000000)

static char ids[400][8];

static struct kept_entry entry(const char *space, size_t number, int64_t ended_us) {
    snprintf(ids[number], sizeof ids[number], "%zu", number);
    return (struct kept_entry){bytes_of_text(space), bytes_of_text(ids[number]), ended_us};
}

static void what_ended_long_ago_goes(void **state) {
    (void)state;
    struct kept_entry entries[] = {
        entry("a", 0, NOW_US - 1),
        entry("a", 1, NOW_US - KEPT_ENTRIES_US),
        entry("a", 2, 0),
        entry("b", 3, NOW_US - KEPT_ENTRIES_US + 1),
        entry("b", 4, NOW_US - KEPT_ENTRIES_US - 1),
    };
    assert_int_equal(kept_entries_select(entries, 5, 0, NOW_US), 2);
    assert_true(bytes_equal_text(entries[0].id, "1"));
    assert_true(bytes_equal_text(entries[1].id, "4"));
    assert_int_equal(kept_entries_select(entries, 0, 1, NOW_US), 0);
}

static void the_oldest_go_where_there_are_too_many(void **state) {
    (void)state;
    struct kept_entry entries[KEPT_ENTRIES_MAX + 1];
    for (size_t i = 0; i < KEPT_ENTRIES_MAX; i++) {
        entries[i] = entry("a", i, i % 2 == 0 ? 0 : NOW_US - 1000 + (int64_t)i);
    }
    entries[KEPT_ENTRIES_MAX] = entry("b", KEPT_ENTRIES_MAX, NOW_US - 1);
    assert_int_equal(kept_entries_select(entries, KEPT_ENTRIES_MAX + 1, 0, NOW_US), 0);
    assert_int_equal(kept_entries_select(entries, KEPT_ENTRIES_MAX + 1, 2, NOW_US), 2);
    assert_true(bytes_equal_text(entries[0].id, "1"));
    assert_true(bytes_equal_text(entries[1].id, "3"));
}

static void what_goes_on_stays(void **state) {
    (void)state;
    struct kept_entry entries[KEPT_ENTRIES_MAX + 5];
    for (size_t i = 0; i < KEPT_ENTRIES_MAX + 5; i++) {
        entries[i] = entry("a", i, i == 7 ? NOW_US : 0);
    }
    assert_int_equal(kept_entries_select(entries, KEPT_ENTRIES_MAX + 5, 1, NOW_US), 1);
    assert_true(bytes_equal_text(entries[0].id, "7"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ended_long_ago_goes),
        cmocka_unit_test(the_oldest_go_where_there_are_too_many),
        cmocka_unit_test(what_goes_on_stays),
    };
    return cmocka_run_group_tests_name("kept_entries", tests, NULL, NULL);
}
