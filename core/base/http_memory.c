#include "core/base/http_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 16,
    // What a connection may keep resident from one request to the next after a large head.
    RESIDENT_MAX = 16 * 1024,
};

// [0, front) are blocks from the start, [back, size) blocks from the end.
struct MemoryPool {
    char *memory;
    size_t size;
    size_t front;
    size_t back;
};

// SIZE_MAX when it would overflow.
static size_t round_up(size_t size) {
    return size > SIZE_MAX - ALIGNMENT ? SIZE_MAX : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void http_memory_link(void) {
}

void MHD_init_mem_pools_(void) {
}

struct MemoryPool *MHD_pool_create(size_t max) {
    struct MemoryPool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return NULL;
    }
    pool->size = max / ALIGNMENT * ALIGNMENT;
    pool->back = pool->size;
    pool->memory = mmap(NULL, pool->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool->memory == MAP_FAILED) {
        free(pool);
        return NULL;
    }
    return pool;
}

void MHD_pool_destroy(struct MemoryPool *pool) {
    if (pool) {
        munmap(pool->memory, pool->size);
        free(pool);
    }
}

size_t MHD_pool_get_free(struct MemoryPool *pool) {
    return pool->back - pool->front;
}

void *MHD_pool_allocate(struct MemoryPool *pool, size_t size, bool from_end) {
    size_t taken = round_up(size);
    if (taken > pool->back - pool->front) {
        return NULL;
    }
    if (from_end) {
        pool->back -= taken;
        return pool->memory + pool->back;
    }
    void *block = pool->memory + pool->front;
    pool->front += taken;
    return block;
}

void *MHD_pool_try_alloc(struct MemoryPool *pool, size_t size, size_t *required_bytes) {
    void *block = MHD_pool_allocate(pool, size, true);
    if (!block) {
        size_t taken = round_up(size);
        *required_bytes = taken <= pool->back ? taken - (pool->back - pool->front) : SIZE_MAX;
    }
    return block;
}

void *MHD_pool_reallocate(struct MemoryPool *pool, void *old, size_t old_size, size_t new_size) {
    size_t start = old ? (size_t)((char *)old - pool->memory) : 0;
    bool is_last = old && pool->front == start + round_up(old_size);
    if (is_last) {
        size_t taken = round_up(new_size);
        if (taken > pool->back - start) {
            return NULL;
        }
        pool->front = start + taken;
        return old;
    }
    if (old && new_size <= old_size) {
        return old;
    }
    void *block = MHD_pool_allocate(pool, new_size, false);
    if (block && old && old_size > 0) {
        memcpy(block, old, old_size);
    }
    return block;
}

void *MHD_pool_reset(struct MemoryPool *pool, void *keep, size_t copy_bytes, size_t new_size) {
    // What is kept lies behind the head, so this is how far the head has gone.
    size_t head_size = keep ? (size_t)((char *)keep - pool->memory) : 0;
    if (keep && copy_bytes > 0) {
        memmove(pool->memory, keep, copy_bytes);
    }
    if (head_size > RESIDENT_MAX && copy_bytes <= RESIDENT_MAX) {
        madvise(pool->memory + RESIDENT_MAX, pool->size - RESIDENT_MAX, MADV_DONTNEED);
    }
    pool->front = round_up(new_size);
    pool->back = pool->size;
    return pool->memory;
}
