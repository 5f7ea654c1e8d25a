#include "ingest/authorizer_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

#define SLOTS 1024
#define TEXT_MAX ((size_t)4 * 1024 * 1024) // of all entries together

struct entry {
    struct entry *next_in_slot;
    struct entry *newer, *older; // by use
    uint64_t hash;
    struct authorizer_question question; // with references, so that an address means one document
    struct authorizer_decision decision;
    int64_t expires_us;
    size_t text_size;
    char text[];
};

struct authorizer_cache {
    struct entry *slots[SLOTS];
    struct entry *newest, *oldest;
    size_t count;
    size_t text_size;
};

struct authorizer_cache *authorizer_cache_create(void) {
    return memory_allocate(sizeof(struct authorizer_cache));
}

static uint64_t hash_of(const struct authorizer_question *question) {
    return bytes_hash(question->authorization) ^ (uintptr_t)question->event_type;
}

static bool is_same(const struct authorizer_question *a, const struct authorizer_question *b) {
    return a->event_type == b->event_type && a->authorizer == b->authorizer &&
           bytes_equal(a->authorization, b->authorization);
}

static void link_newest(struct authorizer_cache *cache, struct entry *entry) {
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest) {
        cache->newest->newer = entry;
    } else {
        cache->oldest = entry;
    }
    cache->newest = entry;
}

static void unlink_by_use(struct authorizer_cache *cache, struct entry *entry) {
    if (entry->newer) {
        entry->newer->older = entry->older;
    } else {
        cache->newest = entry->older;
    }
    if (entry->older) {
        entry->older->newer = entry->newer;
    } else {
        cache->oldest = entry->newer;
    }
}

static void forget(struct authorizer_cache *cache, struct entry *entry) {
    struct entry **place = &cache->slots[entry->hash % SLOTS];
    while (*place != entry) {
        place = &(*place)->next_in_slot;
    }
    *place = entry->next_in_slot;
    unlink_by_use(cache, entry);
    cache->count--;
    cache->text_size -= entry->text_size;
    event_type_unref(entry->question.event_type);
    function_unref(entry->question.authorizer);
    // It holds a secret.
    explicit_bzero(entry->text, entry->text_size);
    free(entry);
}

void authorizer_cache_destroy(struct authorizer_cache *cache) {
    while (cache && cache->oldest) {
        forget(cache, cache->oldest);
    }
    free(cache);
}

static struct entry *find(const struct authorizer_cache *cache,
                          const struct authorizer_question *question) {
    uint64_t hash = hash_of(question);
    struct entry *entry = cache->slots[hash % SLOTS];
    while (entry && !(entry->hash == hash && is_same(&entry->question, question))) {
        entry = entry->next_in_slot;
    }
    return entry;
}

const struct authorizer_decision *authorizer_cache_find(struct authorizer_cache *cache,
                                                        const struct authorizer_question *question,
                                                        int64_t now_us) {
    struct entry *entry = find(cache, question);
    if (!entry) {
        return NULL;
    }
    if (now_us >= entry->expires_us) {
        forget(cache, entry);
        return NULL;
    }
    unlink_by_use(cache, entry);
    link_newest(cache, entry);
    return &entry->decision;
}

static struct bytes copy_behind(struct bytes bytes, char **next) {
    char *copy = *next;
    if (bytes.size > 0) {
        *next = mempcpy(copy, bytes.data, bytes.size);
    }
    return (struct bytes){copy, bytes.size};
}

static struct entry *entry_create(const struct authorizer_question *question,
                                  const struct authorizer_decision *decision) {
    size_t size = question->authorization.size + decision->principal.size + decision->claims.size +
                  decision->message.size;
    struct entry *entry = memory_allocate(sizeof *entry + size);
    char *next = entry->text;
    entry->text_size = size;
    entry->hash = hash_of(question);
    entry->question = (struct authorizer_question){
        .event_type = event_type_ref(question->event_type),
        .authorizer = function_ref(question->authorizer),
        .authorization = copy_behind(question->authorization, &next),
    };
    entry->decision = (struct authorizer_decision){
        .is_granted = decision->is_granted,
        .principal = copy_behind(decision->principal, &next),
        .claims = copy_behind(decision->claims, &next),
        .message = copy_behind(decision->message, &next),
    };
    return entry;
}

// Down to what was just kept, and that too if it alone is too much.
static void make_room(struct authorizer_cache *cache) {
    while (cache->count > AUTHORIZER_CACHE_MAX || cache->text_size > TEXT_MAX) {
        struct entry *oldest = cache->oldest;
        assert(oldest && !oldest->older);
        forget(cache, oldest);
    }
}

void authorizer_cache_keep(struct authorizer_cache *cache,
                           const struct authorizer_question *question,
                           const struct authorizer_decision *decision, int64_t now_us) {
    int64_t seconds = question->event_type->authorizer_cache_s;
    size_t size = question->authorization.size;
    if (seconds <= 0 || size == 0 || size > AUTHORIZER_CACHE_AUTHORIZATION_MAX) {
        return;
    }
    struct entry *before = find(cache, question);
    if (before) {
        forget(cache, before);
    }
    struct entry *entry = entry_create(question, decision);
    entry->expires_us = now_us + seconds * 1000000;
    entry->next_in_slot = cache->slots[entry->hash % SLOTS];
    cache->slots[entry->hash % SLOTS] = entry;
    link_newest(cache, entry);
    cache->count++;
    cache->text_size += entry->text_size;
    make_room(cache);
}
