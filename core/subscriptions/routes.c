#include "core/subscriptions/routes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/subscriptions/path_pattern.h"

// One trie for everything. Its levels: sync or async, event type, method, then the segments of the
// path. Static edges of all nodes lie in one hash table; a node's parameter and wildcard child are
// found directly, whatever their names, because names belong to the subscriptions.
//
//   root ─┬─ sync ──── type ─── method ─── segment ─── ... ─── node with its entries
//         ├─ async ─── type ─── method ─── segment ─── ...
//         └─ spaces ── space
//
// A space's node stands for its name in comparisons, which a match makes many of.
// A type's node keeps all synchronous subscriptions of that type, for the conflict check.
enum {
    NODE_NONE, // index 0 is no node
    NODE_SYNC,
    NODE_ASYNC,
    NODE_SPACES,
    NODE_FIRST_FREE,
};

struct entry {
    const struct subscription *subscription;
    const struct bytes *names; // of the parameters, in the order of the path; NULL = none
    uint32_t space;            // its node
};

struct node {
    uint32_t parent;
    uint32_t parameter_child;
    uint32_t wildcard_child;
    struct bytes edge;     // the decoded segment of a static edge
    struct entry *entries; // sorted by space and id
    uint32_t entry_count, entry_capacity;
};

struct routes {
    struct node *nodes;
    uint32_t node_count, node_capacity;
    uint32_t *edges; // open addressing: indexes of nodes, by parent and edge; size a power of two
    size_t edge_count, edge_capacity;
    void **owned; // texts of edges and lists of names that are not pieces of subscriptions
    size_t owned_count, owned_capacity;
};

static uint64_t edge_hash(uint32_t parent, struct bytes edge) {
    uint64_t hash = bytes_hash(edge) ^ (parent * UINT64_C(0x9e3779b97f4a7c15));
    return hash ^ (hash >> 32);
}

// The slot that holds the edge, or the free one where it belongs.
static uint32_t *edge_slot(const struct routes *routes, uint32_t parent, struct bytes edge) {
    size_t mask = routes->edge_capacity - 1;
    for (size_t i = edge_hash(parent, edge) & mask;; i = (i + 1) & mask) {
        const struct node *node = &routes->nodes[routes->edges[i]];
        if (routes->edges[i] == NODE_NONE ||
            (node->parent == parent && bytes_equal(node->edge, edge))) {
            return &routes->edges[i];
        }
    }
}

static void resize_edges(struct routes *routes, size_t capacity) {
    uint32_t *old = routes->edges;
    size_t old_capacity = routes->edge_capacity;
    routes->edges = memory_allocate(capacity * sizeof *routes->edges);
    routes->edge_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i] != NODE_NONE) {
            const struct node *node = &routes->nodes[old[i]];
            *edge_slot(routes, node->parent, node->edge) = old[i];
        }
    }
    free(old);
}

static uint32_t add_node(struct routes *routes, uint32_t parent) {
    if (routes->node_count == routes->node_capacity) {
        routes->node_capacity = routes->node_capacity ? 2 * routes->node_capacity : 64;
        routes->nodes = memory_resize(routes->nodes, routes->node_capacity, sizeof *routes->nodes);
    }
    routes->nodes[routes->node_count] = (struct node){.parent = parent};
    return routes->node_count++;
}

// edge must live as long as the routes.
static uint32_t static_child(struct routes *routes, uint32_t parent, struct bytes edge) {
    uint32_t *slot = edge_slot(routes, parent, edge);
    if (*slot != NODE_NONE) {
        return *slot;
    }
    uint32_t child = add_node(routes, parent);
    routes->nodes[child].edge = edge;
    *slot = child;
    if (++routes->edge_count * 2 > routes->edge_capacity) {
        resize_edges(routes, routes->edge_capacity * 2);
    }
    return child;
}

static void *own(struct routes *routes, void *memory) {
    if (routes->owned_count == routes->owned_capacity) {
        routes->owned_capacity = routes->owned_capacity ? 2 * routes->owned_capacity : 16;
        routes->owned = memory_resize(routes->owned, routes->owned_capacity, sizeof(void *));
    }
    routes->owned[routes->owned_count++] = memory;
    return memory;
}

static struct bytes decoded_edge(struct routes *routes, struct bytes segment) {
    if (bytes_find(segment, '%') == segment.size) {
        return segment;
    }
    struct buffer decoded = {0};
    percent_decode(segment, false, &decoded);
    struct bytes edge = buffer_bytes(&decoded);
    (void)own(routes, buffer_take(&decoded));
    return edge;
}

static uint32_t segment_child(struct routes *routes, uint32_t parent, struct bytes segment) {
    enum path_segment_kind kind = path_segment_kind(segment);
    if (kind == PATH_SEGMENT_STATIC) {
        return static_child(routes, parent, decoded_edge(routes, segment));
    }
    bool is_parameter = kind == PATH_SEGMENT_PARAMETER;
    uint32_t child =
        is_parameter ? routes->nodes[parent].parameter_child : routes->nodes[parent].wildcard_child;
    if (child == NODE_NONE) {
        child = add_node(routes, parent);
        *(is_parameter ? &routes->nodes[parent].parameter_child
                       : &routes->nodes[parent].wildcard_child) = child;
    }
    return child;
}

// "http" and "http.request" are one type, and so are "gateway.x" and "eventgateway.x": both get the
// shorter spelling, which is a piece of the longer one.
static struct bytes type_key(struct bytes type) {
    if (bytes_equal_text(type, "http.request")) {
        return bytes_slice(type, 0, sizeof "http" - 1);
    }
    if (bytes_start_with(type, BYTES("eventgateway."))) {
        return bytes_slice(type, sizeof "event" - 1, type.size);
    }
    return type;
}

struct routes *routes_create(void) {
    struct routes *routes = memory_allocate(sizeof *routes);
    for (size_t i = 0; i < NODE_FIRST_FREE; i++) {
        (void)add_node(routes, NODE_NONE);
    }
    resize_edges(routes, 64);
    return routes;
}

void routes_destroy(struct routes *routes) {
    if (!routes) {
        return;
    }
    for (uint32_t i = 0; i < routes->node_count; i++) {
        free(routes->nodes[i].entries);
    }
    for (size_t i = 0; i < routes->owned_count; i++) {
        free(routes->owned[i]);
    }
    free(routes->owned);
    free(routes->nodes);
    free(routes->edges);
    free(routes);
}

static int subscription_order(const struct subscription *a, const struct subscription *b) {
    int order = bytes_compare(a->space, b->space);
    return order != 0 ? order : bytes_compare(a->id, b->id);
}

// Subscriptions mostly come sorted already, so the place is looked for from the end.
static void node_add(struct node *node, const struct entry *entry) {
    if (node->entry_count == node->entry_capacity) {
        node->entry_capacity = node->entry_capacity ? 2 * node->entry_capacity : 1;
        node->entries = memory_resize(node->entries, node->entry_capacity, sizeof *node->entries);
    }
    uint32_t place = node->entry_count++;
    while (place > 0 &&
           subscription_order(node->entries[place - 1].subscription, entry->subscription) > 0) {
        node->entries[place] = node->entries[place - 1];
        place--;
    }
    node->entries[place] = *entry;
}

static size_t read_names(struct bytes path, struct bytes *ret_names) {
    struct bytes segment;
    size_t count = 0;
    while (path_next_segment(&path, &segment)) {
        if (path_segment_kind(segment) != PATH_SEGMENT_STATIC) {
            assert(count < PATH_PARAMS_MAX); // path_pattern_check
            ret_names[count++] = path_segment_name(segment);
        }
    }
    return count;
}

// Neighbours in a node mostly name their parameters alike, and then share the list.
static const struct bytes *names_of(struct routes *routes, const struct node *node,
                                    struct bytes path) {
    struct bytes names[PATH_PARAMS_MAX];
    size_t count = read_names(path, names);
    const struct bytes *before =
        node->entry_count > 0 ? node->entries[node->entry_count - 1].names : NULL;
    bool is_same = before != NULL;
    for (size_t i = 0; is_same && i < count; i++) {
        is_same = bytes_equal(before[i], names[i]);
    }
    if (count == 0 || is_same) {
        return before;
    }
    struct bytes *list = own(routes, memory_allocate(count * sizeof *list));
    memcpy(list, names, count * sizeof *list);
    return list;
}

void routes_add(struct routes *routes, const struct subscription *subscription) {
    struct bytes path = subscription->path;
    struct bytes segment;
    struct entry entry = {.subscription = subscription,
                          .space = static_child(routes, NODE_SPACES, subscription->space)};
    uint32_t node = static_child(routes, subscription->is_sync ? NODE_SYNC : NODE_ASYNC,
                                 type_key(subscription->event_type));
    if (subscription->is_sync) {
        node_add(&routes->nodes[node], &entry);
    }
    node = static_child(routes, node, subscription->method);
    while (path_next_segment(&path, &segment)) {
        node = segment_child(routes, node, segment);
    }
    entry.names = names_of(routes, &routes->nodes[node], subscription->path);
    node_add(&routes->nodes[node], &entry);
}

// One look-up under way.
struct walk {
    const struct routes *routes;
    uint32_t space; // its node; NODE_NONE = all of them
    bool stops_at_first;
    bool has_match;
    route_match_fn visit; // NULL = only whether there is a match
    void *context;
    struct bytes captured[PATH_PARAMS_MAX]; // as they came
    size_t captured_count;
    struct buffer decoded_segment;
    struct buffer decoded_values;
};

static uint32_t find_static_child(const struct routes *routes, uint32_t parent, struct bytes edge) {
    return *edge_slot(routes, parent, edge);
}

static uint32_t find_segment_child(struct walk *walk, uint32_t parent, struct bytes segment) {
    if (bytes_find(segment, '%') == segment.size) {
        return find_static_child(walk->routes, parent, segment);
    }
    buffer_reset(&walk->decoded_segment);
    percent_decode(segment, false, &walk->decoded_segment);
    return find_static_child(walk->routes, parent, buffer_bytes(&walk->decoded_segment));
}

// Values need no copy unless something in them is encoded.
static void decode_values(struct walk *walk, struct http_header *params) {
    size_t encoded = 0;
    for (size_t i = 0; i < walk->captured_count; i++) {
        params[i].value = walk->captured[i];
        bool is_encoded = bytes_find(walk->captured[i], '%') < walk->captured[i].size;
        encoded += is_encoded ? walk->captured[i].size : 0;
    }
    if (encoded == 0) {
        return;
    }
    // Decoded text is never longer: the buffer stays where it is while values point into it.
    buffer_reset(&walk->decoded_values);
    (void)buffer_reserve(&walk->decoded_values, encoded + 1);
    for (size_t i = 0; i < walk->captured_count; i++) {
        if (bytes_find(walk->captured[i], '%') < walk->captured[i].size) {
            size_t start = walk->decoded_values.size;
            percent_decode(walk->captured[i], false, &walk->decoded_values);
            params[i].value = bytes_slice(buffer_bytes(&walk->decoded_values), start,
                                          walk->decoded_values.size - start);
        }
    }
}

// The first entry of the space; with NODE_NONE the first one at all.
static uint32_t first_of_space(const struct routes *routes, const struct node *node,
                               uint32_t space) {
    uint32_t low = 0;
    uint32_t high = space != NODE_NONE ? node->entry_count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t other = node->entries[middle].space;
        bool is_before = other != space &&
                         bytes_compare(routes->nodes[other].edge, routes->nodes[space].edge) < 0;
        low = is_before ? middle + 1 : low;
        high = is_before ? high : middle;
    }
    return low;
}

// True when the walk is over.
static bool visit_node(struct walk *walk, const struct node *node) {
    struct http_header params[PATH_PARAMS_MAX];
    uint32_t first = first_of_space(walk->routes, node, walk->space);
    for (uint32_t i = first; i < node->entry_count; i++) {
        const struct entry *entry = &node->entries[i];
        if (walk->space != NODE_NONE && entry->space != walk->space) {
            break;
        }
        walk->has_match = true;
        if (walk->visit) {
            if (i == first) {
                decode_values(walk, params);
            }
            for (size_t j = 0; j < walk->captured_count; j++) {
                params[j].name = entry->names[j];
            }
            struct route_match match = {entry->subscription, params, walk->captured_count};
            walk->visit(walk->context, &match);
        }
        if (walk->stops_at_first) {
            return true;
        }
    }
    return false;
}

static bool walk_captured(struct walk *walk, uint32_t node, struct bytes value, struct bytes rest);

// Static before parameter before wildcard, so the most specific pattern comes first. Depth and
// width are bounded by the patterns that are there, not by the path that is looked up.
static bool walk_path(struct walk *walk, uint32_t index, struct bytes rest) {
    const struct node *node = &walk->routes->nodes[index];
    struct bytes path = rest;
    struct bytes segment;
    if (!path_next_segment(&rest, &segment)) {
        return visit_node(walk, node);
    }
    uint32_t child = find_segment_child(walk, index, segment);
    if (child != NODE_NONE && walk_path(walk, child, rest)) {
        return true;
    }
    if (node->parameter_child != NODE_NONE && segment.size > 0 &&
        walk_captured(walk, node->parameter_child, segment, rest)) {
        return true;
    }
    return node->wildcard_child != NODE_NONE &&
           walk_captured(walk, node->wildcard_child, bytes_slice(path, 1, path.size),
                         (struct bytes){0});
}

static bool walk_captured(struct walk *walk, uint32_t node, struct bytes value, struct bytes rest) {
    assert(walk->captured_count < PATH_PARAMS_MAX); // path_pattern_check
    walk->captured[walk->captured_count++] = value;
    bool is_over = walk_path(walk, node, rest);
    walk->captured_count--;
    return is_over;
}

static void walk_from(struct walk *walk, uint32_t root, const struct route_query *query) {
    struct bytes path = query->path;
    uint32_t node = find_static_child(walk->routes, root, type_key(query->type));
    if (query->space.size > 0) {
        walk->space = find_static_child(walk->routes, NODE_SPACES, query->space);
        node = walk->space != NODE_NONE ? node : NODE_NONE;
    }
    if (node != NODE_NONE) {
        node = find_static_child(walk->routes, node, query->method);
    }
    while (path.size > 1 && path.data[path.size - 1] == '/') {
        path.size--;
    }
    if (node != NODE_NONE) {
        (void)walk_path(walk, node, path);
    }
    buffer_clear(&walk->decoded_segment);
    buffer_clear(&walk->decoded_values);
}

// The captured values need no zeroing, which would be most of a look-up's work.
static void walk_begin(struct walk *walk, const struct routes *routes, route_match_fn visit,
                       void *context) {
    walk->routes = routes;
    walk->space = NODE_NONE;
    walk->stops_at_first = false;
    walk->has_match = false;
    walk->visit = visit;
    walk->context = context;
    walk->captured_count = 0;
    walk->decoded_segment = (struct buffer){0};
    walk->decoded_values = (struct buffer){0};
}

void routes_match_async(const struct routes *routes, const struct route_query *query,
                        route_match_fn visit, void *context) {
    struct walk walk;
    walk_begin(&walk, routes, visit, context);
    walk_from(&walk, NODE_ASYNC, query);
}

bool routes_match_sync(const struct routes *routes, const struct route_query *query,
                       route_match_fn visit, void *context) {
    struct walk walk;
    walk_begin(&walk, routes, visit, context);
    walk.stops_at_first = true;
    walk_from(&walk, NODE_SYNC, query);
    return walk.has_match;
}

bool routes_has_match(const struct routes *routes, const struct route_query *query) {
    struct walk walk;
    walk_begin(&walk, routes, NULL, NULL);
    walk.stops_at_first = true;
    walk_from(&walk, NODE_SYNC, query);
    if (!walk.has_match) {
        walk_from(&walk, NODE_ASYNC, query);
    }
    return walk.has_match;
}

static void name_subscription(const struct subscription *subscription, struct error *error) {
    if (error) {
        size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used,
                 " (subscription \"%.*s\" on path %.*s)", (int)subscription->id.size,
                 subscription->id.data, (int)subscription->path.size, subscription->path.data);
    }
}

bool routes_conflict(const struct routes *routes, const struct subscription *candidate,
                     struct error *error) {
    if (!candidate->is_sync) {
        return false;
    }
    uint32_t space = find_static_child(routes, NODE_SPACES, candidate->space);
    const struct node *node =
        &routes->nodes[find_static_child(routes, NODE_SYNC, type_key(candidate->event_type))];
    if (space == NODE_NONE) {
        return false;
    }
    for (uint32_t i = first_of_space(routes, node, space); i < node->entry_count; i++) {
        const struct subscription *existing = node->entries[i].subscription;
        if (node->entries[i].space != space) {
            break;
        }
        if (bytes_equal(existing->method, candidate->method) &&
            !bytes_equal(existing->id, candidate->id) &&
            path_patterns_conflict(existing->path, candidate->path, error)) {
            name_subscription(existing, error);
            return true;
        }
    }
    return false;
}
