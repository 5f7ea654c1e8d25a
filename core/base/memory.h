// Small allocations, zeroed; they abort when memory is gone. Anything sized by the outside is
// checked against a limit before it comes here. Any thread.
#ifndef EVENT_GATEWAY_BASE_MEMORY_H
#define EVENT_GATEWAY_BASE_MEMORY_H

#include <stddef.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

// The struct that a member pointer lies in.
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

// Zeroed memory, never NULL; freed with free().
void *memory_allocate(size_t size);
// As reallocarray, but aborts on overflow or when memory is gone. What is new is not zeroed.
void *memory_resize(void *memory, size_t count, size_t item_size);
// A copy that ends in a NUL; text NULL gives NULL.
char *memory_copy_text(const char *text);

#endif
