// The memory that libmicrohttpd keeps for each connection, in place of its own: reserved, but taken
// only as far as it is used, and not zeroed after each request. Works when libmicrohttpd is linked
// as an archive (README.md of core/base); with the shared library these functions lie unused.
#ifndef EVENT_GATEWAY_BASE_HTTP_MEMORY_H
#define EVENT_GATEWAY_BASE_HTTP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

// Pulls this file into the program, so that the linker finds these functions before
// libmicrohttpd's. True when libmicrohttpd uses them.
void http_memory_link(void);

struct MemoryPool;
// The interface of libmicrohttpd 0.9.75's memorypool.h. A pool serves one connection, on its
// thread. Blocks grow from the start, and the last of them can be resized; from_end takes small
// ones that stay.
void MHD_init_mem_pools_(void);
struct MemoryPool *MHD_pool_create(size_t max);
void MHD_pool_destroy(struct MemoryPool *pool);
size_t MHD_pool_get_free(struct MemoryPool *pool);
void *MHD_pool_allocate(struct MemoryPool *pool, size_t size, bool from_end);
// On failure tells how many bytes would have to be freed at the start; SIZE_MAX = it cannot fit.
void *MHD_pool_try_alloc(struct MemoryPool *pool, size_t size, size_t *required_bytes);
void *MHD_pool_reallocate(struct MemoryPool *pool, void *old, size_t old_size, size_t new_size);
// Forgets all blocks but keep, of which copy_bytes move to the start in a block of new_size.
void *MHD_pool_reset(struct MemoryPool *pool, void *keep, size_t copy_bytes, size_t new_size);

#endif
