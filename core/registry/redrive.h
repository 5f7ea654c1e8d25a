// A redrive: dead letters that are delivered once more. As the registry keeps it, so that it
// outlives the node that drives it, and every node can tell how far it is. Immutable after parsing;
// any thread; reference-counted as the other resources.
#ifndef EVENT_GATEWAY_REGISTRY_REDRIVE_H
#define EVENT_GATEWAY_REGISTRY_REDRIVE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct json_t;

#define REDRIVE_RATE_MAX 1000000
#define REDRIVE_LETTERS_MAX 1000 // of one by ids

enum redrive_state {
    REDRIVE_WAITING,
    REDRIVE_RUNNING,
    REDRIVE_DONE, // this and what follows: over
    REDRIVE_STOPPED,
    REDRIVE_FAILED, // the dead letters could not be looked up
    REDRIVE_STATE_COUNT,
};
// "waiting", "running", "done", "stopped", "failed".
const char *redrive_state_name(enum redrive_state state);

struct redrive_place { // in eg.deadletter
    int32_t partition;
    int64_t offset;
};

struct redrive {
    struct bytes space, id;
    struct bytes subscription_id; // empty: of any
    struct bytes owner;           // id of the node that drives it; empty: whoever comes first
    enum redrive_state state;
    int64_t since_us, until_us;          // 0 = none
    int64_t rate;                        // letters a second; 0 = as fast as it goes
    const struct redrive_place *letters; // letter_count > 0: these, whatever else it says
    size_t letter_count;

    // How far it is: all up to a letter are done with, and the counts are theirs. By ids it is the
    // number of letters, else the place of the last one.
    int64_t letter_at;
    int64_t after_us; // -1: none is done with
    struct redrive_place after;
    int64_t total, redriven, failed, missing;
    int64_t begun_us, ended_us; // ended_us 0: not yet
    const struct json_t *document;
};

// STATUS_INVALID names the member. Takes its own reference to document.
enum status must_check redrive_parse(struct json_t *document, const struct redrive **ret_redrive,
                                     struct error *error);
const struct redrive *redrive_ref(const struct redrive *redrive);
void redrive_unref(const struct redrive *redrive);

#endif
