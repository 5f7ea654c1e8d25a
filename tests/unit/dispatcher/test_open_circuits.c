// The first that opens and the last that closes are told, of each subscription by itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "dispatcher/open_circuits.h"

static const struct bytes space = BYTES("default");

static void the_first_opens_and_the_last_closes(void **state) {
    (void)state;
    struct open_circuits *circuits = open_circuits_create();
    for (int round = 0; round < 2; round++) {
        assert_true(open_circuits_opened(circuits, space, (struct bytes)BYTES("a")));
        assert_false(open_circuits_opened(circuits, space, (struct bytes)BYTES("a")));
        assert_false(open_circuits_closed(circuits, space, (struct bytes)BYTES("a")));
        assert_true(open_circuits_closed(circuits, space, (struct bytes)BYTES("a")));
    }
    open_circuits_destroy(circuits);
}

static void subscriptions_and_spaces_are_told_apart(void **state) {
    (void)state;
    struct open_circuits *circuits = open_circuits_create();
    const struct bytes other = BYTES("defaul"); // The same bytes one after the other.
    char id[16];
    assert_true(open_circuits_opened(circuits, space, (struct bytes)BYTES("a")));
    assert_true(open_circuits_opened(circuits, other, (struct bytes)BYTES("ta")));
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_true(open_circuits_opened(circuits, space, bytes_of_text(id)));
        assert_true(open_circuits_opened(circuits, other, bytes_of_text(id)));
    }
    for (int i = 999; i >= 0; i--) {
        snprintf(id, sizeof id, "%d", i);
        assert_true(open_circuits_closed(circuits, other, bytes_of_text(id)));
        assert_true(open_circuits_closed(circuits, space, bytes_of_text(id)));
    }
    assert_true(open_circuits_closed(circuits, space, (struct bytes)BYTES("a")));
    assert_true(open_circuits_closed(circuits, other, (struct bytes)BYTES("ta")));
    open_circuits_destroy(circuits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_opens_and_the_last_closes),
        cmocka_unit_test(subscriptions_and_spaces_are_told_apart),
    };
    return cmocka_run_group_tests_name("open_circuits", tests, NULL, NULL);
}
