#include "core/events/event_builder.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/events/event_attribute.h"

#define CHUNK_SIZE 4096

struct event_builder_chunk {
    struct event_builder_chunk *next;
    char bytes[];
};

// What lies behind a struct event *: the extensions follow, and then all bytes.
struct event_block {
    atomic_size_t references;
    struct event event;
    struct event_extension extensions[];
};

void event_builder_init(struct event_builder *builder) {
    memset(builder, 0, offsetof(struct event_builder, inline_extensions));
    builder->extensions = builder->inline_extensions;
    builder->extension_capacity = ARRAY_LENGTH(builder->inline_extensions);
    builder->arena_next = builder->inline_arena;
    builder->arena_left = sizeof builder->inline_arena;
}

void event_builder_clear(struct event_builder *builder) {
    while (builder->chunks) {
        struct event_builder_chunk *chunk = builder->chunks;
        builder->chunks = chunk->next;
        free(chunk);
    }
    if (builder->extensions != builder->inline_extensions) {
        free(builder->extensions);
    }
    event_name_table_clear(&builder->names);
    buffer_clear(&builder->data_buffer);
    buffer_clear(&builder->scratch);
}

struct event_builder *event_builder_create(void) {
    struct event_builder *builder = memory_allocate(sizeof *builder);
    event_builder_init(builder);
    return builder;
}

void event_builder_destroy(struct event_builder *builder) {
    if (builder) {
        event_builder_clear(builder);
        free(builder);
    }
}

char *event_builder_reserve(struct event_builder *builder, size_t size) {
    if (size > builder->arena_left) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct event_builder_chunk *chunk = memory_allocate(sizeof *chunk + room);
        chunk->next = builder->chunks;
        builder->chunks = chunk;
        builder->arena_next = chunk->bytes;
        builder->arena_left = room;
    }
    char *reserved = builder->arena_next;
    builder->arena_next += size;
    builder->arena_left -= size;
    return reserved;
}

struct bytes event_builder_copy(struct event_builder *builder, struct bytes bytes) {
    if (bytes.size == 0) {
        return BYTES("");
    }
    char *copy = event_builder_reserve(builder, bytes.size);
    memcpy(copy, bytes.data, bytes.size);
    return (struct bytes){copy, bytes.size};
}

static struct event_names names_of(const struct event_builder *builder) {
    return (struct event_names){.first = &builder->extensions[0].name,
                                .stride = sizeof builder->extensions[0],
                                .count = builder->extension_count};
}

static struct event_extension *find_extension(const struct event_builder *builder,
                                              struct bytes name) {
    size_t place = event_name_table_find(&builder->names, names_of(builder), name);
    return place < builder->extension_count ? &builder->extensions[place] : NULL;
}

void event_builder_add_extension(struct event_builder *builder, struct bytes name,
                                 struct bytes value, enum event_value_kind kind) {
    if (builder->extension_count == builder->extension_capacity) {
        size_t capacity = builder->extension_capacity * 2;
        struct event_extension *grown = memory_resize(
            builder->extensions == builder->inline_extensions ? NULL : builder->extensions,
            capacity, sizeof *grown);
        if (builder->extensions == builder->inline_extensions) {
            memcpy(grown, builder->inline_extensions, sizeof builder->inline_extensions);
        }
        builder->extensions = grown;
        builder->extension_capacity = capacity;
    }
    assert(builder->extensions);
    builder->extensions[builder->extension_count++] =
        (struct event_extension){.name = name, .value = value, .kind = kind};
    event_name_table_added(&builder->names, names_of(builder));
}

void event_builder_set(struct event_builder *builder, struct bytes name, struct bytes value,
                       enum event_value_kind kind) {
    struct bytes copy = event_builder_copy(builder, value);
    enum event_attribute attribute = event_attribute_of(name);
    if (attribute != EVENT_ATTRIBUTE_COUNT) {
        builder->core[attribute] = copy;
        return;
    }
    struct event_extension *extension = find_extension(builder, name);
    if (extension) {
        extension->value = copy;
        extension->kind = kind;
        return;
    }
    event_builder_add_extension(builder, event_builder_copy(builder, name), copy, kind);
}

bool event_builder_has(const struct event_builder *builder, struct bytes name) {
    enum event_attribute attribute = event_attribute_of(name);
    if (attribute != EVENT_ATTRIBUTE_COUNT) {
        return builder->core[attribute].data != NULL;
    }
    return find_extension(builder, name) != NULL;
}

static enum status check_name(const struct event_builder *builder, struct bytes name,
                              struct error *error) {
    if (!event_name_is_valid(name)) {
        return error_set(error, STATUS_INVALID,
                         "attribute name \"%.*s\" has other characters than a-z and 0-9",
                         SHOWN(name));
    }
    if (event_name_is_reserved(name) && !builder->takes_reserved) {
        return error_set(error, STATUS_INVALID, "attribute name \"%.*s\" is reserved", SHOWN(name));
    }
    return STATUS_OK;
}

enum status event_builder_add(struct event_builder *builder, struct bytes name, struct bytes value,
                              enum event_value_kind kind, struct error *error) {
    enum status status = check_name(builder, name, error);
    if (status) {
        return status;
    }
    if (event_builder_has(builder, name)) {
        return error_set(error, STATUS_INVALID, "attribute \"%.*s\" is given twice", SHOWN(name));
    }
    enum event_attribute attribute = event_attribute_of(name);
    if (attribute == EVENT_ATTRIBUTE_COUNT) {
        if (builder->extension_count >= EVENT_ATTRIBUTES_MAX) {
            return error_set(error, STATUS_INVALID, "more than %d attributes",
                             EVENT_ATTRIBUTES_MAX);
        }
        event_builder_add_extension(builder, name, value, kind);
        return STATUS_OK;
    }
    if (value.size == 0) {
        return error_set(error, STATUS_INVALID, "attribute \"%.*s\" is empty", SHOWN(name));
    }
    builder->core[attribute] = value;
    return STATUS_OK;
}

void event_builder_lend_data(struct event_builder *builder, struct bytes data,
                             enum event_data_kind kind) {
    builder->data = data;
    builder->data_kind = kind;
}

void event_builder_set_data(struct event_builder *builder, struct bytes data,
                            enum event_data_kind kind) {
    struct buffer copy = {0};
    buffer_append(&copy, data);
    buffer_clear(&builder->data_buffer);
    builder->data_buffer = copy;
    event_builder_lend_data(builder, buffer_bytes(&builder->data_buffer), kind);
}

void event_builder_set_context(struct event_builder *builder, const struct event_context *context) {
    builder->context = (struct event_context){
        .space = event_builder_copy(builder, context->space),
        .method = event_builder_copy(builder, context->method),
        .path = event_builder_copy(builder, context->path),
        .sync = event_builder_copy(builder, context->sync),
        .traceparent = event_builder_copy(builder, context->traceparent),
        .tracestate = event_builder_copy(builder, context->tracestate),
        .received_us = context->received_us,
    };
}

static bool is_one_of(struct bytes name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_text(name, names[i])) {
            return true;
        }
    }
    return false;
}

struct event_builder *event_builder_of_without(const struct event *event, const char *const *names,
                                               size_t count) {
    const struct bytes standard[EVENT_ATTRIBUTE_COUNT] = {
        [EVENT_ATTRIBUTE_ID] = event->id,
        [EVENT_ATTRIBUTE_SOURCE] = event->source,
        [EVENT_ATTRIBUTE_TYPE] = event->type,
        [EVENT_ATTRIBUTE_SUBJECT] = event->subject,
        [EVENT_ATTRIBUTE_DATASCHEMA] = event->dataschema,
        [EVENT_ATTRIBUTE_TIME] = event->time,
        [EVENT_ATTRIBUTE_DATACONTENTTYPE] = event->datacontenttype,
    };
    struct event_builder *builder = event_builder_create();
    for (int i = 0; i < EVENT_ATTRIBUTE_COUNT; i++) {
        if (standard[i].size > 0) {
            builder->core[i] = event_builder_copy(builder, standard[i]);
        }
    }
    for (size_t i = 0; i < event->extension_count; i++) {
        const struct event_extension *extension = &event->extensions[i];
        if (is_one_of(extension->name, names, count)) {
            continue;
        }
        event_builder_add_extension(builder, event_builder_copy(builder, extension->name),
                                    event_builder_copy(builder, extension->value), extension->kind);
    }
    event_builder_set_data(builder, event->data, event->data_kind);
    event_builder_set_context(builder, &event->context);
    return builder;
}

struct event_builder *event_builder_of(const struct event *event) {
    return event_builder_of_without(event, NULL, 0);
}

// The event as the builder holds it, everything lent.
static struct event lent_event(const struct event_builder *builder) {
    return (struct event){
        .id = builder->core[EVENT_ATTRIBUTE_ID],
        .source = builder->core[EVENT_ATTRIBUTE_SOURCE],
        .type = builder->core[EVENT_ATTRIBUTE_TYPE],
        .subject = builder->core[EVENT_ATTRIBUTE_SUBJECT],
        .dataschema = builder->core[EVENT_ATTRIBUTE_DATASCHEMA],
        .time = builder->core[EVENT_ATTRIBUTE_TIME],
        .datacontenttype = builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE],
        .extensions = builder->extensions,
        .extension_count = builder->extension_count,
        .data_kind = builder->data_kind,
        .data = builder->data_kind == EVENT_DATA_NONE ? BYTES("") : builder->data,
        .context = builder->context,
    };
}

static size_t bytes_of_event(const struct event *event) {
    size_t size = event->id.size + event->source.size + event->type.size + event->subject.size +
                  event->dataschema.size + event->time.size + event->datacontenttype.size +
                  event->data.size + event->context.space.size + event->context.method.size +
                  event->context.path.size + event->context.sync.size +
                  event->context.traceparent.size + event->context.tracestate.size;
    for (size_t i = 0; i < event->extension_count; i++) {
        size += event->extensions[i].name.size + strlen("ce_") + event->extensions[i].value.size;
    }
    return size;
}

// Moves lent bytes to *next, which goes on behind them.
static void settle(struct bytes *bytes, char **next) {
    if (bytes->size > 0) {
        memcpy(*next, bytes->data, bytes->size);
    }
    bytes->data = *next;
    *next += bytes->size;
}

static const struct event *copy_event(const struct event *lent) {
    size_t extensions_size = lent->extension_count * sizeof lent->extensions[0];
    struct event_block *block = malloc(sizeof *block + extensions_size + bytes_of_event(lent));
    if (!block) {
        abort();
    }
    atomic_init(&block->references, 1);
    struct event *event = &block->event;
    *event = *lent;
    event->extensions = block->extensions;
    char *next = (char *)block->extensions + extensions_size;
    struct bytes *const standard[] = {&event->id,
                                      &event->source,
                                      &event->type,
                                      &event->subject,
                                      &event->dataschema,
                                      &event->time,
                                      &event->datacontenttype,
                                      &event->context.space,
                                      &event->context.method,
                                      &event->context.path,
                                      &event->context.sync,
                                      &event->context.traceparent,
                                      &event->context.tracestate};
    for (size_t i = 0; i < ARRAY_LENGTH(standard); i++) {
        settle(standard[i], &next);
    }
    for (size_t i = 0; i < lent->extension_count; i++) {
        block->extensions[i] = lent->extensions[i];
        // Log records name attributes with this prefix; see event_record.c.
        memcpy(next, "ce_", strlen("ce_"));
        next += strlen("ce_");
        settle(&block->extensions[i].name, &next);
        settle(&block->extensions[i].value, &next);
    }
    settle(&event->data, &next);
    return event;
}

enum status event_builder_build(const struct event_builder *builder, const struct event **ret_event,
                                struct error *error) {
    struct event lent = lent_event(builder);
    enum status status = event_check(&lent, error);
    if (status) {
        return status;
    }
    *ret_event = copy_event(&lent);
    return STATUS_OK;
}

enum status event_builder_finish_take(struct event_builder *builder, const struct event **ret_event,
                                      struct error *error) {
    enum status status = event_builder_build(builder, ret_event, error);
    event_builder_destroy(builder);
    return status;
}

static struct event_block *block_of(const struct event *event) {
    return CONTAINER_OF((struct event *)event, struct event_block, event);
}

struct event *event_ref(const struct event *event) {
    atomic_fetch_add_explicit(&block_of(event)->references, 1, memory_order_relaxed);
    return (struct event *)event;
}

void event_unref(const struct event *event) {
    if (!event) {
        return;
    }
    size_t before =
        atomic_fetch_sub_explicit(&block_of(event)->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        free(block_of(event));
    }
}
