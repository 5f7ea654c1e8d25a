#include "core/events/event_attribute.h"

#include <string.h>

#include "core/base/memory.h"

// With their sizes: a name is looked up for every header of every event.
#define NAME(text)                                                                                 \
    { text, sizeof(text) - 1 }

static const struct bytes attribute_names[EVENT_ATTRIBUTE_COUNT] = {
    [EVENT_ATTRIBUTE_ID] = NAME("id"),
    [EVENT_ATTRIBUTE_SOURCE] = NAME("source"),
    [EVENT_ATTRIBUTE_TYPE] = NAME("type"),
    [EVENT_ATTRIBUTE_SUBJECT] = NAME("subject"),
    [EVENT_ATTRIBUTE_DATASCHEMA] = NAME("dataschema"),
    [EVENT_ATTRIBUTE_TIME] = NAME("time"),
    [EVENT_ATTRIBUTE_DATACONTENTTYPE] = NAME("datacontenttype"),
};

// The name's place in the list, or count.
static size_t find_name(const struct bytes *names, size_t count, struct bytes name) {
    for (size_t i = 0; i < count; i++) {
        if (names[i].size == name.size && memcmp(names[i].data, name.data, name.size) == 0) {
            return i;
        }
    }
    return count;
}

enum event_attribute event_attribute_of(struct bytes name) {
    return (enum event_attribute)find_name(attribute_names, EVENT_ATTRIBUTE_COUNT, name);
}

bool event_name_is_valid(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name.size > 0;
}

bool event_name_is_reserved(struct bytes name) {
    static const struct bytes reserved[] = {
        NAME(EVENT_NAME_SPACE),         NAME(EVENT_NAME_METHOD), NAME(EVENT_NAME_PATH),
        NAME(EVENT_NAME_SYNC),          NAME(EVENT_NAME_TYPES),  NAME(EVENT_NAME_HEADERS),
        NAME(EVENT_NAME_RECEIVED_TIME), NAME(EVENT_NAME_LEGACY), NAME(EVENT_NAME_TRACEPARENT),
        NAME(EVENT_NAME_TRACESTATE),
    };
    if (name.size < 4 || name.data[0] != 'e' || name.data[1] != 'g') {
        return false;
    }
    return find_name(reserved, ARRAY_LENGTH(reserved), name) < ARRAY_LENGTH(reserved) ||
           bytes_start_with(name, BYTES("egdl")) || bytes_start_with(name, BYTES("egrt"));
}

// Reads one code point beyond ASCII at *position; 0 when the bytes are not well-formed UTF-8.
static uint32_t next_code_point(struct bytes text, size_t *position) {
    const unsigned char *at = (const unsigned char *)text.data + *position;
    size_t left = text.size - *position;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size > left) {
        return 0;
    }
    uint32_t point = at[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3f);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < smallest[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *position += size;
    return point;
}

bool event_text_is_clean(struct bytes text) {
    size_t position = 0;
    while (position < text.size) {
        unsigned char byte = (unsigned char)text.data[position];
        if (byte >= 0x20 && byte < 0x7f) {
            position++;
            continue;
        }
        if (byte < 0x80) {
            return false;
        }
        uint32_t point = next_code_point(text, &position);
        if (point < 0xa0 || (point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) == 0xfffe) {
            return false;
        }
    }
    return true;
}

bool event_value_is_boolean(struct bytes value) {
    return bytes_equal(value, BYTES("true")) || bytes_equal(value, BYTES("false"));
}

bool event_value_is_integer(struct bytes value) {
    bool negative = value.size > 0 && value.data[0] == '-';
    struct bytes digits = bytes_slice(value, negative ? 1 : 0, value.size);
    if (digits.size == 0 || digits.size > 10) {
        return false;
    }
    if (digits.data[0] == '0') {
        return digits.size == 1 && !negative;
    }
    int64_t number = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        number = number * 10 + (digits.data[i] - '0');
    }
    return number <= (negative ? (int64_t)INT32_MAX + 1 : INT32_MAX);
}
