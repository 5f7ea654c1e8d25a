// Event types.
#include "admin_test.h"

#define EVENT_TYPES "/v1/spaces/default/eventtypes"
#define INVALID "Event Type doesn't validate. Validation error: "

static void an_event_type_is_created_shown_listed_and_deleted(void **state) {
    expect(state, "POST", EVENT_TYPES, "{'name':'test.event','metadata':{'a':'b'}}", 201,
           "{'space':'default','name':'test.event','metadata':{'a':'b'}}");
    expect(state, "GET", EVENT_TYPES "/test.event", NULL, 200,
           "{'space':'default','name':'test.event','metadata':{'a':'b'}}");
    expect(state, "GET", EVENT_TYPES "?metadata.a=b", NULL, 200,
           "{'eventTypes':[{'space':'default','name':'test.event','metadata':{'a':'b'}}]}");
    expect(state, "DELETE", EVENT_TYPES "/test.event", NULL, 204, NULL);
    expect(state, "GET", EVENT_TYPES, NULL, 200, "{'eventTypes':[]}");
}

static void messages_are_those_of_the_original(void **state) {
    expect(state, "POST", EVENT_TYPES, "{'name':'n'}", 201, "");
    expect_error(state, "POST", EVENT_TYPES, "{'name':'n'}", 409,
                 "Event Type \"n\" already exists.");
    expect_error(state, "GET", EVENT_TYPES "/m", NULL, 404, "Event Type \"m\" not found.");
    expect_error(state, "PUT", EVENT_TYPES "/m", "{}", 404, "Event Type \"m\" not found.");
    expect_error(state, "DELETE", EVENT_TYPES "/m", NULL, 404, "Event Type \"m\" not found.");
    expect_error(state, "POST", EVENT_TYPES, "{}", 400,
                 INVALID
                 "Key: 'Type.Name' Error:Field validation for 'Name' failed on the 'required' tag");
    expect_error(state, "POST", EVENT_TYPES, "{'name':'n','x':1}", 400,
                 INVALID "unknown field \"x\"");
}

static void the_authorizer_of_a_new_type_exists(void **state) {
    expect_error(state, "POST", EVENT_TYPES, "{'name':'n','authorizerId':'later'}", 400,
                 "Authorizer function doesn't exists.");
    expect(state, "POST", EVENT_TYPES, "{'name':'n'}", 201, "");
    expect(state, "PUT", EVENT_TYPES "/n", "{'authorizerId':'later'}", 200,
           "{'space':'default','name':'n','authorizerId':'later'}");
}

static void a_type_in_use_is_not_deleted(void **state) {
    make_function_and_type(state);
    expect(state, "POST", "/v1/spaces/default/subscriptions",
           "{'type':'async','eventType':'e','functionId':'f'}", 201, "");
    expect_error(state, "DELETE", EVENT_TYPES "/e", NULL, 400,
                 "Event type cannot be deleted because there are subscriptions using it.");
}

static void types_that_are_always_there_can_be_created_and_deleted(void **state) {
    static const char *const names[] = {"http.request", "gateway.event.received",
                                        "eventgateway.event.received"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char body[100];
        char path[100];
        snprintf(body, sizeof body, "{'name':'%s'}", names[i]);
        snprintf(path, sizeof path, EVENT_TYPES "/%s", names[i]);
        expect_error(state, "GET", path, NULL, 404,
                     i == 0   ? "Event Type \"http.request\" not found."
                     : i == 1 ? "Event Type \"gateway.event.received\" not found."
                              : "Event Type \"eventgateway.event.received\" not found.");
        expect(state, "POST", EVENT_TYPES, body, 201, "");
        expect(state, "DELETE", path, NULL, 204, NULL);
    }
}

static void a_put_keeps_the_description(void **state) {
    expect(state, "POST", EVENT_TYPES, "{'name':'n','description':'d','metadata':{'a':'b'}}", 201,
           "");
    expect(state, "PUT", EVENT_TYPES "/n", "{'name':'n'}", 200,
           "{'space':'default','name':'n','description':'d'}");
    expect(state, "PUT", EVENT_TYPES "/n", "{'description':null}", 200,
           "{'space':'default','name':'n'}");
}

static void an_authorizers_answers_can_be_kept_for_some_time(void **state) {
    expect(state, "POST", EVENT_TYPES, "{'name':'n','authorizerCacheSeconds':60}", 201,
           "{'space':'default','name':'n','authorizerCacheSeconds':60}");
    expect(state, "PUT", EVENT_TYPES "/n", "{'name':'n'}", 200,
           "{'space':'default','name':'n','authorizerCacheSeconds':60}");
    expect_error(state, "PUT", EVENT_TYPES "/n", "{'authorizerCacheSeconds':'a minute'}", 400,
                 INVALID "authorizerCacheSeconds: must be a whole number from 0 to 3600");
    expect(state, "PUT", EVENT_TYPES "/n", "{'authorizerCacheSeconds':null}", 200,
           "{'space':'default','name':'n'}");
}

static void schemas_are_refused_until_something_checks_them(void **state) {
    expect_error(state, "POST", EVENT_TYPES, "{'name':'n','schema':{'type':'object'}}", 400,
                 INVALID "schema: not supported yet");
    expect_error(state, "POST", EVENT_TYPES, "{'name':'n','schemaEnforcement':'reject'}", 400,
                 INVALID "schemaEnforcement: not supported yet, other than \"off\"");
    expect(state, "POST", EVENT_TYPES, "{'name':'n','schema':null,'schemaEnforcement':'off'}", 201,
           "{'space':'default','name':'n'}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(an_event_type_is_created_shown_listed_and_deleted),
        FIXTURE_TEST(messages_are_those_of_the_original),
        FIXTURE_TEST(the_authorizer_of_a_new_type_exists),
        FIXTURE_TEST(a_type_in_use_is_not_deleted),
        FIXTURE_TEST(types_that_are_always_there_can_be_created_and_deleted),
        FIXTURE_TEST(a_put_keeps_the_description),
        FIXTURE_TEST(an_authorizers_answers_can_be_kept_for_some_time),
        FIXTURE_TEST(schemas_are_refused_until_something_checks_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
