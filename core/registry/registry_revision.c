#include "core/registry/registry_revision.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"

// The history is read with every change by every node, so it is kept small. Who missed more of it
// loads everything.
#define CHANGES_KEPT 100
#define HISTORY_BYTES_MAX (64 << 10)

struct registry_revision {
    json_t *data;
    int64_t number;
    const json_t *changes; // oldest first; in data
};

void registry_revision_write_first(struct buffer *ret_data) {
    buffer_append_text(ret_data, "{\"revision\":0,\"changes\":[]}");
}

static bool change_is_good(const json_t *change) {
    return json_is_integer(json_object_get(change, "revision")) &&
           json_is_string(json_object_get(change, "id"));
}

static bool read_members(struct registry_revision *revision) {
    const json_t *number = json_object_get(revision->data, "revision");
    revision->changes = json_object_get(revision->data, "changes");
    revision->number = json_integer_value(number);
    bool is_good = json_is_integer(number) && json_is_array(revision->changes);
    for (size_t i = 0; is_good && i < json_array_size(revision->changes); i++) {
        is_good = change_is_good(json_array_get(revision->changes, i));
    }
    return is_good;
}

enum status registry_revision_parse(struct bytes data, struct registry_revision **ret_revision,
                                    struct error *error) {
    struct registry_revision *revision = memory_allocate(sizeof *revision);
    enum status status = json_parse(data, &revision->data, error);
    if (status == STATUS_OK && !read_members(revision)) {
        status = error_set(error, STATUS_INVALID, "not the revision of a registry");
    }
    if (status != STATUS_OK) {
        registry_revision_destroy(revision);
        return status;
    }
    *ret_revision = revision;
    return STATUS_OK;
}

void registry_revision_destroy(struct registry_revision *revision) {
    if (revision) {
        json_decref(revision->data);
        free(revision);
    }
}

int64_t registry_revision_number(const struct registry_revision *revision) {
    return revision->number;
}

static int64_t change_number(const json_t *change) {
    return json_integer_value(json_object_get(change, "revision"));
}

// The oldest revision that the history tells how it came about.
static int64_t oldest_known(const struct registry_revision *revision) {
    const json_t *first = json_array_get(revision->changes, 0);
    return first ? change_number(first) : revision->number + 1;
}

static bool visit_paths(const json_t *change, registry_revision_path_fn visit, void *context) {
    const json_t *paths = json_object_get(change, "paths");
    if (!json_is_array(paths)) {
        return false; // A change of too many documents to name.
    }
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *path = json_array_get(paths, i);
        visit(context, json_string_bytes(path));
    }
    return true;
}

bool registry_revision_each_path(const struct registry_revision *revision, int64_t since,
                                 registry_revision_path_fn visit, void *context) {
    if (since > revision->number || since + 1 < oldest_known(revision)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(revision->changes); i++) {
        const json_t *change = json_array_get(revision->changes, i);
        if (change_number(change) > since && !visit_paths(change, visit, context)) {
            return false;
        }
    }
    return true;
}

enum registry_revision_fate registry_revision_fate_of(const struct registry_revision *revision,
                                                      int64_t number, const char *change_id) {
    if (number > revision->number) {
        return REVISION_FATE_NOT_APPLIED;
    }
    for (size_t i = 0; i < json_array_size(revision->changes); i++) {
        const json_t *change = json_array_get(revision->changes, i);
        if (change_number(change) == number) {
            const char *id = json_string_value(json_object_get(change, "id"));
            return strcmp(id, change_id) == 0 ? REVISION_FATE_APPLIED : REVISION_FATE_NOT_APPLIED;
        }
    }
    return REVISION_FATE_UNKNOWN;
}

static void append_change(int64_t number, const char *change_id, const struct bytes *paths,
                          size_t path_count, struct buffer *ret_text) {
    size_t size = 0;
    for (size_t i = 0; i < path_count; i++) {
        size += paths[i].size;
    }
    buffer_append_format(ret_text, "{\"revision\":%" PRId64 ",\"id\":", number);
    json_append_string(bytes_of_text(change_id), ret_text);
    buffer_append_text(ret_text, ",\"paths\":");
    if (size > HISTORY_BYTES_MAX / 2) {
        buffer_append_text(ret_text, "null}");
        return;
    }
    for (size_t i = 0; i < path_count; i++) {
        buffer_append_byte(ret_text, i == 0 ? '[' : ',');
        json_append_string(paths[i], ret_text);
    }
    buffer_append_text(ret_text, path_count == 0 ? "[]}" : "]}");
}

void registry_revision_write_next(const struct registry_revision *revision, const char *change_id,
                                  const struct bytes *paths, size_t path_count,
                                  struct buffer *ret_data) {
    struct buffer newest = {0};
    size_t count = json_array_size(revision->changes);
    size_t first = count;
    append_change(revision->number + 1, change_id, paths, path_count, &newest);
    size_t size = newest.size;
    // From the newest back, as many as fit.
    while (first > 0 && count - first + 1 < CHANGES_KEPT) {
        struct buffer older = {0};
        json_append(json_array_get(revision->changes, first - 1), &older);
        size += older.size + 1;
        buffer_clear(&older);
        if (size > HISTORY_BYTES_MAX) {
            break;
        }
        first--;
    }
    buffer_append_format(ret_data, "{\"revision\":%" PRId64 ",\"changes\":[", revision->number + 1);
    for (size_t i = first; i < count; i++) {
        json_append(json_array_get(revision->changes, i), ret_data);
        buffer_append_byte(ret_data, ',');
    }
    buffer_append(ret_data, buffer_bytes(&newest));
    buffer_append_text(ret_data, "]}");
    buffer_clear(&newest);
}
