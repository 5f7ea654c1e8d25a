// A replay: events of the log that are delivered once more, to one subscription only. As the
// registry keeps it, so that every owner of a partition agrees on what belongs to it. Immutable
// after parsing; any thread; reference-counted as the other resources.
#ifndef EVENT_GATEWAY_REGISTRY_REPLAY_H
#define EVENT_GATEWAY_REGISTRY_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct event;
struct json_t;

#define REPLAY_RATE_MAX 1000000
#define REPLAY_FILTERS_MAX 32
#define REPLAY_PARTITIONS_MAX 65536

// What of a partition of the events belongs to it.
struct replay_part {
    int64_t from, until; // until is not in it; never below from
};

// All must hold.
struct replay_filter {
    struct bytes attribute; // "type", "source" or "subject"
    struct bytes value;     // exactly
};

struct replay {
    struct bytes space, id;
    struct bytes subscription_id;
    struct bytes subscription_created; // another one of that id is another subscription
    double rate_per_second;            // of all partitions; 0 = no limit of its own
    int64_t created_us;
    int64_t stopped_us;              // somebody has stopped it; 0 = not
    const struct replay_part *parts; // by partition; those that came later have nothing of it
    size_t part_count;
    const struct replay_filter *filters;
    size_t filter_count;
    const struct json_t *document;
};

// STATUS_INVALID names the member. Takes its own reference to document.
enum status must_check replay_parse(struct json_t *document, const struct replay **ret_replay,
                                    struct error *error);
const struct replay *replay_ref(const struct replay *replay);
void replay_unref(const struct replay *replay);

// Whether the filters let the event pass.
bool replay_takes(const struct replay *replay, const struct event *event);

#endif
