#include "dispatcher/open_circuits.h"

#include "core/base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

struct open {
    struct open *next; // in its bucket
    size_t lanes;
    size_t space_size, id_size;
    char text[]; // the space, then the id
};

struct open_circuits {
    pthread_mutex_t lock;
    struct open *buckets[BUCKETS];
};

struct open_circuits *open_circuits_create(void) {
    struct open_circuits *circuits = memory_allocate(sizeof *circuits);
    pthread_mutex_init(&circuits->lock, NULL);
    return circuits;
}

void open_circuits_destroy(struct open_circuits *circuits) {
    for (size_t i = 0; circuits && i < BUCKETS; i++) {
        assert(!circuits->buckets[i]);
    }
    if (circuits) {
        pthread_mutex_destroy(&circuits->lock);
        free(circuits);
    }
}

static bool is_of(const struct open *open, struct bytes space, struct bytes id) {
    return bytes_equal((struct bytes){open->text, open->space_size}, space) &&
           bytes_equal((struct bytes){open->text + open->space_size, open->id_size}, id);
}

// The link that leads to it, or to NULL.
static struct open **find(struct open_circuits *circuits, struct bytes space, struct bytes id) {
    struct open **link = &circuits->buckets[bytes_hash(id) % BUCKETS];
    while (*link && !is_of(*link, space, id)) {
        link = &(*link)->next;
    }
    return link;
}

static struct open *create(struct bytes space, struct bytes id) {
    struct open *open = memory_allocate(sizeof *open + space.size + id.size);
    open->space_size = space.size;
    open->id_size = id.size;
    memcpy(open->text, space.data, space.size);
    memcpy(open->text + space.size, id.data, id.size);
    return open;
}

bool open_circuits_opened(struct open_circuits *circuits, struct bytes space, struct bytes id) {
    pthread_mutex_lock(&circuits->lock);
    struct open **link = find(circuits, space, id);
    if (!*link) {
        *link = create(space, id);
    }
    bool is_first = (*link)->lanes++ == 0;
    pthread_mutex_unlock(&circuits->lock);
    return is_first;
}

bool open_circuits_closed(struct open_circuits *circuits, struct bytes space, struct bytes id) {
    pthread_mutex_lock(&circuits->lock);
    struct open **link = find(circuits, space, id);
    struct open *open = *link;
    assert(open);
    bool is_last = --open->lanes == 0;
    if (is_last) {
        *link = open->next;
        free(open);
    }
    pthread_mutex_unlock(&circuits->lock);
    return is_last;
}
