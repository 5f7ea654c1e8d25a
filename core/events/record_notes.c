#include "core/events/record_notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"

// A number or a time in text.
#define NUMBER_TEXT_SIZE TIMESTAMP_TEXT_SIZE

size_t record_notes_text_size(const struct record_note *notes, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += notes[i].kind == RECORD_NOTE_TEXT ? notes[i].text.size : NUMBER_TEXT_SIZE;
    }
    return size;
}

static struct bytes write_value(const struct record_note *note, char *text) {
    if (note->kind == RECORD_NOTE_TEXT) {
        if (note->text.size > 0) {
            memcpy(text, note->text.data, note->text.size);
        }
        return (struct bytes){text, note->text.size};
    }
    if (note->kind == RECORD_NOTE_TIME) {
        timestamp_format(note->number, text);
    } else {
        snprintf(text, NUMBER_TEXT_SIZE, "%" PRId64, note->number);
    }
    return bytes_of_text(text);
}

void record_notes_write(const struct record_note *notes, size_t count,
                        struct event_record_writer *writer) {
    for (size_t i = 0; i < count; i++) {
        event_record_add(writer, notes[i].name, write_value(&notes[i], writer->text));
        writer->text += record_notes_text_size(&notes[i], 1);
    }
}

// A number of at most 18 digits, within the limits; false otherwise.
static bool read_number(struct bytes text, int64_t least, int64_t most, int64_t *ret_number) {
    bool negative = text.size > 0 && text.data[0] == '-';
    struct bytes digits = bytes_slice(text, negative ? 1 : 0, text.size);
    if (digits.size == 0 || digits.size > 18) {
        return false;
    }
    int64_t number = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        number = number * 10 + (digits.data[i] - '0');
    }
    number = negative ? -number : number;
    if (number < least || number > most) {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool read_value(struct record_note *note, struct bytes value) {
    switch (note->kind) {
    case RECORD_NOTE_NUMBER:
        return read_number(value, note->least, note->most, &note->number);
    case RECORD_NOTE_TIME:
        return timestamp_parse(value, &note->number) == STATUS_OK;
    case RECORD_NOTE_TEXT:
        break;
    }
    note->text = value;
    return true;
}

static struct record_note *find_note(struct record_note *notes, size_t count, struct bytes name) {
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(notes[i].name, name)) {
            return &notes[i];
        }
    }
    return NULL;
}

enum status record_notes_read(const struct record *record, struct record_note *notes, size_t count,
                              const char *what, struct error *error) {
    for (size_t i = 0; i < record->header_count; i++) {
        struct bytes name = record->headers[i].name;
        if (!bytes_start_with(name, BYTES("ce_eg"))) {
            continue;
        }
        struct record_note *note = find_note(notes, count, name);
        if (note && !read_value(note, record->headers[i].value)) {
            return error_set(error, STATUS_INVALID, "header %.*s %s is malformed", (int)name.size,
                             name.data, what);
        }
    }
    return STATUS_OK;
}

void record_notes_keep(struct record_note *notes, size_t count, struct buffer *ret_storage) {
    size_t start = ret_storage->size;
    for (size_t i = 0; i < count; i++) {
        buffer_append(ret_storage, notes[i].text);
    }
    // Only now: the storage could move while it grew.
    for (size_t i = 0; i < count; i++) {
        notes[i].text = bytes_slice(buffer_bytes(ret_storage), start, notes[i].text.size);
        start += notes[i].text.size;
    }
}
