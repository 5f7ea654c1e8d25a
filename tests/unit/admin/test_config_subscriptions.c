// Subscriptions in the spaces dialect, and how the old shape is taken there.
#include "admin_test.h"

#define SUBSCRIPTIONS "/v1/spaces/default/subscriptions"
#define INVALID "Subscription doesn't validate. Validation error: "
#define FAILED_ON(field, tag)                                                                      \
    "Key: 'Subscription." field "' Error:Field validation for '" field "' failed on the '" tag     \
    "' tag"

static void defaults_and_the_id_are_those_of_the_original(void **state) {
    expect(state, "POST", "/v1/spaces/testspace/functions",
           "{'functionId':'test','type':'http','provider':{'url':'http://e.com/'}}", 201, "");
    expect(state, "POST", "/v1/spaces/testspace/eventtypes", "{'name':'test.event'}", 201, "");
    static const char shown[] =
        "{'space':'testspace','subscriptionId':'YXN5bmMsdGVzdC5ldmVudCx0ZXN0LCUyRixQT1NU',"
        "'type':'async','eventType':'test.event','functionId':'test','method':'POST','path':'/'}";
    expect(state, "POST", "/v1/spaces/testspace/subscriptions",
           "{'type':'async','eventType':'test.event','functionId':'test'}", 201, shown);
    expect(state, "GET",
           "/v1/spaces/testspace/subscriptions/YXN5bmMsdGVzdC5ldmVudCx0ZXN0LCUyRixQT1NU", NULL, 200,
           shown);
    expect(state, "DELETE",
           "/v1/spaces/testspace/subscriptions/YXN5bmMsdGVzdC5ldmVudCx0ZXN0LCUyRixQT1NU", NULL, 204,
           NULL);
    expect(state, "GET", "/v1/spaces/testspace/subscriptions", NULL, 200, "{'subscriptions':[]}");
}

static void bad_subscriptions_are_refused_in_the_originals_words(void **state) {
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"{'eventType':'pageVisited','functionId':'none'}", INVALID FAILED_ON("Type", "required")},
        {"{}", INVALID FAILED_ON("Type", "required") "\n" FAILED_ON(
                   "EventType", "required") "\n" FAILED_ON("FunctionID", "required")},
        {"{'type':'maybe','eventType':'e','functionId':'f'}",
         INVALID FAILED_ON("Type", "eq=async|eq=sync")},
        {"{'type':'async','eventType':'a b','functionId':'f'}",
         INVALID FAILED_ON("EventType", "eventType")},
        {"{'type':'async','eventType':'e','functionId':'f','method':'BREW'}",
         INVALID FAILED_ON("Method",
                           "eq=GET|eq=POST|eq=DELETE|eq=PUT|eq=PATCH|eq=HEAD|eq=OPTIONS")},
        {"{'type':'async','eventType':'e','functionId':'f','color':1}",
         INVALID "unknown field \"color\""},
        {"{'type':'async','eventType':'e','functionId':'f','delivery':{'rety':{}}}",
         INVALID "unknown field \"delivery.rety\""},
        {"{'type':'async','eventType':'e','functionId':'f','delivery':{'retry':{'max':1}}}",
         INVALID "unknown field \"delivery.retry.max\""},
        {"{'type':'async','eventType':'e','functionId':'f','cors':{}}",
         INVALID "unknown field \"cors\""},
        {"{'type':'async','eventType':'e','functionId':'f','path':7}",
         INVALID "path: must be a string"},
        {"{'type':'async','eventType':'e','functionId':'f','delivery':{'retry':{'factor':0}}}",
         INVALID "delivery.retry.factor: must be a number from 1 to 10"},
        {"{'type':'async','eventType':'e','functionId':'f','delivery':{'ordering':'fifo'}}",
         INVALID "delivery.ordering: must be \"none\" or \"key\""},
        {"{'type':'async','eventType':'gone','functionId':'f'}", "Event Type \"gone\" not found."},
        {"{'type':'async','eventType':'e','functionId':'gone'}", "Function \"gone\" not found."},
    };
    make_function_and_type(state);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        expect_error(state, "POST", SUBSCRIPTIONS, cases[i].body, 400, cases[i].message);
    }
    expect(state, "GET", SUBSCRIPTIONS, NULL, 200, "{'subscriptions':[]}");
}

static void method_and_path_are_brought_into_form(void **state) {
    make_function_and_type(state);
    expect(state, "POST", SUBSCRIPTIONS,
           "{'type':'sync','eventType':'e','functionId':'f','method':'get','path':'users/:id/'}",
           201,
           "{'space':'default','subscriptionId':'c3luYyxlLCUyRnVzZXJzJTJGOmlkLEdFVA',"
           "'type':'sync','eventType':'e','functionId':'f','method':'GET','path':'/users/:id'}");
}

static void requests_and_system_events_need_no_event_type(void **state) {
    make_function_and_type(state);
    static const char *const types[] = {"http.request", "gateway.event.received",
                                        "eventgateway.function.invoked"};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        char body[200];
        snprintf(body, sizeof body, "{'type':'async','eventType':'%s','functionId':'f'}", types[i]);
        expect(state, "POST", SUBSCRIPTIONS, body, 201, "");
    }
    expect(state, "GET", "/v1/spaces/default/eventtypes", NULL, 200,
           "{'eventTypes':[{'space':'default','name':'e'}]}");
}

static void a_subscription_that_is_there_is_409(void **state) {
    make_function_and_type(state);
    static const char body[] = "{'type':'async','eventType':'e','functionId':'f'}";
    expect(state, "POST", SUBSCRIPTIONS, body, 201, "");
    expect_error(state, "POST", SUBSCRIPTIONS, body, 409,
                 "Subscription \"YXN5bmMsZSxmLCUyRixQT1NU\" already exists.");
}

static void a_subscription_that_is_not_there_is_404(void **state) {
    expect_error(state, "GET", SUBSCRIPTIONS "/xxx", NULL, 404, "Subscription \"xxx\" not found.");
    expect_error(state, "DELETE", SUBSCRIPTIONS "/xxx", NULL, 404,
                 "Subscription \"xxx\" not found.");
    expect_error(state, "PUT", SUBSCRIPTIONS "/xxx",
                 "{'type':'async','eventType':'e','functionId':'f'}", 404,
                 "Subscription \"xxx\" not found.");
}

static void paths_that_conflict_are_refused(void **state) {
    make_function_and_type(state);
    expect(state, "POST", SUBSCRIPTIONS,
           "{'type':'sync','eventType':'http.request','functionId':'f','method':'GET',"
           "'path':'/users/:id'}",
           201, "");
    struct raw_answer answer =
        ask(*state, "POST", SUBSCRIPTIONS,
            "{'type':'sync','eventType':'http.request','functionId':'f','method':'GET',"
            "'path':'/users/:name'}",
            "");
    assert_int_equal(answer.status, 400);
    assert_non_null(memmem(answer.body.data, answer.body.size, "Subscription path conflict: ", 28));
    raw_answer_clear(&answer);
}

#define ID "YXN5bmMsZSxmLCUyRixQT1NU"

static void make_subscription(void **state, const char *further) {
    char body[500];
    make_function_and_type(state);
    snprintf(body, sizeof body, "{'type':'async','eventType':'e','functionId':'f'%s}", further);
    expect(state, "POST", SUBSCRIPTIONS, body, 201, "");
}

static void what_a_subscription_is_cannot_be_updated(void **state) {
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"{'type':'sync','eventType':'e','functionId':'f'}", "Type"},
        {"{'type':'async','eventType':'e2','functionId':'f'}", "EventType"},
        {"{'type':'async','eventType':'e','functionId':'g'}", "FunctionID"},
        {"{'type':'async','eventType':'e','functionId':'f','path':'/a'}", "Path"},
        {"{'type':'async','eventType':'e','functionId':'f','method':'PUT'}", "Method"},
    };
    make_subscription(state, "");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char message[200];
        snprintf(message, sizeof message,
                 "Invalid update. '%s' of existing subscription cannot be updated.",
                 cases[i].field);
        expect_error(state, "PUT", SUBSCRIPTIONS "/" ID, cases[i].body, 400, message);
    }
}

static void a_put_keeps_our_members_and_replaces_metadata(void **state) {
    make_subscription(state, ",'metadata':{'a':'b'},'delivery':{'maxInFlight':5}");
    expect(state, "PUT", SUBSCRIPTIONS "/" ID,
           "{'type':'async','eventType':'e','functionId':'f','metadata':{'c':'d'}}", 200,
           "{'space':'default','subscriptionId':'" ID "','type':'async','eventType':'e',"
           "'functionId':'f','path':'/','method':'POST','metadata':{'c':'d'},"
           "'delivery':{'maxInFlight':5}}");
    expect(state, "PUT", SUBSCRIPTIONS "/" ID,
           "{'type':'async','eventType':'e','functionId':'f','delivery':null}", 200,
           "{'space':'default','subscriptionId':'" ID "','type':'async','eventType':'e',"
           "'functionId':'f','path':'/','method':'POST'}");
}

static void a_put_that_changes_nothing_leaves_the_store_alone(void **state) {
    make_subscription(state, ",'delivery':{'maxInFlight':5}");
    int64_t revision = current_revision(state);
    expect(state, "PUT", SUBSCRIPTIONS "/" ID, "{'type':'async','eventType':'e','functionId':'f'}",
           200, "");
    assert_int_equal(current_revision(state), revision);
}

static void ids_may_be_percent_encoded(void **state) {
    make_subscription(state, "");
    expect(state, "GET", SUBSCRIPTIONS "/%59XN5bmMsZSxmLCUyRixQT1NU", NULL, 200, "");
    // The id of the first generation names it as well, encoded never, once or twice.
    expect(state, "GET", SUBSCRIPTIONS "/e,f,/", NULL, 200, "");
    expect(state, "GET", SUBSCRIPTIONS "/e,f,%2F", NULL, 200, "");
    expect(state, "GET", SUBSCRIPTIONS "/e%2Cf%2C%252F", NULL, 200, "");
}

// What SDKs between the generations send to /v1/spaces.

static void the_old_shape_is_answered_in_the_old_shape(void **state) {
    expect(state, "POST", "/v1/spaces/default/functions",
           "{'functionId':'hello','provider':{'type':'http','url':'http://e.com/'}}", 201,
           "{'space':'default','functionId':'hello',"
           "'provider':{'type':'http','url':'http://e.com/'}}");
    expect(state, "POST", SUBSCRIPTIONS, "{'event':'user.created','functionId':'hello'}", 201,
           "{'space':'default','subscriptionId':'user.created,hello,%2F','event':'user.created',"
           "'functionId':'hello','path':'/'}");
    expect(state, "POST", SUBSCRIPTIONS,
           "{'event':'http','functionId':'hello','method':'get','path':'/x'}", 201,
           "{'space':'default','subscriptionId':'http,GET,%2Fx','event':'http',"
           "'functionId':'hello','method':'GET','path':'/x'}");
    expect_error(state, "POST", SUBSCRIPTIONS, "{'event':'user.created','functionId':'hello'}", 409,
                 "Subscription \"user.created,hello,%2F\" already exists.");
    expect(state, "DELETE", SUBSCRIPTIONS "/http,GET,%2Fx", NULL, 204, NULL);
    expect(state, "DELETE", SUBSCRIPTIONS "/user.created,hello,%2F", NULL, 204, NULL);
    expect(state, "DELETE", "/v1/spaces/default/functions/hello", NULL, 204, NULL);
}

static void what_came_in_the_old_shape_is_listed_for_both_kinds_of_clients(void **state) {
    expect(state, "POST", "/v1/spaces/default/functions",
           "{'functionId':'hello','provider':{'type':'http','url':'http://e.com/'}}", 201, "");
    expect(state, "GET", "/v1/spaces/default/functions", NULL, 200,
           "{'functions':[{'space':'default','functionId':'hello','type':'http',"
           "'provider':{'type':'http','url':'http://e.com/'},'eventFormat':'classic'}]}");
    expect(state, "POST", SUBSCRIPTIONS,
           "{'event':'http','functionId':'hello','method':'GET','path':'/x','cors':{}}", 201, "");
    expect(state, "GET", SUBSCRIPTIONS, NULL, 200,
           "{'subscriptions':[{'space':'default','subscriptionId':'http,GET,%2Fx','type':'sync',"
           "'eventType':'http.request','event':'http','functionId':'hello','method':'GET',"
           "'path':'/x','cors':{'origins':['*'],'methods':['HEAD','GET','POST'],"
           "'headers':['Origin','Accept','Content-Type'],'allowCredentials':false}}]}");
    expect(state, "GET", SUBSCRIPTIONS "/c3luYyxodHRwLnJlcXVlc3QsJTJGeCxHRVQ", NULL, 200, "");
}

static void put_back(void **state, const char *path) {
    int64_t revision = current_revision(state);
    struct raw_answer shown = ask(*state, "GET", path, NULL, "");
    char *body = bytes_to_text(shown.body);
    struct raw_answer put = ask(*state, "PUT", path, body, "");
    if (put.status != 200 || !bytes_equal(put.body, shown.body)) {
        fail_unlike(path, &put, body);
    }
    assert_int_equal(current_revision(state), revision);
    raw_answer_clear(&shown);
    raw_answer_clear(&put);
    free(body);
}

static void whatever_is_shown_can_be_put_back(void **state) {
    expect(state, "POST", "/v1/spaces/default/functions",
           "{'functionId':'hello','provider':{'type':'http','url':'http://e.com/'}}", 201, "");
    expect(state, "POST", SUBSCRIPTIONS,
           "{'event':'http','functionId':'hello','method':'GET','path':'/x','cors':{}}", 201, "");
    expect(state, "POST", SUBSCRIPTIONS,
           "{'type':'async','eventType':'http.request','functionId':'hello',"
           "'delivery':{'retry':{'factor':1.5}}}",
           201, "");
    put_back(state, "/v1/spaces/default/functions/hello");
    put_back(state, SUBSCRIPTIONS "/http,GET,%2Fx");
    put_back(state, SUBSCRIPTIONS "/http.request,hello,%2F");
    put_back(state, "/v1/spaces/default/cors/GET%2Fx");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(defaults_and_the_id_are_those_of_the_original),
        FIXTURE_TEST(bad_subscriptions_are_refused_in_the_originals_words),
        FIXTURE_TEST(method_and_path_are_brought_into_form),
        FIXTURE_TEST(requests_and_system_events_need_no_event_type),
        FIXTURE_TEST(a_subscription_that_is_there_is_409),
        FIXTURE_TEST(a_subscription_that_is_not_there_is_404),
        FIXTURE_TEST(paths_that_conflict_are_refused),
        FIXTURE_TEST(what_a_subscription_is_cannot_be_updated),
        FIXTURE_TEST(a_put_keeps_our_members_and_replaces_metadata),
        FIXTURE_TEST(a_put_that_changes_nothing_leaves_the_store_alone),
        FIXTURE_TEST(ids_may_be_percent_encoded),
        FIXTURE_TEST(the_old_shape_is_answered_in_the_old_shape),
        FIXTURE_TEST(what_came_in_the_old_shape_is_listed_for_both_kinds_of_clients),
        FIXTURE_TEST(whatever_is_shown_can_be_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
