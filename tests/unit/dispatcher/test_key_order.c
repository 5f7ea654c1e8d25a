#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/base/memory.h"
#include "dispatcher/key_order.h"

struct item {
    struct key_order_entry entry;
    int number;
};

static struct item *item_of(struct key_order_entry *entry) {
    return entry ? CONTAINER_OF(entry, struct item, entry) : NULL;
}

static void only_the_first_of_a_key_may_go(void **state) {
    (void)state;
    struct key_order order = {0};
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    key_order_add(&order, BYTES("a"), &items[0].entry);
    key_order_add(&order, BYTES("a"), &items[1].entry);
    key_order_add(&order, BYTES("b"), &items[2].entry);
    key_order_add(&order, BYTES("a"), &items[3].entry);
    assert_true(key_order_is_first(&items[0].entry));
    assert_false(key_order_is_first(&items[1].entry));
    assert_true(key_order_is_first(&items[2].entry));
    assert_false(key_order_is_first(&items[3].entry));
    assert_ptr_equal(item_of(key_order_remove(&order, &items[0].entry)), &items[1]);
    assert_true(key_order_is_first(&items[1].entry));
    assert_null(key_order_remove(&order, &items[2].entry));
    assert_ptr_equal(item_of(key_order_remove(&order, &items[1].entry)), &items[3]);
    assert_null(key_order_remove(&order, &items[3].entry));
    assert_int_equal(order.key_count, 0);
    key_order_clear(&order);
}

static void what_is_taken_out_of_the_middle_lets_nobody_go(void **state) {
    (void)state;
    struct key_order order = {0};
    struct item items[3] = {{.number = 0}};
    for (size_t i = 0; i < 3; i++) {
        key_order_add(&order, BYTES("a"), &items[i].entry);
    }
    assert_null(key_order_remove(&order, &items[1].entry));
    assert_null(items[1].entry.chain);
    assert_ptr_equal(items[0].entry.next, &items[2].entry);
    assert_null(key_order_remove(&order, &items[2].entry));
    assert_null(key_order_remove(&order, &items[0].entry));
    key_order_clear(&order);
}

static void what_is_in_no_order_may_go(void **state) {
    (void)state;
    struct key_order_entry entry = {0};
    assert_true(key_order_is_first(&entry));
}

static void keys_are_told_apart_by_all_their_bytes(void **state) {
    (void)state;
    struct key_order order = {0};
    struct item items[2] = {{.number = 0}};
    key_order_add(&order, (struct bytes){"a\0b", 3}, &items[0].entry);
    key_order_add(&order, (struct bytes){"a\0c", 3}, &items[1].entry);
    assert_int_equal(order.key_count, 2);
    assert_null(key_order_remove(&order, &items[0].entry));
    assert_null(key_order_remove(&order, &items[1].entry));
    key_order_clear(&order);
}

// The bytes of a key are the caller's only during the call.
static void a_key_is_copied(void **state) {
    (void)state;
    struct key_order order = {0};
    struct item items[2] = {{.number = 0}};
    char key[] = "key";
    key_order_add(&order, bytes_of_text(key), &items[0].entry);
    key[0] = 'x';
    key_order_add(&order, BYTES("key"), &items[1].entry);
    assert_false(key_order_is_first(&items[1].entry));
    assert_non_null(key_order_remove(&order, &items[0].entry));
    assert_null(key_order_remove(&order, &items[1].entry));
    key_order_clear(&order);
}

#define MODEL_ITEMS 600
#define MODEL_KEYS 40

// Against a list of all entries in which the first of each key is looked up by walking.
static void it_does_what_a_plain_list_does(void **state) {
    (void)state;
    struct key_order order = {0};
    struct item *items = memory_allocate(MODEL_ITEMS * sizeof *items);
    unsigned keys[MODEL_ITEMS];
    bool is_in[MODEL_ITEMS] = {false};
    uint64_t random = 7;
    for (size_t step = 0; step < 20000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (random >> 33) % MODEL_ITEMS;
        if (at + 1 < MODEL_ITEMS && is_in[at + 1]) {
            continue; // Numbers are added in their order, so that the lowest of a key is its first.
        }
        if (!is_in[at]) {
            bool is_behind = true;
            for (size_t i = at; i < MODEL_ITEMS; i++) {
                is_behind = is_behind && !is_in[i];
            }
            if (is_behind) {
                keys[at] = (unsigned)(random >> 50) % MODEL_KEYS;
                char key[2] = {'k', (char)('A' + keys[at])};
                key_order_add(&order, (struct bytes){key, 2}, &items[at].entry);
                is_in[at] = true;
            }
        } else {
            (void)key_order_remove(&order, &items[at].entry);
            is_in[at] = false;
        }
        size_t first = at;
        while (first < MODEL_ITEMS && !is_in[first]) {
            first++;
        }
        for (size_t i = 0; first < MODEL_ITEMS && i < first; i++) {
            if (is_in[i] && keys[i] == keys[first]) {
                first = i;
            }
        }
        if (first < MODEL_ITEMS) {
            assert_true(key_order_is_first(&items[first].entry));
        }
    }
    for (size_t i = 0; i < MODEL_ITEMS; i++) {
        if (is_in[i]) {
            (void)key_order_remove(&order, &items[i].entry);
        }
    }
    key_order_clear(&order);
    free(items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_first_of_a_key_may_go),
        cmocka_unit_test(what_is_taken_out_of_the_middle_lets_nobody_go),
        cmocka_unit_test(what_is_in_no_order_may_go),
        cmocka_unit_test(keys_are_told_apart_by_all_their_bytes),
        cmocka_unit_test(a_key_is_copied),
        cmocka_unit_test(it_does_what_a_plain_list_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
