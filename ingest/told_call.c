#include "ingest/told_call.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

static struct bytes copy_behind(char **end, struct bytes bytes) {
    char *copy = *end;
    if (bytes.size > 0) {
        *end = mempcpy(copy, bytes.data, bytes.size);
    }
    return (struct bytes){copy, bytes.size};
}

// The match's own end with it.
static void keep_params(struct told_call *told, const struct event_params *params) {
    size_t size = params->count * sizeof *params->items;
    for (size_t i = 0; i < params->count; i++) {
        size += params->items[i].name.size + params->items[i].value.size;
    }
    struct http_header *items = memory_allocate(size);
    char *end = (char *)(items + params->count);
    for (size_t i = 0; i < params->count; i++) {
        items[i].name = copy_behind(&end, params->items[i].name);
        items[i].value = copy_behind(&end, params->items[i].value);
    }
    told->storage = items;
    told->params = (struct event_params){.items = items, .count = params->count};
    told->call.params = &told->params;
}

static bool somebody_wants_the_end(const struct intake *intake, struct bytes space) {
    return snapshot_wants_system_event(intake->snapshot, space, SYSTEM_FUNCTION_INVOKED) ||
           snapshot_wants_system_event(intake->snapshot, space, SYSTEM_FUNCTION_FAILED);
}

void told_call_begin(struct told_call *told, struct intake *intake, struct bytes space,
                     struct bytes function_id, const struct event_params *params) {
    const struct system_emitter *emitter = &intake->ingest->emitter;
    *told = (struct told_call){.call = {.space = space,
                                        .function_id = function_id,
                                        .event = intake->events.events[0],
                                        .params = params}};
    intake_tell_received(intake);
    system_emit_invoking(emitter, intake->snapshot, &told->call);
    told->call.params = NULL;
    if (params && params->count > 0 && somebody_wants_the_end(intake, space)) {
        keep_params(told, params);
    }
}

void told_call_end(struct told_call *told, const struct intake *intake,
                   const struct invocation_result *result) {
    system_emit_outcome(&intake->ingest->emitter, intake->snapshot, &told->call, result);
    free(told->storage);
}
