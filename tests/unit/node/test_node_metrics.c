#include "core/node/node_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/metrics.h"
#include "core/event_log/event_log_kinds.h"

static int make_log(void **state) {
    struct event_log_memory_options options = {0};
    struct error error;
    return event_log_memory_create(&options, (struct event_log **)state, &error) == STATUS_OK ? 0
                                                                                              : -1;
}

static int end_log(void **state) {
    event_log_close(*state, 0);
    event_log_destroy(*state);
    return 0;
}

// The value of a sample without labels; -1 when it is not there.
static double value_of(const char *name) {
    struct buffer text = {0};
    struct buffer wanted = {0};
    buffer_append_format(&wanted, "\n%s ", name);
    metrics_write(&text);
    const char *found = strstr(text.data, wanted.data);
    double value = found ? strtod(found + wanted.size, NULL) : -1;
    buffer_clear(&wanted);
    buffer_clear(&text);
    return value;
}

static void the_log_s_health_is_told_as_it_is_now(void **state) {
    struct node_metrics *metrics = node_metrics_create(*state, NULL);
    assert_true(value_of("eventgateway_log_available") == 1);
    event_log_memory_set_away(*state, true);
    assert_true(value_of("eventgateway_log_available") == 0);
    event_log_memory_set_away(*state, false);
    assert_true(value_of("eventgateway_log_available") == 1);
    assert_true(value_of("eventgateway_log_appends_inside") == 0);
    node_metrics_destroy(metrics);
}

static void the_process_and_its_disk_are_told(void **state) {
    struct node_metrics *metrics = node_metrics_create(*state, "/tmp");
    assert_true(value_of("process_resident_memory_bytes") > 100000);
    assert_true(value_of("process_open_fds") >= 3);
    assert_true(value_of("process_start_time_seconds") > 1600000000);
    assert_true(value_of("eventgateway_data_free_bytes") >= 0);
    assert_true(value_of("eventgateway_build_info{version=\"" EVENT_GATEWAY_VERSION "\"}") == 1);
    node_metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_s_health_is_told_as_it_is_now, make_log, end_log),
        cmocka_unit_test_setup_teardown(the_process_and_its_disk_are_told, make_log, end_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
