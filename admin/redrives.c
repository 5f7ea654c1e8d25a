#include "admin/redrives.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <jansson.h>

#include "admin/redrive_document.h"
#include "admin/redrive_run.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

#define RUNS_MAX 8 // at once, of different spaces
#define LOOK_MS 1000
#define MISSING_MS 2000
#define TRUST_US 5000000 // shorter than the session of a node that is gone
#define SWEEP_US (INT64_C(3600) * 1000000)
#define EDITS_MAX 16

// An owner that is not among the members.
struct missing_owner {
    char *node_id;
    int64_t since_us;
    bool is_seen; // by the look that goes on
};

struct redrives {
    struct redrive_driver driver;
    struct redrive_run *runs[RUNS_MAX];
    size_t run_count;
    struct missing_owner *missing;
    size_t missing_count;
    const struct snapshot *snapshot;

    int64_t look_us, missing_us;
    struct registry_members_query members;
    bool is_asking;
    struct event_loop_timer look_timer, sweep_timer;

    // A take-over, or a removal of what is over.
    struct registry_edit edits[EDITS_MAX];
    struct buffer documents[EDITS_MAX];
    size_t edit_count;
    struct registry_change change;
    const struct snapshot *changing; // what the change is based on, and points into; NULL: none

    struct registry_listener listener;
    struct event_loop_task look_task;
    atomic_bool is_look_posted;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void post_look(struct redrives *redrives) {
    if (!atomic_exchange(&redrives->is_look_posted, true)) {
        event_loop_post(redrives->driver.loop, &redrives->look_task);
    }
}

// --- The runs.

static void run_ended(struct redrive_driver *driver) {
    post_look(CONTAINER_OF(driver, struct redrives, driver));
}

static void update_runs(struct redrives *redrives) {
    for (size_t i = 0; i < redrives->run_count; i++) {
        const struct redrive *redrive = redrive_run_of(redrives->runs[i]);
        redrive_run_update(redrives->runs[i],
                           snapshot_redrive(redrives->snapshot, redrive->space, redrive->id));
    }
}

static void drop_what_is_over(struct redrives *redrives) {
    size_t kept = 0;
    for (size_t i = 0; i < redrives->run_count; i++) {
        if (redrive_run_is_over(redrives->runs[i])) {
            redrive_run_destroy(redrives->runs[i]);
        } else {
            redrives->runs[kept++] = redrives->runs[i];
        }
    }
    redrives->run_count = kept;
}

// One redrive after the other in a space; different spaces do not wait for each other.
static bool runs_in_space(const struct redrives *redrives, struct bytes space) {
    for (size_t i = 0; i < redrives->run_count; i++) {
        if (bytes_equal(redrive_run_of(redrives->runs[i])->space, space)) {
            return true;
        }
    }
    return false;
}

struct search {
    struct redrives *redrives;
    const struct redrive *found;
};

static void find_oldest(void *context, struct bytes space, struct bytes id,
                        const struct json_t *document) {
    struct search *search = context;
    struct redrives *redrives = search->redrives;
    const struct redrive *redrive = snapshot_redrive(redrives->snapshot, space, id);
    (void)document;
    if (redrive->state <= REDRIVE_RUNNING &&
        bytes_equal(redrive->owner, redrives->driver.node_id) && !runs_in_space(redrives, space) &&
        (!search->found || redrive->begun_us < search->found->begun_us)) {
        search->found = redrive;
    }
}

static void start_runs(struct redrives *redrives) {
    while (redrives->run_count < RUNS_MAX) {
        struct search search = {.redrives = redrives};
        snapshot_each(redrives->snapshot, RESOURCE_REDRIVE, (struct bytes){0}, find_oldest,
                      &search);
        if (!search.found) {
            return;
        }
        redrives->runs[redrives->run_count++] = redrive_run_create(&redrives->driver, search.found);
    }
}

// --- Changes of owners, and what is removed.

static void change_done(struct registry_change *change) {
    struct redrives *redrives = CONTAINER_OF(change, struct redrives, change);
    snapshot_unref(redrives->changing);
    redrives->changing = NULL;
    for (size_t i = 0; i < redrives->edit_count; i++) {
        buffer_clear(&redrives->documents[i]);
    }
    redrives->edit_count = 0;
    post_look(redrives);
}

static void apply(struct redrives *redrives) {
    redrives->changing = snapshot_ref(redrives->snapshot);
    redrives->change = (struct registry_change){.edits = redrives->edits,
                                                .edit_count = redrives->edit_count,
                                                .based_on = snapshot_revision(redrives->snapshot),
                                                .loop = redrives->driver.loop,
                                                .done = change_done};
    registry_apply(redrives->driver.registry, &redrives->change);
}

static void add_take_over(struct redrives *redrives, const struct redrive *redrive) {
    if (redrives->edit_count == EDITS_MAX || redrives->changing) {
        return;
    }
    struct buffer *text = &redrives->documents[redrives->edit_count];
    json_t *document = redrive_document_owned(redrive, redrives->driver.node_id);
    json_append(document, text);
    json_decref(document);
    redrives->edits[redrives->edit_count++] =
        (struct registry_edit){.kind = RESOURCE_REDRIVE,
                               .space = redrive->space,
                               .id = redrive->id,
                               .document = buffer_bytes(text)};
    log_line(LOG_INFO, "redrive is to be taken over", LOG_BYTES("redrive", redrive->id),
             LOG_BYTES("owner", redrive->owner));
}

static bool is_member(const struct redrives *redrives, struct bytes node_id) {
    for (size_t i = 0; i < redrives->members.count; i++) {
        if (bytes_equal(buffer_bytes(&redrives->members.members[i].id), node_id)) {
            return true;
        }
    }
    return false;
}

// Since when it is missing.
static int64_t missing_since(struct redrives *redrives, struct bytes node_id) {
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < redrives->missing_count; i++) {
        if (bytes_equal_text(node_id, redrives->missing[i].node_id)) {
            redrives->missing[i].is_seen = true;
            return redrives->missing[i].since_us;
        }
    }
    redrives->missing =
        memory_resize(redrives->missing, redrives->missing_count + 1, sizeof *redrives->missing);
    redrives->missing[redrives->missing_count++] =
        (struct missing_owner){bytes_to_text(node_id), now_us, true};
    return now_us;
}

static void forget_others(struct redrives *redrives) {
    size_t kept = 0;
    for (size_t i = 0; i < redrives->missing_count; i++) {
        if (redrives->missing[i].is_seen) {
            redrives->missing[i].is_seen = false;
            redrives->missing[kept++] = redrives->missing[i];
        } else {
            free(redrives->missing[i].node_id);
        }
    }
    redrives->missing_count = kept;
}

static void look_at_owner(void *context, struct bytes space, struct bytes id,
                          const struct json_t *document) {
    struct redrives *redrives = context;
    const struct redrive *redrive = snapshot_redrive(redrives->snapshot, space, id);
    (void)document;
    if (redrive->state > REDRIVE_RUNNING || is_member(redrives, redrive->owner) ||
        bytes_equal(redrive->owner, redrives->driver.node_id)) {
        return;
    }
    bool is_free = redrive->owner.size == 0;
    if (is_free ||
        clock_monotonic_us() - missing_since(redrives, redrive->owner) >= redrives->missing_us) {
        add_take_over(redrives, redrive);
    }
}

static void take_over(struct redrives *redrives) {
    snapshot_each(redrives->snapshot, RESOURCE_REDRIVE, (struct bytes){0}, look_at_owner, redrives);
    forget_others(redrives);
    if (!redrives->changing && redrives->edit_count > 0) {
        apply(redrives);
    }
}

// --- Looking.

static void count_unfinished(void *context, struct bytes space, struct bytes id,
                             const struct json_t *document) {
    struct search *search = context;
    const struct redrive *redrive = snapshot_redrive(search->redrives->snapshot, space, id);
    (void)document;
    search->found = redrive->state <= REDRIVE_RUNNING ? redrive : search->found;
}

static void members_listed(struct registry_members_query *query);

// While there is anything to be done, and not more often than it looks.
static void ask_for_members(struct redrives *redrives) {
    struct search search = {.redrives = redrives};
    snapshot_each(redrives->snapshot, RESOURCE_REDRIVE, (struct bytes){0}, count_unfinished,
                  &search);
    if (!search.found || redrives->is_asking || redrives->look_timer.heap_index != 0) {
        return;
    }
    redrives->is_asking = true;
    registry_members_query_clear(&redrives->members);
    redrives->members =
        (struct registry_members_query){.loop = redrives->driver.loop, .done = members_listed};
    registry_list_members(redrives->driver.registry, &redrives->members);
}

static void check_stopped(struct redrives *redrives) {
    bool is_inside = redrives->run_count > 0 || redrives->is_asking || redrives->changing ||
                     atomic_load(&redrives->is_look_posted);
    if (!is_inside && redrives->stopped) {
        void (*stopped)(void *context) = redrives->stopped;
        redrives->stopped = NULL;
        stopped(redrives->stopped_context);
    }
}

static void look(struct redrives *redrives) {
    snapshot_unref(redrives->snapshot);
    redrives->snapshot = registry_snapshot(redrives->driver.registry);
    update_runs(redrives);
    drop_what_is_over(redrives);
    if (redrives->driver.is_stopping) {
        check_stopped(redrives);
        return;
    }
    start_runs(redrives);
    ask_for_members(redrives);
}

static void look_posted(struct event_loop_task *task) {
    struct redrives *redrives = CONTAINER_OF(task, struct redrives, look_task);
    // Before the snapshot is taken, so that a later change is posted again.
    atomic_store(&redrives->is_look_posted, false);
    look(redrives);
}

static void members_listed(struct registry_members_query *query) {
    struct redrives *redrives = CONTAINER_OF(query, struct redrives, members);
    redrives->is_asking = false;
    if (!redrives->driver.is_stopping) {
        event_loop_timer_start(redrives->driver.loop, &redrives->look_timer, redrives->look_us);
    }
    if (query->status == STATUS_OK) {
        redrives->driver.trusted_until_us = clock_monotonic_us() + TRUST_US;
    }
    look(redrives);
    if (query->status == STATUS_OK && !redrives->driver.is_stopping) {
        take_over(redrives);
    }
}

static void look_expired(struct event_loop_timer *timer) {
    look(CONTAINER_OF(timer, struct redrives, look_timer));
}

// --- What is over.

static void sweep_expired(struct event_loop_timer *timer) {
    struct redrives *redrives = CONTAINER_OF(timer, struct redrives, sweep_timer);
    event_loop_timer_start(redrives->driver.loop, timer, SWEEP_US);
    look(redrives);
    if (redrives->changing) {
        return;
    }
    redrives->edit_count =
        redrives_sweep(redrives->snapshot, (struct bytes){0}, 0, redrives->edits, EDITS_MAX);
    if (redrives->edit_count > 0) {
        apply(redrives);
    }
}

// --- Life.

static void configuration_changed(struct registry_listener *listener,
                                  const struct snapshot *snapshot) {
    (void)snapshot;
    post_look(CONTAINER_OF(listener, struct redrives, listener));
}

struct redrives *redrives_create(const struct redrives_options *options) {
    struct redrives *redrives = memory_allocate(sizeof *redrives);
    redrives->driver = (struct redrive_driver){.log = options->log,
                                               .registry = options->registry,
                                               .loop = options->loop,
                                               .index = options->index,
                                               .node_id = bytes_of_text(options->node_id),
                                               .run_ended = run_ended};
    redrives->look_us = 1000 * (options->look_ms > 0 ? options->look_ms : LOOK_MS);
    redrives->missing_us = 1000 * (options->missing_ms > 0 ? options->missing_ms : MISSING_MS);
    redrives->look_timer.expired = look_expired;
    redrives->sweep_timer.expired = sweep_expired;
    redrives->look_task.run = look_posted;
    atomic_init(&redrives->is_look_posted, false);
    redrives->listener.changed = configuration_changed;
    registry_add_listener(options->registry, &redrives->listener);
    // Nodes that begin together do not all sweep at once.
    event_loop_timer_start(options->loop, &redrives->sweep_timer, (int64_t)random_below(SWEEP_US));
    post_look(redrives);
    return redrives;
}

void redrives_stop(struct redrives *redrives, void (*stopped)(void *context), void *context) {
    registry_remove_listener(redrives->driver.registry, &redrives->listener);
    redrives->driver.is_stopping = true;
    redrives->stopped = stopped;
    redrives->stopped_context = context;
    event_loop_timer_stop(redrives->driver.loop, &redrives->look_timer);
    event_loop_timer_stop(redrives->driver.loop, &redrives->sweep_timer);
    post_look(redrives);
}

void redrives_destroy(struct redrives *redrives) {
    if (!redrives) {
        return;
    }
    registry_members_query_clear(&redrives->members);
    for (size_t i = 0; i < redrives->missing_count; i++) {
        free(redrives->missing[i].node_id);
    }
    free(redrives->missing);
    snapshot_unref(redrives->snapshot);
    free(redrives);
}
