#include "admin/config_call.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "admin/config_attempt.h"
#include "admin/config_filters.h"
#include "admin/config_lookup.h"
#include "admin/config_metrics.h"
#include "admin/config_resource.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/text.h"

// How often a change is planned anew because other nodes changed the configuration meanwhile. Each
// time one of them succeeded, so even a busy store gets there; the bound is against a broken one.
#define TRIES_MAX 16
#define RETRY_AFTER_S 1

static const char *operation_name(enum config_operation operation) {
    static const char *const names[] = {"list", "get", "create", "update", "delete"};
    return names[operation];
}

static void call_destroy(struct config_call *call) {
    config_plan_clear(&call->plan);
    json_decref(call->body);
    buffer_clear(&call->space);
    free(call);
}

// Each of the three answers and ends the call; what is counted is counted before the request is
// gone.
static void count(const struct config_call *call) {
    const struct snapshot *snapshot = registry_snapshot(call->admin->options.registry);
    // Not the loop's now, which stands still while a read is answered.
    int64_t duration_us = clock_monotonic_us() - http_request_received_us(call->request);
    config_metrics_count(snapshot, buffer_bytes(&call->space), call->resource->label,
                         operation_name(call->operation), duration_us);
    snapshot_unref(snapshot);
}

static void answer(struct config_call *call, unsigned status, const json_t *value) {
    count(call);
    if (value) {
        admin_answer_json(call->request, status, value);
    } else {
        admin_answer_empty(call->request, status);
    }
    call_destroy(call);
}

static void refuse(struct config_call *call, unsigned status, const char *message) {
    count(call);
    // The classic generation knows no 409: a duplicate is a bad request.
    if (status == 409 && call->dialect == CONFIG_CLASSIC) {
        status = 400;
    }
    admin_answer_error(call->request, call->dialect, status, status == 503 ? RETRY_AFTER_S : 0,
                       bytes_of_text(message));
    call_destroy(call);
}

json_t *config_call_show(const struct config_call *call, const struct snapshot *snapshot,
                         const json_t *document) {
    return call->resource->show ? call->resource->show(call, snapshot, document)
                                : json_incref((json_t *)document);
}

// Ids that are percent-encoded text are shown as they came, the others decoded.
unsigned config_call_say_not_found(const struct config_call *call, struct error *error) {
    struct buffer id = {0};
    if (call->resource->id_is_encoded) {
        buffer_append(&id, call->raw_id);
    } else {
        percent_decode(call->raw_id, false, &id);
    }
    error_set(error, STATUS_NOT_FOUND, "%s \"%.*s\" not found.", call->resource->title,
              (int)(id.size > 600 ? 600 : id.size), id.data ? id.data : "");
    buffer_clear(&id);
    return 404;
}

const json_t *config_call_find(const struct config_call *call, const struct snapshot *snapshot) {
    return config_lookup(snapshot, call->resource->kind, buffer_bytes(&call->space), call->raw_id);
}

struct listing {
    const struct config_call *call;
    const struct snapshot *snapshot;
    const struct config_filters *filters;
    json_t *items;
};

static void list_one(void *context, struct bytes space, struct bytes id,
                     const struct json_t *document) {
    struct listing *listing = context;
    (void)space;
    (void)id;
    if (config_filters_match(listing->filters, document)) {
        json_array_append_new(listing->items,
                              config_call_show(listing->call, listing->snapshot, document));
    }
}

static void run_list(struct config_call *call) {
    const struct snapshot *snapshot = registry_snapshot(call->admin->options.registry);
    struct config_filters filters = {0};
    config_filters_read(http_request_query(call->request), &filters);
    struct listing listing = {
        .call = call, .snapshot = snapshot, .filters = &filters, .items = json_array()};
    // An empty space would mean all spaces to the snapshot.
    if (call->space.size > 0) {
        snapshot_each(snapshot, call->resource->kind, buffer_bytes(&call->space), list_one,
                      &listing);
    }
    config_filters_clear(&filters);
    snapshot_unref(snapshot);
    json_t *value = json_object();
    json_object_set_new(value, call->resource->list_member, listing.items);
    answer(call, 200, value);
    json_decref(value);
}

static void run_get(struct config_call *call) {
    const struct snapshot *snapshot = registry_snapshot(call->admin->options.registry);
    const json_t *stored = config_call_find(call, snapshot);
    if (stored) {
        json_t *shown = config_call_show(call, snapshot, stored);
        snapshot_unref(snapshot);
        answer(call, 200, shown);
        json_decref(shown);
        return;
    }
    struct error error;
    unsigned status = config_call_say_not_found(call, &error);
    snapshot_unref(snapshot);
    refuse(call, status, error.text);
}

static void log_change(const struct config_call *call) {
    const struct registry_edit *edit = &call->plan.edits[call->plan.edit_count - 1];
    log_line(LOG_INFO, "configuration changed",
             LOG_TEXT("operation", operation_name(call->operation)),
             LOG_TEXT("resource", call->resource->label),
             LOG_BYTES("space", buffer_bytes(&call->space)), LOG_BYTES("id", edit->id));
}

static void tell_operators(const struct config_call *call) {
    const struct admin *admin = call->admin;
    const struct snapshot *snapshot = registry_snapshot(admin->options.registry);
    if (call->plan.suspended) {
        system_emit_suspended(&admin->emitter, snapshot, call->plan.suspended, "paused by hand");
    }
    if (call->plan.resumed) {
        system_emit_resumed(&admin->emitter, snapshot, call->plan.resumed);
    }
    snapshot_unref(snapshot);
}

static void refuse_failed_change(struct config_call *call) {
    const struct registry_change *change = &call->change;
    struct error error;
    switch (change->status) {
    case STATUS_CONFLICT:
        refuse(call, 503, "the configuration kept changing meanwhile; try again");
        return;
    case STATUS_TOO_LARGE:
        error_set(&error, STATUS_TOO_LARGE, "too large to be stored: %s", change->error.text);
        refuse(call, 413, error.text);
        return;
    case STATUS_TIMEOUT:
        error_set(&error, STATUS_TIMEOUT,
                  "the configuration store did not answer in time, the change may or may not have "
                  "been made: %s",
                  change->error.text);
        refuse(call, 503, error.text);
        return;
    case STATUS_UNAVAILABLE:
    case STATUS_CLOSED:
        error_set(&error, STATUS_UNAVAILABLE, "the configuration cannot be changed now: %s",
                  change->error.text);
        refuse(call, 503, error.text);
        return;
    default:
        error_set(&error, STATUS_FAILED, "the configuration could not be changed: %s",
                  change->error.text);
        refuse(call, 500, error.text);
    }
}

static bool try_change(struct config_call *call);
static void run_changes(struct admin *admin);

static void log_failed_change(const struct config_call *call) {
    if (call->change.status != STATUS_CONFLICT) {
        log_line(LOG_WARNING, "configuration not changed",
                 LOG_TEXT("resource", call->resource->label),
                 LOG_TEXT("reason", call->change.error.text));
    }
}

static void change_done(struct registry_change *change) {
    struct config_call *call = CONTAINER_OF(change, struct config_call, change);
    struct admin *admin = call->admin;
    admin->changes.is_closed = change->status == STATUS_CLOSED;
    if (change->status == STATUS_OK) {
        log_change(call);
        tell_operators(call);
        answer(call, call->plan.status, call->plan.answer);
    } else if (change->status == STATUS_CONFLICT && call->tries < TRIES_MAX) {
        if (try_change(call)) {
            return;
        }
    } else {
        log_failed_change(call);
        refuse_failed_change(call);
    }
    admin->changes.is_running = false;
    run_changes(admin);
}

// False when the call was answered without asking the registry.
static bool try_change(struct config_call *call) {
    const struct snapshot *snapshot = registry_snapshot(call->admin->options.registry);
    struct error error = {0};
    call->tries++;
    unsigned refusal = config_attempt_plan(call, snapshot, &error);
    int64_t revision = snapshot_revision(snapshot);
    snapshot_unref(snapshot);
    if (refusal != 0) {
        refuse(call, refusal, error.text);
        return false;
    }
    if (call->plan.edit_count == 0) {
        answer(call, call->plan.status, call->plan.answer);
        return false;
    }
    if (call->admin->changes.is_closed) {
        // Nothing would answer any more: the loop ends with what the registry has posted.
        refuse(call, 503, "the configuration cannot be changed now: this node is shutting down");
        return false;
    }
    call->change = (struct registry_change){
        .edits = call->plan.edits,
        .edit_count = call->plan.edit_count,
        .based_on = revision,
        .loop = call->admin->options.loop,
        .done = change_done,
    };
    registry_apply(call->admin->options.registry, &call->change);
    return true;
}

static void run_changes(struct admin *admin) {
    struct config_changes *changes = &admin->changes;
    while (!changes->is_running && changes->first) {
        struct config_call *call = changes->first;
        changes->first = call->next;
        changes->is_running = try_change(call);
    }
}

static void add_change(struct config_call *call) {
    struct config_changes *changes = &call->admin->changes;
    if (changes->first) {
        changes->last->next = call;
    } else {
        changes->first = call;
    }
    changes->last = call;
    run_changes(call->admin);
}

static enum status read_body(struct config_call *call, struct error *error) {
    json_t *body = NULL;
    enum status status = json_parse(http_request_body(call->request), &body, error);
    if (status == STATUS_OK && !json_is_object(body)) {
        json_decref(body);
        return error_set(error, STATUS_INVALID, "a JSON object expected");
    }
    call->body = body;
    return status;
}

// The classic generation ends this message with a full stop.
static void end_sentence(struct error *error) {
    size_t size = strlen(error->text);
    if (size + 1 < sizeof error->text) {
        error->text[size] = '.';
        error->text[size + 1] = '\0';
    }
}

static void run_change(struct config_call *call) {
    struct error error;
    if (call->operation != CONFIG_DELETE && !call->patch && read_body(call, &error) != STATUS_OK) {
        if (call->dialect == CONFIG_CLASSIC) {
            error_prefix(&error, "Malformed JSON payload");
            end_sentence(&error);
        } else {
            error_prefix(&error, "%s doesn't validate. Validation error", call->resource->title);
        }
        refuse(call, 400, error.text);
        return;
    }
    add_change(call);
}

// False when the path does not know the method.
static bool read_operation(const struct config_target *target, const struct http_request *request,
                           enum config_operation *ret_operation) {
    bool is_item = target->raw_id.size > 0;
    if (admin_method_reads(request)) {
        *ret_operation = is_item ? CONFIG_GET : CONFIG_LIST;
    } else if (admin_method_is(request, "POST")) {
        *ret_operation = CONFIG_CREATE;
    } else if (admin_method_is(request, "PUT")) {
        *ret_operation = CONFIG_UPDATE;
    } else if (admin_method_is(request, "DELETE")) {
        *ret_operation = CONFIG_DELETE;
    } else {
        return false;
    }
    struct bytes method = http_request_method(request);
    const char *allowed = is_item ? target->item_methods : target->collection_methods;
    return memmem(allowed, strlen(allowed), method.data, method.size) != NULL;
}

void config_call_run(struct admin *admin, struct http_request *request,
                     const struct config_target *target) {
    enum config_operation operation;
    if (!read_operation(target, request, &operation)) {
        admin_answer_wrong_method(request, target->dialect,
                                  target->raw_id.size > 0 ? target->item_methods
                                                          : target->collection_methods);
        return;
    }
    struct config_call *call = memory_allocate(sizeof *call);
    call->admin = admin;
    call->request = request;
    call->resource = target->resource;
    call->dialect = target->dialect;
    call->operation = operation;
    call->raw_id = target->raw_id;
    call->patch = target->patch;
    if (call->patch) {
        call->operation = operation = CONFIG_UPDATE;
    }
    percent_decode(target->raw_space, false, &call->space);
    if (operation == CONFIG_LIST) {
        run_list(call);
    } else if (operation == CONFIG_GET) {
        run_get(call);
    } else {
        run_change(call);
    }
}
