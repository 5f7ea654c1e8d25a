#include "admin/index_catch_up.h"

#include <stdlib.h>

#include "core/base/memory.h"

#define LOOK_AGAIN_US 50000
#define READ_AGAIN_US 500000

struct index_catch_up {
    struct index_catch_up_options options;
    struct event_log_slice slice; // of the partition that is looked at
    bool is_reading;
    int32_t partition, partition_count;
    int64_t until; // -1: its end is not known yet
    struct event_loop_timer timer;
    void (*released)(void *context); // cancelled
};

static void release(struct index_catch_up *catch_up) {
    void (*released)(void *context) = catch_up->released;
    void *context = catch_up->options.context;
    event_log_slice_clear(&catch_up->slice);
    free(catch_up);
    released(context);
}

static void finish(struct index_catch_up *catch_up) {
    catch_up->released = catch_up->options.done;
    release(catch_up);
}

static void look(struct index_catch_up *catch_up);

static void slice_done(struct event_log_slice *slice) {
    struct index_catch_up *catch_up = CONTAINER_OF(slice, struct index_catch_up, slice);
    catch_up->is_reading = false;
    if (catch_up->released) {
        release(catch_up);
    } else if (slice->status != STATUS_OK) {
        event_loop_timer_start(catch_up->options.loop, &catch_up->timer, READ_AGAIN_US);
    } else {
        catch_up->until = slice->end_offset;
        look(catch_up);
    }
}

static void find_end(struct index_catch_up *catch_up) {
    catch_up->slice = (struct event_log_slice){.stream = EVENT_LOG_DEAD_LETTERS,
                                               .partition = catch_up->partition,
                                               .from_offset = EVENT_LOG_END,
                                               .max_records = 1,
                                               .loop = catch_up->options.loop,
                                               .done = slice_done};
    catch_up->is_reading = event_log_read(catch_up->options.log, &catch_up->slice) == STATUS_OK;
    if (!catch_up->is_reading) {
        event_loop_timer_start(catch_up->options.loop, &catch_up->timer, READ_AGAIN_US);
    }
}

// One partition after the other: what comes to the others meanwhile does no harm.
static void look(struct index_catch_up *catch_up) {
    while (catch_up->partition < catch_up->partition_count) {
        int64_t position = event_index_position(catch_up->options.index, EVENT_LOG_DEAD_LETTERS,
                                                catch_up->partition);
        if (catch_up->until < 0) {
            event_log_slice_clear(&catch_up->slice);
            find_end(catch_up);
            return;
        }
        // Of an empty partition nothing was taken in.
        if (catch_up->until > 0 && position < catch_up->until) {
            event_loop_timer_start(catch_up->options.loop, &catch_up->timer, LOOK_AGAIN_US);
            return;
        }
        catch_up->partition++;
        catch_up->until = -1;
    }
    finish(catch_up);
}

static void timer_expired(struct event_loop_timer *timer) {
    struct index_catch_up *catch_up = CONTAINER_OF(timer, struct index_catch_up, timer);
    if (catch_up->released) {
        release(catch_up);
    } else {
        look(catch_up);
    }
}

struct index_catch_up *index_catch_up_start(const struct index_catch_up_options *options) {
    struct index_catch_up *catch_up = memory_allocate(sizeof *catch_up);
    catch_up->options = *options;
    catch_up->partition_count = event_log_partition_count(options->log, EVENT_LOG_DEAD_LETTERS);
    catch_up->until = -1;
    catch_up->timer.expired = timer_expired;
    event_loop_timer_start(options->loop, &catch_up->timer, 0);
    return catch_up;
}

void index_catch_up_cancel(struct index_catch_up *catch_up, void (*released)(void *context)) {
    catch_up->released = released;
    if (!catch_up->is_reading) {
        event_loop_timer_start(catch_up->options.loop, &catch_up->timer, 0);
    }
}
