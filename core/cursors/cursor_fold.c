#include "core/cursors/cursor_fold.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

#define FIRST_BUCKETS 64

// What one key is about, whatever the epoch.
struct place {
    struct place *next; // in its bucket
    uint64_t hash;
    char *text;            // the key, which key points into
    struct cursor_key key; // its epoch means nothing
    bool has_record;
    struct cursor_record record; // the valid one
    int64_t *epochs;             // of the records that are there
    size_t epoch_count;
};

struct ownership {
    int32_t partition;
    int64_t epoch;
    char *owner;
};

struct cursor_fold {
    enum cursor_stream stream;
    bool takes_all;
    struct ownership *ownerships;
    size_t ownership_count;
    struct place **buckets;
    size_t bucket_count; // a power of two
    size_t place_count;
    uint64_t refused;
};

struct cursor_fold *cursor_fold_create(enum cursor_stream stream, const int32_t *partitions,
                                       size_t count) {
    struct cursor_fold *fold = memory_allocate(sizeof *fold);
    fold->stream = stream;
    fold->takes_all = count == 0;
    fold->ownerships = memory_allocate((count + 1) * sizeof *fold->ownerships);
    fold->ownership_count = count;
    for (size_t i = 0; i < count; i++) {
        fold->ownerships[i].partition = partitions[i];
    }
    fold->bucket_count = FIRST_BUCKETS;
    fold->buckets = memory_allocate(FIRST_BUCKETS * sizeof(struct place *));
    return fold;
}

static void place_destroy(struct place *place) {
    if (place->has_record) {
        cursor_record_clear(&place->record);
    }
    free(place->epochs);
    free(place->text);
    free(place);
}

void cursor_fold_destroy(struct cursor_fold *fold) {
    if (!fold) {
        return;
    }
    for (size_t i = 0; i < fold->bucket_count; i++) {
        while (fold->buckets[i]) {
            struct place *place = fold->buckets[i];
            fold->buckets[i] = place->next;
            place_destroy(place);
        }
    }
    for (size_t i = 0; i < fold->ownership_count; i++) {
        free(fold->ownerships[i].owner);
    }
    free(fold->ownerships);
    free(fold->buckets);
    free(fold);
}

static struct ownership *find_ownership(const struct cursor_fold *fold, int32_t partition) {
    for (size_t i = 0; i < fold->ownership_count; i++) {
        if (fold->ownerships[i].partition == partition) {
            return &fold->ownerships[i];
        }
    }
    return NULL;
}

// NULL: the partition is not wanted.
static struct ownership *ownership_of(struct cursor_fold *fold, const struct cursor_key *key) {
    if (key->stream != fold->stream) {
        return NULL;
    }
    struct ownership *ownership = find_ownership(fold, key->partition);
    if (ownership || !fold->takes_all) {
        return ownership;
    }
    fold->ownerships =
        memory_resize(fold->ownerships, fold->ownership_count + 1, sizeof *fold->ownerships);
    ownership = &fold->ownerships[fold->ownership_count++];
    *ownership = (struct ownership){.partition = key->partition};
    return ownership;
}

static uint64_t place_hash(const struct cursor_key *key) {
    uint64_t hash = bytes_hash(key->name) ^ (bytes_hash(key->space) * 31);
    hash ^= ((uint64_t)(uint32_t)key->partition << 8 | key->kind) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static struct place *find_place(const struct cursor_fold *fold, const struct cursor_key *key) {
    uint64_t hash = place_hash(key);
    struct place *place = fold->buckets[hash & (fold->bucket_count - 1)];
    while (place && !(place->hash == hash && cursor_key_same_place(&place->key, key))) {
        place = place->next;
    }
    return place;
}

static void grow(struct cursor_fold *fold) {
    size_t bucket_count = fold->bucket_count * 2;
    struct place **buckets = memory_allocate(bucket_count * sizeof(struct place *));
    for (size_t i = 0; i < fold->bucket_count; i++) {
        while (fold->buckets[i]) {
            struct place *place = fold->buckets[i];
            fold->buckets[i] = place->next;
            place->next = buckets[place->hash & (bucket_count - 1)];
            buckets[place->hash & (bucket_count - 1)] = place;
        }
    }
    free(fold->buckets);
    fold->buckets = buckets;
    fold->bucket_count = bucket_count;
}

static struct place *add_place(struct cursor_fold *fold, const struct cursor_key *key) {
    if (fold->place_count >= fold->bucket_count) {
        grow(fold);
    }
    struct place *place = memory_allocate(sizeof *place);
    struct buffer text = {0};
    buffer_append(&text, key->space);
    buffer_append(&text, key->name);
    size_t space_size = key->space.size;
    place->text = buffer_take(&text);
    place->key = *key;
    place->key.space = (struct bytes){place->text, space_size};
    place->key.name = (struct bytes){place->text ? place->text + space_size : NULL, key->name.size};
    place->hash = place_hash(key);
    place->next = fold->buckets[place->hash & (fold->bucket_count - 1)];
    fold->buckets[place->hash & (fold->bucket_count - 1)] = place;
    fold->place_count++;
    return place;
}

static void drop_place_if_empty(struct cursor_fold *fold, struct place *place) {
    if (place->has_record || place->epoch_count > 0) {
        return;
    }
    struct place **link = &fold->buckets[place->hash & (fold->bucket_count - 1)];
    while (*link != place) {
        link = &(*link)->next;
    }
    *link = place->next;
    fold->place_count--;
    place_destroy(place);
}

static void note_epoch(struct place *place, int64_t epoch) {
    for (size_t i = 0; i < place->epoch_count; i++) {
        if (place->epochs[i] == epoch) {
            return;
        }
    }
    place->epochs = memory_resize(place->epochs, place->epoch_count + 1, sizeof *place->epochs);
    place->epochs[place->epoch_count++] = epoch;
}

static void forget_epoch(struct place *place, int64_t epoch) {
    for (size_t i = 0; i < place->epoch_count; i++) {
        if (place->epochs[i] == epoch) {
            place->epochs[i] = place->epochs[--place->epoch_count];
            return;
        }
    }
}

static void clear_record(struct place *place) {
    if (place->has_record) {
        cursor_record_clear(&place->record);
        place->has_record = false;
    }
}

static void add_removal(struct cursor_fold *fold, const struct ownership *ownership,
                        const struct cursor_key *key) {
    struct place *place = find_place(fold, key);
    if (!place) {
        return;
    }
    forget_epoch(place, key->epoch);
    if (key->epoch >= ownership->epoch) {
        clear_record(place);
    }
    drop_place_if_empty(fold, place);
}

static void add_claim(struct ownership *ownership, const struct cursor_record *record) {
    if (record->epoch > ownership->epoch) {
        ownership->epoch = record->epoch;
        free(ownership->owner);
        ownership->owner = bytes_to_text(record->owner);
    }
}

// Key and value say the same, or somebody else has written it.
static bool is_consistent(const struct cursor_key *key, const struct cursor_record *record) {
    struct cursor_key own;
    cursor_record_key(record, &own);
    return cursor_key_same_place(key, &own) && key->epoch == own.epoch;
}

void cursor_fold_add(struct cursor_fold *fold, const struct record *record) {
    struct cursor_key key;
    struct cursor_record parsed;
    if (cursor_key_parse(record->key, &key, NULL) != STATUS_OK) {
        fold->refused++;
        return;
    }
    struct ownership *ownership = ownership_of(fold, &key);
    if (!ownership) {
        return;
    }
    if (!record->has_value) {
        add_removal(fold, ownership, &key);
        return;
    }
    if (cursor_record_parse(record->value, &parsed, NULL) != STATUS_OK) {
        fold->refused++;
        return;
    }
    if (!is_consistent(&key, &parsed)) {
        fold->refused++;
        cursor_record_clear(&parsed);
        return;
    }
    struct place *place = find_place(fold, &key);
    place = place ? place : add_place(fold, &key);
    note_epoch(place, key.epoch);
    if (key.kind == CURSOR_OWNER) {
        add_claim(ownership, &parsed);
    } else if (key.epoch >= ownership->epoch) {
        clear_record(place);
        place->record = parsed;
        place->has_record = true;
        return;
    }
    cursor_record_clear(&parsed);
}

uint64_t cursor_fold_refused(const struct cursor_fold *fold) {
    return fold->refused;
}

int64_t cursor_fold_epoch(const struct cursor_fold *fold, int32_t partition) {
    const struct ownership *ownership = find_ownership(fold, partition);
    return ownership ? ownership->epoch : 0;
}

struct bytes cursor_fold_owner(const struct cursor_fold *fold, int32_t partition) {
    const struct ownership *ownership = find_ownership(fold, partition);
    return bytes_of_text(ownership ? ownership->owner : NULL);
}

void cursor_fold_each(const struct cursor_fold *fold, int32_t partition, cursor_fold_fn visit,
                      void *context) {
    for (size_t i = 0; i < fold->bucket_count; i++) {
        for (struct place *place = fold->buckets[i]; place; place = place->next) {
            if (place->has_record && (partition < 0 || place->key.partition == partition)) {
                visit(context, &place->record);
            }
        }
    }
}

const struct cursor_record *cursor_fold_find(const struct cursor_fold *fold,
                                             const struct cursor_key *key) {
    const struct place *place = find_place(fold, key);
    return place && place->has_record ? &place->record : NULL;
}

void cursor_fold_each_older(const struct cursor_fold *fold, int32_t partition, int64_t epoch,
                            cursor_fold_key_fn visit, void *context) {
    for (size_t i = 0; i < fold->bucket_count; i++) {
        for (struct place *place = fold->buckets[i]; place; place = place->next) {
            for (size_t j = 0; place->key.partition == partition && j < place->epoch_count; j++) {
                if (place->epochs[j] < epoch) {
                    struct cursor_key key = place->key;
                    key.epoch = place->epochs[j];
                    visit(context, &key);
                }
            }
        }
    }
}
