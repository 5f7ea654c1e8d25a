// struct bytes borrows a run of bytes, struct buffer owns one that grows. Used everywhere instead
// of C strings. Plain values: a struct bytes is valid as long as what it points into.
#ifndef EVENT_GATEWAY_BASE_BYTES_H
#define EVENT_GATEWAY_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const char *data; // may be NULL when size is 0
    size_t size;
};

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

// The bytes of a C string without its NUL; NULL gives empty bytes.
struct bytes bytes_of_text(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);
// ASCII letters only.
bool bytes_equal_ignoring_case(struct bytes a, struct bytes b);
bool bytes_start_with(struct bytes bytes, struct bytes prefix);
bool bytes_start_with_ignoring_case(struct bytes bytes, struct bytes prefix);
bool bytes_end_with(struct bytes bytes, struct bytes suffix);
// Order by unsigned byte, the shorter first where one is the other's prefix.
int bytes_compare(struct bytes a, struct bytes b);
// Position of the first byte, or size when it is not there.
size_t bytes_find(struct bytes bytes, char byte);
// From start on, at most size bytes; both are cut at the end.
struct bytes bytes_slice(struct bytes bytes, size_t start, size_t size);
// Without spaces and tabs at both ends.
struct bytes bytes_trim(struct bytes bytes);
// A fast hash that an outsider cannot steer (keyed once per process).
uint64_t bytes_hash(struct bytes bytes);
// The caller owns the NUL-terminated copy.
char *bytes_to_text(struct bytes bytes);

// Zero is a valid empty buffer.
struct buffer {
    char *data; // always NUL-terminated once something was appended; the NUL is not counted
    size_t size;
    size_t capacity;
};

void buffer_append(struct buffer *buffer, struct bytes bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, char byte);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Makes room for size more bytes and returns where they go; the caller then adds to buffer->size.
char *buffer_reserve(struct buffer *buffer, size_t size) __attribute__((returns_nonnull));
struct bytes buffer_bytes(const struct buffer *buffer);
// Empties it but keeps the memory.
void buffer_reset(struct buffer *buffer);
// Frees the memory; the buffer is empty and usable again.
void buffer_clear(struct buffer *buffer);
// Gives the memory away (NUL-terminated, freed with free()) and leaves the buffer empty.
char *buffer_take(struct buffer *buffer);

#endif
