#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/cursors/offset_ranges.h"

static void ranges_that_touch_become_one(void **state) {
    (void)state;
    struct offset_ranges ranges = {0};
    offset_ranges_add(&ranges, 10, 20);
    offset_ranges_add(&ranges, 30, 40);
    offset_ranges_add(&ranges, 5, 5);
    assert_int_equal(ranges.count, 2);
    offset_ranges_add(&ranges, 20, 30);
    assert_int_equal(ranges.count, 1);
    assert_int_equal(ranges.items[0].first, 10);
    assert_int_equal(ranges.items[0].end, 40);
    offset_ranges_clear(&ranges);
}

static void a_cut_leaves_what_lies_beyond(void **state) {
    (void)state;
    struct offset_ranges ranges = {0};
    offset_ranges_add(&ranges, 10, 20);
    offset_ranges_add(&ranges, 30, 40);
    offset_ranges_cut(&ranges, 20);
    assert_int_equal(ranges.count, 1);
    offset_ranges_cut(&ranges, 35);
    assert_int_equal(ranges.items[0].first, 35);
    assert_false(offset_ranges_contain(&ranges, 34));
    assert_true(offset_ranges_contain(&ranges, 39));
    assert_false(offset_ranges_contain(&ranges, 40));
    offset_ranges_clear(&ranges);
}

enum {
    SPACE = 200
};

static void check_against(const struct offset_ranges *ranges, const char *is_in) {
    for (int64_t i = 0; i < SPACE; i++) {
        assert_int_equal(offset_ranges_contain(ranges, i), is_in[i]);
    }
    for (size_t i = 0; i < ranges->count; i++) {
        assert_true(ranges->items[i].first < ranges->items[i].end);
        assert_true(i == 0 || ranges->items[i - 1].end < ranges->items[i].first);
    }
}

// Invariants 1 and 2, against a naive set.
static void random_ranges_are_the_set_that_they_should_be(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct offset_ranges ranges = {0};
        char is_in[SPACE] = {0};
        for (int step = 0; step < 60; step++) {
            int64_t first = (int64_t)random_below(SPACE - 20);
            int64_t end = first + (int64_t)random_below(20);
            if (random_below(20) == 0) {
                offset_ranges_cut(&ranges, first);
                for (int64_t i = 0; i < first; i++) {
                    is_in[i] = 0;
                }
            } else {
                offset_ranges_add(&ranges, first, end);
                for (int64_t i = first; i < end; i++) {
                    is_in[i] = 1;
                }
            }
            check_against(&ranges, is_in);
        }
        struct offset_ranges copy;
        offset_ranges_copy(&ranges, &copy);
        offset_ranges_clear(&ranges);
        check_against(&copy, is_in);
        offset_ranges_clear(&copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_that_touch_become_one),
        cmocka_unit_test(a_cut_leaves_what_lies_beyond),
        cmocka_unit_test(random_ranges_are_the_set_that_they_should_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
