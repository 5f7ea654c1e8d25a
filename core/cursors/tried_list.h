// What is known of the attempts at events that are not finished: so that they go on to count when
// somebody else, or the same dispatcher later, reads the events again. Plain value of one thread;
// zero is the empty list.
//
// Invariants:
//   1. Sorted by offset, each once; what is known of more attempts wins.
//   2. At most TRIED_MAX: beyond that nothing is known of the highest offsets, which are read last.
#ifndef EVENT_GATEWAY_CURSORS_TRIED_LIST_H
#define EVENT_GATEWAY_CURSORS_TRIED_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIED_MAX 256
#define TRIED_REASON_SIZE 32

struct tried {
    int64_t offset;
    uint32_t attempts;
    int64_t first_us, last_us; // wall clock, of the first and the last attempt
    unsigned status;           // of the last answer, 0 = none
    char reason[TRIED_REASON_SIZE];
};

struct tried_list {
    struct tried *items;
    size_t count;
    size_t capacity;
};

void tried_list_put(struct tried_list *list, const struct tried *tried);
bool tried_list_has(const struct tried_list *list, int64_t offset);
// Out of the list; false: nothing is known.
bool tried_list_take(struct tried_list *list, int64_t offset, struct tried *ret_tried);
// Takes everything below offset out.
void tried_list_cut(struct tried_list *list, int64_t offset);
void tried_list_clear(struct tried_list *list);

#endif
