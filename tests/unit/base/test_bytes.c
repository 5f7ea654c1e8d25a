#include "core/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

static const struct bytes nothing = {0};

static void bytes_of_no_text_are_empty(void **state) {
    (void)state;
    assert_int_equal(bytes_of_text(NULL).size, 0);
    assert_int_equal(bytes_of_text("").size, 0);
    assert_int_equal(bytes_of_text("abc").size, 3);
}

static void equality_compares_every_byte(void **state) {
    (void)state;
    assert_true(bytes_equal(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(bytes_equal(BYTES("a\0b"), BYTES("a\0c")));
    assert_false(bytes_equal(BYTES("ab"), BYTES("abc")));
    assert_true(bytes_equal(nothing, BYTES("")));
    assert_true(bytes_equal_text(BYTES("abc"), "abc"));
    assert_false(bytes_equal_text(BYTES("abc"), "abcd"));
    assert_true(bytes_equal_text(nothing, NULL));
}

static void case_is_ignored_for_ascii_letters_only(void **state) {
    (void)state;
    assert_true(bytes_equal_ignoring_case(BYTES("Content-TYPE"), BYTES("content-type")));
    assert_false(bytes_equal_ignoring_case(BYTES("a"), BYTES("ab")));
    // '@' and '`', '[' and '{' differ by the same bit as letters do.
    assert_false(bytes_equal_ignoring_case(BYTES("@["), BYTES("`{")));
    assert_false(bytes_equal_ignoring_case(BYTES("\xc3\x84"), BYTES("\xc3\xa4")));
}

static void a_prefix_and_a_suffix_may_be_the_whole_or_nothing(void **state) {
    (void)state;
    assert_true(bytes_start_with(BYTES("abc"), BYTES("ab")));
    assert_true(bytes_start_with(BYTES("abc"), BYTES("abc")));
    assert_true(bytes_start_with(BYTES("abc"), nothing));
    assert_true(bytes_start_with(nothing, nothing));
    assert_false(bytes_start_with(BYTES("abc"), BYTES("abcd")));
    assert_false(bytes_start_with(BYTES("abc"), BYTES("AB")));
    assert_true(bytes_start_with_ignoring_case(BYTES("Bearer x"), BYTES("bearer ")));
    assert_false(bytes_start_with_ignoring_case(BYTES("Bear"), BYTES("bearer ")));
    assert_true(bytes_end_with(BYTES("abc"), BYTES("bc")));
    assert_true(bytes_end_with(BYTES("abc"), nothing));
    assert_false(bytes_end_with(BYTES("bc"), BYTES("abc")));
    assert_false(bytes_end_with(BYTES("abc"), BYTES("ab")));
}

static void order_is_by_unsigned_byte_and_then_by_size(void **state) {
    (void)state;
    assert_true(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    assert_true(bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_true(bytes_compare(BYTES("ab"), BYTES("abc")) < 0);
    assert_true(bytes_compare(BYTES("abc"), BYTES("ab")) > 0);
    assert_int_equal(bytes_compare(BYTES("ab"), BYTES("ab")), 0);
    assert_int_equal(bytes_compare(nothing, BYTES("")), 0);
    assert_true(bytes_compare(nothing, BYTES("a")) < 0);
}

static void find_gives_the_first_position_or_the_size(void **state) {
    (void)state;
    assert_int_equal(bytes_find(BYTES("a=b=c"), '='), 1);
    assert_int_equal(bytes_find(BYTES("abc"), '='), 3);
    assert_int_equal(bytes_find(nothing, '='), 0);
}

static void a_slice_is_cut_at_the_end(void **state) {
    (void)state;
    assert_true(bytes_equal_text(bytes_slice(BYTES("abcdef"), 2, 3), "cde"));
    assert_true(bytes_equal_text(bytes_slice(BYTES("abcdef"), 2, SIZE_MAX), "cdef"));
    assert_int_equal(bytes_slice(BYTES("abc"), 3, 1).size, 0);
    assert_int_equal(bytes_slice(BYTES("abc"), SIZE_MAX, SIZE_MAX).size, 0);
    assert_int_equal(bytes_slice(nothing, 1, 1).size, 0);
}

static void trim_removes_spaces_and_tabs_at_both_ends(void **state) {
    (void)state;
    assert_true(bytes_equal_text(bytes_trim(BYTES(" \ta b\t ")), "a b"));
    assert_true(bytes_equal_text(bytes_trim(BYTES("\na")), "\na"));
    assert_int_equal(bytes_trim(BYTES(" \t ")).size, 0);
    assert_int_equal(bytes_trim(nothing).size, 0);
}

static void equal_bytes_have_equal_hashes_wherever_they_lie(void **state) {
    (void)state;
    char room[64 + 8];
    for (size_t size = 0; size <= 40; size++) {
        for (size_t shift = 0; shift < 8; shift++) {
            memset(room, 0, sizeof room);
            memset(room + shift, 'x', size);
            memset(room + 30, 'y', size > 30 ? 1 : 0);
            char *copy = bytes_to_text((struct bytes){room + shift, size});
            assert_int_equal(bytes_hash((struct bytes){room + shift, size}),
                             bytes_hash((struct bytes){copy, size}));
            free(copy);
        }
    }
    assert_int_equal(bytes_hash(nothing), bytes_hash(BYTES("")));
}

static int compare_hashes(const void *a, const void *b) {
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void different_bytes_have_different_hashes(void **state) {
    (void)state;
    enum {
        COUNT = 10000
    };
    uint64_t *hashes = memory_allocate(COUNT * sizeof *hashes);
    struct buffer name = {0};
    for (size_t i = 0; i < COUNT; i++) {
        buffer_reset(&name);
        buffer_append_format(&name, "key-%zu", i);
        hashes[i] = bytes_hash(buffer_bytes(&name));
    }
    qsort(hashes, COUNT, sizeof *hashes, compare_hashes);
    for (size_t i = 1; i < COUNT; i++) {
        assert_true(hashes[i - 1] != hashes[i]);
    }
    // Sizes count: a NUL more is another value.
    assert_true(bytes_hash(BYTES("a")) != bytes_hash(BYTES("a\0")));
    buffer_clear(&name);
    free(hashes);
}

static void a_copied_text_ends_in_a_nul(void **state) {
    (void)state;
    char *text = bytes_to_text(bytes_slice(BYTES("abcdef"), 1, 2));
    assert_string_equal(text, "bc");
    free(text);
    text = bytes_to_text(nothing);
    assert_string_equal(text, "");
    free(text);
}

static void a_zero_buffer_is_empty_and_usable(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_bytes(&buffer).size, 0);
    buffer_append(&buffer, nothing);
    assert_int_equal(buffer.size, 0);
    assert_string_equal(buffer.data, "");
    buffer_append_text(&buffer, "ab");
    buffer_append_byte(&buffer, '\0');
    buffer_append_byte(&buffer, 'c');
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES("ab\0c")));
    buffer_clear(&buffer);
    assert_null(buffer.data);
    buffer_append_text(&buffer, "again");
    assert_string_equal(buffer.data, "again");
    buffer_clear(&buffer);
}

static void a_growing_buffer_keeps_its_content_and_its_nul(void **state) {
    (void)state;
    struct buffer buffer = {0};
    for (size_t i = 0; i < 5000; i++) {
        buffer_append_byte(&buffer, (char)('a' + i % 26));
        assert_int_equal(buffer.data[buffer.size], '\0');
    }
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(buffer.data[i], 'a' + i % 26);
    }
    buffer_clear(&buffer);
}

static void formatting_appends_texts_of_any_length(void **state) {
    (void)state;
    struct buffer buffer = {0};
    struct buffer expected = {0};
    for (int width = 0; width < 300; width += 7) {
        buffer_append_format(&buffer, "%*d|", width, width);
        char piece[512];
        size_t size = (size_t)snprintf(piece, sizeof piece, "%*d|", width, width);
        buffer_append(&expected, (struct bytes){piece, size});
        assert_true(bytes_equal(buffer_bytes(&buffer), buffer_bytes(&expected)));
        assert_int_equal(strlen(buffer.data), buffer.size);
    }
    buffer_clear(&buffer);
    buffer_clear(&expected);
}

static void reserved_room_counts_once_it_is_added_to_the_size(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "ab");
    char *room = buffer_reserve(&buffer, 3);
    assert_int_equal(buffer.size, 2);
    memset(room, 'c', 3);
    buffer.size += 3;
    assert_string_equal(buffer.data, "abccc");
    char *text = buffer_take(&buffer);
    assert_string_equal(text, "abccc");
    free(text);
}

static void a_reset_buffer_keeps_its_memory(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_reset(&buffer);
    buffer_append_text(&buffer, "abc");
    const char *memory = buffer.data;
    buffer_reset(&buffer);
    assert_int_equal(buffer.size, 0);
    assert_string_equal(buffer.data, "");
    buffer_append_text(&buffer, "d");
    assert_ptr_equal(buffer.data, memory);
    buffer_clear(&buffer);
}

static void a_taken_text_leaves_an_empty_buffer(void **state) {
    (void)state;
    struct buffer buffer = {0};
    char *text = buffer_take(&buffer);
    assert_string_equal(text, "");
    free(text);
    memset(buffer_reserve(&buffer, 10), 'a', 10);
    buffer.size += 4;
    text = buffer_take(&buffer);
    assert_string_equal(text, "aaaa");
    assert_null(buffer.data);
    assert_int_equal(buffer.size, 0);
    free(text);
}

static void random_numbers_stay_below_their_bound_and_reach_every_value(void **state) {
    (void)state;
    bool seen[7] = {false};
    assert_int_equal(random_below(1), 0);
    for (int i = 0; i < 2000; i++) {
        uint64_t value = random_below(7);
        assert_true(value < 7);
        seen[value] = true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(seen); i++) {
        assert_true(seen[i]);
    }
    assert_true(random_below(UINT64_MAX) < UINT64_MAX);
}

static void random_bytes_fill_exactly_what_was_asked_for(void **state) {
    (void)state;
    // Larger than what the kernel gives in one call.
    size_t size = 1024 * 1024;
    unsigned char *memory = memory_allocate(size + 1);
    random_bytes(memory, size);
    assert_int_equal(memory[size], 0);
    size_t zeros = 0;
    for (size_t i = 0; i < size; i++) {
        zeros += memory[i] == 0;
    }
    assert_in_range(zeros, 1, size / 128);
    random_bytes(memory, 0);
    free(memory);
}

static void the_monotonic_clock_does_not_go_back(void **state) {
    (void)state;
    int64_t before = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_us();
        assert_true(now >= before);
        before = now;
    }
    // 2020-01-01: the wall clock counts from 1970 in microseconds.
    assert_true(clock_wall_us() > INT64_C(1577836800000000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_no_text_are_empty),
        cmocka_unit_test(equality_compares_every_byte),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(a_prefix_and_a_suffix_may_be_the_whole_or_nothing),
        cmocka_unit_test(order_is_by_unsigned_byte_and_then_by_size),
        cmocka_unit_test(find_gives_the_first_position_or_the_size),
        cmocka_unit_test(a_slice_is_cut_at_the_end),
        cmocka_unit_test(trim_removes_spaces_and_tabs_at_both_ends),
        cmocka_unit_test(equal_bytes_have_equal_hashes_wherever_they_lie),
        cmocka_unit_test(different_bytes_have_different_hashes),
        cmocka_unit_test(a_copied_text_ends_in_a_nul),
        cmocka_unit_test(a_zero_buffer_is_empty_and_usable),
        cmocka_unit_test(a_growing_buffer_keeps_its_content_and_its_nul),
        cmocka_unit_test(formatting_appends_texts_of_any_length),
        cmocka_unit_test(reserved_room_counts_once_it_is_added_to_the_size),
        cmocka_unit_test(a_reset_buffer_keeps_its_memory),
        cmocka_unit_test(a_taken_text_leaves_an_empty_buffer),
        cmocka_unit_test(random_numbers_stay_below_their_bound_and_reach_every_value),
        cmocka_unit_test(random_bytes_fill_exactly_what_was_asked_for),
        cmocka_unit_test(the_monotonic_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
