// The invoker's state, and its cache of functions that are ready to be called. Belongs to the
// loop's thread.
#ifndef EVENT_GATEWAY_FUNCTIONS_INVOKER_PRIVATE_H
#define EVENT_GATEWAY_FUNCTIONS_INVOKER_PRIVATE_H

#include "core/functions/invoker.h"
#include "core/functions/provider.h"

// A function with what its provider made of it. Counted: the cache holds one reference, each call
// one.
struct prepared_function {
    size_t references;
    const struct function
        *function; // a reference; its address tells whether the document is still the same
    const struct provider *provider;
    void *state;                    // the provider's
    struct prepared_function *next; // in its slot
};

#define PREPARED_SLOTS 1024
#define PREPARED_MAX 20000

struct invoker {
    struct event_loop *loop;
    struct invoker_options options;
    struct http_client *client;
    struct invocation *invocations; // all that run
    size_t inside;
    struct prepared_function *prepared[PREPARED_SLOTS];
    size_t prepared_count;
};

// One reference. What cannot be prepared says why; nothing is remembered of it.
enum status must_check prepared_function_find(struct invoker *invoker,
                                              const struct function *function,
                                              struct prepared_function **ret_function,
                                              struct error *error);
void prepared_function_unref(struct prepared_function *function); // NULL is fine
void prepared_functions_clear(struct invoker *invoker);

#endif
