// Measures what the targets of the configuration are about: snapshots with 10,000 functions and
// subscriptions, look-ups, and, when EG_TEST_ZOOKEEPER=HOST:PORT is set, how long a change takes
// until another node lives by it.
//
//   bench_registry [SUBSCRIPTIONS]

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/event_loop.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/registry.h"
#include "core/registry/registry_store.h"
#include "core/registry/snapshot_builder.h"

static void fail(const char *what, const struct error *error) {
    fprintf(stderr, "%s: %s\n", what, error ? error->text : "");
    exit(1);
}

struct document {
    enum resource_kind kind;
    struct buffer space, id, text;
};

// A function and an asynchronous subscription each, in 100 spaces, ids as real ones look.
static void make_documents(struct document *documents, int count) {
    for (int i = 0; i < count; i++) {
        struct document *function = &documents[2 * (size_t)i];
        struct document *subscription = function + 1;
        struct buffer path = {0};
        function->kind = RESOURCE_FUNCTION;
        subscription->kind = RESOURCE_SUBSCRIPTION;
        buffer_append_format(&path, i % 2 ? "/orders/%d/items" : "/orders/%d/:item", i % 500);
        buffer_append_format(&function->space, "space%02d", i % 100);
        buffer_append_format(&subscription->space, "space%02d", i % 100);
        buffer_append_format(&function->id, "function-number-%d", i);
        subscription_id_write(false, BYTES("order.created"), buffer_bytes(&function->id),
                              buffer_bytes(&path), BYTES("POST"), &subscription->id);
        buffer_append_format(&function->text,
                             "{\"space\":\"%s\",\"functionId\":\"%s\",\"type\":\"http\","
                             "\"provider\":{\"url\":\"https://functions.example.com/%d\"}}",
                             function->space.data, function->id.data, i);
        buffer_append_format(&subscription->text,
                             "{\"space\":\"%s\",\"subscriptionId\":\"%s\",\"type\":\"async\","
                             "\"eventType\":\"order.created\",\"functionId\":\"%s\","
                             "\"path\":\"%s\",\"method\":\"POST\"}",
                             function->space.data, subscription->id.data, function->id.data,
                             path.data);
        buffer_clear(&path);
    }
}

static void put(struct snapshot_builder *builder, const struct document *document) {
    struct error error;
    if (snapshot_builder_put(builder, document->kind, buffer_bytes(&document->space),
                             buffer_bytes(&document->id), buffer_bytes(&document->text),
                             &error) != STATUS_OK) {
        fail("put", &error);
    }
}

static const struct snapshot *bench_build(const struct document *documents, int count) {
    int64_t start_us = clock_monotonic_us();
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    for (int i = 0; i < 2 * count; i++) {
        put(builder, &documents[i]);
    }
    int64_t parsed_us = clock_monotonic_us();
    const struct snapshot *snapshot = snapshot_builder_finish_take(builder, 1);
    printf(
        "snapshot of %d functions and subscriptions from nothing: parse %.1f ms, build %.1f ms\n",
        count, (double)(parsed_us - start_us) / 1e3,
        (double)(clock_monotonic_us() - parsed_us) / 1e3);
    return snapshot;
}

static void bench_change(const struct snapshot *base, const struct document *document,
                         const char *what) {
    int64_t best_us = INT64_MAX;
    int64_t total_us = 0;
    for (int i = 0; i < 50; i++) {
        int64_t start_us = clock_monotonic_us();
        struct snapshot_builder *builder = snapshot_builder_create(base);
        put(builder, document);
        const struct snapshot *snapshot = snapshot_builder_finish_take(builder, 2);
        int64_t took_us = clock_monotonic_us() - start_us;
        best_us = took_us < best_us ? took_us : best_us;
        total_us += took_us;
        snapshot_unref(snapshot);
    }
    printf("next snapshot after one changed %s: mean %.2f ms, best %.2f ms\n", what,
           (double)total_us / 50e3, (double)best_us / 1e3);
}

static void count_match(void *context, const struct route_match *match) {
    *(size_t *)context += match->param_count + 1;
}

static void bench_lookups(const struct snapshot *snapshot, const struct document *documents,
                          int count) {
    enum {
        LOOKUPS = 1000000
    };
    size_t found = 0;
    int64_t start_us = clock_monotonic_us();
    for (int i = 0; i < LOOKUPS; i++) {
        char path[48];
        int number = i % count;
        snprintf(path, sizeof path, "/orders/%d/items", number % 500);
        struct route_query query = {.space = buffer_bytes(&documents[2 * (size_t)number].space),
                                    .type = BYTES("order.created"),
                                    .method = BYTES("POST"),
                                    .path = bytes_of_text(path)};
        routes_match_async(snapshot_routes(snapshot), &query, count_match, &found);
    }
    int64_t matched_us = clock_monotonic_us();
    for (int i = 0; i < LOOKUPS; i++) {
        const struct document *document = &documents[i % (2 * count)];
        found += snapshot_document(snapshot, document->kind, buffer_bytes(&document->space),
                                   buffer_bytes(&document->id)) != NULL;
    }
    printf("match of an event with a space: %.0f ns; resource by id: %.0f ns (%zu)\n",
           (double)(matched_us - start_us) * 1e3 / LOOKUPS,
           (double)(clock_monotonic_us() - matched_us) * 1e3 / LOOKUPS, found);
}

// --- a registry ---

struct node {
    struct registry *registry;
    struct registry_listener listener;
    atomic_llong revision;
    pthread_mutex_t lock;
    pthread_cond_t moved;
};

static void changed(struct registry_listener *listener, const struct snapshot *snapshot) {
    struct node *node = CONTAINER_OF(listener, struct node, listener);
    pthread_mutex_lock(&node->lock);
    node->revision = snapshot_revision(snapshot);
    pthread_cond_signal(&node->moved);
    pthread_mutex_unlock(&node->lock);
}

static void node_start(struct node *node, struct registry_store *store) {
    struct error error;
    struct registry_options options = {.store = store};
    int64_t start_us = clock_monotonic_us();
    if (registry_create(&options, &node->registry, &error) != STATUS_OK) {
        fail("registry", &error);
    }
    const struct snapshot *snapshot = registry_snapshot(node->registry);
    printf("node started: %zu subscriptions in %.0f ms\n",
           snapshot_count(snapshot, RESOURCE_SUBSCRIPTION, (struct bytes){0}),
           (double)(clock_monotonic_us() - start_us) / 1e3);
    node->revision = snapshot_revision(snapshot);
    snapshot_unref(snapshot);
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->moved, NULL);
    node->listener.changed = changed;
    registry_add_listener(node->registry, &node->listener);
}

static void node_wait(struct node *node, int64_t revision) {
    pthread_mutex_lock(&node->lock);
    while (node->revision < revision) {
        pthread_cond_wait(&node->moved, &node->lock);
    }
    pthread_mutex_unlock(&node->lock);
}

struct taker {
    struct registry *registry;
    pthread_t thread;
};

static void *take_snapshots(void *context) {
    struct taker *taker = context;
    for (int i = 0; i < 1000000; i++) {
        snapshot_unref(registry_snapshot(taker->registry));
    }
    return NULL;
}

static void bench_taking(struct registry *registry, int threads) {
    struct taker takers[8];
    int64_t start_us = clock_monotonic_us();
    for (int i = 0; i < threads; i++) {
        takers[i].registry = registry;
        pthread_create(&takers[i].thread, NULL, take_snapshots, &takers[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(takers[i].thread, NULL);
    }
    printf("registry_snapshot and unref on %d threads: %.0f ns each\n", threads,
           (double)(clock_monotonic_us() - start_us) * 1e3 / 1e6);
}

static atomic_int changes_done;

static void change_done(struct registry_change *change) {
    if (change->status != STATUS_OK) {
        fail("change", &change->error);
    }
    atomic_fetch_add(&changes_done, 1);
}

static int compare_times(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void fill(struct registry_store *store, const struct document *documents, int count) {
    struct error error;
    struct registry_edit edits[500];
    int64_t revision = 0;
    size_t edit_count = 0;
    for (int i = 0; i < 2 * count; i++) {
        const struct document *document = &documents[i];
        edits[edit_count++] =
            (struct registry_edit){document->kind, buffer_bytes(&document->space),
                                   buffer_bytes(&document->id), buffer_bytes(&document->text)};
        if (edit_count == ARRAY_LENGTH(edits) || i == 2 * count - 1) {
            if (store->ops->apply(store, edits, edit_count, revision, &revision, &error) !=
                STATUS_OK) {
                fail("apply", &error);
            }
            edit_count = 0;
        }
    }
}

static struct registry_store *open_zookeeper(const char *root) {
    struct registry_store *store = NULL;
    struct error error;
    struct registry_store_zookeeper_options options = {.servers = getenv("EG_TEST_ZOOKEEPER"),
                                                       .root = root};
    if (registry_store_zookeeper_create(&options, &store, &error) != STATUS_OK) {
        fail("zookeeper", &error);
    }
    return store;
}

static void ignore_document(void *context, enum resource_kind kind, struct bytes space,
                            struct bytes id, struct bytes document) {
    (void)context, (void)kind, (void)space, (void)id, (void)document;
}

// From the moment a change is asked for on one node until both have swapped it in.
static void bench_spreading(const char *root, const struct document *document) {
    enum {
        CHANGES = 500
    };
    static int64_t times_us[CHANGES];
    struct node one = {0};
    struct node two = {0};
    struct event_loop *loop = NULL;
    if (event_loop_create("bench", &loop, NULL) != STATUS_OK) {
        fail("loop", NULL);
    }
    struct event_loop_thread *thread = event_loop_thread_start(loop);
    node_start(&one, open_zookeeper(root));
    node_start(&two, open_zookeeper(root));
    struct registry_edit edit = {document->kind, buffer_bytes(&document->space),
                                 buffer_bytes(&document->id), buffer_bytes(&document->text)};
    for (int i = 0; i < CHANGES; i++) {
        struct registry_change change = {
            .edits = &edit, .edit_count = 1, .based_on = one.revision, .loop = loop};
        change.done = change_done;
        int64_t start_us = clock_monotonic_us();
        registry_apply(one.registry, &change);
        node_wait(&one, change.based_on + 1);
        node_wait(&two, change.based_on + 1);
        times_us[i] = clock_monotonic_us() - start_us;
        while (atomic_load(&changes_done) <= i) {
        }
    }
    qsort(times_us, CHANGES, sizeof times_us[0], compare_times);
    printf("a changed subscription is live on both nodes after: p50 %.1f ms, p99 %.1f ms, max %.1f "
           "ms\n",
           (double)times_us[CHANGES / 2] / 1e3, (double)times_us[CHANGES * 99 / 100] / 1e3,
           (double)times_us[CHANGES - 1] / 1e3);
    registry_destroy(one.registry);
    registry_destroy(two.registry);
    event_loop_stop(loop);
    event_loop_thread_join(thread);
    event_loop_destroy(loop);
}

static void bench_zookeeper(const struct document *documents, int count) {
    char id[UUID_TEXT_SIZE];
    char root[128];
    int64_t revision = 0;
    struct error error;
    uuid_create(id);
    snprintf(root, sizeof root, "/event-gateway-tests/bench-%s", id);
    struct registry_store *store = open_zookeeper(root);
    if (store->ops->load(store, ignore_document, NULL, &revision, &error) != STATUS_OK) {
        fail("load", &error);
    }
    int64_t start_us = clock_monotonic_us();
    fill(store, documents, count);
    printf("stored %d documents in ZooKeeper in %.0f ms\n", 2 * count,
           (double)(clock_monotonic_us() - start_us) / 1e3);
    store->ops->destroy(store);
    bench_spreading(root, &documents[1]);
}

int main(int argument_count, char **arguments) {
    int count = argument_count > 1 ? (int)strtol(arguments[1], NULL, 10) : 10000;
    struct document *documents = memory_allocate(2 * (size_t)count * sizeof *documents);
    make_documents(documents, count);
    const struct snapshot *snapshot = bench_build(documents, count);
    bench_change(snapshot, &documents[0], "function");
    bench_change(snapshot, &documents[1], "subscription");
    bench_lookups(snapshot, documents, count);
    snapshot_unref(snapshot);
    struct registry_store *store = NULL;
    struct node node = {0};
    if (registry_store_memory_create(&store, NULL) != STATUS_OK) {
        fail("memory", NULL);
    }
    node_start(&node, store);
    bench_taking(node.registry, 1);
    bench_taking(node.registry, 2);
    bench_taking(node.registry, 4);
    registry_destroy(node.registry);
    if (getenv("EG_TEST_ZOOKEEPER")) {
        bench_zookeeper(documents, count);
    }
    for (int i = 0; i < 2 * count; i++) {
        buffer_clear(&documents[i].space);
        buffer_clear(&documents[i].id);
        buffer_clear(&documents[i].text);
    }
    free(documents);
    return 0;
}
