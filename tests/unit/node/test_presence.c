#include "core/node/presence.h"

#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kinds.h"
#include "core/registry/registry_store.h"

// A presence on a loop's thread over stores in memory.
struct fixture {
    struct stores stores;
    struct node_settings settings;
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct presence *presence;
    int partition; // the one that is this node's
};

struct call {
    struct event_loop_task task;
    void (*work)(struct fixture *fixture);
    struct fixture *fixture;
    sem_t done;
};

static void run_call(struct event_loop_task *task) {
    struct call *call = CONTAINER_OF(task, struct call, task);
    call->work(call->fixture);
    sem_post(&call->done);
}

static void on_loop(struct fixture *fixture, void (*work)(struct fixture *fixture)) {
    struct call call = {.task = {.run = run_call}, .work = work, .fixture = fixture};
    sem_init(&call.done, 0, 0);
    event_loop_post(fixture->loop, &call.task);
    assert_int_equal(sem_wait(&call.done), 0);
    sem_destroy(&call.done);
}

static void partitions_of(void *source, presence_partition_fn visit, void *context) {
    const struct fixture *fixture = source;
    visit(context, fixture->partition);
}

static void begin(struct fixture *fixture) {
    struct presence_options options = {
        .loop = fixture->loop,
        .settings = &fixture->settings,
        .stores = &fixture->stores,
        .node_id = "host-1",
        .events_port = 4000,
        .config_port = 4001,
        .partitions = partitions_of,
        .source = fixture,
    };
    fixture->presence = presence_create(&options);
}

static void drain(struct fixture *fixture) {
    presence_drain(fixture->presence);
}

static void end(struct fixture *fixture) {
    presence_destroy(fixture->presence);
}

static void change_partition(struct fixture *fixture) {
    fixture->partition = 5;
}

static struct fixture *start(int flag_count, char **flags) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    struct event_log_memory_options log = {0};
    struct registry_options registry = {0};
    struct error error = {0};
    if (node_settings_read(COMMAND_DEV, flag_count, flags, NULL, &fixture->settings, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(event_log_memory_create(&log, &fixture->stores.log, &error), STATUS_OK);
    assert_int_equal(registry_store_memory_create(&registry.store, &error), STATUS_OK);
    assert_int_equal(registry_create(&registry, &fixture->stores.registry, &error), STATUS_OK);
    assert_int_equal(event_loop_create("test", &fixture->loop, &error), STATUS_OK);
    fixture->thread = event_loop_thread_start(fixture->loop);
    on_loop(fixture, begin);
    return fixture;
}

static void stop(struct fixture *fixture) {
    on_loop(fixture, end);
    registry_close(fixture->stores.registry);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    event_loop_destroy(fixture->loop);
    event_log_close(fixture->stores.log, 0);
    stores_destroy(&fixture->stores);
    node_settings_clear(&fixture->settings);
    free(fixture);
}

struct question {
    struct registry_members_query query;
    sem_t done;
};

static void answered(struct registry_members_query *query) {
    sem_post(&CONTAINER_OF(query, struct question, query)->done);
}

// What it says of itself by now; the caller owns it.
static json_t *ask(struct fixture *fixture) {
    struct question question = {.query = {.loop = fixture->loop, .done = answered}};
    json_t *document = NULL;
    struct error error = {0};
    sem_init(&question.done, 0, 0);
    registry_list_members(fixture->stores.registry, &question.query);
    assert_int_equal(sem_wait(&question.done), 0);
    assert_int_equal(question.query.status, STATUS_OK);
    assert_int_equal(question.query.count, 1);
    assert_string_equal(question.query.members[0].id.data, "host-1");
    assert_int_equal(
        json_parse(buffer_bytes(&question.query.members[0].document), &document, &error),
        STATUS_OK);
    registry_members_query_clear(&question.query);
    sem_destroy(&question.done);
    return document;
}

static const char *text_of(const json_t *document, const char *member) {
    const char *text = json_string_value(json_object_get(document, member));
    return text ? text : "";
}

static void a_node_tells_what_it_is_and_where(void **state) {
    (void)state;
    struct fixture *fixture = start(0, NULL);
    json_t *document = ask(fixture);
    assert_string_equal(text_of(document, "nodeId"), "host-1");
    assert_string_equal(text_of(document, "state"), "serving");
    assert_string_equal(text_of(document, "version"), EVENT_GATEWAY_VERSION);
    assert_string_equal(text_of(document, "eventsUrl"), "http://127.0.0.1:4000");
    assert_string_equal(text_of(document, "configUrl"), "http://127.0.0.1:4001");
    assert_string_equal(text_of(document, "eventLog"), "ok");
    assert_string_equal(text_of(document, "registry"), "ok");
    assert_int_equal(json_array_size(json_object_get(document, "roles")), 3);
    assert_int_equal(json_array_size(json_object_get(document, "partitions")), 1);
    assert_int_equal(json_integer_value(json_object_get(document, "revision")), 0);
    json_decref(document);
    stop(fixture);
}

static void a_node_on_all_addresses_names_its_host(void **state) {
    (void)state;
    char host[65];
    char expected[100];
    char flag[] = "--events-address=0.0.0.0";
    char *flags[] = {flag};
    assert_int_equal(gethostname(host, sizeof host), 0);
    snprintf(expected, sizeof expected, "http://%s:4000", host);
    struct fixture *fixture = start(1, flags);
    json_t *document = ask(fixture);
    assert_string_equal(text_of(document, "eventsUrl"), expected);
    json_decref(document);
    stop(fixture);
}

static void an_advertised_address_stands_for_both_ports(void **state) {
    (void)state;
    char flag[] = "--advertise-address=fd00::7";
    char *flags[] = {flag};
    struct fixture *fixture = start(1, flags);
    json_t *document = ask(fixture);
    assert_string_equal(text_of(document, "eventsUrl"), "http://[fd00::7]:4000");
    assert_string_equal(text_of(document, "configUrl"), "http://[fd00::7]:4001");
    json_decref(document);
    stop(fixture);
}

static json_int_t partition_told(struct fixture *fixture) {
    json_t *document = ask(fixture);
    json_t *partitions = json_object_get(document, "partitions");
    json_int_t partition = json_integer_value(json_array_get(partitions, 0));
    json_decref(document);
    return partition;
}

static void what_changes_is_told_by_itself(void **state) {
    (void)state;
    struct fixture *fixture = start(0, NULL);
    int64_t give_up_us = clock_monotonic_us() + 60 * 1000000;
    assert_int_equal(partition_told(fixture), 0);
    on_loop(fixture, change_partition);
    while (partition_told(fixture) != 5) {
        assert_true(clock_monotonic_us() < give_up_us);
        sched_yield();
    }
    stop(fixture);
}

static void a_log_that_is_away_is_told_with_the_reason(void **state) {
    (void)state;
    struct fixture *fixture = start(0, NULL);
    event_log_memory_set_away(fixture->stores.log, true);
    on_loop(fixture, drain);
    json_t *document = ask(fixture);
    assert_memory_equal(text_of(document, "eventLog"), "away", 4);
    assert_string_equal(text_of(document, "state"), "draining");
    json_decref(document);
    stop(fixture);
}

static void ids_differ_from_start_to_start(void **state) {
    (void)state;
    char first[NODE_ID_SIZE];
    char second[NODE_ID_SIZE];
    node_id_create(first);
    node_id_create(second);
    assert_string_not_equal(first, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_tells_what_it_is_and_where),
        cmocka_unit_test(a_node_on_all_addresses_names_its_host),
        cmocka_unit_test(an_advertised_address_stands_for_both_ports),
        cmocka_unit_test(what_changes_is_told_by_itself),
        cmocka_unit_test(a_log_that_is_away_is_told_with_the_reason),
        cmocka_unit_test(ids_differ_from_start_to_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
