#include "core/events/delivery_times.h"

#include "core/base/text.h"
#include "core/events/event_attribute.h"

#define NOT_BEFORE "delivernotbefore"

static int64_t time_of(const struct event *event, const char *name, int64_t absent_us) {
    const struct event_extension *extension = event_extension(event, name);
    int64_t time_us;
    return extension && timestamp_parse(extension->value, &time_us) == STATUS_OK ? time_us
                                                                                 : absent_us;
}

int64_t event_not_before_us(const struct event *event) {
    int64_t time_us = time_of(event, NOT_BEFORE, 0);
    return time_us > 0 ? time_us : 0;
}

int64_t event_expires_us(const struct event *event) {
    return time_of(event, "expirytime", INT64_MAX);
}

enum status event_delivery_times_check(const struct event *event, int64_t now_us,
                                       struct error *error) {
    const struct event_extension *extension = event_extension(event, NOT_BEFORE);
    int64_t time_us;
    if (!extension) {
        return STATUS_OK;
    }
    if (timestamp_parse(extension->value, &time_us) != STATUS_OK) {
        return error_set(error, STATUS_INVALID,
                         NOT_BEFORE " \"%.*s\" is not a time such as 2026-11-24T01:02:03Z",
                         SHOWN(extension->value));
    }
    if (time_us > now_us && time_us - now_us > DELIVERY_DELAY_MAX_US) {
        return error_set(error, STATUS_INVALID, NOT_BEFORE " \"%.*s\" lies more than 7 days ahead",
                         SHOWN(extension->value));
    }
    return STATUS_OK;
}
