#include "core/base/bytes.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

#define BUFFER_FIRST_CAPACITY 64

struct bytes bytes_of_text(const char *text) {
    return (struct bytes){text, text ? strlen(text) : 0};
}

bool bytes_equal(struct bytes a, struct bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text) {
    return bytes_equal(a, bytes_of_text(text));
}

static unsigned char lower_case(char byte) {
    unsigned char value = (unsigned char)byte;
    return value >= 'A' && value <= 'Z' ? (unsigned char)(value | 0x20) : value;
}

bool bytes_equal_ignoring_case(struct bytes a, struct bytes b) {
    return a.size == b.size && bytes_start_with_ignoring_case(a, b);
}

bool bytes_start_with(struct bytes bytes, struct bytes prefix) {
    return bytes.size >= prefix.size &&
           (prefix.size == 0 || memcmp(bytes.data, prefix.data, prefix.size) == 0);
}

bool bytes_start_with_ignoring_case(struct bytes bytes, struct bytes prefix) {
    if (bytes.size < prefix.size) {
        return false;
    }
    for (size_t i = 0; i < prefix.size; i++) {
        if (lower_case(bytes.data[i]) != lower_case(prefix.data[i])) {
            return false;
        }
    }
    return true;
}

bool bytes_end_with(struct bytes bytes, struct bytes suffix) {
    return bytes.size >= suffix.size &&
           bytes_equal(bytes_slice(bytes, bytes.size - suffix.size, suffix.size), suffix);
}

int bytes_compare(struct bytes a, struct bytes b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

size_t bytes_find(struct bytes bytes, char byte) {
    const char *found = bytes.size > 0 ? memchr(bytes.data, byte, bytes.size) : NULL;
    return found ? (size_t)(found - bytes.data) : bytes.size;
}

struct bytes bytes_slice(struct bytes bytes, size_t start, size_t size) {
    if (start >= bytes.size) {
        return (struct bytes){0};
    }
    size_t rest = bytes.size - start;
    return (struct bytes){bytes.data + start, size < rest ? size : rest};
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

struct bytes bytes_trim(struct bytes bytes) {
    size_t start = 0;
    size_t end = bytes.size;
    while (start < end && is_blank(bytes.data[start])) {
        start++;
    }
    while (end > start && is_blank(bytes.data[end - 1])) {
        end--;
    }
    return bytes_slice(bytes, start, end - start);
}

// SipHash-1-3: one round for each word, three at the end. Fast, and without the key nobody can make
// values that collide.
struct sip {
    uint64_t v0, v1, v2, v3;
};

static struct {
    pthread_once_t once;
    uint64_t key[2];
} hash_key = {.once = PTHREAD_ONCE_INIT};

static void make_hash_key(void) {
    random_bytes(hash_key.key, sizeof hash_key.key);
}

static inline uint64_t rotate_left(uint64_t value, unsigned count) {
    return value << count | value >> (64 - count);
}

static inline void sip_round(struct sip *sip) {
    sip->v0 += sip->v1;
    sip->v1 = rotate_left(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate_left(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate_left(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate_left(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate_left(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate_left(sip->v2, 32);
}

static inline void sip_word(struct sip *sip, uint64_t word) {
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

uint64_t bytes_hash(struct bytes bytes) {
    pthread_once(&hash_key.once, make_hash_key);
    struct sip sip = {
        .v0 = hash_key.key[0] ^ 0x736f6d6570736575,
        .v1 = hash_key.key[1] ^ 0x646f72616e646f6d,
        .v2 = hash_key.key[0] ^ 0x6c7967656e657261,
        .v3 = hash_key.key[1] ^ 0x7465646279746573,
    };
    size_t words_end = bytes.size & ~(size_t)7;
    uint64_t word = 0;
    for (size_t i = 0; i < words_end; i += 8) {
        memcpy(&word, bytes.data + i, 8);
        sip_word(&sip, word);
    }
    word = 0;
    if (bytes.size > words_end) {
        memcpy(&word, bytes.data + words_end, bytes.size - words_end);
    }
    sip_word(&sip, word | (uint64_t)bytes.size << 56);
    sip.v2 ^= 0xff;
    sip_round(&sip);
    sip_round(&sip);
    sip_round(&sip);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

char *bytes_to_text(struct bytes bytes) {
    char *text = memory_allocate(bytes.size + 1);
    if (bytes.size > 0) {
        memcpy(text, bytes.data, bytes.size);
    }
    return text;
}

char *buffer_reserve(struct buffer *buffer, size_t size) {
    size_t needed;
    if (__builtin_add_overflow(buffer->size, size, &needed) || needed == SIZE_MAX) {
        abort();
    }
    needed++;
    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_FIRST_CAPACITY;
        while (capacity < needed) {
            capacity = capacity <= SIZE_MAX / 2 ? capacity * 2 : needed;
        }
        buffer->data = memory_resize(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    buffer->data[buffer->size + size] = '\0';
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, struct bytes bytes) {
    char *end = buffer_reserve(buffer, bytes.size);
    if (bytes.size > 0) {
        memcpy(end, bytes.data, bytes.size);
        buffer->size += bytes.size;
    }
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, bytes_of_text(text));
}

void buffer_append_byte(struct buffer *buffer, char byte) {
    *buffer_reserve(buffer, 1) = byte;
    buffer->size++;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) {
    // The first try uses what is free anyway, so most calls format once.
    char *end = buffer_reserve(buffer, BUFFER_FIRST_CAPACITY - 1);
    size_t room = buffer->capacity - buffer->size;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(end, room, format, arguments);
    va_end(arguments);
    if (size < 0) {
        abort();
    }
    if ((size_t)size >= room) {
        end = buffer_reserve(buffer, (size_t)size);
        va_start(arguments, format);
        size = vsnprintf(end, (size_t)size + 1, format, arguments);
        va_end(arguments);
    }
    buffer->size += (size_t)size;
}

struct bytes buffer_bytes(const struct buffer *buffer) {
    return (struct bytes){buffer->data, buffer->size};
}

void buffer_reset(struct buffer *buffer) {
    buffer->size = 0;
    if (buffer->data) {
        buffer->data[0] = '\0';
    }
}

void buffer_clear(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

char *buffer_take(struct buffer *buffer) {
    // Also NUL-terminates what was written into reserved room.
    char *end = buffer_reserve(buffer, 0);
    char *text = end - buffer->size;
    *buffer = (struct buffer){0};
    return text;
}
