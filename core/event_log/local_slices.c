#include "core/event_log/local_slices.h"

static enum status open_cursor(void *context, void **ret_cursor, struct error *error) {
    struct local_slices *slices = context;
    return slices->ops->cursor_open(slices->store, ret_cursor, error);
}

static int64_t place_of_position(int64_t position, int64_t first, int64_t end) {
    if (position == EVENT_LOG_END) {
        return end;
    }
    return position < first ? first : position;
}

static enum status read_slice(void *context, void *cursor, struct event_log_slice *slice) {
    struct local_slices *slices = context;
    struct local_place place = {.stream = slice->stream, .partition = slice->partition};
    slices->ops->range(slices->store, &place, &slice->first_offset, &slice->end_offset);
    int64_t from = place_of_position(slice->job.position, slice->first_offset, slice->end_offset);
    slice->next_offset = from;
    if (from >= slice->end_offset) {
        return STATUS_OK;
    }
    struct record_slice *bytes = slice->bytes;
    enum status status = slices->ops->read(slices->store, cursor, &place, from, bytes);
    if (status != STATUS_OK) {
        return status;
    }
    if (bytes->count > 0) {
        slice->next_offset = bytes->records[bytes->count - 1].offset + 1;
    }
    // Nothing more is there below the end that was seen before: the rest is a gap.
    if (!record_slice_is_full(bytes) && slice->next_offset < slice->end_offset) {
        slice->next_offset = slice->end_offset;
    }
    return STATUS_OK;
}

static enum status find_time(void *context, void *cursor, struct event_log_time_query *query) {
    struct local_slices *slices = context;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < query->count; i++) {
        struct local_place place = {.stream = query->stream, .partition = (int32_t)i};
        status = slices->ops->find_time(slices->store, cursor, &place, query->time_ms,
                                        &query->offsets[i]);
    }
    return status;
}

void local_slices_init(struct local_slices *slices, const struct local_store_ops *ops, void *store,
                       const int32_t partition_counts[EVENT_LOG_STREAM_COUNT]) {
    slices->ops = ops;
    slices->store = store;
    slices->pool_ops = (struct slice_store_ops){
        .open = ops->cursor_open ? open_cursor : NULL,
        .close = ops->cursor_close,
        .read = read_slice,
        .find_time = find_time,
    };
    slices->pool = slice_pool_create(&slices->pool_ops, slices, partition_counts);
}

void local_slices_wake(struct local_slices *slices, enum event_log_stream stream,
                       int32_t partition) {
    struct local_place place = {.stream = stream, .partition = partition};
    int64_t first, end;
    slices->ops->range(slices->store, &place, &first, &end);
    slice_pool_wake(slices->pool, stream, partition, end);
}

void local_slices_clear(struct local_slices *slices) {
    slice_pool_destroy(slices->pool);
    slices->pool = NULL;
}
