#include "core/registry/registry.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/condition.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/registry/registry_cache.h"
#include "core/registry/registry_listeners.h"
#include "core/registry/registry_loading.h"
#include "core/registry/registry_members.h"
#include "core/registry/registry_store.h"
#include "core/registry/snapshot_builder.h"

#define RETRY_MIN_US INT64_C(100000)
#define RETRY_MAX_US INT64_C(5000000)
#define CACHE_DELAY_US INT64_C(500000)
#define NEVER INT64_MAX

static struct metric_family revision_family = {
    .name = "eventgateway_registry_revision",
    .help = "Revision of the configuration that this node decides by.",
    .kind = METRIC_GAUGE,
};
static struct metric_family available_family = {
    .name = "eventgateway_registry_available",
    .help = "1 while the store of the configuration can be reached, else 0.",
    .kind = METRIC_GAUGE,
};

struct registry {
    struct registry_store *store;
    char *cache_path;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; // of what is up to the empty line
    pthread_cond_t wake;
    struct registry_change *first_change, **last_change;
    bool is_notified, is_closing;
    enum status health;
    struct error health_error;
    const struct snapshot *current;

    struct registry_listeners listeners;
    struct registry_members members;

    // Only the registry's thread, and registry_create before there is one.
    struct registry_loading loading;
    int64_t retry_delay_us;
    int64_t retry_at_us;
    int64_t cache_at_us; // NEVER = the file is up to date
};

// --- inbox ---

static void notified(void *context) {
    struct registry *registry = context;
    pthread_mutex_lock(&registry->lock);
    registry->is_notified = true;
    pthread_cond_signal(&registry->wake);
    pthread_mutex_unlock(&registry->lock);
}

static void run_done(struct event_loop_task *task);

void registry_apply(struct registry *registry, struct registry_change *change) {
    change->next = NULL;
    pthread_mutex_lock(&registry->lock);
    bool is_closing = registry->is_closing;
    if (!is_closing) {
        *registry->last_change = change;
        registry->last_change = &change->next;
        pthread_cond_signal(&registry->wake);
    }
    pthread_mutex_unlock(&registry->lock);
    if (is_closing) {
        change->status = error_set(&change->error, STATUS_CLOSED, "shutting down");
        change->task.run = run_done;
        event_loop_post(change->loop, &change->task);
    }
}

struct work {
    struct registry_change *changes;
    bool must_refresh;
    bool is_closing;
};

static struct work take_work(struct registry *registry) {
    int64_t due_us = registry->retry_at_us < registry->cache_at_us ? registry->retry_at_us
                                                                   : registry->cache_at_us;
    pthread_mutex_lock(&registry->lock);
    while (!registry->first_change && !registry->is_notified && !registry->is_closing &&
           clock_monotonic_us() < due_us) {
        (void)condition_wait_until(&registry->wake, &registry->lock, due_us);
    }
    struct work work = {.changes = registry->first_change,
                        .must_refresh = registry->is_notified,
                        .is_closing = registry->is_closing};
    registry->first_change = NULL;
    registry->last_change = &registry->first_change;
    registry->is_notified = false;
    pthread_mutex_unlock(&registry->lock);
    work.must_refresh |= clock_monotonic_us() >= registry->retry_at_us;
    return work;
}

// --- health ---

static void set_health(struct registry *registry, enum status status, const struct error *error) {
    pthread_mutex_lock(&registry->lock);
    bool has_changed = (registry->health == STATUS_OK) != (status == STATUS_OK);
    registry->health = status;
    if (status != STATUS_OK) {
        registry->health_error = *error;
    }
    pthread_mutex_unlock(&registry->lock);
    metric_set(METRIC(&available_family), status == STATUS_OK);
    if (!has_changed) {
        return;
    }
    if (status == STATUS_OK) {
        log_line(LOG_INFO, "the store of the configuration is there",
                 LOG_TEXT("store", registry->store->ops->name));
    } else {
        log_line(LOG_WARNING,
                 "the store of the configuration is away; the last configuration still serves",
                 LOG_TEXT("store", registry->store->ops->name), LOG_TEXT("reason", error->text));
    }
}

enum status registry_health(struct registry *registry, struct error *error) {
    pthread_mutex_lock(&registry->lock);
    enum status status = registry->health;
    if (status != STATUS_OK && error) {
        *error = registry->health_error;
    }
    pthread_mutex_unlock(&registry->lock);
    return status == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

static void store_failed(struct registry *registry, enum status status, const struct error *error) {
    set_health(registry, status, error);
    registry->retry_at_us = clock_monotonic_us() + registry->retry_delay_us;
    registry->retry_delay_us =
        registry->retry_delay_us * 2 < RETRY_MAX_US ? registry->retry_delay_us * 2 : RETRY_MAX_US;
}

static void store_answered(struct registry *registry) {
    registry->retry_at_us = NEVER;
    registry->retry_delay_us = RETRY_MIN_US;
    set_health(registry, STATUS_OK, NULL);
}

// --- snapshots ---

const struct snapshot *registry_snapshot(struct registry *registry) {
    pthread_mutex_lock(&registry->lock);
    const struct snapshot *snapshot = snapshot_ref(registry->current);
    pthread_mutex_unlock(&registry->lock);
    return snapshot;
}

void registry_add_listener(struct registry *registry, struct registry_listener *listener) {
    registry_listeners_add(&registry->listeners, listener);
}

void registry_remove_listener(struct registry *registry, struct registry_listener *listener) {
    registry_listeners_remove(&registry->listeners, listener);
}

static void publish_take(struct registry *registry, const struct snapshot *snapshot) {
    pthread_mutex_lock(&registry->lock);
    const struct snapshot *before = registry->current;
    registry->current = snapshot;
    pthread_mutex_unlock(&registry->lock);
    metric_set(METRIC(&revision_family), snapshot_revision(snapshot));
    if (registry->cache_path && registry->cache_at_us == NEVER) {
        registry->cache_at_us = clock_monotonic_us() + CACHE_DELAY_US;
    }
    registry_listeners_tell(&registry->listeners, snapshot);
    snapshot_unref(before);
}

static void write_cache(struct registry *registry) {
    struct error error;
    registry->cache_at_us = NEVER;
    if (registry_cache_write(registry->cache_path, registry->current, &error) != STATUS_OK) {
        log_line(LOG_WARNING, "the configuration could not be kept on disk",
                 LOG_TEXT("reason", error.text));
    }
}

// --- from the store ---

static void refresh(struct registry *registry) {
    struct error error;
    const struct snapshot *snapshot = NULL;
    enum status status = registry->store->ops->health(registry->store, &error);
    if (status == STATUS_OK) {
        status = registry_loading_next(&registry->loading, registry->store, registry->current,
                                       &snapshot, &error);
    }
    if (status != STATUS_OK) {
        store_failed(registry, status, &error);
        return;
    }
    if (snapshot) {
        publish_take(registry, snapshot);
    }
    store_answered(registry);
}

// --- changes ---

static void run_done(struct event_loop_task *task) {
    struct registry_change *change = CONTAINER_OF(task, struct registry_change, task);
    change->done(change);
}

// A document that this node could not read back is refused before it is stored.
static enum status put_edits(struct snapshot_builder *builder, const struct registry_change *change,
                             struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < change->edit_count; i++) {
        const struct registry_edit *edit = &change->edits[i];
        status =
            snapshot_builder_put(builder, edit->kind, edit->space, edit->id, edit->document, error);
        if (status != STATUS_OK) {
            error_prefix(error, "%s \"%.*s\"", resource_kind_name(edit->kind),
                         (int)(edit->id.size > 200 ? 200 : edit->id.size), edit->id.data);
        }
    }
    return status;
}

// What this node stored itself needs no reading back: the store took it only because nothing else
// had changed since the snapshot that it is built on.
static enum status store_change(struct registry *registry, const struct registry_change *change,
                                struct error *error) {
    int64_t revision = 0;
    struct snapshot_builder *builder = snapshot_builder_create(registry->current);
    enum status status = put_edits(builder, change, error);
    if (status == STATUS_OK) {
        status = registry->store->ops->apply(registry->store, change->edits, change->edit_count,
                                             change->based_on, &revision, error);
    }
    if (status != STATUS_OK) {
        snapshot_builder_destroy(builder);
        return status;
    }
    publish_take(registry, snapshot_builder_finish_take(builder, revision));
    return STATUS_OK;
}

static enum status apply(struct registry *registry, const struct registry_change *change,
                         struct error *error) {
    enum status status = registry->store->ops->health(registry->store, error);
    if (status == STATUS_OK && registry->loading.must_load_everything) {
        refresh(registry);
        status = registry_health(registry, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (change->based_on == snapshot_revision(registry->current)) {
        status = store_change(registry, change, error);
        if (status != STATUS_CONFLICT) {
            return status;
        }
        refresh(registry);
    }
    return error_set(error, STATUS_CONFLICT,
                     "the configuration has changed since revision %" PRId64, change->based_on);
}

// After one change that found the store away the others of this turn need not wait for it too.
static void apply_all(struct registry *registry, struct work *work) {
    enum status status = work->is_closing ? STATUS_CLOSED : STATUS_OK;
    struct error error = {"shutting down"};
    for (struct registry_change *next, *change = work->changes; change; change = next) {
        next = change->next;
        if (status != STATUS_CLOSED && status != STATUS_UNAVAILABLE && status != STATUS_TIMEOUT) {
            status = apply(registry, change, &error);
            if (status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT) {
                store_failed(registry, status, &error);
            }
        }
        change->status = status;
        change->error = error;
        change->task.run = run_done;
        event_loop_post(change->loop, &change->task);
    }
}

// --- members ---

void registry_announce(struct registry *registry, struct bytes id, struct bytes document) {
    registry_members_announce(&registry->members, id, document);
    notified(registry);
}

void registry_list_members(struct registry *registry, struct registry_members_query *query) {
    if (registry_members_ask(&registry->members, query)) {
        notified(registry);
    }
}

// After a refresh, which has told whether the store is there.
static void serve_members(struct registry *registry) {
    struct error error;
    enum status status = registry_health(registry, &error);
    if (status == STATUS_OK) {
        status = registry_members_show(&registry->members, registry->store, &error);
        if (status != STATUS_OK) {
            store_failed(registry, status, &error);
        }
    }
    registry_members_answer(&registry->members, status == STATUS_OK ? registry->store : NULL,
                            &error);
}

// --- life ---

static void *run(void *context) {
    struct registry *registry = context;
    for (;;) {
        struct work work = take_work(registry);
        if (work.must_refresh && !work.is_closing) {
            refresh(registry);
            serve_members(registry);
        }
        apply_all(registry, &work);
        if (registry->cache_at_us <= clock_monotonic_us() ||
            (work.is_closing && registry->cache_at_us != NEVER)) {
            write_cache(registry);
        }
        if (work.is_closing) {
            registry_members_close(&registry->members);
            return NULL;
        }
    }
}

static enum status load_first(struct registry *registry, struct error *error) {
    const struct snapshot *snapshot = NULL;
    enum status status =
        registry_loading_next(&registry->loading, registry->store, NULL, &snapshot, error);
    if (status == STATUS_OK) {
        publish_take(registry, snapshot);
        store_answered(registry);
        return STATUS_OK;
    }
    if (!registry->cache_path || (status != STATUS_UNAVAILABLE && status != STATUS_TIMEOUT)) {
        return status;
    }
    struct error cache_error;
    if (registry_cache_read(registry->cache_path, &snapshot, &cache_error) != STATUS_OK) {
        log_line(LOG_WARNING, "there is no configuration on disk to start with",
                 LOG_TEXT("reason", cache_error.text));
        return STATUS_UNAVAILABLE;
    }
    registry->loading.must_load_everything = true;
    publish_take(registry, snapshot);
    registry->cache_at_us = NEVER;
    store_failed(registry, STATUS_UNAVAILABLE, error);
    return STATUS_OK;
}

static struct registry *registry_allocate(const struct registry_options *options) {
    struct registry *registry = memory_allocate(sizeof *registry);
    registry->store = options->store;
    registry->cache_path = memory_copy_text(options->cache_path);
    registry->last_change = &registry->first_change;
    registry->retry_delay_us = RETRY_MIN_US;
    registry->retry_at_us = NEVER;
    registry->cache_at_us = NEVER;
    pthread_mutex_init(&registry->lock, NULL);
    registry_listeners_init(&registry->listeners);
    registry_members_init(&registry->members);
    condition_init(&registry->wake);
    return registry;
}

enum status registry_create(const struct registry_options *options, struct registry **ret_registry,
                            struct error *error) {
    struct registry *registry = registry_allocate(options);
    registry->store->ops->watch(registry->store, notified, registry);
    enum status status = load_first(registry, error);
    if (status == STATUS_OK && pthread_create(&registry->thread, NULL, run, registry) != 0) {
        status = error_set(error, STATUS_FAILED, "cannot start the registry's thread");
    }
    if (status != STATUS_OK) {
        registry_destroy(registry);
        return status;
    }
    registry->has_thread = true;
    (void)pthread_setname_np(registry->thread, "registry");
    *ret_registry = registry;
    return STATUS_OK;
}

void registry_close(struct registry *registry) {
    if (registry->has_thread) {
        pthread_mutex_lock(&registry->lock);
        registry->is_closing = true;
        pthread_cond_signal(&registry->wake);
        pthread_mutex_unlock(&registry->lock);
        pthread_join(registry->thread, NULL);
        registry->has_thread = false;
    }
}

void registry_destroy(struct registry *registry) {
    if (!registry) {
        return;
    }
    registry_close(registry);
    registry->store->ops->destroy(registry->store);
    snapshot_unref(registry->current);
    pthread_mutex_destroy(&registry->lock);
    pthread_cond_destroy(&registry->wake);
    registry_listeners_clear(&registry->listeners);
    registry_members_clear(&registry->members);
    free(registry->cache_path);
    free(registry);
}
