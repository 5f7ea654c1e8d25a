#include "core/registry/path_list.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

const char *path_list_add_take(struct path_list *list, char *path) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = memory_resize(list->items, list->capacity, sizeof *list->items);
    }
    list->items[list->count++] = path;
    return path;
}

void path_list_clear(struct path_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct path_list){0};
}

void path_list_add_below(struct path_list *list, const char *parent, struct bytes name) {
    struct buffer path = {0};
    buffer_append_format(&path, "%s/", parent);
    buffer_append(&path, name);
    (void)path_list_add_take(list, buffer_take(&path));
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void path_list_make_unique(struct path_list *list) {
    size_t kept = 0;
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof *list->items, compare_paths);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1], list->items[i]) == 0) {
            free(list->items[i]);
        } else {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}
