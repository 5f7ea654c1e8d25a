// One dead letter of a redrive on its way: read, appended to eg.retry.10s as due now, marked in
// eg.deadletter. Belongs to the event store's thread.
//
// Invariants:
//   1. It is marked only when the log has confirmed the delivery: after a crash in between it comes
//      twice rather than never.
//   2. One that was appended is marked, however long the log is away, unless the node stops.
#ifndef EVENT_GATEWAY_ADMIN_REDRIVE_LETTER_H
#define EVENT_GATEWAY_ADMIN_REDRIVE_LETTER_H

#include <stdbool.h>

#include "admin/event_index.h"
#include "core/base/event_loop.h"
#include "core/events/letter_mark.h"
#include "core/events/parked_record.h"
#include "core/registry/registry.h"

// What all that drive redrives on a node share.
struct redrive_driver {
    struct event_log *log;
    struct registry *registry;
    struct event_loop *loop;
    struct event_index *index;
    struct bytes node_id;
    int64_t trusted_until_us; // monotonic: until then what the registry said of owners holds
    bool is_stopping;
    void (*run_ended)(struct redrive_driver *driver); // one is over; runs stay as they are
};

enum redrive_letter_end {
    REDRIVE_LETTER_REDRIVEN,
    REDRIVE_LETTER_FAILED,
    REDRIVE_LETTER_MISSING, // the log has it no more
    REDRIVE_LETTER_SKIPPED, // it was marked before
};

// The caller owns it until done was called, which is never from inside a call of the caller.
struct redrive_letter {
    struct redrive_driver *driver;
    struct bytes redrive_id; // stays the caller's
    struct letter_place at;
    bool (*is_wanted)(const struct redrive_letter *letter);
    void (*done)(struct redrive_letter *letter);
    void *context;
    struct redrive_letter *next; // the caller's
    bool is_done;                // the caller's

    enum redrive_letter_end end;
    char reason[128]; // of one that failed

    struct event_log_slice slice; // from here on its own
    struct event_log_append append;
    struct encoded_record parked;
    struct letter_mark_record mark;
    const struct event *event;
    struct buffer storage;
    struct event_loop_timer retry;
    bool is_parked;
};
void redrive_letter_begin(struct redrive_letter *letter);
void redrive_letter_clear(struct redrive_letter *letter);

#endif
