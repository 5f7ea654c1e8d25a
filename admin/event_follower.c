#include "admin/event_follower.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/events/letter_mark.h"

#define SLICE_RECORDS 500
#define WAIT_MS 30000
#define RETRY_US 1000000
// Whether partitions were added.
#define LOOK_US 1000000
// What comes meanwhile is taken in together: a transaction for each event would cost ten times as
// much as the event.
#define GATHER_US 50000

static const enum event_log_stream streams[] = {EVENT_LOG_EVENTS, EVENT_LOG_OUTCOMES,
                                                EVENT_LOG_DEAD_LETTERS};

static struct metric_family metric_behind = {
    .name = "eventgateway_index_behind_records",
    .help = "Records of the log that the index of events has not taken in yet.",
    .kind = METRIC_GAUGE,
    .label_names = {"stream"},
};

// A partition that is followed.
struct followed {
    struct event_follower *follower;
    struct event_log_slice slice;
    struct event_loop_timer retry;
    int64_t trimmed; // what lies before this offset is gone from the index
    int64_t behind;
    int64_t target;  // where it ended when it was looked at first; -1 = not yet
    bool is_current; // all below target was taken in
    bool is_inside;
    bool is_stale; // was inside when the index was emptied: its answer does not count
};

struct event_follower {
    struct event_log *log;
    struct event_loop *loop;
    struct event_index *index;
    struct followed **places;
    size_t place_count;
    int32_t partition_counts[ARRAY_LENGTH(streams)]; // that are followed
    struct event_loop_timer look;
    struct log_limit warnings;
    bool is_stopping;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void warn(struct event_follower *follower, const char *what, const char *reason) {
    uint64_t suppressed;
    if (log_limit_allows(&follower->warnings, 1, &suppressed)) {
        log_line(LOG_WARNING, what, LOG_TEXT("reason", reason),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

// --- What one record says. Records of others, which make no sense here, are passed over.

static void add_event(struct event_index *index, const struct stored_record *stored) {
    const struct event *event;
    if (event_record_decode(stored, &event, NULL) == STATUS_OK) {
        event_index_add_event(index, stored, event);
        event_unref(event);
    }
}

struct outcome_target {
    struct event_index *index;
    struct log_place place;
};

static void add_outcome(void *context, const struct outcome *outcome) {
    const struct outcome_target *target = context;
    event_index_add_outcome(target->index, &target->place, outcome);
}

static void add_in_flight(void *context, const struct in_flight_count *count) {
    const struct outcome_target *target = context;
    event_index_add_in_flight(target->index, count, clock_wall_us());
}

static void add_outcomes(struct event_index *index, const struct stored_record *stored) {
    const struct outcome_visitor visitor = {.outcome = add_outcome, .in_flight = add_in_flight};
    struct outcome_target target = {index, {stored->partition, stored->offset}};
    size_t refused;
    enum status status =
        outcome_record_decode(stored->record.value, &visitor, &target, &refused, NULL);
    (void)status; // Not ours, if it cannot be read.
}

static void add_letter(struct event_index *index, const struct stored_record *stored) {
    struct letter_mark mark;
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *event;
    enum status status = letter_mark_decode(&stored->record, &mark);
    if (status == STATUS_OK) {
        event_index_mark_letter(
            index, mark.partition, mark.offset,
            mark.kind == LETTER_MARK_REDRIVEN ? LETTER_REDRIVEN : LETTER_DELETED, mark.redrive_id);
    } else if (status == STATUS_NOT_FOUND &&
               dead_letter_decode(stored, &letter, &storage, &event, NULL) == STATUS_OK) {
        event_index_add_letter(index, stored, &letter, event);
        event_unref(event);
    }
    buffer_clear(&storage);
}

static void add_record(struct event_index *index, enum event_log_stream stream,
                       const struct stored_record *stored) {
    switch (stream) {
    case EVENT_LOG_EVENTS:
        add_event(index, stored);
        break;
    case EVENT_LOG_DEAD_LETTERS:
        add_letter(index, stored);
        break;
    default:
        add_outcomes(index, stored);
    }
}

// --- Slices.

static void read_on(struct followed *followed);

static void tell_behind(struct event_follower *follower, struct followed *followed) {
    followed->behind = followed->slice.end_offset - followed->slice.next_offset;
    if (followed->target < 0) {
        followed->target = followed->slice.end_offset;
    }
    followed->is_current |= followed->slice.next_offset >= followed->target;
    int64_t behind = 0;
    for (size_t i = 0; i < follower->place_count; i++) {
        if (follower->places[i]->slice.stream == followed->slice.stream) {
            behind += follower->places[i]->behind;
        }
    }
    const char *name = event_log_stream_name(followed->slice.stream);
    metric_set(metric_of(&metric_behind, (const char *const[]){name, NULL}), behind);
}

static enum status take_slice(struct followed *followed, struct error *error) {
    struct event_log_slice *slice = &followed->slice;
    struct event_index *index = followed->follower->index;
    event_index_begin(index);
    for (size_t i = 0; i < slice->count; i++) {
        add_record(index, slice->stream, &slice->records[i]);
    }
    // A piece with each slice: nobody waits for it.
    bool has_more = slice->first_offset > followed->trimmed &&
                    event_index_trim(index, slice->stream, slice->partition, slice->first_offset);
    event_index_set_position(index, slice->stream, slice->partition, slice->next_offset);
    enum status status = event_index_commit(index, error);
    if (status == STATUS_OK && !has_more) {
        followed->trimmed = slice->first_offset;
    }
    return status;
}

// The log ends before the place where we stopped: it is another one than it was.
static enum status start_over(struct event_follower *follower, struct error *error) {
    log_line(LOG_WARNING, "the log was made anew, and so is the index of events");
    for (size_t i = 0; i < follower->place_count; i++) {
        struct followed *followed = follower->places[i];
        followed->slice.from_offset = EVENT_LOG_BEGINNING;
        followed->trimmed = 0;
        followed->target = -1;
        followed->is_current = false;
        followed->is_stale = followed->is_inside;
    }
    return event_index_empty(follower->index, error);
}

static enum status answer_slice(struct followed *followed) {
    struct event_log_slice *slice = &followed->slice;
    struct error error = {0};
    enum status status;
    if (slice->status != STATUS_OK) {
        return slice->status; // the log has written why
    }
    if (slice->from_offset > slice->end_offset) {
        status = start_over(followed->follower, &error);
    } else {
        status = take_slice(followed, &error);
        slice->from_offset = status == STATUS_OK ? slice->next_offset : slice->from_offset;
        tell_behind(followed->follower, followed);
    }
    if (status != STATUS_OK) {
        warn(followed->follower, "the index of events cannot be written", error.text);
    }
    return status;
}

static void check_stopped(struct event_follower *follower) {
    for (size_t i = 0; i < follower->place_count; i++) {
        if (follower->places[i]->is_inside) {
            return;
        }
    }
    if (follower->stopped) {
        void (*stopped)(void *context) = follower->stopped;
        follower->stopped = NULL;
        stopped(follower->stopped_context);
    }
}

static void slice_done(struct event_log_slice *slice) {
    struct followed *followed = CONTAINER_OF(slice, struct followed, slice);
    struct event_follower *follower = followed->follower;
    followed->is_inside = false;
    if (follower->is_stopping) {
        check_stopped(follower);
        return;
    }
    bool was_stale = followed->is_stale;
    followed->is_stale = false;
    if (!was_stale && answer_slice(followed) != STATUS_OK) {
        event_loop_timer_start(follower->loop, &followed->retry, RETRY_US);
    } else if (!was_stale && followed->slice.count > 0 && followed->behind == 0) {
        event_loop_timer_start(follower->loop, &followed->retry, GATHER_US);
    } else {
        read_on(followed);
    }
}

static void read_on(struct followed *followed) {
    struct event_follower *follower = followed->follower;
    followed->is_inside = true;
    // Until it is known to be current, an answer without records says so.
    followed->slice.wait_ms = followed->is_current ? WAIT_MS : 0;
    if (event_log_read(follower->log, &followed->slice) != STATUS_OK) {
        followed->is_inside = false;
        event_loop_timer_start(follower->loop, &followed->retry, RETRY_US);
    }
}

static void retry_expired(struct event_loop_timer *timer) {
    struct followed *followed = CONTAINER_OF(timer, struct followed, retry);
    if (!followed->follower->is_stopping) {
        read_on(followed);
    }
}

static void follow(struct event_follower *follower, enum event_log_stream stream,
                   int32_t partition) {
    struct followed *followed = memory_allocate(sizeof *followed);
    follower->places = memory_resize(follower->places, follower->place_count + 1, sizeof(void *));
    follower->places[follower->place_count++] = followed;
    followed->follower = follower;
    followed->target = -1;
    followed->retry.expired = retry_expired;
    followed->slice = (struct event_log_slice){
        .stream = stream,
        .partition = partition,
        .from_offset = event_index_position(follower->index, stream, partition),
        .max_records = SLICE_RECORDS,
        .loop = follower->loop,
        .done = slice_done,
    };
    read_on(followed);
}

// Also those that were added since.
static void follow_all(struct event_follower *follower) {
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        int32_t count = event_log_partition_count(follower->log, streams[i]);
        while (follower->partition_counts[i] < count) {
            follow(follower, streams[i], follower->partition_counts[i]++);
        }
    }
    event_loop_timer_start(follower->loop, &follower->look, LOOK_US);
}

static void look_expired(struct event_loop_timer *timer) {
    follow_all(CONTAINER_OF(timer, struct event_follower, look));
}

struct event_follower *event_follower_create(struct event_log *log, struct event_loop *loop,
                                             struct event_index *index) {
    struct event_follower *follower = memory_allocate(sizeof *follower);
    follower->log = log;
    follower->loop = loop;
    follower->index = index;
    follower->look.expired = look_expired;
    follow_all(follower);
    return follower;
}

int64_t event_follower_behind(const struct event_follower *follower) {
    int64_t behind = 0;
    for (size_t i = 0; i < follower->place_count; i++) {
        if (!follower->places[i]->is_current) {
            return -1;
        }
        behind += follower->places[i]->behind;
    }
    return behind;
}

void event_follower_stop(struct event_follower *follower, void (*stopped)(void *context),
                         void *context) {
    follower->is_stopping = true;
    follower->stopped = stopped;
    follower->stopped_context = context;
    event_loop_timer_stop(follower->loop, &follower->look);
    for (size_t i = 0; i < follower->place_count; i++) {
        struct followed *followed = follower->places[i];
        event_loop_timer_stop(follower->loop, &followed->retry);
        if (followed->is_inside) {
            event_log_slice_cancel(follower->log, &followed->slice);
        }
    }
    check_stopped(follower);
}

void event_follower_destroy(struct event_follower *follower) {
    if (!follower) {
        return;
    }
    for (size_t i = 0; i < follower->place_count; i++) {
        event_log_slice_clear(&follower->places[i]->slice);
        free(follower->places[i]);
    }
    free(follower->places);
    free(follower);
}
