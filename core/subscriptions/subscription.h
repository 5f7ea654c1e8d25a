// A subscription: which events go to which function, and how. Immutable after parsing; any thread.
// It lives in a registry snapshot; who keeps it longer takes a reference.
#ifndef EVENT_GATEWAY_SUBSCRIPTIONS_SUBSCRIPTION_H
#define EVENT_GATEWAY_SUBSCRIPTIONS_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct json_t;

enum ordering {
    ORDERING_NONE,
    ORDERING_KEY
};

struct retry_policy {
    uint32_t max_attempts; // the first one included
    int64_t initial_ms;
    double factor;
    int64_t max_ms;     // of one wait
    int64_t max_age_ms; // of the event since it was received; then no further attempt
    uint16_t final_statuses[32];
    size_t final_status_count;
};

struct delivery_policy {
    enum ordering ordering;
    uint32_t max_in_flight;    // per partition
    double rate_per_second;    // of all partitions; 0 = no limit
    int64_t timeout_ms;        // of one attempt
    uint32_t batch_max_events; // 1 = no batches
    int64_t batch_max_wait_ms; // for a batch to become full
    struct retry_policy retry;
    bool has_dead_letter; // false: given up means dropped, counted
};

// Where a new subscription begins.
enum subscription_start {
    SUBSCRIPTION_START_LATEST,
    SUBSCRIPTION_START_EARLIEST,
    SUBSCRIPTION_START_TIME
};

#define SUBSCRIPTION_FINGERPRINT_SIZE 17

struct subscription {
    struct bytes space, id;
    bool is_sync;
    struct bytes event_type; // as it was asked for: both spellings of system events are kept
    struct bytes function_id;
    struct bytes method;
    struct bytes path; // absolute, without a trailing '/'
    struct delivery_policy delivery;
    bool is_paused;
    enum subscription_start start;
    int64_t start_ms;     // since 1970; with START_TIME
    struct bytes created; // when, as the API wrote it; empty = not known. Tells one from another
                          // that was deleted and had the same id
    // Stands for space, id and created where positions are stored (eg.cursor); empty when created
    // is, since then it could be another one's.
    char fingerprint[SUBSCRIPTION_FINGERPRINT_SIZE];
    const struct json_t *document; // what the API shows; metadata is in it
};

// Defaults of contract section 5 when a member is absent. STATUS_INVALID names the member and the
// rule
// ("delivery.retry.factor: must be at least 1"). Reads a stored document; what only the API knows
// (unknown fields, existence of function and event type) is the caller's. Takes its own reference
// to document.
enum status must_check subscription_parse(struct json_t *document,
                                          const struct subscription **ret_subscription,
                                          struct error *error);
const struct subscription *subscription_ref(const struct subscription *subscription);
void subscription_unref(const struct subscription *subscription);
// Whether deliveries would behave the same: a PUT that changes only metadata disturbs nothing.
bool subscription_same_delivery(const struct subscription *a, const struct subscription *b);

// base64url of "async,EVENTTYPE,FUNCTIONID,PATHESCAPED,METHOD" or
// "sync,EVENTTYPE,PATHESCAPED,METHOD".
void subscription_id_write(bool is_sync, struct bytes event_type, struct bytes function_id,
                           struct bytes path, struct bytes method, struct buffer *ret_id);
// Classic: "http,METHOD,PATHESCAPED" or "EVENT,FUNCTIONID,PATHESCAPED".
void subscription_classic_id_write(struct bytes event, struct bytes function_id, struct bytes path,
                                   struct bytes method, struct buffer *ret_id);

#endif
