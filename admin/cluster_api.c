// /v1/cluster: which nodes are there, and what each says of itself (core/node/presence.c).

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_private.h"
#include "core/base/json.h"
#include "core/base/memory.h"

// A request while the registry's thread asks the store.
struct cluster_call {
    struct registry_members_query query;
    struct admin *admin;
    struct http_request *request;
};

static int by_id(const void *a, const void *b) {
    const struct registry_member *left = a;
    const struct registry_member *right = b;
    return bytes_compare(buffer_bytes(&left->id), buffer_bytes(&right->id));
}

// What cannot be understood is still a node that is there.
static json_t *node_of(const struct registry_member *member) {
    struct error ignored;
    json_t *node = NULL;
    if (json_parse(buffer_bytes(&member->document), &node, &ignored) != STATUS_OK ||
        !json_is_object(node)) {
        json_decref(node);
        node = json_object();
    }
    json_object_set_new(node, "nodeId", json_stringn(member->id.data, member->id.size));
    return node;
}

static void mark_owned(const json_t *node, bool *owned, size_t count) {
    size_t index;
    json_t *number;
    json_array_foreach(json_object_get(node, "partitions"), index, number) {
        json_int_t partition = json_integer_value(number);
        if (json_is_integer(number) && partition >= 0 && (size_t)partition < count) {
            owned[partition] = true;
        }
    }
}

// Partitions of the events that no node reads: for a moment while they move, else a lack of
// dispatchers.
static json_t *unowned_partitions(const json_t *nodes, size_t count) {
    bool *owned = memory_allocate((count + 1) * sizeof *owned);
    json_t *unowned = json_array();
    size_t index;
    json_t *node;
    json_array_foreach(nodes, index, node) {
        mark_owned(node, owned, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!owned[i]) {
            json_array_append_new(unowned, json_integer((json_int_t)i));
        }
    }
    free(owned);
    return unowned;
}

static json_t *describe(const struct cluster_call *call) {
    const struct registry_members_query *query = &call->query;
    int32_t partitions = event_log_partition_count(call->admin->options.log, EVENT_LOG_EVENTS);
    json_t *nodes = json_array();
    for (size_t i = 0; i < query->count; i++) {
        json_array_append_new(nodes, node_of(&query->members[i]));
    }
    const char *self = call->admin->options.node_id;
    json_t *answer = json_pack("{s:s, s:b, s:i}", "answeredBy", self ? self : "", "complete",
                               query->status == STATUS_OK, "partitions", (int)partitions);
    if (query->status == STATUS_OK) {
        size_t count = partitions > 0 ? (size_t)partitions : 0;
        json_object_set_new(answer, "unownedPartitions", unowned_partitions(nodes, count));
    } else {
        json_object_set_new(answer, "reason", json_string(query->error.text));
    }
    json_object_set_new(answer, "nodes", nodes);
    return answer;
}

static void told(struct registry_members_query *query) {
    struct cluster_call *call = CONTAINER_OF(query, struct cluster_call, query);
    if (query->status == STATUS_CLOSED) {
        admin_answer_error(call->request, CONFIG_SPACES, 503, 1, BYTES("shutting down"));
    } else {
        if (query->count > 0) {
            qsort(query->members, query->count, sizeof *query->members, by_id);
        }
        json_t *answer = describe(call);
        admin_answer_json(call->request, 200, answer);
        json_decref(answer);
    }
    registry_members_query_clear(query);
    free(call);
}

bool cluster_api_handle(struct admin *admin, struct http_request *request) {
    if (!bytes_equal_text(http_request_path(request), "/v1/cluster")) {
        return false;
    }
    if (!admin_method_reads(request)) {
        admin_answer_wrong_method(request, CONFIG_SPACES, "GET, HEAD");
        return true;
    }
    struct cluster_call *call = memory_allocate(sizeof *call);
    call->admin = admin;
    call->request = request;
    call->query.loop = admin->options.loop;
    call->query.done = told;
    registry_list_members(admin->options.registry, &call->query);
    return true;
}
