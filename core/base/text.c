#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode_64(struct bytes bytes, const char *alphabet, bool has_padding,
                      struct buffer *ret_buffer) {
    char *out = buffer_reserve(ret_buffer, (bytes.size + 2) / 3 * 4);
    char *start = out;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)(unsigned char)bytes.data[i] << 16;
        group |= left > 1 ? (uint32_t)(unsigned char)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)(unsigned char)bytes.data[i + 2] : 0;
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        if (left > 1 || has_padding) {
            *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        }
        if (left > 2 || has_padding) {
            *out++ = left > 2 ? alphabet[group & 63] : '=';
        }
    }
    ret_buffer->size += (size_t)(out - start);
    *out = '\0';
}

void base64_encode(struct bytes bytes, struct buffer *ret_buffer) {
    encode_64(bytes, base64_alphabet, true, ret_buffer);
}

void base64url_encode(struct bytes bytes, struct buffer *ret_buffer) {
    encode_64(bytes, base64url_alphabet, false, ret_buffer);
}

static int digit_64(char letter, char digit_62, char digit_63) {
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == digit_62 ? 62 : letter == digit_63 ? 63 : -1;
}

// text has no padding any more.
static enum status decode_64(struct bytes text, char digit_62, char digit_63,
                             struct buffer *ret_buffer) {
    size_t old_size = ret_buffer->size;
    uint32_t bits = 0;
    int bit_count = 0;
    if (text.size % 4 == 1) {
        return STATUS_INVALID;
    }
    char *out = buffer_reserve(ret_buffer, text.size / 4 * 3 + 3);
    for (size_t i = 0; i < text.size; i++) {
        int digit = digit_64(text.data[i], digit_62, digit_63);
        if (digit < 0) {
            ret_buffer->data[old_size] = '\0';
            return STATUS_INVALID;
        }
        bits = bits << 6 | (uint32_t)digit;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *out++ = (char)(bits >> bit_count & 255);
        }
    }
    // Bits that no encoder leaves behind.
    if (bit_count > 0 && (bits & ((1U << bit_count) - 1)) != 0) {
        ret_buffer->data[old_size] = '\0';
        return STATUS_INVALID;
    }
    ret_buffer->size = (size_t)(out - ret_buffer->data);
    *out = '\0';
    return STATUS_OK;
}

enum status base64_decode(struct bytes text, struct buffer *ret_buffer) {
    size_t padding = 0;
    if (text.size % 4 != 0) {
        return STATUS_INVALID;
    }
    while (padding < 2 && text.size > 0 && text.data[text.size - 1] == '=') {
        text.size--;
        padding++;
    }
    return decode_64(text, '+', '/', ret_buffer);
}

enum status base64url_decode(struct bytes text, struct buffer *ret_buffer) {
    return decode_64(text, '-', '_', ret_buffer);
}

static bool is_letter_or_digit(unsigned char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9');
}

static void append_percent(unsigned char byte, struct buffer *ret_buffer) {
    static const char digits[] = "0123456789ABCDEF";
    char encoded[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    buffer_append(ret_buffer, (struct bytes){encoded, 3});
}

void percent_encode_path_segment(struct bytes bytes, struct buffer *ret_buffer) {
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (is_letter_or_digit(byte) || (byte != 0 && strchr("-_.~:@&=+$", byte))) {
            buffer_append_byte(ret_buffer, (char)byte);
        } else {
            append_percent(byte, ret_buffer);
        }
    }
}

void percent_encode_header_value(struct bytes bytes, struct buffer *ret_buffer) {
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (byte > 0x20 && byte < 0x7f && byte != '"' && byte != '%') {
            buffer_append_byte(ret_buffer, (char)byte);
        } else {
            append_percent(byte, ret_buffer);
        }
    }
}

static int hex_digit(char letter) {
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    if (letter >= 'a' && letter <= 'f') {
        return letter - 'a' + 10;
    }
    return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

void percent_decode(struct bytes text, bool plus_is_space, struct buffer *ret_buffer) {
    char *out = buffer_reserve(ret_buffer, text.size);
    for (size_t i = 0; i < text.size; i++) {
        char letter = text.data[i];
        if (letter == '%' && i + 2 < text.size && hex_digit(text.data[i + 1]) >= 0 &&
            hex_digit(text.data[i + 2]) >= 0) {
            letter = (char)(hex_digit(text.data[i + 1]) * 16 + hex_digit(text.data[i + 2]));
            i += 2;
        } else if (letter == '+' && plus_is_space) {
            letter = ' ';
        }
        *out++ = letter;
    }
    *out = '\0';
    ret_buffer->size = (size_t)(out - ret_buffer->data);
}

// The length of the sequence that starts here, or 0 when it is none.
static size_t utf8_sequence(const unsigned char *bytes, size_t size) {
    static const struct {
        unsigned char mask, lead, size;
        uint32_t minimum;
    } kinds[] = {{0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    for (size_t kind = 0; kind < 3; kind++) {
        if ((bytes[0] & kinds[kind].mask) != kinds[kind].lead) {
            continue;
        }
        uint32_t value = bytes[0] & (unsigned char)~kinds[kind].mask;
        if (size < kinds[kind].size) {
            return 0;
        }
        for (size_t i = 1; i < kinds[kind].size; i++) {
            if ((bytes[i] & 0xc0) != 0x80) {
                return 0;
            }
            value = value << 6 | (bytes[i] & 0x3f);
        }
        bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
        bool is_fine = value >= kinds[kind].minimum && value <= 0x10ffff && !is_surrogate;
        return is_fine ? kinds[kind].size : 0;
    }
    return 0;
}

bool utf8_is_valid(struct bytes bytes) {
    const unsigned char *data = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t step = data[i] < 0x80 ? 1 : utf8_sequence(data + i, bytes.size - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

void uuid_create(char ret_text[UUID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char random[16];
    random_bytes(random, sizeof random);
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
