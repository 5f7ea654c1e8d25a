#include "tests/unit/events/events_test.h"

#include "core/events/event_name_table.h"

enum {
    NAMES = 1100
};

static void fill(struct bytes names[NAMES], char texts[NAMES][8]) {
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(texts[i], 8, "n%zu", i);
        names[i] = bytes_of_text(texts[i]);
    }
}

static void every_name_is_found_at_every_size(void **state) {
    (void)state;
    static struct bytes names[NAMES];
    static char texts[NAMES][8];
    fill(names, texts);
    struct event_name_table table = {0};
    struct event_names seen = {.first = names, .stride = sizeof names[0]};
    for (size_t count = 0; count < NAMES; count++) {
        seen.count = count;
        assert_int_equal(event_name_table_find(&table, seen, names[count]), count);
        seen.count = count + 1;
        event_name_table_added(&table, seen);
        assert_int_equal(event_name_table_find(&table, seen, names[count]), count);
        assert_int_equal(event_name_table_find(&table, seen, names[count / 2]), count / 2);
    }
    event_name_table_clear(&table);
}

static void names_are_found_after_the_table_is_cleared(void **state) {
    (void)state;
    static struct bytes names[NAMES];
    static char texts[NAMES][8];
    fill(names, texts);
    struct event_name_table table = {0};
    struct event_names seen = {.first = names, .stride = sizeof names[0], .count = 100};
    event_name_table_added(&table, seen);
    event_name_table_clear(&table);
    assert_int_equal(event_name_table_find(&table, seen, names[99]), 99);
    assert_int_equal(event_name_table_find(&table, seen, names[100]), 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_found_at_every_size),
        cmocka_unit_test(names_are_found_after_the_table_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
