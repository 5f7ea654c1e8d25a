#include "tests/support/log_recorder.h"

#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AWAIT_SECONDS 60

static void fail(const char *what) {
    fprintf(stderr, "log_recorder: %s\n", what);
    abort();
}

// --- Appends.

struct waiting_append {
    struct event_log_append append;
    struct append_group *group;
};

struct append_group {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t left;
    size_t confirmed;
};

void test_loop_start(struct test_loop *loop) {
    c11_threads_link();
    struct error error;
    if (event_loop_create("test", &loop->loop, &error) != STATUS_OK) {
        fail(error.text);
    }
    loop->thread = event_loop_thread_start(loop->loop);
}

void test_loop_stop(struct test_loop *loop) {
    event_loop_stop(loop->loop);
    event_loop_thread_join(loop->thread);
    event_loop_destroy(loop->loop);
}

static struct timespec deadline(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += AWAIT_SECONDS;
    return until;
}

static void answered(struct event_log_append *append) {
    struct waiting_append *waiting = CONTAINER_OF(append, struct waiting_append, append);
    struct append_group *group = waiting->group;
    pthread_mutex_lock(&group->lock);
    group->left--;
    group->confirmed += append->status == STATUS_OK;
    pthread_cond_signal(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

static void group_init(struct append_group *group, size_t count) {
    *group = (struct append_group){.left = count};
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->changed, NULL);
}

static void group_await(struct append_group *group) {
    struct timespec until = deadline();
    pthread_mutex_lock(&group->lock);
    while (group->left > 0) {
        if (pthread_cond_timedwait(&group->changed, &group->lock, &until) != 0) {
            fail("an append was not answered");
        }
    }
    pthread_mutex_unlock(&group->lock);
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
}

struct append_answer append_and_wait(struct event_log *log, struct test_loop *loop,
                                     enum event_log_stream stream, const struct record *record) {
    struct append_group group;
    group_init(&group, 1);
    struct waiting_append waiting = {
        .append = {.stream = stream, .record = *record, .loop = loop->loop, .done = answered},
        .group = &group,
    };
    struct append_answer answer = {.taken = event_log_append(log, &waiting.append)};
    if (answer.taken != STATUS_OK) {
        group.left = 0;
    }
    group_await(&group);
    answer.status = waiting.append.status;
    answer.partition = waiting.append.partition;
    answer.offset = waiting.append.offset;
    return answer;
}

struct append_answer append_text(struct event_log *log, struct test_loop *loop, const char *key,
                                 const char *value) {
    struct record record = {
        .key = bytes_of_text(key), .value = bytes_of_text(value), .has_value = true};
    struct append_answer answer = append_and_wait(log, loop, EVENT_LOG_EVENTS, &record);
    if (answer.taken != STATUS_OK || answer.status != STATUS_OK) {
        fail("an append failed");
    }
    return answer;
}

size_t append_numbers(struct event_log *log, struct test_loop *loop, const char *key,
                      size_t count) {
    struct append_group group;
    group_init(&group, count);
    struct waiting_append *appends = memory_allocate(count * sizeof *appends);
    char(*texts)[24] = memory_allocate(count * sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        int size = snprintf(texts[i], sizeof texts[i], "%zu", i);
        appends[i].group = &group;
        appends[i].append = (struct event_log_append){
            .record = {.key = bytes_of_text(key),
                       .value = {texts[i], (size_t)size},
                       .has_value = true},
            .loop = loop->loop,
            .done = answered,
        };
        if (event_log_append(log, &appends[i].append) != STATUS_OK) {
            pthread_mutex_lock(&group.lock);
            group.left--;
            pthread_mutex_unlock(&group.lock);
        }
    }
    group_await(&group);
    free(appends);
    free(texts);
    return group.confirmed;
}

// --- Slices and queries.

static void set_done(struct pending_slice *pending) {
    pthread_mutex_lock(&pending->lock);
    pending->is_done = true;
    pthread_cond_signal(&pending->changed);
    pthread_mutex_unlock(&pending->lock);
}

static void slice_answered(struct event_log_slice *slice) {
    set_done(CONTAINER_OF(slice, struct pending_slice, slice));
}

void pending_slice_start(struct pending_slice *pending, struct event_log *log,
                         struct test_loop *loop) {
    pthread_mutex_init(&pending->lock, NULL);
    pthread_cond_init(&pending->changed, NULL);
    pending->is_done = false;
    pending->slice.loop = loop->loop;
    pending->slice.done = slice_answered;
    if (event_log_read(log, &pending->slice) != STATUS_OK) {
        fail("a slice was not taken");
    }
}

void pending_slice_await(struct pending_slice *pending) {
    struct timespec until = deadline();
    pthread_mutex_lock(&pending->lock);
    while (!pending->is_done) {
        if (pthread_cond_timedwait(&pending->changed, &pending->lock, &until) != 0) {
            fail("a slice or query was not answered");
        }
    }
    pthread_mutex_unlock(&pending->lock);
    pthread_cond_destroy(&pending->changed);
    pthread_mutex_destroy(&pending->lock);
}

void read_and_wait(struct event_log *log, struct test_loop *loop, struct event_log_slice *slice) {
    struct pending_slice pending = {.slice = *slice};
    pending_slice_start(&pending, log, loop);
    pending_slice_await(&pending);
    *slice = pending.slice;
}

struct pending_query {
    struct event_log_time_query query;
    struct pending_slice pending; // only its lock
};

static void query_answered(struct event_log_time_query *query) {
    set_done(&CONTAINER_OF(query, struct pending_query, query)->pending);
}

void find_time_and_wait(struct event_log *log, struct test_loop *loop,
                        struct event_log_time_query *query) {
    struct pending_query pending = {.query = *query};
    pthread_mutex_init(&pending.pending.lock, NULL);
    pthread_cond_init(&pending.pending.changed, NULL);
    pending.query.loop = loop->loop;
    pending.query.done = query_answered;
    if (event_log_find_time(log, &pending.query) != STATUS_OK) {
        fail("a query was not taken");
    }
    pending_slice_await(&pending.pending);
    *query = pending.query;
}

// --- The recorder.

static struct bytes copy_bytes(struct bytes bytes) {
    char *copy = memory_allocate(bytes.size + 1);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (struct bytes){copy, bytes.size};
}

static struct record copy_record(const struct record *record) {
    struct http_header *headers = memory_allocate(record->header_count * sizeof *headers);
    for (size_t i = 0; i < record->header_count; i++) {
        headers[i].name = copy_bytes(record->headers[i].name);
        headers[i].value = copy_bytes(record->headers[i].value);
    }
    return (struct record){
        .key = copy_bytes(record->key),
        .headers = headers,
        .header_count = record->header_count,
        .value = copy_bytes(record->value),
        .has_value = record->has_value,
    };
}

static void free_record(struct record *record) {
    for (size_t i = 0; i < record->header_count; i++) {
        free((char *)record->headers[i].name.data);
        free((char *)record->headers[i].value.data);
    }
    free((void *)record->headers);
    free((char *)record->key.data);
    free((char *)record->value.data);
}

static void note(struct recorder *recorder) {
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
}

static void on_assigned(void *context, int32_t partition, int64_t start_offset, bool is_committed) {
    (void)is_committed;
    struct recorder *recorder = context;
    pthread_mutex_lock(&recorder->lock);
    recorder->has_order_error |= recorder->is_ours[partition];
    recorder->is_ours[partition] = true;
    recorder->is_revoked[partition] = false;
    recorder->start[partition] = recorder->next[partition] = start_offset;
    recorder->assigned_count++;
    note(recorder);
}

static void add_received(struct recorder *recorder, const struct stored_record *stored) {
    if (recorder->received_count == recorder->received_capacity) {
        recorder->received_capacity = recorder->received_capacity * 2 + 64;
        recorder->received = memory_resize(recorder->received, recorder->received_capacity,
                                           sizeof *recorder->received);
    }
    recorder->received[recorder->received_count++] = (struct received){
        .partition = stored->partition,
        .offset = stored->offset,
        .timestamp_ms = stored->timestamp_ms,
        .record = copy_record(&stored->record),
    };
}

static void on_records(void *context, int32_t partition, const struct stored_record *records,
                       size_t count) {
    struct recorder *recorder = context;
    pthread_mutex_lock(&recorder->lock);
    for (size_t i = 0; i < count; i++) {
        recorder->has_order_error |=
            records[i].partition != partition || records[i].offset < recorder->next[partition] ||
            !recorder->is_ours[partition] || recorder->is_revoked[partition];
        recorder->next[partition] = records[i].offset + 1;
        add_received(recorder, &records[i]);
    }
    if (recorder->commits) {
        event_log_reader_commit(recorder->reader, partition, recorder->next[partition]);
    }
    note(recorder);
}

static void on_revoked(void *context, int32_t partition) {
    struct recorder *recorder = context;
    pthread_mutex_lock(&recorder->lock);
    recorder->has_order_error |= !recorder->is_ours[partition];
    recorder->is_ours[partition] = false;
    recorder->is_revoked[partition] = true;
    recorder->revoked_count++;
    bool releases = recorder->releases;
    int64_t next = recorder->next[partition];
    note(recorder);
    if (releases) {
        event_log_reader_release(recorder->reader, partition, next);
    }
}

static void on_lost(void *context, int32_t partition) {
    struct recorder *recorder = context;
    pthread_mutex_lock(&recorder->lock);
    recorder->is_ours[partition] = false;
    recorder->is_revoked[partition] = false;
    recorder->lost_count++;
    note(recorder);
}

static void on_passed(void *context, int32_t partition, int64_t position, int64_t first_offset) {
    struct recorder *recorder = context;
    pthread_mutex_lock(&recorder->lock);
    recorder->passed_count++;
    recorder->passed_position = position;
    recorder->passed_first = first_offset;
    recorder->next[partition] = first_offset;
    note(recorder);
}

static void on_closed(void *context) {
    struct recorder *recorder = context;
    pthread_mutex_lock(&recorder->lock);
    recorder->is_closed = true;
    note(recorder);
}

void recorder_start(struct recorder *recorder, struct event_log *log, enum event_log_stream stream,
                    const char *group, int64_t hand_over_ms) {
    pthread_mutex_init(&recorder->lock, NULL);
    pthread_cond_init(&recorder->changed, NULL);
    struct event_log_reader_options options = {
        .stream = stream,
        .group = group,
        .context = recorder,
        .assigned = on_assigned,
        .records = on_records,
        .revoked = on_revoked,
        .lost = on_lost,
        .passed_by_retention = on_passed,
        .hand_over_ms = hand_over_ms,
    };
    struct error error;
    if (event_log_reader_create(log, &options, &recorder->reader, &error) != STATUS_OK) {
        fail(error.text);
    }
}

void recorder_await(struct recorder *recorder, bool (*holds)(struct recorder *recorder, size_t n),
                    size_t n, const char *what) {
    struct timespec until = deadline();
    pthread_mutex_lock(&recorder->lock);
    while (!holds(recorder, n)) {
        if (pthread_cond_timedwait(&recorder->changed, &recorder->lock, &until) != 0) {
            fprintf(stderr, "received %zu, assigned %zu, revoked %zu, lost %zu, passed %zu\n",
                    recorder->received_count, recorder->assigned_count, recorder->revoked_count,
                    recorder->lost_count, recorder->passed_count);
            fail(what);
        }
    }
    pthread_mutex_unlock(&recorder->lock);
}

static bool has_received(struct recorder *recorder, size_t count) {
    return recorder->received_count >= count;
}

static bool owns(struct recorder *recorder, size_t count) {
    size_t owned = 0;
    for (size_t i = 0; i < RECORDER_PARTITIONS; i++) {
        owned += recorder->is_ours[i];
    }
    return owned == count;
}

static bool has_revoked(struct recorder *recorder, size_t count) {
    return recorder->revoked_count >= count;
}

static bool is_closed(struct recorder *recorder, size_t count) {
    (void)count;
    return recorder->is_closed;
}

void recorder_await_received(struct recorder *recorder, size_t count) {
    recorder_await(recorder, has_received, count, "records did not come");
}

void recorder_await_assigned(struct recorder *recorder, size_t count) {
    recorder_await(recorder, owns, count, "partitions were not assigned");
}

void recorder_await_revoked(struct recorder *recorder, size_t count) {
    recorder_await(recorder, has_revoked, count, "partitions were not revoked");
}

void recorder_close(struct recorder *recorder) {
    event_log_reader_close(recorder->reader, on_closed);
    recorder_await(recorder, is_closed, 0, "the reader did not close");
    event_log_reader_destroy(recorder->reader);
    recorder->reader = NULL;
}

void recorder_clear(struct recorder *recorder) {
    for (size_t i = 0; i < recorder->received_count; i++) {
        free_record(&recorder->received[i].record);
    }
    free(recorder->received);
    pthread_cond_destroy(&recorder->changed);
    pthread_mutex_destroy(&recorder->lock);
    *recorder = (struct recorder){0};
}

size_t recorder_owned(struct recorder *recorder) {
    size_t owned = 0;
    pthread_mutex_lock(&recorder->lock);
    for (size_t i = 0; i < RECORDER_PARTITIONS; i++) {
        owned += recorder->is_ours[i];
    }
    pthread_mutex_unlock(&recorder->lock);
    return owned;
}
