#include "dispatcher/claim.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/cursors/cursor_fold.h"
#include "core/registry/snapshot.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>

#define READ_AGAIN_US 200000
#define READ_MAX_RECORDS 2000

enum claim_step {
    CLAIM_READING_BEFORE,
    CLAIM_APPENDING,
    CLAIM_READING_AFTER,
    CLAIM_REWRITING,
    CLAIM_REMOVING_CURSORS,
    CLAIM_REMOVING_CLAIMS,
};

// A record on its way.
struct claim_post {
    struct claim *claim;
    struct cursor_post *post;
    struct claim_post *previous, *next;
};

struct claim {
    enum claim_step step;
    struct partition *partition; // NULL: forgotten while a slice was on its way
    struct lane *lane;
    struct cursor_fold *fold;
    struct event_log_slice slice;
    bool is_reading;
    int64_t next_offset;
    int64_t read_until; // the end when the reading began, or beyond the own claim
    int64_t epoch;
    char owner[UUID_TEXT_SIZE];
    struct claim_post *posts;
    struct event_loop_timer timer;
};

static void go_on(struct claim *claim);

static void claim_destroy(struct claim *claim) {
    while (claim->posts) {
        struct claim_post *post = claim->posts;
        claim->posts = post->next;
        cursor_post_forget(post->post);
        free(post);
    }
    event_loop_timer_stop(claim->lane->loop, &claim->timer);
    event_log_slice_clear(&claim->slice);
    cursor_fold_destroy(claim->fold);
    free(claim);
}

// --- Reading.

static void read_on(struct claim *claim);

static void try_again(struct event_loop_timer *timer) {
    read_on(CONTAINER_OF(timer, struct claim, timer));
}

static void slice_done(struct event_log_slice *slice) {
    struct claim *claim = CONTAINER_OF(slice, struct claim, slice);
    claim->is_reading = false;
    if (!claim->partition) {
        event_log_slice_clear(slice);
        free(claim);
        return;
    }
    if (slice->status != STATUS_OK) {
        event_loop_timer_start(claim->lane->loop, &claim->timer, READ_AGAIN_US);
        return;
    }
    for (size_t i = 0; i < slice->count; i++) {
        cursor_fold_add(claim->fold, &slice->records[i].record);
    }
    if (claim->read_until < 0) {
        claim->read_until = slice->end_offset;
    }
    bool is_at_end = slice->next_offset >= claim->read_until ||
                     (slice->count == 0 && claim->step == CLAIM_READING_BEFORE);
    claim->next_offset = slice->next_offset;
    if (is_at_end) {
        go_on(claim);
    } else {
        read_on(claim);
    }
}

static void read_on(struct claim *claim) {
    claim->slice.stream = EVENT_LOG_CURSORS;
    claim->slice.partition = 0;
    claim->slice.from_offset = claim->next_offset;
    claim->slice.max_records = READ_MAX_RECORDS;
    claim->slice.loop = claim->lane->loop;
    claim->slice.done = slice_done;
    if (event_log_read(claim->lane->log, &claim->slice) == STATUS_OK) {
        claim->is_reading = true;
    } else {
        event_loop_timer_start(claim->lane->loop, &claim->timer, READ_AGAIN_US);
    }
}

// --- Writing.

static void unlink_post(struct claim_post *post) {
    if (post->previous) {
        post->previous->next = post->next;
    } else {
        post->claim->posts = post->next;
    }
    if (post->next) {
        post->next->previous = post->previous;
    }
}

static void post_stored(void *context, int64_t offset) {
    struct claim_post *post = context;
    struct claim *claim = post->claim;
    unlink_post(post);
    free(post);
    if (claim->step == CLAIM_APPENDING) {
        claim->read_until = offset + 1;
    }
    if (!claim->posts) {
        go_on(claim);
    }
}

static struct claim_post *add_post(struct claim *claim, struct cursor_post_options *ret_options) {
    struct claim_post *post = memory_allocate(sizeof *post);
    post->claim = claim;
    post->next = claim->posts;
    if (claim->posts) {
        claim->posts->previous = post;
    }
    claim->posts = post;
    *ret_options = (struct cursor_post_options){
        .log = claim->lane->log, .loop = claim->lane->loop, .stored = post_stored, .context = post};
    return post;
}

static void append_claim(struct claim *claim) {
    struct cursor_post_options options;
    claim->step = CLAIM_APPENDING;
    claim->epoch = cursor_fold_epoch(claim->fold, claim->partition->number) + 1;
    struct cursor_record record = {.kind = CURSOR_OWNER,
                                   .stream = partition_cursor_stream(claim->partition),
                                   .partition = claim->partition->number,
                                   .epoch = claim->epoch,
                                   .owner = bytes_of_text(claim->owner),
                                   .until = CURSOR_NO_END};
    struct claim_post *post = add_post(claim, &options);
    post->post = cursor_post_record(&options, &record);
}

static void read_up_to_claim(struct claim *claim) {
    claim->step = CLAIM_READING_AFTER;
    read_on(claim);
}

static bool has_won(const struct claim *claim) {
    int32_t number = claim->partition->number;
    return cursor_fold_epoch(claim->fold, number) == claim->epoch &&
           bytes_equal_text(cursor_fold_owner(claim->fold, number), claim->owner);
}

bool claim_record_is_current(const struct partition *partition,
                             const struct cursor_record *record) {
    const struct subscription *subscription =
        snapshot_subscription(partition->lane->snapshot, record->space, record->subscription_id);
    return subscription && bytes_equal(subscription->created, record->created);
}

// A registry that cannot be reached may not have told of a subscription yet.
static bool is_kept(const struct claim *claim, const struct cursor_record *record) {
    bool is_current = record->kind == CURSOR_REPLAY
                          ? replays_record_is_current(claim->partition, record)
                          : claim_record_is_current(claim->partition, record);
    return record->kind == CURSOR_LIVE || is_current ||
           registry_health(claim->lane->registry, NULL) != STATUS_OK;
}

static void rewrite_record(void *context, const struct cursor_record *record) {
    struct claim *claim = context;
    struct cursor_post_options options;
    if (!is_kept(claim, record)) {
        return;
    }
    struct cursor_record copy = *record;
    copy.epoch = claim->epoch;
    struct claim_post *post = add_post(claim, &options);
    post->post = cursor_post_record(&options, &copy);
}

static void remove_key(struct claim *claim, const struct cursor_key *key) {
    struct cursor_post_options options;
    struct claim_post *post = add_post(claim, &options);
    post->post = cursor_post_removal(&options, key);
}

static void remove_cursor(void *context, const struct cursor_key *key) {
    if (key->kind != CURSOR_OWNER) {
        remove_key(context, key);
    }
}

static void remove_claim(void *context, const struct cursor_key *key) {
    if (key->kind == CURSOR_OWNER) {
        remove_key(context, key);
    }
}

static void finish(struct claim *claim) {
    struct partition *partition = claim->partition;
    log_line(LOG_INFO, "partition claimed",
             LOG_TEXT("stream", cursor_stream_name(partition_cursor_stream(partition))),
             LOG_NUMBER("partition", partition->number), LOG_NUMBER("epoch", claim->epoch));
    partition_claimed(partition, claim->epoch, claim->fold);
    claim_destroy(claim);
}

// Begins what follows the step that is over.
static void next_step(struct claim *claim) {
    int32_t number = claim->partition->number;
    switch (claim->step) {
    case CLAIM_READING_BEFORE:
        append_claim(claim);
        break;
    case CLAIM_APPENDING:
        read_up_to_claim(claim);
        break;
    case CLAIM_READING_AFTER:
        if (!has_won(claim)) {
            append_claim(claim);
            break;
        }
        lane_refresh(claim->lane);
        claim->step = CLAIM_REWRITING;
        cursor_fold_each(claim->fold, number, rewrite_record, claim);
        break;
    case CLAIM_REWRITING:
        claim->step = CLAIM_REMOVING_CURSORS;
        cursor_fold_each_older(claim->fold, number, claim->epoch, remove_cursor, claim);
        break;
    case CLAIM_REMOVING_CURSORS:
        claim->step = CLAIM_REMOVING_CLAIMS;
        cursor_fold_each_older(claim->fold, number, claim->epoch, remove_claim, claim);
        break;
    case CLAIM_REMOVING_CLAIMS:
        break;
    }
}

static void go_on(struct claim *claim) {
    while (!claim->is_reading && !claim->posts && claim->timer.heap_index == 0) {
        if (claim->step == CLAIM_REMOVING_CLAIMS) {
            finish(claim);
            return;
        }
        next_step(claim);
    }
}

struct claim *claim_start(struct partition *partition) {
    struct claim *claim = memory_allocate(sizeof *claim);
    claim->partition = partition;
    claim->lane = partition->lane;
    claim->fold = cursor_fold_create(partition_cursor_stream(partition), &partition->number, 1);
    claim->next_offset = EVENT_LOG_BEGINNING;
    claim->read_until = -1;
    claim->timer.expired = try_again;
    uuid_create(claim->owner);
    read_on(claim);
    return claim;
}

void claim_forget(struct claim *claim) {
    if (!claim->is_reading) {
        claim_destroy(claim);
        return;
    }
    // The log still has the slice; its answer frees the rest.
    claim->partition = NULL;
    event_loop_timer_stop(claim->lane->loop, &claim->timer);
    cursor_fold_destroy(claim->fold);
    claim->fold = NULL;
}
