// Percent-encoding and UUIDs of text.h; its other parts are base64.c, header_text.c, utf8.c and
// timestamp.c.

#include "core/base/text.h"

#include <string.h>

#include "core/base/clock.h"

// Each random number of the kernel costs a system call, so a thread fetches some in advance.
#define UUIDS_AHEAD 32
#define UUID_SIZE 16

enum byte_class {
    IN_PATH_SEGMENT = 1,
    IN_HEADER_VALUE = 2
};

static unsigned classes_of(unsigned char byte) {
    bool is_alphanumeric = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                           (byte >= '0' && byte <= '9');
    if (is_alphanumeric) {
        return IN_PATH_SEGMENT | IN_HEADER_VALUE;
    }
    if (byte <= 0x20 || byte >= 0x7f || byte == '"' || byte == '%') {
        return 0;
    }
    return strchr("-_.~:@&=+$", byte) ? IN_PATH_SEGMENT | IN_HEADER_VALUE : IN_HEADER_VALUE;
}

// Bytes of the class stay, all others become %XX.
static void percent_encode(struct bytes bytes, enum byte_class kept, struct buffer *ret_buffer) {
    static const char digits[] = "0123456789ABCDEF";
    size_t plain = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (classes_of(byte) & kept) {
            continue;
        }
        char encoded[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        buffer_append(ret_buffer, bytes_slice(bytes, plain, i - plain));
        buffer_append(ret_buffer, (struct bytes){encoded, sizeof encoded});
        plain = i + 1;
    }
    buffer_append(ret_buffer, bytes_slice(bytes, plain, SIZE_MAX));
}

void percent_encode_path_segment(struct bytes bytes, struct buffer *ret_buffer) {
    percent_encode(bytes, IN_PATH_SEGMENT, ret_buffer);
}

void percent_encode_header_value(struct bytes bytes, struct buffer *ret_buffer) {
    percent_encode(bytes, IN_HEADER_VALUE, ret_buffer);
}

int hex_digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

// The byte that the three at position stand for, or -1.
static int encoded_byte(struct bytes text, size_t position) {
    if (text.data[position] != '%' || text.size - position < 3) {
        return -1;
    }
    int high = hex_digit_value(text.data[position + 1]);
    int low = hex_digit_value(text.data[position + 2]);
    return high >= 0 && low >= 0 ? high << 4 | low : -1;
}

void percent_decode(struct bytes text, bool plus_is_space, struct buffer *ret_buffer) {
    if (!plus_is_space && bytes_find(text, '%') == text.size) {
        buffer_append(ret_buffer, text);
        return;
    }
    char *out = buffer_reserve(ret_buffer, text.size);
    for (size_t i = 0; i < text.size; i++) {
        int byte = encoded_byte(text, i);
        if (byte >= 0) {
            *out++ = (char)byte;
            i += 2;
        } else {
            *out++ = plus_is_space && text.data[i] == '+' ? ' ' : text.data[i];
        }
    }
    *out = '\0';
    ret_buffer->size = (size_t)(out - ret_buffer->data);
}

static void take_random(unsigned char ret_bytes[UUID_SIZE]) {
    static _Thread_local struct {
        unsigned char bytes[UUIDS_AHEAD][UUID_SIZE];
        size_t left;
    } ahead;
    if (ahead.left == 0) {
        random_bytes(ahead.bytes, sizeof ahead.bytes);
        ahead.left = UUIDS_AHEAD;
    }
    memcpy(ret_bytes, ahead.bytes[--ahead.left], UUID_SIZE);
}

void uuid_create(char ret_text[UUID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char random[UUID_SIZE];
    take_random(random);
    random[6] = (unsigned char)((random[6] & 0x0f) | 0x40);
    random[8] = (unsigned char)((random[8] & 0x3f) | 0x80);
    char *out = ret_text;
    for (size_t i = 0; i < sizeof random; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digits[random[i] >> 4];
        *out++ = digits[random[i] & 15];
    }
    *out = '\0';
}
