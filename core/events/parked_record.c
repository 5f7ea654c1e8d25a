#include "core/events/parked_record.h"

#include "core/events/record_notes.h"

#define REASON_MAX 256

enum {
    NOTE_SUBSCRIPTION,
    NOTE_SPACE,
    NOTE_FUNCTION,
    NOTE_DUE,
    NOTE_ATTEMPTS,
    NOTE_FIRST_TIME,
    NOTE_LAST_TIME,
    NOTE_STATUS,
    NOTE_REASON,
    NOTE_REPLAY,
    NOTE_TRACE,
    NOTE_PARTITION,
    NOTE_OFFSET,
    NOTE_COUNT
};

#define NEVER INT64_MIN

static void notes_of(const struct parked_delivery *parked,
                     struct record_note ret_notes[NOTE_COUNT]) {
    const struct record_note notes[NOTE_COUNT] = {
        [NOTE_SUBSCRIPTION] = {.name = BYTES("ce_egrtsubscription"),
                               .text = parked->subscription_id},
        [NOTE_SPACE] = {.name = BYTES("ce_egrtspace"), .text = parked->space},
        [NOTE_FUNCTION] = {.name = BYTES("ce_egrtfunction"), .text = parked->function_id},
        [NOTE_DUE] = {.name = BYTES("ce_egrtdue"),
                      .kind = RECORD_NOTE_TIME,
                      .number = parked->due_us},
        [NOTE_ATTEMPTS] = {.name = BYTES("ce_egrtattempts"),
                           .kind = RECORD_NOTE_NUMBER,
                           .most = UINT32_MAX,
                           .number = parked->attempts},
        [NOTE_FIRST_TIME] = {.name = BYTES("ce_egrtfirsttime"),
                             .kind = RECORD_NOTE_TIME,
                             .number = parked->first_us},
        [NOTE_LAST_TIME] = {.name = BYTES("ce_egrtlasttime"),
                            .kind = RECORD_NOTE_TIME,
                            .number = parked->last_us},
        [NOTE_STATUS] = {.name = BYTES("ce_egrtstatus"),
                         .kind = RECORD_NOTE_NUMBER,
                         .most = 999,
                         .number = parked->last_status},
        [NOTE_REASON] = {.name = BYTES("ce_egrtreason"),
                         .text = bytes_slice(parked->reason, 0, REASON_MAX)},
        [NOTE_REPLAY] = {.name = BYTES("ce_egrtreplay"), .text = parked->replay_id},
        [NOTE_TRACE] = {.name = BYTES("ce_egrttraceparent"), .text = parked->traceparent},
        [NOTE_PARTITION] = {.name = BYTES("ce_egrtpartition"),
                            .kind = RECORD_NOTE_NUMBER,
                            .least = -1,
                            .most = INT32_MAX,
                            .number = parked->partition},
        [NOTE_OFFSET] = {.name = BYTES("ce_egrtoffset"),
                         .kind = RECORD_NOTE_NUMBER,
                         .least = -1,
                         .most = INT64_MAX,
                         .number = parked->offset},
    };
    for (size_t i = 0; i < NOTE_COUNT; i++) {
        ret_notes[i] = notes[i];
    }
}

void parked_delivery_encode(const struct parked_delivery *parked, const struct event *event,
                            struct encoded_record *ret_encoded) {
    struct record_note notes[NOTE_COUNT];
    notes_of(parked, notes);
    struct event_record_writer writer =
        event_record_start(event, NOTE_COUNT, record_notes_text_size(notes, NOTE_COUNT));
    record_notes_write(notes, NOTE_COUNT, &writer);
    event_record_finish(&writer, event, ret_encoded);
}

static void keep(struct record_note notes[NOTE_COUNT], struct parked_delivery *ret_parked,
                 struct buffer *storage) {
    record_notes_keep(notes, NOTE_COUNT, storage);
    *ret_parked = (struct parked_delivery){
        .subscription_id = notes[NOTE_SUBSCRIPTION].text,
        .space = notes[NOTE_SPACE].text,
        .function_id = notes[NOTE_FUNCTION].text,
        .due_us = notes[NOTE_DUE].number,
        .attempts = (uint32_t)notes[NOTE_ATTEMPTS].number,
        .first_us = notes[NOTE_FIRST_TIME].number,
        .last_us = notes[NOTE_LAST_TIME].number,
        .last_status = (unsigned)notes[NOTE_STATUS].number,
        .reason = notes[NOTE_REASON].text,
        .replay_id = notes[NOTE_REPLAY].text,
        .traceparent = notes[NOTE_TRACE].text,
        .partition = (int32_t)notes[NOTE_PARTITION].number,
        .offset = notes[NOTE_OFFSET].number,
    };
}

enum status parked_delivery_decode(const struct stored_record *stored,
                                   struct parked_delivery *ret_parked, struct buffer *ret_storage,
                                   const struct event **ret_event, struct error *error) {
    const struct parked_delivery empty = {.due_us = NEVER, .partition = -1, .offset = -1};
    struct record_note notes[NOTE_COUNT];
    notes_of(&empty, notes);
    enum status status =
        record_notes_read(&stored->record, notes, NOTE_COUNT, "of a parked delivery", error);
    if (!status && notes[NOTE_SUBSCRIPTION].text.size == 0) {
        status = error_set(error, STATUS_INVALID, "header ce_egrtsubscription is missing");
    }
    if (!status && notes[NOTE_DUE].number == NEVER) {
        status = error_set(error, STATUS_INVALID, "header ce_egrtdue is missing");
    }
    if (!status) {
        status = event_record_decode(stored, ret_event, error);
    }
    if (!status) {
        keep(notes, ret_parked, ret_storage);
    }
    return status;
}
