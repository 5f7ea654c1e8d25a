// Places in the log and in lists, as clients see them: ids of dead letters, and cursors.

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/event_index_private.h"
#include "core/base/text.h"

static bool read_number(struct bytes *rest, char end, int64_t *ret_number) {
    char text[24], *stop;
    size_t size = end ? bytes_find(*rest, end) : rest->size;
    if (size == 0 || size >= sizeof text || (end && size == rest->size) ||
        !isdigit((unsigned char)rest->data[0])) {
        return false;
    }
    memcpy(text, rest->data, size);
    text[size] = '\0';
    *ret_number = strtoll(text, &stop, 10);
    *rest = bytes_slice(*rest, size + 1, rest->size);
    return *stop == '\0';
}

void letter_id_write(const struct log_place *place, struct buffer *ret_id) {
    buffer_append_format(ret_id, "%" PRId32 "-%" PRId64, place->partition, place->offset);
}

enum status letter_id_parse(struct bytes id, struct log_place *ret_place) {
    int64_t partition, offset;
    if (!read_number(&id, '-', &partition) || !read_number(&id, '\0', &offset) ||
        partition > INT32_MAX) {
        return STATUS_INVALID;
    }
    *ret_place = (struct log_place){(int32_t)partition, offset};
    return STATUS_OK;
}

void index_write_cursor(const struct letter_place *last, struct buffer *ret_cursor) {
    struct buffer text = {0};
    buffer_append_format(&text, "%" PRId64 ",%" PRId32 ",%" PRId64, last->time_us,
                         last->place.partition, last->place.offset);
    base64url_encode(buffer_bytes(&text), ret_cursor);
    buffer_clear(&text);
}

enum status index_read_cursor(struct bytes cursor, struct letter_place *ret_place,
                              struct error *error) {
    struct buffer text = {0};
    int64_t time_us = 0, partition = 0, offset = 0;
    bool is_good = base64url_decode(cursor, &text) == STATUS_OK;
    struct bytes rest = buffer_bytes(&text);
    is_good = is_good && read_number(&rest, ',', &time_us) && read_number(&rest, ',', &partition) &&
              read_number(&rest, '\0', &offset) && partition <= INT32_MAX;
    buffer_clear(&text);
    if (!is_good) {
        return error_set(error, STATUS_INVALID, "'cursor' is not one that a list gave");
    }
    *ret_place = (struct letter_place){time_us, {(int32_t)partition, offset}};
    return STATUS_OK;
}
