#include "core/event_log/event_log_kinds.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kind.h"
#include "core/event_log/local_readers.h"
#include "core/event_log/record_slice.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct memory_record {
    struct stored_record stored;
    bool is_removed;           // by compaction
    struct record_slice bytes; // what stored points into
};

struct memory_partition {
    struct memory_record *records; // records[i] has offset first + i
    size_t count;
    size_t capacity;
    int64_t first;
};

struct memory_fault {
    uint64_t skip; // appends that go well before it
    uint64_t count;
    enum status status;
};

struct memory_position {
    struct memory_position *next;
    enum event_log_stream stream;
    int32_t partition;
    char *group;
    int64_t offset;
};

struct memory_log {
    struct event_log base;
    struct local_readers *readers;
    int32_t partition_count;
    int64_t gather_us;
    int64_t keeps_ms;

    pthread_mutex_t lock; // for everything below
    struct memory_partition *partitions[EVENT_LOG_STREAM_COUNT];
    struct memory_fault faults[EVENT_LOG_STREAM_COUNT];
    struct memory_position *positions;
    uint64_t next_keyless;
    bool is_closed;
    bool is_away;
    bool is_held;
    struct event_log_append **held; // answered when they are let go
    size_t held_count;
    size_t held_capacity;
};

static struct memory_log *memory_log_of(struct event_log *log) {
    return CONTAINER_OF(log, struct memory_log, base);
}

static int32_t partition_count(const struct memory_log *log, enum event_log_stream stream) {
    return event_log_stream_is_compacted(stream) ? 1 : log->partition_count;
}

static struct memory_partition *choose_partition(struct memory_log *log,
                                                 const struct event_log_append *append,
                                                 int32_t *ret_partition) {
    uint64_t number =
        append->record.key.size > 0 ? bytes_hash(append->record.key) : log->next_keyless++;
    *ret_partition = (int32_t)(number % (uint64_t)partition_count(log, append->stream));
    return &log->partitions[append->stream][*ret_partition];
}

static void store(struct memory_log *log, struct event_log_append *append) {
    struct memory_partition *partition = choose_partition(log, append, &append->partition);
    if (partition->count == partition->capacity) {
        partition->capacity = partition->capacity > 0 ? partition->capacity * 2 : 16;
        partition->records =
            memory_resize(partition->records, partition->capacity, sizeof *partition->records);
    }
    append->offset = partition->first + (int64_t)partition->count;
    struct memory_record *record = &partition->records[partition->count++];
    *record = (struct memory_record){
        .stored = {.partition = append->partition,
                   .offset = append->offset,
                   .timestamp_ms = clock_wall_us() / 1000},
    };
    record_slice_copy(&record->bytes, &append->record, &record->stored.record);
}

// STATUS_OK when no fault is on order for this append.
static enum status take_fault(struct memory_fault *fault) {
    if (fault->count == 0) {
        return STATUS_OK;
    }
    if (fault->skip > 0) {
        fault->skip--;
        return STATUS_OK;
    }
    fault->count--;
    return fault->status;
}

static void hold(struct memory_log *log, struct event_log_append *append) {
    if (log->held_count == log->held_capacity) {
        log->held_capacity = log->held_capacity > 0 ? log->held_capacity * 2 : 16;
        log->held = memory_resize(log->held, log->held_capacity, sizeof(struct event_log_append *));
    }
    log->held[log->held_count++] = append;
}

static void answer(struct event_log_append *append) {
    struct event_log_answers answers = {0};
    event_log_answers_add(&answers, append, append->status, append->partition, append->offset);
    event_log_answers_post(&answers);
}

static enum status refuse(const struct memory_log *log, const struct event_log_append *append) {
    if (log->is_closed) {
        return STATUS_CLOSED;
    }
    if (log->is_away) {
        return STATUS_UNAVAILABLE;
    }
    return event_log_record_size(&append->record) > EVENT_LOG_RECORD_MAX_BYTES ? STATUS_TOO_LARGE
                                                                               : STATUS_OK;
}

static enum status memory_append(struct event_log *base, struct event_log_append *append) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    enum status status = refuse(log, append);
    if (status == STATUS_OK) {
        append->partition = -1;
        append->offset = -1;
        append->status = take_fault(&log->faults[append->stream]);
        status = append->status == STATUS_FULL ? STATUS_FULL : STATUS_OK;
    }
    if (status != STATUS_OK) {
        pthread_mutex_unlock(&log->lock);
        return status;
    }
    if (append->status == STATUS_OK) {
        store(log, append);
    }
    enum event_log_stream stream = append->stream;
    int32_t partition = append->partition;
    if (log->is_held && append->stream != EVENT_LOG_CURSORS) {
        hold(log, append);
    } else {
        answer(append);
    }
    pthread_mutex_unlock(&log->lock);
    // From here on the append can be gone.
    if (partition >= 0) {
        local_readers_wake(log->readers, stream, partition);
    }
    return STATUS_OK;
}

static enum status memory_health(struct event_log *base, struct error *error) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    bool is_away = log->is_away;
    pthread_mutex_unlock(&log->lock);
    return is_away ? error_set(error, STATUS_UNAVAILABLE, "the log was ordered to be away")
                   : STATUS_OK;
}

static int64_t memory_gather_us(struct event_log *base, size_t waiting) {
    (void)waiting;
    return memory_log_of(base)->gather_us;
}

static size_t memory_appends_inside(struct event_log *base) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    size_t count = log->held_count;
    pthread_mutex_unlock(&log->lock);
    return count;
}

static int64_t memory_keeps_ms(struct event_log *base) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    int64_t keeps_ms = log->keeps_ms;
    pthread_mutex_unlock(&log->lock);
    return keeps_ms;
}

static int32_t memory_partition_count(struct event_log *base, enum event_log_stream stream) {
    return partition_count(memory_log_of(base), stream);
}

static void let_go(struct memory_log *log) {
    for (size_t i = 0; i < log->held_count; i++) {
        answer(log->held[i]);
    }
    log->held_count = 0;
}

static void memory_close(struct event_log *base, int64_t deadline_ms) {
    (void)deadline_ms;
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    log->is_closed = true;
    log->is_held = false;
    let_go(log);
    pthread_mutex_unlock(&log->lock);
}

static void clear_partition(struct memory_partition *partition) {
    for (size_t i = 0; i < partition->count; i++) {
        record_slice_clear(&partition->records[i].bytes);
    }
    free(partition->records);
}

static void memory_destroy(struct event_log *base) {
    struct memory_log *log = memory_log_of(base);
    local_readers_destroy(log->readers);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        for (int32_t i = 0; i < partition_count(log, (enum event_log_stream)stream); i++) {
            clear_partition(&log->partitions[stream][i]);
        }
        free(log->partitions[stream]);
    }
    while (log->positions) {
        struct memory_position *position = log->positions;
        log->positions = position->next;
        free(position->group);
        free(position);
    }
    free(log->held);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static struct slice_pool *memory_slices(struct event_log *base) {
    return local_readers_slices(memory_log_of(base)->readers);
}

static enum status memory_reader_create(struct event_log *base,
                                        const struct event_log_reader_options *options,
                                        struct event_log_reader **ret_reader, struct error *error) {
    return local_reader_create(memory_log_of(base)->readers, options, ret_reader, error);
}

static const struct event_log_ops memory_ops = {
    .append = memory_append,
    .health = memory_health,
    .appends_inside = memory_appends_inside,
    .gather_us = memory_gather_us,
    .partition_count = memory_partition_count,
    .keeps_ms = memory_keeps_ms,
    .close = memory_close,
    .destroy = memory_destroy,
    .reader_create = memory_reader_create,
    .slices = memory_slices,
};

// Needs the lock.
static struct memory_position *find_position(struct memory_log *log,
                                             const struct local_place *place) {
    struct memory_position *position = log->positions;
    while (position &&
           (position->stream != place->stream || position->partition != place->partition ||
            strcmp(position->group, place->group) != 0)) {
        position = position->next;
    }
    return position;
}

static enum status load_position(void *store, void *cursor, const struct local_place *place,
                                 int64_t *ret_offset) {
    (void)cursor;
    struct memory_log *log = store;
    pthread_mutex_lock(&log->lock);
    struct memory_position *position = find_position(log, place);
    *ret_offset = position ? position->offset : -1;
    pthread_mutex_unlock(&log->lock);
    return STATUS_OK;
}

static void save_position(void *store, const struct local_place *place, int64_t offset,
                          bool is_final) {
    (void)is_final;
    struct memory_log *log = store;
    pthread_mutex_lock(&log->lock);
    struct memory_position *position = find_position(log, place);
    if (!position) {
        position = memory_allocate(sizeof *position);
        position->stream = place->stream;
        position->partition = place->partition;
        position->group = memory_copy_text(place->group);
        position->next = log->positions;
        log->positions = position;
    }
    position->offset = offset;
    pthread_mutex_unlock(&log->lock);
}

static void range(void *store, const struct local_place *place, int64_t *ret_first,
                  int64_t *ret_end) {
    struct memory_log *log = store;
    pthread_mutex_lock(&log->lock);
    const struct memory_partition *partition = &log->partitions[place->stream][place->partition];
    *ret_first = partition->first;
    *ret_end = partition->first + (int64_t)partition->count;
    pthread_mutex_unlock(&log->lock);
}

static enum status read_records(void *store, void *cursor, const struct local_place *place,
                                int64_t offset, struct record_slice *slice) {
    (void)cursor;
    struct memory_log *log = store;
    pthread_mutex_lock(&log->lock);
    const struct memory_partition *partition = &log->partitions[place->stream][place->partition];
    for (int64_t i = offset - partition->first;
         i >= 0 && i < (int64_t)partition->count && !record_slice_is_full(slice); i++) {
        const struct stored_record *from = &partition->records[i].stored;
        if (partition->records[i].is_removed) {
            continue;
        }
        struct record copy;
        record_slice_copy(slice, &from->record, &copy);
        struct stored_record *to = record_slice_add(slice);
        *to = *from;
        to->record = copy;
        slice->byte_count += event_log_record_size(&copy);
    }
    pthread_mutex_unlock(&log->lock);
    return STATUS_OK;
}

static enum status find_time(void *store, void *cursor, const struct local_place *place,
                             int64_t time_ms, int64_t *ret_offset) {
    (void)cursor;
    struct memory_log *log = store;
    pthread_mutex_lock(&log->lock);
    const struct memory_partition *partition = &log->partitions[place->stream][place->partition];
    size_t i = 0;
    while (i < partition->count && partition->records[i].stored.timestamp_ms < time_ms) {
        i++;
    }
    *ret_offset = partition->first + (int64_t)i;
    pthread_mutex_unlock(&log->lock);
    return STATUS_OK;
}

static const struct local_store_ops memory_store_ops = {
    .load_position = load_position,
    .save_position = save_position,
    .range = range,
    .read = read_records,
    .find_time = find_time,
};

enum status event_log_memory_create(const struct event_log_memory_options *options,
                                    struct event_log **ret_log, struct error *error) {
    int32_t count = options && options->partitions > 0 ? options->partitions : 1;
    if (count > 1000) {
        return error_set(error, STATUS_INVALID, "a log in memory has at most 1000 partitions");
    }
    struct memory_log *log = memory_allocate(sizeof *log);
    log->base.ops = &memory_ops;
    log->partition_count = count;
    log->gather_us = options ? options->gather_us : 0;
    log->keeps_ms = options ? options->keeps_ms : 0;
    pthread_mutex_init(&log->lock, NULL);
    int32_t counts[EVENT_LOG_STREAM_COUNT];
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        counts[stream] = partition_count(log, (enum event_log_stream)stream);
        log->partitions[stream] =
            memory_allocate((size_t)counts[stream] * sizeof *log->partitions[stream]);
    }
    log->readers = local_readers_create(&memory_store_ops, log, counts);
    *ret_log = &log->base;
    return STATUS_OK;
}

void event_log_memory_fail_append(struct event_log *base, enum event_log_stream stream, uint64_t n,
                                  uint64_t count, enum status status) {
    assert(n > 0);
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    log->faults[stream] = (struct memory_fault){n - 1, count, status};
    pthread_mutex_unlock(&log->lock);
}

void event_log_memory_rebalance(struct event_log *base, enum event_log_stream stream,
                                int32_t partition) {
    local_readers_revoke(memory_log_of(base)->readers, stream, partition);
}

void event_log_memory_lose(struct event_log *base, enum event_log_stream stream,
                           int32_t partition) {
    local_readers_lose(memory_log_of(base)->readers, stream, partition);
}

void event_log_memory_set_keeps(struct event_log *base, int64_t keeps_ms) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    log->keeps_ms = keeps_ms;
    pthread_mutex_unlock(&log->lock);
}

void event_log_memory_remove_before(struct event_log *base, enum event_log_stream stream,
                                    int32_t number, int64_t offset) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    struct memory_partition *partition = &log->partitions[stream][number];
    size_t removed = 0;
    while (removed < partition->count && partition->first + (int64_t)removed < offset) {
        record_slice_clear(&partition->records[removed++].bytes);
    }
    partition->count -= removed;
    partition->first += (int64_t)removed;
    if (removed > 0) {
        memmove(partition->records, partition->records + removed,
                partition->count * sizeof *partition->records);
    }
    pthread_mutex_unlock(&log->lock);
    local_readers_wake(log->readers, stream, number);
}

static bool has_newer(const struct memory_partition *partition, size_t place) {
    struct bytes key = partition->records[place].stored.record.key;
    for (size_t i = place + 1; i < partition->count; i++) {
        if (bytes_equal(partition->records[i].stored.record.key, key)) {
            return true;
        }
    }
    return false;
}

void event_log_memory_compact(struct event_log *base, enum event_log_stream stream) {
    assert(event_log_stream_is_compacted(stream));
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    struct memory_partition *partition = &log->partitions[stream][0];
    for (size_t i = 0; i < partition->count; i++) {
        struct memory_record *record = &partition->records[i];
        record->is_removed |= !record->stored.record.has_value || has_newer(partition, i);
    }
    pthread_mutex_unlock(&log->lock);
}

void event_log_memory_set_away(struct event_log *base, bool is_away) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    log->is_away = is_away;
    pthread_mutex_unlock(&log->lock);
}

void event_log_memory_hold_appends(struct event_log *base, bool is_held) {
    struct memory_log *log = memory_log_of(base);
    pthread_mutex_lock(&log->lock);
    log->is_held = is_held;
    if (!is_held) {
        let_go(log);
    }
    pthread_mutex_unlock(&log->lock);
}
