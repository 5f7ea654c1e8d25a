#include "core/event_log/record_slice.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

// Blocks double up to the largest: a slice of one small record stays small.
#define BLOCK_SIZE_FIRST 1024u
#define BLOCK_SIZE 65536u

struct record_slice_block {
    struct record_slice_block *next;
    size_t used;
    size_t size;
    _Alignas(16) char bytes[];
};

void *record_slice_allocate(struct record_slice *slice, size_t size) {
    size_t aligned = (size + 15) & ~(size_t)15;
    struct record_slice_block *block = slice->blocks;
    if (!block || block->size - block->used < aligned) {
        size_t block_size = block ? block->size * 2 : BLOCK_SIZE_FIRST;
        block_size = block_size > BLOCK_SIZE ? BLOCK_SIZE : block_size;
        block_size = aligned > block_size ? aligned : block_size;
        block = malloc(sizeof *block + block_size);
        if (!block) {
            abort();
        }
        block->used = 0;
        block->size = block_size;
        block->next = slice->blocks;
        slice->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += aligned;
    return memory;
}

struct stored_record *record_slice_add(struct record_slice *slice) {
    if (slice->count == slice->capacity) {
        slice->capacity = slice->capacity > 0 ? slice->capacity * 2 : 64;
        slice->records = memory_resize(slice->records, slice->capacity, sizeof *slice->records);
    }
    struct stored_record *record = &slice->records[slice->count++];
    *record = (struct stored_record){0};
    return record;
}

bool record_slice_is_full(const struct record_slice *slice) {
    return slice->count > 0 &&
           (slice->count >= slice->max_records || slice->byte_count >= slice->max_bytes);
}

static struct bytes copy_bytes(struct record_slice *slice, struct bytes bytes) {
    if (bytes.size == 0) {
        return (struct bytes){0};
    }
    return (struct bytes){memcpy(record_slice_allocate(slice, bytes.size), bytes.data, bytes.size),
                          bytes.size};
}

void record_slice_copy(struct record_slice *slice, const struct record *record,
                       struct record *ret_copy) {
    struct http_header *headers = NULL;
    if (record->header_count > 0) {
        headers = record_slice_allocate(slice, record->header_count * sizeof *headers);
    }
    for (size_t i = 0; i < record->header_count; i++) {
        headers[i].name = copy_bytes(slice, record->headers[i].name);
        headers[i].value = copy_bytes(slice, record->headers[i].value);
    }
    *ret_copy = (struct record){
        .key = copy_bytes(slice, record->key),
        .headers = headers,
        .header_count = record->header_count,
        .value = record->has_value ? copy_bytes(slice, record->value) : (struct bytes){0},
        .has_value = record->has_value,
    };
}

// Keeps one ordinary block, so that a quiet reader holds little memory and a busy one does not
// allocate.
void record_slice_reset(struct record_slice *slice) {
    struct record_slice_block *kept = NULL;
    while (slice->blocks) {
        struct record_slice_block *block = slice->blocks;
        slice->blocks = block->next;
        if (!kept && block->size == BLOCK_SIZE) {
            kept = block;
        } else {
            free(block);
        }
    }
    if (kept) {
        kept->used = 0;
        kept->next = NULL;
        slice->blocks = kept;
    }
    slice->count = 0;
    slice->byte_count = 0;
}

void record_slice_clear(struct record_slice *slice) {
    while (slice->blocks) {
        struct record_slice_block *block = slice->blocks;
        slice->blocks = block->next;
        free(block);
    }
    free(slice->records);
    *slice = (struct record_slice){0};
}

static void encode_number(struct buffer *buffer, size_t number) {
    for (int shift = 0; shift < 32; shift += 8) {
        buffer_append_byte(buffer, (char)(number >> shift & 0xff));
    }
}

static void encode_bytes(struct buffer *buffer, struct bytes bytes) {
    encode_number(buffer, bytes.size);
    buffer_append(buffer, bytes);
}

void record_headers_encode(const struct record *record, struct buffer *ret_buffer) {
    encode_number(ret_buffer, record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        encode_bytes(ret_buffer, record->headers[i].name);
        encode_bytes(ret_buffer, record->headers[i].value);
    }
}

static bool decode_number(struct bytes *rest, size_t *ret_number) {
    if (rest->size < 4) {
        return false;
    }
    const unsigned char *data = (const unsigned char *)rest->data;
    *ret_number = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
    rest->data += 4;
    rest->size -= 4;
    return true;
}

static bool decode_bytes(struct bytes *rest, struct bytes *ret_bytes) {
    size_t size;
    if (!decode_number(rest, &size) || rest->size < size) {
        return false;
    }
    *ret_bytes = (struct bytes){rest->data, size};
    rest->data += size;
    rest->size -= size;
    return true;
}

enum status record_headers_decode(struct bytes encoded, struct record_slice *slice,
                                  struct record *ret_record) {
    struct bytes rest = encoded;
    size_t count;
    // Each header takes at least its two sizes: a count beyond that is a lie, not worth memory.
    if (!decode_number(&rest, &count) || count > rest.size / 8) {
        return STATUS_INVALID;
    }
    struct http_header *headers =
        count > 0 ? record_slice_allocate(slice, count * sizeof *headers) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (!decode_bytes(&rest, &headers[i].name) || !decode_bytes(&rest, &headers[i].value)) {
            return STATUS_INVALID;
        }
    }
    if (rest.size > 0) {
        return STATUS_INVALID;
    }
    ret_record->headers = headers;
    ret_record->header_count = count;
    return STATUS_OK;
}
