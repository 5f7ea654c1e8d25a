#include "core/subscriptions/path_pattern.h"

#include "core/base/memory.h"
#include "core/base/text.h"

void path_normalize(struct bytes path, struct buffer *ret_path) {
    while (path.size > 0 && path.data[path.size - 1] == '/') {
        path.size--;
    }
    if (path.size == 0 || path.data[0] != '/') {
        buffer_append_byte(ret_path, '/');
    }
    buffer_append(ret_path, path);
}

enum path_segment_kind path_segment_kind(struct bytes segment) {
    if (segment.size > 0 && segment.data[0] == ':') {
        return PATH_SEGMENT_PARAMETER;
    }
    if (segment.size > 0 && segment.data[0] == '*') {
        return PATH_SEGMENT_WILDCARD;
    }
    return PATH_SEGMENT_STATIC;
}

struct bytes path_segment_name(struct bytes segment) {
    return bytes_slice(segment, 1, segment.size);
}

bool path_next_segment(struct bytes *path, struct bytes *ret_segment) {
    if (path->size <= 1) {
        return false;
    }
    struct bytes rest = bytes_slice(*path, 1, path->size);
    size_t end = bytes_find(rest, '/');
    *ret_segment = bytes_slice(rest, 0, end);
    *path = bytes_slice(rest, end, rest.size);
    return true;
}

static int shown(struct bytes bytes) {
    return (int)(bytes.size > 200 ? 200 : bytes.size);
}

static enum status check_bytes(struct bytes pattern, struct error *error) {
    if (pattern.size == 0 || pattern.data[0] != '/') {
        return error_set(error, STATUS_INVALID, "path: must begin with '/'");
    }
    if (pattern.size > PATH_PATTERN_BYTES_MAX) {
        return error_set(error, STATUS_INVALID, "path: has %zu bytes, more than %d", pattern.size,
                         PATH_PATTERN_BYTES_MAX);
    }
    for (size_t i = 0; i < pattern.size; i++) {
        unsigned char byte = (unsigned char)pattern.data[i];
        if (byte < 0x20 || byte == 0x7f || byte == '?' || byte == '#') {
            return error_set(error, STATUS_INVALID,
                             "path: byte 0x%02x at %zu cannot be part of a path", byte, i);
        }
    }
    return STATUS_OK;
}

static enum status check_name(struct bytes name, const struct bytes *names, size_t name_count,
                              struct error *error) {
    if (name.size == 0) {
        return error_set(error, STATUS_INVALID, "path: a parameter has no name");
    }
    for (size_t i = 0; i < name_count; i++) {
        if (bytes_equal(names[i], name)) {
            return error_set(error, STATUS_INVALID, "path: parameter \"%.*s\" is there twice",
                             shown(name), name.data);
        }
    }
    if (name_count == PATH_PARAMS_MAX) {
        return error_set(error, STATUS_INVALID, "path: more than %d parameters", PATH_PARAMS_MAX);
    }
    return STATUS_OK;
}

enum status path_pattern_check(struct bytes pattern, struct error *error) {
    struct bytes names[PATH_PARAMS_MAX];
    struct bytes segment;
    size_t name_count = 0;
    bool is_after_wildcard = false;
    enum status status = check_bytes(pattern, error);
    while (status == STATUS_OK && path_next_segment(&pattern, &segment)) {
        enum path_segment_kind kind = path_segment_kind(segment);
        if (is_after_wildcard) {
            return error_set(error, STATUS_INVALID, "path: wildcard must be the last parameter");
        }
        if (kind != PATH_SEGMENT_STATIC) {
            struct bytes name = path_segment_name(segment);
            status = check_name(name, names, name_count, error);
            if (status == STATUS_OK) {
                names[name_count++] = name;
            }
        }
        is_after_wildcard = kind == PATH_SEGMENT_WILDCARD;
    }
    return status;
}

// Static segments are compared as what they decode to, as the matcher does.
static bool segments_equal(struct bytes a, struct bytes b) {
    if (bytes_equal(a, b)) {
        return true;
    }
    if (path_segment_kind(a) != PATH_SEGMENT_STATIC ||
        path_segment_kind(b) != PATH_SEGMENT_STATIC ||
        (bytes_find(a, '%') == a.size && bytes_find(b, '%') == b.size)) {
        return false;
    }
    struct buffer decoded_a = {0};
    struct buffer decoded_b = {0};
    percent_decode(a, false, &decoded_a);
    percent_decode(b, false, &decoded_b);
    bool is_equal = bytes_equal(buffer_bytes(&decoded_a), buffer_bytes(&decoded_b));
    buffer_clear(&decoded_a);
    buffer_clear(&decoded_b);
    return is_equal;
}

// The sentences are the original gateway's, since clients have learned them.
static bool segments_conflict(struct bytes existing, struct bytes candidate, struct bytes route,
                              struct error *error) {
    enum path_segment_kind existing_kind = path_segment_kind(existing);
    enum path_segment_kind candidate_kind = path_segment_kind(candidate);
    struct bytes name = path_segment_name(existing);
    if (existing_kind == PATH_SEGMENT_WILDCARD) {
        (void)error_set(error, STATUS_CONFLICT,
                        "wildcard with different name (\"%.*s\") already defined: for route: %.*s",
                        shown(name), name.data, shown(route), route.data);
    } else if (existing_kind == PATH_SEGMENT_PARAMETER) {
        (void)error_set(error, STATUS_CONFLICT,
                        "parameter with different name (\"%.*s\") already defined: for route: %.*s",
                        shown(name), name.data, shown(route), route.data);
    } else if (candidate_kind != PATH_SEGMENT_STATIC) {
        (void)error_set(error, STATUS_CONFLICT, "static route already defined for route: %.*s",
                        shown(route), route.data);
    } else {
        return false;
    }
    return true;
}

bool path_patterns_conflict(struct bytes existing, struct bytes candidate, struct error *error) {
    struct bytes route = candidate;
    for (;;) {
        struct bytes existing_segment;
        struct bytes candidate_segment;
        bool has_existing = path_next_segment(&existing, &existing_segment);
        bool has_candidate = path_next_segment(&candidate, &candidate_segment);
        if (!has_existing && !has_candidate) {
            (void)error_set(error, STATUS_CONFLICT, "route %.*s conflicts with existing route",
                            shown(route), route.data);
            return true;
        }
        if (!has_existing || !has_candidate) {
            return false; // One goes on below the other.
        }
        if (!segments_equal(existing_segment, candidate_segment)) {
            return segments_conflict(existing_segment, candidate_segment, route, error);
        }
    }
}
