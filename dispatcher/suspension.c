#include "dispatcher/suspension.h"

#include "core/base/json.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/registry/registry.h"
#include "dispatcher/lane.h"

#include <jansson.h>
#include <stdlib.h>

#define TRY_AGAIN_US 1000000
static const char reason[] = "the function answered 410 Gone";

struct suspension {
    struct lane *lane;                       // NULL: forgotten while the registry had the change
    const struct subscription *subscription; // as it was when the function was gone
    bool is_inside;                          // the registry has the change
    struct registry_edit edit;
    struct buffer document;
    struct registry_change change;
    struct event_loop_timer timer;
    void (*done)(void *context);
    void *context;
};

static void destroy(struct suspension *suspension) {
    subscription_unref(suspension->subscription);
    buffer_clear(&suspension->document);
    free(suspension);
}

static void end(struct suspension *suspension) {
    suspension->done(suspension->context);
    destroy(suspension);
}

static void try_change(struct suspension *suspension);

static void try_again(struct event_loop_timer *timer) {
    try_change(CONTAINER_OF(timer, struct suspension, timer));
}

static void paused(const struct suspension *suspension) {
    const struct subscription *subscription = suspension->subscription;
    log_line(LOG_WARNING, "subscription paused: its function is gone",
             LOG_BYTES("space", subscription->space), LOG_BYTES("subscription", subscription->id),
             LOG_BYTES("function", subscription->function_id));
    lane_refresh(suspension->lane);
    system_emit_suspended(&suspension->lane->emitter, suspension->lane->snapshot, subscription,
                          reason);
}

static void change_done(struct registry_change *change) {
    struct suspension *suspension = CONTAINER_OF(change, struct suspension, change);
    suspension->is_inside = false;
    if (!suspension->lane) {
        destroy(suspension);
    } else if (change->status == STATUS_OK) {
        paused(suspension);
        end(suspension);
    } else if (change->status == STATUS_CONFLICT) {
        try_change(suspension);
    } else {
        event_loop_timer_start(suspension->lane->loop, &suspension->timer, TRY_AGAIN_US);
    }
}

// Whether it is still the one whose function was gone, and not paused yet.
static bool is_current(const struct suspension *suspension, const struct subscription *now) {
    return now && !now->is_paused && bytes_equal(now->created, suspension->subscription->created);
}

static void write_document(struct suspension *suspension, const struct subscription *now) {
    json_t *document = json_copy((json_t *)now->document);
    json_object_set_new(document, "paused", json_true());
    json_object_set_new(document, "pausedReason", json_string(reason));
    buffer_reset(&suspension->document);
    json_append(document, &suspension->document);
    json_decref(document);
}

static void try_change(struct suspension *suspension) {
    struct lane *lane = suspension->lane;
    const struct subscription *subscription = suspension->subscription;
    const struct snapshot *snapshot = registry_snapshot(lane->registry);
    const struct subscription *now =
        snapshot_subscription(snapshot, subscription->space, subscription->id);
    if (!is_current(suspension, now)) {
        snapshot_unref(snapshot);
        // Never from within the start.
        suspension->is_inside = false;
        end(suspension);
        return;
    }
    write_document(suspension, now);
    suspension->edit = (struct registry_edit){.kind = RESOURCE_SUBSCRIPTION,
                                              .space = subscription->space,
                                              .id = subscription->id,
                                              .document = buffer_bytes(&suspension->document)};
    suspension->change = (struct registry_change){.edits = &suspension->edit,
                                                  .edit_count = 1,
                                                  .based_on = snapshot_revision(snapshot),
                                                  .loop = lane->loop,
                                                  .done = change_done};
    snapshot_unref(snapshot);
    suspension->is_inside = true;
    registry_apply(lane->registry, &suspension->change);
}

struct suspension *suspension_start(struct lane *lane, const struct subscription *subscription,
                                    void (*done)(void *context), void *context) {
    struct suspension *suspension = memory_allocate(sizeof *suspension);
    suspension->lane = lane;
    suspension->subscription = subscription_ref(subscription);
    suspension->timer.expired = try_again;
    suspension->done = done;
    suspension->context = context;
    event_loop_timer_start(lane->loop, &suspension->timer, 0);
    return suspension;
}

void suspension_forget(struct suspension *suspension) {
    if (suspension->is_inside) {
        suspension->lane = NULL; // The registry's answer frees it.
        return;
    }
    event_loop_timer_stop(suspension->lane->loop, &suspension->timer);
    destroy(suspension);
}
