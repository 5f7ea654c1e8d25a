// The memory of a connection: libmicrohttpd relies on these properties without checking them.
#include "core/base/http_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state) {
    *state = MHD_pool_create(1024);
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    MHD_pool_destroy(*state);
    return 0;
}

static void blocks_from_both_ends_meet_and_do_not_overlap(void **state) {
    struct MemoryPool *pool = *state;
    char *first = MHD_pool_allocate(pool, 100, false);
    char *last = MHD_pool_allocate(pool, 100, true);
    char *second = MHD_pool_allocate(pool, 100, false);
    assert_true(first + 100 <= second);
    assert_true(second + 100 <= last);
    assert_int_equal((uintptr_t)last % 16, 0);
    assert_int_equal((uintptr_t)second % 16, 0);
    size_t left = MHD_pool_get_free(pool);
    assert_int_equal(left, 1024 - 3 * 112);
    assert_null(MHD_pool_allocate(pool, left + 1, false));
    assert_null(MHD_pool_allocate(pool, SIZE_MAX, true));
    assert_non_null(MHD_pool_allocate(pool, left, true));
    assert_int_equal(MHD_pool_get_free(pool), 0);
    memset(first, 1, 100);
    memset(second, 2, 100);
    memset(last, 3, 100);
    assert_int_equal(first[99], 1);
    assert_int_equal(second[99], 2);
}

static void the_last_block_is_resized_in_place(void **state) {
    struct MemoryPool *pool = *state;
    char *block = MHD_pool_allocate(pool, 100, false);
    assert_ptr_equal(MHD_pool_reallocate(pool, block, 100, 500), block);
    assert_ptr_equal(MHD_pool_reallocate(pool, block, 500, 1024), block);
    assert_null(MHD_pool_reallocate(pool, block, 1024, 1025));
    assert_null(MHD_pool_reallocate(pool, block, 1024, SIZE_MAX));
    assert_ptr_equal(MHD_pool_reallocate(pool, block, 1024, 0), block);
    assert_int_equal(MHD_pool_get_free(pool), 1024);
}

static void an_earlier_block_moves_when_it_grows(void **state) {
    struct MemoryPool *pool = *state;
    char *block = MHD_pool_allocate(pool, 100, false);
    memset(block, 'b', 100);
    MHD_pool_allocate(pool, 16, false);
    assert_ptr_equal(MHD_pool_reallocate(pool, block, 100, 50), block);
    char *moved = MHD_pool_reallocate(pool, block, 100, 200);
    assert_ptr_not_equal(moved, block);
    assert_int_equal(moved[0], 'b');
    assert_int_equal(moved[99], 'b');
    assert_null(MHD_pool_reallocate(pool, block, 100, 1000));
    assert_non_null(MHD_pool_reallocate(pool, NULL, 0, 32));
}

static void a_failed_allocation_tells_how_much_is_missing(void **state) {
    struct MemoryPool *pool = *state;
    size_t missing = 0;
    MHD_pool_allocate(pool, 1000, false);
    assert_non_null(MHD_pool_try_alloc(pool, 16, &missing));
    assert_null(MHD_pool_try_alloc(pool, 64, &missing));
    assert_int_equal(missing, 64);
    assert_null(MHD_pool_try_alloc(pool, 1025, &missing));
    assert_true(missing == SIZE_MAX);
    assert_null(MHD_pool_try_alloc(pool, SIZE_MAX, &missing));
    assert_true(missing == SIZE_MAX);
}

static void reset_keeps_what_it_is_told_to(void **state) {
    struct MemoryPool *pool = *state;
    char *start = MHD_pool_allocate(pool, 200, false);
    MHD_pool_allocate(pool, 300, true);
    memset(start + 150, 'p', 9);
    char *kept = MHD_pool_reset(pool, start + 150, 9, 512);
    assert_ptr_equal(kept, start);
    assert_int_equal(kept[0], 'p');
    assert_int_equal(kept[8], 'p');
    assert_int_equal(MHD_pool_get_free(pool), 512);
    assert_ptr_equal(MHD_pool_reset(pool, NULL, 0, 0), start);
    assert_int_equal(MHD_pool_get_free(pool), 1024);
}

static void reset_after_a_large_head_keeps_what_it_is_told_to(void **state) {
    (void)state;
    enum {
        SIZE = 256 * 1024,
        HEAD = 100 * 1024
    };
    struct MemoryPool *pool = MHD_pool_create(SIZE);
    char *start = MHD_pool_allocate(pool, SIZE, false);
    memset(start, 'h', SIZE);
    char *kept = MHD_pool_reset(pool, start + HEAD, 1000, SIZE / 2);
    assert_ptr_equal(kept, start);
    assert_int_equal(kept[999], 'h');
    assert_int_equal(kept[SIZE / 2 - 1], 0); // given back to the system
    kept = MHD_pool_reset(pool, start, 0, SIZE / 2);
    assert_int_equal(kept[999], 'h');
    MHD_pool_destroy(pool);
}

static void a_pool_that_cannot_be_had_is_null(void **state) {
    (void)state;
    assert_null(MHD_pool_create(SIZE_MAX / 2));
    MHD_pool_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    http_memory_link();
    const struct CMUnitTest tests[] = {
        TEST(blocks_from_both_ends_meet_and_do_not_overlap),
        TEST(the_last_block_is_resized_in_place),
        TEST(an_earlier_block_moves_when_it_grows),
        TEST(a_failed_allocation_tells_how_much_is_missing),
        TEST(reset_keeps_what_it_is_told_to),
        cmocka_unit_test(reset_after_a_large_head_keeps_what_it_is_told_to),
        cmocka_unit_test(a_pool_that_cannot_be_had_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
