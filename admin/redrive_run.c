#include "admin/redrive_run.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "admin/index_catch_up.h"
#include "admin/redrive_document.h"
#include "admin/redrive_source.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/rate_limit.h"

#define INSIDE_MAX 32 // letters on their way
#define WRITE_INTERVAL_US 5000000
#define WRITE_AGAIN_US 500000

enum run_state {
    RUN_CATCHING_UP,
    RUN_DRIVING,
    RUN_ENDING,
    RUN_OVER,
};

struct redrive_run {
    struct redrive_driver *driver;
    const struct redrive *redrive; // a reference, the newest while it is ours
    enum run_state state;
    bool is_lost; // it is not this node's any more
    struct index_catch_up *catch_up;

    struct redrive_source source;
    struct redrive_letter *first, *last; // inside, in their order
    size_t inside;
    bool is_cut_short; // one of them was not done
    struct event_loop_timer pace;
    struct rate_limit rate;

    struct redrive_progress progress;
    char reason[128];
    bool is_changed;             // beyond what was written
    bool is_writing, has_failed; // the last one
    int64_t write_at_us;         // no earlier, monotonic
    struct event_loop_timer write_timer;
    struct buffer document;
    struct registry_edit edit;
    struct registry_change change;
    const struct snapshot *snapshot; // that the change is based on
};

static void go_on(struct redrive_run *run);

static bool is_wanted(const struct redrive_run *run) {
    return !run->is_lost && run->progress.state <= REDRIVE_RUNNING && !run->driver->is_stopping;
}

// --- What it writes.

// What the registry has is stopped by somebody else, or as we say.
static void write_document(struct redrive_run *run, const struct redrive *stored) {
    struct redrive_progress progress = run->progress;
    if (stored->state == REDRIVE_STOPPED) {
        progress.state = REDRIVE_STOPPED;
    }
    json_t *document = redrive_document_at(stored, &progress, clock_wall_us());
    // Nobody has to wait until it is known that we are gone.
    if (run->driver->is_stopping && !run->first) {
        json_object_set_new(document, "owner", json_string(""));
    }
    buffer_reset(&run->document);
    json_append(document, &run->document);
    json_decref(document);
}

static void written(struct registry_change *change);

static void write_now(struct redrive_run *run) {
    struct registry *registry = run->driver->registry;
    snapshot_unref(run->snapshot);
    run->snapshot = registry_snapshot(registry);
    const struct redrive *stored =
        snapshot_redrive(run->snapshot, run->redrive->space, run->redrive->id);
    if (!stored || !bytes_equal(stored->owner, run->driver->node_id)) {
        run->is_lost = true;
        return;
    }
    write_document(run, stored);
    run->is_changed = false;
    run->is_writing = true;
    run->edit = (struct registry_edit){.kind = RESOURCE_REDRIVE,
                                       .space = stored->space,
                                       .id = stored->id,
                                       .document = buffer_bytes(&run->document)};
    run->change = (struct registry_change){.edits = &run->edit,
                                           .edit_count = 1,
                                           .based_on = snapshot_revision(run->snapshot),
                                           .loop = run->driver->loop,
                                           .done = written};
    registry_apply(registry, &run->change);
}

// A node that stops does not wait for a registry that is away: who goes on has the last progress,
// and the marks.
static void written(struct registry_change *change) {
    struct redrive_run *run = CONTAINER_OF(change, struct redrive_run, change);
    int64_t now_us = clock_monotonic_us();
    run->is_writing = false;
    run->has_failed = change->status != STATUS_OK && change->status != STATUS_CONFLICT;
    run->is_changed |= change->status != STATUS_OK;
    if (change->status == STATUS_OK) {
        run->write_at_us = now_us + WRITE_INTERVAL_US;
    } else if (change->status == STATUS_CONFLICT) {
        run->write_at_us = now_us; // It has the newest one by now.
    } else {
        run->write_at_us = now_us + WRITE_AGAIN_US;
        run->is_lost |= change->status == STATUS_CLOSED || run->driver->is_stopping;
    }
    go_on(run);
}

static void write_if_due(struct redrive_run *run) {
    bool is_last = run->state == RUN_ENDING && !run->first;
    int64_t wait_us = run->write_at_us - clock_monotonic_us();
    if (!run->is_changed || run->is_writing || run->is_lost || run->state == RUN_CATCHING_UP) {
        return;
    }
    if (wait_us <= 0 || (is_last && !run->has_failed)) {
        write_now(run);
    } else {
        event_loop_timer_start(run->driver->loop, &run->write_timer, wait_us);
    }
}

static void write_expired(struct event_loop_timer *timer) {
    go_on(CONTAINER_OF(timer, struct redrive_run, write_timer));
}

// --- Its letters.

static bool letter_is_wanted(const struct redrive_letter *letter) {
    return is_wanted(letter->context);
}

static void count(struct redrive_run *run, const struct redrive_letter *letter) {
    struct redrive_progress *progress = &run->progress;
    progress->redriven += letter->end == REDRIVE_LETTER_REDRIVEN;
    progress->failed += letter->end == REDRIVE_LETTER_FAILED;
    progress->missing += letter->end == REDRIVE_LETTER_MISSING;
    progress->letter_at++;
    progress->after = letter->at;
    if (letter->end == REDRIVE_LETTER_FAILED) {
        snprintf(run->reason, sizeof run->reason, "%s", letter->reason);
    }
    int64_t handled = progress->redriven + progress->failed + progress->missing;
    progress->total = handled > progress->total ? handled : progress->total;
    run->is_changed = true;
}

// A letter that the end has cut short is still to be done: when others go on, nothing from it on is
// counted here.
static void settle_first(struct redrive_run *run) {
    struct redrive_letter *letter = run->first;
    bool was_cut_short = letter->end == REDRIVE_LETTER_FAILED && !is_wanted(run);
    run->first = letter->next;
    run->last = run->first ? run->last : NULL;
    run->inside--;
    run->is_cut_short |= was_cut_short && run->progress.state <= REDRIVE_RUNNING;
    if (!was_cut_short && !run->is_cut_short) {
        count(run, letter);
    }
    redrive_letter_clear(letter);
    free(letter);
}

static void settle(struct redrive_run *run) {
    while (run->first && run->first->is_done) {
        settle_first(run);
    }
}

static void letter_done(struct redrive_letter *letter) {
    struct redrive_run *run = letter->context;
    letter->is_done = true;
    settle(run);
    go_on(run);
}

static void begin_letter(struct redrive_run *run, const struct letter_place *at) {
    struct redrive_letter *letter = memory_allocate(sizeof *letter);
    letter->driver = run->driver;
    letter->redrive_id = run->redrive->id;
    letter->at = *at;
    letter->is_wanted = letter_is_wanted;
    letter->done = letter_done;
    letter->context = run;
    if (run->last) {
        run->last->next = letter;
    } else {
        run->first = letter;
    }
    run->last = letter;
    run->inside++;
    if (!redrive_source_is_dead(&run->source, at)) {
        letter->end = REDRIVE_LETTER_SKIPPED;
        letter->is_done = true;
        settle(run);
    } else {
        redrive_letter_begin(letter);
    }
}

// False: not now, by the rate.
static bool pays_rate(struct redrive_run *run) {
    int64_t per_second = run->redrive->rate;
    int64_t wait_us = per_second > 0
                          ? rate_limit_take(&run->rate, (double)per_second, 1, clock_monotonic_us())
                          : 0;
    if (wait_us > 0) {
        event_loop_timer_start(run->driver->loop, &run->pace, wait_us);
    }
    return wait_us == 0;
}

static bool has_letters(const struct redrive_run *run) {
    return is_wanted(run) && redrive_source_has_more(&run->source);
}

static void begin_letters(struct redrive_run *run) {
    while (has_letters(run) && run->inside < INSIDE_MAX &&
           clock_monotonic_us() < run->driver->trusted_until_us) {
        struct letter_place at;
        struct error error = {0};
        if (!pays_rate(run)) {
            return;
        }
        enum status status = redrive_source_next(&run->source, &at, &error);
        if (status == STATUS_OK) {
            begin_letter(run, &at);
        } else if (status != STATUS_NOT_FOUND) {
            snprintf(run->reason, sizeof run->reason, "%.120s", error.text);
            run->progress.state = REDRIVE_FAILED;
        }
    }
}

static void pace_expired(struct event_loop_timer *timer) {
    go_on(CONTAINER_OF(timer, struct redrive_run, pace));
}

// --- Its life.

// The index has all marks now: those of earlier drivers beyond what they wrote down, too.
static void begin_driving(struct redrive_run *run) {
    const struct redrive *redrive = run->redrive;
    struct error error = {0};
    int64_t marks = 0, total = redrive->total;
    enum status status = event_index_count_marks(run->driver->index, redrive->id, &marks, &error);
    if (status == STATUS_OK && redrive->state == REDRIVE_WAITING && redrive->letter_count == 0) {
        status = redrive_source_count(&run->source, &total, &error);
        total += marks;
    }
    if (status != STATUS_OK) {
        snprintf(run->reason, sizeof run->reason, "%.120s", error.text);
    }
    run->progress.redriven = marks > redrive->redriven ? marks : redrive->redriven;
    run->progress.total = total;
    if (run->progress.state <= REDRIVE_RUNNING) {
        run->progress.state = status == STATUS_OK ? REDRIVE_RUNNING : REDRIVE_FAILED;
    }
    run->state = RUN_DRIVING;
    run->is_changed = true;
}

static void caught_up(void *context) {
    struct redrive_run *run = context;
    run->catch_up = NULL;
    if (!run->is_lost) {
        begin_driving(run);
    }
    go_on(run);
}

// What was redriven or deleted by others meanwhile is found nowhere.
static void end_driving(struct redrive_run *run) {
    struct redrive_progress *progress = &run->progress;
    run->state = RUN_ENDING;
    if (progress->state == REDRIVE_RUNNING && !run->driver->is_stopping && !run->is_lost) {
        int64_t missing = progress->total - progress->redriven - progress->failed;
        progress->missing = missing > 0 ? missing : 0;
        progress->state = REDRIVE_DONE;
    }
    run->is_changed = true;
    log_line(
        LOG_INFO, "redrive ends here", LOG_BYTES("redrive", run->redrive->id),
        LOG_TEXT("state", run->is_lost ? "another node's" : redrive_state_name(progress->state)),
        LOG_NUMBER("redriven", progress->redriven), LOG_NUMBER("failed", progress->failed));
}

static void end_if_over(struct redrive_run *run) {
    bool is_waiting = run->first || run->catch_up || run->is_writing;
    bool is_to_write = run->is_changed && !run->is_lost && run->state == RUN_ENDING;
    if (is_waiting || is_to_write || run->state == RUN_OVER) {
        return;
    }
    if (run->state == RUN_ENDING || run->is_lost) {
        run->state = RUN_OVER;
        event_loop_timer_stop(run->driver->loop, &run->pace);
        event_loop_timer_stop(run->driver->loop, &run->write_timer);
        run->driver->run_ended(run->driver);
    }
}

static void go_on(struct redrive_run *run) {
    if (run->catch_up && (run->is_lost || run->driver->is_stopping)) {
        run->is_lost = true;
        index_catch_up_cancel(run->catch_up, caught_up);
    }
    if (run->state == RUN_DRIVING) {
        begin_letters(run);
        if (!run->first && !has_letters(run)) {
            end_driving(run);
        }
    }
    write_if_due(run);
    end_if_over(run);
}

struct redrive_run *redrive_run_create(struct redrive_driver *driver,
                                       const struct redrive *redrive) {
    struct redrive_run *run = memory_allocate(sizeof *run);
    run->driver = driver;
    run->redrive = redrive_ref(redrive);
    redrive_source_init(&run->source, driver->index, redrive);
    run->progress = (struct redrive_progress){.state = redrive->state,
                                              .letter_at = redrive->letter_at,
                                              .after = run->source.last,
                                              .total = redrive->total,
                                              .failed = redrive->failed,
                                              .missing = redrive->missing,
                                              .reason = run->reason};
    run->pace.expired = pace_expired;
    run->write_timer.expired = write_expired;
    run->catch_up = index_catch_up_start(
        &(struct index_catch_up_options){driver->log, driver->loop, driver->index, caught_up, run});
    return run;
}

void redrive_run_update(struct redrive_run *run, const struct redrive *redrive) {
    if (!redrive || !bytes_equal(redrive->owner, run->driver->node_id)) {
        run->is_lost = true;
    } else if (redrive->state == REDRIVE_STOPPED && run->progress.state <= REDRIVE_RUNNING) {
        run->progress.state = REDRIVE_STOPPED;
    }
    go_on(run);
}

void redrive_run_go_on(struct redrive_run *run) {
    go_on(run);
}

const struct redrive *redrive_run_of(const struct redrive_run *run) {
    return run->redrive;
}

bool redrive_run_is_over(const struct redrive_run *run) {
    return run->state == RUN_OVER;
}

void redrive_run_destroy(struct redrive_run *run) {
    redrive_unref(run->redrive);
    snapshot_unref(run->snapshot);
    buffer_clear(&run->document);
    free(run);
}
