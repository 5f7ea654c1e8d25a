// The synchronous ways of a request: invoke, and sync subscriptions. The function is called on this
// loop and its answer is the caller's; the event is recorded beside the call. Nobody waits for the
// log unless --record-sync durable says so.

#include <assert.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/events/causation_depth.h"
#include "core/subscriptions/routes.h"
#include "ingest/function_answer.h"
#include "ingest/ingest_private.h"
#include "ingest/recording.h"
#include "ingest/told_call.h"

static struct metric_family calls_family = {
    .name = "eventgateway_sync_calls_total",
    .help = "Synchronous calls of functions by outcome.",
    .kind = METRIC_COUNTER,
    .label_names = {"outcome"},
};

static struct metric_family duration_family = {
    .name = "eventgateway_sync_call_seconds",
    .help = "Duration of the function's part of synchronous calls.",
    .kind = METRIC_HISTOGRAM,
};

struct sync_call {
    struct intake *intake;
    void (*read_answer)(const struct invocation_result *result, struct function_answer *ret_answer);
    struct told_call told;
    struct function_answer answer;
    struct buffer answer_body; // a copy: the function's bytes are gone when the log is waited for
    struct bytes space, function_id; // in the intake's snapshot or request
    bool waits_for_function;
    bool waits_for_log;
};

// Whom to call, and what the event's record says of it.
struct sync_target {
    struct bytes space, function_id;
    struct event_params params;
    struct bytes sync;
};

static void sync_call_answer_when_done(struct sync_call *call) {
    if (call->waits_for_function || call->waits_for_log) {
        return;
    }
    intake_answer(call->intake, &call->answer.response);
    function_answer_clear(&call->answer);
    buffer_clear(&call->answer_body);
    free(call);
}

static void call_recorded(void *context) {
    struct sync_call *call = context;
    call->waits_for_log = false;
    sync_call_answer_when_done(call);
}

// What callers are only told to look up here. Whoever calls decides how often this comes.
static void log_failure(const struct sync_call *call, const struct invocation_result *result) {
    static struct log_limit limit;
    uint64_t suppressed = 0;
    if (result->outcome != INVOCATION_SUCCEEDED && log_limit_allows(&limit, 5, &suppressed)) {
        log_line(LOG_WARNING, "synchronous call failed", LOG_BYTES("space", call->space),
                 LOG_BYTES("function", call->function_id),
                 LOG_TEXT("outcome", invocation_outcome_name(result->outcome)),
                 LOG_NUMBER("status", result->status), LOG_TEXT("error", result->error_text),
                 LOG_NUMBER("more", (int64_t)suppressed));
    }
}

static void function_answered(void *context, const struct invocation_result *result) {
    struct sync_call *call = context;
    log_failure(call, result);
    metric_add(METRIC(&calls_family, invocation_outcome_name(result->outcome)), 1);
    metric_observe_us(METRIC(&duration_family, NULL), result->duration_us);
    told_call_end(&call->told, call->intake, result);
    call->read_answer(result, &call->answer);
    call->waits_for_function = false;
    if (call->waits_for_log) {
        buffer_append(&call->answer_body, call->answer.response.body);
        call->answer.response.body = buffer_bytes(&call->answer_body);
    }
    sync_call_answer_when_done(call);
}

static void record_call(struct sync_call *call, const struct recording_marks *marks) {
    struct ingest *ingest = call->intake->ingest;
    const struct event *event = call->intake->events.events[0];
    count_received(call->intake, event);
    switch (ingest->options.record_sync) {
    case RECORD_SYNC_OFF:
        return;
    case RECORD_SYNC_ASYNC:
        recording_start(ingest, event, marks, NULL, NULL);
        return;
    case RECORD_SYNC_DURABLE:
        call->waits_for_log = true;
        recording_start(ingest, event, marks, call_recorded, call);
    }
}

static void sync_call_start(struct sync_call *call, const struct sync_target *target) {
    struct intake *intake = call->intake;
    const struct event *event = intake->events.events[0];
    struct bytes tracestate = trace_state_of(event);
    char depth[CAUSATION_DEPTH_TEXT_SIZE];
    causation_depth_write_next(event, depth);
    intake_begin_span(intake, event);
    const struct http_header headers[] = {
        {BYTES(CAUSATION_DEPTH_HEADER), bytes_of_text(depth)},
        {BYTES("traceparent"), bytes_of_text(intake->traceparent)},
        {BYTES("tracestate"), tracestate},
    };
    struct recording_marks marks = {.sync = target->sync,
                                    .traceparent = bytes_of_text(intake->traceparent),
                                    .tracestate = tracestate};
    struct invocation_options options = {
        .snapshot = intake->snapshot,
        .space = target->space,
        .function_id = target->function_id,
        .event = event,
        .params = &target->params,
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers) - (tracestate.size == 0),
        .timeout_ms = intake->ingest->options.sync_timeout_ms,
    };
    call->waits_for_function = true;
    call->space = target->space;
    call->function_id = target->function_id;
    record_call(call, &marks);
    told_call_begin(&call->told, intake, target->space, target->function_id, &target->params);
    intake_call(intake, &options, function_answered, call);
}

static struct sync_call *sync_call_create(struct intake *intake) {
    struct sync_call *call = memory_allocate(sizeof *call);
    call->intake = intake;
    return call;
}

// A function that calls itself through the gateway would go on for ever: its caller is told.
static bool refuse_if_too_deep(struct intake *intake) {
    if (causation_depth_of(intake->events.events[0]) <= CAUSATION_DEPTH_MAX) {
        return false;
    }
    intake_refuse(intake, 508, 0, "more than %d events led to this one: it is a loop",
                  CAUSATION_DEPTH_MAX);
    return true;
}

static void start_for_match(void *context, const struct route_match *match) {
    struct intake *intake = context;
    if (refuse_if_too_deep(intake)) {
        return;
    }
    struct sync_call *call = sync_call_create(intake);
    struct sync_target target = {
        .space = match->subscription->space,
        .function_id = match->subscription->function_id,
        .params = {.items = match->params, .count = match->param_count},
        .sync = match->subscription->id,
    };
    call->read_answer = function_answer_of_subscription;
    sync_call_start(call, &target);
}

bool call_sync_subscription(struct intake *intake) {
    if (intake->events.count != 1) {
        return false; // A batch is asynchronous.
    }
    struct route_query query = intake_route_query(intake);
    return routes_match_sync(snapshot_routes(intake->snapshot), &query, start_for_match, intake);
}

static void answer_no_such_function(struct intake *intake) {
    struct http_response response = {
        .status = 500,
        .content_type = "text/plain; charset=utf-8",
        .body = BYTES("unable to look up registered function"),
    };
    metric_add(METRIC(&calls_family, invocation_outcome_name(INVOCATION_NO_FUNCTION)), 1);
    intake_answer(intake, &response);
}

bool check_invoked_function(struct intake *intake) {
    struct bytes function_id;
    if (!event_http_header(&intake->http, "function-id", &function_id)) {
        intake_refuse(intake, 400, 0, "invoke: the Function-ID header is missing");
        return false;
    }
    if (!snapshot_function(intake->snapshot, intake_type_space(intake), function_id)) {
        answer_no_such_function(intake);
        return false;
    }
    return true;
}

void call_invoked_function(struct intake *intake) {
    struct sync_target target = {.space = intake_type_space(intake)};
    struct buffer sync = {0};
    if (refuse_if_too_deep(intake)) {
        return;
    }
    bool has_id = event_http_header(&intake->http, "function-id", &target.function_id);
    assert(has_id); // check_invoked_function
    buffer_append_text(&sync, "invoke,");
    buffer_append(&sync, target.function_id);
    target.sync = buffer_bytes(&sync);
    struct sync_call *call = sync_call_create(intake);
    call->read_answer = function_answer_of_invoke;
    sync_call_start(call, &target);
    buffer_clear(&sync);
}
