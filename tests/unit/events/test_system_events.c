#include "tests/unit/events/events_test.h"

#include "core/base/text.h"
#include "core/events/causation_depth.h"
#include "core/events/system_events.h"

#define STORED                                                                                     \
    "{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/"                                         \
    "shop\",\"type\":\"order\",\"datacontenttype\":"                                               \
    "\"application/"                                                                               \
    "json\",\"egreceivedtime\":\"2026-11-24T02:14:05.004005Z\",\"data\":{\"n\":1.50}}"
#define AS_1_0                                                                                     \
    "{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/"                                         \
    "shop\",\"type\":\"order\",\"datacontenttype\":"                                               \
    "\"application/json\",\"data\":{\"n\":1.50}}"
#define AS_0_1                                                                                     \
    "{\"cloudEventsVersion\":\"0.1\",\"eventID\":\"7\",\"source\":\"/"                             \
    "shop\",\"eventType\":\"order\","                                                              \
    "\"contentType\":\"application/json\",\"data\":{\"n\":1.50}}"
#define AS_CLASSIC                                                                                 \
    "{\"event\":\"order\",\"id\":\"7\",\"receivedAt\":1795486445004,\"data\":{\"n\":1.50},"        \
    "\"dataType\":"                                                                                \
    "\"application/json\"}"
#define ORDER                                                                                      \
    "POST /orders\nce-specversion: 1.0\nce-id: 7\nce-source: /shop\nce-type: order\n"              \
    "Content-Type: application/json\n"

static const struct system_origin origin = {
    .source = {"/gateway", 8}, .space = {"team1", 5}, .now_us = RECEIVED_US + 5000000};
static const struct system_subscription subscription = {
    .space = {"team1", 5}, .id = {"s1", 2}, .event_type = {"order", 5}, .function_id = {"f", 1}};

static struct system_call call_for(const struct event *event) {
    return (struct system_call){.space = BYTES("team1"), .function_id = BYTES("f"), .event = event};
}

static void every_type_is_read_in_both_spellings(void **state) {
    (void)state;
    enum system_event kind = SYSTEM_EVENT_COUNT;
    for (int i = 0; i < SYSTEM_EVENT_COUNT; i++) {
        const char *name = system_event_name((enum system_event)i);
        assert_true(system_event_parse(bytes_of_text(name), &kind));
        assert_int_equal(kind, i);
        assert_true(system_event_parse(bytes_of_text(name + strlen("event")), &kind));
        assert_int_equal(kind, i);
    }
    static const char *const others[] = {"",
                                         "gateway",
                                         "gateway.",
                                         "gateway.event",
                                         "order",
                                         "eventgateway.event.receivedx",
                                         "eventgateway.other",
                                         "eventgateway.function.invocationfailed"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(system_event_parse(bytes_of_text(others[i]), &kind));
    }
}

static void a_received_event_is_told_with_its_path_and_headers(void **state) {
    (void)state;
    struct test_request request;
    test_request_parse("POST /orders\nHost: h\naccept: a\nACCEPT: b\nAuthorization: Bearer x\n"
                       "Cookie: c\nx-api-key: k\n\n",
                       &request);
    const struct event *event = test_event(ORDER "\n{\"n\":1.50}");
    const struct event *told =
        system_event_received(&origin, event, BYTES("/orders"), &request.request);
    assert_json(told->data,
                "{\"path\":\"/orders\",\"event\":" STORED ",\"headers\":{\"Accept\":\"a, b\","
                "\"Authorization\":\"*****\",\"Cookie\":\"*****\",\"X-Api-Key\":\"*****\"}}");
    assert_bytes(told->type, "eventgateway.event.received");
    assert_bytes(told->source, "/gateway");
    assert_bytes(told->time, "2026-11-24T02:14:10.004005Z");
    assert_int_equal(told->id.size, UUID_TEXT_SIZE - 1);
    assert_int_equal(told->data_kind, EVENT_DATA_JSON);
    event_unref(told);
    event_unref(event);
}

static void a_system_event_names_its_cause(void **state) {
    (void)state;
    const struct event *event =
        test_event(ORDER "ce-causationdepth: 4\nce-correlationid: c\n"
                         "ce-traceparent: "
                         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n\n{}");
    struct system_call call = call_for(event);
    const struct event *told = system_event_invoking(&origin, &call);
    assert_extension(told, "causationdepth", "5", EVENT_VALUE_INTEGER);
    assert_extension(told, "causationid", "7", EVENT_VALUE_STRING);
    assert_extension(told, "partitionkey", "7", EVENT_VALUE_STRING);
    assert_extension(told, "correlationid", "c", EVENT_VALUE_STRING);
    assert_extension(told, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                     EVENT_VALUE_STRING);
    event_unref(told);
    event_unref(event);
}

static void a_system_event_is_of_the_trace_of_its_cause(void **state) {
    (void)state;
    const struct event *traced = NULL;
    const struct event *event = test_event(ORDER "\n{}");
    struct event_builder *builder = event_builder_of(event);
    struct event_context context = event->context;
    context.traceparent = BYTES("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    context.tracestate = BYTES("a=b");
    event_builder_set_context(builder, &context);
    assert_int_equal(event_builder_finish_take(builder, &traced, NULL), STATUS_OK);
    struct system_call call = call_for(traced);
    const struct event *told = test_through_log(system_event_invoking(&origin, &call));
    assert_bytes(told->context.traceparent,
                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_bytes(told->context.tracestate, "a=b");
    event_unref(told);
    event_unref(traced);
    event_unref(event);
}

static void they_lie_on_the_root_path_of_their_space(void **state) {
    (void)state;
    struct system_origin hosted = origin;
    struct system_origin nowhere = origin;
    hosted.is_hosted = true;
    nowhere.is_hosted = true;
    nowhere.space = BYTES("");
    const struct {
        const struct system_origin *origin;
        const char *space, *path;
    } cases[] = {{&origin, "team1", "/"}, {&hosted, "team1", "/team1"}, {&nowhere, "", "/"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct event *told = system_event_resumed(cases[i].origin, &subscription);
        assert_bytes(told->context.space, cases[i].space);
        assert_bytes(told->context.path, cases[i].path);
        assert_bytes(told->context.method, "POST");
        assert_int_equal(told->context.received_us, origin.now_us);
        event_unref(told);
    }
}

static void a_call_is_told_when_it_begins_and_when_it_has_ended(void **state) {
    (void)state;
    const struct event *event = test_event(ORDER "\n{\"n\":1.50}");
    struct system_call call = call_for(event);
    const struct event *invoking = system_event_invoking(&origin, &call);
    const struct event *invoked = system_event_invoked(&origin, &call, BYTES("ok\xff"));
    const struct event *failed = system_event_failed(&origin, &call, BYTES("status 500"));
    assert_bytes(invoking->type, "eventgateway.function.invoking");
    assert_json(invoking->data, "{\"space\":\"team1\",\"functionId\":\"f\",\"event\":" STORED "}");
    assert_bytes(invoked->type, "eventgateway.function.invoked");
    assert_json(invoked->data, "{\"space\":\"team1\",\"functionId\":\"f\",\"event\":" STORED
                               ",\"result\":\"b2v/\"}");
    assert_bytes(failed->type, "eventgateway.function.invocationFailed");
    assert_json(failed->data, "{\"space\":\"team1\",\"functionId\":\"f\",\"event\":" STORED
                              ",\"error\":\"status 500\"}");
    event_unref(invoking);
    event_unref(invoked);
    event_unref(failed);
    event_unref(event);
}

static void the_event_that_is_told_is_in_the_format_of_its_reader(void **state) {
    (void)state;
    const struct event *event = test_event(ORDER "\n{\"n\":1.50}");
    struct system_call call = call_for(event);
    const struct event *told = test_through_log(system_event_invoking(&origin, &call));
    const struct {
        enum event_format format;
        const char *event;
    } cases[] = {{EVENT_FORMAT_CLOUDEVENTS_1_0, AS_1_0},
                 {EVENT_FORMAT_CLOUDEVENTS_0_1, AS_0_1},
                 {EVENT_FORMAT_CLASSIC, AS_CLASSIC},
                 {EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, AS_1_0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event_message message;
        struct buffer expected = {0};
        json_error_t error;
        event_format_write(told, cases[i].format, NULL, BYTES("gateway.function.invoking"),
                           &message);
        buffer_append_format(&expected, "{\"space\":\"team1\",\"functionId\":\"f\",\"event\":%s}",
                             cases[i].event);
        json_t *body = json_loadb(message.body.data, message.body.size, 0, &error);
        json_t *data = json_object_get(body, "data");
        char *text = json_dumps(data ? data : body, 0);
        assert_json(bytes_of_text(text), expected.data);
        // Spelled as the reader has asked for, wherever the format puts it.
        assert_null(strstr(message.body.data, "eventgateway."));
        free(text);
        json_decref(body);
        buffer_clear(&expected);
        event_message_clear(&message);
    }
    event_unref(told);
    event_unref(event);
}

static void a_request_is_told_with_its_params_and_all_its_headers(void **state) {
    (void)state;
    const struct event *event = test_event("GET /users/7\nHost: h\nX-Two: a\nX-Two: b\n\n");
    const struct http_header param = {BYTES("id"), BYTES("7")};
    const struct event_params params = {.items = &param, .count = 1};
    struct system_call call = call_for(event);
    call.params = &params;
    const struct event *told = test_through_log(system_event_invoking(&origin, &call));
    struct event_message message;
    event_format_write(told, EVENT_FORMAT_CLASSIC, NULL, BYTES(""), &message);
    assert_non_null(strstr(message.body.data, "\"params\":{\"id\":\"7\"}"));
    assert_non_null(strstr(message.body.data, "\"X-Two\":[\"a\",\"b\"]"));
    assert_null(strstr(message.body.data, "egheaders"));
    event_message_clear(&message);
    event_unref(told);
    event_unref(event);
}

static void data_of_any_kind_is_told_as_it_came(void **state) {
    (void)state;
    static const char *const heads[] = {
        "Content-Type: text/plain\n\nwords", "Content-Type: image/png\n\n\x89PNG",
        "Content-Type: application/json\n\nnot json", "\n",
        "Content-Type: application/json\nce-flag: true\n\n[1,{\"a\":null}]"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct buffer request = {0};
        struct buffer before = {0};
        buffer_append_format(&request,
                             "POST /\nce-specversion: 1.0\nce-id: 7\nce-source: /s\nce-type: t\n%s",
                             heads[i]);
        const struct event *event = test_event(request.data);
        struct system_call call = call_for(event);
        const struct event *told = test_through_log(system_event_invoking(&origin, &call));
        event_format_append_json(event, &before);
        struct buffer expected = {0};
        struct event_message message;
        event_format_write(told, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, NULL, BYTES(""), &message);
        buffer_append_format(&expected, "{\"space\":\"team1\",\"functionId\":\"f\",\"event\":%s}",
                             before.data);
        assert_json(message.body, expected.data);
        event_message_clear(&message);
        buffer_clear(&expected);
        buffer_clear(&before);
        buffer_clear(&request);
        event_unref(told);
        event_unref(event);
    }
}

// 512 is the deepest that our scanner takes; the system event's data lies two levels above.
static void data_that_is_too_deep_to_be_a_member_is_told_as_bytes(void **state) {
    (void)state;
    struct buffer request = {0};
    buffer_append_text(&request, ORDER "\n");
    for (int i = 0; i < 511; i++) {
        buffer_append_byte(&request, '[');
    }
    for (int i = 0; i < 511; i++) {
        buffer_append_byte(&request, ']');
    }
    const struct event *event = test_event(request.data);
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    struct system_call call = call_for(event);
    const struct event *told = test_through_log(system_event_invoking(&origin, &call));
    assert_int_equal(told->data_kind, EVENT_DATA_JSON);
    assert_true(json_is_valid(told->data));
    event_unref(told);
    event_unref(event);
    buffer_clear(&request);
}

static void of_a_system_event_nothing_is_told(void **state) {
    (void)state;
    struct test_request request;
    test_request_parse("POST /\n\n", &request);
    const struct event *event = system_event_resumed(&origin, &subscription);
    struct system_call call = call_for(event);
    assert_null(system_event_received(&origin, event, BYTES("/"), &request.request));
    assert_null(system_event_invoking(&origin, &call));
    assert_null(system_event_invoked(&origin, &call, BYTES("")));
    assert_null(system_event_failed(&origin, &call, BYTES("")));
    event_unref(event);
}

static void of_a_subscription_to_system_events_nothing_is_told(void **state) {
    (void)state;
    static const char *const types[] = {"gateway.event.received",
                                        "eventgateway.subscription.suspended"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct system_subscription listener = subscription;
        listener.event_type = bytes_of_text(types[i]);
        assert_null(system_event_suspended(&origin, &listener, BYTES("410")));
        assert_null(system_event_resumed(&origin, &listener));
        assert_null(system_event_deadlettered(&origin, &listener, 1, 0, BYTES("r")));
        assert_null(system_event_events_lost(&origin, &listener, 0, 0, 1));
    }
}

static void assert_operator_event(const struct event *told, const char *type, const char *rest) {
    struct buffer expected = {0};
    buffer_append_format(&expected,
                         "{\"space\":\"team1\",\"subscriptionId\":\"s1\",\"eventType\":\"order\","
                         "\"functionId\":\"f\"%s}",
                         rest);
    assert_json(told->data, expected.data);
    assert_bytes(told->type, type);
    assert_bytes(told->subject, "s1");
    assert_int_equal(causation_depth_of(told), 1);
    buffer_clear(&expected);
    event_unref(told);
}

static void operators_are_told_what_happens_to_subscriptions(void **state) {
    (void)state;
    assert_operator_event(system_event_suspended(&origin, &subscription, BYTES("circuit open")),
                          "eventgateway.subscription.suspended", ",\"reason\":\"circuit open\"");
    assert_operator_event(system_event_resumed(&origin, &subscription),
                          "eventgateway.subscription.resumed", "");
    assert_operator_event(
        system_event_deadlettered(&origin, &subscription, 12, RECEIVED_US, BYTES("status 422")),
        "eventgateway.subscription.deadlettered",
        ",\"count\":12,\"since\":\"2026-11-24T02:14:05.004005Z\",\"reason\":\"status 422\"");
    assert_operator_event(system_event_events_lost(&origin, &subscription, 3, 100, 7),
                          "eventgateway.subscription.eventslost",
                          ",\"partition\":3,\"firstOffset\":100,\"count\":7");
}

static void a_result_is_cut_where_it_is_too_long(void **state) {
    (void)state;
    struct buffer result = {0};
    memset(buffer_reserve(&result, SYSTEM_RESULT_MAX + 3), 'r', SYSTEM_RESULT_MAX + 3);
    result.size = SYSTEM_RESULT_MAX + 3;
    const struct event *event = test_event(ORDER "\n{}");
    struct system_call call = call_for(event);
    const struct event *told = system_event_invoked(&origin, &call, buffer_bytes(&result));
    assert_in_range(told->data.size, SYSTEM_RESULT_MAX * 4 / 3, SYSTEM_RESULT_MAX * 4 / 3 + 1000);
    event_unref(told);
    event_unref(event);
    buffer_clear(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read_in_both_spellings),
        cmocka_unit_test(a_received_event_is_told_with_its_path_and_headers),
        cmocka_unit_test(a_system_event_names_its_cause),
        cmocka_unit_test(a_system_event_is_of_the_trace_of_its_cause),
        cmocka_unit_test(they_lie_on_the_root_path_of_their_space),
        cmocka_unit_test(a_call_is_told_when_it_begins_and_when_it_has_ended),
        cmocka_unit_test(the_event_that_is_told_is_in_the_format_of_its_reader),
        cmocka_unit_test(a_request_is_told_with_its_params_and_all_its_headers),
        cmocka_unit_test(data_of_any_kind_is_told_as_it_came),
        cmocka_unit_test(data_that_is_too_deep_to_be_a_member_is_told_as_bytes),
        cmocka_unit_test(of_a_system_event_nothing_is_told),
        cmocka_unit_test(of_a_subscription_to_system_events_nothing_is_told),
        cmocka_unit_test(operators_are_told_what_happens_to_subscriptions),
        cmocka_unit_test(a_result_is_cut_where_it_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
