#include "core/registry/replay.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event.h"

struct replay_object {
    struct replay replay;
    struct replay_part *parts;
    struct replay_filter *filters;
    atomic_uint references;
};

static enum status read_texts(struct replay *replay, struct error *error) {
    const struct {
        const char *name;
        struct bytes *ret_text;
    } members[] = {{"space", &replay->space},
                   {"replayId", &replay->id},
                   {"subscriptionId", &replay->subscription_id}};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(members); i++) {
        status = json_needed_bytes(replay->document, members[i].name, members[i].ret_text, error);
    }
    // Empty where the subscription is older than that member.
    replay->subscription_created = json_member_bytes(replay->document, "subscriptionCreated");
    return status;
}

static enum status read_times(struct replay *replay, struct error *error) {
    struct bytes text = {0};
    enum status status = json_needed_bytes(replay->document, "created", &text, error);
    if (status == STATUS_OK && timestamp_parse(text, &replay->created_us) != STATUS_OK) {
        status = error_set(error, STATUS_INVALID, "created: must be a time");
    }
    if (status == STATUS_OK && json_object_get(replay->document, "stopped")) {
        status = json_needed_bytes(replay->document, "stopped", &text, error);
        if (status == STATUS_OK &&
            (timestamp_parse(text, &replay->stopped_us) != STATUS_OK || replay->stopped_us <= 0)) {
            status = error_set(error, STATUS_INVALID, "stopped: must be a time");
        }
    }
    return status;
}

static enum status read_rate(struct replay *replay, struct error *error) {
    const json_t *rate = json_object_get(replay->document, "ratePerSecond");
    replay->rate_per_second = json_number_value(rate);
    // The negation refuses what is not a number, too.
    bool is_good = json_is_number(rate) && replay->rate_per_second > 0 &&
                   replay->rate_per_second <= REPLAY_RATE_MAX;
    if (rate && !is_good) {
        return error_set(error, STATUS_INVALID,
                         "ratePerSecond: must be a number above 0, at most %d", REPLAY_RATE_MAX);
    }
    return STATUS_OK;
}

static enum status read_parts(struct replay_object *object, struct error *error) {
    const json_t *parts = json_object_get(object->replay.document, "partitions");
    size_t count = json_array_size(parts);
    if (!json_is_array(parts) || count > REPLAY_PARTITIONS_MAX) {
        return error_set(error, STATUS_INVALID, "partitions: must be an array of pairs of offsets");
    }
    object->parts = memory_allocate((count + 1) * sizeof *object->parts);
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(parts, i);
        const json_t *from = json_array_get(pair, 0);
        const json_t *until = json_array_get(pair, 1);
        object->parts[i] =
            (struct replay_part){json_integer_value(from), json_integer_value(until)};
        if (json_array_size(pair) != 2 || !json_is_integer(from) || !json_is_integer(until) ||
            object->parts[i].from < 0 || object->parts[i].until < object->parts[i].from) {
            return error_set(error, STATUS_INVALID,
                             "partitions: must be pairs of offsets, the lower one first");
        }
    }
    object->replay.parts = object->parts;
    object->replay.part_count = count;
    return STATUS_OK;
}

// --- Filters.

static enum status add_filter(struct replay_object *object, const char *attribute,
                              const json_t *value, struct error *error) {
    static const char *const attributes[] = {"type", "source", "subject"};
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
        is_known |= bytes_equal_text(bytes_of_text(attribute), attributes[i]);
    }
    if (!is_known) {
        return error_set(error, STATUS_INVALID,
                         "filters: a replay is filtered by type, source or subject, not by "
                         "\"%.100s\"",
                         attribute);
    }
    if (!json_is_string(value)) {
        return error_set(error, STATUS_INVALID, "filters: \"%s\" must be a string", attribute);
    }
    if (object->replay.filter_count == REPLAY_FILTERS_MAX) {
        return error_set(error, STATUS_INVALID, "filters: at most %d values", REPLAY_FILTERS_MAX);
    }
    object->filters[object->replay.filter_count++] =
        (struct replay_filter){bytes_of_text(attribute), json_string_bytes(value)};
    return STATUS_OK;
}

static enum status read_exact(struct replay_object *object, const json_t *exact,
                              struct error *error) {
    const char *name;
    json_t *value;
    if (json_object_size(exact) == 0) {
        return error_set(error, STATUS_INVALID,
                         "filters: \"exact\" must be an object with an attribute");
    }
    json_object_foreach((json_t *)exact, name, value) {
        enum status status = add_filter(object, name, value, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status read_filter(struct replay_object *object, const json_t *filter,
                               struct error *error) {
    const char *name;
    json_t *value;
    if (json_object_size(filter) == 0) {
        return error_set(error, STATUS_INVALID,
                         "filters: each must be an object: "
                         "{\"exact\": {\"type\": \"...\"}}");
    }
    json_object_foreach((json_t *)filter, name, value) {
        if (!bytes_equal_text(bytes_of_text(name), "exact")) {
            return error_set(error, STATUS_INVALID,
                             "filters: \"%.100s\" is not there for replays, only \"exact\"", name);
        }
        enum status status = read_exact(object, value, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status read_filters(struct replay_object *object, struct error *error) {
    const json_t *filters = json_object_get(object->replay.document, "filters");
    enum status status = STATUS_OK;
    if (filters && !json_is_array(filters)) {
        return error_set(error, STATUS_INVALID, "filters: must be an array");
    }
    object->filters = memory_allocate(REPLAY_FILTERS_MAX * sizeof *object->filters);
    object->replay.filters = object->filters;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(filters); i++) {
        status = read_filter(object, json_array_get(filters, i), error);
    }
    return status;
}

enum status replay_parse(struct json_t *document, const struct replay **ret_replay,
                         struct error *error) {
    struct replay_object *object = memory_allocate(sizeof *object);
    object->references = 1;
    object->replay.document = json_incref(document);
    enum status status = STATUS_OK;
    if (!json_is_object(document)) {
        status = error_set(error, STATUS_INVALID, "a document must be a JSON object");
    }
    if (status == STATUS_OK) {
        status = read_texts(&object->replay, error);
    }
    if (status == STATUS_OK) {
        status = read_times(&object->replay, error);
    }
    if (status == STATUS_OK) {
        status = read_rate(&object->replay, error);
    }
    if (status == STATUS_OK) {
        status = read_parts(object, error);
    }
    if (status == STATUS_OK) {
        status = read_filters(object, error);
    }
    if (status != STATUS_OK) {
        replay_unref(&object->replay);
        return status;
    }
    *ret_replay = &object->replay;
    return STATUS_OK;
}

const struct replay *replay_ref(const struct replay *replay) {
    struct replay_object *object = CONTAINER_OF(replay, struct replay_object, replay);
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    return replay;
}

void replay_unref(const struct replay *replay) {
    if (!replay) {
        return;
    }
    struct replay_object *object = CONTAINER_OF(replay, struct replay_object, replay);
    unsigned before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        json_decref((json_t *)replay->document);
        free(object->parts);
        free(object->filters);
        free(object);
    }
}

bool replay_takes(const struct replay *replay, const struct event *event) {
    for (size_t i = 0; i < replay->filter_count; i++) {
        const struct replay_filter *filter = &replay->filters[i];
        struct bytes value = bytes_equal_text(filter->attribute, "type")     ? event->type
                             : bytes_equal_text(filter->attribute, "source") ? event->source
                                                                             : event->subject;
        if (!bytes_equal(value, filter->value)) {
            return false;
        }
    }
    return true;
}
