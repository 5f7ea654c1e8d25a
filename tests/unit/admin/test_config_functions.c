// Functions in the spaces dialect: shapes, messages, what a PUT keeps, and secrets.
#include "admin_test.h"

#define FUNCTIONS "/v1/spaces/default/functions"
#define INVALID "Function doesn't validate. Validation error: "

static void a_function_is_registered_shown_and_listed(void **state) {
    static const char shown[] = "{'space':'testspace','functionId':'test','type':'http',"
                                "'provider':{'url':'http://example.com/'}}";
    expect(state, "POST", "/v1/spaces/testspace/functions",
           "{'functionId':'test','type':'http','provider':{'url':'http://example.com/'}}", 201,
           shown);
    expect(state, "GET", "/v1/spaces/testspace/functions/test", NULL, 200, shown);
    expect(state, "GET", "/v1/spaces/testspace/functions", NULL, 200,
           "{'functions':[{'space':'testspace','functionId':'test','type':'http',"
           "'provider':{'url':'http://example.com/'}}]}");
    expect(state, "GET", "/v1/spaces/default/functions", NULL, 200, "{'functions':[]}");
}

static void a_function_that_is_there_is_not_registered_again(void **state) {
    make_function_and_type(state);
    expect_error(state, "POST", FUNCTIONS,
                 "{'functionId':'f','type':'http','provider':{'url':'http://example.com/'}}", 409,
                 "Function \"f\" already registered.");
}

static void a_function_that_is_not_there_is_404(void **state) {
    static const char message[] = "Function \"missing-func\" not found.";
    expect_error(state, "GET", FUNCTIONS "/missing-func", NULL, 404, message);
    expect_error(state, "DELETE", FUNCTIONS "/missing-func", NULL, 404, message);
    expect_error(state, "PUT", FUNCTIONS "/missing-func",
                 "{'type':'http','provider':{'url':'http://example.com/'}}", 404, message);
}

static void bad_functions_are_refused_in_the_originals_words(void **state) {
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"{'functionId':'f'}", INVALID "provider configuration not set"},
        {"{'functionId':'f','type':'nothing','provider':{}}",
         INVALID "provider nothing not supported"},
        {"{'functionId':'f','type':'http'}", INVALID "provider: must be an object"},
        {"{'functionId':'f','type':'http','provider':{}}",
         INVALID "Missing required fields for HTTP endpoint."},
        {"{'type':'http','provider':{'url':'http://example.com/'}}",
         INVALID "Key: 'Function.ID' Error:Field validation for 'ID' failed on the 'required' tag"},
        {"{'functionId':'a/b','type':'http','provider':{'url':'http://example.com/'}}", INVALID
         "Key: 'Function.ID' Error:Field validation for 'ID' failed on the 'functionid' tag"},
        {"{'functionId':7,'type':'http','provider':{'url':'http://example.com/'}}",
         INVALID "functionId: must be a string"},
        {"{'functionId':'f','type':'http','provider':{'url':'http://example.com/'},'metadata':[]}",
         INVALID "metadata: must be an object"},
        {"{'functionId':'f','type':'http','provider':{'url':'http://example.com/'},"
         "'metadata':{'a':1}}",
         INVALID "metadata.a: must be a string"},
        {"{'functionId':'f','type':'http','provider':{'url':'http://example.com/'},"
         "'eventFormat':'xml'}",
         INVALID "eventFormat: must be cloudevents/1.0, cloudevents-binary/1.0, cloudevents/0.1 or "
                 "classic"},
        {"[]", INVALID "a JSON object expected"},
        {"", INVALID "line 1, column 1: empty, JSON expected"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        expect_error(state, "POST", FUNCTIONS, cases[i].body, 400, cases[i].message);
    }
    expect(state, "GET", FUNCTIONS, NULL, 200, "{'functions':[]}");
}

static void a_bad_space_is_refused(void **state) {
    static const char body[] =
        "{'functionId':'f','type':'http','provider':{'url':'http://e.com/'}}";
    expect_error(
        state, "POST", "/v1/spaces/ab/functions", body, 400,
        INVALID "Key: 'Function.Space' Error:Field validation for 'Space' failed on the 'min' tag");
    expect_error(
        state, "POST", "/v1/spaces/a%20b/functions", body, 400,
        INVALID
        "Key: 'Function.Space' Error:Field validation for 'Space' failed on the 'space' tag");
}

static void malformed_json_is_refused_with_line_and_column(void **state) {
    struct raw_answer answer = ask(*state, "POST", FUNCTIONS, "{\n  'functionId': }", "");
    assert_int_equal(answer.status, 400);
    assert_non_null(memmem(answer.body.data, answer.body.size, "line 2, column", 14));
    raw_answer_clear(&answer);
}

static void unknown_fields_are_refused_by_name(void **state) {
    expect_error(state, "POST", FUNCTIONS,
                 "{'functionId':'f','type':'http','provider':{'url':'http://e.com/'},'color':1}",
                 400, INVALID "unknown field \"color\"");
    expect_error(state, "POST", FUNCTIONS,
                 "{'functionId':'f','type':'http','provider':{'url':'http://e.com/','color':1}}",
                 400, INVALID "unknown field \"provider.color\"");
    expect_error(state, "POST", FUNCTIONS,
                 "{'functionId':'f','type':'http','provider':{'url':'http://e.com/',"
                 "'auth':{'bearrer':'s3cr3t'}}}",
                 400, INVALID "unknown field \"provider.auth.bearrer\"");
}

static void metadata_may_hold_any_names(void **state) {
    expect(state, "POST", FUNCTIONS,
           "{'functionId':'f','type':'http','provider':{'url':'http://e.com/'},"
           "'metadata':{'anything goes':'here'}}",
           201,
           "{'space':'default','functionId':'f','type':'http','provider':{'url':'http://e.com/'},"
           "'metadata':{'anything goes':'here'}}");
}

static void member_names_are_known_in_any_case(void **state) {
    expect(state, "POST", FUNCTIONS,
           "{'FunctionID':'f','Type':'http','provider':{'URL':'http://e.com/'}}", 201,
           "{'space':'default','functionId':'f','type':'http','provider':{'url':'http://e.com/'}}");
}

static void what_was_listed_can_be_put_back_whole(void **state) {
    make_function_and_type(state);
    int64_t revision = current_revision(state);
    struct raw_answer shown = ask(*state, "GET", FUNCTIONS "/f", NULL, "");
    char *body = bytes_to_text(shown.body);
    struct raw_answer put = ask(*state, "PUT", FUNCTIONS "/f", body, "");
    assert_int_equal(put.status, 200);
    assert_true(bytes_equal(put.body, shown.body));
    assert_int_equal(current_revision(state), revision);
    raw_answer_clear(&shown);
    raw_answer_clear(&put);
    free(body);
}

static void a_put_that_changes_nothing_leaves_the_store_alone(void **state) {
    struct admin_fixture *fixture = *state;
    make_function_and_type(state);
    int applies = atomic_load(&fixture->store->applies);
    expect(state, "PUT", FUNCTIONS "/f", "{'provider':{'url':'http://example.com/'},'type':'http'}",
           200, "");
    assert_int_equal(atomic_load(&fixture->store->applies), applies);
}

static void a_put_replaces_what_the_original_has_and_keeps_what_is_ours(void **state) {
    expect(state, "POST", FUNCTIONS,
           "{'functionId':'f','type':'http','eventFormat':'classic','metadata':{'a':'b'},"
           "'provider':{'url':'http://a.com/','timeoutMs':5,'headers':{'X':'1'}}}",
           201, "");
    expect(state, "PUT", FUNCTIONS "/f", "{'type':'http','provider':{'url':'http://b.com/'}}", 200,
           "{'space':'default','functionId':'f','type':'http','eventFormat':'classic',"
           "'provider':{'url':'http://b.com/','timeoutMs':5,'headers':{'X':'1'}}}");
    expect(state, "PUT", FUNCTIONS "/f",
           "{'type':'http','eventFormat':null,"
           "'provider':{'url':'http://b.com/','timeoutMs':null,'headers':null}}",
           200,
           "{'space':'default','functionId':'f','type':'http','provider':{'url':'http://b.com/'}}");
}

static void a_put_takes_the_id_of_the_url(void **state) {
    make_function_and_type(state);
    expect(state, "PUT", FUNCTIONS "/f",
           "{'functionId':'other','space':'elsewhere','type':'http',"
           "'provider':{'url':'http://b.com/'}}",
           200,
           "{'space':'default','functionId':'f','type':'http','provider':{'url':'http://b.com/'}}");
}

static void a_function_in_use_is_not_deleted(void **state) {
    make_function_and_type(state);
    expect(state, "POST", "/v1/spaces/default/subscriptions",
           "{'type':'async','eventType':'e','functionId':'f'}", 201, "");
    expect_error(state, "DELETE", FUNCTIONS "/f", NULL, 400,
                 "Function cannot be deleted because it's subscribed to a least one event.");
    expect(state, "DELETE", "/v1/spaces/default/subscriptions/YXN5bmMsZSxmLCUyRixQT1NU", NULL, 204,
           NULL);
    expect(state, "DELETE", FUNCTIONS "/f", NULL, 204, NULL);
}

static void an_authorizer_is_not_deleted(void **state) {
    make_function_and_type(state);
    expect(state, "POST", "/v1/spaces/default/eventtypes", "{'name':'t','authorizerId':'f'}", 201,
           "{'space':'default','name':'t','authorizerId':'f'}");
    expect_error(state, "DELETE", FUNCTIONS "/f", NULL, 400,
                 "Function f cannot be deleted because is used as an authorizer for t event type.");
    expect(state, "DELETE", "/v1/spaces/default/eventtypes/t", NULL, 204, NULL);
    expect(state, "DELETE", FUNCTIONS "/f", NULL, 204, NULL);
}

static void other_spaces_do_not_keep_a_function(void **state) {
    make_function_and_type(state);
    expect(state, "POST", "/v1/spaces/other/functions",
           "{'functionId':'f','type':'http','provider':{'url':'http://example.com/'}}", 201, "");
    expect(state, "POST", "/v1/spaces/other/eventtypes", "{'name':'e','authorizerId':'f'}", 201,
           "");
    expect(state, "DELETE", FUNCTIONS "/f", NULL, 204, NULL);
}

static void lists_are_filtered_by_metadata(void **state) {
    expect(state, "POST", FUNCTIONS,
           "{'functionId':'a','type':'http','provider':{'url':'http://e.com/'},"
           "'metadata':{'team':'shop floor','env':'prod'}}",
           201, "");
    expect(state, "POST", FUNCTIONS,
           "{'functionId':'b','type':'http','provider':{'url':'http://e.com/'},"
           "'metadata':{'team':'shop floor','env':'dev'}}",
           201, "");
    static const char a[] =
        "{'functions':[{'space':'default','functionId':'a','type':'http',"
        "'provider':{'url':'http://e.com/'},'metadata':{'team':'shop floor','env':'prod'}}]}";
    expect(state, "GET", FUNCTIONS "?metadata.env=prod", NULL, 200, a);
    expect(state, "GET", FUNCTIONS "?metadata.team=shop+floor&metadata.env=prod", NULL, 200, a);
    expect(state, "GET", FUNCTIONS "?metadata.team=shop%20floor&x=y&metadata.env=prod", NULL, 200,
           a);
    expect(state, "GET", FUNCTIONS "?metadata.env=prod&metadata.env=dev", NULL, 200,
           "{'functions':[]}");
    expect(state, "GET", FUNCTIONS "?metadata.nothing=", NULL, 200, "{'functions':[]}");
    expect(state, "GET", FUNCTIONS "?undefined", NULL, 200, "");
}

static void weighted_functions_have_members_that_exist(void **state) {
    make_function_and_type(state);
    expect(state, "POST", FUNCTIONS,
           "{'functionId':'w','type':'weighted','provider':{'weighted':["
           "{'functionId':'f','weight':1}]}}",
           201, "");
    struct raw_answer answer = ask(*state, "POST", FUNCTIONS,
                                   "{'functionId':'v','type':'weighted','provider':{'weighted':["
                                   "{'functionId':'gone','weight':1}]}}",
                                   "");
    assert_int_equal(answer.status, 400);
    raw_answer_clear(&answer);
}

static void weighted_functions_do_not_lead_back_to_themselves(void **state) {
    make_function_and_type(state);
    expect(state, "POST", FUNCTIONS,
           "{'functionId':'w','type':'weighted','provider':{'weighted':["
           "{'functionId':'f','weight':1}]}}",
           201, "");
    struct raw_answer answer =
        ask(*state, "PUT", FUNCTIONS "/f",
            "{'type':'weighted','provider':{'weighted':[{'functionId':'w','weight':1}]}}", "");
    assert_int_equal(answer.status, 400);
    raw_answer_clear(&answer);
}

#define WITH_SECRET                                                                                \
    "{'functionId':'s','type':'http','provider':{'url':'http://e.com/',"                           \
    "'auth':{'bearer':'s3cr3t'}}}"
#define MASKED                                                                                     \
    "{'space':'default','functionId':'s','type':'http','provider':{'url':'http://e.com/',"         \
    "'auth':{'bearer':'*****'}}}"

static void secrets_are_stored_sealed_and_shown_masked(void **state) {
    expect(state, "POST", FUNCTIONS, WITH_SECRET, 201, MASKED);
    expect(state, "GET", FUNCTIONS "/s", NULL, 200, MASKED);
    char *stored = stored_text(state, RESOURCE_FUNCTION, "default", "s");
    assert_null(strstr(stored, "s3cr3t"));
    assert_non_null(strstr(stored, "\"bearer\":\"sealed:v1:"));
    free(stored);
}

static void a_masked_secret_keeps_the_stored_one(void **state) {
    expect(state, "POST", FUNCTIONS, WITH_SECRET, 201, "");
    char *before = stored_text(state, RESOURCE_FUNCTION, "default", "s");
    expect(state, "PUT", FUNCTIONS "/s", MASKED, 200, MASKED);
    char *after = stored_text(state, RESOURCE_FUNCTION, "default", "s");
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void the_same_secret_again_changes_nothing(void **state) {
    expect(state, "POST", FUNCTIONS, WITH_SECRET, 201, "");
    int64_t revision = current_revision(state);
    expect(state, "PUT", FUNCTIONS "/s", WITH_SECRET, 200, MASKED);
    assert_int_equal(current_revision(state), revision);
}

static void another_secret_replaces_the_stored_one(void **state) {
    expect(state, "POST", FUNCTIONS, WITH_SECRET, 201, "");
    char *before = stored_text(state, RESOURCE_FUNCTION, "default", "s");
    expect(state, "PUT", FUNCTIONS "/s",
           "{'type':'http','provider':{'url':'http://e.com/','auth':{'bearer':'other'}}}", 200,
           MASKED);
    char *after = stored_text(state, RESOURCE_FUNCTION, "default", "s");
    assert_string_not_equal(after, before);
    assert_null(strstr(after, "other"));
    free(before);
    free(after);
}

static void a_mask_without_a_secret_behind_it_is_refused(void **state) {
    expect_error(state, "POST", FUNCTIONS, MASKED, 400,
                 INVALID "provider.auth.bearer: \"*****\" stands for a stored secret, and there is "
                         "none");
}

static int setup_without_key(void **state) {
    struct admin_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->has_no_key = true;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static void without_a_key_functions_with_secrets_are_refused(void **state) {
    expect_error(state, "POST", FUNCTIONS, WITH_SECRET, 400,
                 INVALID "provider.auth.bearer: is a secret, and this gateway has no key to store "
                         "it with (--secrets-key-file)");
    make_function_and_type(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_function_is_registered_shown_and_listed),
        FIXTURE_TEST(a_function_that_is_there_is_not_registered_again),
        FIXTURE_TEST(a_function_that_is_not_there_is_404),
        FIXTURE_TEST(bad_functions_are_refused_in_the_originals_words),
        FIXTURE_TEST(a_bad_space_is_refused),
        FIXTURE_TEST(malformed_json_is_refused_with_line_and_column),
        FIXTURE_TEST(unknown_fields_are_refused_by_name),
        FIXTURE_TEST(metadata_may_hold_any_names),
        FIXTURE_TEST(member_names_are_known_in_any_case),
        FIXTURE_TEST(what_was_listed_can_be_put_back_whole),
        FIXTURE_TEST(a_put_that_changes_nothing_leaves_the_store_alone),
        FIXTURE_TEST(a_put_replaces_what_the_original_has_and_keeps_what_is_ours),
        FIXTURE_TEST(a_put_takes_the_id_of_the_url),
        FIXTURE_TEST(a_function_in_use_is_not_deleted),
        FIXTURE_TEST(an_authorizer_is_not_deleted),
        FIXTURE_TEST(other_spaces_do_not_keep_a_function),
        FIXTURE_TEST(lists_are_filtered_by_metadata),
        FIXTURE_TEST(weighted_functions_have_members_that_exist),
        FIXTURE_TEST(weighted_functions_do_not_lead_back_to_themselves),
        FIXTURE_TEST(secrets_are_stored_sealed_and_shown_masked),
        FIXTURE_TEST(a_masked_secret_keeps_the_stored_one),
        FIXTURE_TEST(the_same_secret_again_changes_nothing),
        FIXTURE_TEST(another_secret_replaces_the_stored_one),
        FIXTURE_TEST(a_mask_without_a_secret_behind_it_is_refused),
        cmocka_unit_test_setup_teardown(without_a_key_functions_with_secrets_are_refused,
                                        setup_without_key, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
