#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "dispatcher/places.h"

// As many as it may.
static uint32_t take_all(struct places *places, struct share *share) {
    uint32_t taken = 0;
    while (places_take(places, share)) {
        taken++;
    }
    return taken;
}

static void give_all(struct places *places, struct share *share, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        places_give(places, share);
    }
    places_part(places, share);
}

static void one_that_hangs_leaves_room_for_others(void **state) {
    (void)state;
    struct places *places = places_create(1024, UINT32_MAX);
    struct share *hog = places_join(places, BYTES("a"), BYTES("hog"));
    struct share *sibling = places_join(places, BYTES("a"), BYTES("sibling"));
    struct share *other = places_join(places, BYTES("b"), BYTES("other"));
    uint32_t of_hog = take_all(places, hog);
    assert_in_range(of_hog, 341, 342);
    uint32_t of_sibling = take_all(places, sibling);
    assert_in_range(of_sibling, 100, 120);
    uint32_t of_other = take_all(places, other);
    assert_in_range(of_other, 180, 200);
    assert_int_equal(places_taken(places), of_hog + of_sibling + of_other);
    give_all(places, hog, of_hog);
    give_all(places, sibling, of_sibling);
    give_all(places, other, of_other);
    places_destroy(places);
}

#define MANY 2000

static void a_space_of_many_that_hang_leaves_half(void **state) {
    (void)state;
    struct places *places = places_create(1024, UINT32_MAX);
    struct share **shares = memory_allocate(MANY * sizeof(struct share *));
    uint32_t *taken = memory_allocate(MANY * sizeof(uint32_t));
    uint32_t sum = 0;
    for (size_t i = 0; i < MANY; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        shares[i] = places_join(places, BYTES("a"), bytes_of_text(id));
        taken[i] = take_all(places, shares[i]);
        sum += taken[i];
    }
    assert_int_equal(sum, 512);
    struct share *other = places_join(places, BYTES("b"), BYTES("other"));
    uint32_t of_other = take_all(places, other);
    assert_in_range(of_other, 170, 171);
    give_all(places, other, of_other);
    for (size_t i = 0; i < MANY; i++) {
        give_all(places, shares[i], taken[i]);
    }
    places_destroy(places);
    free(taken);
    free(shares);
}

static void never_more_than_all_places_are_taken(void **state) {
    (void)state;
    struct places *places = places_create(3, UINT32_MAX);
    struct share *shares[5];
    for (size_t i = 0; i < 5; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        shares[i] = places_join(places, bytes_of_text(name), BYTES("id"));
        assert_int_equal(places_take(places, shares[i]), i < 3);
    }
    places_give(places, shares[0]);
    assert_true(places_take(places, shares[4]));
    for (size_t i = 0; i < 5; i++) {
        give_all(places, shares[i], i == 1 || i == 2 || i == 4);
    }
    places_destroy(places);
}

struct line {
    struct places_waiter waiters[8];
    struct share *shares[8];
};

// Lets those who wait go one by one, and writes who it was.
static void assert_go_in_order(struct places *places, struct line *line, const char *wanted) {
    char went[16] = "";
    size_t count = 0;
    struct places_waiter *waiter;
    while ((waiter = places_next(places))) {
        size_t at = (size_t)(waiter - line->waiters);
        assert_true(places_take(places, line->shares[at]));
        went[count++] = (char)('0' + at);
    }
    assert_string_equal(went, wanted);
}

static void spaces_take_turns_and_in_them_subscriptions(void **state) {
    (void)state;
    struct places *places = places_create(1000, UINT32_MAX);
    struct line line = {0};
    // Five of a's x, then one of a's y, then two of b's z.
    for (size_t i = 0; i < 8; i++) {
        line.shares[i] = places_join(places, i < 6 ? BYTES("a") : BYTES("b"),
                                     i < 5   ? BYTES("x")
                                     : i < 6 ? BYTES("y")
                                             : BYTES("z"));
        places_wait(places, line.shares[i], &line.waiters[i]);
    }
    assert_go_in_order(places, &line, "06571234");
    for (size_t i = 0; i < 8; i++) {
        give_all(places, line.shares[i], 1);
    }
    places_destroy(places);
}

static void who_waits_no_longer_is_not_called(void **state) {
    (void)state;
    struct places *places = places_create(1000, UINT32_MAX);
    struct line line = {0};
    for (size_t i = 0; i < 4; i++) {
        line.shares[i] = places_join(places, BYTES("a"), i < 3 ? BYTES("x") : BYTES("y"));
        places_wait(places, line.shares[i], &line.waiters[i]);
    }
    places_wait_no_longer(places, line.shares[1], &line.waiters[1]);
    places_wait_no_longer(places, line.shares[3], &line.waiters[3]);
    assert_false(line.waiters[1].is_waiting);
    assert_go_in_order(places, &line, "02");
    for (size_t i = 0; i < 4; i++) {
        give_all(places, line.shares[i], i == 0 || i == 2);
    }
    places_destroy(places);
}

static void a_turn_lets_only_so_many_begin(void **state) {
    (void)state;
    struct places *places = places_create(1000, 3);
    struct line line = {0};
    struct share *flood = places_join(places, BYTES("a"), BYTES("flood"));
    assert_int_equal(take_all(places, flood), 3);
    line.shares[0] = places_join(places, BYTES("a"), BYTES("flood"));
    places_wait(places, line.shares[0], &line.waiters[0]);
    line.shares[1] = places_join(places, BYTES("b"), BYTES("other"));
    assert_false(places_take(places, line.shares[1]));
    places_wait(places, line.shares[1], &line.waiters[1]);
    assert_null(places_next(places));
    assert_true(places_wants_turn(places));
    places_new_turn(places);
    assert_go_in_order(places, &line, "01");
    assert_false(places_wants_turn(places));
    give_all(places, flood, 3);
    give_all(places, line.shares[0], 1);
    give_all(places, line.shares[1], 1);
    places_destroy(places);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_hangs_leaves_room_for_others),
        cmocka_unit_test(a_space_of_many_that_hang_leaves_half),
        cmocka_unit_test(never_more_than_all_places_are_taken),
        cmocka_unit_test(spaces_take_turns_and_in_them_subscriptions),
        cmocka_unit_test(who_waits_no_longer_is_not_called),
        cmocka_unit_test(a_turn_lets_only_so_many_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
