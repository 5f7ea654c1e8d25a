// What the gateway says beside an event in the headers of its record: of a dead letter, of a parked
// delivery. A note is a name and a typed value; each such format is a table of notes. Pure.
#ifndef EVENT_GATEWAY_EVENTS_RECORD_NOTES_H
#define EVENT_GATEWAY_EVENTS_RECORD_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event_record_writer.h"
#include "core/events/record.h"

enum record_note_kind {
    RECORD_NOTE_TEXT,
    RECORD_NOTE_NUMBER,
    RECORD_NOTE_TIME, // RFC 3339; the number is microseconds since 1970
};

struct record_note {
    struct bytes name; // "ce_egdlreason"
    enum record_note_kind kind;
    int64_t least, most; // of a number that is read
    struct bytes text;   // borrowed
    int64_t number;
};

// The room that the notes take behind the event's headers.
size_t record_notes_text_size(const struct record_note *notes, size_t count);
void record_notes_write(const struct record_note *notes, size_t count,
                        struct event_record_writer *writer);
// Fills in what the record says; a note that it has not stays as it is. Texts are borrowed from the
// record. STATUS_INVALID names the header that is malformed; what says "of a dead letter".
enum status must_check record_notes_read(const struct record *record, struct record_note *notes,
                                         size_t count, const char *what, struct error *error);
// Copies the texts behind each other to the end of ret_storage, which then holds them all.
void record_notes_keep(struct record_note *notes, size_t count, struct buffer *ret_storage);

#endif
