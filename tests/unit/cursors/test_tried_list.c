#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cursors/tried_list.h"

static void put(struct tried_list *list, int64_t offset, uint32_t attempts) {
    tried_list_put(list, &(struct tried){.offset = offset, .attempts = attempts});
}

static void what_was_put_is_taken_once(void **state) {
    (void)state;
    struct tried_list list = {0};
    struct tried tried = {0};
    put(&list, 7, 2);
    put(&list, 3, 1);
    put(&list, 5, 4);
    assert_false(tried_list_take(&list, 4, &tried));
    assert_false(tried_list_has(&list, 4));
    assert_true(tried_list_has(&list, 5));
    assert_true(tried_list_take(&list, 5, &tried));
    assert_int_equal(tried.attempts, 4);
    assert_false(tried_list_take(&list, 5, &tried));
    assert_int_equal(list.items[0].offset, 3);
    assert_int_equal(list.items[1].offset, 7);
    tried_list_clear(&list);
}

static void of_one_offset_more_attempts_win(void **state) {
    (void)state;
    struct tried_list list = {0};
    put(&list, 7, 2);
    put(&list, 7, 1);
    assert_int_equal(list.items[0].attempts, 2);
    put(&list, 7, 5);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].attempts, 5);
    tried_list_clear(&list);
}

static void what_is_cut_is_gone(void **state) {
    (void)state;
    struct tried_list list = {0};
    put(&list, 3, 1);
    put(&list, 5, 1);
    put(&list, 7, 1);
    tried_list_cut(&list, 5);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].offset, 5);
    tried_list_cut(&list, 100);
    assert_int_equal(list.count, 0);
    tried_list_clear(&list);
}

static void the_lowest_offsets_are_kept(void **state) {
    (void)state;
    struct tried_list list = {0};
    for (int64_t i = 0; i < 2 * TRIED_MAX; i++) {
        put(&list, (i * 7919) % (2 * TRIED_MAX), 1);
    }
    assert_int_equal(list.count, TRIED_MAX);
    for (int64_t i = 0; i < TRIED_MAX; i++) {
        assert_int_equal(list.items[i].offset, i);
    }
    tried_list_clear(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_taken_once),
        cmocka_unit_test(of_one_offset_more_attempts_win),
        cmocka_unit_test(what_is_cut_is_gone),
        cmocka_unit_test(the_lowest_offsets_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
