// Authorizers (contract 2.8): a function that an event type names decides, before an event is
// stored or handled, whether it is let in. Whatever goes wrong on the way refuses the event: it
// fails closed.

#include <jansson.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/events/event_format.h"
#include "ingest/ingest_private.h"

static struct metric_family authorizations_family = {
    .name = "eventgateway_authorizations_total",
    .help = "Calls of authorizer functions by result.",
    .kind = METRIC_COUNTER,
    .label_names = {"result"},
};

// One request whose events are asked about, one after the other.
struct authorization {
    struct intake *intake;
    void (*next)(struct intake *intake);
    size_t index; // of the event that is asked about
};

static void authorize_from(struct authorization *authorization);

static struct bytes authorizer_of(const struct intake *intake, const struct event *event) {
    const struct event_type *type =
        snapshot_event_type(intake->snapshot, intake_type_space(intake), event->type);
    return type ? type->authorizer_id : (struct bytes){0};
}

static void refuse(struct authorization *authorization, unsigned status, const char *reason,
                   const char *message) {
    struct intake *intake = authorization->intake;
    metric_add(METRIC(&authorizations_family, reason), 1);
    free(authorization);
    intake_refuse(intake, status, status == 503 ? 1 : 0, "%s", message);
}

// Puts authtype, authid and authclaims (the documented extension authcontext) into the event. What
// the client itself sent under these names goes, so that it cannot pass for the authorizer's word.
static enum status mark_event(struct intake *intake, size_t index, const char *principal,
                              const json_t *context, struct error *error) {
    const struct event *marked = NULL;
    static const char *const names[] = {"authtype", "authid", "authclaims"};
    struct event_builder *builder =
        event_builder_of_without(intake->events.events[index], names, ARRAY_LENGTH(names));
    event_builder_set(builder, BYTES("authtype"), BYTES("user"), EVENT_VALUE_STRING);
    if (principal && principal[0] != '\0') {
        event_builder_set(builder, BYTES("authid"), bytes_of_text(principal), EVENT_VALUE_STRING);
    }
    if (json_is_object(context) && json_object_size(context) > 0) {
        char *claims = json_write(context);
        event_builder_set(builder, BYTES("authclaims"), bytes_of_text(claims), EVENT_VALUE_STRING);
        free(claims);
    }
    enum status status = event_builder_finish_take(builder, &marked, error);
    if (status == STATUS_OK) {
        event_unref(intake->events.events[index]);
        intake->events.events[index] = marked;
    }
    return status;
}

static void read_answer(struct authorization *authorization, const json_t *answer) {
    struct error error;
    const json_t *granted = json_object_get(answer, "authorization");
    const json_t *refused = json_object_get(answer, "error");
    if (refused && !json_is_null(refused)) {
        const char *message = json_string_value(json_object_get(refused, "message"));
        refuse(authorization, 403, "refused", message ? message : "not authorized");
        return;
    }
    if (!json_is_object(granted)) {
        refuse(authorization, 403, "unreadable",
               "not authorized: the authorizer's answer is malformed");
        return;
    }
    const char *principal = json_string_value(json_object_get(granted, "principalId"));
    if (mark_event(authorization->intake, authorization->index, principal,
                   json_object_get(granted, "context"), &error) != STATUS_OK) {
        refuse(authorization, 403, "unreadable",
               "not authorized: the authorizer's answer is malformed");
        return;
    }
    metric_add(METRIC(&authorizations_family, "granted"), 1);
    authorization->index++;
    authorize_from(authorization);
}

// Whoever sends events decides how often this comes.
static void log_failure(const struct invocation_result *result) {
    static struct log_limit limit;
    uint64_t suppressed = 0;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "authorizer failed, its event is refused",
                 LOG_TEXT("outcome", invocation_outcome_name(result->outcome)),
                 LOG_TEXT("error", result->error_text), LOG_NUMBER("more", (int64_t)suppressed));
    }
}

static void authorizer_answered(void *context, const struct invocation_result *result) {
    struct authorization *authorization = context;
    struct error error;
    json_t *answer = NULL;
    if (result->outcome == INVOCATION_CANCELLED) {
        // 403 would be a last word, and nobody has decided.
        refuse(authorization, 503, "cancelled", "this gateway is shutting down");
        return;
    }
    if (result->outcome != INVOCATION_SUCCEEDED) {
        log_failure(result);
        refuse(authorization, 403, "failed", "not authorized: the authorizer failed");
        return;
    }
    if (json_parse(result->body, &answer, &error) != STATUS_OK) {
        refuse(authorization, 403, "unreadable",
               "not authorized: the authorizer's answer is malformed");
        return;
    }
    read_answer(authorization, answer);
    json_decref(answer);
}

// {"event": the event, "request": {path, method, host, headers, query, params, body}}
static enum status write_payload(const struct intake *intake, const struct event *event,
                                 struct buffer *payload, struct error *error) {
    struct event_list requests = {0};
    unsigned http_status = 0;
    struct event_http_options options = {.source = event->source, .context = event->context};
    enum status status = event_http_decode(&intake->http, EVENT_DIALECT_REQUEST, &options,
                                           &requests, &http_status, error);
    if (status != STATUS_OK) {
        return status;
    }
    buffer_append_text(payload, "{\"event\":");
    event_format_append_json(event, payload);
    buffer_append_text(payload, ",\"request\":");
    buffer_append(payload, requests.events[0]->data);
    buffer_append_text(payload, "}");
    event_list_clear(&requests);
    return STATUS_OK;
}

static void ask(struct authorization *authorization, struct bytes authorizer_id) {
    struct intake *intake = authorization->intake;
    struct error error;
    struct buffer payload = {0};
    const struct event *event = intake->events.events[authorization->index];
    if (write_payload(intake, event, &payload, &error) != STATUS_OK) {
        buffer_clear(&payload);
        refuse(authorization, 403, "failed",
               "not authorized: the request cannot be shown to the authorizer");
        return;
    }
    struct invocation_options options = {
        .snapshot = intake->snapshot,
        .space = intake_type_space(intake),
        .function_id = authorizer_id,
        .payload = buffer_bytes(&payload),
        .timeout_ms = intake->ingest->options.sync_timeout_ms,
    };
    (void)invoker_invoke(intake->ingest->options.invoker, &options, authorizer_answered,
                         authorization);
    buffer_clear(&payload);
}

static void authorize_from(struct authorization *authorization) {
    struct intake *intake = authorization->intake;
    for (; authorization->index < intake->events.count; authorization->index++) {
        struct bytes authorizer_id =
            authorizer_of(intake, intake->events.events[authorization->index]);
        if (authorizer_id.size > 0) {
            ask(authorization, authorizer_id);
            return;
        }
    }
    void (*next)(struct intake *) = authorization->next;
    free(authorization);
    next(intake);
}

void authorize(struct intake *intake, void (*next)(struct intake *intake)) {
    // Most events have none: nothing is allocated for them.
    size_t index = 0;
    while (index < intake->events.count &&
           authorizer_of(intake, intake->events.events[index]).size == 0) {
        index++;
    }
    if (index == intake->events.count) {
        next(intake);
        return;
    }
    struct authorization *authorization = memory_allocate(sizeof *authorization);
    *authorization = (struct authorization){.intake = intake, .next = next, .index = index};
    authorize_from(authorization);
}
