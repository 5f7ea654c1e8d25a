#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

void *memory_allocate(size_t size) {
    void *memory = calloc(1, size > 0 ? size : 1);
    if (!memory) {
        abort();
    }
    return memory;
}

void *memory_resize(void *memory, size_t count, size_t item_size) {
    void *resized = reallocarray(memory, count > 0 ? count : 1, item_size);
    if (!resized) {
        abort();
    }
    return resized;
}

char *memory_copy_text(const char *text) {
    if (!text) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    return memcpy(memory_allocate(size), text, size);
}
