// CORS rules.
#include "admin_test.h"

#define CORS "/v1/spaces/testspace/cors"
#define INVALID "CORS configuration doesn't validate. Validation error: "
#define SHOWN                                                                                      \
    "{'space':'testspace','corsId':'GET%2Ftest','method':'GET','path':'/test',"                    \
    "'allowedOrigins':['http://example.com'],'allowedHeaders':['Origin','Accept','Content-Type']," \
    "'allowedMethods':['HEAD','GET','POST'],'allowCredentials':false}"

static void make_rule(void **state) {
    expect(state, "POST", CORS,
           "{'method':'GET','path':'/test','allowedOrigins':['http://example.com']}", 201, SHOWN);
}

static void a_rule_is_created_with_defaults_shown_listed_and_deleted(void **state) {
    make_rule(state);
    expect(state, "GET", CORS, NULL, 200, "{'cors':[" SHOWN "]}");
    expect(state, "GET", CORS "?metadata.foo=bar", NULL, 200, "{'cors':[]}");
    expect(state, "GET", CORS "/GET%2Ftest", NULL, 200, SHOWN);
    expect(state, "DELETE", CORS "/GET%2Ftest", NULL, 204, NULL);
    expect(state, "GET", CORS, NULL, 200, "{'cors':[]}");
}

static void a_rule_is_found_however_its_id_is_encoded(void **state) {
    make_rule(state);
    expect(state, "GET", CORS "/GET%2Ftest", NULL, 200, SHOWN);
    expect(state, "GET", CORS "/GET%252Ftest", NULL, 200, SHOWN);
    expect(state, "GET", CORS "/GET%2ftest", NULL, 200, SHOWN);
    expect(state, "GET", CORS "/GET/test", NULL, 200, SHOWN);
}

static void messages_are_those_of_the_original(void **state) {
    make_rule(state);
    expect_error(state, "POST", CORS, "{'method':'GET','path':'/test'}", 409,
                 "CORS configuration \"GET%2Ftest\" already exists.");
    expect(state, "DELETE", CORS "/GET%2Ftest", NULL, 204, NULL);
    expect_error(state, "DELETE", CORS "/GET%2Ftest", NULL, 404,
                 "CORS configuration \"GET%2Ftest\" not found.");
    expect_error(state, "POST", CORS, "{'path':'/test'}", 400,
                 INVALID "Key: 'CORS.Method' Error:Field validation for 'Method' failed on the "
                         "'eq=GET|eq=POST|eq=DELETE|eq=PUT|eq=PATCH|eq=HEAD|eq=OPTIONS' tag");
    expect_error(state, "POST", CORS, "{'method':'GET'}", 400,
                 INVALID
                 "Key: 'CORS.Path' Error:Field validation for 'Path' failed on the 'path' tag");
    expect_error(state, "POST", CORS, "{'method':'GET','path':'/','allowedOrigins':'*'}", 400,
                 INVALID "allowedOrigins: must be an array of strings");
    expect_error(state, "POST", CORS, "{'method':'GET','path':'/','allowCredentials':1}", 400,
                 INVALID "allowCredentials: must be true or false");
    expect_error(state, "POST", CORS, "{'method':'GET','path':'/','maxAge':1}", 400,
                 INVALID "unknown field \"maxAge\"");
}

static void an_update_changes_the_lists_but_not_method_and_path(void **state) {
    make_rule(state);
    expect(state, "PUT", CORS "/GET%2Ftest",
           "{'corsId':'GET%2Ftest','method':'GET','path':'/test','allowedHeaders':['X'],"
           "'allowCredentials':true}",
           200,
           "{'space':'testspace','corsId':'GET%2Ftest','method':'GET','path':'/test',"
           "'allowedOrigins':['*'],'allowedHeaders':['X'],"
           "'allowedMethods':['HEAD','GET','POST'],'allowCredentials':true}");
    expect_error(state, "PUT", CORS "/GET%2Ftest", "{'method':'PUT','path':'/test'}", 400,
                 "Invalid update. 'Method' of existing CORS configuration cannot be updated.");
    expect_error(state, "PUT", CORS "/GET%2Ftest", "{'method':'GET','path':'/other'}", 400,
                 "Invalid update. 'Path' of existing CORS configuration cannot be updated.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_rule_is_created_with_defaults_shown_listed_and_deleted),
        FIXTURE_TEST(a_rule_is_found_however_its_id_is_encoded),
        FIXTURE_TEST(messages_are_those_of_the_original),
        FIXTURE_TEST(an_update_changes_the_lists_but_not_method_and_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
