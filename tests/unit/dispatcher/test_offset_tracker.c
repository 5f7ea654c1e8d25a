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
#include "dispatcher/offset_tracker.h"

static void see(struct offset_tracker *tracker, struct offset_tracker_entry *entry,
                int64_t offset) {
    entry->offset = offset;
    assert_true(offset_tracker_seen(tracker, entry));
}

static void the_position_is_the_lowest_unfinished_offset(void **state) {
    (void)state;
    struct offset_tracker tracker;
    struct offset_tracker_entry entries[3] = {0};
    offset_tracker_init(&tracker, 5);
    assert_int_equal(offset_tracker_position(&tracker), 5);
    for (int i = 0; i < 3; i++) {
        see(&tracker, &entries[i], 5 + i);
    }
    offset_tracker_finish(&tracker, &entries[1]);
    assert_int_equal(offset_tracker_position(&tracker), 5);
    offset_tracker_finish(&tracker, &entries[0]);
    assert_int_equal(offset_tracker_position(&tracker), 7);
    offset_tracker_finish(&tracker, &entries[2]);
    assert_int_equal(offset_tracker_position(&tracker), 8);
}

static void gaps_do_not_hold_the_position(void **state) {
    (void)state;
    struct offset_tracker tracker;
    struct offset_tracker_entry entries[2] = {0};
    offset_tracker_init(&tracker, 0);
    see(&tracker, &entries[0], 10);
    assert_int_equal(offset_tracker_position(&tracker), 10);
    see(&tracker, &entries[1], 20);
    offset_tracker_finish(&tracker, &entries[0]);
    assert_int_equal(offset_tracker_position(&tracker), 20);
    offset_tracker_finish(&tracker, &entries[1]);
    assert_int_equal(offset_tracker_position(&tracker), 21);
}

static void what_passes_unmatched_moves_the_position_only_when_nothing_is_open(void **state) {
    (void)state;
    struct offset_tracker tracker;
    struct offset_tracker_entry entry = {0};
    offset_tracker_init(&tracker, 0);
    offset_tracker_pass(&tracker, 3);
    assert_int_equal(offset_tracker_position(&tracker), 3);
    see(&tracker, &entry, 3);
    offset_tracker_pass(&tracker, 100);
    assert_int_equal(offset_tracker_position(&tracker), 3);
    offset_tracker_finish(&tracker, &entry);
    assert_int_equal(offset_tracker_position(&tracker), 100);
    offset_tracker_pass(&tracker, 50);
    assert_int_equal(offset_tracker_position(&tracker), 100);
}

static void an_offset_that_was_seen_is_not_taken_again(void **state) {
    (void)state;
    struct offset_tracker tracker;
    struct offset_tracker_entry first = {0};
    struct offset_tracker_entry again = {.offset = 4};
    offset_tracker_init(&tracker, 5);
    assert_false(offset_tracker_seen(&tracker, &again));
    see(&tracker, &first, 7);
    again.offset = 7;
    assert_false(offset_tracker_seen(&tracker, &again));
    again.offset = 6;
    assert_false(offset_tracker_seen(&tracker, &again));
    assert_int_equal(tracker.count, 1);
}

static void what_is_finished_beyond_the_position_is_told(void **state) {
    (void)state;
    struct offset_tracker tracker;
    struct offset_tracker_entry entries[4] = {0};
    const struct offset_ranges none = {0};
    struct offset_ranges finished;
    offset_tracker_init(&tracker, 5);
    offset_tracker_finished(&tracker, &none, &finished);
    assert_int_equal(finished.count, 0);
    for (int i = 0; i < 4; i++) {
        see(&tracker, &entries[i], 5 + i);
    }
    offset_tracker_pass(&tracker, 12);
    offset_tracker_finish(&tracker, &entries[1]);
    offset_tracker_finished(&tracker, &none, &finished);
    assert_int_equal(finished.count, 2);
    assert_int_equal(finished.items[0].first, 6);
    assert_int_equal(finished.items[0].end, 7);
    assert_int_equal(finished.items[1].first, 9);
    assert_int_equal(finished.items[1].end, 12);
    offset_ranges_clear(&finished);
}

// As long as it has not come to what others have finished before.
static void what_was_finished_earlier_is_told_until_it_is_seen(void **state) {
    (void)state;
    struct offset_tracker tracker;
    struct offset_tracker_entry entry = {0};
    struct offset_ranges earlier = {0};
    struct offset_ranges finished;
    offset_tracker_init(&tracker, 0);
    offset_ranges_add(&earlier, 1, 4);
    offset_ranges_add(&earlier, 6, 9);
    see(&tracker, &entry, 2); // Of what was seen the tracker alone knows.
    offset_tracker_finished(&tracker, &earlier, &finished);
    assert_int_equal(finished.count, 2);
    assert_int_equal(finished.items[0].first, 3);
    assert_int_equal(finished.items[0].end, 4);
    assert_int_equal(finished.items[1].first, 6);
    assert_int_equal(finished.items[1].end, 9);
    offset_ranges_clear(&finished);
    offset_tracker_pass(&tracker, 20);
    offset_tracker_finished(&tracker, &earlier, &finished);
    assert_int_equal(finished.count, 1);
    assert_int_equal(finished.items[0].end, 20);
    offset_ranges_clear(&finished);
    offset_ranges_clear(&earlier);
}

// The naive reference: every offset with a flag, and the position by the definition.
enum {
    REFERENCE_MAX = 4096
};
enum reference_state {
    REFERENCE_GAP,
    REFERENCE_OPEN,
    REFERENCE_FINISHED
};
struct reference {
    enum reference_state offsets[REFERENCE_MAX];
    int64_t next;
};

static int64_t reference_position(const struct reference *reference) {
    for (int64_t i = 0; i < reference->next; i++) {
        if (reference->offsets[i] == REFERENCE_OPEN) {
            return i;
        }
    }
    return reference->next;
}

static size_t open_offsets(const struct reference *reference, int64_t *ret_offsets) {
    size_t count = 0;
    for (int64_t i = 0; i < reference->next; i++) {
        if (reference->offsets[i] == REFERENCE_OPEN) {
            ret_offsets[count++] = i;
        }
    }
    return count;
}

static void take_step(struct offset_tracker *tracker, struct offset_tracker_entry *entries,
                      struct reference *reference) {
    int64_t open[REFERENCE_MAX];
    size_t open_count = open_offsets(reference, open);
    int64_t offset = reference->next + random() % 3;
    switch (random() % 5) {
    case 0:
    case 1:
        if (offset < REFERENCE_MAX) {
            see(tracker, &entries[offset], offset);
            reference->offsets[offset] = REFERENCE_OPEN;
            reference->next = offset + 1;
        }
        break;
    case 2:
        if (offset < REFERENCE_MAX) {
            offset_tracker_pass(tracker, offset + 1);
            reference->next = offset + 1;
        }
        break;
    default:
        if (open_count > 0) {
            // The lowest ones more often, so that the position moves.
            size_t index = (size_t)random() % (random() % 2 ? open_count : (open_count + 7) / 8);
            offset_tracker_finish(tracker, &entries[open[index]]);
            reference->offsets[open[index]] = REFERENCE_FINISHED;
        }
    }
}

static void compare_finished(const struct offset_tracker *tracker,
                             const struct reference *reference) {
    const struct offset_ranges none = {0};
    struct offset_ranges finished;
    offset_tracker_finished(tracker, &none, &finished);
    int64_t position = reference_position(reference);
    for (int64_t i = 0; i < reference->next + 2; i++) {
        bool is_finished =
            i >= position && i < reference->next && reference->offsets[i] != REFERENCE_OPEN;
        assert_int_equal(offset_ranges_contain(&finished, i), is_finished);
    }
    offset_ranges_clear(&finished);
}

static void it_agrees_with_a_naive_reference_on_random_schedules(void **state) {
    (void)state;
    unsigned seed = (unsigned)clock_wall_us();
    print_message("seed %u\n", seed);
    srandom(seed);
    struct offset_tracker_entry *entries = memory_allocate(REFERENCE_MAX * sizeof *entries);
    struct reference *reference = memory_allocate(sizeof *reference);
    for (int run = 0; run < 50; run++) {
        struct offset_tracker tracker;
        memset(entries, 0, REFERENCE_MAX * sizeof *entries);
        memset(reference, 0, sizeof *reference);
        offset_tracker_init(&tracker, 0);
        int64_t before = 0;
        for (int step = 0; step < 400; step++) {
            take_step(&tracker, entries, reference);
            int64_t position = offset_tracker_position(&tracker);
            assert_int_equal(position, reference_position(reference));
            assert_true(position >= before);
            before = position;
        }
        compare_finished(&tracker, reference);
    }
    free(reference);
    free(entries);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_position_is_the_lowest_unfinished_offset),
        cmocka_unit_test(gaps_do_not_hold_the_position),
        cmocka_unit_test(what_passes_unmatched_moves_the_position_only_when_nothing_is_open),
        cmocka_unit_test(an_offset_that_was_seen_is_not_taken_again),
        cmocka_unit_test(what_is_finished_beyond_the_position_is_told),
        cmocka_unit_test(what_was_finished_earlier_is_told_until_it_is_seen),
        cmocka_unit_test(it_agrees_with_a_naive_reference_on_random_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
