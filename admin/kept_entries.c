#include "admin/kept_entries.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

// By space; those that ended first come first, those that go on come last.
static int compare(const void *a, const void *b) {
    const struct kept_entry *left = a, *right = b;
    int order = bytes_compare(left->space, right->space);
    if (order != 0 || left->ended_us == right->ended_us) {
        return order != 0 ? order : bytes_compare(left->id, right->id);
    }
    if (left->ended_us == 0 || right->ended_us == 0) {
        return left->ended_us == 0 ? 1 : -1;
    }
    return left->ended_us < right->ended_us ? -1 : 1;
}

static size_t size_of_space(const struct kept_entry *entries, size_t count) {
    size_t size = 1;
    while (size < count && bytes_equal(entries[size].space, entries[0].space)) {
        size++;
    }
    return size;
}

size_t kept_entries_select(struct kept_entry *entries, size_t count, size_t room, int64_t now_us) {
    size_t going = 0;
    if (count == 0) {
        return 0;
    }
    struct kept_entry *kept = memory_allocate(count * sizeof *kept);
    size_t kept_count = 0;
    qsort(entries, count, sizeof *entries, compare);
    for (size_t first = 0, size; first < count; first += size) {
        size = size_of_space(&entries[first], count - first);
        for (size_t i = 0; i < size; i++) {
            struct kept_entry entry = entries[first + i];
            bool is_old = entry.ended_us <= now_us - KEPT_ENTRIES_US;
            bool is_too_many = size - i + room > KEPT_ENTRIES_MAX;
            if (entry.ended_us > 0 && (is_old || is_too_many)) {
                entries[going++] = entry;
            } else {
                kept[kept_count++] = entry;
            }
        }
    }
    memcpy(&entries[going], kept, kept_count * sizeof *kept);
    free(kept);
    return going;
}
