// The scanner agrees with jansson, except where jansson has limits of its own: numbers that fit no
// C type, U+0000 in names, and its depth of 2,048 where ours is 512. And jansson loses NUL bytes
// after numbers, so json_parse is asked about those.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/text.h"

#define DEPTH_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t depth_of(json_t *value) {
    size_t deepest = 0;
    size_t index;
    const char *name;
    json_t *item;
    json_array_foreach(value, index, item) {
        size_t depth = depth_of(item);
        deepest = depth > deepest ? depth : deepest;
    }
    json_object_foreach(value, name, item) {
        size_t depth = depth_of(item);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_is_array(value) || json_is_object(value));
}

static json_t *load(struct bytes text, enum json_error_code *ret_code) {
    json_error_t error;
    json_t *value = json_loadb(text.size > 0 ? text.data : "", text.size,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    *ret_code = value ? json_error_unknown : json_error_code(&error);
    return value;
}

struct walk {
    json_t *whole; // NULL when jansson cannot read it
    size_t count;
};

static bool visit_member(void *context, const struct json_member *member) {
    struct walk *walk = context;
    struct buffer name = {0};
    assert(json_is_valid(member->name_json) && json_is_valid(member->value));
    assert(json_string_decode(member->name_json, &name) == STATUS_OK);
    assert(!walk->whole || json_object_get(walk->whole, name.data));
    buffer_clear(&name);
    walk->count++;
    return true;
}

static bool visit_element(void *context, size_t index, struct bytes value) {
    struct walk *walk = context;
    enum json_error_code code;
    assert(json_is_valid(value) && index == walk->count);
    if (walk->whole) {
        json_t *element = load(value, &code);
        assert(element && json_equal(element, json_array_get(walk->whole, index)));
        json_decref(element);
    }
    walk->count++;
    return true;
}

static void check_walks(struct bytes text, json_t *whole, bool is_valid) {
    struct walk walk = {.whole = whole};
    bool is_object = json_each_member(text, visit_member, &walk, NULL) == STATUS_OK;
    assert(!is_object || is_valid);
    assert(!whole || is_object == (is_valid && json_is_object(whole)));
    assert(is_object || walk.count == 0);
    walk.count = 0;
    bool is_array = json_each_element(text, visit_element, &walk, NULL) == STATUS_OK;
    assert(!is_array || (is_valid && !is_object));
    assert(!whole || is_array == (is_valid && json_is_array(whole)));
    assert(!whole || !is_array || walk.count == json_array_size(whole));
}

static void check_agreement(struct bytes text) {
    enum json_error_code code;
    bool is_valid = json_is_valid(text);
    json_t *value = NULL;
    if (bytes_find(text, '\0') < text.size) {
        assert(!is_valid && json_parse(text, &value, NULL) == STATUS_INVALID);
        return;
    }
    value = load(text, &code);
    if (value) {
        assert(is_valid == (depth_of(value) <= DEPTH_MAX));
    } else {
        assert(!is_valid || code == json_error_numeric_overflow ||
               code == json_error_null_byte_in_key);
    }
    check_walks(text, value, is_valid);
    json_decref(value);
}

// Whatever the bytes are, they become a literal; and what is UTF-8 comes back.
static void check_round_trip(struct bytes text) {
    struct buffer literal = {0};
    struct buffer back = {0};
    json_append_string(text, &literal);
    assert(json_is_valid(buffer_bytes(&literal)));
    assert(json_string_decode(buffer_bytes(&literal), &back) == STATUS_OK);
    assert(utf8_is_valid(buffer_bytes(&back)));
    assert(bytes_equal(buffer_bytes(&back), text) == utf8_is_valid(text));
    buffer_clear(&literal);
    buffer_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = {(const char *)data, size};
    struct buffer decoded = {0};
    check_agreement(text);
    check_round_trip(text);
    if (json_string_decode(text, &decoded) == STATUS_OK) {
        assert(json_is_valid(text) && utf8_is_valid(buffer_bytes(&decoded)));
    }
    buffer_clear(&decoded);
    return 0;
}
