// The UTF-8 check of text.h. Most text is ASCII, which goes eight bytes at a time.

#include <string.h>

#include "core/base/text.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool continues(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

// A sequence of more than one byte, or 0. The second byte's range keeps out overlong forms (E0,
// F0), surrogates (ED) and what is beyond U+10FFFF (F4).
static inline size_t sequence_size(const unsigned char *bytes, size_t left) {
    unsigned char lead = bytes[0];
    if (lead < 0xc2 || lead > 0xf4 || left < 2 || !continues(bytes[1])) {
        return 0;
    }
    if (lead < 0xe0) {
        return 2;
    }
    unsigned char lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < lowest || bytes[1] > highest || left < 3 || !continues(bytes[2])) {
        return 0;
    }
    if (lead < 0xf0) {
        return 3;
    }
    return left >= 4 && continues(bytes[3]) ? 4 : 0;
}

static size_t ascii_run(const unsigned char *bytes, size_t left) {
    size_t run = 0;
    uint64_t word;
    while (left - run >= sizeof word) {
        memcpy(&word, bytes + run, sizeof word);
        if (word & HIGH_BITS) {
            break;
        }
        run += sizeof word;
    }
    while (run < left && bytes[run] < 0x80) {
        run++;
    }
    return run;
}

size_t utf8_sequence(struct bytes bytes) {
    if (bytes.size == 0) {
        return 0;
    }
    const unsigned char *start = (const unsigned char *)bytes.data;
    return *start < 0x80 ? 1 : sequence_size(start, bytes.size);
}

bool utf8_is_valid(struct bytes bytes) {
    const unsigned char *next = (const unsigned char *)bytes.data;
    size_t left = bytes.size;
    while (left > 0) {
        size_t size = *next < 0x80 ? ascii_run(next, left) : sequence_size(next, left);
        if (size == 0) {
            return false;
        }
        next += size;
        left -= size;
    }
    return true;
}
