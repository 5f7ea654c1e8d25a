// A whole admin role for tests: HTTP server and admin on a loop's thread, a registry over the store
// in memory with faults on order, an event log in memory, a key for secrets. And a client that says
// in one line what is sent and what must come back.
#ifndef EVENT_GATEWAY_TESTS_ADMIN_TEST_H
#define EVENT_GATEWAY_TESTS_ADMIN_TEST_H

#include <stdatomic.h>

#include <jansson.h>

#include "admin/admin.h"
#include "core/base/json.h"
#include "core/event_log/event_log_kinds.h"
#include "core/registry/registry_store.h"
#include "tests/support/raw_http.h"
#include "tests/unit/admin/forwarding_store_test.h"
#include "tests/unit/admin/json_text_test.h"

// The store in memory, behind one that fails on order.
struct faulty_store {
    struct forwarding_store forwarding; // comes first
    atomic_int next_status;             // of apply and health; 0 = as the inner one says
    atomic_int applies;                 // that reached the store
    // Applied in front of the next change, as if another node were faster.
    struct registry_edit interference;
    atomic_bool interferes;
};

struct admin_fixture {
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct faulty_store *store; // the registry's
    struct registry *registry;
    struct event_log *log;
    struct secrets *secrets;
    struct admin *admin;
    struct http_server *server;
    uint16_t port;
    char key_path[64];
    struct admin_options options; // may be set before the start
    bool has_no_key;
    size_t requests_inside; // when drain looked last
};

static struct faulty_store *faulty_store_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct faulty_store, forwarding.store);
}

static enum status faulty_apply(struct registry_store *store, const struct registry_edit *edits,
                                size_t edit_count, int64_t expected_revision, int64_t *ret_revision,
                                struct error *error) {
    struct faulty_store *faulty = faulty_store_of(store);
    struct registry_store *inner = faulty->forwarding.inner;
    int status = atomic_load(&faulty->next_status);
    if (status != 0) {
        return error_set(error, (enum status)status, "the store is out to lunch");
    }
    if (atomic_exchange(&faulty->interferes, false)) {
        int64_t revision;
        if (inner->ops->apply(inner, &faulty->interference, 1, expected_revision, &revision,
                              error) != STATUS_OK) {
            abort();
        }
    }
    atomic_fetch_add(&faulty->applies, 1);
    return inner->ops->apply(inner, edits, edit_count, expected_revision, ret_revision, error);
}

static enum status faulty_health(struct registry_store *store, struct error *error) {
    struct faulty_store *faulty = faulty_store_of(store);
    bool is_away = atomic_load(&faulty->next_status) == STATUS_UNAVAILABLE;
    return is_away ? error_set(error, STATUS_UNAVAILABLE, "the store is out to lunch")
                   : forward_health(store, error);
}

static const struct registry_store_ops faulty_ops = {
    .name = "faulty",
    .load = forward_load,
    .load_changes = forward_load_changes,
    .apply = faulty_apply,
    .watch = forward_watch,
    .health = faulty_health,
    .announce = forward_announce,
    .members = forward_members,
    .destroy = forward_destroy,
};

static void create_stores(struct admin_fixture *fixture) {
    struct error error = {0};
    struct event_log_memory_options log_options = {.partitions = 4};
    fixture->store = memory_allocate(sizeof *fixture->store);
    fixture->store->forwarding.store.ops = &faulty_ops;
    assert_int_equal(registry_store_memory_create(&fixture->store->forwarding.inner, &error),
                     STATUS_OK);
    struct registry_options options = {.store = &fixture->store->forwarding.store};
    assert_int_equal(registry_create(&options, &fixture->registry, &error), STATUS_OK);
    assert_int_equal(event_log_memory_create(&log_options, &fixture->log, &error), STATUS_OK);
}

static void create_key(struct admin_fixture *fixture) {
    struct error error = {0};
    snprintf(fixture->key_path, sizeof fixture->key_path, "/tmp/admin-test-%d-%p.key",
             (int)getpid(), (void *)fixture);
    if (!fixture->has_no_key &&
        secrets_create(fixture->key_path, true, &fixture->secrets, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void build_on_loop(void *context) {
    struct admin_fixture *fixture = context;
    struct error error = {0};
    fixture->options.loop = fixture->loop;
    fixture->options.registry = fixture->registry;
    fixture->options.log = fixture->log;
    fixture->options.secrets = fixture->secrets;
    assert_int_equal(admin_create(&fixture->options, &fixture->admin, &error), STATUS_OK);
    struct http_server_options options = {.name = "config",
                                          .address = "127.0.0.1",
                                          .body_max_bytes = 1024 * 1024,
                                          .connections_max = 64,
                                          .handler = admin_handle,
                                          .context = fixture->admin};
    assert_int_equal(http_server_create(fixture->loop, &options, &fixture->server, &error),
                     STATUS_OK);
    fixture->port = http_server_port(fixture->server);
}

static void close_door_on_loop(void *context) {
    struct admin_fixture *fixture = context;
    http_server_close_door(fixture->server);
}

static void destroy_on_loop(void *context) {
    struct admin_fixture *fixture = context;
    http_server_destroy(fixture->server);
    admin_destroy(fixture->admin);
}

// Requests whose client has left may still wait for the registry.
static void count_on_loop(void *context) {
    struct admin_fixture *fixture = context;
    fixture->requests_inside = http_server_requests_inside(fixture->server);
}

static void drain(struct admin_fixture *fixture) {
    do {
        event_loop_call(fixture->loop, count_on_loop, fixture);
    } while (fixture->requests_inside > 0);
}

static void fixture_start(struct admin_fixture *fixture) {
    struct error error = {0};
    create_stores(fixture);
    create_key(fixture);
    assert_int_equal(event_loop_create("admin-test", &fixture->loop, &error), STATUS_OK);
    fixture->thread = event_loop_thread_start(fixture->loop);
    event_loop_call(fixture->loop, build_on_loop, fixture);
}

static int fixture_setup(void **state) {
    struct admin_fixture *fixture = memory_allocate(sizeof *fixture);
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static int fixture_teardown(void **state) {
    struct admin_fixture *fixture = *state;
    event_loop_call(fixture->loop, close_door_on_loop, fixture);
    drain(fixture);
    event_loop_call(fixture->loop, destroy_on_loop, fixture);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    // The registry's thread may still be inside event_loop_post although its task has run.
    registry_destroy(fixture->registry);
    event_loop_destroy(fixture->loop);
    event_log_close(fixture->log, 0);
    event_log_destroy(fixture->log);
    secrets_destroy(fixture->secrets);
    unlink(fixture->key_path);
    free(fixture);
    return 0;
}

// body NULL = none; headers: whole lines with their ends, or "".
static struct raw_answer ask(struct admin_fixture *fixture, const char *method, const char *path,
                             const char *body, const char *headers) {
    struct buffer text = {0};
    char *json = json_text(body);
    buffer_append_format(&text, "%s %s HTTP/1.1\r\nHost: test\r\n%s", method, path, headers);
    buffer_append_format(&text, "Content-Length: %zu\r\n\r\n%s", json ? strlen(json) : 0,
                         json ? json : "");
    int fd = raw_connect(fixture->port);
    struct buffer rest = {0};
    assert_true(raw_send(fd, buffer_bytes(&text)));
    struct raw_answer answer = raw_read(fd, &rest, strcmp(method, "HEAD") != 0);
    buffer_clear(&rest);
    buffer_clear(&text);
    close(fd);
    free(json);
    return answer;
}

static json_t *parse_or_fail(struct bytes text) {
    json_t *value = NULL;
    struct error error = {0};
    if (json_parse(text, &value, &error) != STATUS_OK) {
        fail_msg("%s in %.*s", error.text, (int)text.size, text.data);
    }
    return value;
}

static void fail_unlike(const char *what, const struct raw_answer *answer, const char *expected) {
    fail_msg("%s\n  expected: %s\n  answered: %d %.*s", what, expected, answer->status,
             (int)answer->body.size, answer->body.data ? answer->body.data : "");
}

// expected: the whole JSON of the answer; NULL = an empty one, "" = whatever it is.
static void expect(void **state, const char *method, const char *path, const char *body, int status,
                   const char *expected) {
    struct raw_answer answer = ask(*state, method, path, body, "");
    char what[512];
    snprintf(what, sizeof what, "%s %s: %d", method, path, status);
    if (answer.status != status || (!expected && answer.body.size != 0)) {
        fail_unlike(what, &answer, expected ? expected : "nothing");
    }
    if (expected && expected[0] != '\0') {
        char *text = json_text(expected);
        json_t *wanted = parse_or_fail(bytes_of_text(text));
        json_t *got = parse_or_fail(answer.body);
        if (!json_equal(wanted, got)) {
            fail_unlike(what, &answer, text);
        }
        json_decref(wanted);
        json_decref(got);
        free(text);
    }
    raw_answer_clear(&answer);
}

static void expect_message(void **state, const char *method, const char *path, const char *body,
                           int status, const char *message, bool is_classic) {
    struct raw_answer answer = ask(*state, method, path, body, "");
    json_t *got = parse_or_fail(answer.body);
    json_t *first = json_array_get(json_object_get(got, "errors"), 0);
    const char *text = json_string_value(is_classic ? json_object_get(got, "error")
                                                    : json_object_get(first, "message"));
    if (answer.status != status || !text || strcmp(text, message) != 0) {
        fail_unlike(path, &answer, message);
    }
    json_decref(got);
    raw_answer_clear(&answer);
}

// {"errors":[{"message":"..."}]}
static inline void expect_error(void **state, const char *method, const char *path,
                                const char *body, int status, const char *message) {
    expect_message(state, method, path, body, status, message, false);
}

// {"error":"..."}
static inline void expect_classic_error(void **state, const char *method, const char *path,
                                        const char *body, int status, const char *message) {
    expect_message(state, method, path, body, status, message, true);
}

// What the registry holds of it, compact; the caller owns it. NULL when it is not there.
static inline char *stored_text(void **state, enum resource_kind kind, const char *space,
                                const char *id) {
    struct admin_fixture *fixture = *state;
    const struct snapshot *snapshot = registry_snapshot(fixture->registry);
    const json_t *document =
        snapshot_document(snapshot, kind, bytes_of_text(space), bytes_of_text(id));
    char *text = document ? json_write(document) : NULL;
    snapshot_unref(snapshot);
    return text;
}

static inline int64_t current_revision(void **state) {
    struct admin_fixture *fixture = *state;
    const struct snapshot *snapshot = registry_snapshot(fixture->registry);
    int64_t revision = snapshot_revision(snapshot);
    snapshot_unref(snapshot);
    return revision;
}

// What most tests need: a function f, an event type e in the space default.
static inline void make_function_and_type(void **state) {
    expect(state, "POST", "/v1/spaces/default/functions",
           "{'functionId':'f','type':'http','provider':{'url':'http://example.com/'}}", 201, "");
    expect(state, "POST", "/v1/spaces/default/eventtypes", "{'name':'e'}", 201, "");
}

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

#endif
