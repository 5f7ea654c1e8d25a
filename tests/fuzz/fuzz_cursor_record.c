// A record of the stream of cursors, as anybody can write it there -> the fold; what is taken comes
// back as it went. Input: the key, an empty byte or a line's end, the value ("-" alone: none).

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/cursors/cursor_fold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(void *context, const struct cursor_record *record) {
    (void)context;
    struct buffer text = {0};
    struct buffer again = {0};
    struct cursor_record back;
    cursor_record_write(record, &text);
    enum status status = cursor_record_parse(buffer_bytes(&text), &back, NULL);
    assert(status == STATUS_OK);
    cursor_record_write(&back, &again);
    assert(bytes_equal(buffer_bytes(&text), buffer_bytes(&again)));
    cursor_record_clear(&back);
    buffer_clear(&text);
    buffer_clear(&again);
}

static void check_key(struct bytes text) {
    struct cursor_key key;
    if (cursor_key_parse(text, &key, NULL) == STATUS_OK) {
        struct buffer again = {0};
        cursor_key_write(&key, &again);
        assert(bytes_equal(text, buffer_bytes(&again)));
        buffer_clear(&again);
    }
}

static void check_fold(enum cursor_stream stream, const struct record *record) {
    struct cursor_fold *fold = cursor_fold_create(stream, NULL, 0);
    cursor_fold_add(fold, record);
    cursor_fold_add(fold, record);
    cursor_fold_each(fold, -1, check_record, NULL);
    cursor_fold_destroy(fold);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes input = {(const char *)data, size};
    size_t key_size = bytes_find(input, '\n');
    struct bytes value = bytes_slice(input, key_size + 1, size);
    struct record record = {.key = bytes_slice(input, 0, key_size), .has_value = true};
    record.has_value = !bytes_equal_text(value, "-");
    record.value = record.has_value ? value : BYTES("");
    check_key(record.key);
    for (int stream = 0; stream < CURSOR_STREAM_COUNT; stream++) {
        check_fold((enum cursor_stream)stream, &record);
    }
    return 0;
}
