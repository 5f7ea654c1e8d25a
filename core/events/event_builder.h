// The inside of an event_builder, for the decoders of this box: they build on the stack and lend
// their input instead of copying it, so that an event costs one allocation. One thread; nothing
// here is for other boxes.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_BUILDER_H
#define EVENT_GATEWAY_EVENTS_EVENT_BUILDER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event.h"
#include "core/events/event_name_table.h"

// A client that sends more gets an error.
#define EVENT_ATTRIBUTES_MAX 1000

enum event_attribute {
    EVENT_ATTRIBUTE_ID,
    EVENT_ATTRIBUTE_SOURCE,
    EVENT_ATTRIBUTE_TYPE,
    EVENT_ATTRIBUTE_SUBJECT,
    EVENT_ATTRIBUTE_DATASCHEMA,
    EVENT_ATTRIBUTE_TIME,
    EVENT_ATTRIBUTE_DATACONTENTTYPE,
    EVENT_ATTRIBUTE_COUNT, // also: not one of them, an extension
};

struct event_builder {
    struct bytes core[EVENT_ATTRIBUTE_COUNT]; // data NULL = not set
    struct event_extension *extensions;
    size_t extension_count;
    size_t extension_capacity;
    struct event_name_table names; // of the extensions
    struct bytes data;
    enum event_data_kind data_kind;
    struct event_context context;
    bool takes_reserved;       // reading the log, where the gateway's own names are expected
    struct buffer data_buffer; // holds decoded data where the input cannot be lent
    struct buffer scratch;     // for a single call
    struct event_builder_chunk *chunks;
    char *arena_next;
    size_t arena_left;
    struct event_extension inline_extensions[16];
    char inline_arena[1024];
};

void event_builder_init(struct event_builder *builder);
void event_builder_clear(struct event_builder *builder);
// Bytes that live as long as the builder.
char *event_builder_reserve(struct event_builder *builder, size_t size);
struct bytes event_builder_copy(struct event_builder *builder, struct bytes bytes);
// One more attribute, lent: name and value must live until the event is built. Refuses bad names,
// the gateway's own names (unless takes_reserved), a second value, an empty value of a standard
// attribute, and too many of them.
enum status must_check event_builder_add(struct event_builder *builder, struct bytes name,
                                         struct bytes value, enum event_value_kind kind,
                                         struct error *error);
// The same for a name that was checked already and is known to be new.
void event_builder_add_extension(struct event_builder *builder, struct bytes name,
                                 struct bytes value, enum event_value_kind kind);
void event_builder_lend_data(struct event_builder *builder, struct bytes data,
                             enum event_data_kind kind);
// The builder stays as it is and is still the caller's to clear.
enum status must_check event_builder_build(const struct event_builder *builder,
                                           const struct event **ret_event, struct error *error);

#endif
