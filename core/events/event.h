// One event, whatever dialect it came in: CloudEvents 1.0 attributes, extensions, data, and what
// the gateway adds. Immutable and reference-counted once built; any thread. Built by an
// event_builder on one thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_H
#define EVENT_GATEWAY_EVENTS_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

// What the data is, which decides how formats embed it.
enum event_data_kind {
    EVENT_DATA_NONE,
    EVENT_DATA_JSON,   // JSON text, as it came
    EVENT_DATA_TEXT,   // valid UTF-8 of a text media type
    EVENT_DATA_BINARY, // any bytes
};

// The CloudEvents type of an attribute; the value is always its canonical text.
enum event_value_kind {
    EVENT_VALUE_STRING,
    EVENT_VALUE_BOOLEAN,
    EVENT_VALUE_INTEGER
};

struct event_extension {
    struct bytes name; // [a-z0-9]+
    struct bytes value;
    enum event_value_kind kind;
};

// What the gateway knows about an event beside its attributes; travels in the log as extension
// attributes egspace, egmethod, egpath, egsync, egtraceparent, egtracestate, egreceivedtime, which
// are not among the extensions here.
struct event_context {
    struct bytes space;  // empty = sent without one: matched in every space, stored under "default"
    struct bytes method; // "POST"
    struct bytes path;   // absolute, as subscriptions see it: "/", "/team1/orders"
    struct bytes sync;   // id of the sync subscription that has handled it already; empty = none
    // W3C trace context of the request that brought it; empty = none. The producer's own is among
    // the extensions.
    struct bytes traceparent, tracestate;
    int64_t received_us; // since 1970
};

struct event {
    struct bytes id, source, type;    // never empty
    struct bytes subject, dataschema; // empty = absent
    struct bytes time;                // RFC 3339 as it came; empty = absent
    struct bytes datacontenttype;     // empty = absent
    const struct event_extension *extensions;
    size_t extension_count;
    enum event_data_kind data_kind;
    struct bytes data;
    struct event_context context;
};

struct event *event_ref(const struct event *event);
void event_unref(const struct event *event); // NULL is fine
// The extension of that name, or NULL.
const struct event_extension *event_extension(const struct event *event, const char *name);
// What keeps events in an order: the extension partitionkey, else the subject; empty = none.
struct bytes event_key(const struct event *event);
// CloudEvents rules: required attributes non-empty, names, URI-reference of source, absolute
// dataschema, time, no control characters. STATUS_INVALID says which attribute and why.
enum status must_check event_check(const struct event *event, struct error *error);
bool event_type_is_system(struct bytes type); // begins with gateway. or eventgateway.
// Decides by media type and bytes: */json and +json that is valid JSON -> JSON; text/*, xml, forms
// in valid UTF-8 -> TEXT; everything else BINARY. An absent media type is BINARY.
enum event_data_kind event_data_kind_of(struct bytes datacontenttype, struct bytes data);
bool media_type_is_json(struct bytes media_type);
bool media_type_is_text(struct bytes media_type);

// Builder: each setter copies. Setting an attribute twice: the last wins (dialects refuse
// duplicates first).
struct event_builder;
struct event_builder *event_builder_create(void);
void event_builder_destroy(struct event_builder *builder);
// Any attribute by its CloudEvents name, "id" ... "datacontenttype" or an extension's.
void event_builder_set(struct event_builder *builder, struct bytes name, struct bytes value,
                       enum event_value_kind kind);
bool event_builder_has(const struct event_builder *builder, struct bytes name);
void event_builder_set_data(struct event_builder *builder, struct bytes data,
                            enum event_data_kind kind);
void event_builder_set_context(struct event_builder *builder, const struct event_context *context);
// A builder filled with everything of an event, to make a changed copy.
struct event_builder *event_builder_of(const struct event *event);
// The same without the extensions of these names.
struct event_builder *event_builder_of_without(const struct event *event, const char *const *names,
                                               size_t count);
// Consumes the builder, also on failure. Runs event_check. One allocation holds the event and all
// its bytes.
enum status must_check event_builder_finish_take(struct event_builder *builder,
                                                 const struct event **ret_event,
                                                 struct error *error);

#endif
