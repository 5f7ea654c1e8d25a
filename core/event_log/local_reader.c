// A member of a group inside this process: its thread carries out what the states of its partitions
// say, reads through the store and calls the owner back.
#include "core/event_log/local_reader.h"

#include "core/base/clock.h"
#include "core/base/condition.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kind.h"
#include "core/event_log/read_count.h"

#include <stdlib.h>

#define STORE_RETRY_US 500000
// What a reader takes at once.
#define SLICE_MAX_RECORDS 500
#define SLICE_MAX_BYTES (1u << 20)

struct local_reader {
    struct event_log_reader base;
    struct local_readers *readers;
    struct event_log_reader_options options;
    struct local_member member;
    pthread_t thread;
    void *cursor;              // of the store, for the thread
    struct record_slice slice; // the thread's
    int64_t save_due_us;       // the thread's; 0 = nothing moved
    int64_t hand_over_us;

    // Under the lock.
    pthread_cond_t woken;
    bool has_news;
    bool is_closing;
    bool is_aborted; // destroyed without close
    void (*closed)(void *context);
};

static void wake(struct local_reader *reader) {
    reader->has_news = true;
    pthread_cond_signal(&reader->woken);
}

void local_reader_wake(struct local_member *member) {
    wake(CONTAINER_OF(member, struct local_reader, member));
}

static struct local_place place_of(const struct local_reader *reader, int32_t partition) {
    return (struct local_place){reader->options.stream, reader->options.group, partition};
}

static void lock(struct local_reader *reader) {
    pthread_mutex_lock(&reader->readers->lock);
}

static void unlock(struct local_reader *reader) {
    pthread_mutex_unlock(&reader->readers->lock);
}

// The functions from here to run() are called on the reader's thread with the lock held, and let go
// of it around callbacks and the store.

static void give_up_partition(struct local_reader *reader, struct local_partition *partition) {
    *partition = (struct local_partition){.state = LOCAL_PARTITION_ELSEWHERE};
    local_group_balance(reader->member.group);
    local_readers_wake_group(reader->member.group);
}

static void tell_assigned(struct local_reader *reader, int32_t number) {
    const struct local_store_ops *ops = reader->readers->ops;
    struct local_place place = place_of(reader, number);
    int64_t position = -1, first = 0, end = 0;
    unlock(reader);
    enum status status =
        ops->load_position(reader->readers->store, reader->cursor, &place, &position);
    ops->range(reader->readers->store, &place, &first, &end);
    lock(reader);
    struct local_partition *partition = &reader->member.partitions[number];
    if (status != STATUS_OK) {
        partition->retry_at_us = clock_monotonic_us() + STORE_RETRY_US;
        return;
    }
    partition->state = LOCAL_PARTITION_OURS;
    partition->retry_at_us = 0;
    partition->saved_position = position;
    partition->position = partition->next_offset = position >= 0 ? position : first;
    int64_t start = partition->next_offset;
    unlock(reader);
    reader->options.assigned(reader->options.context, number, start, position >= 0);
    lock(reader);
}

static void tell_lost(struct local_reader *reader, int32_t number) {
    bool was_told = reader->member.partitions[number].state != LOCAL_PARTITION_ASSIGNED;
    reader->member.partitions[number].state = LOCAL_PARTITION_HANDING_OVER;
    if (was_told) {
        unlock(reader);
        reader->options.lost(reader->options.context, number);
        lock(reader);
    }
    give_up_partition(reader, &reader->member.partitions[number]);
}

static void tell_revoked(struct local_reader *reader, int32_t number, int64_t now_us) {
    struct local_partition *partition = &reader->member.partitions[number];
    partition->is_wanted_back = false;
    if (partition->state == LOCAL_PARTITION_ASSIGNED) {
        give_up_partition(reader, partition);
        return;
    }
    partition->state = LOCAL_PARTITION_HANDING_OVER;
    partition->hand_over_until_us = now_us + reader->hand_over_us;
    unlock(reader);
    reader->options.revoked(reader->options.context, number);
    lock(reader);
}

static void save_position(struct local_reader *reader, int32_t number, bool is_final) {
    struct local_partition *partition = &reader->member.partitions[number];
    int64_t position = partition->position;
    if (position == partition->saved_position) {
        return;
    }
    partition->saved_position = position;
    struct local_place place = place_of(reader, number);
    unlock(reader);
    reader->readers->ops->save_position(reader->readers->store, &place, position, is_final);
    lock(reader);
}

static void hand_over(struct local_reader *reader, int32_t number) {
    save_position(reader, number, true);
    give_up_partition(reader, &reader->member.partitions[number]);
}

static void tell_passed(struct local_reader *reader, int32_t number, int64_t first) {
    struct local_partition *partition = &reader->member.partitions[number];
    int64_t position = partition->next_offset;
    partition->next_offset = first;
    unlock(reader);
    reader->options.passed_by_retention(reader->options.context, number, position, first);
    lock(reader);
}

// Returns whether there was something to read.
static bool read_partition(struct local_reader *reader, int32_t number) {
    struct local_readers *readers = reader->readers;
    struct local_place place = place_of(reader, number);
    int64_t offset = reader->member.partitions[number].next_offset;
    int64_t first, end;
    unlock(reader);
    readers->ops->range(readers->store, &place, &first, &end);
    record_slice_reset(&reader->slice);
    enum status status = STATUS_OK;
    if (offset >= first && offset < end) {
        status = readers->ops->read(readers->store, reader->cursor, &place, offset, &reader->slice);
    }
    lock(reader);
    struct local_partition *partition = &reader->member.partitions[number];
    if (offset < first) {
        tell_passed(reader, number, first);
        return true;
    }
    if (status != STATUS_OK) {
        partition->retry_at_us = clock_monotonic_us() + STORE_RETRY_US;
        return false;
    }
    size_t count = reader->slice.count;
    if (count == 0 || partition->is_lost || partition->is_wanted_back || partition->is_paused ||
        reader->is_aborted) {
        return false;
    }
    partition->retry_at_us = 0;
    partition->next_offset = reader->slice.records[count - 1].offset + 1;
    unlock(reader);
    read_count_add(reader->options.stream, count);
    reader->options.records(reader->options.context, number, reader->slice.records, count);
    lock(reader);
    return true;
}

// Carries out what the partition's state asks for. Returns whether to look again at once.
static bool step_partition(struct local_reader *reader, int32_t number, int64_t now_us) {
    struct local_partition *partition = &reader->member.partitions[number];
    if (partition->state == LOCAL_PARTITION_ELSEWHERE) {
        return false;
    }
    if (partition->is_lost) {
        tell_lost(reader, number);
        return true;
    }
    if (partition->state == LOCAL_PARTITION_HANDING_OVER) {
        bool is_over = partition->is_released || now_us >= partition->hand_over_until_us;
        if (is_over) {
            hand_over(reader, number);
        }
        return is_over;
    }
    if (partition->is_wanted_back || reader->is_closing) {
        tell_revoked(reader, number, now_us);
        return true;
    }
    if (now_us < partition->retry_at_us) {
        return false;
    }
    if (partition->state == LOCAL_PARTITION_ASSIGNED) {
        tell_assigned(reader, number);
        return true;
    }
    return !partition->is_paused && read_partition(reader, number);
}

static void save_positions(struct local_reader *reader, int64_t now_us) {
    bool is_due = reader->save_due_us > 0 && now_us >= reader->save_due_us;
    bool has_moved = false;
    for (int32_t i = 0; i < reader->member.group->partition_count; i++) {
        struct local_partition *partition = &reader->member.partitions[i];
        if (partition->state == LOCAL_PARTITION_OURS && !partition->is_lost &&
            partition->position != partition->saved_position) {
            has_moved = true;
            if (is_due) {
                save_position(reader, i, false);
            }
        }
    }
    if (is_due || !has_moved) {
        reader->save_due_us = 0;
    } else if (reader->save_due_us == 0) {
        reader->save_due_us = now_us + EVENT_LOG_COMMIT_INTERVAL_US;
    }
}

static int64_t earlier(int64_t a, int64_t b) {
    return b > 0 && b < a ? b : a;
}

static void wait_for_news(struct local_reader *reader) {
    int64_t until_us = earlier(INT64_MAX, reader->save_due_us);
    for (int32_t i = 0; i < reader->member.group->partition_count; i++) {
        const struct local_partition *partition = &reader->member.partitions[i];
        until_us = earlier(until_us, partition->retry_at_us);
        if (partition->state == LOCAL_PARTITION_HANDING_OVER) {
            until_us = earlier(until_us, partition->hand_over_until_us);
        }
    }
    (void)condition_wait_until(&reader->woken, &reader->readers->lock, until_us);
}

static bool has_partitions(const struct local_reader *reader) {
    for (int32_t i = 0; i < reader->member.group->partition_count; i++) {
        if (reader->member.partitions[i].state != LOCAL_PARTITION_ELSEWHERE) {
            return true;
        }
    }
    return false;
}

static void leave_group(struct local_reader *reader) {
    struct local_group *group = reader->member.group;
    for (int32_t i = 0; i < group->partition_count; i++) {
        reader->member.partitions[i].state = LOCAL_PARTITION_ELSEWHERE;
    }
    local_group_leave(&reader->member);
    local_readers_wake_group(group);
}

static void *run(void *argument) {
    struct local_reader *reader = argument;
    lock(reader);
    while (!reader->is_aborted && (!reader->is_closing || has_partitions(reader))) {
        reader->has_news = false;
        bool is_busy = false;
        int64_t now_us = clock_monotonic_us();
        for (int32_t i = 0; i < reader->member.group->partition_count; i++) {
            is_busy |= step_partition(reader, i, now_us);
        }
        save_positions(reader, now_us);
        if (!is_busy && !reader->has_news && !reader->is_aborted) {
            wait_for_news(reader);
        }
    }
    leave_group(reader);
    void (*closed)(void *context) = reader->is_aborted ? NULL : reader->closed;
    unlock(reader);
    if (closed) {
        closed(reader->options.context);
    }
    return NULL;
}

// What follows is called on any thread.

static struct local_partition *partition_of(struct local_reader *reader, int32_t partition) {
    bool is_known = reader->member.partitions && partition >= 0 &&
                    partition < reader->member.group->partition_count;
    return is_known ? &reader->member.partitions[partition] : NULL;
}

static bool is_ours(const struct local_partition *partition) {
    return partition && !partition->is_lost &&
           (partition->state == LOCAL_PARTITION_OURS ||
            partition->state == LOCAL_PARTITION_HANDING_OVER);
}

static void local_reader_commit(struct event_log_reader *base, int32_t number, int64_t offset) {
    struct local_reader *reader = CONTAINER_OF(base, struct local_reader, base);
    lock(reader);
    struct local_partition *partition = partition_of(reader, number);
    if (is_ours(partition) && offset > partition->position) {
        bool is_first = partition->position == partition->saved_position;
        partition->position = offset;
        if (is_first) {
            wake(reader);
        }
    }
    unlock(reader);
}

static void local_reader_pause(struct event_log_reader *base, int32_t number, bool is_paused) {
    struct local_reader *reader = CONTAINER_OF(base, struct local_reader, base);
    lock(reader);
    struct local_partition *partition = partition_of(reader, number);
    if (is_ours(partition)) {
        partition->is_paused = is_paused;
        wake(reader);
    }
    unlock(reader);
}

static void local_reader_release(struct event_log_reader *base, int32_t number, int64_t offset) {
    struct local_reader *reader = CONTAINER_OF(base, struct local_reader, base);
    lock(reader);
    struct local_partition *partition = partition_of(reader, number);
    if (is_ours(partition) && partition->state == LOCAL_PARTITION_HANDING_OVER) {
        partition->position = offset > partition->position ? offset : partition->position;
        partition->is_released = true;
        wake(reader);
    }
    unlock(reader);
}

static int64_t local_reader_end_offset(struct event_log_reader *base, int32_t number) {
    struct local_reader *reader = CONTAINER_OF(base, struct local_reader, base);
    if (number < 0 || number >= reader->readers->partition_counts[reader->options.stream]) {
        return -1;
    }
    struct local_place place = place_of(reader, number);
    int64_t first, end;
    reader->readers->ops->range(reader->readers->store, &place, &first, &end);
    return end;
}

static void local_reader_close(struct event_log_reader *base, void (*closed)(void *context)) {
    struct local_reader *reader = CONTAINER_OF(base, struct local_reader, base);
    lock(reader);
    reader->is_closing = true;
    reader->member.is_leaving = true;
    reader->closed = closed;
    wake(reader);
    unlock(reader);
}

static void local_reader_destroy(struct event_log_reader *base) {
    struct local_reader *reader = CONTAINER_OF(base, struct local_reader, base);
    lock(reader);
    reader->is_aborted = !reader->is_closing;
    wake(reader);
    unlock(reader);
    pthread_join(reader->thread, NULL);
    if (reader->readers->ops->cursor_close) {
        reader->readers->ops->cursor_close(reader->cursor);
    }
    record_slice_clear(&reader->slice);
    pthread_cond_destroy(&reader->woken);
    free((char *)reader->options.group);
    free(reader);
}

static const struct event_log_reader_ops local_reader_ops = {
    .commit = local_reader_commit,
    .pause = local_reader_pause,
    .release = local_reader_release,
    .end_offset = local_reader_end_offset,
    .close = local_reader_close,
    .destroy = local_reader_destroy,
};

enum status local_reader_create(struct local_readers *readers,
                                const struct event_log_reader_options *options,
                                struct event_log_reader **ret_reader, struct error *error) {
    void *cursor = NULL;
    if (readers->ops->cursor_open) {
        enum status status = readers->ops->cursor_open(readers->store, &cursor, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct local_reader *reader = memory_allocate(sizeof *reader);
    reader->base.ops = &local_reader_ops;
    reader->readers = readers;
    reader->options = *options;
    reader->options.group = memory_copy_text(options->group);
    reader->cursor = cursor;
    reader->slice.max_records = SLICE_MAX_RECORDS;
    reader->slice.max_bytes = SLICE_MAX_BYTES;
    reader->hand_over_us =
        1000 * (options->hand_over_ms > 0 ? options->hand_over_ms : EVENT_LOG_HAND_OVER_MS);
    condition_init(&reader->woken);
    // The thread needs the lock first, so *ret_reader is set before any callback can come.
    lock(reader);
    struct local_group *group = local_readers_group(readers, options->group, options->stream);
    local_group_join(group, &reader->member);
    local_readers_wake_group(group);
    *ret_reader = &reader->base;
    if (pthread_create(&reader->thread, NULL, run, reader) != 0) {
        abort(); // No memory or threads left at start: as for small allocations.
    }
    pthread_setname_np(reader->thread, "consumer");
    unlock(reader);
    return STATUS_OK;
}
