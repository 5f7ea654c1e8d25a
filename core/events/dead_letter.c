#include "core/base/text.h"
#include "core/events/event_record.h"
#include "core/events/record_notes.h"

#define ANSWER_MAX 4096
#define REASON_MAX 1024

enum {
    NOTE_SUBSCRIPTION,
    NOTE_FUNCTION,
    NOTE_SPACE,
    NOTE_REASON,
    NOTE_ATTEMPTS,
    NOTE_FIRST_TIME,
    NOTE_LAST_TIME,
    NOTE_STATUS,
    NOTE_ANSWER,
    NOTE_PARTITION,
    NOTE_OFFSET,
    NOTE_COUNT
};

static void notes_of(const struct dead_letter *letter, struct bytes answer,
                     struct record_note ret_notes[NOTE_COUNT]) {
    const struct record_note notes[NOTE_COUNT] = {
        [NOTE_SUBSCRIPTION] = {.name = BYTES("ce_egdlsubscription"),
                               .text = letter->subscription_id},
        [NOTE_FUNCTION] = {.name = BYTES("ce_egdlfunction"), .text = letter->function_id},
        [NOTE_SPACE] = {.name = BYTES("ce_egdlspace"), .text = letter->space},
        [NOTE_REASON] = {.name = BYTES("ce_egdlreason"),
                         .text = bytes_slice(letter->reason, 0, REASON_MAX)},
        [NOTE_ATTEMPTS] = {.name = BYTES("ce_egdlattempts"),
                           .kind = RECORD_NOTE_NUMBER,
                           .most = UINT32_MAX,
                           .number = letter->attempts},
        [NOTE_FIRST_TIME] = {.name = BYTES("ce_egdlfirsttime"),
                             .kind = RECORD_NOTE_TIME,
                             .number = letter->first_us},
        [NOTE_LAST_TIME] = {.name = BYTES("ce_egdllasttime"),
                            .kind = RECORD_NOTE_TIME,
                            .number = letter->last_us},
        [NOTE_STATUS] = {.name = BYTES("ce_egdlstatus"),
                         .kind = RECORD_NOTE_NUMBER,
                         .most = 999,
                         .number = letter->last_status},
        [NOTE_ANSWER] = {.name = BYTES("ce_egdlanswer"), .text = answer},
        [NOTE_PARTITION] = {.name = BYTES("ce_egdlpartition"),
                            .kind = RECORD_NOTE_NUMBER,
                            .least = INT32_MIN,
                            .most = INT32_MAX,
                            .number = letter->partition},
        [NOTE_OFFSET] = {.name = BYTES("ce_egdloffset"),
                         .kind = RECORD_NOTE_NUMBER,
                         .least = INT64_MIN,
                         .most = INT64_MAX,
                         .number = letter->offset},
    };
    for (size_t i = 0; i < NOTE_COUNT; i++) {
        ret_notes[i] = notes[i];
    }
}

void dead_letter_encode(const struct dead_letter *letter, const struct event *event,
                        struct encoded_record *ret_encoded) {
    struct buffer answer = {0};
    struct record_note notes[NOTE_COUNT];
    base64_encode(bytes_slice(letter->last_answer, 0, ANSWER_MAX), &answer);
    notes_of(letter, buffer_bytes(&answer), notes);
    struct event_record_writer writer =
        event_record_start(event, NOTE_COUNT, record_notes_text_size(notes, NOTE_COUNT));
    record_notes_write(notes, NOTE_COUNT, &writer);
    buffer_clear(&answer);
    event_record_finish(&writer, event, ret_encoded);
}

// The answer leaves its base64; everything else is copied as it is.
static enum status keep_letter(struct record_note notes[NOTE_COUNT], struct dead_letter *ret_letter,
                               struct buffer *storage, struct error *error) {
    size_t start = storage->size;
    if (base64_decode(notes[NOTE_ANSWER].text, storage)) {
        return error_set(error, STATUS_INVALID, "header %s of a dead letter is malformed",
                         notes[NOTE_ANSWER].name.data);
    }
    size_t answer_size = storage->size - start;
    notes[NOTE_ANSWER].text = BYTES("");
    record_notes_keep(notes, NOTE_COUNT, storage);
    *ret_letter = (struct dead_letter){
        .subscription_id = notes[NOTE_SUBSCRIPTION].text,
        .function_id = notes[NOTE_FUNCTION].text,
        .space = notes[NOTE_SPACE].text,
        .reason = notes[NOTE_REASON].text,
        .attempts = (uint32_t)notes[NOTE_ATTEMPTS].number,
        .first_us = notes[NOTE_FIRST_TIME].number,
        .last_us = notes[NOTE_LAST_TIME].number,
        .last_status = (unsigned)notes[NOTE_STATUS].number,
        .last_answer = bytes_slice(buffer_bytes(storage), start, answer_size),
        .partition = (int32_t)notes[NOTE_PARTITION].number,
        .offset = notes[NOTE_OFFSET].number,
    };
    return STATUS_OK;
}

enum status dead_letter_decode(const struct stored_record *stored, struct dead_letter *ret_letter,
                               struct buffer *ret_storage, const struct event **ret_event,
                               struct error *error) {
    const struct dead_letter empty = {.partition = -1, .offset = -1};
    struct record_note notes[NOTE_COUNT];
    const struct event *event = NULL;
    notes_of(&empty, BYTES(""), notes);
    enum status status =
        record_notes_read(&stored->record, notes, NOTE_COUNT, "of a dead letter", error);
    if (!status && notes[NOTE_SUBSCRIPTION].text.size == 0) {
        status = error_set(error, STATUS_INVALID, "header ce_egdlsubscription is missing");
    }
    if (!status) {
        status = event_record_decode(stored, &event, error);
    }
    if (!status) {
        status = keep_letter(notes, ret_letter, ret_storage, error);
    }
    if (status) {
        event_unref(event);
        return status;
    }
    *ret_event = event;
    return STATUS_OK;
}
