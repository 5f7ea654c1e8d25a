// The base64 of text.h: whole groups of three bytes, which are four digits, go without a branch.

#include "core/base/text.h"

static const char standard_alphabet[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// A digit's value and one more, so that 0 says that a byte is no digit.
#define LETTERS_AND_NUMBERS                                                                        \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,        \
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, \
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23,            \
    ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,            \
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,            \
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,            \
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51,            \
    ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58,            \
    ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

static const unsigned char standard_digits[256] = {LETTERS_AND_NUMBERS, ['+'] = 63, ['/'] = 64};
static const unsigned char url_digits[256] = {LETTERS_AND_NUMBERS, ['-'] = 63, ['_'] = 64};

static char *encode_group(const unsigned char *bytes, const char *alphabet, char *out) {
    uint32_t group = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
    out[0] = alphabet[group >> 18];
    out[1] = alphabet[group >> 12 & 63];
    out[2] = alphabet[group >> 6 & 63];
    out[3] = alphabet[group & 63];
    return out + 4;
}

static void encode(struct bytes bytes, const char *alphabet, bool has_padding,
                   struct buffer *ret_buffer) {
    const unsigned char *data = (const unsigned char *)bytes.data;
    char *start = buffer_reserve(ret_buffer, bytes.size / 3 * 4 + 4);
    char *out = start;
    size_t left = bytes.size;
    for (; left >= 3; left -= 3, data += 3) {
        out = encode_group(data, alphabet, out);
    }
    if (left > 0) {
        unsigned char last[3] = {data[0], left > 1 ? data[1] : 0, 0};
        out = encode_group(last, alphabet, out) - (3 - left);
        for (; has_padding && left < 3; left++) {
            *out++ = '=';
        }
    }
    *out = '\0';
    ret_buffer->size += (size_t)(out - start);
}

void base64_encode(struct bytes bytes, struct buffer *ret_buffer) {
    encode(bytes, standard_alphabet, true, ret_buffer);
}

void base64url_encode(struct bytes bytes, struct buffer *ret_buffer) {
    encode(bytes, url_alphabet, false, ret_buffer);
}

// 24 bits, or a larger value when one of the four is no digit: 0 - 1 sets the bits above.
static uint32_t decode_group(const unsigned char text[4], const unsigned char digits[256]) {
    return ((uint32_t)digits[text[0]] - 1) << 18 | ((uint32_t)digits[text[1]] - 1) << 12 |
           ((uint32_t)digits[text[2]] - 1) << 6 | ((uint32_t)digits[text[3]] - 1);
}

static char *store_group(uint32_t group, char *out) {
    out[0] = (char)(group >> 16);
    out[1] = (char)(group >> 8 & 255);
    out[2] = (char)(group & 255);
    return out + 3;
}

// text has no padding any more; writes to *next and moves it. False when it is not base64.
static bool decode_digits(struct bytes text, const unsigned char digits[256], char **next) {
    const unsigned char *digit = (const unsigned char *)text.data;
    size_t left = text.size;
    for (; left >= 4; left -= 4, digit += 4) {
        uint32_t group = decode_group(digit, digits);
        if (group >> 24) {
            return false;
        }
        *next = store_group(group, *next);
    }
    if (left < 2) {
        return left == 0;
    }
    // Absent digits count as zeros; a digit that is there must not have bits beyond the last byte,
    // which no encoder leaves behind.
    unsigned char last[4] = {digit[0], digit[1], left > 2 ? digit[2] : 'A', 'A'};
    uint32_t group = decode_group(last, digits);
    if (group >> 24 || group & (left == 2 ? 0xffff : 0xff)) {
        return false;
    }
    *next = store_group(group, *next) - (4 - left);
    return true;
}

static enum status decode(struct bytes text, const unsigned char digits[256],
                          struct buffer *ret_buffer) {
    char *start = buffer_reserve(ret_buffer, text.size / 4 * 3 + 3);
    char *end = start;
    if (!decode_digits(text, digits, &end)) {
        // What was written lies beyond the buffer's end.
        *start = '\0';
        return STATUS_INVALID;
    }
    *end = '\0';
    ret_buffer->size += (size_t)(end - start);
    return STATUS_OK;
}

enum status base64_decode(struct bytes text, struct buffer *ret_buffer) {
    if (text.size % 4 != 0) {
        return STATUS_INVALID;
    }
    for (int i = 0; i < 2 && text.size > 0 && text.data[text.size - 1] == '='; i++) {
        text.size--;
    }
    return decode(text, standard_digits, ret_buffer);
}

enum status base64url_decode(struct bytes text, struct buffer *ret_buffer) {
    return decode(text, url_digits, ret_buffer);
}
