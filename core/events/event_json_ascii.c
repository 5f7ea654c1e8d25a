#include <stdint.h>

#include "core/events/event_json.h"

// The code point of well-formed UTF-8 at *position, which moves behind it.
static uint32_t take_code_point(struct bytes text, size_t *position) {
    const unsigned char *at = (const unsigned char *)text.data + *position;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size > text.size - *position) {
        *position = text.size;
        return 0xfffd;
    }
    uint32_t point = size == 1 ? at[0] : at[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        point = point << 6 | (at[i] & 0x3f);
    }
    *position += size;
    return point;
}

// In escapes: attributes cannot hold all of Unicode.
static void append_escaped(uint32_t point, struct buffer *buffer) {
    if (point < 0x10000) {
        buffer_append_format(buffer, "\\u%04x", point);
        return;
    }
    point -= 0x10000;
    buffer_append_format(buffer, "\\u%04x\\u%04x", 0xd800 + (point >> 10),
                         0xdc00 + (point & 0x3ff));
}

void event_json_append_ascii(struct bytes json, struct buffer *ret_buffer) {
    bool in_string = false;
    size_t position = 0;
    while (position < json.size) {
        unsigned char c = (unsigned char)json.data[position];
        if (in_string && c == '\\') {
            buffer_append(ret_buffer, bytes_slice(json, position, 2));
            position += 2;
        } else if (in_string && (c < 0x20 || c >= 0x7f)) {
            append_escaped(take_code_point(json, &position), ret_buffer);
        } else {
            in_string = c == '"' ? !in_string : in_string;
            if (in_string || (c != ' ' && c != '\t' && c != '\n' && c != '\r')) {
                buffer_append_byte(ret_buffer, (char)c);
            }
            position++;
        }
    }
}
