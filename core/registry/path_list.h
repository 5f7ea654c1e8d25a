// A growing list of paths that stay where they are while requests borrow them. Private to
// core/registry; one thread. Zero is an empty list.
#ifndef EVENT_GATEWAY_REGISTRY_PATH_LIST_H
#define EVENT_GATEWAY_REGISTRY_PATH_LIST_H

#include <stddef.h>

#include "core/base/bytes.h"

struct path_list {
    char **items;
    size_t count, capacity;
};

// The list frees the path. Gives it back, borrowed.
const char *path_list_add_take(struct path_list *list, char *path);
// Adds "parent/name".
void path_list_add_below(struct path_list *list, const char *parent, struct bytes name);
// Sorts, so that a parent comes before its children, and drops what is there twice.
void path_list_make_unique(struct path_list *list);
void path_list_clear(struct path_list *list);

#endif
