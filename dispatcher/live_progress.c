#include "dispatcher/live_progress.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16

// The fingerprint is a digest: any part of it is as good as another.
static size_t bucket_of(const struct live_progress *progress, const char *fingerprint) {
    uint64_t hash;
    memcpy(&hash, fingerprint, sizeof hash);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) & (progress->bucket_count - 1);
}

struct live_share *live_progress_find(const struct live_progress *progress,
                                      const char *fingerprint) {
    if (progress->count == 0 || fingerprint[0] == '\0') {
        return NULL;
    }
    struct live_share *share = progress->buckets[bucket_of(progress, fingerprint)];
    while (share && strcmp(share->fingerprint, fingerprint) != 0) {
        share = share->next;
    }
    return share;
}

static void put_in(struct live_progress *progress, struct live_share *share) {
    struct live_share **bucket = &progress->buckets[bucket_of(progress, share->fingerprint)];
    share->next = *bucket;
    *bucket = share;
}

static void grow(struct live_progress *progress) {
    struct live_progress larger = *progress;
    larger.bucket_count = progress->bucket_count > 0 ? progress->bucket_count * 2 : FIRST_BUCKETS;
    larger.buckets = memory_allocate(larger.bucket_count * sizeof(struct live_share *));
    for (size_t i = 0; i < progress->bucket_count; i++) {
        while (progress->buckets[i]) {
            struct live_share *share = progress->buckets[i];
            progress->buckets[i] = share->next;
            put_in(&larger, share);
        }
    }
    free(progress->buckets);
    *progress = larger;
}

static struct live_share *add(struct live_progress *progress, const char *fingerprint) {
    if (progress->count >= progress->bucket_count) {
        grow(progress);
    }
    struct live_share *share = memory_allocate(sizeof *share);
    memcpy(share->fingerprint, fingerprint, CURSOR_FINGERPRINT_SIZE);
    share->since = CURSOR_NO_END;
    put_in(progress, share);
    progress->count++;
    return share;
}

static void destroy(struct live_share *share) {
    offset_ranges_clear(&share->finished);
    tried_list_clear(&share->tried);
    free(share->left);
    free(share);
}

void live_progress_restore(struct live_progress *progress, const struct cursor_record *record) {
    for (size_t i = 0; i < record->share_count && progress->count < LIVE_SHARES_MAX; i++) {
        const struct cursor_share *from = &record->shares[i];
        struct live_share *share = live_progress_find(progress, from->fingerprint);
        share = share ? share : add(progress, from->fingerprint);
        for (size_t j = 0; j < from->finished.count; j++) {
            offset_ranges_add(&share->finished, from->finished.items[j].first,
                              from->finished.items[j].end);
        }
        for (size_t j = 0; j < from->tried.count; j++) {
            tried_list_put(&share->tried, &from->tried.items[j]);
        }
    }
}

// NULL: no more are remembered.
static struct live_share *share_of(struct live_progress *progress, const char *fingerprint,
                                   int64_t position) {
    struct live_share *share = live_progress_find(progress, fingerprint);
    if (share || fingerprint[0] == '\0') {
        return share;
    }
    if (progress->count >= LIVE_SHARES_MAX && position > progress->cut_at) {
        live_progress_cut(progress, position);
    }
    return progress->count < LIVE_SHARES_MAX ? add(progress, fingerprint) : NULL;
}

bool live_progress_match(struct live_progress *progress, const char *fingerprint, int64_t offset,
                         int64_t position, struct tried *ret_tried) {
    ret_tried->attempts = 0;
    struct live_share *share = share_of(progress, fingerprint, position);
    if (!share) {
        return true;
    }
    share->since = offset < share->since ? offset : share->since;
    share->last = offset;
    (void)tried_list_take(&share->tried, offset, ret_tried);
    return !offset_ranges_contain(&share->finished, offset);
}

void live_progress_leave(struct live_progress *progress, const char *fingerprint,
                         const struct tried *tried) {
    struct live_share *share = live_progress_find(progress, fingerprint);
    if (!share) {
        return;
    }
    if (share->left_count == share->left_capacity) {
        share->left_capacity = share->left_capacity > 0 ? share->left_capacity * 2 : 8;
        share->left = memory_resize(share->left, share->left_capacity, sizeof *share->left);
    }
    share->left[share->left_count++] = *tried;
}

static bool is_below(struct live_share *share, int64_t position) {
    offset_ranges_cut(&share->finished, position);
    tried_list_cut(&share->tried, position);
    bool is_matched = share->since != CURSOR_NO_END && share->last >= position;
    return !is_matched && share->finished.count == 0 && share->tried.count == 0 &&
           share->left_count == 0;
}

void live_progress_cut(struct live_progress *progress, int64_t position) {
    progress->cut_at = position;
    for (size_t i = 0; i < progress->bucket_count; i++) {
        struct live_share **link = &progress->buckets[i];
        while (*link) {
            struct live_share *share = *link;
            if (is_below(share, position)) {
                *link = share->next;
                progress->count--;
                destroy(share);
            } else {
                link = &share->next;
            }
        }
    }
}

void live_progress_clear(struct live_progress *progress) {
    for (size_t i = 0; i < progress->bucket_count; i++) {
        while (progress->buckets[i]) {
            struct live_share *share = progress->buckets[i];
            progress->buckets[i] = share->next;
            destroy(share);
        }
    }
    free(progress->buckets);
    *progress = (struct live_progress){0};
}

// --- Writing.

void live_progress_write_begin(struct live_writing *writing) {
    struct live_progress *progress = writing->progress;
    live_progress_cut(progress, writing->record->position);
    size_t max = progress->count < CURSOR_SHARES_MAX ? progress->count : CURSOR_SHARES_MAX;
    writing->record->shares = memory_allocate((max + 1) * sizeof *writing->record->shares);
    for (size_t i = 0; i < progress->bucket_count; i++) {
        for (struct live_share *share = progress->buckets[i]; share; share = share->next) {
            share->is_written = false;
        }
    }
}

static int compare(const void *a, const void *b) {
    int64_t first = ((const struct tried *)a)->offset;
    int64_t second = ((const struct tried *)b)->offset;
    return first < second ? -1 : first > second;
}

// With what was left.
static struct tried *all_unfinished(const struct live_share *share, const struct tried *unfinished,
                                    size_t count) {
    struct tried *all = memory_allocate((count + share->left_count + 1) * sizeof *all);
    if (count > 0) {
        memcpy(all, unfinished, count * sizeof *all);
    }
    if (share->left_count > 0) {
        memcpy(all + count, share->left, share->left_count * sizeof *all);
    }
    qsort(all, count + share->left_count, sizeof *all, compare);
    return all;
}

static void write_ranges(const struct live_writing *writing, const struct live_share *share,
                         int64_t from, const struct tried *unfinished, size_t count,
                         struct offset_ranges *ret_ranges) {
    size_t room = LIVE_RANGES_MAX - writing->ranges;
    size_t max = room < LIVE_RANGES_OF_ONE ? room : LIVE_RANGES_OF_ONE;
    offset_ranges_copy(&share->finished, ret_ranges);
    int64_t next = from > share->since ? from : share->since;
    next = next > writing->record->position ? next : writing->record->position;
    for (size_t i = 0; i < count && next < writing->next_offset; i++) {
        offset_ranges_add(ret_ranges, next, unfinished[i].offset);
        next = unfinished[i].offset + 1 > next ? unfinished[i].offset + 1 : next;
    }
    offset_ranges_add(ret_ranges, next, writing->next_offset);
    ret_ranges->count = ret_ranges->count < max ? ret_ranges->count : max;
}

static void write_share(struct live_writing *writing, struct live_share *share, int64_t from,
                        const struct tried *unfinished, size_t count) {
    struct cursor_record *record = writing->record;
    share->is_written = true;
    if (from == CURSOR_NO_END || record->share_count == CURSOR_SHARES_MAX ||
        writing->ranges >= LIVE_RANGES_MAX) {
        return;
    }
    struct cursor_share *written = &record->shares[record->share_count];
    struct tried *all = all_unfinished(share, unfinished, count);
    size_t all_count = count + share->left_count;
    write_ranges(writing, share, from, all, all_count, &written->finished);
    for (size_t i = 0; i < share->tried.count; i++) {
        tried_list_put(&written->tried, &share->tried.items[i]);
    }
    for (size_t i = 0; i < all_count; i++) {
        if (all[i].attempts > 0) {
            tried_list_put(&written->tried, &all[i]);
        }
    }
    free(all);
    if (written->finished.count == 0 && written->tried.count == 0) {
        offset_ranges_clear(&written->finished);
        return;
    }
    memcpy(written->fingerprint, share->fingerprint, CURSOR_FINGERPRINT_SIZE);
    writing->ranges += written->finished.count + written->tried.count;
    record->share_count++;
}

void live_progress_write(struct live_writing *writing, const char *fingerprint, int64_t from,
                         const struct tried *unfinished, size_t count) {
    struct live_share *share = live_progress_find(writing->progress, fingerprint);
    if (share) {
        write_share(writing, share, from, unfinished, count);
    }
}

void live_progress_write_end(struct live_writing *writing) {
    struct live_progress *progress = writing->progress;
    for (size_t i = 0; i < progress->bucket_count; i++) {
        for (struct live_share *share = progress->buckets[i]; share; share = share->next) {
            if (!share->is_written) {
                write_share(writing, share, INT64_MIN, NULL, 0);
            }
        }
    }
}
