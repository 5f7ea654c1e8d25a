#include "core/subscriptions/delivery_policy.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "core/base/memory.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define DAY_MS (24 * 60 * MINUTE_MS)

static const struct delivery_policy default_policy = {
    .ordering = ORDERING_NONE,
    .max_in_flight = 64,
    .timeout_ms = 30 * SECOND_MS,
    .batch_max_events = 1,
    .batch_max_wait_ms = 20,
    .retry = {.max_attempts = 18,
              .initial_ms = 500,
              .factor = 2,
              .max_ms = 60 * MINUTE_MS,
              .max_age_ms = DAY_MS,
              .final_statuses = {400, 405, 406, 411, 413, 414, 415, 422, 431, 501},
              .final_status_count = 10},
    .has_dead_letter = true,
};

static enum status not_supported(const char *name, struct error *error) {
    return error_set(error, STATUS_INVALID, "%s: not supported yet", name);
}

static bool is_absent(const json_t *value) {
    return !value || json_is_null(value);
}

static enum status read_object(const json_t *parent, const char *member, const char *name,
                               const json_t **ret_object, struct error *error) {
    const json_t *object = json_object_get(parent, member);
    if (object && !json_is_object(object)) {
        return error_set(error, STATUS_INVALID, "%s: must be an object", name);
    }
    *ret_object = object; // json_object_get of NULL is NULL: absent means all defaults
    return STATUS_OK;
}

// Leaves the default when the member is absent.
static enum status read_number(const json_t *parent, const char *name, int64_t minimum,
                               int64_t maximum, int64_t *ret_number, struct error *error) {
    const char *dot = strrchr(name, '.');
    const json_t *value = json_object_get(parent, dot + 1);
    if (!value) {
        return STATUS_OK;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < minimum || number > maximum) {
        return error_set(error, STATUS_INVALID,
                         "%s: must be a whole number from %" PRId64 " to %" PRId64, name, minimum,
                         maximum);
    }
    *ret_number = number;
    return STATUS_OK;
}

static enum status read_factor(const json_t *retry, double *ret_factor, struct error *error) {
    const json_t *value = json_object_get(retry, "factor");
    if (!value) {
        return STATUS_OK;
    }
    double factor = json_number_value(value);
    if (!json_is_number(value) || !(factor >= 1 && factor <= 10)) {
        return error_set(error, STATUS_INVALID,
                         "delivery.retry.factor: must be a number from 1 to 10");
    }
    *ret_factor = factor;
    return STATUS_OK;
}

static enum status read_final_statuses(const json_t *retry, struct retry_policy *policy,
                                       struct error *error) {
    const json_t *statuses = json_object_get(retry, "finalStatuses");
    if (!statuses) {
        return STATUS_OK;
    }
    if (!json_is_array(statuses) ||
        json_array_size(statuses) > ARRAY_LENGTH(policy->final_statuses)) {
        return error_set(error, STATUS_INVALID,
                         "delivery.retry.finalStatuses: must be an array of at most %zu",
                         ARRAY_LENGTH(policy->final_statuses));
    }
    policy->final_status_count = json_array_size(statuses);
    for (size_t i = 0; i < policy->final_status_count; i++) {
        const json_t *value = json_array_get(statuses, i);
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 300 || number > 599) {
            return error_set(error, STATUS_INVALID,
                             "delivery.retry.finalStatuses[%zu]: must be from 300 to 599", i);
        }
        policy->final_statuses[i] = (uint16_t)number;
    }
    return STATUS_OK;
}

static enum status read_retry(const json_t *delivery, struct retry_policy *policy,
                              struct error *error) {
    const json_t *retry = NULL;
    int64_t attempts = policy->max_attempts;
    enum status status = read_object(delivery, "retry", "delivery.retry", &retry, error);
    if (status == STATUS_OK) {
        status = read_number(retry, "delivery.retry.maxAttempts", 1, 1000, &attempts, error);
    }
    if (status == STATUS_OK) {
        status = read_number(retry, "delivery.retry.initialMs", 1, 7 * DAY_MS, &policy->initial_ms,
                             error);
    }
    if (status == STATUS_OK) {
        status = read_factor(retry, &policy->factor, error);
    }
    if (status == STATUS_OK) {
        status = read_number(retry, "delivery.retry.maxMs", 1, 7 * DAY_MS, &policy->max_ms, error);
    }
    if (status == STATUS_OK) {
        status = read_number(retry, "delivery.retry.maxAgeMs", 1, 365 * DAY_MS, &policy->max_age_ms,
                             error);
    }
    if (status == STATUS_OK) {
        status = read_final_statuses(retry, policy, error);
    }
    policy->max_attempts = (uint32_t)attempts;
    return status;
}

static enum status read_ordering(const json_t *delivery, enum ordering *ret_ordering,
                                 struct error *error) {
    const json_t *ordering = json_object_get(delivery, "ordering");
    const char *text = json_string_value(ordering);
    if (!ordering) {
        return STATUS_OK;
    }
    if (text && strcmp(text, "none") == 0) {
        *ret_ordering = ORDERING_NONE;
    } else if (text && strcmp(text, "key") == 0) {
        *ret_ordering = ORDERING_KEY;
    } else {
        return error_set(error, STATUS_INVALID, "delivery.ordering: must be \"none\" or \"key\"");
    }
    return STATUS_OK;
}

static enum status read_batch(const json_t *delivery, struct delivery_policy *policy,
                              struct error *error) {
    const json_t *batch = NULL;
    int64_t max_events = policy->batch_max_events;
    enum status status = read_object(delivery, "batch", "delivery.batch", &batch, error);
    if (status == STATUS_OK) {
        status = read_number(batch, "delivery.batch.maxEvents", 1, 1000, &max_events, error);
    }
    if (status == STATUS_OK) {
        status = read_number(batch, "delivery.batch.maxWaitMs", 0, MINUTE_MS,
                             &policy->batch_max_wait_ms, error);
    }
    policy->batch_max_events = (uint32_t)max_events;
    return status;
}

static enum status read_rate(const json_t *delivery, double *ret_rate, struct error *error) {
    const json_t *value = json_object_get(delivery, "ratePerSecond");
    if (is_absent(value)) {
        return STATUS_OK;
    }
    double rate = json_number_value(value);
    if (!json_is_number(value) || !(rate >= 0.001 && rate <= 1000000)) {
        return error_set(error, STATUS_INVALID,
                         "delivery.ratePerSecond: must be a number from 0.001 to 1000000");
    }
    *ret_rate = rate;
    return STATUS_OK;
}

static enum status read_dead_letter(const json_t *delivery, bool *ret_has, struct error *error) {
    const json_t *value = json_object_get(delivery, "deadLetter");
    if (value && !json_is_boolean(value)) {
        return error_set(error, STATUS_INVALID, "delivery.deadLetter: must be true or false");
    }
    if (value) {
        *ret_has = json_is_true(value);
    }
    return STATUS_OK;
}

static enum status refuse_unsupported(const json_t *document, struct error *error) {
    const json_t *filters = json_object_get(document, "filters");
    if (!is_absent(filters) && (!json_is_array(filters) || json_array_size(filters) > 0)) {
        return not_supported("filters", error);
    }
    if (!is_absent(json_object_get(document, "transform"))) {
        return not_supported("transform", error);
    }
    return STATUS_OK;
}

static enum status read_delivery(const json_t *delivery, struct delivery_policy *policy,
                                 struct error *error) {
    int64_t in_flight = policy->max_in_flight;
    enum status status = read_ordering(delivery, &policy->ordering, error);
    if (status == STATUS_OK) {
        status = read_batch(delivery, policy, error);
    }
    if (status == STATUS_OK) {
        status = read_number(delivery, "delivery.maxInFlight", 1, 10000, &in_flight, error);
    }
    if (status == STATUS_OK) {
        status = read_number(delivery, "delivery.timeoutMs", 1, 15 * MINUTE_MS, &policy->timeout_ms,
                             error);
    }
    if (status == STATUS_OK) {
        status = read_rate(delivery, &policy->rate_per_second, error);
    }
    if (status == STATUS_OK) {
        status = read_dead_letter(delivery, &policy->has_dead_letter, error);
    }
    if (status == STATUS_OK) {
        status = read_retry(delivery, &policy->retry, error);
    }
    policy->max_in_flight = (uint32_t)in_flight;
    return status;
}

enum status delivery_policy_read(const struct json_t *document, struct delivery_policy *ret_policy,
                                 struct error *error) {
    const json_t *delivery = NULL;
    struct delivery_policy policy = default_policy;
    enum status status = refuse_unsupported(document, error);
    if (status == STATUS_OK) {
        status = read_object(document, "delivery", "delivery", &delivery, error);
    }
    if (status == STATUS_OK) {
        status = read_delivery(delivery, &policy, error);
    }
    if (status == STATUS_OK) {
        *ret_policy = policy;
    }
    return status;
}

static bool retry_policy_equal(const struct retry_policy *a, const struct retry_policy *b) {
    return a->max_attempts == b->max_attempts && a->initial_ms == b->initial_ms &&
           a->factor == b->factor && a->max_ms == b->max_ms && a->max_age_ms == b->max_age_ms &&
           a->final_status_count == b->final_status_count &&
           memcmp(a->final_statuses, b->final_statuses,
                  a->final_status_count * sizeof a->final_statuses[0]) == 0;
}

bool delivery_policy_equal(const struct delivery_policy *a, const struct delivery_policy *b) {
    return a->ordering == b->ordering && a->max_in_flight == b->max_in_flight &&
           a->rate_per_second == b->rate_per_second && a->timeout_ms == b->timeout_ms &&
           a->batch_max_events == b->batch_max_events &&
           a->batch_max_wait_ms == b->batch_max_wait_ms &&
           a->has_dead_letter == b->has_dead_letter && retry_policy_equal(&a->retry, &b->retry);
}
