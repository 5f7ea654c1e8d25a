#include "core/cursors/offset_ranges.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

// The first range that ends at or after offset.
static size_t position_of(const struct offset_ranges *ranges, int64_t offset) {
    size_t low = 0;
    size_t high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->items[middle].end < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void insert(struct offset_ranges *ranges, size_t position, struct offset_range range) {
    if (ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity > 0 ? ranges->capacity * 2 : 8;
        ranges->items = memory_resize(ranges->items, ranges->capacity, sizeof *ranges->items);
    }
    memmove(ranges->items + position + 1, ranges->items + position,
            (ranges->count - position) * sizeof *ranges->items);
    ranges->items[position] = range;
    ranges->count++;
}

static void remove_items(struct offset_ranges *ranges, size_t position, size_t count) {
    if (count > 0) {
        memmove(ranges->items + position, ranges->items + position + count,
                (ranges->count - position - count) * sizeof *ranges->items);
        ranges->count -= count;
    }
}

void offset_ranges_add(struct offset_ranges *ranges, int64_t first, int64_t end) {
    if (first >= end) {
        return;
    }
    size_t position = position_of(ranges, first);
    if (position == ranges->count || ranges->items[position].first > end) {
        insert(ranges, position, (struct offset_range){first, end});
        return;
    }
    // It touches this one, and perhaps some that follow.
    struct offset_range *range = &ranges->items[position];
    range->first = first < range->first ? first : range->first;
    range->end = end > range->end ? end : range->end;
    size_t last = position;
    while (last + 1 < ranges->count && ranges->items[last + 1].first <= range->end) {
        last++;
        int64_t other_end = ranges->items[last].end;
        range->end = other_end > range->end ? other_end : range->end;
    }
    remove_items(ranges, position + 1, last - position);
}

void offset_ranges_cut(struct offset_ranges *ranges, int64_t offset) {
    size_t position = position_of(ranges, offset);
    if (position < ranges->count && ranges->items[position].end == offset) {
        position++;
    }
    remove_items(ranges, 0, position);
    if (ranges->count > 0 && ranges->items[0].first < offset) {
        ranges->items[0].first = offset;
    }
}

bool offset_ranges_contain(const struct offset_ranges *ranges, int64_t offset) {
    size_t position = position_of(ranges, offset);
    if (position < ranges->count && ranges->items[position].end == offset) {
        position++;
    }
    return position < ranges->count && ranges->items[position].first <= offset;
}

void offset_ranges_copy(const struct offset_ranges *ranges, struct offset_ranges *ret_copy) {
    *ret_copy = (struct offset_ranges){.count = ranges->count, .capacity = ranges->count};
    if (ranges->count > 0) {
        ret_copy->items = memory_allocate(ranges->count * sizeof *ret_copy->items);
        memcpy(ret_copy->items, ranges->items, ranges->count * sizeof *ret_copy->items);
    }
}

void offset_ranges_clear(struct offset_ranges *ranges) {
    free(ranges->items);
    *ranges = (struct offset_ranges){0};
}
