// Retry-After of RFC 9110: seconds or a date.

#include <stdio.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/provider_call.h"

#define WAIT_MAX_MS INT64_C(86400000)

static int64_t bounded(int64_t wait_ms) {
    return wait_ms < 0 ? 0 : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
}

static int64_t parse_seconds(struct bytes value) {
    int64_t seconds = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return -1;
        }
        if (seconds <= WAIT_MAX_MS) {
            seconds = seconds * 10 + (value.data[i] - '0');
        }
    }
    return value.size == 0 ? -1 : bounded(seconds * 1000);
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the only form that may be sent today, as RFC 3339.
static enum status parse_date(struct bytes value, int64_t *ret_us) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[32];
    char name[4] = "";
    if (value.size != 29 || !bytes_end_with(value, BYTES(" GMT"))) {
        return STATUS_INVALID;
    }
    const char *date = value.data;
    memcpy(name, date + 8, 3);
    const char *month = strstr(months, name);
    if (!month || name[0] == '\0' || (month - months) % 3 != 0) {
        return STATUS_INVALID;
    }
    snprintf(text, sizeof text, "%.4s-%02d-%.2sT%.8sZ", date + 12, (int)((month - months) / 3 + 1),
             date + 5, date + 17);
    return timestamp_parse(bytes_of_text(text), ret_us);
}

int64_t retry_after_parse(struct bytes value, int64_t now_us) {
    int64_t date_us = 0;
    value = bytes_trim(value);
    int64_t wait_ms = parse_seconds(value);
    if (wait_ms >= 0 || parse_date(value, &date_us) != STATUS_OK) {
        return wait_ms;
    }
    return bounded((date_us - now_us + 999) / 1000); // Not before the date.
}
