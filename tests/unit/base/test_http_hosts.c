#include "core/base/http_hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void so_many_run_and_the_others_wait_in_order(void **state) {
    (void)state;
    struct http_hosts *hosts = http_hosts_create(2);
    struct http_host_place places[5];
    assert_true(http_hosts_enter(hosts, "http://a:1/x", &places[0]));
    assert_true(http_hosts_enter(hosts, "http://a:1/y?z", &places[1]));
    for (int i = 2; i < 5; i++) {
        assert_false(http_hosts_enter(hosts, "http://a:1", &places[i]));
    }
    assert_ptr_equal(http_hosts_leave(hosts, &places[1]), &places[2]);
    assert_ptr_equal(http_hosts_leave(hosts, &places[0]), &places[3]);
    assert_ptr_equal(http_hosts_leave(hosts, &places[2]), &places[4]);
    assert_null(http_hosts_leave(hosts, &places[3]));
    assert_null(http_hosts_leave(hosts, &places[4]));
    http_hosts_destroy(hosts);
}

static void hosts_do_not_hold_each_other(void **state) {
    (void)state;
    struct http_hosts *hosts = http_hosts_create(1);
    struct http_host_place places[4];
    assert_true(http_hosts_enter(hosts, "http://a:1/", &places[0]));
    assert_true(http_hosts_enter(hosts, "http://a:2/", &places[1]));
    assert_true(http_hosts_enter(hosts, "https://a:1/", &places[2]));
    assert_false(http_hosts_enter(hosts, "http://a:1/", &places[3]));
    assert_null(http_hosts_leave(hosts, &places[1]));
    assert_null(http_hosts_leave(hosts, &places[2]));
    assert_ptr_equal(http_hosts_leave(hosts, &places[0]), &places[3]);
    assert_null(http_hosts_leave(hosts, &places[3]));
    http_hosts_destroy(hosts);
}

static void who_waits_can_go_from_any_place(void **state) {
    (void)state;
    for (int gone = 1; gone < 4; gone++) {
        struct http_hosts *hosts = http_hosts_create(1);
        struct http_host_place places[4];
        struct http_host_place *running = &places[0];
        for (int i = 0; i < 4; i++) {
            assert_int_equal(http_hosts_enter(hosts, "http://a/", &places[i]), i == 0);
        }
        assert_null(http_hosts_leave(hosts, &places[gone]));
        for (int i = 1; i < 4; i++) {
            if (i != gone) {
                assert_ptr_equal(http_hosts_leave(hosts, running), &places[i]);
                running = &places[i];
            }
        }
        assert_null(http_hosts_leave(hosts, running));
        http_hosts_destroy(hosts);
    }
}

static void the_origin_is_what_stands_before_the_path(void **state) {
    (void)state;
    assert_true(bytes_equal_text(http_url_origin("http://a:1/b/c"), "http://a:1"));
    assert_true(bytes_equal_text(http_url_origin("http://a?x=/"), "http://a"));
    assert_true(bytes_equal_text(http_url_origin("https://[::1]:2#f"), "https://[::1]:2"));
    assert_true(bytes_equal_text(http_url_origin("http://a"), "http://a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_run_and_the_others_wait_in_order),
        cmocka_unit_test(hosts_do_not_hold_each_other),
        cmocka_unit_test(who_waits_can_go_from_any_place),
        cmocka_unit_test(the_origin_is_what_stands_before_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
