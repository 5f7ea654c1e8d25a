#include "core/registry/registry_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/registry/snapshot_builder.h"

// {"version":1,"revision":7,"documents":[{"kind":"functions","space":"default","id":"f",
//  "document":{...}}, ...]}. A file of another version is as good as none.
#define CACHE_VERSION 1
#define CACHE_BYTES_MAX ((off_t)1 << 30)

struct writing {
    struct buffer text;
    enum resource_kind kind;
    bool has_documents;
};

static void append_document(void *context, struct bytes space, struct bytes id,
                            const struct json_t *document) {
    struct writing *writing = context;
    buffer_append_format(&writing->text,
                         "%s\n{\"kind\":\"%s\",\"space\":", writing->has_documents ? "," : "",
                         resource_kind_name(writing->kind));
    json_append_string(space, &writing->text);
    buffer_append_text(&writing->text, ",\"id\":");
    json_append_string(id, &writing->text);
    buffer_append_text(&writing->text, ",\"document\":");
    json_append(document, &writing->text);
    buffer_append_byte(&writing->text, '}');
    writing->has_documents = true;
}

static void append_snapshot(struct writing *writing, const struct snapshot *snapshot) {
    buffer_append_format(&writing->text, "{\"version\":%d,\"revision\":%" PRId64 ",\"documents\":[",
                         CACHE_VERSION, snapshot_revision(snapshot));
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        writing->kind = (enum resource_kind)kind;
        snapshot_each(snapshot, writing->kind, (struct bytes){0}, append_document, writing);
    }
    buffer_append_text(&writing->text, "\n]}\n");
}

static bool write_all(int file, struct bytes bytes) {
    while (bytes.size > 0) {
        ssize_t written = write(file, bytes.data, bytes.size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes = bytes_slice(bytes, written > 0 ? (size_t)written : 0, bytes.size);
    }
    return true;
}

static enum status cache_error(const char *path, const char *action, struct error *error) {
    return error_set(error, STATUS_UNAVAILABLE, "cannot %s %s: %s", action, path, strerror(errno));
}

// The new name is durable only when its folder is.
static void sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? bytes_to_text((struct bytes){path, (size_t)(slash - path) + 1})
                         : memory_copy_text(".");
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        close(file);
    }
    free(folder);
}

static enum status write_file(const char *path, struct bytes text, struct error *error) {
    // What an earlier run left behind may have another mode.
    (void)unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return cache_error(path, "create", error);
    }
    bool is_written = write_all(file, text) && fsync(file) == 0;
    enum status status = is_written ? STATUS_OK : cache_error(path, "write", error);
    close(file);
    return status;
}

enum status registry_cache_write(const char *path, const struct snapshot *snapshot,
                                 struct error *error) {
    struct writing writing = {0};
    struct buffer temporary = {0};
    append_snapshot(&writing, snapshot);
    buffer_append_format(&temporary, "%s.new", path);
    enum status status = write_file(temporary.data, buffer_bytes(&writing.text), error);
    if (status == STATUS_OK && rename(temporary.data, path) != 0) {
        status = cache_error(path, "replace", error);
    }
    if (status == STATUS_OK) {
        sync_folder(path);
    } else {
        (void)unlink(temporary.data);
    }
    buffer_clear(&writing.text);
    buffer_clear(&temporary);
    return status;
}

static enum status read_all(int file, const char *path, struct buffer *ret_text,
                            struct error *error) {
    struct stat found;
    if (fstat(file, &found) != 0) {
        return cache_error(path, "read", error);
    }
    if (!S_ISREG(found.st_mode) || found.st_size > CACHE_BYTES_MAX) {
        return error_set(error, STATUS_INVALID, "%s is not a cache file", path);
    }
    for (;;) {
        ssize_t size = read(file, buffer_reserve(ret_text, 64 << 10), 64 << 10);
        if (size == 0) {
            return STATUS_OK;
        }
        if (size < 0 && errno != EINTR) {
            return cache_error(path, "read", error);
        }
        ret_text->size += size > 0 ? (size_t)size : 0;
    }
}

static enum status read_file(const char *path, struct buffer *ret_text, struct error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT
                   ? error_set(error, STATUS_NOT_FOUND, "there is no cache file %s", path)
                   : cache_error(path, "open", error);
    }
    enum status status = read_all(file, path, ret_text, error);
    close(file);
    return status;
}

// An entry that this program does not understand is left out.
static void put_document(struct snapshot_builder *builder, const json_t *entry) {
    enum resource_kind kind;
    struct buffer document = {0};
    if (!resource_kind_parse(json_member_bytes(entry, "kind"), &kind)) {
        return;
    }
    json_append(json_object_get(entry, "document"), &document);
    if (document.size > 0) {
        (void)!snapshot_builder_put(builder, kind, json_member_bytes(entry, "space"),
                                    json_member_bytes(entry, "id"), buffer_bytes(&document), NULL);
    }
    buffer_clear(&document);
}

static enum status build(const json_t *cache, const char *path,
                         const struct snapshot **ret_snapshot, struct error *error) {
    const json_t *revision = json_object_get(cache, "revision");
    const json_t *documents = json_object_get(cache, "documents");
    if (json_integer_value(json_object_get(cache, "version")) != CACHE_VERSION ||
        !json_is_integer(revision) || !json_is_array(documents)) {
        return error_set(error, STATUS_INVALID, "%s is not a cache file of this version", path);
    }
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *entry = json_array_get(documents, i);
        if (json_is_object(json_object_get(entry, "document"))) {
            put_document(builder, entry);
        }
    }
    *ret_snapshot = snapshot_builder_finish_take(builder, json_integer_value(revision));
    return STATUS_OK;
}

enum status registry_cache_read(const char *path, const struct snapshot **ret_snapshot,
                                struct error *error) {
    struct buffer text = {0};
    struct json_t *cache = NULL;
    enum status status = read_file(path, &text, error);
    if (status == STATUS_OK) {
        status = json_parse(buffer_bytes(&text), &cache, error);
    }
    if (status == STATUS_OK) {
        status = build(cache, path, ret_snapshot, error);
    }
    json_decref(cache);
    buffer_clear(&text);
    return status;
}
