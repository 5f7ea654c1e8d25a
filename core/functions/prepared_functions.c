#include <stdlib.h>

#include "core/base/memory.h"
#include "core/functions/invoker_private.h"

void prepared_function_unref(struct prepared_function *prepared) {
    if (prepared && --prepared->references == 0) {
        prepared->provider->forget(prepared->state);
        function_unref(prepared->function);
        free(prepared);
    }
}

void prepared_functions_clear(struct invoker *invoker) {
    for (size_t i = 0; i < PREPARED_SLOTS; i++) {
        while (invoker->prepared[i]) {
            struct prepared_function *first = invoker->prepared[i];
            invoker->prepared[i] = first->next;
            prepared_function_unref(first);
        }
    }
    invoker->prepared_count = 0;
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           struct prepared_function **ret_prepared, struct error *error) {
    const struct provider *provider = provider_find(function->type);
    void *state = NULL;
    if (!provider) {
        return error_set(error, STATUS_INVALID, "provider %.*s not supported",
                         (int)(function->type.size > 100 ? 100 : function->type.size),
                         function->type.data);
    }
    enum status status = provider->prepare(invoker, function, &state, error);
    if (status == STATUS_OK) {
        struct prepared_function *prepared = memory_allocate(sizeof *prepared);
        *prepared = (struct prepared_function){.references = 1,
                                               .function = function_ref(function),
                                               .provider = provider,
                                               .state = state};
        *ret_prepared = prepared;
    }
    return status;
}

enum status prepared_function_find(struct invoker *invoker, const struct function *function,
                                   struct prepared_function **ret_function, struct error *error) {
    uint64_t hash = bytes_hash(function->space) * 31 + bytes_hash(function->id);
    struct prepared_function **place = &invoker->prepared[hash % PREPARED_SLOTS];
    struct prepared_function *prepared = NULL;
    while (*place && !(bytes_equal((*place)->function->id, function->id) &&
                       bytes_equal((*place)->function->space, function->space))) {
        place = &(*place)->next;
    }
    if (*place && (*place)->function != function) {
        // The function was changed: what runs keeps the old state, what follows gets the new one.
        struct prepared_function *old = *place;
        *place = old->next;
        invoker->prepared_count--;
        prepared_function_unref(old);
    } else if (*place) {
        prepared = *place;
    }
    if (!prepared) {
        enum status status = prepare(invoker, function, &prepared, error);
        if (status != STATUS_OK) {
            return status;
        }
        if (invoker->prepared_count >= PREPARED_MAX) {
            prepared_functions_clear(invoker);
        }
        place = &invoker->prepared[hash % PREPARED_SLOTS];
        prepared->next = *place;
        *place = prepared;
        invoker->prepared_count++;
    }
    prepared->references++;
    *ret_function = prepared;
    return STATUS_OK;
}
