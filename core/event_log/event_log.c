#include "core/event_log/event_log.h"

#include "core/base/memory.h"
#include "core/event_log/event_log_kind.h"
#include "core/event_log/record_slice.h"
#include "core/event_log/slice_pool.h"

#include <assert.h>
#include <stdlib.h>

// Parked records wait for at most seven days, and one more for those who repair what is broken.
#define PARKED_RETENTION_MS (8 * 86400000LL)

const char *event_log_stream_name(enum event_log_stream stream) {
    static const char *const names[EVENT_LOG_STREAM_COUNT] = {
        [EVENT_LOG_EVENTS] = "events",       [EVENT_LOG_DEAD_LETTERS] = "deadletter",
        [EVENT_LOG_CURSORS] = "cursor",      [EVENT_LOG_OUTCOMES] = "outcome",
        [EVENT_LOG_RETRY_10S] = "retry.10s", [EVENT_LOG_RETRY_1M] = "retry.1m",
        [EVENT_LOG_RETRY_10M] = "retry.10m", [EVENT_LOG_RETRY_1H] = "retry.1h",
    };
    assert(stream < EVENT_LOG_STREAM_COUNT);
    return names[stream];
}

bool event_log_stream_is_compacted(enum event_log_stream stream) {
    return stream == EVENT_LOG_CURSORS;
}

int64_t event_log_retention_ms(enum event_log_stream stream,
                               const struct event_log_retention *retention) {
    assert(!event_log_stream_is_compacted(stream));
    if (stream == EVENT_LOG_DEAD_LETTERS) {
        return retention->dead_letters_ms;
    }
    bool is_parked = stream != EVENT_LOG_EVENTS && stream != EVENT_LOG_OUTCOMES;
    bool is_short = retention->events_ms > 0 && retention->events_ms < PARKED_RETENTION_MS;
    return is_parked && is_short ? PARKED_RETENTION_MS : retention->events_ms;
}

size_t event_log_record_size(const struct record *record) {
    size_t size = record->key.size + (record->has_value ? record->value.size : 0);
    for (size_t i = 0; i < record->header_count; i++) {
        size += record->headers[i].name.size + record->headers[i].value.size;
    }
    return size;
}

static void answer(struct event_loop_task *task) {
    struct event_log_append *append = CONTAINER_OF(task, struct event_log_append, task);
    append->done(append);
}

static void post_chain(struct event_log_chain *chain) {
    if (chain->first) {
        event_loop_post_chain(chain->loop, chain->first, chain->last);
    }
    chain->first = chain->last = NULL;
}

static struct event_log_chain *chain_of_loop(struct event_log_answers *answers,
                                             struct event_loop *loop) {
    for (size_t i = 0; i < answers->chain_count; i++) {
        if (answers->chains[i].loop == loop) {
            return &answers->chains[i];
        }
    }
    if (answers->chain_count < EVENT_LOG_CHAINS) {
        return &answers->chains[answers->chain_count++];
    }
    // More loops than chains: one of them gets its answers a little earlier.
    post_chain(&answers->chains[0]);
    return &answers->chains[0];
}

void event_log_answers_add(struct event_log_answers *answers, struct event_log_append *append,
                           enum status status, int32_t partition, int64_t offset) {
    append->status = status;
    append->partition = partition;
    append->offset = offset;
    append->task.run = answer;
    append->task.next = NULL;
    struct event_log_chain *chain = chain_of_loop(answers, append->loop);
    chain->loop = append->loop;
    if (chain->last) {
        chain->last->next = &append->task;
    } else {
        chain->first = &append->task;
    }
    chain->last = &append->task;
    answers->answer_count++;
}

size_t event_log_answers_post(struct event_log_answers *answers) {
    for (size_t i = 0; i < answers->chain_count; i++) {
        post_chain(&answers->chains[i]);
    }
    size_t count = answers->answer_count;
    answers->chain_count = 0;
    answers->answer_count = 0;
    return count;
}

enum status event_log_append(struct event_log *log, struct event_log_append *append) {
    assert(append->stream < EVENT_LOG_STREAM_COUNT && append->loop && append->done);
    assert(append->record.key.size > 0 || !event_log_stream_is_compacted(append->stream));
    return log->ops->append(log, append);
}

enum status event_log_health(struct event_log *log, struct error *error) {
    return log->ops->health(log, error);
}

size_t event_log_appends_inside(struct event_log *log) {
    return log->ops->appends_inside(log);
}

int64_t event_log_gather_us(struct event_log *log, size_t waiting) {
    return log->ops->gather_us ? log->ops->gather_us(log, waiting) : 0;
}

int64_t event_log_keeps_ms(struct event_log *log) {
    int64_t keeps_ms = log->ops->keeps_ms(log);
    return keeps_ms > 0 ? keeps_ms : 0;
}

int32_t event_log_partition_count(struct event_log *log, enum event_log_stream stream) {
    return log->ops->partition_count(log, stream);
}

enum status event_log_read(struct event_log *log, struct event_log_slice *slice) {
    assert(slice->stream < EVENT_LOG_STREAM_COUNT && slice->loop && slice->done);
    assert(slice->from_offset >= EVENT_LOG_BEGINNING);
    return slice_pool_read(log->ops->slices(log), slice);
}

void event_log_slice_cancel(struct event_log *log, struct event_log_slice *slice) {
    slice_pool_cancel(log->ops->slices(log), slice);
}

void event_log_slice_clear(struct event_log_slice *slice) {
    if (slice->bytes) {
        record_slice_clear(slice->bytes);
        free(slice->bytes);
    }
    slice->bytes = NULL;
    slice->records = NULL;
    slice->count = 0;
}

enum status event_log_find_time(struct event_log *log, struct event_log_time_query *query) {
    assert(query->stream < EVENT_LOG_STREAM_COUNT && query->loop && query->done);
    return slice_pool_find_time(log->ops->slices(log), query);
}

void event_log_time_query_clear(struct event_log_time_query *query) {
    free(query->offsets);
    query->offsets = NULL;
    query->count = 0;
}

void event_log_close(struct event_log *log, int64_t deadline_ms) {
    slice_pool_close(log->ops->slices(log));
    log->ops->close(log, deadline_ms);
}

void event_log_destroy(struct event_log *log) {
    if (log) {
        log->ops->destroy(log);
    }
}

enum status event_log_reader_create(struct event_log *log,
                                    const struct event_log_reader_options *options,
                                    struct event_log_reader **ret_reader, struct error *error) {
    assert(options->stream < EVENT_LOG_STREAM_COUNT && options->group);
    assert(options->assigned && options->records && options->revoked && options->lost &&
           options->passed_by_retention);
    return log->ops->reader_create(log, options, ret_reader, error);
}

void event_log_reader_commit(struct event_log_reader *reader, int32_t partition, int64_t offset) {
    reader->ops->commit(reader, partition, offset);
}

void event_log_reader_pause(struct event_log_reader *reader, int32_t partition) {
    reader->ops->pause(reader, partition, true);
}

void event_log_reader_resume(struct event_log_reader *reader, int32_t partition) {
    reader->ops->pause(reader, partition, false);
}

void event_log_reader_release(struct event_log_reader *reader, int32_t partition, int64_t offset) {
    reader->ops->release(reader, partition, offset);
}

int64_t event_log_reader_end_offset(struct event_log_reader *reader, int32_t partition) {
    return reader->ops->end_offset(reader, partition);
}

void event_log_reader_close(struct event_log_reader *reader, void (*closed)(void *context)) {
    reader->ops->close(reader, closed);
}

void event_log_reader_destroy(struct event_log_reader *reader) {
    if (reader) {
        reader->ops->destroy(reader);
    }
}
