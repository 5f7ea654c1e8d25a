#include "core/events/letter_mark.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/memory.h"

static const struct bytes kinds[LETTER_MARK_KIND_COUNT] = {
    [LETTER_MARK_REDRIVEN] = {"redriven", sizeof "redriven" - 1},
    [LETTER_MARK_DELETED] = {"deleted", sizeof "deleted" - 1},
};

void letter_mark_encode(const struct letter_mark *mark, struct letter_mark_record *ret_record) {
    snprintf(ret_record->partition, sizeof ret_record->partition, "%" PRId32, mark->partition);
    snprintf(ret_record->offset, sizeof ret_record->offset, "%" PRId64, mark->offset);
    ret_record->headers[0] = (struct http_header){BYTES("eglettermark"), kinds[mark->kind]};
    ret_record->headers[1] =
        (struct http_header){BYTES("egletterpartition"), bytes_of_text(ret_record->partition)};
    ret_record->headers[2] =
        (struct http_header){BYTES("egletteroffset"), bytes_of_text(ret_record->offset)};
    ret_record->headers[3] = (struct http_header){BYTES("egletterredrive"), mark->redrive_id};
    ret_record->record = (struct record){.headers = ret_record->headers,
                                         .header_count = mark->redrive_id.size > 0 ? 4 : 3};
}

static bool find_header(const struct record *record, const char *name, struct bytes *ret_value) {
    for (size_t i = 0; i < record->header_count; i++) {
        if (bytes_equal_text(record->headers[i].name, name)) {
            *ret_value = record->headers[i].value;
            return true;
        }
    }
    return false;
}

static bool read_number(const struct record *record, const char *name, int64_t max,
                        int64_t *ret_number) {
    struct bytes text;
    int64_t number = 0;
    if (!find_header(record, name, &text) || text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        int digit = text.data[i] - '0';
        if (digit < 0 || digit > 9 || number > (max - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

enum status letter_mark_decode(const struct record *record, struct letter_mark *ret_mark) {
    struct bytes kind;
    int64_t partition, offset;
    if (!find_header(record, "eglettermark", &kind)) {
        return STATUS_NOT_FOUND;
    }
    if (!read_number(record, "egletterpartition", INT32_MAX, &partition) ||
        !read_number(record, "egletteroffset", INT64_MAX, &offset)) {
        return STATUS_INVALID;
    }
    for (int i = 0; i < LETTER_MARK_KIND_COUNT; i++) {
        if (bytes_equal(kind, kinds[i])) {
            *ret_mark =
                (struct letter_mark){(enum letter_mark_kind)i, (int32_t)partition, offset, {0}};
            (void)find_header(record, "egletterredrive", &ret_mark->redrive_id);
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}
