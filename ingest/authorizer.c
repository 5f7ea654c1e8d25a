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
#include "core/subscriptions/routes.h"
#include "ingest/authorizer_cache.h"
#include "ingest/ingest_private.h"

static struct metric_family authorizations_family = {
    .name = "eventgateway_authorizations_total",
    .help = "Calls of authorizer functions by result.",
    .kind = METRIC_COUNTER,
    .label_names = {"result"},
};

// One request whose events are asked about, one after the other, all within one deadline.
struct authorization {
    struct intake *intake;
    void (*next)(struct intake *intake);
    size_t index; // of the event that is asked about
    int64_t deadline_us;
};

static const struct event_type *type_of(const struct intake *intake, size_t index) {
    return snapshot_event_type(intake->snapshot, intake_type_space(intake),
                               intake->events.events[index]->type);
}

static bool is_guarded(const struct intake *intake, size_t index) {
    const struct event_type *type = type_of(intake, index);
    return type && type->authorizer_id.size > 0;
}

// False when the authorizer is not registered (yet).
static bool question_of(const struct authorization *authorization,
                        struct authorizer_question *ret_question) {
    const struct intake *intake = authorization->intake;
    const struct event_type *type = type_of(intake, authorization->index);
    *ret_question = (struct authorizer_question){
        .event_type = type,
        .authorizer = snapshot_function(intake->snapshot, type->space, type->authorizer_id),
    };
    (void)event_http_header(&intake->http, "authorization", &ret_question->authorization);
    return ret_question->authorizer != NULL;
}

static void refuse(struct authorization *authorization, unsigned status, const char *reason,
                   struct bytes message) {
    struct intake *intake = authorization->intake;
    metric_add(METRIC(&authorizations_family, reason), 1);
    free(authorization);
    intake_refuse(intake, status, status == 503 ? 1 : 0, "%.*s",
                  (int)(message.size < 1000 ? message.size : 1000), message.data);
}

static void refuse_failed(struct authorization *authorization, const char *reason,
                          const char *message) {
    refuse(authorization, 403, reason, bytes_of_text(message));
}

// A trace that the authorizer's call has begun goes on with the event. Its own stays.
static void keep_trace(const struct intake *intake, const struct event *event,
                       struct event_builder *builder) {
    struct event_context context = event->context;
    if (context.traceparent.size == 0 && !event_extension(event, "traceparent")) {
        context.traceparent = bytes_of_text(intake->traceparent);
        event_builder_set_context(builder, &context);
    }
}

// Puts authtype, authid and authclaims (the documented extension authcontext) into the event. What
// the client itself sent under these names goes, so that it cannot pass for the authorizer's word.
static enum status mark_event(struct intake *intake, size_t index,
                              const struct authorizer_decision *decision, struct error *error) {
    const struct event *marked = NULL;
    static const char *const names[] = {"authtype", "authid", "authclaims"};
    struct event_builder *builder =
        event_builder_of_without(intake->events.events[index], names, ARRAY_LENGTH(names));
    keep_trace(intake, intake->events.events[index], builder);
    event_builder_set(builder, BYTES("authtype"), BYTES("user"), EVENT_VALUE_STRING);
    if (decision->principal.size > 0) {
        event_builder_set(builder, BYTES("authid"), decision->principal, EVENT_VALUE_STRING);
    }
    if (decision->claims.size > 0) {
        event_builder_set(builder, BYTES("authclaims"), decision->claims, EVENT_VALUE_STRING);
    }
    enum status status = event_builder_finish_take(builder, &marked, error);
    if (status == STATUS_OK) {
        event_unref(intake->events.events[index]);
        intake->events.events[index] = marked;
    }
    return status;
}

#define MALFORMED "not authorized: the authorizer's answer is malformed"

// False when the request is refused; the authorization is gone then.
static bool apply(struct authorization *authorization, const struct authorizer_decision *decision,
                  const char *result) {
    struct error error;
    if (!decision->is_granted) {
        refuse(authorization, 403, "refused", decision->message);
        return false;
    }
    if (mark_event(authorization->intake, authorization->index, decision, &error) != STATUS_OK) {
        refuse_failed(authorization, "unreadable", MALFORMED);
        return false;
    }
    metric_add(METRIC(&authorizations_family, result), 1);
    return true;
}

// Borrows from answer, and from claims, which the caller clears.
static enum status read_decision(const json_t *answer, struct buffer *claims,
                                 struct authorizer_decision *ret_decision) {
    const json_t *granted = json_object_get(answer, "authorization");
    const json_t *refused = json_object_get(answer, "error");
    const json_t *principal = json_object_get(granted, "principalId");
    const json_t *context = json_object_get(granted, "context");
    *ret_decision = (struct authorizer_decision){.message = BYTES("not authorized")};
    if (refused && !json_is_null(refused)) {
        struct bytes message = json_string_bytes(json_object_get(refused, "message"));
        ret_decision->message = message.size > 0 ? message : ret_decision->message;
        return STATUS_OK;
    }
    bool is_well_formed = json_is_object(granted) &&
                          (!principal || json_is_null(principal) || json_is_string(principal)) &&
                          (!context || json_is_null(context) || json_is_object(context));
    if (!is_well_formed) {
        return STATUS_INVALID;
    }
    if (json_object_size(context) > 0) {
        json_append(context, claims);
    }
    ret_decision->is_granted = true;
    ret_decision->principal = json_string_bytes(principal);
    ret_decision->claims = buffer_bytes(claims);
    return STATUS_OK;
}

// False when the request is refused.
static bool decide(struct authorization *authorization, const json_t *answer) {
    struct authorizer_decision decision;
    struct authorizer_question question;
    struct ingest *ingest = authorization->intake->ingest;
    struct buffer claims = {0};
    if (read_decision(answer, &claims, &decision) != STATUS_OK) {
        refuse_failed(authorization, "unreadable", MALFORMED);
        return false;
    }
    if (question_of(authorization, &question)) {
        authorizer_cache_keep(ingest->authorizer_cache, &question, &decision,
                              event_loop_now_us(ingest->options.loop));
    }
    bool is_granted = apply(authorization, &decision, "granted");
    buffer_clear(&claims);
    return is_granted;
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

static void authorize_from(struct authorization *authorization);

static void authorizer_answered(void *context, const struct invocation_result *result) {
    struct authorization *authorization = context;
    struct error error;
    json_t *answer = NULL;
    if (result->outcome == INVOCATION_CANCELLED) {
        // 403 would be a last word, and nobody has decided.
        refuse(authorization, 503, "cancelled", BYTES("this gateway is shutting down"));
        return;
    }
    if (result->outcome != INVOCATION_SUCCEEDED) {
        log_failure(result);
        refuse_failed(authorization, "failed", "not authorized: the authorizer failed");
        return;
    }
    if (json_parse(result->body, &answer, &error) != STATUS_OK) {
        refuse_failed(authorization, "unreadable", MALFORMED);
        return;
    }
    bool is_granted = decide(authorization, answer);
    json_decref(answer);
    if (is_granted) {
        authorization->index++;
        authorize_from(authorization);
    }
}

// Of the synchronous subscription that would get the event, else of an asynchronous one.
struct matched_params {
    struct buffer *ret_body;
    const struct event *request;
    bool is_written;
};

// An http.request's data is the request as functions see it.
static void append_request(void *context, const struct route_match *match) {
    struct matched_params *matched = context;
    if (matched->is_written) {
        return;
    }
    struct event_params params = {.items = match->params, .count = match->param_count};
    struct event_message message;
    event_format_write(matched->request, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, &params,
                       (struct bytes){0}, &message);
    buffer_append(matched->ret_body, message.body);
    event_message_clear(&message);
    matched->is_written = true;
}

static void append_request_with_params(const struct intake *intake, const struct event *request,
                                       struct buffer *body) {
    const struct routes *routes = snapshot_routes(intake->snapshot);
    struct route_query query = intake_route_query(intake);
    struct matched_params matched = {.ret_body = body, .request = request};
    if (!routes_match_sync(routes, &query, append_request, &matched)) {
        routes_match_async(routes, &query, append_request, &matched);
    }
    if (!matched.is_written) {
        buffer_append(body, request->data);
    }
}

// In the authorizer's own format, where that is one JSON object.
static void append_event(const struct event *event, const struct function *authorizer,
                         struct buffer *payload) {
    struct event_message message;
    bool is_object = authorizer->has_event_format &&
                     authorizer->event_format != EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0;
    event_format_write(event, is_object ? authorizer->event_format : EVENT_FORMAT_CLOUDEVENTS_1_0,
                       NULL, (struct bytes){0}, &message);
    buffer_append(payload, message.body);
    event_message_clear(&message);
}

// {"event": the event, "request": {path, method, host, headers, query, params, body}}
static enum status write_payload(const struct intake *intake, const struct event *event,
                                 const struct function *authorizer, struct buffer *payload,
                                 struct error *error) {
    struct event_list requests = {0};
    unsigned http_status = 0;
    struct event_http_options options = {.source = event->source, .context = event->context};
    enum status status = event_http_decode(&intake->http, EVENT_DIALECT_REQUEST, &options,
                                           &requests, &http_status, error);
    if (status != STATUS_OK) {
        return status;
    }
    buffer_append_text(payload, "{\"event\":");
    append_event(event, authorizer, payload);
    buffer_append_text(payload, ",\"request\":");
    append_request_with_params(intake, requests.events[0], payload);
    buffer_append_text(payload, "}");
    event_list_clear(&requests);
    return STATUS_OK;
}

static void ask(struct authorization *authorization, const struct authorizer_question *question,
                int64_t left_us) {
    struct intake *intake = authorization->intake;
    struct error error;
    struct buffer payload = {0};
    const struct event *event = intake->events.events[authorization->index];
    if (write_payload(intake, event, question->authorizer, &payload, &error) != STATUS_OK) {
        buffer_clear(&payload);
        refuse_failed(authorization, "failed",
                      "not authorized: the request cannot be shown to the authorizer");
        return;
    }
    struct bytes tracestate = trace_state_of(event);
    intake_begin_span(intake, event);
    const struct http_header headers[] = {
        {BYTES("traceparent"), bytes_of_text(intake->traceparent)},
        {BYTES("tracestate"), tracestate},
    };
    struct invocation_options options = {
        .snapshot = intake->snapshot,
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers) - (tracestate.size == 0),
        .space = question->event_type->space,
        .function_id = question->event_type->authorizer_id,
        .payload = buffer_bytes(&payload),
        .timeout_ms = left_us / 1000,
    };
    intake_call(intake, &options, authorizer_answered, authorization);
    buffer_clear(&payload);
}

// True when it is known to be let in. Else the request waits for the authorizer, or is refused.
static bool authorize_event(struct authorization *authorization) {
    struct ingest *ingest = authorization->intake->ingest;
    int64_t now_us = event_loop_now_us(ingest->options.loop);
    int64_t left_us = authorization->deadline_us - now_us;
    struct authorizer_question question;
    if (!question_of(authorization, &question)) {
        refuse_failed(authorization, "failed", "not authorized: the authorizer is not registered");
        return false;
    }
    const struct authorizer_decision *known =
        authorizer_cache_find(ingest->authorizer_cache, &question, now_us);
    if (known) {
        return apply(authorization, known, "granted from the cache");
    }
    if (left_us < 1000) {
        refuse_failed(authorization, "failed", "not authorized: the authorizer took too long");
    } else {
        ask(authorization, &question, left_us);
    }
    return false;
}

static void authorize_from(struct authorization *authorization) {
    struct intake *intake = authorization->intake;
    for (; authorization->index < intake->events.count; authorization->index++) {
        if (is_guarded(intake, authorization->index) && !authorize_event(authorization)) {
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
    while (index < intake->events.count && !is_guarded(intake, index)) {
        index++;
    }
    if (index == intake->events.count) {
        next(intake);
        return;
    }
    struct event_loop *loop = intake->ingest->options.loop;
    struct authorization *authorization = memory_allocate(sizeof *authorization);
    *authorization = (struct authorization){
        .intake = intake,
        .next = next,
        .index = index,
        .deadline_us = event_loop_now_us(loop) + intake->ingest->options.sync_timeout_ms * 1000};
    authorize_from(authorization);
}
