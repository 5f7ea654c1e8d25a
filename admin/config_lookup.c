#include "admin/config_lookup.h"

#include "core/base/text.h"
#include "core/events/event_attribute.h"

// Clients encode an id that is itself percent-encoded, and proxies decode it again.
#define DECODE_ROUNDS_MAX 3

// Undoes percent-encoding until nothing is left to undo.
static void decode_all(struct bytes text, struct buffer *ret_text) {
    buffer_append(ret_text, text);
    for (int round = 0; round < DECODE_ROUNDS_MAX; round++) {
        struct buffer next = {0};
        percent_decode(buffer_bytes(ret_text), false, &next);
        bool is_done = bytes_equal(buffer_bytes(&next), buffer_bytes(ret_text));
        buffer_clear(ret_text);
        *ret_text = next;
        if (is_done) {
            return;
        }
    }
}

struct search {
    struct bytes wanted; // decoded
    struct buffer scratch;
    const struct json_t *document;
};

static bool matches(struct search *search, struct bytes id) {
    buffer_reset(&search->scratch);
    decode_all(id, &search->scratch);
    return bytes_equal(buffer_bytes(&search->scratch), search->wanted);
}

static void visit_resource(void *context, struct bytes space, struct bytes id,
                           const struct json_t *document) {
    struct search *search = context;
    (void)space;
    if (!search->document && matches(search, id)) {
        search->document = document;
    }
}

struct bytes config_classic_event(const struct subscription *subscription) {
    bool is_http = subscription->is_sync &&
                   bytes_equal_text(subscription->event_type, EVENT_TYPE_HTTP_REQUEST);
    return is_http ? BYTES("http") : subscription->event_type;
}

void config_classic_id_write(const struct subscription *subscription, struct buffer *ret_id) {
    subscription_classic_id_write(config_classic_event(subscription), subscription->function_id,
                                  subscription->path, subscription->method, ret_id);
}

// Several subscriptions can share a classic id, which knows no method: then POST comes first, which
// is what the classic generation makes.
static void search_classic_ids(struct search *search, const struct snapshot *snapshot,
                               struct bytes space) {
    size_t count;
    const struct subscription *const *all = snapshot_subscriptions(snapshot, &count);
    struct buffer id = {0};
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal(all[i]->space, space)) {
            continue;
        }
        buffer_reset(&id);
        config_classic_id_write(all[i], &id);
        bool is_better = !search->document || bytes_equal_text(all[i]->method, "POST");
        if (is_better && matches(search, buffer_bytes(&id))) {
            search->document = all[i]->document;
        }
    }
    buffer_clear(&id);
}

static const struct json_t *find_in_any_form(const struct snapshot *snapshot,
                                             enum resource_kind kind, struct bytes space,
                                             struct bytes decoded) {
    struct search search = {.wanted = decoded};
    if (kind == RESOURCE_CORS) {
        snapshot_each(snapshot, kind, space, visit_resource, &search);
    } else if (kind == RESOURCE_SUBSCRIPTION && bytes_find(decoded, ',') < decoded.size) {
        search_classic_ids(&search, snapshot, space);
    }
    buffer_clear(&search.scratch);
    return search.document;
}

const struct json_t *config_lookup(const struct snapshot *snapshot, enum resource_kind kind,
                                   struct bytes space, struct bytes raw_id) {
    struct buffer decoded = {0};
    const struct json_t *document = snapshot_document(snapshot, kind, space, raw_id);
    decode_all(raw_id, &decoded);
    if (!document) {
        document = snapshot_document(snapshot, kind, space, buffer_bytes(&decoded));
    }
    if (!document) {
        document = find_in_any_form(snapshot, kind, space, buffer_bytes(&decoded));
    }
    buffer_clear(&decoded);
    return document;
}
