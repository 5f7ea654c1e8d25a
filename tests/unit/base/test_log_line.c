#include "core/base/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "tests/support/log_capture.h"

#define TIME_SIZE strlen("2026-11-24T01:02:03.004Z")

// The line without its time, which must be one with milliseconds.
#define assert_line(expected, ...)                                                                 \
    do {                                                                                           \
        struct buffer line_text = {0};                                                             \
        struct log_capture line_capture = log_capture_start();                                     \
        log_line(__VA_ARGS__);                                                                     \
        log_capture_end(&line_capture, &line_text);                                                \
        assert_time(buffer_bytes(&line_text));                                                     \
        assert_string_equal(line_text.data + TIME_SIZE, expected);                                 \
        buffer_clear(&line_text);                                                                  \
    } while (0)

static void assert_time(struct bytes line) {
    int64_t us = 0;
    assert_true(line.size > TIME_SIZE);
    assert_int_equal(timestamp_parse(bytes_slice(line, 0, TIME_SIZE), &us), STATUS_OK);
    assert_true(bytes_equal_text(bytes_slice(line, TIME_SIZE - 5, 1), "."));
}

static int use_text(void **state) {
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
    return 0;
}

static int use_json(void **state) {
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    return 0;
}

static void a_line_for_people_has_time_level_message_and_fields(void **state) {
    (void)state;
    assert_line(" info  function called function=f1 status=200\n", LOG_INFO, "function called",
                LOG_TEXT("function", "f1"), LOG_NUMBER("status", 200));
    assert_line(" error no fields n=-1\n", LOG_ERROR, "no fields", LOG_NUMBER("n", -1));
    assert_line(" warning bytes b=abc\n", LOG_WARNING, "bytes", LOG_BYTES("b", BYTES("abc")));
}

static void numbers_are_written_to_their_limits(void **state) {
    (void)state;
    assert_line(" info  n a=9223372036854775807 b=-9223372036854775808 c=0\n", LOG_INFO, "n",
                LOG_NUMBER("a", INT64_MAX), LOG_NUMBER("b", INT64_MIN), LOG_NUMBER("c", 0));
}

static void values_that_are_no_words_are_quoted(void **state) {
    (void)state;
    assert_line(" info  m a=\"\" b=\"\" c=\"x y\" d=\"x=y\" e=\"\\\"\" f=\"\\\\\" g=\"\xc3\xa4\"\n",
                LOG_INFO, "m", LOG_TEXT("a", ""), LOG_TEXT("b", NULL), LOG_TEXT("c", "x y"),
                LOG_TEXT("d", "x=y"), LOG_TEXT("e", "\""), LOG_TEXT("f", "\\"),
                LOG_TEXT("g", "\xc3\xa4"));
}

static void a_value_cannot_begin_a_line_of_its_own(void **state) {
    (void)state;
    assert_line(
        " info  m a=\"x\\n2026-11-24T01:02:03.004Z error forged\" b=\"\\u001b[2J\\u0000\"\n",
        LOG_INFO, "m", LOG_TEXT("a", "x\n2026-11-24T01:02:03.004Z error forged"),
        LOG_BYTES("b", BYTES("\x1b[2J\0")));
    assert_line(" info  m a=\"\xef\xbf\xbd\xef\xbf\xbd\"\n", LOG_INFO, "m",
                LOG_BYTES("a", BYTES("\xff\xc3")));
}

static void lines_below_the_level_are_not_written(void **state) {
    (void)state;
    struct buffer text = {0};
    struct log_capture capture = log_capture_start();
    log_line(LOG_DEBUG, "quiet", LOG_NUMBER("n", 1));
    log_capture_end(&capture, &text);
    assert_int_equal(text.size, 0);
    assert_false(log_is_enabled(LOG_DEBUG));
    assert_true(log_is_enabled(LOG_INFO));
    log_configure(LOG_DEBUG, LOG_FORMAT_TEXT);
    assert_line(" debug loud n=1\n", LOG_DEBUG, "loud", LOG_NUMBER("n", 1));
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
    assert_false(log_is_enabled(LOG_WARNING));
    buffer_clear(&text);
}

static void a_line_for_machines_is_one_json_object(void **state) {
    (void)state;
    struct buffer text = {0};
    json_t *line = NULL;
    struct log_capture capture = log_capture_start();
    log_line(LOG_WARNING, "a \"message\"", LOG_TEXT("text", "x\n\"y\""),
             LOG_BYTES("bytes", BYTES("a\0\xff")), LOG_NUMBER("number", -7),
             LOG_TEXT("none", NULL));
    log_capture_end(&capture, &text);
    assert_int_equal(text.data[text.size - 1], '\n');
    assert_int_equal(json_parse(buffer_bytes(&text), &line, NULL), STATUS_OK);
    assert_int_equal(json_object_size(line), 7);
    assert_time(bytes_of_text(json_string_value(json_object_get(line, "time"))).size == TIME_SIZE
                    ? bytes_slice(buffer_bytes(&text), strlen("{\"time\":\""), SIZE_MAX)
                    : (struct bytes){0});
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warning");
    assert_string_equal(json_string_value(json_object_get(line, "message")), "a \"message\"");
    assert_string_equal(json_string_value(json_object_get(line, "text")), "x\n\"y\"");
    assert_int_equal(json_string_length(json_object_get(line, "bytes")), 5);
    assert_int_equal(json_integer_value(json_object_get(line, "number")), -7);
    assert_string_equal(json_string_value(json_object_get(line, "none")), "");
    json_decref(line);
    buffer_clear(&text);
}

static void a_long_value_is_cut_and_a_long_line_is_whole(void **state) {
    (void)state;
    char value[5000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    struct buffer text = {0};
    struct log_capture capture = log_capture_start();
    log_line(LOG_INFO, "long", LOG_TEXT("a", value), LOG_TEXT("b", value), LOG_TEXT("c", "end"));
    log_capture_end(&capture, &text);
    assert_int_equal(text.size, TIME_SIZE + strlen(" info  long a= b= c=end\n") + 2 * (size_t)2048);
    assert_true(bytes_end_with(buffer_bytes(&text), BYTES("xx c=end\n")));
    buffer_clear(&text);
}

static void *write_lines(void *context) {
    for (int i = 0; i < 200; i++) {
        log_line(LOG_INFO, "from a thread", LOG_TEXT("name", context), LOG_NUMBER("n", i));
    }
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state) {
    (void)state;
    static const char *const names[] = {"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"};
    pthread_t threads[ARRAY_LENGTH(names)];
    struct buffer text = {0};
    struct log_capture capture = log_capture_start();
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)names[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        pthread_join(threads[i], NULL);
    }
    log_capture_end(&capture, &text);
    struct bytes rest = buffer_bytes(&text);
    size_t lines = 0;
    while (rest.size > 0) {
        struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
        assert_time(line);
        assert_true(bytes_start_with(bytes_slice(line, TIME_SIZE, SIZE_MAX),
                                     BYTES(" info  from a thread name=")));
        rest = bytes_slice(rest, line.size + 1, SIZE_MAX);
        lines++;
    }
    assert_int_equal(lines, 600);
    buffer_clear(&text);
}

static void a_limit_swallows_what_is_too_often_and_counts_it(void **state) {
    (void)state;
    struct log_limit limit = {0};
    uint64_t suppressed = 77;
    assert_true(log_limit_allows(&limit, 2, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_true(log_limit_allows(&limit, 2, &suppressed));
    suppressed = 77;
    // The window is moved instead of waited for; it lies in the future, so that it cannot end here.
    limit.window_us += INT64_C(3600000000);
    assert_false(log_limit_allows(&limit, 2, &suppressed));
    assert_false(log_limit_allows(&limit, 2, &suppressed));
    assert_int_equal(suppressed, 77);
    limit.window_us -= INT64_C(3602000000);
    assert_true(log_limit_allows(&limit, 2, &suppressed));
    assert_int_equal(suppressed, 2);
    limit.window_us += INT64_C(3600000000);
    assert_true(log_limit_allows(&limit, 2, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_false(log_limit_allows(&limit, 2, &suppressed));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_for_people_has_time_level_message_and_fields, use_text),
        cmocka_unit_test_setup(numbers_are_written_to_their_limits, use_text),
        cmocka_unit_test_setup(values_that_are_no_words_are_quoted, use_text),
        cmocka_unit_test_setup(a_value_cannot_begin_a_line_of_its_own, use_text),
        cmocka_unit_test_setup(lines_below_the_level_are_not_written, use_text),
        cmocka_unit_test_setup(a_line_for_machines_is_one_json_object, use_json),
        cmocka_unit_test_setup(a_long_value_is_cut_and_a_long_line_is_whole, use_text),
        cmocka_unit_test_setup(lines_of_several_threads_do_not_mix, use_text),
        cmocka_unit_test(a_limit_swallows_what_is_too_often_and_counts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
