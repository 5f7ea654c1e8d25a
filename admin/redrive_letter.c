#include "admin/redrive_letter.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

#define RETRY_US 500000

void redrive_letter_clear(struct redrive_letter *letter) {
    event_log_slice_clear(&letter->slice);
    event_record_clear(&letter->parked);
    event_unref(letter->event);
    buffer_clear(&letter->storage);
}

static void end(struct redrive_letter *letter, enum redrive_letter_end how, const char *reason) {
    letter->end = how;
    snprintf(letter->reason, sizeof letter->reason, "%s", reason);
    letter->done(letter);
}

static void try_letter(struct redrive_letter *letter);

// The log is away: a letter that has begun goes on until the redrive or the node stops, and does
// not end from inside its beginning.
static void try_later(struct redrive_letter *letter, const char *what) {
    bool is_over = !letter->is_parked && !letter->is_wanted(letter);
    if (is_over || letter->driver->is_stopping) {
        end(letter, REDRIVE_LETTER_FAILED, what);
    } else {
        event_loop_timer_start(letter->driver->loop, &letter->retry, RETRY_US);
    }
}

static void retry_expired(struct event_loop_timer *timer) {
    try_letter(CONTAINER_OF(timer, struct redrive_letter, retry));
}

// Here at once, on other nodes when they read the mark.
static void mark_in_index(struct redrive_letter *letter) {
    struct event_index *index = letter->driver->index;
    struct error error = {0};
    event_index_begin(index);
    event_index_mark_letter(index, letter->at.place.partition, letter->at.place.offset,
                            LETTER_REDRIVEN, letter->redrive_id);
    if (event_index_commit(index, &error) != STATUS_OK) {
        log_line(LOG_WARNING, "a redriven letter is shown until its mark is read",
                 LOG_TEXT("reason", error.text));
    }
}

static void append_done(struct event_log_append *append) {
    struct redrive_letter *letter = CONTAINER_OF(append, struct redrive_letter, append);
    if (append->status == STATUS_TOO_LARGE || append->status == STATUS_FAILED) {
        end(letter, REDRIVE_LETTER_FAILED, "the log does not take the record");
    } else if (append->status != STATUS_OK) {
        try_later(letter, "the log is away");
    } else if (!letter->is_parked) {
        letter->is_parked = true;
        try_letter(letter);
    } else {
        mark_in_index(letter);
        end(letter, REDRIVE_LETTER_REDRIVEN, "");
    }
}

static void append_next(struct redrive_letter *letter) {
    letter->append = (struct event_log_append){
        .stream = letter->is_parked ? EVENT_LOG_DEAD_LETTERS : EVENT_LOG_RETRY_10S,
        .record = letter->is_parked ? letter->mark.record : letter->parked.record,
        .loop = letter->driver->loop,
        .done = append_done,
    };
    if (event_log_append(letter->driver->log, &letter->append) != STATUS_OK) {
        try_later(letter, "the log is away");
    }
}

static bool has_subscription(const struct redrive_letter *letter, const struct dead_letter *found) {
    const struct snapshot *snapshot = registry_snapshot(letter->driver->registry);
    bool has = snapshot_subscription(snapshot, found->space, found->subscription_id) != NULL;
    snapshot_unref(snapshot);
    return has;
}

static void park(struct redrive_letter *letter, const struct stored_record *stored) {
    struct dead_letter found;
    if (dead_letter_decode(stored, &found, &letter->storage, &letter->event, NULL) != STATUS_OK) {
        end(letter, REDRIVE_LETTER_FAILED, "the record is no dead letter");
        return;
    }
    if (!has_subscription(letter, &found)) {
        end(letter, REDRIVE_LETTER_FAILED, "the subscription is not there any more");
        return;
    }
    struct parked_delivery parked = {
        .subscription_id = found.subscription_id,
        .space = found.space,
        .function_id = found.function_id,
        .due_us = clock_wall_us(),
        .reason = BYTES("redriven from the dead letters"),
        .partition = found.partition,
        .offset = found.offset,
    };
    const struct letter_mark mark = {.kind = LETTER_MARK_REDRIVEN,
                                     .partition = letter->at.place.partition,
                                     .offset = letter->at.place.offset,
                                     .redrive_id = letter->redrive_id};
    parked_delivery_encode(&parked, letter->event, &letter->parked);
    letter_mark_encode(&mark, &letter->mark);
    append_next(letter);
}

static void slice_done(struct event_log_slice *slice) {
    struct redrive_letter *letter = CONTAINER_OF(slice, struct redrive_letter, slice);
    bool is_there = slice->count > 0 && slice->records[0].offset == letter->at.place.offset;
    if (slice->status != STATUS_OK) {
        try_later(letter, "the log cannot be read");
    } else if (!is_there) {
        end(letter, REDRIVE_LETTER_MISSING, "");
    } else {
        park(letter, &slice->records[0]);
    }
}

static void try_letter(struct redrive_letter *letter) {
    if (letter->event) {
        append_next(letter);
        return;
    }
    letter->slice.stream = EVENT_LOG_DEAD_LETTERS;
    letter->slice.partition = letter->at.place.partition;
    letter->slice.from_offset = letter->at.place.offset;
    letter->slice.max_records = 1;
    letter->slice.loop = letter->driver->loop;
    letter->slice.done = slice_done;
    if (event_log_read(letter->driver->log, &letter->slice) != STATUS_OK) {
        try_later(letter, "the log cannot be read");
    }
}

void redrive_letter_begin(struct redrive_letter *letter) {
    letter->retry.expired = retry_expired;
    try_letter(letter);
}
