// Headers of a record as they lie in the SQLite file: whatever is accepted encodes to the same
// bytes again.
#include "core/event_log/record_slice.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes input = {(const char *)data, size};
    struct record_slice slice = {0};
    struct record record = {0};
    if (record_headers_decode(input, &slice, &record) == STATUS_OK) {
        struct buffer encoded = {0};
        record_headers_encode(&record, &encoded);
        assert(bytes_equal(buffer_bytes(&encoded), input));
        buffer_clear(&encoded);
    }
    record_slice_clear(&slice);
    return 0;
}
