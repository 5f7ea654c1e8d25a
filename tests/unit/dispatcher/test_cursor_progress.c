// The progress alone, and the model: live position, detaching, catching up and attaching of one
// subscription, with crashes, as dispatcher/partition.c and cursor.c put the pure parts together,
// against a naive account of what was delivered.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "dispatcher/cursor_progress.h"

static void add(struct cursor_progress *progress, struct offset_tracker_entry *entry,
                int64_t offset) {
    assert_true(cursor_progress_is_open(progress, offset));
    entry->offset = offset;
    cursor_progress_add(progress, entry);
}

static void the_position_is_the_lowest_unfinished(void **state) {
    (void)state;
    struct cursor_progress progress;
    struct offset_tracker_entry entries[3] = {0};
    cursor_progress_init(&progress, 10, NULL);
    add(&progress, &entries[0], 10);
    add(&progress, &entries[1], 15);
    cursor_progress_read(&progress, 20);
    assert_int_equal(cursor_progress_position(&progress), 10);
    cursor_progress_finish(&progress, &entries[0]);
    assert_int_equal(cursor_progress_position(&progress), 15);
    cursor_progress_finish(&progress, &entries[1]);
    assert_int_equal(cursor_progress_position(&progress), 20);
    assert_false(cursor_progress_is_open(&progress, 19));
    cursor_progress_clear(&progress);
}

static void what_runs_or_is_finished_is_not_open(void **state) {
    (void)state;
    struct cursor_progress progress;
    struct offset_tracker_entry running = {0};
    const int64_t unfinished[] = {5, 8, 9};
    cursor_progress_init_unfinished(&progress, unfinished, 3, 12);
    add(&progress, &running, 8);
    assert_true(cursor_progress_is_open(&progress, 5));
    assert_false(cursor_progress_is_open(&progress, 6));
    assert_false(cursor_progress_is_open(&progress, 8));
    assert_true(cursor_progress_is_open(&progress, 9));
    assert_false(cursor_progress_is_open(&progress, 11));
    assert_true(cursor_progress_is_open(&progress, 12));
    // Finished before it was read: it stays finished.
    cursor_progress_finish(&progress, &running);
    assert_false(cursor_progress_is_open(&progress, 8));
    assert_int_equal(cursor_progress_position(&progress), 5);
    cursor_progress_clear(&progress);
}

static void a_rewind_opens_what_is_forgotten_and_nothing_else(void **state) {
    (void)state;
    struct cursor_progress progress;
    struct offset_tracker_entry entries[4] = {0};
    cursor_progress_init(&progress, 0, NULL);
    for (int i = 0; i < 4; i++) {
        add(&progress, &entries[i], i);
    }
    cursor_progress_read(&progress, 10);
    cursor_progress_finish(&progress, &entries[1]);
    cursor_progress_rewind(&progress);
    cursor_progress_forget(&progress, &entries[0]);
    cursor_progress_forget(&progress, &entries[3]);
    assert_true(cursor_progress_is_open(&progress, 0));
    assert_false(cursor_progress_is_open(&progress, 1));
    assert_false(cursor_progress_is_open(&progress, 2));
    assert_true(cursor_progress_is_open(&progress, 3));
    assert_false(cursor_progress_is_open(&progress, 4));
    cursor_progress_finish(&progress, &entries[2]);
    cursor_progress_clear(&progress);
}

// --- The model.

enum {
    EVENTS = 300,
    WINDOW = 24
};

enum place {
    IN_LIVE,
    IN_CURSOR,
    NOWHERE
};

struct item {
    struct offset_tracker_entry entry;
    enum place place;
    bool is_running; // called already: it can end, and is not forgotten by detaching
};

// What the log has confirmed of the cursor.
struct stored {
    bool is_there;
    int64_t position, until;
    struct offset_ranges finished;
};

struct model {
    bool matches[EVENTS]; // offsets that are gaps or of no interest do not
    int delivered[EVENTS];
    struct item items[EVENTS];
    struct offset_tracker live;
    struct cursor_progress progress;
    bool has_cursor;
    int64_t until;
    struct stored stored;
    int64_t committed;
    int crashes;
};

static bool is_skipped_by_live(const struct model *model, int64_t offset) {
    return model->has_cursor && offset < model->until;
}

static void put_item(struct model *model, int64_t offset, enum place place) {
    struct item *item = &model->items[offset];
    assert_int_equal(item->place, NOWHERE);
    item->place = place;
    item->entry.offset = offset;
    item->is_running = random_below(2) == 0;
    if (place == IN_LIVE) {
        assert_true(offset_tracker_seen(&model->live, &item->entry));
    } else {
        cursor_progress_add(&model->progress, &item->entry);
    }
}

static void take_live(struct model *model) {
    int64_t offset = model->live.next_offset;
    if (offset >= EVENTS || model->live.count >= WINDOW) {
        return;
    }
    if (model->matches[offset] && !is_skipped_by_live(model, offset)) {
        put_item(model, offset, IN_LIVE);
    }
    offset_tracker_pass(&model->live, offset + 1);
}

static void commit(struct model *model) {
    int64_t position = offset_tracker_position(&model->live);
    assert_true(position >= model->committed);
    model->committed = position;
}

static void store_cursor(struct model *model) {
    offset_ranges_clear(&model->stored.finished);
    model->stored.is_there = true;
    model->stored.position = cursor_progress_position(&model->progress);
    model->stored.until = model->until;
    cursor_progress_finished(&model->progress, SIZE_MAX, &model->stored.finished);
}

static void detach(struct model *model) {
    int64_t unfinished[EVENTS];
    size_t count = 0;
    if (model->has_cursor) {
        return;
    }
    for (int64_t i = 0; i < EVENTS; i++) {
        if (model->items[i].place == IN_LIVE) {
            unfinished[count++] = i;
        }
    }
    cursor_progress_init_unfinished(&model->progress, unfinished, count, model->live.next_offset);
    model->has_cursor = true;
    model->until = INT64_MAX;
    store_cursor(model); // Confirmed before anything is forgotten.
    for (size_t i = 0; i < count; i++) {
        struct item *item = &model->items[unfinished[i]];
        offset_tracker_finish(&model->live, &item->entry);
        item->place = NOWHERE;
        if (item->is_running) {
            item->place = IN_CURSOR;
            cursor_progress_add(&model->progress, &item->entry);
        }
    }
}

static void read_slice(struct model *model) {
    if (!model->has_cursor || model->progress.count >= WINDOW) {
        return;
    }
    int64_t end = model->progress.read_offset + 1 + (int64_t)random_below(10);
    int64_t limit = model->until < model->live.next_offset ? model->until : model->live.next_offset;
    end = end < limit ? end : limit;
    for (int64_t i = model->progress.read_offset; i < end; i++) {
        if (model->matches[i] && cursor_progress_is_open(&model->progress, i)) {
            put_item(model, i, IN_CURSOR);
        }
    }
    cursor_progress_read(&model->progress, end);
}

static void rewind_cursor(struct model *model) {
    if (!model->has_cursor) {
        return;
    }
    cursor_progress_rewind(&model->progress);
    for (int64_t i = 0; i < EVENTS; i++) {
        struct item *item = &model->items[i];
        if (item->place == IN_CURSOR && !item->is_running) {
            cursor_progress_forget(&model->progress, &item->entry);
            item->place = NOWHERE;
        }
    }
}

static void attach(struct model *model) {
    if (model->has_cursor && model->until == INT64_MAX &&
        model->live.next_offset - model->progress.read_offset < 5) {
        model->until = model->live.next_offset;
        if (random_below(2) == 0) {
            store_cursor(model); // It is confirmed before a crash, or not.
        }
    }
}

static void end_cursor(struct model *model) {
    if (model->has_cursor && cursor_progress_position(&model->progress) >= model->until) {
        assert_int_equal(model->progress.count, 0);
        store_cursor(model);
        offset_ranges_clear(&model->stored.finished);
        model->stored.is_there = false;
        cursor_progress_clear(&model->progress);
        model->has_cursor = false;
    }
}

static void finish_random(struct model *model) {
    int64_t start = (int64_t)random_below(EVENTS);
    for (int64_t i = 0; i < EVENTS; i++) {
        int64_t offset = (start + i) % EVENTS;
        struct item *item = &model->items[offset];
        if (item->place == NOWHERE) {
            continue;
        }
        item->is_running = true;
        model->delivered[offset]++;
        if (item->place == IN_LIVE) {
            offset_tracker_finish(&model->live, &item->entry);
        } else {
            cursor_progress_finish(&model->progress, &item->entry);
        }
        item->place = NOWHERE;
        return;
    }
}

static void crash(struct model *model) {
    model->crashes++;
    for (size_t i = 0; i < EVENTS; i++) {
        model->items[i] = (struct item){.place = NOWHERE};
    }
    if (model->has_cursor) {
        cursor_progress_clear(&model->progress);
    }
    offset_tracker_init(&model->live, model->committed);
    model->has_cursor = model->stored.is_there;
    if (model->has_cursor) {
        model->until = model->stored.until;
        cursor_progress_init(&model->progress, model->stored.position, &model->stored.finished);
    }
}

static void step(struct model *model, bool may_crash) {
    switch (random_below(may_crash ? 12 : 11)) {
    case 0:
    case 1:
    case 2:
        take_live(model);
        break;
    case 3:
    case 4:
        finish_random(model);
        break;
    case 5:
        commit(model);
        break;
    case 6:
        if (random_below(8) == 0) {
            detach(model);
        }
        break;
    case 7:
        read_slice(model);
        break;
    case 8:
        if (random_below(8) == 0) {
            rewind_cursor(model);
        } else if (model->has_cursor) {
            store_cursor(model);
        }
        break;
    case 9:
        attach(model);
        break;
    case 10:
        end_cursor(model);
        break;
    default:
        if (random_below(20) == 0) {
            crash(model);
        }
    }
}

static bool is_over(const struct model *model) {
    return model->live.next_offset == EVENTS && model->live.count == 0 && !model->has_cursor;
}

static void run(struct model *model, bool may_crash) {
    *model = (struct model){0};
    for (size_t i = 0; i < EVENTS; i++) {
        model->matches[i] = random_below(3) > 0;
        model->items[i].place = NOWHERE;
    }
    offset_tracker_init(&model->live, 0);
    for (long steps = 0; !is_over(model); steps++) {
        assert_true(steps < 10000000);
        step(model, may_crash);
    }
}

static void nothing_is_lost_whatever_the_order_of_detaching_attaching_and_crashes(void **state) {
    (void)state;
    struct model *model = memory_allocate(sizeof *model);
    for (int round = 0; round < 300; round++) {
        run(model, true);
        for (size_t i = 0; i < EVENTS; i++) {
            assert_true(model->matches[i] ? model->delivered[i] > 0 : model->delivered[i] == 0);
        }
        offset_ranges_clear(&model->stored.finished);
    }
    free(model);
}

static void without_a_crash_nothing_comes_twice(void **state) {
    (void)state;
    struct model *model = memory_allocate(sizeof *model);
    for (int round = 0; round < 300; round++) {
        run(model, false);
        for (size_t i = 0; i < EVENTS; i++) {
            assert_int_equal(model->delivered[i], model->matches[i]);
        }
        offset_ranges_clear(&model->stored.finished);
    }
    free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_position_is_the_lowest_unfinished),
        cmocka_unit_test(what_runs_or_is_finished_is_not_open),
        cmocka_unit_test(a_rewind_opens_what_is_forgotten_and_nothing_else),
        cmocka_unit_test(nothing_is_lost_whatever_the_order_of_detaching_attaching_and_crashes),
        cmocka_unit_test(without_a_crash_nothing_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
