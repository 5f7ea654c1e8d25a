#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/event_log/event_log_kinds.h"
#include "core/events/event_record.h"
#include "core/registry/snapshot_builder.h"
#include "core/system/system_emitter.h"
#include "tests/support/log_recorder.h"

struct fixture {
    struct test_loop loop;
    struct event_log *log;
    struct recorder recorder;
    struct system_emitter emitter;
    const struct snapshot *snapshot;
    const struct subscription *subscription;
    const struct event *event;
};

static void put(struct snapshot_builder *builder, const char *id, const char *event_type) {
    char document[256];
    struct error error = {""};
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"subscriptionId\":\"%s\",\"type\":\"async\",\"eventType\":"
             "\"%s\",\"functionId\":\"f\"}",
             id, event_type);
    assert_int_equal(snapshot_builder_put(builder, RESOURCE_SUBSCRIPTION, BYTES("default"),
                                          bytes_of_text(id), bytes_of_text(document), &error),
                     STATUS_OK);
}

static const struct event *make_event(void) {
    const struct event *event = NULL;
    struct event_builder *builder = event_builder_create();
    event_builder_set(builder, BYTES("id"), BYTES("1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/s"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("order"), EVENT_VALUE_STRING);
    struct event_context context = {
        .space = BYTES("default"), .method = BYTES("POST"), .path = BYTES("/")};
    event_builder_set_context(builder, &context);
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    return event;
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    struct event_log_memory_options options = {0};
    struct error error;
    test_loop_start(&fixture->loop);
    assert_int_equal(event_log_memory_create(&options, &fixture->log, &error), STATUS_OK);
    recorder_start(&fixture->recorder, fixture->log, EVENT_LOG_EVENTS, "test", 1);
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    put(builder, "orders", "order");
    for (int i = 0; i < SYSTEM_EVENT_COUNT; i++) {
        char id[8];
        snprintf(id, sizeof id, "s%d", i);
        put(builder, id, system_event_name((enum system_event)i));
    }
    fixture->snapshot = snapshot_builder_finish_take(builder, 1);
    fixture->subscription =
        snapshot_subscription(fixture->snapshot, BYTES("default"), BYTES("orders"));
    fixture->event = make_event();
    fixture->emitter = (struct system_emitter){
        .log = fixture->log, .loop = fixture->loop.loop, .source = BYTES("/gateway")};
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    recorder_close(&fixture->recorder);
    recorder_clear(&fixture->recorder);
    event_log_close(fixture->log, 1000);
    test_loop_stop(&fixture->loop);
    event_log_destroy(fixture->log);
    snapshot_unref(fixture->snapshot);
    event_unref(fixture->event);
    free(fixture);
    return 0;
}

static void emit_all(const struct fixture *fixture, const struct snapshot *snapshot) {
    const struct system_emitter *emitter = &fixture->emitter;
    struct event_http_request request = {.method = BYTES("POST"), .path = BYTES("/")};
    struct system_call call = {
        .space = BYTES("default"), .function_id = BYTES("f"), .event = fixture->event};
    struct invocation_result good = {.outcome = INVOCATION_SUCCEEDED, .error_text = ""};
    struct invocation_result bad = {.outcome = INVOCATION_FAILED, .status = 500, .error_text = ""};
    system_emit_received(emitter, snapshot, fixture->event, BYTES("/"), &request);
    system_emit_invoking(emitter, snapshot, &call);
    system_emit_outcome(emitter, snapshot, &call, &good);
    system_emit_outcome(emitter, snapshot, &call, &bad);
    system_emit_suspended(emitter, snapshot, fixture->subscription, "paused by hand");
    system_emit_resumed(emitter, snapshot, fixture->subscription);
    system_emit_deadlettered(emitter, snapshot, fixture->subscription, 2, 0, BYTES("r"));
    system_emit_events_lost(emitter, snapshot, fixture->subscription, 0, 5, 1);
}

// Of which types there are records, as bits; how many records must be told.
static uint32_t stored_types(struct fixture *fixture, size_t count) {
    uint32_t types = 0;
    recorder_await_received(&fixture->recorder, count);
    assert_int_equal(fixture->recorder.received_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = NULL;
        enum system_event kind = SYSTEM_EVENT_COUNT;
        struct error error;
        struct stored_record stored = {.record = fixture->recorder.received[i].record};
        assert_int_equal(event_record_decode(&stored, &event, &error), STATUS_OK);
        if (system_event_parse(event->type, &kind)) {
            types |= UINT32_C(1) << kind;
        }
        event_unref(event);
    }
    return types;
}

static void every_kind_is_appended_while_it_is_wanted(void **state) {
    struct fixture *fixture = *state;
    emit_all(fixture, fixture->snapshot);
    assert_int_equal(stored_types(fixture, SYSTEM_EVENT_COUNT),
                     (UINT32_C(1) << SYSTEM_EVENT_COUNT) - 1);
}

static void nothing_is_appended_while_nobody_subscribes(void **state) {
    struct fixture *fixture = *state;
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    put(builder, "orders", "order");
    const struct snapshot *nobody = snapshot_builder_finish_take(builder, 1);
    emit_all(fixture, nobody);
    snapshot_unref(nobody);
    // What is appended now would come behind anything else.
    append_text(fixture->log, &fixture->loop, NULL, "last");
    recorder_await_received(&fixture->recorder, 1);
    assert_int_equal(fixture->recorder.received_count, 1);
}

static int64_t metric_of_lost(void) {
    struct buffer text = {0};
    metrics_write(&text);
    const char *name =
        "eventgateway_system_events_total{type=\"eventgateway.subscription.resumed\","
        "result=\"lost\"} ";
    const char *found = strstr(text.data, name);
    int64_t value = found ? strtoll(found + strlen(name), NULL, 10) : 0;
    buffer_clear(&text);
    return value;
}

static void an_append_that_fails_is_counted(void **state) {
    struct fixture *fixture = *state;
    int64_t before = metric_of_lost();
    event_log_memory_set_away(fixture->log, true);
    system_emit_resumed(&fixture->emitter, fixture->snapshot, fixture->subscription);
    event_log_memory_set_away(fixture->log, false);
    assert_int_equal(metric_of_lost(), before + 1);
}

static void system_events_take_no_more_than_their_share_of_the_log(void **state) {
    struct fixture *fixture = *state;
    int64_t before = metric_of_lost();
    event_log_memory_hold_appends(fixture->log, true);
    for (int i = 0; i < 5000; i++) {
        system_emit_resumed(&fixture->emitter, fixture->snapshot, fixture->subscription);
    }
    assert_int_equal(metric_of_lost() - before, 5000 - 4096);
    event_log_memory_hold_appends(fixture->log, false);
    recorder_await_received(&fixture->recorder, 4096);
}

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(every_kind_is_appended_while_it_is_wanted),
        FIXTURE_TEST(nothing_is_appended_while_nobody_subscribes),
        FIXTURE_TEST(an_append_that_fails_is_counted),
        FIXTURE_TEST(system_events_take_no_more_than_their_share_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
