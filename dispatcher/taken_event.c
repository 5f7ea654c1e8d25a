#include "dispatcher/taken_event.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/events/delivery_times.h"
#include "core/events/event.h"
#include "core/events/event_record.h"
#include "dispatcher/cursor.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>

static size_t record_size(const struct record *record) {
    size_t size = record->key.size + record->value.size;
    for (size_t i = 0; i < record->header_count; i++) {
        size += record->headers[i].name.size + record->headers[i].value.size;
    }
    return size;
}

static void log_refused(const struct stored_record *stored, const struct error *error) {
    static struct log_limit limit;
    uint64_t suppressed;
    metric_add(dispatcher_metrics()->records_refused, 1);
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "record in the log is no event", LOG_TEXT("reason", error->text),
                 LOG_NUMBER("partition", stored->partition), LOG_NUMBER("offset", stored->offset),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

void taken_parked_destroy(struct taken_parked *parked) {
    if (parked) {
        buffer_clear(&parked->storage);
        free(parked);
    }
}

static enum status decode_parked(const struct stored_record *stored, struct taken_record *ret_taken,
                                 struct error *error) {
    ret_taken->parked = memory_allocate(sizeof *ret_taken->parked);
    enum status status =
        parked_delivery_decode(stored, &ret_taken->parked->delivery, &ret_taken->parked->storage,
                               &ret_taken->event, error);
    if (status != STATUS_OK) {
        taken_parked_destroy(ret_taken->parked);
        ret_taken->parked = NULL;
    }
    return status;
}

void taken_record_decode(const struct stored_record *stored, bool is_parked,
                         struct taken_record *ret_taken) {
    struct error error;
    *ret_taken = (struct taken_record){.offset = stored->offset,
                                       .stored_ms = stored->timestamp_ms,
                                       .bytes = record_size(&stored->record)};
    enum status status = is_parked ? decode_parked(stored, ret_taken, &error)
                                   : event_record_decode(stored, &ret_taken->event, &error);
    if (status != STATUS_OK) {
        ret_taken->event = NULL;
        log_refused(stored, &error);
    }
}

static void count_in_cursor(struct cursor *cursor, size_t bytes) {
    cursor->bytes += bytes;
    cursor->partition->lane->catch_up.bytes += bytes;
}

struct taken_event *taken_event_create(struct partition *partition, struct cursor *cursor,
                                       const struct taken_record *record) {
    struct taken_event *taken = memory_allocate(sizeof *taken);
    taken->place.offset = record->offset;
    taken->partition = partition;
    taken->cursor = cursor;
    taken->event = record->event;
    taken->bytes = record->bytes;
    taken->expires_us = event_expires_us(record->event);
    taken->not_before_us = event_not_before_us(record->event);
    taken->wall_ahead_us = clock_wall_us() - event_loop_now_us(partition->lane->loop);
    taken->partition_number = partition->number;
    taken->offset = record->offset;
    taken->trace =
        trace_context_of(record->event, random_below(UINT64_MAX), random_below(UINT64_MAX));
    if (cursor) {
        count_in_cursor(cursor, taken->bytes);
    }
    return taken;
}

struct taken_event *taken_event_copy_for(struct cursor *cursor, const struct taken_event *taken) {
    struct taken_event *copy = memory_allocate(sizeof *copy);
    *copy = *taken;
    copy->place = (struct offset_tracker_entry){.offset = taken->place.offset};
    copy->cursor = cursor;
    copy->replay_id = NULL; // Only what was parked has one.
    copy->event = event_ref(taken->event);
    copy->open_deliveries = 1;
    count_in_cursor(cursor, copy->bytes);
    return copy;
}

void taken_event_charge(struct taken_event *taken, size_t bytes) {
    taken->bytes += bytes;
    if (taken->cursor) {
        count_in_cursor(taken->cursor, bytes);
    } else {
        window_charge(&taken->partition->window, bytes);
    }
}

void taken_event_destroy(struct taken_event *taken) {
    if (taken->cursor) {
        taken->cursor->bytes -= taken->bytes;
        taken->partition->lane->catch_up.bytes -= taken->bytes;
    } else {
        window_give(&taken->partition->window, 1, taken->bytes);
    }
    event_unref(taken->event);
    free(taken->replay_id);
    free(taken);
}
