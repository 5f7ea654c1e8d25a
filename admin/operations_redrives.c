// POST deadletters/redrive, GET redrives, GET and DELETE redrives/{id}: documents in the registry,
// which whatever node owns them drives (redrives.h).

#include <stdlib.h>

#include <jansson.h>

#include "admin/kept_entries.h"
#include "admin/operations_api.h"
#include "admin/redrive_document.h"
#include "admin/redrives.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/registry/redrive.h"

#define TRIES_MAX 10
#define SWEPT_MAX 16 // by one new redrive
#define PEER_SIZE 64

// A change of the registry for a call.
struct redrive_change {
    struct operations_call *call;
    json_t *created; // of one that begins; NULL: the one of the call's id is stopped
    struct buffer document;
    unsigned tries;
    const struct snapshot *snapshot;           // that the change is based on; edits point into it
    struct registry_edit edits[1 + SWEPT_MAX]; // itself first
    size_t edit_count;
    struct registry_change change;
};

static void change_destroy(struct redrive_change *change) {
    json_decref(change->created);
    buffer_clear(&change->document);
    snapshot_unref(change->snapshot);
    free(change);
}

static void fail_change(struct redrive_change *change, enum status status,
                        const struct error *error) {
    operations_call_fail(change->call, status, error);
    change_destroy(change);
}

static enum status not_found(struct bytes id, struct error *error) {
    return error_set(error, STATUS_NOT_FOUND, "Redrive \"%.*s\" not found.",
                     (int)(id.size > 200 ? 200 : id.size), id.data);
}

static const struct redrive *redrive_of(const struct operations_call *call,
                                        const struct snapshot *snapshot) {
    return snapshot_redrive(snapshot, buffer_bytes(&call->space), buffer_bytes(&call->id));
}

// --- Planning: on one snapshot, without I/O.

static enum status plan_begin(struct redrive_change *change, struct error *error) {
    struct bytes space = change->call->params.query.space;
    size_t swept = redrives_sweep(change->snapshot, space, 1, &change->edits[1], SWEPT_MAX);
    size_t there = snapshot_count(change->snapshot, RESOURCE_REDRIVE, space);
    const json_t *id = json_object_get(change->created, "redriveId");
    if (there - swept >= KEPT_ENTRIES_MAX) {
        return error_set(error, STATUS_FULL, "%d redrives wait already", KEPT_ENTRIES_MAX);
    }
    json_append(change->created, &change->document);
    change->edits[0] = (struct registry_edit){.kind = RESOURCE_REDRIVE,
                                              .space = space,
                                              .id = {json_string_value(id), json_string_length(id)},
                                              .document = buffer_bytes(&change->document)};
    change->edit_count = 1 + swept;
    return STATUS_OK;
}

// Nothing to be done when it is over.
static enum status plan_stop(struct redrive_change *change, struct error *error) {
    const struct redrive *redrive = redrive_of(change->call, change->snapshot);
    char peer[PEER_SIZE] = "";
    if (!redrive) {
        return not_found(buffer_bytes(&change->call->id), error);
    }
    if (redrive->state >= REDRIVE_DONE) {
        return STATUS_OK;
    }
    http_request_peer(change->call->request, peer, sizeof peer);
    json_t *document = redrive_document_stopped(redrive, bytes_of_text(peer), clock_wall_us());
    json_append(document, &change->document);
    json_decref(document);
    change->edits[0] = (struct registry_edit){.kind = RESOURCE_REDRIVE,
                                              .space = redrive->space,
                                              .id = redrive->id,
                                              .document = buffer_bytes(&change->document)};
    change->edit_count = 1;
    return STATUS_OK;
}

// --- Applying.

static void answer_change(struct redrive_change *change) {
    struct operations_call *call = change->call;
    if (change->created) {
        const struct redrive *redrive = NULL;
        struct error error;
        // It was parsed by the registry before.
        if (redrive_parse(change->created, &redrive, &error) == STATUS_OK) {
            call->answer = redrive_describe(redrive, 0, clock_wall_us());
            redrive_unref(redrive);
        }
    }
    operations_call_answer(call);
    change_destroy(change);
}

static void try_change(struct redrive_change *change);

static void change_done(struct registry_change *registry_change) {
    struct redrive_change *change = CONTAINER_OF(registry_change, struct redrive_change, change);
    enum status status = registry_change->status;
    if (status == STATUS_OK) {
        answer_change(change);
    } else if (status == STATUS_CONFLICT && change->tries < TRIES_MAX) {
        try_change(change);
    } else {
        // What the registry refuses otherwise than as too large can be tried again.
        fail_change(change, status == STATUS_TOO_LARGE ? status : STATUS_UNAVAILABLE,
                    &registry_change->error);
    }
}

static void try_change(struct redrive_change *change) {
    struct registry *registry = change->call->admin->options.registry;
    struct error error = {0};
    snapshot_unref(change->snapshot);
    change->snapshot = registry_snapshot(registry);
    change->edit_count = 0;
    change->tries++;
    buffer_reset(&change->document);
    enum status status = change->created ? plan_begin(change, &error) : plan_stop(change, &error);
    if (status != STATUS_OK) {
        fail_change(change, status, &error);
        return;
    }
    if (change->edit_count == 0) {
        answer_change(change);
        return;
    }
    change->change = (struct registry_change){.edits = change->edits,
                                              .edit_count = change->edit_count,
                                              .based_on = snapshot_revision(change->snapshot),
                                              .loop = change->call->admin->options.loop,
                                              .done = change_done};
    registry_apply(registry, &change->change);
}

static void start_change(struct operations_call *call, json_t *created) {
    struct redrive_change *change = memory_allocate(sizeof *change);
    change->call = call;
    change->created = created;
    try_change(change);
}

// --- Beginning: the index says what it is about.

// Letters of other spaces are not this one's to redrive.
static enum status check_letters(struct operations_call *call, struct event_index *index,
                                 struct error *error) {
    for (size_t i = 0; i < call->letter_count; i++) {
        struct buffer id = {0};
        struct log_place place;
        json_t *letter = NULL;
        letter_id_write(&call->letters[i], &id);
        enum status status = event_index_find_letter(index, buffer_bytes(&call->space),
                                                     buffer_bytes(&id), &letter, &place, error);
        json_decref(letter);
        buffer_clear(&id);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static void look_at_letters(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (!index) {
        return;
    }
    store->status = check_letters(call, index, &store->error);
    call->letter_total = (int64_t)call->letter_count;
    if (store->status == STATUS_OK && call->letter_count == 0) {
        store->status = event_index_count_letters(index, &call->params.query, &call->letter_total,
                                                  &store->error);
    }
}

static void letters_looked_at(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status != STATUS_OK) {
        operations_call_fail(call, store->status, &store->error);
        return;
    }
    const char *node_id = call->admin->options.node_id;
    const struct redrive_request request = {
        .query = call->params.query,
        .letters = call->letters,
        .letter_count = call->letter_count,
        .rate = call->rate,
    };
    call->answer_status = 201;
    start_change(call,
                 redrive_document_create(&request, call->letter_total,
                                         bytes_of_text(node_id ? node_id : ""), clock_wall_us()));
}

void operations_begin_redrive(struct operations_call *call) {
    struct error error = {0};
    enum status status = operations_read_redrive(call, &error);
    if (status != STATUS_OK) {
        operations_call_fail(call, status, &error);
    } else {
        operations_call_run(call, look_at_letters, letters_looked_at);
    }
}

// --- Looking: what the registry has, and the marks that this node's index has seen since.

static void answer_done(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status == STATUS_OK) {
        operations_call_answer(call);
    } else {
        operations_call_fail(call, store->status, &store->error);
    }
}

static enum status describe(struct event_index *index, const struct redrive *redrive,
                            json_t **ret_answer, struct error *error) {
    int64_t marks = 0;
    enum status status = redrive->state == REDRIVE_DONE
                             ? STATUS_OK
                             : event_index_count_marks(index, redrive->id, &marks, error);
    if (status == STATUS_OK) {
        *ret_answer = redrive_describe(redrive, marks, clock_wall_us());
    }
    return status;
}

struct listing {
    const struct snapshot *snapshot;
    const struct redrive **redrives;
    size_t count;
};

static void add_to_listing(void *context, struct bytes space, struct bytes id,
                           const struct json_t *document) {
    struct listing *listing = context;
    (void)document;
    listing->redrives[listing->count++] = snapshot_redrive(listing->snapshot, space, id);
}

static int compare_newest_first(const void *a, const void *b) {
    const struct redrive *left = *(const struct redrive *const *)a;
    const struct redrive *right = *(const struct redrive *const *)b;
    return (left->begun_us < right->begun_us) - (left->begun_us > right->begun_us);
}

static void list_redrives(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (!index) {
        return;
    }
    struct bytes space = buffer_bytes(&call->space);
    struct listing listing = {.snapshot = registry_snapshot(call->admin->options.registry)};
    size_t count = snapshot_count(listing.snapshot, RESOURCE_REDRIVE, space);
    listing.redrives = memory_allocate((count + 1) * sizeof(void *));
    snapshot_each(listing.snapshot, RESOURCE_REDRIVE, space, add_to_listing, &listing);
    qsort(listing.redrives, listing.count, sizeof(void *), compare_newest_first);
    json_t *list = json_array();
    for (size_t i = 0; store->status == STATUS_OK && i < listing.count; i++) {
        json_t *described = NULL;
        store->status = describe(index, listing.redrives[i], &described, &store->error);
        json_array_append_new(list, described);
    }
    call->answer = json_pack("{s:o}", "redrives", list);
    free(listing.redrives);
    snapshot_unref(listing.snapshot);
}

void operations_list_redrives(struct operations_call *call) {
    operations_call_run(call, list_redrives, answer_done);
}

static void get_redrive(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (!index) {
        return;
    }
    const struct snapshot *snapshot = registry_snapshot(call->admin->options.registry);
    const struct redrive *redrive = redrive_of(call, snapshot);
    store->status = redrive ? describe(index, redrive, &call->answer, &store->error)
                            : not_found(buffer_bytes(&call->id), &store->error);
    snapshot_unref(snapshot);
}

void operations_get_redrive(struct operations_call *call) {
    operations_call_run(call, get_redrive, answer_done);
}

void operations_cancel_redrive(struct operations_call *call) {
    call->answer_status = 204;
    start_change(call, NULL);
}
