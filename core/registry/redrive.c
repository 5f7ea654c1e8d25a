#include "core/registry/redrive.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/base/memory.h"
#include "core/base/text.h"

// Three of them times a hundred are still a number.
#define COUNT_MAX (INT64_C(1) << 53)

struct redrive_object {
    struct redrive redrive;
    struct redrive_place *letters;
    atomic_uint references;
};

const char *redrive_state_name(enum redrive_state state) {
    static const char *const names[REDRIVE_STATE_COUNT] = {"waiting", "running", "done", "stopped",
                                                           "failed"};
    return names[state];
}

static enum status read_text(const json_t *document, const char *name, bool is_required,
                             struct bytes *ret_text, struct error *error) {
    const json_t *value = json_object_get(document, name);
    bool is_missing = is_required && json_string_length(value) == 0;
    if (is_missing || (value && !json_is_string(value))) {
        return error_set(error, STATUS_INVALID, "%s: must be a %sstring", name,
                         is_required ? "non-empty " : "");
    }
    *ret_text = (struct bytes){json_string_value(value), json_string_length(value)};
    return STATUS_OK;
}

static enum status read_texts(struct redrive *redrive, struct error *error) {
    const struct {
        const char *name;
        bool is_required;
        struct bytes *ret_text;
    } members[] = {{"space", true, &redrive->space},
                   {"redriveId", true, &redrive->id},
                   {"subscriptionId", false, &redrive->subscription_id},
                   {"owner", false, &redrive->owner}};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(members); i++) {
        status = read_text(redrive->document, members[i].name, members[i].is_required,
                           members[i].ret_text, error);
    }
    return status;
}

static enum status read_state(struct redrive *redrive, struct error *error) {
    struct bytes name = {0};
    enum status status = read_text(redrive->document, "state", true, &name, error);
    for (int state = 0; status == STATUS_OK && state < REDRIVE_STATE_COUNT; state++) {
        if (bytes_equal_text(name, redrive_state_name((enum redrive_state)state))) {
            redrive->state = (enum redrive_state)state;
            return STATUS_OK;
        }
    }
    return status == STATUS_OK ? error_set(error, STATUS_INVALID, "state: not one that is known")
                               : status;
}

static enum status read_times(struct redrive *redrive, struct error *error) {
    const struct {
        const char *name;
        bool is_required;
        int64_t *ret_us;
    } members[] = {{"since", false, &redrive->since_us},
                   {"until", false, &redrive->until_us},
                   {"begun", true, &redrive->begun_us},
                   {"ended", false, &redrive->ended_us}};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        struct bytes text = {0};
        enum status status =
            read_text(redrive->document, members[i].name, members[i].is_required, &text, error);
        if (status == STATUS_OK && text.size > 0) {
            status = timestamp_parse(text, members[i].ret_us);
        }
        if (status != STATUS_OK) {
            return error_set(error, STATUS_INVALID, "%s: must be a time", members[i].name);
        }
    }
    return STATUS_OK;
}

static enum status read_numbers(struct redrive *redrive, struct error *error) {
    const struct {
        const char *name;
        int64_t max;
        int64_t *ret_number;
    } members[] = {{"ratePerSecond", REDRIVE_RATE_MAX, &redrive->rate},
                   {"total", COUNT_MAX, &redrive->total},
                   {"redriven", COUNT_MAX, &redrive->redriven},
                   {"failed", COUNT_MAX, &redrive->failed},
                   {"missing", COUNT_MAX, &redrive->missing},
                   {"at", REDRIVE_LETTERS_MAX, &redrive->letter_at}};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        const json_t *value = json_object_get(redrive->document, members[i].name);
        int64_t number = json_integer_value(value);
        if (value && (!json_is_integer(value) || number < 0 || number > members[i].max)) {
            return error_set(error, STATUS_INVALID, "%s: must be a whole number from 0",
                             members[i].name);
        }
        *members[i].ret_number = number;
    }
    return STATUS_OK;
}

static bool read_place(const json_t *partition, const json_t *offset,
                       struct redrive_place *ret_place) {
    int64_t number = json_integer_value(partition);
    *ret_place = (struct redrive_place){(int32_t)number, json_integer_value(offset)};
    return json_is_integer(partition) && json_is_integer(offset) && number >= 0 &&
           number <= INT32_MAX && ret_place->offset >= 0;
}

static enum status read_after(struct redrive *redrive, struct error *error) {
    const json_t *after = json_object_get(redrive->document, "after");
    const json_t *time = json_array_get(after, 0);
    redrive->after_us = -1;
    if (!after) {
        return STATUS_OK;
    }
    if (json_array_size(after) != 3 || !json_is_integer(time) ||
        !read_place(json_array_get(after, 1), json_array_get(after, 2), &redrive->after)) {
        return error_set(error, STATUS_INVALID, "after: must be a time and a place");
    }
    redrive->after_us = json_integer_value(time);
    return STATUS_OK;
}

static enum status read_letters(struct redrive_object *object, struct error *error) {
    struct redrive *redrive = &object->redrive;
    const json_t *letters = json_object_get(redrive->document, "letters");
    size_t count = json_array_size(letters);
    if (letters && (count == 0 || count > REDRIVE_LETTERS_MAX)) {
        return error_set(error, STATUS_INVALID, "letters: must be an array of 1 to %d places",
                         REDRIVE_LETTERS_MAX);
    }
    object->letters = memory_allocate((count + 1) * sizeof *object->letters);
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(letters, i);
        if (json_array_size(pair) != 2 ||
            !read_place(json_array_get(pair, 0), json_array_get(pair, 1), &object->letters[i])) {
            return error_set(error, STATUS_INVALID, "letters: must be pairs of partition, offset");
        }
    }
    redrive->letters = object->letters;
    redrive->letter_count = count;
    return STATUS_OK;
}

static enum status read_all(struct redrive_object *object, struct error *error) {
    static enum status (*const readers[])(struct redrive * redrive, struct error * error) = {
        read_texts, read_state, read_times, read_numbers, read_after};
    enum status status = STATUS_OK;
    if (!json_is_object(object->redrive.document)) {
        status = error_set(error, STATUS_INVALID, "a document must be a JSON object");
    }
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(readers); i++) {
        status = readers[i](&object->redrive, error);
    }
    return status == STATUS_OK ? read_letters(object, error) : status;
}

enum status redrive_parse(struct json_t *document, const struct redrive **ret_redrive,
                          struct error *error) {
    struct redrive_object *object = memory_allocate(sizeof *object);
    object->references = 1;
    object->redrive.document = json_incref(document);
    enum status status = read_all(object, error);
    if (status != STATUS_OK) {
        redrive_unref(&object->redrive);
        return status;
    }
    *ret_redrive = &object->redrive;
    return STATUS_OK;
}

const struct redrive *redrive_ref(const struct redrive *redrive) {
    struct redrive_object *object = CONTAINER_OF(redrive, struct redrive_object, redrive);
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    return redrive;
}

void redrive_unref(const struct redrive *redrive) {
    if (!redrive) {
        return;
    }
    struct redrive_object *object = CONTAINER_OF(redrive, struct redrive_object, redrive);
    unsigned before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        json_decref((json_t *)redrive->document);
        free(object->letters);
        free(object);
    }
}
