// What the consumer fetched, as records: sorted by partition, in order, and given to the reader's
// owner. On the reader's thread.
#include "core/event_log/event_log_kafka_reader.h"

#include "core/base/log_line.h"
#include "core/event_log/read_count.h"

static void read_headers(struct record_slice *slice, const rd_kafka_message_t *message,
                         struct record *record) {
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    size_t count = rd_kafka_header_cnt(headers);
    struct http_header *copies = record_slice_allocate(slice, count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        const char *name = "";
        const void *value = NULL;
        size_t size = 0;
        (void)rd_kafka_header_get_all(headers, i, &name, &value, &size);
        copies[i] = (struct http_header){bytes_of_text(name), {value, value ? size : 0}};
    }
    record->headers = copies;
    record->header_count = count;
}

void kafka_read_record(struct record_slice *slice, const rd_kafka_message_t *message,
                       struct stored_record *stored) {
    stored->record.key = (struct bytes){message->key, message->key_len};
    stored->record.has_value = message->payload != NULL;
    stored->record.value = (struct bytes){message->payload, message->len};
    stored->partition = message->partition;
    stored->offset = message->offset;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    stored->timestamp_ms = timestamp_ms > 0 ? timestamp_ms : 0;
    read_headers(slice, message, &stored->record);
}

static void deliver_partition(struct kafka_reader *reader, int32_t number) {
    struct kafka_partition *partition = &reader->partitions[number];
    size_t index = partition->first_message;
    partition->first_message = 0;
    if (partition->state != KAFKA_PARTITION_OURS) {
        return;
    }
    record_slice_reset(&reader->slice);
    for (; index > 0; index = reader->next_message[index - 1]) {
        const rd_kafka_message_t *message = reader->messages[index - 1];
        // After a new start of the fetcher an old answer can still come in.
        if (message->offset >= partition->next_offset) {
            kafka_read_record(&reader->slice, message, record_slice_add(&reader->slice));
            partition->next_offset = message->offset + 1;
        }
    }
    if (reader->slice.count > 0) {
        read_count_add(reader->options.stream, reader->slice.count);
        reader->options.records(reader->options.context, number, reader->slice.records,
                                reader->slice.count);
    }
}

static void take_error(struct kafka_reader *reader, const rd_kafka_message_t *message) {
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        if (message->rkt && message->partition >= 0 &&
            message->partition < reader->partition_count) {
            reader->partitions[message->partition].is_out_of_range = true;
        }
        return;
    }
    static _Thread_local struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "kafka consumer", LOG_TEXT("group", reader->options.group),
                 LOG_TEXT("reason", rd_kafka_message_errstr(message)),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

// Links the message to those of its partition.
static void sort_message(struct kafka_reader *reader, size_t index) {
    const rd_kafka_message_t *message = reader->messages[index];
    reader->next_message[index] = 0;
    if (message->err) {
        take_error(reader, message);
        return;
    }
    if (message->partition < 0 || message->partition >= reader->partition_count) {
        return;
    }
    struct kafka_partition *partition = &reader->partitions[message->partition];
    if (partition->first_message == 0) {
        partition->first_message = index + 1;
    } else {
        reader->next_message[partition->last_message] = index + 1;
    }
    partition->last_message = index;
}

static void deliver(struct kafka_reader *reader, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sort_message(reader, i);
    }
    for (int32_t i = 0; i < reader->partition_count; i++) {
        if (reader->partitions[i].first_message > 0) {
            deliver_partition(reader, i);
        }
    }
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_destroy(reader->messages[i]);
    }
}

void kafka_delivery_poll(struct kafka_reader *reader, int timeout_ms) {
    deliver(reader, kafka_queues_take(reader, timeout_ms));
}
