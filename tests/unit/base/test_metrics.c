#include "core/base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/base/memory.h"

// The registry is one for the whole program, so that each test has families of its own.
#define FAMILY(family_name, family_kind, ...)                                                      \
    {                                                                                              \
        .name = family_name, .help = "Of a test.", .kind = family_kind, .label_names = {           \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

// The lines of one family: from its HELP to the next one's.
static void read_family(const char *name, struct buffer *ret_text) {
    struct buffer all = {0};
    char head[128];
    metrics_write(&all);
    snprintf(head, sizeof head, "# HELP %s ", name);
    const char *start = strstr(all.data, head);
    assert_non_null(start);
    const char *next = strstr(start + 1, "# HELP ");
    buffer_append(ret_text, (struct bytes){start, next ? (size_t)(next - start) : strlen(start)});
    buffer_clear(&all);
}

static void assert_family(const char *name, const char *expected) {
    struct buffer text = {0};
    read_family(name, &text);
    assert_string_equal(text.data, expected);
    buffer_clear(&text);
}

static void a_counter_and_a_gauge_show_their_value(void **state) {
    (void)state;
    static struct metric_family counter = FAMILY("test_a_total", METRIC_COUNTER, NULL);
    static struct metric_family gauge = FAMILY("test_a_now", METRIC_GAUGE, NULL);
    metric_add(METRIC(&counter), 2);
    metric_add(METRIC(&counter), 3);
    metric_set(METRIC(&gauge), 7);
    metric_add(METRIC(&gauge), -9);
    assert_int_equal(metric_value(METRIC(&counter)), 5);
    assert_family("test_a_total", "# HELP test_a_total Of a test.\n# TYPE test_a_total counter\n"
                                  "test_a_total 5\n");
    assert_family("test_a_now", "# HELP test_a_now Of a test.\n# TYPE test_a_now gauge\n"
                                "test_a_now -2\n");
}

static void the_same_labels_are_the_same_series(void **state) {
    (void)state;
    static struct metric_family family = FAMILY("test_b_total", METRIC_COUNTER, "space", "type");
    struct metric *first = METRIC(&family, "s1", "t1");
    char space[] = "s1";
    assert_ptr_equal(METRIC(&family, space, "t1"), first);
    assert_ptr_not_equal(METRIC(&family, "t1", "s1"), first);
    assert_ptr_not_equal(METRIC(&family, "s", "1t1"), first);
}

static void series_are_sorted_by_their_labels(void **state) {
    (void)state;
    static struct metric_family family = FAMILY("test_c_total", METRIC_COUNTER, "space", "type");
    metric_add(METRIC(&family, "b", "a"), 3);
    metric_add(METRIC(&family, "a", "b"), 2);
    metric_add(METRIC(&family, "a", "a"), 1);
    metric_add(METRIC(&family, "", ""), 0);
    assert_family("test_c_total", "# HELP test_c_total Of a test.\n# TYPE test_c_total counter\n"
                                  "test_c_total{space=\"\",type=\"\"} 0\n"
                                  "test_c_total{space=\"a\",type=\"a\"} 1\n"
                                  "test_c_total{space=\"a\",type=\"b\"} 2\n"
                                  "test_c_total{space=\"b\",type=\"a\"} 3\n");
}

static void label_values_are_escaped(void **state) {
    (void)state;
    static struct metric_family family = FAMILY("test_d_total", METRIC_COUNTER, "type");
    metric_add(METRIC(&family, "a\"b\\c\nd\xc3\xa4\xff"), 1);
    assert_family("test_d_total", "# HELP test_d_total Of a test.\n# TYPE test_d_total counter\n"
                                  "test_d_total{type=\"a\\\"b\\\\c\\nd\xc3\xa4\xef\xbf\xbd\"} 1\n");
}

static void a_histogram_cumulates_its_buckets(void **state) {
    (void)state;
    static struct metric_family family = FAMILY("test_e_seconds", METRIC_HISTOGRAM, "space");
    struct metric *metric = METRIC(&family, "s");
    struct buffer text = {0};
    metric_observe_us(metric, 100);
    metric_observe_us(metric, 101);
    metric_observe_us(metric, 1500000);
    metric_observe_us(metric, 60000001);
    metric_observe_us(metric, -5);
    read_family("test_e_seconds", &text);
    static const char *const lines[] = {
        "# TYPE test_e_seconds histogram\n",
        "\ntest_e_seconds_bucket{space=\"s\",le=\"0.0001\"} 2\n",
        "\ntest_e_seconds_bucket{space=\"s\",le=\"0.00025\"} 3\n",
        "\ntest_e_seconds_bucket{space=\"s\",le=\"1\"} 3\n",
        "\ntest_e_seconds_bucket{space=\"s\",le=\"2.5\"} 4\n",
        "\ntest_e_seconds_bucket{space=\"s\",le=\"60\"} 4\n",
        "\ntest_e_seconds_bucket{space=\"s\",le=\"+Inf\"} 5\n",
        "\ntest_e_seconds_sum{space=\"s\"} 61.500202\n",
        "\ntest_e_seconds_count{space=\"s\"} 5\n",
    };
    const char *before = text.data;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        const char *line = strstr(text.data, lines[i]);
        assert_non_null(line);
        assert_true(line > before);
        before = line;
    }
    buffer_clear(&text);
}

static void a_histogram_needs_no_labels(void **state) {
    (void)state;
    static struct metric_family family = FAMILY("test_f_seconds", METRIC_HISTOGRAM, NULL);
    struct buffer text = {0};
    metric_observe_us(METRIC(&family), 250);
    read_family("test_f_seconds", &text);
    assert_non_null(strstr(text.data, "\ntest_f_seconds_bucket{le=\"0.0001\"} 0\n"));
    assert_non_null(strstr(text.data, "\ntest_f_seconds_bucket{le=\"0.00025\"} 1\n"));
    assert_non_null(strstr(text.data, "\ntest_f_seconds_sum 0.000250\n"));
    assert_non_null(strstr(text.data, "\ntest_f_seconds_count 1\n"));
    buffer_clear(&text);
}

static void label_values_beyond_the_limit_count_as_other(void **state) {
    (void)state;
    static struct metric_family family = {.name = "test_g_total",
                                          .help = "Of a test.",
                                          .label_names = {"space", "type"},
                                          .series_max = 2};
    for (int i = 0; i < 50; i++) {
        char type[16];
        snprintf(type, sizeof type, "t%d", i);
        metric_add(METRIC(&family, "s", type), 1);
    }
    assert_family("test_g_total", "# HELP test_g_total Of a test.\n# TYPE test_g_total counter\n"
                                  "test_g_total{space=\"other\",type=\"other\"} 48\n"
                                  "test_g_total{space=\"s\",type=\"t0\"} 1\n"
                                  "test_g_total{space=\"s\",type=\"t1\"} 1\n");
}

static void a_thousand_series_are_kept_without_a_limit_of_their_own(void **state) {
    (void)state;
    static struct metric_family family = FAMILY("test_h_total", METRIC_COUNTER, "type");
    struct metric *kept[1000];
    char type[16];
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        snprintf(type, sizeof type, "t%zu", i);
        kept[i] = METRIC(&family, type);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        snprintf(type, sizeof type, "t%zu", i);
        assert_ptr_equal(METRIC(&family, type), kept[i]);
    }
    assert_ptr_equal(METRIC(&family, "one more"), METRIC(&family, "other"));
}

static void families_are_sorted_by_name(void **state) {
    (void)state;
    static struct metric_family late = FAMILY("test_zz_total", METRIC_COUNTER, NULL);
    static struct metric_family early = FAMILY("test_aa_total", METRIC_COUNTER, NULL);
    struct buffer text = {0};
    metric_add(METRIC(&late), 1);
    metric_add(METRIC(&early), 1);
    metrics_write(&text);
    const char *first = strstr(text.data, "# HELP test_aa_total");
    const char *last = strstr(text.data, "# HELP test_zz_total");
    assert_true(first && last && first < last);
    buffer_clear(&text);
}

static struct metric_family derived = FAMILY("test_i_now", METRIC_GAUGE, NULL);

static void collect(void *context) {
    int *calls = context;
    metric_set(METRIC(&derived), ++*calls);
}

static void collectors_run_before_each_writing_until_they_are_removed(void **state) {
    (void)state;
    int calls = 0;
    int others = 0;
    metrics_add_collector(collect, &others);
    metrics_add_collector(collect, &calls);
    assert_family("test_i_now",
                  "# HELP test_i_now Of a test.\n# TYPE test_i_now gauge\ntest_i_now 1\n");
    metrics_remove_collector(collect, &others);
    assert_family("test_i_now",
                  "# HELP test_i_now Of a test.\n# TYPE test_i_now gauge\ntest_i_now 2\n");
    metrics_remove_collector(collect, &calls);
    assert_int_equal(calls, 2);
    assert_int_equal(others, 1);
}

#define ROUNDS 3000
static struct metric_family shared = FAMILY("test_j_total", METRIC_COUNTER, "type");
static struct metric_family shared_times = FAMILY("test_j_seconds", METRIC_HISTOGRAM, NULL);

static void *count_much(void *context) {
    (void)context;
    for (int i = 0; i < ROUNDS; i++) {
        char type[16];
        snprintf(type, sizeof type, "t%d", i % 60);
        metric_add(METRIC(&shared, type), 1);
        metric_observe_us(METRIC(&shared_times), i);
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state) {
    (void)state;
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, NULL), 0);
    }
    for (int i = 0; i < 5; i++) {
        struct buffer text = {0};
        metrics_write(&text);
        buffer_clear(&text);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    int64_t total = 0;
    for (int i = 0; i < 60; i++) {
        char type[16];
        snprintf(type, sizeof type, "t%d", i);
        total += metric_value(METRIC(&shared, type));
    }
    assert_int_equal(total, ARRAY_LENGTH(threads) * ROUNDS);
    struct buffer text = {0};
    read_family("test_j_seconds", &text);
    assert_non_null(strstr(text.data, "\ntest_j_seconds_count 9000\n"));
    buffer_clear(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_and_a_gauge_show_their_value),
        cmocka_unit_test(the_same_labels_are_the_same_series),
        cmocka_unit_test(series_are_sorted_by_their_labels),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(a_histogram_cumulates_its_buckets),
        cmocka_unit_test(a_histogram_needs_no_labels),
        cmocka_unit_test(label_values_beyond_the_limit_count_as_other),
        cmocka_unit_test(a_thousand_series_are_kept_without_a_limit_of_their_own),
        cmocka_unit_test(families_are_sorted_by_name),
        cmocka_unit_test(collectors_run_before_each_writing_until_they_are_removed),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
