#include "core/cursors/tried_list.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

// The first that is not below offset.
static size_t position_of(const struct tried_list *list, int64_t offset) {
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->items[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct tried_list *list, size_t position, int64_t offset) {
    return position < list->count && list->items[position].offset == offset;
}

static void remove_items(struct tried_list *list, size_t position, size_t count) {
    if (count > 0) {
        memmove(list->items + position, list->items + position + count,
                (list->count - position - count) * sizeof *list->items);
        list->count -= count;
    }
}

static void insert(struct tried_list *list, size_t position, const struct tried *tried) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 8;
        list->items = memory_resize(list->items, list->capacity, sizeof *list->items);
    }
    memmove(list->items + position + 1, list->items + position,
            (list->count - position) * sizeof *list->items);
    list->items[position] = *tried;
    list->count++;
}

void tried_list_put(struct tried_list *list, const struct tried *tried) {
    size_t position = position_of(list, tried->offset);
    if (is_at(list, position, tried->offset)) {
        if (tried->attempts >= list->items[position].attempts) {
            list->items[position] = *tried;
        }
        return;
    }
    if (position == TRIED_MAX) {
        return;
    }
    if (list->count == TRIED_MAX) {
        list->count--;
    }
    insert(list, position, tried);
}

bool tried_list_has(const struct tried_list *list, int64_t offset) {
    return is_at(list, position_of(list, offset), offset);
}

bool tried_list_take(struct tried_list *list, int64_t offset, struct tried *ret_tried) {
    size_t position = position_of(list, offset);
    if (!is_at(list, position, offset)) {
        return false;
    }
    *ret_tried = list->items[position];
    remove_items(list, position, 1);
    return true;
}

void tried_list_cut(struct tried_list *list, int64_t offset) {
    remove_items(list, 0, position_of(list, offset));
}

void tried_list_clear(struct tried_list *list) {
    free(list->items);
    *list = (struct tried_list){0};
}
