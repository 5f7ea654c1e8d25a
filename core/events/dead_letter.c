#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "core/events/event_record.h"
#include "core/events/event_record_writer.h"

#define ANSWER_MAX 4096
#define REASON_MAX 1024
#define NUMBER_TEXT_SIZE 24

enum {
    LETTER_HEADERS = 11
};

static void add_text(struct event_record_writer *writer, struct bytes name, struct bytes value) {
    char *copy = writer->text;
    if (value.size > 0) {
        memcpy(copy, value.data, value.size);
    }
    writer->text += value.size;
    event_record_add(writer, name, (struct bytes){copy, value.size});
}

static void add_number(struct event_record_writer *writer, struct bytes name, int64_t number) {
    char text[NUMBER_TEXT_SIZE];
    snprintf(text, sizeof text, "%" PRId64, number);
    add_text(writer, name, bytes_of_text(text));
}

static void add_time(struct event_record_writer *writer, struct bytes name, int64_t time_us) {
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(time_us, text);
    add_text(writer, name, bytes_of_text(text));
}

static size_t letter_text_size(const struct dead_letter *letter, size_t answer_size) {
    return letter->subscription_id.size + letter->function_id.size + letter->space.size +
           REASON_MAX + answer_size + 2 * TIMESTAMP_TEXT_SIZE + 4 * NUMBER_TEXT_SIZE;
}

void dead_letter_encode(const struct dead_letter *letter, const struct event *event,
                        struct encoded_record *ret_encoded) {
    struct buffer answer = {0};
    base64_encode(bytes_slice(letter->last_answer, 0, ANSWER_MAX), &answer);
    struct event_record_writer writer =
        event_record_start(event, LETTER_HEADERS, letter_text_size(letter, answer.size));
    add_text(&writer, BYTES("ce_egdlsubscription"), letter->subscription_id);
    add_text(&writer, BYTES("ce_egdlfunction"), letter->function_id);
    add_text(&writer, BYTES("ce_egdlspace"), letter->space);
    add_text(&writer, BYTES("ce_egdlreason"), bytes_slice(letter->reason, 0, REASON_MAX));
    add_number(&writer, BYTES("ce_egdlattempts"), letter->attempts);
    add_time(&writer, BYTES("ce_egdlfirsttime"), letter->first_us);
    add_time(&writer, BYTES("ce_egdllasttime"), letter->last_us);
    add_number(&writer, BYTES("ce_egdlstatus"), letter->last_status);
    add_text(&writer, BYTES("ce_egdlanswer"), buffer_bytes(&answer));
    add_number(&writer, BYTES("ce_egdlpartition"), letter->partition);
    add_number(&writer, BYTES("ce_egdloffset"), letter->offset);
    buffer_clear(&answer);
    event_record_finish(&writer, event, ret_encoded);
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

// The numbers of a letter, before they get their own types.
struct letter_numbers {
    int64_t attempts, status, partition, offset;
};

static bool read_text_header(struct dead_letter *letter, struct bytes name, struct bytes value) {
    const struct {
        struct bytes name;
        struct bytes *field;
    } fields[] = {{BYTES("ce_egdlsubscription"), &letter->subscription_id},
                  {BYTES("ce_egdlfunction"), &letter->function_id},
                  {BYTES("ce_egdlspace"), &letter->space},
                  {BYTES("ce_egdlreason"), &letter->reason},
                  {BYTES("ce_egdlanswer"), &letter->last_answer}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (bytes_equal(name, fields[i].name)) {
            *fields[i].field = value;
            return true;
        }
    }
    return false;
}

static enum status bad_header(struct bytes name, struct error *error) {
    return error_set(error, STATUS_INVALID, "header %.*s of a dead letter is malformed",
                     (int)name.size, name.data);
}

static enum status read_number_header(struct letter_numbers *numbers, struct bytes name,
                                      struct bytes value, struct error *error) {
    const struct {
        struct bytes name;
        int64_t least, most;
        int64_t *field;
    } fields[] = {{BYTES("ce_egdlattempts"), 0, UINT32_MAX, &numbers->attempts},
                  {BYTES("ce_egdlstatus"), 0, 999, &numbers->status},
                  {BYTES("ce_egdlpartition"), INT32_MIN, INT32_MAX, &numbers->partition},
                  {BYTES("ce_egdloffset"), INT64_MIN, INT64_MAX, &numbers->offset}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (bytes_equal(name, fields[i].name) &&
            !read_number(value, fields[i].least, fields[i].most, fields[i].field)) {
            return bad_header(name, error);
        }
    }
    return STATUS_OK;
}

static enum status read_header(struct dead_letter *letter, struct letter_numbers *numbers,
                               const struct http_header *header, struct error *error) {
    if (!bytes_start_with(header->name, BYTES("ce_egdl")) ||
        read_text_header(letter, header->name, header->value)) {
        return STATUS_OK;
    }
    int64_t *time_us = bytes_equal(header->name, BYTES("ce_egdlfirsttime"))  ? &letter->first_us
                       : bytes_equal(header->name, BYTES("ce_egdllasttime")) ? &letter->last_us
                                                                             : NULL;
    if (time_us) {
        return timestamp_parse(header->value, time_us) ? bad_header(header->name, error)
                                                       : STATUS_OK;
    }
    return read_number_header(numbers, header->name, header->value, error);
}

static enum status read_letter(const struct record *record, struct dead_letter *ret_letter,
                               struct error *error) {
    struct letter_numbers numbers = {.partition = -1, .offset = -1};
    for (size_t i = 0; i < record->header_count; i++) {
        enum status status = read_header(ret_letter, &numbers, &record->headers[i], error);
        if (status) {
            return status;
        }
    }
    if (ret_letter->subscription_id.size == 0) {
        return error_set(error, STATUS_INVALID, "header ce_egdlsubscription is missing");
    }
    ret_letter->attempts = (uint32_t)numbers.attempts;
    ret_letter->last_status = (unsigned)numbers.status;
    ret_letter->partition = (int32_t)numbers.partition;
    ret_letter->offset = numbers.offset;
    return STATUS_OK;
}

// Copies the letter's texts one behind the other; the answer leaves its base64.
static enum status keep_texts(struct dead_letter *letter, struct buffer *storage,
                              struct error *error) {
    struct bytes *const texts[] = {&letter->subscription_id, &letter->function_id, &letter->space,
                                   &letter->reason};
    size_t start = storage->size;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buffer_append(storage, *texts[i]);
    }
    size_t answer = storage->size;
    if (base64_decode(letter->last_answer, storage)) {
        storage->size = start;
        return bad_header(BYTES("ce_egdlanswer"), error);
    }
    // Only now: the storage could move while it grew.
    letter->last_answer = bytes_slice(buffer_bytes(storage), answer, storage->size);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = bytes_slice(buffer_bytes(storage), start, texts[i]->size);
        start += texts[i]->size;
    }
    return STATUS_OK;
}

enum status dead_letter_decode(const struct stored_record *stored, struct dead_letter *ret_letter,
                               struct buffer *ret_storage, const struct event **ret_event,
                               struct error *error) {
    struct dead_letter letter = {0};
    const struct event *event = NULL;
    enum status status = read_letter(&stored->record, &letter, error);
    if (!status) {
        status = event_record_decode(stored, &event, error);
    }
    if (!status) {
        status = keep_texts(&letter, ret_storage, error);
    }
    if (status) {
        event_unref(event);
        return status;
    }
    *ret_letter = letter;
    *ret_event = event;
    return STATUS_OK;
}
