// A record's value as anybody can write it to eg.outcome: what is accepted is written and read
// again as the same.

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/json.h"
#include "core/events/outcome_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(void *context, const struct outcome *outcome) {
    assert(outcome->event_id.size > 0 && outcome->subscription_id.size > 0);
    outcome_batch_add(context, outcome);
}

static void add_in_flight(void *context, const struct in_flight_count *count) {
    assert(count->subscription_id.size > 0);
    outcome_batch_add_in_flight(context, count);
}

static const struct outcome_visitor visitor = {.outcome = add, .in_flight = add_in_flight};

static void decode(struct bytes value, struct outcome_batch *ret_batch, size_t *ret_refused) {
    struct error error = {{0}};
    if (outcome_record_decode(value, &visitor, ret_batch, ret_refused, &error) != STATUS_OK) {
        assert(error.text[0] != '\0' && ret_batch->count == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct outcome_batch first = {0};
    struct outcome_batch second = {0};
    size_t refused = 0;
    decode((struct bytes){(const char *)data, size}, &first, &refused);
    size_t count = first.count;
    struct bytes value = outcome_batch_finish(&first);
    assert(json_is_valid(value));
    decode(value, &second, &refused);
    assert(refused == 0 && second.count == count);
    assert(bytes_equal(outcome_batch_finish(&second), value));
    outcome_batch_clear(&first);
    outcome_batch_clear(&second);
    return 0;
}
