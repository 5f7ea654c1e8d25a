#include "core/base/bytes.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

struct bytes bytes_of_text(const char *text) {
    return (struct bytes){text, text ? strlen(text) : 0};
}

bool bytes_equal(struct bytes a, struct bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text) {
    return bytes_equal(a, bytes_of_text(text));
}

static unsigned char lower_case(char letter) {
    unsigned char byte = (unsigned char)letter;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

bool bytes_equal_ignoring_case(struct bytes a, struct bytes b) {
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower_case(a.data[i]) != lower_case(b.data[i])) {
            return false;
        }
    }
    return true;
}

bool bytes_start_with(struct bytes bytes, struct bytes prefix) {
    return bytes.size >= prefix.size && bytes_equal(bytes_slice(bytes, 0, prefix.size), prefix);
}

bool bytes_start_with_ignoring_case(struct bytes bytes, struct bytes prefix) {
    return bytes.size >= prefix.size &&
           bytes_equal_ignoring_case(bytes_slice(bytes, 0, prefix.size), prefix);
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
    while (bytes.size > 0 && is_blank(bytes.data[0])) {
        bytes.data++;
        bytes.size--;
    }
    while (bytes.size > 0 && is_blank(bytes.data[bytes.size - 1])) {
        bytes.size--;
    }
    return bytes;
}

// The key of the hash: written once before its first use, constant afterwards.
static uint64_t hash_key[2];

static void make_hash_key(void) {
    random_bytes(hash_key, sizeof hash_key);
}

static uint64_t rotate(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

// SipHash-1-3: fast on short keys, and safe against chosen ones.
uint64_t bytes_hash(struct bytes bytes) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_hash_key);
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575U, hash_key[1] ^ 0x646f72616e646f6dU,
                     hash_key[0] ^ 0x6c7967656e657261U, hash_key[1] ^ 0x7465646279746573U};
    size_t whole = bytes.size / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)bytes.size << 56;
    for (size_t i = whole; i < bytes.size; i++) {
        last |= (uint64_t)(unsigned char)bytes.data[i] << (8 * (i - whole));
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
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
    if (__builtin_add_overflow(buffer->size, size, &needed) || needed > SIZE_MAX / 2 - 1) {
        abort();
    }
    if (needed + 1 > buffer->capacity) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity * 2 : 64;
        while (capacity < needed + 1) {
            capacity *= 2;
        }
        buffer->data = memory_resize(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, struct bytes bytes) {
    char *end = buffer_reserve(buffer, bytes.size);
    if (bytes.size > 0) {
        memcpy(end, bytes.data, bytes.size);
    }
    buffer->size += bytes.size;
    buffer->data[buffer->size] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, bytes_of_text(text));
}

void buffer_append_byte(struct buffer *buffer, char byte) {
    buffer_append(buffer, (struct bytes){&byte, 1});
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) {
        abort();
    }
    char *end = buffer_reserve(buffer, (size_t)size);
    va_start(arguments, format);
    vsnprintf(end, (size_t)size + 1, format, arguments);
    va_end(arguments);
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
    char *text = buffer->data ? buffer->data : memory_copy_text("");
    *buffer = (struct buffer){0};
    return text;
}
