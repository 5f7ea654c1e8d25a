#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "dispatcher/retry_policy.h"

static const struct retry_policy policy = {
    .max_attempts = 18,
    .initial_ms = 500,
    .factor = 2,
    .max_ms = 3600000,
    .max_age_ms = 86400000,
    .final_statuses = {400, 422, 501},
    .final_status_count = 3,
};

static struct attempt_outcome answer(unsigned status) {
    return (struct attempt_outcome){
        .outcome = status >= 200 && status < 300 ? INVOCATION_SUCCEEDED : INVOCATION_FAILED,
        .status = status,
        .is_throttled = status == 429 || status == 503,
        .retry_after_ms = -1,
    };
}

static struct attempt_situation after_attempt(uint32_t attempt) {
    return (struct attempt_situation){
        .attempt = attempt, .expires_in_ms = RETRY_NEVER_EXPIRES, .random = UINT64_MAX};
}

static struct retry_verdict decide(struct attempt_outcome outcome,
                                   struct attempt_situation situation) {
    return retry_policy_decide(&policy, &outcome, &situation);
}

static void assert_gives_up(struct retry_verdict verdict, enum give_up_reason reason) {
    assert_int_equal(verdict.step, RETRY_GIVE_UP);
    assert_int_equal(verdict.reason, reason);
}

static void a_success_is_the_end_even_beyond_all_limits(void **state) {
    (void)state;
    struct attempt_situation late = after_attempt(1000);
    late.age_ms = INT64_MAX;
    late.expires_in_ms = -1;
    assert_int_equal(decide(answer(204), late).step, RETRY_DELIVERED);
    struct attempt_outcome without_status = {.outcome = INVOCATION_SUCCEEDED};
    assert_int_equal(decide(without_status, late).step, RETRY_DELIVERED);
}

static void final_statuses_and_gone_are_given_up_at_once(void **state) {
    (void)state;
    assert_gives_up(decide(answer(400), after_attempt(1)), GIVE_UP_FINAL_STATUS);
    assert_gives_up(decide(answer(501), after_attempt(1)), GIVE_UP_FINAL_STATUS);
    assert_gives_up(decide(answer(410), after_attempt(1)), GIVE_UP_GONE);
}

static void everything_else_is_retried(void **state) {
    (void)state;
    static const unsigned statuses[] = {300, 301, 307, 401, 403, 404, 408, 409, 429, 500, 502, 503};
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        assert_int_equal(decide(answer(statuses[i]), after_attempt(1)).step, RETRY_WAIT);
    }
    static const enum invocation_outcome outcomes[] = {INVOCATION_TIMED_OUT, INVOCATION_UNREACHABLE,
                                                       INVOCATION_FORBIDDEN, INVOCATION_NO_FUNCTION,
                                                       INVOCATION_CANCELLED};
    for (size_t i = 0; i < ARRAY_LENGTH(outcomes); i++) {
        struct attempt_outcome outcome = {.outcome = outcomes[i], .retry_after_ms = -1};
        assert_int_equal(decide(outcome, after_attempt(1)).step, RETRY_WAIT);
    }
}

static void no_attempt_follows_the_last_one(void **state) {
    (void)state;
    assert_int_equal(decide(answer(500), after_attempt(17)).step, RETRY_WAIT);
    assert_gives_up(decide(answer(500), after_attempt(18)), GIVE_UP_ATTEMPTS);
    assert_gives_up(decide(answer(500), after_attempt(19)), GIVE_UP_ATTEMPTS);
}

static void waits_grow_by_the_factor_up_to_the_longest(void **state) {
    (void)state;
    assert_int_equal(retry_policy_longest_wait_ms(&policy, 1), 500);
    assert_int_equal(retry_policy_longest_wait_ms(&policy, 2), 1000);
    assert_int_equal(retry_policy_longest_wait_ms(&policy, 13), 2048000);
    assert_int_equal(retry_policy_longest_wait_ms(&policy, 14), 3600000);
    assert_int_equal(retry_policy_longest_wait_ms(&policy, UINT32_MAX), 3600000);
    struct retry_policy constant = policy;
    constant.factor = 1;
    assert_int_equal(retry_policy_longest_wait_ms(&constant, 100), 500);
}

static void waits_are_drawn_from_the_whole_range(void **state) {
    (void)state;
    struct attempt_situation situation = after_attempt(3); // up to 2000 ms
    int64_t lowest = INT64_MAX, highest = 0;
    for (int i = 0; i < 20000; i++) {
        random_bytes(&situation.random, sizeof situation.random);
        int64_t wait_ms = decide(answer(500), situation).wait_ms;
        assert_in_range(wait_ms, 0, 2000);
        lowest = wait_ms < lowest ? wait_ms : lowest;
        highest = wait_ms > highest ? wait_ms : highest;
    }
    assert_true(lowest < 100);
    assert_true(highest > 1900);
    situation.random = 0;
    assert_int_equal(decide(answer(500), situation).wait_ms, 0);
    situation.random = 2000;
    assert_int_equal(decide(answer(500), situation).wait_ms, 2000);
}

static void retry_after_is_honoured_where_the_function_is_throttled(void **state) {
    (void)state;
    struct attempt_situation situation = after_attempt(1);
    for (uint64_t random = 0; random < 2000; random++) {
        situation.random = random;
        struct attempt_outcome outcome = answer(random % 2 ? 429 : 503);
        outcome.retry_after_ms = 7000;
        assert_in_range(decide(outcome, situation).wait_ms, 7000, 7500);
        outcome = answer(500);
        outcome.retry_after_ms = 7000;
        assert_in_range(decide(outcome, situation).wait_ms, 0, 500);
    }
}

static void an_event_whose_age_is_over_gets_no_further_attempt(void **state) {
    (void)state;
    struct attempt_situation situation = after_attempt(2);
    situation.age_ms = policy.max_age_ms;
    assert_gives_up(decide(answer(500), situation), GIVE_UP_EXPIRED);
    situation.age_ms = INT64_MAX;
    assert_gives_up(decide(answer(500), situation), GIVE_UP_EXPIRED);
    situation.age_ms = -1000000; // The clock was set back.
    assert_int_equal(decide(answer(500), situation).step, RETRY_WAIT);
}

static void an_event_past_its_expirytime_gets_no_further_attempt(void **state) {
    (void)state;
    struct attempt_situation situation = after_attempt(1);
    situation.expires_in_ms = 0;
    assert_gives_up(decide(answer(500), situation), GIVE_UP_EXPIRED);
    situation.expires_in_ms = -5000;
    assert_gives_up(decide(answer(500), situation), GIVE_UP_EXPIRED);
}

static void no_wait_ends_after_the_events_life(void **state) {
    (void)state;
    struct attempt_situation situation = after_attempt(14); // up to an hour
    int goes_on = 0;
    for (uint64_t random = 0; random < 5000; random++) {
        situation.random = random * 0x9e3779b97f4a7c15u;
        situation.age_ms = policy.max_age_ms - 3600000 / 2;
        situation.expires_in_ms = RETRY_NEVER_EXPIRES;
        struct retry_verdict verdict = decide(answer(500), situation);
        assert_in_range(verdict.wait_ms, 0, 3600000 / 2);
        goes_on += verdict.step == RETRY_WAIT;
        situation.age_ms = 0;
        situation.expires_in_ms = 300;
        assert_in_range(decide(answer(500), situation).wait_ms, 0, 300);
    }
    assert_in_range(goes_on, 2400, 2600);
}

// Each wait is half of what is drawn from, on average.
static void attempts_do_not_crowd_at_the_end_of_a_life(void **state) {
    (void)state;
    uint64_t random = 1;
    int attempts = 0;
    for (int event = 0; event < 1000; event++) {
        struct attempt_situation situation = after_attempt(1); // up to 500 ms
        struct retry_verdict verdict;
        situation.expires_in_ms = 2000;
        do {
            situation.random = random++ * 0x9e3779b97f4a7c15u;
            verdict = decide(answer(500), situation);
            situation.expires_in_ms -= verdict.wait_ms;
            attempts++;
        } while (verdict.step == RETRY_WAIT);
        assert_int_equal(verdict.reason, GIVE_UP_EXPIRED);
    }
    assert_in_range(attempts, 8000, 9500); // of 2000 ms, one each 250 ms, and the first one
}

static void a_retry_after_beyond_the_events_life_ends_it(void **state) {
    (void)state;
    struct attempt_outcome outcome = answer(429);
    outcome.retry_after_ms = policy.max_age_ms + 1;
    assert_gives_up(decide(outcome, after_attempt(1)), GIVE_UP_EXPIRED);
    outcome.retry_after_ms = INT64_MAX;
    assert_gives_up(decide(outcome, after_attempt(1)), GIVE_UP_EXPIRED);
    struct attempt_situation situation = after_attempt(1);
    situation.age_ms = INT64_MAX;
    assert_gives_up(decide(outcome, situation), GIVE_UP_EXPIRED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_success_is_the_end_even_beyond_all_limits),
        cmocka_unit_test(final_statuses_and_gone_are_given_up_at_once),
        cmocka_unit_test(everything_else_is_retried),
        cmocka_unit_test(no_attempt_follows_the_last_one),
        cmocka_unit_test(waits_grow_by_the_factor_up_to_the_longest),
        cmocka_unit_test(waits_are_drawn_from_the_whole_range),
        cmocka_unit_test(retry_after_is_honoured_where_the_function_is_throttled),
        cmocka_unit_test(an_event_whose_age_is_over_gets_no_further_attempt),
        cmocka_unit_test(an_event_past_its_expirytime_gets_no_further_attempt),
        cmocka_unit_test(no_wait_ends_after_the_events_life),
        cmocka_unit_test(attempts_do_not_crowd_at_the_end_of_a_life),
        cmocka_unit_test(a_retry_after_beyond_the_events_life_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
