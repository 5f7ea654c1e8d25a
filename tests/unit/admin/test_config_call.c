// Changes when others change the configuration at the same time, and when the store is away.
#include "admin_test.h"

#define FUNCTIONS "/v1/spaces/default/functions"
#define FUNCTION_F "{'functionId':'f','type':'http','provider':{'url':'http://example.com/'}}"

static void interfere(void **state, enum resource_kind kind, const char *id, const char *document) {
    struct faulty_store *store = ((struct admin_fixture *)*state)->store;
    store->interference = (struct registry_edit){.kind = kind,
                                                 .space = BYTES("default"),
                                                 .id = bytes_of_text(id),
                                                 .document = bytes_of_text(document)};
    atomic_store(&store->interferes, true);
}

static void a_change_that_somebody_overtook_is_made_on_top(void **state) {
    interfere(state, RESOURCE_EVENT_TYPE, "e", "{\"space\":\"default\",\"name\":\"e\"}");
    expect(state, "POST", FUNCTIONS, FUNCTION_F, 201, "");
    expect(state, "GET", "/v1/spaces/default/eventtypes/e", NULL, 200, "");
    expect(state, "GET", FUNCTIONS "/f", NULL, 200, "");
}

static void a_change_is_checked_again_when_somebody_was_faster(void **state) {
    interfere(state, RESOURCE_FUNCTION, "f",
              "{\"space\":\"default\",\"functionId\":\"f\",\"type\":\"http\","
              "\"provider\":{\"url\":\"http://first.com/\"}}");
    expect_error(state, "POST", FUNCTIONS, FUNCTION_F, 409, "Function \"f\" already registered.");
    char *stored = stored_text(state, RESOURCE_FUNCTION, "default", "f");
    assert_non_null(strstr(stored, "first.com"));
    free(stored);
}

static void a_function_that_somebody_deletes_meanwhile_gets_no_subscription(void **state) {
    make_function_and_type(state);
    interfere(state, RESOURCE_FUNCTION, "f", "");
    expect_error(state, "POST", "/v1/spaces/default/subscriptions",
                 "{'type':'async','eventType':'e','functionId':'f'}", 400,
                 "Function \"f\" not found.");
}

static void a_function_that_somebody_subscribes_meanwhile_is_not_deleted(void **state) {
    make_function_and_type(state);
    interfere(state, RESOURCE_SUBSCRIPTION, "YXN5bmMsZSxmLCUyRixQT1NU",
              "{\"space\":\"default\",\"subscriptionId\":\"YXN5bmMsZSxmLCUyRixQT1NU\","
              "\"type\":\"async\",\"eventType\":\"e\",\"functionId\":\"f\",\"path\":\"/\","
              "\"method\":\"POST\"}");
    expect_error(state, "DELETE", FUNCTIONS "/f", NULL, 400,
                 "Function cannot be deleted because it's subscribed to a least one event.");
}

static void without_the_store_changes_are_refused_for_now(void **state) {
    struct admin_fixture *fixture = *state;
    char retry_after[16];
    atomic_store(&fixture->store->next_status, STATUS_UNAVAILABLE);
    struct raw_answer answer = ask(fixture, "POST", FUNCTIONS, FUNCTION_F, "");
    assert_int_equal(answer.status, 503);
    assert_true(raw_header(&answer, "Retry-After", retry_after, sizeof retry_after));
    assert_non_null(memmem(answer.body.data, answer.body.size,
                           "the configuration cannot be changed now: ", 41));
    raw_answer_clear(&answer);
}

static void without_the_store_reads_are_answered(void **state) {
    struct admin_fixture *fixture = *state;
    make_function_and_type(state);
    atomic_store(&fixture->store->next_status, STATUS_UNAVAILABLE);
    expect(state, "DELETE", FUNCTIONS "/f", NULL, 503, "");
    expect(state, "GET", FUNCTIONS "/f", NULL, 200, "");
}

static void a_put_that_changes_nothing_works_without_the_store(void **state) {
    struct admin_fixture *fixture = *state;
    make_function_and_type(state);
    atomic_store(&fixture->store->next_status, STATUS_UNAVAILABLE);
    expect(state, "PUT", FUNCTIONS "/f", FUNCTION_F, 200, "");
}

static void what_the_store_cannot_hold_is_413(void **state) {
    struct admin_fixture *fixture = *state;
    atomic_store(&fixture->store->next_status, STATUS_TOO_LARGE);
    expect(state, "POST", FUNCTIONS, FUNCTION_F, 413, "");
}

static void many_changes_at_once_are_all_made(void **state) {
    enum {
        CHANGES = 200
    };
    struct admin_fixture *fixture = *state;
    int fds[CHANGES];
    for (int i = 0; i < CHANGES; i++) {
        char body[64];
        char request[300];
        snprintf(body, sizeof body, "{\"name\":\"type-%d\"}", i);
        snprintf(request, sizeof request,
                 "POST /v1/spaces/default/eventtypes HTTP/1.1\r\nHost: test\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        fds[i] = raw_connect(fixture->port);
        raw_send_text(fds[i], request);
    }
    for (int i = 0; i < CHANGES; i++) {
        struct buffer rest = {0};
        struct raw_answer answer = raw_read(fds[i], &rest, true);
        if (answer.status != 201) {
            fail_unlike("one of many", &answer, "201");
        }
        raw_answer_clear(&answer);
        buffer_clear(&rest);
        close(fds[i]);
    }
    const struct snapshot *snapshot = registry_snapshot(fixture->registry);
    assert_int_equal(snapshot_count(snapshot, RESOURCE_EVENT_TYPE, BYTES("default")), CHANGES);
    snapshot_unref(snapshot);
}

static void a_client_that_leaves_does_no_harm(void **state) {
    struct admin_fixture *fixture = *state;
    for (int i = 0; i < 10; i++) {
        int fd = raw_connect(fixture->port);
        raw_send_text(fd, "POST /v1/spaces/default/eventtypes HTTP/1.1\r\nHost: test\r\n"
                          "Content-Length: 13\r\n\r\n{\"name\":\"nn\"}");
        close(fd);
    }
    expect(state, "GET", "/v1/status", NULL, 200, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_change_that_somebody_overtook_is_made_on_top),
        FIXTURE_TEST(a_change_is_checked_again_when_somebody_was_faster),
        FIXTURE_TEST(a_function_that_somebody_deletes_meanwhile_gets_no_subscription),
        FIXTURE_TEST(a_function_that_somebody_subscribes_meanwhile_is_not_deleted),
        FIXTURE_TEST(without_the_store_changes_are_refused_for_now),
        FIXTURE_TEST(without_the_store_reads_are_answered),
        FIXTURE_TEST(a_put_that_changes_nothing_works_without_the_store),
        FIXTURE_TEST(what_the_store_cannot_hold_is_413),
        FIXTURE_TEST(many_changes_at_once_are_all_made),
        FIXTURE_TEST(a_client_that_leaves_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
