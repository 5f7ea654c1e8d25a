// The first generation: /v1/functions and /v1/subscriptions.
#include "admin_test.h"

#define HELLO "{'functionId':'hello','provider':{'type':'http','url':'http://e.com/'}}"
#define DEFAULT_CORS                                                                               \
    "{'origins':['*'],'methods':['HEAD','GET','POST'],'headers':['Origin','Accept',"               \
    "'Content-Type'],'allowCredentials':false}"

static void make_hello(void **state) {
    expect(state, "POST", "/v1/functions", HELLO, 200, HELLO);
}

static void functions_have_their_type_in_the_provider(void **state) {
    make_hello(state);
    expect(state, "GET", "/v1/functions/hello", NULL, 200, HELLO);
    expect(state, "GET", "/v1/functions", NULL, 200, "{'functions':[" HELLO "]}");
    expect(state, "PUT", "/v1/functions/hello",
           "{'provider':{'type':'http','url':'http://b.com/'}}", 200,
           "{'functionId':'hello','provider':{'type':'http','url':'http://b.com/'}}");
    expect(state, "DELETE", "/v1/functions/hello", NULL, 204, NULL);
    expect(state, "GET", "/v1/functions", NULL, 200, "{'functions':[]}");
}

static void what_it_registers_gets_events_in_its_format(void **state) {
    make_hello(state);
    expect(state, "GET", "/v1/spaces/default/functions/hello", NULL, 200,
           "{'space':'default','functionId':'hello','type':'http',"
           "'provider':{'url':'http://e.com/'},'eventFormat':'classic'}");
    expect(state, "PUT", "/v1/functions/hello", HELLO, 200, HELLO);
    char *stored = stored_text(state, RESOURCE_FUNCTION, "default", "hello");
    assert_non_null(strstr(stored, "\"eventFormat\":\"classic\""));
    free(stored);
}

static void errors_are_one_text(void **state) {
    make_hello(state);
    expect_classic_error(state, "POST", "/v1/functions", HELLO, 400,
                         "Function \"hello\" already registered.");
    expect_classic_error(state, "GET", "/v1/functions/x", NULL, 404, "Function \"x\" not found.");
    expect_classic_error(state, "DELETE", "/v1/functions/x", NULL, 404,
                         "Function \"x\" not found.");
    expect_classic_error(state, "POST", "/v1/functions", "{'functionId':'x'}", 400,
                         "Function doesn't validate. Validation error: provider configuration not "
                         "set");
    expect_classic_error(state, "DELETE", "/v1/subscriptions/x", NULL, 404,
                         "Subscription \"x\" not found.");
    struct raw_answer answer = ask(*state, "POST", "/v1/functions", "{", "");
    assert_int_equal(answer.status, 400);
    assert_memory_equal(answer.body.data, "{\"error\":\"Malformed JSON payload: line 1, column",
                        48);
    raw_answer_clear(&answer);
}

static void unknown_fields_are_ignored(void **state) {
    expect(state, "POST", "/v1/functions",
           "{'functionId':'hello','color':1,'provider':{'type':'http','url':'http://e.com/',"
           "'color':1,'auth':{'color':1}}}",
           200,
           "{'functionId':'hello','provider':{'type':'http','url':'http://e.com/','auth':{}}}");
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'e','functionId':'hello','color':1,'delivery':{'color':1}}", 200, "");
}

static void a_subscription_makes_its_event_type(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'user.created','functionId':'hello','path':'/a'}", 200,
           "{'subscriptionId':'user.created,hello,%2Fa','event':'user.created',"
           "'functionId':'hello','path':'/a'}");
    expect(state, "GET", "/v1/spaces/default/eventtypes", NULL, 200,
           "{'eventTypes':[{'space':'default','name':'user.created'}]}");
    expect(state, "POST", "/v1/subscriptions", "{'event':'user.created','functionId':'hello'}", 200,
           "");
}

static void a_subscription_of_system_events_makes_no_event_type(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'gateway.event.received','functionId':'hello'}", 200, "");
    expect(state, "GET", "/v1/spaces/default/eventtypes", NULL, 200, "{'eventTypes':[]}");
}

static void http_is_a_synchronous_subscription_of_requests(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'http','functionId':'hello','method':'get','path':'x'}", 200,
           "{'subscriptionId':'http,GET,%2Fx','event':'http','functionId':'hello','method':'GET',"
           "'path':'/x'}");
    expect(state, "GET", "/v1/spaces/default/subscriptions", NULL, 200,
           "{'subscriptions':[{'space':'default',"
           "'subscriptionId':'c3luYyxodHRwLnJlcXVlc3QsJTJGeCxHRVQ','type':'sync',"
           "'eventType':'http.request','functionId':'hello','path':'/x','method':'GET'}]}");
    expect(state, "GET", "/v1/spaces/default/eventtypes", NULL, 200, "{'eventTypes':[]}");
}

static void http_needs_a_method(void **state) {
    make_hello(state);
    expect_classic_error(state, "POST", "/v1/subscriptions",
                         "{'event':'http','functionId':'hello'}", 400,
                         "Subscription doesn't validate. Validation error: Missing required fields "
                         "(method, path) for HTTP event.");
}

static void bad_subscriptions_are_refused(void **state) {
    make_hello(state);
    expect_classic_error(state, "POST", "/v1/subscriptions", "{'functionId':'hello'}", 400,
                         "Subscription doesn't validate. Validation error: Key: "
                         "'Subscription.Event' Error:Field validation for 'Event' failed on the "
                         "'required' tag");
    expect_classic_error(state, "POST", "/v1/subscriptions", "{'event':'e','functionId':'gone'}",
                         400, "Function \"gone\" not found.");
    expect(state, "POST", "/v1/subscriptions", "{'event':'e','functionId':'hello'}", 200, "");
    expect_classic_error(state, "POST", "/v1/subscriptions", "{'event':'e','functionId':'hello'}",
                         400, "Subscription \"e,hello,%2F\" already exists.");
}

static void a_refused_subscription_makes_no_event_type(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions", "{'event':'e','functionId':'gone'}", 400, "");
    expect(state, "GET", "/v1/spaces/default/eventtypes", NULL, 200, "{'eventTypes':[]}");
}

static void cors_is_a_rule_that_goes_with_the_subscription(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'http','functionId':'hello','method':'GET','path':'/x','cors':{}}", 200,
           "{'subscriptionId':'http,GET,%2Fx','event':'http','functionId':'hello','method':'GET',"
           "'path':'/x','cors':" DEFAULT_CORS "}");
    expect(state, "GET", "/v1/spaces/default/cors/GET%2Fx", NULL, 200,
           "{'space':'default','corsId':'GET%2Fx','method':'GET','path':'/x',"
           "'allowedOrigins':['*'],'allowedMethods':['HEAD','GET','POST'],"
           "'allowedHeaders':['Origin','Accept','Content-Type'],'allowCredentials':false}");
    expect(state, "DELETE", "/v1/subscriptions/http%2CGET%2C%252Fx", NULL, 204, NULL);
    expect(state, "GET", "/v1/spaces/default/cors", NULL, 200, "{'cors':[]}");
}

static void the_rule_goes_whoever_deletes_the_subscription(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'http','functionId':'hello','method':'GET','path':'/x','cors':{}}", 200, "");
    expect(state, "DELETE", "/v1/spaces/default/subscriptions/c3luYyxodHRwLnJlcXVlc3QsJTJGeCxHRVQ",
           NULL, 204, NULL);
    expect(state, "GET", "/v1/spaces/default/cors", NULL, 200, "{'cors':[]}");
}

static void cors_is_shown_as_the_rule_is_now(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'http','functionId':'hello','method':'GET','path':'/x',"
           "'cors':{'origins':['http://a.com']}}",
           200, "");
    expect(state, "PUT", "/v1/spaces/default/cors/GET%2Fx",
           "{'method':'GET','path':'/x','allowedOrigins':['http://b.com']}", 200, "");
    expect(state, "GET", "/v1/subscriptions", NULL, 200,
           "{'subscriptions':[{'subscriptionId':'http,GET,%2Fx','event':'http',"
           "'functionId':'hello','method':'GET','path':'/x','cors':{'origins':['http://b.com'],"
           "'methods':['HEAD','GET','POST'],'headers':['Origin','Accept','Content-Type'],"
           "'allowCredentials':false}}]}");
}

static void a_rule_of_somebody_else_stays(void **state) {
    make_hello(state);
    expect(state, "POST", "/v1/spaces/default/cors", "{'method':'GET','path':'/x'}", 201, "");
    expect(state, "POST", "/v1/subscriptions",
           "{'event':'http','functionId':'hello','method':'GET','path':'/x'}", 200, "");
    expect(state, "DELETE", "/v1/subscriptions/http,GET,%2Fx", NULL, 204, NULL);
    expect(state, "GET", "/v1/spaces/default/cors/GET%2Fx", NULL, 200, "");
}

static void bad_cors_is_refused(void **state) {
    make_hello(state);
    expect_classic_error(
        state, "POST", "/v1/subscriptions",
        "{'event':'http','functionId':'hello','method':'GET','path':'/x','cors':{'origins':1}}",
        400,
        "Subscription doesn't validate. Validation error: cors.origins: must be an array of "
        "strings");
}

static void ids_are_found_encoded_and_not(void **state) {
    static const char *const ids[] = {"http,GET,%2Fa%2F:id", "http%2CGET%2C%252Fa%252F%3Aid",
                                      "http,GET,/a/:id"};
    make_hello(state);
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        char path[100];
        snprintf(path, sizeof path, "/v1/subscriptions/%s", ids[i]);
        expect(state, "POST", "/v1/subscriptions",
               "{'event':'http','functionId':'hello','method':'GET','path':'/a/:id'}", 200, "");
        expect(state, "DELETE", path, NULL, 204, NULL);
    }
}

static void what_the_other_generation_made_is_seen_and_deleted_here(void **state) {
    make_function_and_type(state);
    expect(state, "POST", "/v1/spaces/default/subscriptions",
           "{'type':'async','eventType':'e','functionId':'f'}", 201, "");
    expect(state, "GET", "/v1/functions", NULL, 200,
           "{'functions':[{'functionId':'f',"
           "'provider':{'type':'http','url':'http://example.com/'}}]}");
    expect(state, "GET", "/v1/subscriptions", NULL, 200,
           "{'subscriptions':[{'subscriptionId':'e,f,%2F','event':'e','functionId':'f',"
           "'path':'/'}]}");
    expect(state, "DELETE", "/v1/subscriptions/e,f,%2F", NULL, 204, NULL);
    expect(state, "DELETE", "/v1/functions/f", NULL, 204, NULL);
}

static void other_spaces_are_not_seen_here(void **state) {
    expect(state, "POST", "/v1/spaces/team1/functions",
           "{'functionId':'f','type':'http','provider':{'url':'http://example.com/'}}", 201, "");
    expect(state, "GET", "/v1/functions", NULL, 200, "{'functions':[]}");
    expect_classic_error(state, "GET", "/v1/functions/f", NULL, 404, "Function \"f\" not found.");
}

static void a_put_here_keeps_what_only_the_other_generation_knows(void **state) {
    expect(state, "POST", "/v1/spaces/default/functions",
           "{'functionId':'f','type':'http','eventFormat':'cloudevents/1.0',"
           "'provider':{'url':'http://a.com/','timeoutMs':7}}",
           201, "");
    expect(state, "PUT", "/v1/functions/f", "{'provider':{'type':'http','url':'http://b.com/'}}",
           200,
           "{'functionId':'f','provider':{'type':'http','url':'http://b.com/','timeoutMs':7}}");
    expect(state, "GET", "/v1/spaces/default/functions/f", NULL, 200,
           "{'space':'default','functionId':'f','type':'http','eventFormat':'cloudevents/1.0',"
           "'provider':{'url':'http://b.com/','timeoutMs':7}}");
}

static void keys_of_aws_are_taken_and_shown_in_the_spelling_of_the_time(void **state) {
    expect(state, "POST", "/v1/functions",
           "{'functionId':'l','provider':{'type':'awslambda','arn':'arn','region':'r',"
           "'awsAccessKeyID':'AKID','awsSecretAccessKey':'s3cr3t'}}",
           200,
           "{'functionId':'l','provider':{'type':'awslambda','arn':'arn','region':'r',"
           "'awsAccessKeyID':'*****','awsSecretAccessKey':'*****'}}");
    char *before = stored_text(state, RESOURCE_FUNCTION, "default", "l");
    assert_null(strstr(before, "s3cr3t"));
    assert_null(strstr(before, "AKID"));
    assert_non_null(strstr(before, "\"awsAccessKeyId\":\"sealed:"));
    expect(state, "PUT", "/v1/functions/l",
           "{'provider':{'type':'awslambda','arn':'arn','region':'r',"
           "'awsAccessKeyID':'*****','awsSecretAccessKey':'*****'}}",
           200, "");
    char *after = stored_text(state, RESOURCE_FUNCTION, "default", "l");
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void functions_of_the_emulator_can_be_registered(void **state) {
    expect(state, "POST", "/v1/functions",
           "{'functionId':'m','provider':{'type':'emulator','emulatorUrl':'http://localhost:8080',"
           "'apiVersion':'v0'}}",
           200,
           "{'functionId':'m','provider':{'type':'emulator','emulatorUrl':'http://localhost:8080',"
           "'apiVersion':'v0'}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(functions_have_their_type_in_the_provider),
        FIXTURE_TEST(what_it_registers_gets_events_in_its_format),
        FIXTURE_TEST(errors_are_one_text),
        FIXTURE_TEST(unknown_fields_are_ignored),
        FIXTURE_TEST(a_subscription_makes_its_event_type),
        FIXTURE_TEST(a_subscription_of_system_events_makes_no_event_type),
        FIXTURE_TEST(http_is_a_synchronous_subscription_of_requests),
        FIXTURE_TEST(http_needs_a_method),
        FIXTURE_TEST(bad_subscriptions_are_refused),
        FIXTURE_TEST(a_refused_subscription_makes_no_event_type),
        FIXTURE_TEST(cors_is_a_rule_that_goes_with_the_subscription),
        FIXTURE_TEST(the_rule_goes_whoever_deletes_the_subscription),
        FIXTURE_TEST(cors_is_shown_as_the_rule_is_now),
        FIXTURE_TEST(a_rule_of_somebody_else_stays),
        FIXTURE_TEST(bad_cors_is_refused),
        FIXTURE_TEST(ids_are_found_encoded_and_not),
        FIXTURE_TEST(what_the_other_generation_made_is_seen_and_deleted_here),
        FIXTURE_TEST(other_spaces_are_not_seen_here),
        FIXTURE_TEST(keys_of_aws_are_taken_and_shown_in_the_spelling_of_the_time),
        FIXTURE_TEST(functions_of_the_emulator_can_be_registered),
        FIXTURE_TEST(a_put_here_keeps_what_only_the_other_generation_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
