#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "dispatcher/live_progress.h"

static const char one[] = "one4567890123456";
static const char two[] = "two4567890123456";

static bool match(struct live_progress *progress, const char *fingerprint, int64_t offset) {
    struct tried tried;
    return live_progress_match(progress, fingerprint, offset, 0, &tried);
}

// As it is written and read back.
static void write_and_read(struct live_progress *progress, int64_t position, int64_t next_offset,
                           const struct tried *unfinished_of_one, size_t count,
                           struct cursor_record *ret_record) {
    struct cursor_record record = {.kind = CURSOR_LIVE, .epoch = 1, .position = position};
    struct live_writing writing = {
        .progress = progress, .record = &record, .next_offset = next_offset};
    struct buffer text = {0};
    live_progress_write_begin(&writing);
    live_progress_write(&writing, one, 0, unfinished_of_one, count);
    live_progress_write_end(&writing);
    cursor_record_write(&record, &text);
    cursor_record_clear(&record);
    assert_int_equal(cursor_record_parse(buffer_bytes(&text), ret_record, NULL), STATUS_OK);
    buffer_clear(&text);
}

static const struct cursor_share *share_of(const struct cursor_record *record,
                                           const char *fingerprint) {
    for (size_t i = 0; i < record->share_count; i++) {
        if (strcmp(record->shares[i].fingerprint, fingerprint) == 0) {
            return &record->shares[i];
        }
    }
    return NULL;
}

static bool tells(const struct cursor_record *record, const char *fingerprint, int64_t offset) {
    const struct cursor_share *share = share_of(record, fingerprint);
    return share && offset_ranges_contain(&share->finished, offset);
}

static void each_is_told_of_for_itself(void **state) {
    (void)state;
    struct live_progress progress = {0};
    struct cursor_record record;
    for (int64_t offset = 10; offset < 14; offset++) {
        assert_true(match(&progress, one, offset));
    }
    assert_true(match(&progress, two, 12));
    const struct tried unfinished[] = {{.offset = 11}, {.offset = 10}};
    write_and_read(&progress, 10, 20, unfinished, 2, &record);
    assert_false(tells(&record, one, 10));
    assert_false(tells(&record, one, 11));
    assert_true(tells(&record, one, 12) && tells(&record, one, 13) && tells(&record, one, 19));
    assert_false(tells(&record, one, 20));
    // Nobody knows whether it was there before its first event.
    assert_false(tells(&record, two, 11));
    assert_true(tells(&record, two, 12));
    cursor_record_clear(&record);
    live_progress_clear(&progress);
}

static void what_was_told_is_passed_over_once_by_the_very_same(void **state) {
    (void)state;
    struct live_progress progress = {0};
    struct live_progress next = {0};
    struct cursor_record record;
    match(&progress, one, 10);
    match(&progress, one, 11);
    write_and_read(&progress, 10, 12, &(struct tried){.offset = 10}, 1, &record);
    live_progress_restore(&next, &record);
    assert_true(match(&next, two, 10));
    assert_true(match(&next, one, 10));
    assert_true(match(&next, two, 11));
    assert_false(match(&next, one, 11));
    assert_true(match(&next, one, 12));
    cursor_record_clear(&record);
    live_progress_clear(&progress);
    live_progress_clear(&next);
}

static void who_has_no_fingerprint_is_not_told_of(void **state) {
    (void)state;
    struct live_progress progress = {0};
    struct cursor_record record;
    assert_true(match(&progress, "", 10));
    write_and_read(&progress, 10, 11, NULL, 0, &record);
    assert_int_equal(record.share_count, 0);
    cursor_record_clear(&record);
    live_progress_clear(&progress);
}

static void what_was_forgotten_is_unfinished_and_its_attempts_are_known(void **state) {
    (void)state;
    struct live_progress progress = {0};
    struct live_progress next = {0};
    struct cursor_record record;
    struct tried tried;
    for (int64_t offset = 10; offset < 14; offset++) {
        match(&progress, one, offset);
    }
    live_progress_leave(&progress, one,
                        &(struct tried){.offset = 12, .attempts = 3, .reason = "timed out"});
    write_and_read(&progress, 10, 14, NULL, 0, &record);
    assert_true(tells(&record, one, 11) && !tells(&record, one, 12) && tells(&record, one, 13));
    live_progress_restore(&next, &record);
    assert_true(live_progress_match(&next, one, 12, 0, &tried));
    assert_int_equal(tried.attempts, 3);
    assert_string_equal(tried.reason, "timed out");
    cursor_record_clear(&record);
    live_progress_clear(&progress);
    live_progress_clear(&next);
}

static void what_lies_below_the_position_is_forgotten(void **state) {
    (void)state;
    struct live_progress progress = {0};
    match(&progress, one, 10);
    match(&progress, two, 11);
    live_progress_cut(&progress, 11);
    assert_null(live_progress_find(&progress, one));
    assert_non_null(live_progress_find(&progress, two));
    live_progress_cut(&progress, 12);
    assert_int_equal(progress.count, 0);
    live_progress_clear(&progress);
}

static void more_subscriptions_than_are_remembered_are_delivered_to(void **state) {
    (void)state;
    struct live_progress progress = {0};
    char fingerprint[CURSOR_FINGERPRINT_SIZE];
    for (int64_t i = 0; i < 2 * LIVE_SHARES_MAX; i++) {
        snprintf(fingerprint, sizeof fingerprint, "%016lld", (long long)i);
        assert_true(match(&progress, fingerprint, i));
    }
    assert_int_equal(progress.count, LIVE_SHARES_MAX);
    // What the position has passed makes room.
    struct tried tried;
    assert_true(live_progress_match(&progress, one, 2 * LIVE_SHARES_MAX, LIVE_SHARES_MAX, &tried));
    assert_non_null(live_progress_find(&progress, one));
    live_progress_clear(&progress);
}

// Against a table of what was finished: random events, endings and crashes, where each owner knows
// no more than the record and the position.
enum {
    OFFSETS = 600,
    WHO = 5
};

struct model {
    bool is_wanted[WHO][OFFSETS];
    bool is_done[WHO][OFFSETS];
    struct live_progress progress;
    bool is_open[WHO][OFFSETS]; // delivered by this owner and not finished
    int64_t next_offset;
    struct cursor_record record;
    uint64_t random;
};

static uint64_t draw(struct model *model, uint64_t below) {
    model->random = model->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (model->random >> 33) % below;
}

static void fingerprint_of(size_t who, char ret_text[CURSOR_FINGERPRINT_SIZE]) {
    snprintf(ret_text, CURSOR_FINGERPRINT_SIZE, "%016zu", who);
}

static int64_t position_of(const struct model *model) {
    for (int64_t offset = 0; offset < model->next_offset; offset++) {
        for (size_t who = 0; who < WHO; who++) {
            if (model->is_open[who][offset]) {
                return offset;
            }
        }
    }
    return model->next_offset;
}

static void take_event(struct model *model) {
    int64_t offset = model->next_offset++;
    for (size_t who = 0; who < WHO; who++) {
        char fingerprint[CURSOR_FINGERPRINT_SIZE];
        struct tried tried;
        fingerprint_of(who, fingerprint);
        if (model->is_wanted[who][offset]) {
            bool is_open = live_progress_match(&model->progress, fingerprint, offset,
                                               position_of(model), &tried);
            // What is passed over was finished.
            assert_true(is_open || model->is_done[who][offset]);
            model->is_open[who][offset] = is_open;
        }
    }
}

static void finish_some(struct model *model) {
    size_t who = draw(model, WHO);
    int64_t offset = (int64_t)draw(model, (uint64_t)model->next_offset + 1);
    if (offset < model->next_offset && model->is_open[who][offset]) {
        model->is_open[who][offset] = false;
        model->is_done[who][offset] = true;
    }
}

static void store_record(struct model *model) {
    cursor_record_clear(&model->record);
    model->record = (struct cursor_record){.kind = CURSOR_LIVE, .position = position_of(model)};
    struct live_writing writing = {
        .progress = &model->progress, .record = &model->record, .next_offset = model->next_offset};
    live_progress_write_begin(&writing);
    for (size_t who = 0; who < WHO; who++) {
        struct tried unfinished[OFFSETS];
        char fingerprint[CURSOR_FINGERPRINT_SIZE];
        size_t count = 0;
        for (int64_t offset = 0; offset < model->next_offset; offset++) {
            if (model->is_open[who][offset]) {
                unfinished[count++] = (struct tried){.offset = offset};
            }
        }
        fingerprint_of(who, fingerprint);
        if (count > 0) {
            live_progress_write(&writing, fingerprint, 0, unfinished, count);
        }
    }
    live_progress_write_end(&writing);
}

static void crash(struct model *model) {
    live_progress_clear(&model->progress);
    memset(model->is_open, 0, sizeof model->is_open);
    model->next_offset = model->record.position;
    live_progress_restore(&model->progress, &model->record);
}

static void nothing_is_passed_over_that_was_not_finished(void **state) {
    (void)state;
    static struct model model;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        memset(&model, 0, sizeof model);
        model.random = seed;
        for (size_t who = 0; who < WHO; who++) {
            for (size_t offset = 0; offset < OFFSETS; offset++) {
                model.is_wanted[who][offset] = draw(&model, who + 1) == 0;
            }
        }
        while (model.next_offset < OFFSETS) {
            uint64_t what = draw(&model, 200);
            if (what < 60) {
                take_event(&model);
            } else if (what < 190) {
                finish_some(&model);
            } else if (what < 199) {
                store_record(&model);
            } else {
                crash(&model);
            }
        }
        for (size_t who = 0; who < WHO; who++) {
            for (size_t offset = 0; offset < OFFSETS; offset++) {
                assert_true(!model.is_wanted[who][offset] || model.is_done[who][offset] ||
                            model.is_open[who][offset]);
            }
        }
        cursor_record_clear(&model.record);
        live_progress_clear(&model.progress);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told_of_for_itself),
        cmocka_unit_test(what_was_told_is_passed_over_once_by_the_very_same),
        cmocka_unit_test(who_has_no_fingerprint_is_not_told_of),
        cmocka_unit_test(what_was_forgotten_is_unfinished_and_its_attempts_are_known),
        cmocka_unit_test(what_lies_below_the_position_is_forgotten),
        cmocka_unit_test(more_subscriptions_than_are_remembered_are_delivered_to),
        cmocka_unit_test(nothing_is_passed_over_that_was_not_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
