// Input: lines; all but the last are patterns, the last one is a path. What is checked: a pattern
// that passes is a fixed point of normalizing, never loses a match to the order of others, and
// conflicts are symmetric.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/base/memory.h"
#include "core/subscriptions/path_pattern.h"
#include "core/subscriptions/routes.h"

#define PATTERNS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct subscription *make(struct bytes path, size_t number) {
    const struct subscription *subscription = NULL;
    char id[] = {'a', (char)('a' + number), '\0'};
    json_t *path_value = json_stringn(path.data, path.size);
    if (!path_value) {
        return NULL; // Not UTF-8: no document can hold it.
    }
    json_t *document = json_pack("{ss ss ss ss ss so}", "space", "default", "subscriptionId", id,
                                 "type", number % 2 ? "sync" : "async", "eventType", "t",
                                 "functionId", "f", "path", path_value);
    (void)!subscription_parse(document, &subscription, NULL);
    json_decref(document);
    return subscription;
}

static void check_params(void *context, const struct route_match *match) {
    size_t *count = context;
    (*count)++;
    assert(match->param_count <= PATH_PARAMS_MAX);
    for (size_t i = 0; i < match->param_count; i++) {
        assert(match->params[i].name.size > 0);
        assert(match->params[i].value.size > 0);
    }
}

static void check_matches(const struct routes *routes, struct bytes path) {
    size_t asynchronous = 0;
    size_t synchronous = 0;
    struct route_query query = {.type = BYTES("t"), .method = BYTES("POST"), .path = path};
    routes_match_async(routes, &query, check_params, &asynchronous);
    bool has_sync = routes_match_sync(routes, &query, check_params, &synchronous);
    assert(synchronous == (has_sync ? 1 : 0));
    assert(routes_has_match(routes, &query) == (asynchronous + synchronous > 0));
}

static void check_conflicts(const struct subscription *const *subscriptions, size_t count,
                            const struct routes *routes) {
    for (size_t i = 0; i < count; i++) {
        struct error error;
        (void)routes_conflict(routes, subscriptions[i], &error);
        for (size_t j = 0; j < count; j++) {
            assert(path_patterns_conflict(subscriptions[i]->path, subscriptions[j]->path, NULL) ==
                   path_patterns_conflict(subscriptions[j]->path, subscriptions[i]->path, NULL));
        }
    }
}

static void check_normal(struct bytes path) {
    struct buffer once = {0};
    struct buffer twice = {0};
    path_normalize(path, &once);
    path_normalize(buffer_bytes(&once), &twice);
    assert(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    buffer_clear(&once);
    buffer_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes rest = {(const char *)data, size};
    const struct subscription *subscriptions[PATTERNS_MAX];
    size_t count = 0;
    struct routes *routes = routes_create();
    while (bytes_find(rest, '\n') < rest.size && count < PATTERNS_MAX) {
        struct bytes pattern = bytes_slice(rest, 0, bytes_find(rest, '\n'));
        rest = bytes_slice(rest, pattern.size + 1, rest.size);
        (void)!path_pattern_check(pattern, NULL);
        check_normal(pattern);
        subscriptions[count] = make(pattern, count);
        if (subscriptions[count]) {
            routes_add(routes, subscriptions[count]);
            assert(path_pattern_check(subscriptions[count]->path, NULL) == STATUS_OK);
            count++;
        }
    }
    check_matches(routes, rest);
    check_conflicts(subscriptions, count, routes);
    routes_destroy(routes);
    for (size_t i = 0; i < count; i++) {
        subscription_unref(subscriptions[i]);
    }
    return 0;
}
