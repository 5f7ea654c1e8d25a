#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/cursors/cursor_fold.h"

static void add(struct cursor_fold *fold, const struct cursor_record *record, bool has_value) {
    struct buffer key_text = {0};
    struct buffer value = {0};
    struct cursor_key key;
    cursor_record_key(record, &key);
    cursor_key_write(&key, &key_text);
    cursor_record_write(record, &value);
    struct record stored = {.key = buffer_bytes(&key_text),
                            .value = has_value ? buffer_bytes(&value) : BYTES(""),
                            .has_value = has_value};
    cursor_fold_add(fold, &stored);
    buffer_clear(&key_text);
    buffer_clear(&value);
}

static void claim(struct cursor_fold *fold, int64_t epoch, struct bytes owner) {
    struct cursor_record record = {
        .kind = CURSOR_OWNER, .epoch = epoch, .owner = owner, .until = CURSOR_NO_END};
    add(fold, &record, true);
}

static struct cursor_record cursor(int64_t epoch, int64_t position) {
    return (struct cursor_record){.kind = CURSOR_CATCH_UP,
                                  .epoch = epoch,
                                  .space = BYTES("default"),
                                  .subscription_id = BYTES("a"),
                                  .position = position,
                                  .until = CURSOR_NO_END};
}

static void put(struct cursor_fold *fold, int64_t epoch, int64_t position) {
    struct cursor_record record = cursor(epoch, position);
    add(fold, &record, true);
}

static void take_away(struct cursor_fold *fold, int64_t epoch) {
    struct cursor_record record = cursor(epoch, 0);
    add(fold, &record, false);
}

// The cursor's position, -1 = there is none.
static int64_t position(const struct cursor_fold *fold) {
    struct cursor_record record = cursor(1, 0);
    struct cursor_key key;
    cursor_record_key(&record, &key);
    const struct cursor_record *found = cursor_fold_find(fold, &key);
    return found ? found->position : -1;
}

static void the_first_claim_of_an_epoch_owns_it(void **state) {
    (void)state;
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    assert_int_equal(cursor_fold_epoch(fold, 0), 0);
    claim(fold, 1, BYTES("first"));
    claim(fold, 1, BYTES("second"));
    assert_int_equal(cursor_fold_epoch(fold, 0), 1);
    assert_true(bytes_equal_text(cursor_fold_owner(fold, 0), "first"));
    claim(fold, 2, BYTES("second"));
    assert_true(bytes_equal_text(cursor_fold_owner(fold, 0), "second"));
    claim(fold, 1, BYTES("late"));
    assert_int_equal(cursor_fold_epoch(fold, 0), 2);
    cursor_fold_destroy(fold);
}

static void records_of_an_owner_that_lost_the_partition_change_nothing(void **state) {
    (void)state;
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    claim(fold, 1, BYTES("old"));
    put(fold, 1, 10);
    claim(fold, 2, BYTES("new"));
    put(fold, 1, 99);
    assert_int_equal(position(fold), 10);
    put(fold, 2, 20);
    put(fold, 1, 98);
    take_away(fold, 1);
    assert_int_equal(position(fold), 20);
    take_away(fold, 2);
    assert_int_equal(position(fold), -1);
    put(fold, 1, 97);
    assert_int_equal(position(fold), -1);
    cursor_fold_destroy(fold);
}

static void what_was_valid_is_inherited_by_the_next_owner(void **state) {
    (void)state;
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    claim(fold, 1, BYTES("a"));
    put(fold, 1, 10);
    claim(fold, 2, BYTES("b"));
    claim(fold, 3, BYTES("c"));
    assert_int_equal(position(fold), 10);
    take_away(fold, 1);
    assert_int_equal(position(fold), 10); // Only a rewrite under the new epoch replaces it.
    cursor_fold_destroy(fold);
}

struct keys {
    size_t count;
    int64_t epoch_sum;
};

static void count_key(void *context, const struct cursor_key *key) {
    struct keys *keys = context;
    keys->count++;
    keys->epoch_sum += key->epoch;
}

static void every_older_key_is_told(void **state) {
    (void)state;
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    claim(fold, 1, BYTES("a"));
    put(fold, 1, 10);
    claim(fold, 2, BYTES("b"));
    put(fold, 1, 11);
    claim(fold, 3, BYTES("c"));
    put(fold, 3, 12);
    struct keys keys = {0};
    cursor_fold_each_older(fold, 0, 3, count_key, &keys);
    assert_int_equal(keys.count, 3); // two claims, one cursor
    assert_int_equal(keys.epoch_sum, 1 + 2 + 1);
    take_away(fold, 1);
    keys = (struct keys){0};
    cursor_fold_each_older(fold, 0, 3, count_key, &keys);
    assert_int_equal(keys.count, 2);
    cursor_fold_destroy(fold);
}

static void other_partitions_and_foreign_records_are_passed_over(void **state) {
    (void)state;
    const int32_t wanted[] = {1};
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, wanted, 1);
    claim(fold, 1, BYTES("a"));
    put(fold, 1, 10);
    assert_int_equal(position(fold), -1);
    assert_int_equal(cursor_fold_refused(fold), 0);
    struct record foreign = {.key = BYTES("rubbish"), .has_value = true, .value = BYTES("{}")};
    cursor_fold_add(fold, &foreign);
    foreign.key = BYTES("1/default/a/1");
    cursor_fold_add(fold, &foreign);
    foreign.value = BYTES("{\"kind\":\"live\",\"partition\":1,\"epoch\":1,\"position\":0}");
    cursor_fold_add(fold, &foreign);
    assert_int_equal(cursor_fold_refused(fold), 3);
    cursor_fold_destroy(fold);
}

// The same number, but other partitions.
static void the_partitions_of_each_stream_are_their_own(void **state) {
    (void)state;
    struct cursor_fold *folds[] = {cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0),
                                   cursor_fold_create(CURSOR_OF_RETRY_10S, NULL, 0),
                                   cursor_fold_create(CURSOR_OF_RETRY_1M, NULL, 0)};
    struct cursor_record owner = {.kind = CURSOR_OWNER,
                                  .stream = CURSOR_OF_RETRY_10S,
                                  .epoch = 7,
                                  .owner = BYTES("a"),
                                  .until = CURSOR_NO_END};
    struct cursor_record live = owner;
    struct cursor_key key;
    live.kind = CURSOR_LIVE;
    live.position = 5;
    cursor_record_key(&live, &key);
    for (size_t i = 0; i < 3; i++) {
        struct keys keys = {0};
        claim(folds[i], 1, BYTES("events'"));
        add(folds[i], &owner, true);
        add(folds[i], &live, true);
        assert_int_equal(cursor_fold_epoch(folds[i], 0), i == 0 ? 1 : i == 1 ? 7 : 0);
        assert_int_equal(cursor_fold_find(folds[i], &key) != NULL, i == 1);
        cursor_fold_each_older(folds[i], 0, 8, count_key, &keys);
        assert_int_equal(keys.count, i == 0 ? 1 : i == 1 ? 2 : 0);
        assert_int_equal(cursor_fold_refused(folds[i]), 0);
        cursor_fold_destroy(folds[i]);
    }
}

static void count_record(void *context, const struct cursor_record *record) {
    (void)record;
    (*(size_t *)context)++;
}

static void thousands_are_found_again(void **state) {
    (void)state;
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    for (int i = 0; i < 2000; i++) {
        char id[16];
        struct cursor_record record = cursor(1, i);
        record.partition = i % 2;
        record.subscription_id = (struct bytes){id, (size_t)snprintf(id, sizeof id, "s%d", i)};
        add(fold, &record, true);
        record.epoch = 2;
        add(fold, &record, true);
    }
    size_t count = 0;
    cursor_fold_each(fold, 1, count_record, &count);
    assert_int_equal(count, 1000);
    struct keys keys = {0};
    cursor_fold_each_older(fold, 1, 2, count_key, &keys);
    assert_int_equal(keys.count, 1000);
    cursor_fold_destroy(fold);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_claim_of_an_epoch_owns_it),
        cmocka_unit_test(records_of_an_owner_that_lost_the_partition_change_nothing),
        cmocka_unit_test(what_was_valid_is_inherited_by_the_next_owner),
        cmocka_unit_test(every_older_key_is_told),
        cmocka_unit_test(other_partitions_and_foreign_records_are_passed_over),
        cmocka_unit_test(the_partitions_of_each_stream_are_their_own),
        cmocka_unit_test(thousands_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
