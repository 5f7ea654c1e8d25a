#include "admin/redrives.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/letter_mark.h"
#include "core/events/parked_record.h"

#define KEPT_MAX 100    // redrives that are described, finished ones included
#define INSIDE_MAX 32   // letters on their way
#define FETCHED_MAX 256 // letters that were looked up and wait for their turn
#define RETRY_US 500000

enum redrive_state {
    REDRIVE_WAITING,
    REDRIVE_RUNNING,
    REDRIVE_DONE,
    REDRIVE_STOPPED,
    REDRIVE_FAILED, // the index could not be read
};

struct redrive {
    struct redrive *next; // older ones
    char id[UUID_TEXT_SIZE];
    enum redrive_state state;
    struct buffer space, subscription;
    int64_t since_us, until_us, rate;
    struct log_place *letters; // of a redrive by ids
    size_t letter_count, letter_at;
    struct letter_place after;
    int64_t total, redriven, failed, missing;
    int64_t begun_us, ended_us; // wall clock
    char reason[256];           // of the last letter that could not be redriven
};

// A letter on its way: read, appended as a parked delivery, marked.
struct redriven_letter {
    struct redrives *redrives;
    struct redrive *redrive;
    struct log_place place;
    struct event_log_slice slice;
    struct event_log_append append;
    struct encoded_record parked;
    struct letter_mark_record mark;
    const struct event *event;
    struct buffer storage;
    struct event_loop_timer retry;
    bool is_parked;
};

struct redrives {
    struct event_log *log;
    struct registry *registry;
    struct event_loop *loop;
    struct event_index *index;
    struct redrive *all; // newest first
    struct redrive *running;
    struct letter_place fetched[FETCHED_MAX];
    size_t fetched_count, fetched_at;
    bool has_more;
    size_t inside;
    struct event_loop_timer pace;
    int64_t next_us; // the rate's: no letter begins before
    bool is_stopping;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void step(struct redrives *redrives);

static void pace_expired(struct event_loop_timer *timer) {
    step(CONTAINER_OF(timer, struct redrives, pace));
}

struct redrives *redrives_create(struct event_log *log, struct registry *registry,
                                 struct event_loop *loop, struct event_index *index) {
    struct redrives *redrives = memory_allocate(sizeof *redrives);
    redrives->log = log;
    redrives->registry = registry;
    redrives->loop = loop;
    redrives->index = index;
    redrives->pace.expired = pace_expired;
    return redrives;
}

static void free_redrive(struct redrive *redrive) {
    buffer_clear(&redrive->space);
    buffer_clear(&redrive->subscription);
    free(redrive->letters);
    free(redrive);
}

void redrives_destroy(struct redrives *redrives) {
    if (!redrives) {
        return;
    }
    while (redrives->all) {
        struct redrive *redrive = redrives->all;
        redrives->all = redrive->next;
        free_redrive(redrive);
    }
    free(redrives);
}

static struct event_query query_of(const struct redrive *redrive) {
    return (struct event_query){
        .space = buffer_bytes(&redrive->space),
        .subscription_id = buffer_bytes(&redrive->subscription),
        .since_us = redrive->since_us,
        .until_us = redrive->until_us,
    };
}

// --- One letter.

static void end_letter(struct redriven_letter *letter) {
    struct redrives *redrives = letter->redrives;
    event_log_slice_clear(&letter->slice);
    event_record_clear(&letter->parked);
    event_unref(letter->event);
    buffer_clear(&letter->storage);
    free(letter);
    redrives->inside--;
    step(redrives);
}

static void fail_letter(struct redriven_letter *letter, const char *reason) {
    letter->redrive->failed++;
    snprintf(letter->redrive->reason, sizeof letter->redrive->reason, "%.200s", reason);
    end_letter(letter);
}

static void try_letter(struct redriven_letter *letter);

// The log is away: a letter that has begun goes on until the redrive is stopped. One that is parked
// is always marked, unless the node stops: better twice than never.
static void try_later(struct redriven_letter *letter, const char *what) {
    bool is_over = letter->redrive->state != REDRIVE_RUNNING && !letter->is_parked;
    if (is_over || letter->redrives->is_stopping) {
        fail_letter(letter, what);
    } else {
        event_loop_timer_start(letter->redrives->loop, &letter->retry, RETRY_US);
    }
}

static void retry_expired(struct event_loop_timer *timer) {
    try_letter(CONTAINER_OF(timer, struct redriven_letter, retry));
}

// Here at once, on other nodes when they read the mark.
static void mark_in_index(struct redriven_letter *letter) {
    struct event_index *index = letter->redrives->index;
    struct error error = {0};
    event_index_begin(index);
    event_index_mark_letter(index, letter->place.partition, letter->place.offset, LETTER_REDRIVEN);
    if (event_index_commit(index, &error) != STATUS_OK) {
        log_line(LOG_WARNING, "a redriven letter is shown until its mark is read",
                 LOG_TEXT("reason", error.text));
    }
}

static void append_done(struct event_log_append *append) {
    struct redriven_letter *letter = CONTAINER_OF(append, struct redriven_letter, append);
    if (append->status == STATUS_TOO_LARGE || append->status == STATUS_FAILED) {
        fail_letter(letter, "the log does not take the record");
    } else if (append->status != STATUS_OK) {
        try_later(letter, "the log is away");
    } else if (!letter->is_parked) {
        letter->is_parked = true;
        try_letter(letter);
    } else {
        mark_in_index(letter);
        letter->redrive->redriven++;
        end_letter(letter);
    }
}

static void append_next(struct redriven_letter *letter) {
    letter->append = (struct event_log_append){
        .stream = letter->is_parked ? EVENT_LOG_DEAD_LETTERS : EVENT_LOG_RETRY_10S,
        .record = letter->is_parked ? letter->mark.record : letter->parked.record,
        .loop = letter->redrives->loop,
        .done = append_done,
    };
    if (event_log_append(letter->redrives->log, &letter->append) != STATUS_OK) {
        try_later(letter, "the log is away");
    }
}

static bool has_subscription(struct redriven_letter *letter, const struct dead_letter *found) {
    const struct snapshot *snapshot = registry_snapshot(letter->redrives->registry);
    bool has = snapshot_subscription(snapshot, found->space, found->subscription_id) != NULL;
    snapshot_unref(snapshot);
    return has;
}

static void park(struct redriven_letter *letter, const struct stored_record *stored) {
    struct dead_letter found;
    if (dead_letter_decode(stored, &found, &letter->storage, &letter->event, NULL) != STATUS_OK) {
        fail_letter(letter, "the record is no dead letter");
        return;
    }
    if (!has_subscription(letter, &found)) {
        fail_letter(letter, "the subscription is not there any more");
        return;
    }
    struct parked_delivery parked = {
        .subscription_id = found.subscription_id,
        .space = found.space,
        .function_id = found.function_id,
        .due_us = clock_wall_us(),
        .reason = BYTES("redriven from the dead letters"),
        .partition = found.partition,
        .offset = found.offset,
    };
    const struct letter_mark mark = {LETTER_MARK_REDRIVEN, letter->place.partition,
                                     letter->place.offset};
    parked_delivery_encode(&parked, letter->event, &letter->parked);
    letter_mark_encode(&mark, &letter->mark);
    append_next(letter);
}

static void slice_done(struct event_log_slice *slice) {
    struct redriven_letter *letter = CONTAINER_OF(slice, struct redriven_letter, slice);
    bool is_there = slice->count > 0 && slice->records[0].offset == letter->place.offset;
    if (slice->status != STATUS_OK) {
        try_later(letter, "the log cannot be read");
    } else if (!is_there) {
        letter->redrive->missing++;
        end_letter(letter);
    } else {
        park(letter, &slice->records[0]);
    }
}

static void try_letter(struct redriven_letter *letter) {
    if (letter->event) {
        append_next(letter);
        return;
    }
    letter->slice.stream = EVENT_LOG_DEAD_LETTERS;
    letter->slice.partition = letter->place.partition;
    letter->slice.from_offset = letter->place.offset;
    letter->slice.max_records = 1;
    letter->slice.loop = letter->redrives->loop;
    letter->slice.done = slice_done;
    if (event_log_read(letter->redrives->log, &letter->slice) != STATUS_OK) {
        try_later(letter, "the log cannot be read");
    }
}

static void begin_letter(struct redrives *redrives, const struct log_place *place) {
    struct redriven_letter *letter = memory_allocate(sizeof *letter);
    letter->redrives = redrives;
    letter->redrive = redrives->running;
    letter->place = *place;
    letter->retry.expired = retry_expired;
    redrives->inside++;
    try_letter(letter);
}

// --- One redrive.

static void end_running(struct redrives *redrives, enum redrive_state state) {
    struct redrive *redrive = redrives->running;
    if (redrive->state == REDRIVE_RUNNING) {
        redrive->state = state;
    }
    redrive->ended_us = clock_wall_us();
    redrives->running = NULL;
    log_line(LOG_INFO, "redrive is over", LOG_TEXT("redrive", redrive->id),
             LOG_NUMBER("redriven", redrive->redriven), LOG_NUMBER("failed", redrive->failed));
}

static void begin_oldest(struct redrives *redrives) {
    struct redrive *found = NULL;
    for (struct redrive *redrive = redrives->all; redrive; redrive = redrive->next) {
        if (redrive->state == REDRIVE_WAITING) {
            found = redrive;
        }
    }
    redrives->running = found;
    redrives->fetched_count = redrives->fetched_at = 0;
    redrives->has_more = true;
    redrives->next_us = 0;
    if (found) {
        found->state = REDRIVE_RUNNING;
    }
}

static void fetch(struct redrives *redrives) {
    struct redrive *redrive = redrives->running;
    redrives->fetched_at = redrives->fetched_count = 0;
    if (redrive->letter_count > 0) {
        while (redrive->letter_at < redrive->letter_count &&
               redrives->fetched_count < FETCHED_MAX) {
            redrives->fetched[redrives->fetched_count++].place =
                redrive->letters[redrive->letter_at++];
        }
        redrives->has_more = redrives->fetched_count > 0;
        return;
    }
    struct event_query query = query_of(redrive);
    struct error error = {0};
    if (event_index_next_letters(redrives->index, &query, &redrive->after, redrives->fetched,
                                 FETCHED_MAX, &redrives->fetched_count, &error) != STATUS_OK) {
        snprintf(redrive->reason, sizeof redrive->reason, "%.200s", error.text);
        redrive->state = REDRIVE_FAILED;
        redrives->fetched_count = 0;
    }
    redrives->has_more = redrives->fetched_count > 0;
    if (redrives->has_more) {
        redrive->after = redrives->fetched[redrives->fetched_count - 1];
    }
}

// The next letter of the running redrive; false: none now.
static bool next_letter(struct redrives *redrives, struct log_place *ret_place) {
    struct redrive *redrive = redrives->running;
    if (redrive->state != REDRIVE_RUNNING || redrives->inside >= INSIDE_MAX) {
        return false;
    }
    int64_t now_us = clock_monotonic_us();
    if (now_us < redrives->next_us) {
        event_loop_timer_start(redrives->loop, &redrives->pace, redrives->next_us - now_us);
        return false;
    }
    if (redrives->fetched_at == redrives->fetched_count && redrives->has_more) {
        fetch(redrives);
    }
    if (redrives->fetched_at == redrives->fetched_count) {
        return false;
    }
    *ret_place = redrives->fetched[redrives->fetched_at++].place;
    if (redrive->rate > 0) {
        redrives->next_us =
            (redrives->next_us > 0 ? redrives->next_us : now_us) + 1000000 / redrive->rate;
    }
    return true;
}

static bool is_over(const struct redrives *redrives) {
    bool has_letters = redrives->fetched_at < redrives->fetched_count || redrives->has_more;
    return redrives->inside == 0 && (redrives->running->state != REDRIVE_RUNNING || !has_letters);
}

static void check_stopped(struct redrives *redrives) {
    if (redrives->inside == 0 && redrives->stopped) {
        void (*stopped)(void *context) = redrives->stopped;
        redrives->stopped = NULL;
        stopped(redrives->stopped_context);
    }
}

static void step(struct redrives *redrives) {
    struct log_place place;
    if (redrives->is_stopping) {
        check_stopped(redrives);
        return;
    }
    if (!redrives->running) {
        begin_oldest(redrives);
    }
    while (redrives->running) {
        // A letter that fails at once comes back here from inside.
        struct redrive *redrive = redrives->running;
        while (redrives->running == redrive && next_letter(redrives, &place)) {
            begin_letter(redrives, &place);
        }
        if (redrives->running != redrive) {
            continue;
        }
        if (!is_over(redrives)) {
            return;
        }
        end_running(redrives, REDRIVE_DONE);
        begin_oldest(redrives);
    }
}

void redrives_stop(struct redrives *redrives, void (*stopped)(void *context), void *context) {
    redrives->is_stopping = true;
    redrives->stopped = stopped;
    redrives->stopped_context = context;
    event_loop_timer_stop(redrives->loop, &redrives->pace);
    check_stopped(redrives);
}

// --- What the API asks for.

static void set_time(json_t *object, const char *name, int64_t time_us) {
    if (time_us > 0) {
        char text[TIMESTAMP_TEXT_SIZE];
        timestamp_format(time_us, text);
        json_object_set_new(object, name, json_string(text));
    }
}

static json_t *describe(const struct redrive *redrive) {
    static const char *const states[] = {"waiting", "running", "done", "stopped", "failed"};
    int64_t handled = redrive->redriven + redrive->failed + redrive->missing;
    bool is_ended = redrive->state >= REDRIVE_DONE;
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I}", "redriveId", redrive->id, "state", states[redrive->state],
        "total", (json_int_t)redrive->total, "redriven", (json_int_t)redrive->redriven, "failed",
        (json_int_t)redrive->failed, "missing", (json_int_t)redrive->missing);
    if (redrive->subscription.size > 0) {
        json_object_set_new(object, "subscriptionId",
                            json_stringn(redrive->subscription.data, redrive->subscription.size));
    }
    int64_t percent = redrive->total > 0 ? handled * 100 / redrive->total : 100;
    percent = percent > 100 ? 100 : percent;
    json_object_set_new(object, "percent", json_integer(percent));
    int64_t passed_us = clock_wall_us() - redrive->begun_us;
    if (!is_ended && handled > 0 && redrive->total > handled && passed_us > 0) {
        int64_t eta_us = passed_us / handled * (redrive->total - handled);
        json_object_set_new(object, "etaSeconds", json_integer(eta_us / 1000000 + 1));
    }
    if (redrive->rate > 0) {
        json_object_set_new(object, "ratePerSecond", json_integer(redrive->rate));
    }
    set_time(object, "since", redrive->since_us);
    set_time(object, "until", redrive->until_us);
    set_time(object, "begun", redrive->begun_us);
    set_time(object, "ended", redrive->ended_us);
    if (redrive->reason[0] != '\0') {
        json_object_set_new(object, "lastFailure", json_string(redrive->reason));
    }
    return object;
}

// Forgets the oldest ones that are over.
static bool make_room(struct redrives *redrives) {
    size_t count = 0;
    struct redrive **oldest_over = NULL;
    for (struct redrive **place = &redrives->all; *place; place = &(*place)->next) {
        count++;
        if ((*place)->state >= REDRIVE_DONE && *place != redrives->running) {
            oldest_over = place;
        }
    }
    if (count < KEPT_MAX) {
        return true;
    }
    if (!oldest_over) {
        return false;
    }
    struct redrive *redrive = *oldest_over;
    *oldest_over = redrive->next;
    free_redrive(redrive);
    return true;
}

static struct redrive *create_redrive(const struct redrive_request *request) {
    struct redrive *redrive = memory_allocate(sizeof *redrive);
    uuid_create(redrive->id);
    buffer_append(&redrive->space, request->query.space);
    buffer_append(&redrive->subscription, request->query.subscription_id);
    redrive->since_us = request->query.since_us;
    // What is dead-lettered from now on is not meant.
    redrive->begun_us = clock_wall_us();
    redrive->until_us = request->query.until_us;
    redrive->rate = request->rate;
    redrive->after.time_us = -1;
    redrive->total = (int64_t)request->letter_count;
    redrive->letter_count = request->letter_count;
    if (request->letter_count > 0) {
        redrive->letters = memory_allocate(request->letter_count * sizeof *redrive->letters);
        memcpy(redrive->letters, request->letters,
               request->letter_count * sizeof *redrive->letters);
    } else if (redrive->until_us == 0) {
        redrive->until_us = redrive->begun_us;
    }
    return redrive;
}

enum status redrives_begin(struct redrives *redrives, const struct redrive_request *request,
                           struct json_t **ret_redrive, struct error *error) {
    if (redrives->is_stopping) {
        return error_set(error, STATUS_CLOSED, "shutting down");
    }
    if (!make_room(redrives)) {
        return error_set(error, STATUS_FULL, "%d redrives wait already", KEPT_MAX);
    }
    struct redrive *redrive = create_redrive(request);
    struct event_query query = query_of(redrive);
    if (redrive->letter_count == 0) {
        enum status status =
            event_index_count_letters(redrives->index, &query, &redrive->total, error);
        if (status != STATUS_OK) {
            free_redrive(redrive);
            return status;
        }
    }
    redrive->next = redrives->all;
    redrives->all = redrive;
    *ret_redrive = describe(redrive);
    step(redrives);
    return STATUS_OK;
}

struct json_t *redrives_list(const struct redrives *redrives, struct bytes space) {
    json_t *list = json_array();
    for (const struct redrive *redrive = redrives->all; redrive; redrive = redrive->next) {
        if (bytes_equal(buffer_bytes(&redrive->space), space)) {
            json_array_append_new(list, describe(redrive));
        }
    }
    return json_pack("{s:o}", "redrives", list);
}

static struct redrive *find(const struct redrives *redrives, struct bytes space, struct bytes id) {
    struct redrive *redrive = redrives->all;
    while (redrive && (!bytes_equal_text(id, redrive->id) ||
                       !bytes_equal(buffer_bytes(&redrive->space), space))) {
        redrive = redrive->next;
    }
    return redrive;
}

static enum status not_found(struct bytes id, struct error *error) {
    return error_set(error, STATUS_NOT_FOUND, "Redrive \"%.*s\" not found.",
                     (int)(id.size > 200 ? 200 : id.size), id.data);
}

enum status redrives_get(const struct redrives *redrives, struct bytes space, struct bytes id,
                         struct json_t **ret_redrive, struct error *error) {
    const struct redrive *redrive = find(redrives, space, id);
    if (!redrive) {
        return not_found(id, error);
    }
    *ret_redrive = describe(redrive);
    return STATUS_OK;
}

enum status redrives_cancel(struct redrives *redrives, struct bytes space, struct bytes id,
                            struct error *error) {
    struct redrive *redrive = find(redrives, space, id);
    if (!redrive) {
        return not_found(id, error);
    }
    if (redrive->state < REDRIVE_DONE) {
        bool was_waiting = redrive->state == REDRIVE_WAITING;
        redrive->state = REDRIVE_STOPPED;
        redrive->ended_us = was_waiting ? clock_wall_us() : 0;
        step(redrives);
    }
    return STATUS_OK;
}
