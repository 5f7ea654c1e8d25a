// What authorizers have answered lately, by the value of the Authorization header: one per loop,
// bounded. An answer counts for the event type and the authorizer as they were registered then, so
// that a change of either is asked anew.
#ifndef EVENT_GATEWAY_INGEST_AUTHORIZER_CACHE_H
#define EVENT_GATEWAY_INGEST_AUTHORIZER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/registry/resources.h"

// What an authorizer said.
struct authorizer_decision {
    bool is_granted;
    struct bytes principal, claims; // of a grant; may be empty. claims: JSON text
    struct bytes message;           // of a refusal
};

struct authorizer_question {
    const struct event_type *event_type;
    const struct function *authorizer;
    struct bytes authorization; // the header's value
};

#define AUTHORIZER_CACHE_MAX 4096               // answers
#define AUTHORIZER_CACHE_AUTHORIZATION_MAX 8192 // bytes; a longer one is not kept

struct authorizer_cache;

struct authorizer_cache *authorizer_cache_create(void);
void authorizer_cache_destroy(struct authorizer_cache *cache); // NULL is fine
// The decision is valid until the next call; NULL when there is none or its time is over.
const struct authorizer_decision *authorizer_cache_find(struct authorizer_cache *cache,
                                                        const struct authorizer_question *question,
                                                        int64_t now_us);
// Keeps a copy for as long as the event type says. What was used longest ago goes when there is no
// room. Nothing is kept of a request without Authorization: others without it may be anybody's.
void authorizer_cache_keep(struct authorizer_cache *cache,
                           const struct authorizer_question *question,
                           const struct authorizer_decision *decision, int64_t now_us);

#endif
