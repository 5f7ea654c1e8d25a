// A function that stands for several: each call goes to one of them, by weight at random.

#include <jansson.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/providers.h"
#include "core/functions/weighted.h"

#define MEMBERS_MAX 1000
#define WEIGHT_MAX 1000000
#define NESTED_MAX 8
#define VISITS_MAX 10000

static const struct provider_field fields[] = {
    {.name = "weighted",
     .kind = PROVIDER_FIELD_ARRAY,
     .is_required = true,
     .help = "[{functionId, weight}]: weights are whole numbers, their sum is above 0."},
};

struct member {
    char *function_id;
    uint64_t up_to; // the sum of the weights up to this member
};

struct prepared {
    struct member *members;
    size_t count;
};

static enum status check_member(const json_t *member, size_t index, struct error *error) {
    const json_t *weight = json_object_get(member, "weight");
    const char *id = json_string_value(json_object_get(member, "functionId"));
    if (!id || id[0] == '\0') {
        return error_set(error, STATUS_INVALID, "provider.weighted[%zu].functionId: is missing",
                         index);
    }
    // Absent is 0, as in the original.
    if (weight && (!json_is_integer(weight) || json_integer_value(weight) < 0 ||
                   json_integer_value(weight) > WEIGHT_MAX)) {
        return error_set(error, STATUS_INVALID,
                         "provider.weighted[%zu].weight: must be a whole number from 0 to %d",
                         index, WEIGHT_MAX);
    }
    return STATUS_OK;
}

static enum status check(const json_t *provider, struct error *error) {
    const json_t *members = json_object_get(provider, "weighted");
    json_int_t sum = 0;
    if (json_array_size(members) == 0) {
        return error_set(error, STATUS_INVALID, "%s", provider_weighted.missing_text);
    }
    if (json_array_size(members) > MEMBERS_MAX) {
        return error_set(error, STATUS_INVALID, "provider.weighted: more than %d members",
                         MEMBERS_MAX);
    }
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        enum status status = check_member(member, i, error);
        if (status != STATUS_OK) {
            return status;
        }
        sum += json_integer_value(json_object_get(member, "weight"));
    }
    return sum > 0 ? STATUS_OK : error_set(error, STATUS_INVALID, "Function weights sum to zero.");
}

static void forget(void *state) {
    struct prepared *prepared = state;
    for (size_t i = 0; i < prepared->count; i++) {
        free(prepared->members[i].function_id);
    }
    free(prepared->members);
    free(prepared);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    const json_t *members = json_object_get(function->provider, "weighted");
    uint64_t sum = 0;
    (void)invoker;
    enum status status = check(function->provider, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct prepared *prepared = memory_allocate(sizeof *prepared);
    prepared->count = json_array_size(members);
    prepared->members = memory_allocate(prepared->count * sizeof *prepared->members);
    for (size_t i = 0; i < prepared->count; i++) {
        const json_t *member = json_array_get(members, i);
        sum += (uint64_t)json_integer_value(json_object_get(member, "weight"));
        prepared->members[i].up_to = sum;
        prepared->members[i].function_id =
            memory_copy_text(json_string_value(json_object_get(member, "functionId")));
    }
    *ret_prepared = prepared;
    return STATUS_OK;
}

static struct bytes choose(const void *state) {
    const struct prepared *prepared = state;
    uint64_t point = random_below(prepared->members[prepared->count - 1].up_to);
    size_t chosen = 0;
    while (prepared->members[chosen].up_to <= point) {
        chosen++;
    }
    return bytes_of_text(prepared->members[chosen].function_id);
}

struct member_check {
    const struct snapshot *snapshot;
    struct bytes space;
    struct bytes function_id; // must not be among its own members
    size_t visits;
};

static bool is_weighted(const struct function *function) {
    return function && bytes_equal_text(function->type, provider_weighted.type);
}

static enum status check_member_of(struct member_check *check, const json_t *id,
                                   const struct function **ret_function, struct error *error) {
    struct bytes member = json_string_bytes(id);
    int size = (int)(member.size > 200 ? 200 : member.size);
    if (++check->visits > VISITS_MAX) {
        return error_set(error, STATUS_INVALID,
                         "provider.weighted: more than %d members in nested functions", VISITS_MAX);
    }
    if (bytes_equal(member, check->function_id)) {
        return error_set(error, STATUS_INVALID,
                         "provider.weighted: function \"%.*s\" would call itself", size,
                         member.data);
    }
    *ret_function = snapshot_function(check->snapshot, check->space, member);
    if (!*ret_function) {
        return error_set(error, STATUS_INVALID, "Function \"%.*s\" not found.", size, member.data);
    }
    return STATUS_OK;
}

// Depth first through the members. Depth and visits are bounded, so that what was registered before
// in a bad shape ends too.
static enum status check_members(struct member_check *check, const json_t *provider, int depth,
                                 struct error *error) {
    const json_t *members = json_object_get(provider, "weighted");
    if (depth > NESTED_MAX) {
        return error_set(error, STATUS_INVALID,
                         "provider.weighted: more than %d levels of weighted functions",
                         NESTED_MAX);
    }
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *id = json_object_get(json_array_get(members, i), "functionId");
        const struct function *function = NULL;
        enum status status = check_member_of(check, id, &function, error);
        if (status == STATUS_OK && is_weighted(function)) {
            status = check_members(check, function->provider, depth + 1, error);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status weighted_check(const struct snapshot *snapshot, struct bytes space,
                           struct bytes function_id, const json_t *provider, struct error *error) {
    struct member_check check = {.snapshot = snapshot, .space = space, .function_id = function_id};
    return check_members(&check, provider, 1, error);
}

const struct provider provider_weighted = {
    .type = "weighted",
    .missing_text = "Missing required fields for weighted function.",
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .choose = choose,
};
