#include "core/base/http2_sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void an_origin_is_there_while_one_of_its_connections_is_open(void **state) {
    (void)state;
    struct http2_sockets sockets = {0};
    http2_sockets_opened(&sockets, 7, BYTES("http://a:80"));
    http2_sockets_opened(&sockets, 8, BYTES("http://a:80"));
    http2_sockets_opened(&sockets, 9, BYTES("http://b"));
    assert_true(http2_sockets_has(&sockets, BYTES("http://a:80")));
    assert_false(http2_sockets_has(&sockets, BYTES("http://a")));
    http2_sockets_closed(&sockets, 7);
    assert_true(http2_sockets_has(&sockets, BYTES("http://a:80")));
    http2_sockets_closed(&sockets, 8);
    assert_false(http2_sockets_has(&sockets, BYTES("http://a:80")));
    assert_true(http2_sockets_has(&sockets, BYTES("http://b")));
    http2_sockets_clear(&sockets);
    assert_false(http2_sockets_has(&sockets, BYTES("http://b")));
}

static void descriptors_of_others_change_nothing(void **state) {
    (void)state;
    struct http2_sockets sockets = {0};
    http2_sockets_closed(&sockets, 7);
    http2_sockets_opened(&sockets, 7, BYTES("http://a"));
    http2_sockets_closed(&sockets, 8);
    assert_true(http2_sockets_has(&sockets, BYTES("http://a")));
    http2_sockets_clear(&sockets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_origin_is_there_while_one_of_its_connections_is_open),
        cmocka_unit_test(descriptors_of_others_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
