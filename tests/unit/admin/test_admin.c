// Which paths there are, who may use them, and what monitoring is told.
#include "admin_test.h"

#define TOKEN "0123456789abcdef"

static int setup_with_token(void **state) {
    struct admin_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.token = TOKEN;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static int setup_status_only(void **state) {
    struct admin_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.is_status_only = true;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static int status_with(void **state, const char *path, const char *header) {
    struct raw_answer answer = ask(*state, "GET", path, NULL, header);
    int status = answer.status;
    raw_answer_clear(&answer);
    return status;
}

static void the_token_is_needed_for_the_configuration_and_for_metrics(void **state) {
    assert_int_equal(status_with(state, "/v1/spaces/default/functions", ""), 401);
    assert_int_equal(status_with(state, "/v1/functions", ""), 401);
    assert_int_equal(status_with(state, "/v1/metrics", ""), 401);
    assert_int_equal(status_with(state, "/v1/nonsense", ""), 401);
}

static void status_and_health_need_no_token(void **state) {
    assert_int_equal(status_with(state, "/v1/status", ""), 200);
    assert_int_equal(status_with(state, "/v1/health/live", ""), 200);
    assert_int_equal(status_with(state, "/v1/health/ready", ""), 200);
}

static void the_token_is_taken_whatever_the_case_of_bearer(void **state) {
    static const char *const good[] = {"Authorization: bearer " TOKEN "\r\n",
                                       "authorization: Bearer " TOKEN "\r\n",
                                       "AUTHORIZATION: BEARER   " TOKEN "\r\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_int_equal(status_with(state, "/v1/spaces/default/functions", good[i]), 200);
    }
}

static void a_wrong_token_is_refused(void **state) {
    static const char *const bad[] = {"Authorization: bearer\r\n",
                                      "Authorization: bearer \r\n",
                                      "Authorization: " TOKEN "\r\n",
                                      "Authorization: basic " TOKEN "\r\n",
                                      "Authorization: bearer 0123\r\n",
                                      "Authorization: bearer " TOKEN "0\r\n",
                                      "Authorization: bearer 0123456789abcdeF\r\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_int_equal(status_with(state, "/v1/spaces/default/functions", bad[i]), 401);
    }
}

static void a_refused_token_comes_with_a_challenge(void **state) {
    struct raw_answer answer = ask(*state, "GET", "/v1/metrics", NULL, "");
    char challenge[64];
    assert_true(raw_header(&answer, "WWW-Authenticate", challenge, sizeof challenge));
    assert_string_equal(challenge, "Bearer");
    raw_answer_clear(&answer);
}

static void a_node_without_the_role_serves_status_and_metrics_alone(void **state) {
    static const char message[] = "this node serves only status, health, metrics and cluster; the "
                                  "Configuration API is on nodes with the admin role";
    assert_int_equal(status_with(state, "/v1/status", ""), 200);
    assert_int_equal(status_with(state, "/v1/health/ready", ""), 200);
    assert_int_equal(status_with(state, "/v1/metrics", ""), 200);
    expect_error(state, "GET", "/v1/spaces/default/functions", NULL, 404, message);
    expect_classic_error(state, "POST", "/v1/functions", "{}", 404, message);
}

static void an_unknown_path_is_404_in_json(void **state) {
    expect_error(state, "GET", "/", NULL, 404, "no such path: /");
    expect_error(state, "GET", "/v1/spaces", NULL, 404, "no such path: /v1/spaces");
    expect_error(state, "GET", "/v1/spaces/default", NULL, 404, "no such path: /v1/spaces/default");
    expect_error(state, "GET", "/v1/spaces/default/things", NULL, 404,
                 "no such path: /v1/spaces/default/things");
    expect_error(state, "GET", "/v1/spaces//functions", NULL, 404,
                 "no such path: /v1/spaces//functions");
    expect_classic_error(state, "GET", "/v1/functionsy", NULL, 404, "no such path: /v1/functionsy");
}

static void check_allow(void **state, const char *method, const char *path, const char *expected) {
    struct raw_answer answer = ask(*state, method, path, NULL, "");
    char allow[64];
    assert_int_equal(answer.status, 405);
    assert_true(raw_header(&answer, "Allow", allow, sizeof allow));
    assert_string_equal(allow, expected);
    raw_answer_clear(&answer);
}

static void a_wrong_method_is_405_and_says_which_are_allowed(void **state) {
    check_allow(state, "PUT", "/v1/spaces/default/functions", "GET, HEAD, POST");
    check_allow(state, "DELETE", "/v1/spaces/default/cors/", "GET, HEAD, POST");
    check_allow(state, "POST", "/v1/spaces/default/functions/f", "GET, HEAD, PUT, DELETE");
    check_allow(state, "PATCH", "/v1/spaces/default/subscriptions/s", "GET, HEAD, PUT, DELETE");
    check_allow(state, "PUT", "/v1/subscriptions/s", "GET, HEAD, DELETE");
    check_allow(state, "POST", "/v1/status", "GET, HEAD");
    check_allow(state, "DELETE", "/v1/metrics", "GET, HEAD");
    check_allow(state, "POST", "/v1/cluster", "GET, HEAD");
}

static void head_is_answered_as_get_without_the_body(void **state) {
    struct raw_answer got = ask(*state, "GET", "/v1/spaces/default/functions", NULL, "");
    struct raw_answer headed = ask(*state, "HEAD", "/v1/spaces/default/functions", NULL, "");
    char got_length[16];
    char headed_length[16];
    assert_int_equal(headed.status, 200);
    assert_true(raw_header(&got, "Content-Length", got_length, sizeof got_length));
    assert_true(raw_header(&headed, "Content-Length", headed_length, sizeof headed_length));
    assert_string_equal(headed_length, got_length);
    raw_answer_clear(&got);
    raw_answer_clear(&headed);
}

static void ready_says_that_both_stores_are_there(void **state) {
    expect(state, "GET", "/v1/health/ready", NULL, 200,
           "{'status':'ready','eventLog':'ok','registry':'ok'}");
}

static void without_the_event_log_it_is_not_ready(void **state) {
    struct admin_fixture *fixture = *state;
    event_log_memory_set_away(fixture->log, true);
    struct raw_answer answer = ask(fixture, "GET", "/v1/health/ready", NULL, "");
    json_t *got = parse_or_fail(answer.body);
    assert_int_equal(answer.status, 503);
    assert_string_equal(json_string_value(json_object_get(got, "status")), "unavailable");
    assert_memory_equal(json_string_value(json_object_get(got, "eventLog")), "away", 4);
    assert_string_equal(json_string_value(json_object_get(got, "registry")), "ok");
    json_decref(got);
    raw_answer_clear(&answer);
}

static void without_the_registry_it_serves_on_and_says_so(void **state) {
    struct admin_fixture *fixture = *state;
    // The registry notices when it tries to change something.
    atomic_store(&fixture->store->next_status, STATUS_UNAVAILABLE);
    expect(state, "POST", "/v1/spaces/default/eventtypes", "{'name':'e'}", 503, "");
    struct raw_answer answer = ask(fixture, "GET", "/v1/health/ready", NULL, "");
    json_t *got = parse_or_fail(answer.body);
    assert_int_equal(answer.status, 200);
    assert_string_equal(json_string_value(json_object_get(got, "status")), "degraded");
    assert_string_equal(json_string_value(json_object_get(got, "eventLog")), "ok");
    assert_non_null(strstr(json_string_value(json_object_get(got, "registry")), "out to lunch"));
    json_decref(got);
    raw_answer_clear(&answer);
}

static void drain_on_loop(void *context) {
    admin_drain(((struct admin_fixture *)context)->admin);
}

static void close_on_loop(void *context) {
    admin_close_door(((struct admin_fixture *)context)->admin);
}

static void a_node_that_shuts_down_is_not_ready_any_more(void **state) {
    struct admin_fixture *fixture = *state;
    event_loop_call(fixture->loop, drain_on_loop, fixture);
    expect(state, "GET", "/v1/health/ready", NULL, 503,
           "{'status':'draining','eventLog':'ok','registry':'ok'}");
    assert_int_equal(status_with(state, "/v1/health/live", ""), 200);
    make_function_and_type(state);
}

static void behind_a_closed_door_everything_is_503(void **state) {
    struct admin_fixture *fixture = *state;
    event_loop_call(fixture->loop, close_on_loop, fixture);
    expect_error(state, "GET", "/v1/spaces/default/functions", NULL, 503,
                 "this gateway is shutting down");
    expect_error(state, "GET", "/v1/cluster", NULL, 503, "this gateway is shutting down");
    assert_int_equal(status_with(state, "/v1/health/live", ""), 503);
}

static void the_cluster_is_the_nodes_by_their_ids(void **state) {
    struct admin_fixture *fixture = *state;
    expect(state, "GET", "/v1/cluster", NULL, 200,
           "{'answeredBy':'','complete':true,'partitions':4,'unownedPartitions':[0,1,2,3],"
           "'nodes':[]}");
    registry_announce(fixture->registry, BYTES("me"),
                      BYTES("{\"nodeId\":\"you\",\"partitions\":[1,2,7,-1,\"x\"]}"));
    expect(state, "GET", "/v1/cluster", NULL, 200,
           "{'answeredBy':'','complete':true,'partitions':4,'unownedPartitions':[0,3],"
           "'nodes':[{'nodeId':'me','partitions':[1,2,7,-1,'x']}]}");
    registry_announce(fixture->registry, BYTES("me"), BYTES("no JSON"));
    expect(state, "GET", "/v1/cluster", NULL, 200,
           "{'answeredBy':'','complete':true,'partitions':4,'unownedPartitions':[0,1,2,3],"
           "'nodes':[{'nodeId':'me'}]}");
}

static void without_the_registry_the_cluster_is_the_node_itself(void **state) {
    struct admin_fixture *fixture = *state;
    registry_announce(fixture->registry, BYTES("me"), BYTES("{}"));
    atomic_store(&fixture->store->next_status, STATUS_UNAVAILABLE);
    expect(state, "GET", "/v1/cluster", NULL, 200,
           "{'answeredBy':'','complete':false,'partitions':4,"
           "'reason':'the store is out to lunch','nodes':[{'nodeId':'me'}]}");
}

static bool metrics_have(void **state, const char *line) {
    struct raw_answer answer = ask(*state, "GET", "/v1/metrics", NULL, "");
    struct buffer wanted = {0};
    buffer_append_format(&wanted, "\n%s\n", line);
    bool has_it = memmem(answer.body.data, answer.body.size, wanted.data, wanted.size) != NULL;
    buffer_clear(&wanted);
    raw_answer_clear(&answer);
    return has_it;
}

static void metrics_count_what_is_configured_in_each_space(void **state) {
    make_function_and_type(state);
    expect(state, "POST", "/v1/spaces/team1/eventtypes", "{'name':'a'}", 201, "");
    expect(state, "POST", "/v1/spaces/team1/eventtypes", "{'name':'b'}", 201, "");
    assert_true(metrics_have(state, "eventgateway_functions_total{space=\"default\"} 1"));
    assert_true(metrics_have(state, "eventgateway_eventtypes_total{space=\"default\"} 1"));
    assert_true(metrics_have(state, "eventgateway_eventtypes_total{space=\"team1\"} 2"));
    assert_true(metrics_have(state, "eventgateway_subscriptions_total{space=\"default\"} 0"));
    expect(state, "DELETE", "/v1/spaces/team1/eventtypes/a", NULL, 204, NULL);
    expect(state, "DELETE", "/v1/spaces/team1/eventtypes/b", NULL, 204, NULL);
    assert_true(metrics_have(state, "eventgateway_eventtypes_total{space=\"team1\"} 0"));
}

static void metrics_count_requests_but_learn_no_names_from_outside(void **state) {
    expect(state, "GET", "/v1/spaces/never-heard-of/cors", NULL, 200, "{'cors':[]}");
    expect(state, "GET", "/v1/spaces/default/cors", NULL, 200, "{'cors':[]}");
    assert_true(metrics_have(state, "eventgateway_config_requests_total{space=\"default\","
                                    "resource=\"cors\",operation=\"list\"} 1"));
    assert_true(metrics_have(state, "eventgateway_config_requests_total{space=\"other\","
                                    "resource=\"cors\",operation=\"list\"} 1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_token_is_needed_for_the_configuration_and_for_metrics,
                                        setup_with_token, fixture_teardown),
        cmocka_unit_test_setup_teardown(status_and_health_need_no_token, setup_with_token,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_token_is_taken_whatever_the_case_of_bearer,
                                        setup_with_token, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_token_is_refused, setup_with_token,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_refused_token_comes_with_a_challenge, setup_with_token,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_node_without_the_role_serves_status_and_metrics_alone,
                                        setup_status_only, fixture_teardown),
        FIXTURE_TEST(an_unknown_path_is_404_in_json),
        FIXTURE_TEST(a_wrong_method_is_405_and_says_which_are_allowed),
        FIXTURE_TEST(head_is_answered_as_get_without_the_body),
        FIXTURE_TEST(ready_says_that_both_stores_are_there),
        FIXTURE_TEST(without_the_event_log_it_is_not_ready),
        FIXTURE_TEST(without_the_registry_it_serves_on_and_says_so),
        FIXTURE_TEST(a_node_that_shuts_down_is_not_ready_any_more),
        FIXTURE_TEST(behind_a_closed_door_everything_is_503),
        FIXTURE_TEST(the_cluster_is_the_nodes_by_their_ids),
        FIXTURE_TEST(without_the_registry_the_cluster_is_the_node_itself),
        FIXTURE_TEST(metrics_count_what_is_configured_in_each_space),
        FIXTURE_TEST(metrics_count_requests_but_learn_no_names_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
