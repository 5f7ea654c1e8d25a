#include "core/events/system_events.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/events/causation_depth.h"
#include "core/events/event_writer.h"

static const char *const names[SYSTEM_EVENT_COUNT] = {
    [SYSTEM_EVENT_RECEIVED] = "eventgateway.event.received",
    [SYSTEM_FUNCTION_INVOKING] = "eventgateway.function.invoking",
    [SYSTEM_FUNCTION_INVOKED] = "eventgateway.function.invoked",
    [SYSTEM_FUNCTION_FAILED] = "eventgateway.function.invocationFailed",
    [SYSTEM_SUBSCRIPTION_SUSPENDED] = "eventgateway.subscription.suspended",
    [SYSTEM_SUBSCRIPTION_RESUMED] = "eventgateway.subscription.resumed",
    [SYSTEM_SUBSCRIPTION_DEADLETTERED] = "eventgateway.subscription.deadlettered",
    [SYSTEM_SUBSCRIPTION_EVENTS_LOST] = "eventgateway.subscription.eventslost",
};

const char *system_event_name(enum system_event kind) {
    return names[kind];
}

bool system_event_parse(struct bytes type, enum system_event *ret_kind) {
    if (!event_type_is_system(type)) {
        return false;
    }
    bool is_short = type.data[0] == 'g';
    for (int kind = 0; kind < SYSTEM_EVENT_COUNT; kind++) {
        const char *name = is_short ? names[kind] + strlen("event") : names[kind];
        if (bytes_equal_text(type, name)) {
            *ret_kind = (enum system_event)kind;
            return true;
        }
    }
    return false;
}

static void set_text(struct event_builder *builder, const char *name, struct bytes value) {
    event_builder_set(builder, bytes_of_text(name), value, EVENT_VALUE_STRING);
}

// cause NULL: none. Deliveries of a system event go on with the trace of the request that brought
// its cause.
static struct event_builder *begin(const struct system_origin *origin, enum system_event kind,
                                   const struct event *cause) {
    char id[UUID_TEXT_SIZE];
    char time[TIMESTAMP_TEXT_SIZE];
    struct buffer path = {0};
    struct event_builder *builder = event_builder_create();
    uuid_create(id);
    timestamp_format(origin->now_us, time);
    set_text(builder, "id", bytes_of_text(id));
    set_text(builder, "source", origin->source);
    set_text(builder, "type", bytes_of_text(names[kind]));
    set_text(builder, "time", bytes_of_text(time));
    set_text(builder, "datacontenttype", BYTES("application/json"));
    buffer_append_byte(&path, '/');
    if (origin->is_hosted) {
        buffer_append(&path, origin->space);
    }
    struct event_context context = {.space = origin->space,
                                    .method = BYTES("POST"),
                                    .path = buffer_bytes(&path),
                                    .received_us = origin->now_us};
    if (cause) {
        context.traceparent = cause->context.traceparent;
        context.tracestate = cause->context.tracestate;
    }
    event_builder_set_context(builder, &context);
    buffer_clear(&path);
    return builder;
}

// Takes the builder and the data.
static const struct event *finish(struct event_builder *builder, struct buffer *data) {
    const struct event *event = NULL;
    event_builder_set_data(builder, buffer_bytes(data), EVENT_DATA_JSON);
    buffer_clear(data);
    return event_builder_finish_take(builder, &event, NULL) == STATUS_OK ? event : NULL;
}

static void copy_extension(struct event_builder *builder, const struct event *event,
                           const char *name) {
    const struct event_extension *extension = event_extension(event, name);
    if (extension) {
        event_builder_set(builder, extension->name, extension->value, extension->kind);
    }
}

// What ties a system event to the one that it tells of. The key keeps all that is told of one event
// in its order.
static void set_cause(struct event_builder *builder, const struct event *cause) {
    char depth[CAUSATION_DEPTH_TEXT_SIZE];
    causation_depth_write_next(cause, depth);
    event_builder_set(builder, BYTES(CAUSATION_DEPTH_EXTENSION), bytes_of_text(depth),
                      EVENT_VALUE_INTEGER);
    set_text(builder, "causationid", cause->id);
    set_text(builder, "partitionkey", cause->id);
    copy_extension(builder, cause, "correlationid");
    copy_extension(builder, cause, "traceparent");
    copy_extension(builder, cause, "tracestate");
}

// The member "event". One level deeper, JSON data that was at the limit of nesting is beyond it: it
// goes as bytes then.
static void append_event(struct buffer *data, size_t start, const struct event *event,
                         const struct event_params *params) {
    event_writer_name(data, start, "event");
    size_t before = data->size;
    struct event_writing writing = {.event = event, .type = event->type, .params = params};
    event_write_stored_json(&writing, data);
    if (event->data_kind != EVENT_DATA_JSON) {
        return;
    }
    struct buffer nested = {0};
    buffer_append_byte(&nested, '[');
    buffer_append(&nested, bytes_slice(buffer_bytes(data), before, data->size));
    buffer_append_byte(&nested, ']');
    if (!json_is_valid(buffer_bytes(&nested))) {
        struct event as_bytes = *event;
        as_bytes.data_kind = EVENT_DATA_BINARY;
        writing.event = &as_bytes;
        data->size = before;
        event_write_stored_json(&writing, data);
    }
    buffer_clear(&nested);
}

const struct event *system_event_received(const struct system_origin *origin,
                                          const struct event *event, struct bytes path,
                                          const struct event_http_request *request) {
    struct buffer data = {0};
    if (event_type_is_system(event->type)) {
        return NULL;
    }
    struct event_builder *builder = begin(origin, SYSTEM_EVENT_RECEIVED, event);
    set_cause(builder, event);
    event_writer_member(&data, 0, "path", path);
    append_event(&data, 0, event, NULL);
    event_writer_name(&data, 0, "headers");
    event_http_append_headers(request, &data);
    buffer_append_byte(&data, '}');
    return finish(builder, &data);
}

// The events of a call have the same data but for one member, whose text may be base64.
static const struct event *tell_call(const struct system_origin *origin, enum system_event kind,
                                     const struct system_call *call, const char *member,
                                     struct bytes value, bool is_bytes) {
    struct buffer data = {0};
    if (event_type_is_system(call->event->type)) {
        return NULL;
    }
    struct event_builder *builder = begin(origin, kind, call->event);
    set_cause(builder, call->event);
    event_writer_member(&data, 0, "space", call->space);
    event_writer_member(&data, 0, "functionId", call->function_id);
    append_event(&data, 0, call->event, call->params);
    if (member && is_bytes) {
        event_writer_name(&data, 0, member);
        event_writer_base64(&data, value);
    } else if (member) {
        event_writer_member(&data, 0, member, value);
    }
    buffer_append_byte(&data, '}');
    return finish(builder, &data);
}

const struct event *system_event_invoking(const struct system_origin *origin,
                                          const struct system_call *call) {
    return tell_call(origin, SYSTEM_FUNCTION_INVOKING, call, NULL, BYTES(""), false);
}

const struct event *system_event_invoked(const struct system_origin *origin,
                                         const struct system_call *call, struct bytes result) {
    return tell_call(origin, SYSTEM_FUNCTION_INVOKED, call, "result",
                     bytes_slice(result, 0, SYSTEM_RESULT_MAX), true);
}

const struct event *system_event_failed(const struct system_origin *origin,
                                        const struct system_call *call, struct bytes error) {
    return tell_call(origin, SYSTEM_FUNCTION_FAILED, call, "error", error, false);
}

// NULL when the subscription is one to system events.
static struct event_builder *begin_subscription(const struct system_origin *origin,
                                                enum system_event kind,
                                                const struct system_subscription *subscription,
                                                struct buffer *data) {
    if (event_type_is_system(subscription->event_type)) {
        return NULL;
    }
    struct event_builder *builder = begin(origin, kind, NULL);
    set_text(builder, "subject", subscription->id);
    event_builder_set(builder, BYTES(CAUSATION_DEPTH_EXTENSION), BYTES("1"), EVENT_VALUE_INTEGER);
    event_writer_member(data, 0, "space", subscription->space);
    event_writer_member(data, 0, "subscriptionId", subscription->id);
    event_writer_member(data, 0, "eventType", subscription->event_type);
    event_writer_member(data, 0, "functionId", subscription->function_id);
    return builder;
}

static void append_number(struct buffer *data, const char *name, int64_t number) {
    event_writer_name(data, 0, name);
    buffer_append_format(data, "%" PRId64, number);
}

const struct event *system_event_suspended(const struct system_origin *origin,
                                           const struct system_subscription *subscription,
                                           struct bytes reason) {
    struct buffer data = {0};
    struct event_builder *builder =
        begin_subscription(origin, SYSTEM_SUBSCRIPTION_SUSPENDED, subscription, &data);
    if (!builder) {
        return NULL;
    }
    event_writer_member(&data, 0, "reason", reason);
    buffer_append_byte(&data, '}');
    return finish(builder, &data);
}

const struct event *system_event_resumed(const struct system_origin *origin,
                                         const struct system_subscription *subscription) {
    struct buffer data = {0};
    struct event_builder *builder =
        begin_subscription(origin, SYSTEM_SUBSCRIPTION_RESUMED, subscription, &data);
    if (!builder) {
        return NULL;
    }
    buffer_append_byte(&data, '}');
    return finish(builder, &data);
}

const struct event *system_event_deadlettered(const struct system_origin *origin,
                                              const struct system_subscription *subscription,
                                              int64_t count, int64_t since_us,
                                              struct bytes reason) {
    char since[TIMESTAMP_TEXT_SIZE];
    struct buffer data = {0};
    struct event_builder *builder =
        begin_subscription(origin, SYSTEM_SUBSCRIPTION_DEADLETTERED, subscription, &data);
    if (!builder) {
        return NULL;
    }
    timestamp_format(since_us, since);
    append_number(&data, "count", count);
    event_writer_member(&data, 0, "since", bytes_of_text(since));
    event_writer_member(&data, 0, "reason", reason);
    buffer_append_byte(&data, '}');
    return finish(builder, &data);
}

const struct event *system_event_events_lost(const struct system_origin *origin,
                                             const struct system_subscription *subscription,
                                             int32_t partition, int64_t first_offset,
                                             int64_t count) {
    struct buffer data = {0};
    struct event_builder *builder =
        begin_subscription(origin, SYSTEM_SUBSCRIPTION_EVENTS_LOST, subscription, &data);
    if (!builder) {
        return NULL;
    }
    append_number(&data, "partition", partition);
    append_number(&data, "firstOffset", first_offset);
    append_number(&data, "count", count);
    buffer_append_byte(&data, '}');
    return finish(builder, &data);
}
