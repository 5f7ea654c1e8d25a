// How far replays are: told from the records of eg.cursor, whichever nodes own the partitions.

#include <stdlib.h>

#include <jansson.h>

#include "admin/cursor_view.h"
#include "admin/replays_api.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/registry.h"

struct status_call {
    struct cursor_view_request view;
    struct admin *admin;
    struct http_request *request;
    struct buffer space, id; // id empty: all of the space
    const struct cursor_fold *fold;
};

static void call_destroy(struct status_call *call) {
    buffer_clear(&call->space);
    buffer_clear(&call->id);
    free(call);
}

static void fail(struct status_call *call, unsigned status, struct bytes message) {
    admin_answer_error(call->request, CONFIG_SPACES, status, status == 503 ? 1 : 0, message);
    call_destroy(call);
}

// --- One replay.

static int64_t scanned_of(const struct cursor_record *record, const struct replay_part *part) {
    int64_t scanned = record->position - part->from;
    for (size_t i = 0; i < record->finished.count; i++) {
        scanned += record->finished.items[i].end - record->finished.items[i].first;
    }
    int64_t all = part->until - part->from;
    return scanned < 0 ? 0 : scanned < all ? scanned : all;
}

static void add_partition(const struct cursor_fold *fold, const struct replay *replay,
                          size_t partition, struct replay_progress *progress) {
    const struct replay_part *part = &replay->parts[partition];
    const struct cursor_key key = {.kind = CURSOR_REPLAY,
                                   .partition = (int32_t)partition,
                                   .space = replay->space,
                                   .name = replay->id};
    const struct cursor_record *record = cursor_fold_find(fold, &key);
    progress->total += part->until - part->from;
    if (!record) {
        progress->is_done &= part->until == part->from;
        return;
    }
    // Records of before that member have none.
    int64_t ended = record->delivered + record->failed;
    progress->scanned += scanned_of(record, part);
    progress->matched += record->matched > ended ? record->matched : ended;
    progress->delivered += record->delivered;
    progress->failed += record->failed;
    progress->lost += record->lost;
    progress->written_us =
        record->written_us > progress->written_us ? record->written_us : progress->written_us;
    progress->is_done &= record->position >= part->until;
}

void replay_progress_of(const struct cursor_fold *fold, const struct replay *replay,
                        struct replay_progress *ret_progress) {
    *ret_progress = (struct replay_progress){.is_done = true};
    for (size_t i = 0; i < replay->part_count; i++) {
        add_partition(fold, replay, i, ret_progress);
    }
}

int64_t replay_ended_us(const struct replay_progress *progress, const struct replay *replay) {
    if (progress->is_done) {
        // One with nothing to be done has no record.
        return progress->written_us > 0 ? progress->written_us : replay->created_us;
    }
    return replay->stopped_us;
}

static bool has_subscription(const struct snapshot *snapshot, const struct replay *replay) {
    const struct subscription *subscription =
        snapshot_subscription(snapshot, replay->space, replay->subscription_id);
    return subscription && bytes_equal(subscription->created, replay->subscription_created);
}

static const char *state_of(const struct snapshot *snapshot, const struct replay *replay,
                            const struct replay_progress *progress) {
    if (progress->is_done) {
        return "done";
    }
    if (replay->stopped_us > 0 || !has_subscription(snapshot, replay)) {
        return "stopped";
    }
    return snapshot_subscription(snapshot, replay->space, replay->subscription_id)->is_paused
               ? "paused"
               : "running";
}

// By its speed so far, over what is left to be looked at.
static json_t *eta(const struct replay *replay, const struct replay_progress *progress) {
    int64_t passed_us = clock_wall_us() - replay->created_us;
    int64_t left = progress->total - progress->scanned;
    if (progress->is_done) {
        return json_integer(0);
    }
    if (replay->stopped_us > 0 || progress->scanned == 0 || passed_us <= 0) {
        return json_null();
    }
    double seconds = (double)passed_us / 1e6 * (double)left / (double)progress->scanned;
    return json_integer((json_int_t)(seconds + 0.999));
}

static void set_ended(json_t *object, const struct replay *replay,
                      const struct replay_progress *progress) {
    char text[TIMESTAMP_TEXT_SIZE];
    int64_t ended_us = replay_ended_us(progress, replay);
    if (ended_us > 0) {
        timestamp_format(ended_us, text);
        json_object_set_new(object, "ended", json_string(text));
    }
}

static void copy_member(json_t *object, const json_t *document, const char *name) {
    json_t *value = json_object_get(document, name);
    if (value) {
        json_object_set(object, name, value);
    }
}

static json_t *describe(const struct status_call *call, const struct snapshot *snapshot,
                        const struct replay *replay) {
    struct replay_progress progress;
    json_t *object = json_object();
    static const char *const members[] = {"replayId", "subscriptionId", "created", "from",
                                          "to",       "ratePerSecond",  "filters", "stoppedBy"};
    replay_progress_of(call->fold, replay, &progress);
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        copy_member(object, replay->document, members[i]);
    }
    const struct {
        const char *name;
        int64_t number;
    } numbers[] = {{"total", progress.total},
                   {"scanned", progress.scanned},
                   {"matched", progress.matched},
                   {"delivered", progress.delivered},
                   {"failed", progress.failed},
                   {"lostToRetention", progress.lost},
                   {"percent", progress.is_done ? 100 : progress.scanned * 100 / progress.total}};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        json_object_set_new(object, numbers[i].name, json_integer(numbers[i].number));
    }
    json_object_set_new(object, "state", json_string(state_of(snapshot, replay, &progress)));
    json_object_set_new(object, "etaSeconds", eta(replay, &progress));
    set_ended(object, replay, &progress);
    return object;
}

// --- The answer.

struct listing {
    const struct status_call *call;
    const struct snapshot *snapshot;
    json_t *replays;
};

static void add_to_list(void *context, struct bytes space, struct bytes id,
                        const struct json_t *document) {
    const struct listing *listing = context;
    (void)document;
    json_array_append_new(
        listing->replays,
        describe(listing->call, listing->snapshot, snapshot_replay(listing->snapshot, space, id)));
}

static void answer(struct status_call *call) {
    const struct snapshot *snapshot = registry_snapshot(call->admin->options.registry);
    struct bytes space = buffer_bytes(&call->space);
    json_t *value = NULL;
    if (call->id.size > 0) {
        const struct replay *replay = snapshot_replay(snapshot, space, buffer_bytes(&call->id));
        value = replay ? describe(call, snapshot, replay) : NULL;
    } else {
        struct listing listing = {call, snapshot, json_array()};
        snapshot_each(snapshot, RESOURCE_REPLAY, space, add_to_list, &listing);
        value = json_pack("{s:o}", "replays", listing.replays);
    }
    snapshot_unref(snapshot);
    if (!value) {
        fail(call, 404, BYTES("Replay not found."));
        return;
    }
    admin_answer_json(call->request, 200, value);
    json_decref(value);
    call_destroy(call);
}

static void cursors_read(struct cursor_view_request *request, const struct cursor_fold *fold) {
    struct status_call *call = CONTAINER_OF(request, struct status_call, view);
    if (!fold) {
        fail(call, 503, BYTES("the event log cannot be read now"));
        return;
    }
    call->fold = fold;
    answer(call);
}

void replay_status_answer(struct admin *admin, struct http_request *request, struct bytes space,
                          struct bytes id) {
    struct status_call *call = memory_allocate(sizeof *call);
    call->admin = admin;
    call->request = request;
    buffer_append(&call->space, space);
    buffer_append(&call->id, id);
    call->view.done = cursors_read;
    cursor_view_ask(admin->cursors, &call->view);
}
