#include <assert.h>
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

// Where the function of that id is, or the end of its slot.
static struct prepared_function **find_place(struct invoker *invoker,
                                             const struct function *function) {
    uint64_t hash = bytes_hash(function->space) * 31 + bytes_hash(function->id);
    struct prepared_function **place = &invoker->prepared[hash % PREPARED_SLOTS];
    while (*place && !(bytes_equal((*place)->function->id, function->id) &&
                       bytes_equal((*place)->function->space, function->space))) {
        place = &(*place)->next;
    }
    return place;
}

// What runs keeps the old state, what follows gets the new one.
static void forget_old(struct invoker *invoker, struct prepared_function **place) {
    struct prepared_function *old = *place;
    *place = old->next;
    invoker->prepared_count--;
    prepared_function_unref(old);
}

static void keep(struct invoker *invoker, struct prepared_function *prepared) {
    if (invoker->prepared_count >= PREPARED_MAX) {
        prepared_functions_clear(invoker);
    }
    *find_place(invoker, prepared->function) = prepared;
    invoker->prepared_count++;
}

enum status prepared_function_find(struct invoker *invoker, const struct function *function,
                                   struct prepared_function **ret_function, struct error *error) {
    struct prepared_function **place = find_place(invoker, function);
    struct prepared_function *prepared = *place;
    if (prepared && prepared->function != function) {
        forget_old(invoker, place);
        prepared = NULL;
    }
    if (!prepared) {
        enum status status = prepare(invoker, function, &prepared, error);
        if (status != STATUS_OK) {
            return status;
        }
        assert(prepared);
        keep(invoker, prepared);
    }
    prepared->references++;
    *ret_function = prepared;
    return STATUS_OK;
}
