#include "dispatcher/catch_up.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/event_log/event_log.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>

// A slice on its way. It outlives its cursor.
struct reading {
    struct event_log_slice slice;
    struct lane *lane;     // NULL: gone
    struct cursor *cursor; // NULL: gone
    struct reading *previous, *next;
};

static void read_on(struct lane *lane);

static void unlink_reading(struct reading *reading) {
    struct catch_up *catch_up = &reading->lane->catch_up;
    if (reading->previous) {
        reading->previous->next = reading->next;
    } else {
        catch_up->readings = reading->next;
    }
    if (reading->next) {
        reading->next->previous = reading->previous;
    }
    catch_up->reading--;
}

static void slice_done(struct event_log_slice *slice) {
    struct reading *reading = CONTAINER_OF(slice, struct reading, slice);
    struct lane *lane = reading->lane;
    struct cursor *cursor = reading->cursor;
    if (lane) {
        unlink_reading(reading);
    }
    if (cursor) {
        cursor->is_reading = false;
        cursor_take_slice(cursor, slice);
    }
    event_log_slice_clear(slice);
    free(reading);
    if (lane) {
        read_on(lane);
    }
}

static size_t records_for(const struct lane *lane, const struct cursor *cursor) {
    size_t room = cursor_room(cursor);
    if (lane->catch_up.bytes < CATCH_UP_BYTES_MAX) {
        return room;
    }
    return cursor->bytes > 0 || room < CATCH_UP_FEW_RECORDS ? 0 : CATCH_UP_FEW_RECORDS;
}

static void start_reading(struct lane *lane, struct cursor *cursor, size_t records) {
    struct reading *reading = memory_allocate(sizeof *reading);
    reading->lane = lane;
    reading->cursor = cursor;
    reading->slice = (struct event_log_slice){
        .stream = EVENT_LOG_EVENTS,
        .partition = cursor->partition->number,
        .from_offset = cursor_read_from(cursor),
        .max_records = records,
        .max_bytes = CURSOR_SLICE_BYTES,
        .loop = lane->loop,
        .done = slice_done,
    };
    struct catch_up *catch_up = &lane->catch_up;
    reading->next = catch_up->readings;
    if (catch_up->readings) {
        catch_up->readings->previous = reading;
    }
    catch_up->readings = reading;
    catch_up->reading++;
    if (event_log_read(lane->log, &reading->slice) == STATUS_OK) {
        cursor->is_reading = true;
        return;
    }
    unlink_reading(reading);
    free(reading);
    cursor_read_failed(cursor);
}

static struct cursor *take_ready(struct catch_up *catch_up) {
    struct cursor *cursor = catch_up->first;
    catch_up->first = cursor->next_ready;
    if (!catch_up->first) {
        catch_up->last = NULL;
    }
    cursor->next_ready = NULL;
    cursor->is_ready = false;
    return cursor;
}

static void read_on(struct lane *lane) {
    struct catch_up *catch_up = &lane->catch_up;
    while (catch_up->first && catch_up->reading < CATCH_UP_SLICES_MAX) {
        struct cursor *cursor = take_ready(catch_up);
        size_t records = records_for(lane, cursor);
        if (records > 0) {
            start_reading(lane, cursor, records);
        }
    }
}

void catch_up_want(struct lane *lane, struct cursor *cursor) {
    struct catch_up *catch_up = &lane->catch_up;
    if (cursor->is_ready || cursor->is_reading || records_for(lane, cursor) == 0) {
        return;
    }
    cursor->is_ready = true;
    if (catch_up->last) {
        catch_up->last->next_ready = cursor;
    } else {
        catch_up->first = cursor;
    }
    catch_up->last = cursor;
    read_on(lane);
}

void catch_up_forget(struct lane *lane, struct cursor *cursor) {
    struct catch_up *catch_up = &lane->catch_up;
    struct cursor *before = NULL;
    for (struct cursor *ready = catch_up->first; ready && cursor->is_ready;
         before = ready, ready = ready->next_ready) {
        if (ready == cursor) {
            *(before ? &before->next_ready : &catch_up->first) = cursor->next_ready;
            catch_up->last = catch_up->last == cursor ? before : catch_up->last;
            cursor->is_ready = false;
        }
    }
    for (struct reading *reading = catch_up->readings; reading; reading = reading->next) {
        if (reading->cursor == cursor) {
            reading->cursor = NULL;
        }
    }
}

void catch_up_stop(struct lane *lane) {
    for (struct reading *reading = lane->catch_up.readings; reading; reading = reading->next) {
        reading->lane = NULL;
        reading->cursor = NULL;
    }
    lane->catch_up.readings = NULL;
}
