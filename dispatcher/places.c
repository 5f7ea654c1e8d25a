#include "dispatcher/places.h"

#include "core/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16

// Spaces and subscriptions stand in a ring while somebody waits there; the ring's head is whose
// turn comes next.
struct ring_link {
    struct ring_link *previous, *next; // both NULL: not in
};
struct ring {
    struct ring_link *head;
    size_t count;
};

struct named {
    struct named *next; // in its bucket
    uint64_t hash;
    size_t users;
    struct bytes name; // behind the struct that this lies in
};
struct name_table {
    struct named **buckets;
    size_t bucket_count; // a power of two
    size_t count;
};

struct space_share {
    struct named named;
    struct ring_link link;
    uint32_t taken;
    struct name_table shares;
    struct ring waiting;
};

struct share {
    struct named named;
    struct ring_link link;
    struct space_share *space;
    uint32_t taken;
    struct retry_budget retries;
    struct places_waiter *first, *last;
};

struct places {
    uint32_t max, taken;
    uint32_t turn_max, turn_left;
    struct name_table spaces;
    struct ring waiting;
};

static void ring_add(struct ring *ring, struct ring_link *link) {
    if (!ring->head) {
        link->previous = link->next = link;
        ring->head = link;
    } else {
        link->next = ring->head;
        link->previous = ring->head->previous;
        link->previous->next = link;
        link->next->previous = link;
    }
    ring->count++;
}

static void ring_remove(struct ring *ring, struct ring_link *link) {
    ring->count--;
    if (ring->count == 0) {
        ring->head = NULL;
    } else {
        link->previous->next = link->next;
        link->next->previous = link->previous;
        ring->head = ring->head == link ? link->next : ring->head;
    }
    *link = (struct ring_link){0};
}

static void grow(struct name_table *table) {
    size_t bucket_count = table->bucket_count > 0 ? table->bucket_count * 2 : FIRST_BUCKETS;
    struct named **buckets = memory_allocate(bucket_count * sizeof(void *));
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct named *named = table->buckets[i];
        while (named) {
            struct named *next = named->next;
            struct named **bucket = &buckets[named->hash & (bucket_count - 1)];
            named->next = *bucket;
            *bucket = named;
            named = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = bucket_count;
}

// Of that name, made when it is not there; size is that of the struct that begins with it.
static struct named *table_get(struct name_table *table, struct bytes name, size_t size) {
    if (table->count >= table->bucket_count) {
        grow(table);
    }
    uint64_t hash = bytes_hash(name);
    struct named **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    for (struct named *named = *bucket; named; named = named->next) {
        if (named->hash == hash && bytes_equal(named->name, name)) {
            return named;
        }
    }
    struct named *named = memory_allocate(size + name.size);
    char *copy = (char *)named + size;
    if (name.size > 0) {
        memcpy(copy, name.data, name.size);
    }
    named->hash = hash;
    named->name = (struct bytes){copy, name.size};
    named->next = *bucket;
    *bucket = named;
    table->count++;
    return named;
}

static void table_drop(struct name_table *table, struct named *named) {
    struct named **link = &table->buckets[named->hash & (table->bucket_count - 1)];
    while (*link != named) {
        link = &(*link)->next;
    }
    *link = named->next;
    table->count--;
    free(named);
}

struct places *places_create(uint32_t max, uint32_t turn_max) {
    struct places *places = memory_allocate(sizeof *places);
    places->max = max;
    places->turn_max = places->turn_left = turn_max;
    return places;
}

void places_destroy(struct places *places) {
    if (places) {
        assert(places->spaces.count == 0 && places->taken == 0);
        free(places->spaces.buckets);
        free(places);
    }
}

struct share *places_join(struct places *places, struct bytes space, struct bytes id) {
    struct space_share *space_share = CONTAINER_OF(
        table_get(&places->spaces, space, sizeof(struct space_share)), struct space_share, named);
    struct share *share = CONTAINER_OF(table_get(&space_share->shares, id, sizeof(struct share)),
                                       struct share, named);
    if (share->named.users == 0) {
        share->space = space_share;
        space_share->named.users++;
    }
    share->named.users++;
    return share;
}

void places_part(struct places *places, struct share *share) {
    struct space_share *space = share->space;
    share->named.users--;
    if (share->named.users > 0) {
        return;
    }
    assert(share->taken == 0 && !share->first);
    table_drop(&space->shares, &share->named);
    space->named.users--;
    if (space->named.users == 0) {
        free(space->shares.buckets);
        table_drop(&places->spaces, &space->named);
    }
}

static bool may_take(const struct places *places, const struct share *share) {
    uint32_t left = places->max - places->taken;
    uint32_t by_space = share->space->taken;
    return left > 0 && places->turn_left > 0 && (by_space == 0 || by_space < left) &&
           (share->taken == 0 || share->taken + by_space < left);
}

struct bytes places_space_of(const struct share *share) {
    return share->space->named.name;
}

struct bytes places_id_of(const struct share *share) {
    return share->named.name;
}

struct retry_budget *places_retry_budget(struct share *share) {
    return &share->retries;
}

bool places_take(struct places *places, struct share *share) {
    if (!may_take(places, share)) {
        return false;
    }
    share->taken++;
    share->space->taken++;
    places->taken++;
    places->turn_left--;
    return true;
}

void places_give(struct places *places, struct share *share) {
    assert(share->taken > 0);
    share->taken--;
    share->space->taken--;
    places->taken--;
}

void places_wait(struct places *places, struct share *share, struct places_waiter *waiter) {
    assert(!waiter->is_waiting);
    if (!share->first) {
        if (share->space->waiting.count == 0) {
            ring_add(&places->waiting, &share->space->link);
        }
        ring_add(&share->space->waiting, &share->link);
    }
    *waiter = (struct places_waiter){.is_waiting = true, .previous = share->last};
    if (share->last) {
        share->last->next = waiter;
    } else {
        share->first = waiter;
    }
    share->last = waiter;
}

void places_wait_no_longer(struct places *places, struct share *share,
                           struct places_waiter *waiter) {
    assert(waiter->is_waiting);
    if (waiter->previous) {
        waiter->previous->next = waiter->next;
    } else {
        share->first = waiter->next;
    }
    if (waiter->next) {
        waiter->next->previous = waiter->previous;
    } else {
        share->last = waiter->previous;
    }
    *waiter = (struct places_waiter){0};
    if (!share->first) {
        ring_remove(&share->space->waiting, &share->link);
        if (share->space->waiting.count == 0) {
            ring_remove(&places->waiting, &share->space->link);
        }
    }
}

// The ring is turned on so that the one after it is next.
static struct share *next_share(const struct places *places, struct space_share *space) {
    struct ring *ring = &space->waiting;
    for (size_t i = 0; i < ring->count; i++) {
        struct share *share = CONTAINER_OF(ring->head, struct share, link);
        ring->head = ring->head->next;
        if (may_take(places, share)) {
            return share;
        }
    }
    return NULL;
}

struct places_waiter *places_next(struct places *places) {
    struct ring *ring = &places->waiting;
    if (places->turn_left == 0 || places->taken == places->max) {
        return NULL;
    }
    for (size_t i = 0; i < ring->count; i++) {
        struct space_share *space = CONTAINER_OF(ring->head, struct space_share, link);
        ring->head = ring->head->next;
        struct share *share = next_share(places, space);
        if (share) {
            struct places_waiter *waiter = share->first;
            places_wait_no_longer(places, share, waiter);
            return waiter;
        }
    }
    return NULL;
}

void places_new_turn(struct places *places) {
    places->turn_left = places->turn_max;
}

bool places_wants_turn(const struct places *places) {
    return places->waiting.count > 0 && places->turn_left == 0 && places->taken < places->max;
}

uint32_t places_taken(const struct places *places) {
    return places->taken;
}
