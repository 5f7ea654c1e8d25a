// The encodings undo each other, and whatever a strict decoder takes is what the encoder writes.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void (*encode_fn)(struct bytes, struct buffer *);
typedef enum status (*decode_fn)(struct bytes, struct buffer *);

static void check_base64(encode_fn encode, decode_fn decode, struct bytes input) {
    struct buffer text = {0};
    struct buffer back = {0};
    encode(input, &text);
    assert(decode(buffer_bytes(&text), &back) == STATUS_OK);
    assert(bytes_equal(buffer_bytes(&back), input));
    buffer_reset(&text);
    buffer_reset(&back);
    if (decode(input, &back) == STATUS_OK) {
        encode(buffer_bytes(&back), &text);
        assert(bytes_equal(buffer_bytes(&text), input));
    } else {
        assert(back.size == 0);
    }
    buffer_clear(&text);
    buffer_clear(&back);
}

static void check_percent(encode_fn encode, struct bytes input) {
    struct buffer text = {0};
    struct buffer back = {0};
    encode(input, &text);
    for (size_t i = 0; i < text.size; i++) {
        assert(text.data[i] > 0x20 && text.data[i] < 0x7f);
    }
    percent_decode(buffer_bytes(&text), false, &back);
    assert(bytes_equal(buffer_bytes(&back), input));
    buffer_reset(&back);
    percent_decode(input, true, &back);
    assert(back.size <= input.size);
    buffer_clear(&text);
    buffer_clear(&back);
}

static void check_utf8(struct bytes input) {
    struct bytes rest = input;
    size_t size;
    while ((size = utf8_sequence(rest)) > 0) {
        assert(size <= 4 && size <= rest.size);
        assert(utf8_is_valid(bytes_slice(rest, 0, size)));
        rest = bytes_slice(rest, size, SIZE_MAX);
    }
    assert(utf8_is_valid(input) == (rest.size == 0));
}

static void check_timestamp(struct bytes input) {
    char text[TIMESTAMP_TEXT_SIZE];
    int64_t us = 0;
    int64_t back = 0;
    if (timestamp_parse(input, &us) == STATUS_OK) {
        timestamp_format(us, text);
        assert(timestamp_parse(bytes_of_text(text), &back) == STATUS_OK);
        // An offset can lead out of the years that can be written.
        bool is_writable = us >= INT64_C(-62167219200000000) && us <= INT64_C(253402300799999999);
        assert(!is_writable || back == us);
    }
    if (input.size >= sizeof us) {
        memcpy(&us, input.data, sizeof us);
        timestamp_format(us, text);
        assert(strlen(text) <= 28);
        assert(timestamp_parse(bytes_of_text(text), &back) == STATUS_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes input = {(const char *)data, size};
    check_base64(base64_encode, base64_decode, input);
    check_base64(base64url_encode, base64url_decode, input);
    check_percent(percent_encode_path_segment, input);
    check_percent(percent_encode_header_value, input);
    check_utf8(input);
    check_timestamp(input);
    return 0;
}
