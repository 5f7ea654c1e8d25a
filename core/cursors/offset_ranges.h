// A set of offsets as ranges: what is finished beyond a position. Plain value of one thread; zero
// is the empty set.
//
// Invariants:
//   1. Ranges are sorted, not empty, and neither overlap nor touch.
//   2. Adding what is in already changes nothing.
#ifndef EVENT_GATEWAY_CURSORS_OFFSET_RANGES_H
#define EVENT_GATEWAY_CURSORS_OFFSET_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct offset_range {
    int64_t first, end; // end is not in it
};

struct offset_ranges {
    struct offset_range *items;
    size_t count;
    size_t capacity;
};

// An empty range adds nothing.
void offset_ranges_add(struct offset_ranges *ranges, int64_t first, int64_t end);
// Takes everything below offset out.
void offset_ranges_cut(struct offset_ranges *ranges, int64_t offset);
bool offset_ranges_contain(const struct offset_ranges *ranges, int64_t offset);
void offset_ranges_copy(const struct offset_ranges *ranges, struct offset_ranges *ret_copy);
void offset_ranges_clear(struct offset_ranges *ranges);

#endif
