#include "core/events/trace_context.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    FLAG_SAMPLED = 1,
    FLAGS_KNOWN = 3, // sampled, and random trace id
    TRACEPARENT_SIZE = TRACEPARENT_TEXT_SIZE - 1,
    TRACESTATE_MAX = 512,
};

// Lower-case digits only, as the standard asks.
static bool read_hex(struct bytes text, size_t start, size_t count, uint64_t *ret_number) {
    uint64_t number = 0;
    for (size_t i = start; i < start + count; i++) {
        char digit = text.data[i];
        if (digit >= '0' && digit <= '9') {
            number = number << 4 | (uint64_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            number = number << 4 | (uint64_t)(digit - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret_number = number;
    return true;
}

// A later version may have more behind another '-'; version 00 must end where it ends.
static bool has_known_length(struct bytes text, uint64_t version) {
    return text.size == TRACEPARENT_SIZE ||
           (version > 0 && text.size > TRACEPARENT_SIZE && text.data[TRACEPARENT_SIZE] == '-');
}

bool trace_context_read(struct bytes text, struct trace_context *ret_context) {
    uint64_t version, parent, flags;
    struct trace_context context = {0};
    if (text.size < TRACEPARENT_SIZE || text.data[2] != '-' || text.data[35] != '-' ||
        text.data[52] != '-' || !read_hex(text, 0, 2, &version) ||
        !read_hex(text, 3, 16, &context.trace_high) ||
        !read_hex(text, 19, 16, &context.trace_low) || !read_hex(text, 36, 16, &parent) ||
        !read_hex(text, 53, 2, &flags)) {
        return false;
    }
    if (version == 0xff || !has_known_length(text, version) || parent == 0 ||
        (context.trace_high == 0 && context.trace_low == 0)) {
        return false;
    }
    context.flags = (uint8_t)(flags & FLAGS_KNOWN);
    *ret_context = context;
    return true;
}

bool trace_state_is_valid(struct bytes tracestate) {
    for (size_t i = 0; i < tracestate.size; i++) {
        if (tracestate.data[i] < ' ' || tracestate.data[i] > '~') {
            return false;
        }
    }
    return tracestate.size > 0 && tracestate.size <= TRACESTATE_MAX;
}

static struct bytes extension_value(const struct event *event, const char *name) {
    const struct event_extension *extension = event_extension(event, name);
    return extension ? extension->value : (struct bytes){0};
}

struct trace_context trace_context_of(const struct event *event, uint64_t random_high,
                                      uint64_t random_low) {
    struct trace_context context;
    if (trace_context_read(event->context.traceparent, &context) ||
        trace_context_read(extension_value(event, "traceparent"), &context)) {
        return context;
    }
    // Sampled, since functions that follow their parent would otherwise never record anything.
    return (struct trace_context){.trace_high = random_high,
                                  .trace_low = random_high | random_low ? random_low : 1,
                                  .flags = FLAG_SAMPLED};
}

struct bytes trace_state_of(const struct event *event) {
    struct trace_context context;
    struct bytes state = {0};
    if (trace_context_read(event->context.traceparent, &context)) {
        state = event->context.tracestate;
    } else if (trace_context_read(extension_value(event, "traceparent"), &context)) {
        state = extension_value(event, "tracestate");
    }
    return trace_state_is_valid(state) ? state : (struct bytes){0};
}

void trace_context_write(const struct trace_context *context, uint64_t span_id,
                         char ret_text[TRACEPARENT_TEXT_SIZE]) {
    snprintf(ret_text, TRACEPARENT_TEXT_SIZE, "00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-%02x",
             context->trace_high, context->trace_low, span_id ? span_id : 1, context->flags);
}
