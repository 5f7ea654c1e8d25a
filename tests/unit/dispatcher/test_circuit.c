#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dispatcher/circuit.h"

#define SECOND_US INT64_C(1000000)

static bool call(struct circuit *circuit, enum circuit_result result, uint64_t event,
                 int64_t now_us) {
    struct circuit_call call = {
        .result = result, .event = event, .now_us = now_us, .random = UINT64_MAX};
    return circuit_called(circuit, &call);
}

// Ten failures of ten events from now_us on.
static void open_at(struct circuit *circuit, int64_t now_us) {
    for (uint64_t i = 0; i < CIRCUIT_FAILURES_MAX; i++) {
        assert_int_equal(call(circuit, CIRCUIT_FAILURE, i, now_us), i == CIRCUIT_FAILURES_MAX - 1);
    }
    assert_int_equal(circuit->state, CIRCUIT_OPEN);
}

static void ten_failures_in_a_row_open_it(void **state) {
    (void)state;
    struct circuit circuit = {0};
    for (uint64_t i = 0; i < 9; i++) {
        assert_false(call(&circuit, CIRCUIT_FAILURE, i, 0));
    }
    assert_false(call(&circuit, CIRCUIT_SUCCESS, 9, 0));
    open_at(&circuit, 0);
}

static void one_event_that_fails_for_ever_opens_nothing(void **state) {
    (void)state;
    struct circuit circuit = {0};
    for (int i = 0; i < 500; i++) {
        assert_false(call(&circuit, CIRCUIT_FAILURE, (uint64_t)i % 2, 0));
    }
    assert_int_equal(circuit.state, CIRCUIT_CLOSED);
}

static void half_of_a_hundred_within_a_minute_open_it(void **state) {
    (void)state;
    struct circuit circuit = {0};
    bool has_opened = false;
    for (uint64_t i = 0; i < 100; i++) {
        has_opened = call(&circuit, i % 2 ? CIRCUIT_FAILURE : CIRCUIT_SUCCESS, i, SECOND_US / 10);
        assert_int_equal(has_opened, i == 99);
    }
    circuit = (struct circuit){0};
    for (uint64_t i = 0; i < 500; i++) { // the same, slowly
        assert_false(
            call(&circuit, i % 2 ? CIRCUIT_FAILURE : CIRCUIT_SUCCESS, i, (int64_t)i * SECOND_US));
    }
    for (uint64_t i = 0; i < 500; i++) { // less than half
        assert_false(call(&circuit, i % 3 ? CIRCUIT_SUCCESS : CIRCUIT_FAILURE, i, 0));
    }
}

static void throttled_calls_among_successes_do_not_open_it(void **state) {
    (void)state;
    struct circuit circuit = {0};
    for (uint64_t i = 0; i < 500; i++) {
        assert_false(call(&circuit, i % 8 ? CIRCUIT_THROTTLED : CIRCUIT_SUCCESS, i, 0));
    }
    for (uint64_t i = 0; i < 9; i++) {
        assert_false(call(&circuit, CIRCUIT_THROTTLED, i, 0) && i < 2);
    }
}

static void an_open_circuit_lets_one_call_pass_after_the_pause(void **state) {
    (void)state;
    struct circuit circuit = {0};
    open_at(&circuit, 0);
    assert_false(circuit_allows(&circuit, circuit.probe_us - 1));
    assert_true(circuit_allows(&circuit, circuit.probe_us));
    circuit_begun(&circuit);
    assert_false(circuit_allows(&circuit, circuit.probe_us));
    circuit_probe_lost(&circuit);
    assert_true(circuit_allows(&circuit, circuit.probe_us));
    circuit_begun(&circuit);
    assert_false(call(&circuit, CIRCUIT_NOTHING, 0, 0));
    assert_true(circuit_allows(&circuit, circuit.probe_us));
}

static void every_other_probe_is_of_an_untried_event(void **state) {
    (void)state;
    struct circuit circuit = {0};
    assert_false(circuit_wants_untried(&circuit));
    open_at(&circuit, 0);
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(circuit_wants_untried(&circuit), i % 2 == 0);
        circuit_begun(&circuit);
        assert_false(circuit_wants_untried(&circuit)); // It runs.
        call(&circuit, CIRCUIT_FAILURE, i, 0);
    }
    call(&circuit, CIRCUIT_SUCCESS, 0, 0);
    assert_false(circuit_wants_untried(&circuit));
}

static void pauses_grow_to_five_minutes(void **state) {
    (void)state;
    struct circuit circuit = {0};
    int64_t now_us = 0;
    int64_t longest_us = CIRCUIT_PAUSE_FIRST_US;
    open_at(&circuit, now_us);
    for (int i = 0; i < 40; i++) {
        int64_t pause_us = circuit.probe_us - now_us;
        assert_true(pause_us >= CIRCUIT_PAUSE_MIN_US && pause_us <= longest_us);
        now_us = circuit.probe_us;
        circuit_begun(&circuit);
        assert_false(call(&circuit, CIRCUIT_FAILURE, 1, now_us));
        longest_us = longest_us * 2 < CIRCUIT_PAUSE_MAX_US ? longest_us * 2 : CIRCUIT_PAUSE_MAX_US;
    }
    struct circuit_call asked = {.result = CIRCUIT_THROTTLED,
                                 .now_us = now_us,
                                 .retry_after_us = 3600 * SECOND_US,
                                 .random = 0};
    circuit_begun(&circuit);
    (void)circuit_called(&circuit, &asked);
    now_us = circuit.probe_us > now_us ? now_us : circuit.probe_us;
    assert_true(circuit.probe_us - now_us <= CIRCUIT_PAUSE_MAX_US);
}

static void retry_after_is_waited_for(void **state) {
    (void)state;
    struct circuit circuit = {0};
    open_at(&circuit, 0);
    circuit_begun(&circuit);
    struct circuit_call asked = {
        .result = CIRCUIT_THROTTLED, .retry_after_us = 30 * SECOND_US, .random = 0};
    (void)circuit_called(&circuit, &asked);
    assert_int_equal(circuit.probe_us, 30 * SECOND_US);
}

static void a_success_closes_it_whichever_call_it_was(void **state) {
    (void)state;
    struct circuit circuit = {0};
    open_at(&circuit, 0);
    assert_true(call(&circuit, CIRCUIT_SUCCESS, 1, 0)); // began before it opened
    assert_int_equal(circuit.state, CIRCUIT_CLOSED);
    open_at(&circuit, 0);
    circuit_begun(&circuit);
    assert_true(call(&circuit, CIRCUIT_SUCCESS, 1, 0));
    assert_true(circuit_allows(&circuit, 0));
}

static void failures_of_earlier_calls_do_not_make_the_pause_longer(void **state) {
    (void)state;
    struct circuit circuit = {0};
    open_at(&circuit, 0);
    int64_t probe_us = circuit.probe_us;
    for (uint64_t i = 0; i < 50; i++) {
        assert_false(call(&circuit, CIRCUIT_FAILURE, i, 0));
    }
    assert_int_equal(circuit.probe_us, probe_us);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_failures_in_a_row_open_it),
        cmocka_unit_test(one_event_that_fails_for_ever_opens_nothing),
        cmocka_unit_test(half_of_a_hundred_within_a_minute_open_it),
        cmocka_unit_test(throttled_calls_among_successes_do_not_open_it),
        cmocka_unit_test(an_open_circuit_lets_one_call_pass_after_the_pause),
        cmocka_unit_test(every_other_probe_is_of_an_untried_event),
        cmocka_unit_test(pauses_grow_to_five_minutes),
        cmocka_unit_test(retry_after_is_waited_for),
        cmocka_unit_test(a_success_closes_it_whichever_call_it_was),
        cmocka_unit_test(failures_of_earlier_calls_do_not_make_the_pause_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
