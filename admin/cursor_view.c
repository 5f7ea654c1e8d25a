#include "admin/cursor_view.h"

#include <stdlib.h>

#include "core/base/memory.h"

#define SLICE_RECORDS 2000
// The log keeps removals for ten minutes at least (core/event_log/README.md).
#define UNREAD_MAX_US INT64_C(240000000)

struct request_list {
    struct cursor_view_request *first, *last;
};

struct cursor_view {
    struct event_log *log;
    struct event_loop *loop;
    struct cursor_fold *fold;    // NULL: to be begun
    int64_t read_us;             // when its end was reached last
    struct request_list waiting; // for the next reading
    struct request_list served;  // by the one that goes on
    bool is_reading;
    int64_t read_until; // -1 = not known yet
    struct event_log_slice slice;
};

static void begin_reading(struct cursor_view *view);

static void append(struct request_list *list, struct cursor_view_request *request) {
    request->next = NULL;
    if (list->first) {
        list->last->next = request;
    } else {
        list->first = request;
    }
    list->last = request;
}

// Requests that are made meanwhile wait for the next reading.
static void end_reading(struct cursor_view *view, const struct cursor_fold *fold) {
    struct cursor_view_request *request = view->served.first;
    view->served = (struct request_list){0};
    while (request) {
        struct cursor_view_request *next = request->next;
        request->done(request, fold);
        request = next;
    }
    view->is_reading = false;
    if (view->waiting.first) {
        begin_reading(view);
    }
}

static void read_on(struct cursor_view *view) {
    if (event_log_read(view->log, &view->slice) != STATUS_OK) {
        end_reading(view, NULL);
    }
}

static void begin_anew(struct cursor_view *view) {
    cursor_fold_destroy(view->fold);
    view->fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    view->slice.from_offset = EVENT_LOG_BEGINNING;
    view->read_until = -1;
}

// True: all was read that there was when the reading began.
static bool take_slice(struct cursor_view *view, struct event_log_slice *slice) {
    for (size_t i = 0; i < slice->count; i++) {
        cursor_fold_add(view->fold, &slice->records[i].record);
    }
    if (view->read_until < 0) {
        view->read_until = slice->end_offset;
    }
    slice->from_offset = slice->next_offset;
    return slice->count == 0 || slice->next_offset >= view->read_until;
}

static void slice_done(struct event_log_slice *slice) {
    struct cursor_view *view = CONTAINER_OF(slice, struct cursor_view, slice);
    if (slice->status != STATUS_OK) {
        end_reading(view, NULL); // What was read stays, and the next one goes on from there.
        return;
    }
    if (slice->end_offset < slice->from_offset) {
        begin_anew(view); // The log was made anew.
        read_on(view);
        return;
    }
    if (take_slice(view, slice)) {
        view->read_us = event_loop_now_us(view->loop);
        end_reading(view, view->fold);
    } else {
        read_on(view);
    }
}

static void begin_reading(struct cursor_view *view) {
    view->is_reading = true;
    view->served = view->waiting;
    view->waiting = (struct request_list){0};
    view->read_until = -1;
    if (!view->fold || event_loop_now_us(view->loop) - view->read_us > UNREAD_MAX_US) {
        begin_anew(view);
    }
    read_on(view);
}

void cursor_view_ask(struct cursor_view *view, struct cursor_view_request *request) {
    append(&view->waiting, request);
    if (!view->is_reading) {
        begin_reading(view);
    }
}

struct cursor_view *cursor_view_create(struct event_log *log, struct event_loop *loop) {
    struct cursor_view *view = memory_allocate(sizeof *view);
    view->log = log;
    view->loop = loop;
    view->slice = (struct event_log_slice){.stream = EVENT_LOG_CURSORS,
                                           .max_records = SLICE_RECORDS,
                                           .loop = loop,
                                           .done = slice_done};
    return view;
}

void cursor_view_destroy(struct cursor_view *view) {
    if (!view) {
        return;
    }
    event_log_slice_clear(&view->slice);
    cursor_fold_destroy(view->fold);
    free(view);
}
