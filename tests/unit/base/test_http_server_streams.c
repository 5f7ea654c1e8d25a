// Answers that go on: what is written comes at once, and clients that hang up or do not read cost
// nothing.
#include "tests/support/raw_http.h"

struct fixture {
    struct raw_server http;
    struct http_stream *stream; // NULL when it is over
    sem_t has_begun;
    sem_t has_ended;
    const char *text; // to be written
    bool was_taken;
    size_t taken;
};

static void ended(void *context) {
    struct fixture *fixture = context;
    fixture->stream = NULL;
    sem_post(&fixture->has_ended);
}

static void handle(void *context, struct http_request *request) {
    struct fixture *fixture = context;
    const struct http_header header = {BYTES("X-One"), BYTES("1")};
    const struct http_stream_options options = {
        .content_type = "text/event-stream",
        .headers = &header,
        .header_count = 1,
        .buffer_max_bytes = 100000,
        .ended = ended,
        .context = fixture,
    };
    fixture->stream = http_respond_stream(request, &options);
    sem_post(&fixture->has_begun);
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    sem_init(&fixture->has_begun, 0, 0);
    sem_init(&fixture->has_ended, 0, 0);
    raw_server_start(&fixture->http,
                     (struct http_server_options){.handler = handle, .context = fixture});
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    raw_server_stop(&fixture->http);
    assert_null(fixture->stream);
    sem_destroy(&fixture->has_begun);
    sem_destroy(&fixture->has_ended);
    free(fixture);
    return 0;
}

static int begin(struct fixture *fixture) {
    int fd = raw_connect(fixture->http.port);
    assert_true(raw_send(fd, BYTES("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")));
    sem_wait(&fixture->has_begun);
    return fd;
}

static void write_text(void *context) {
    struct fixture *fixture = context;
    fixture->was_taken =
        fixture->stream && http_stream_write(fixture->stream, bytes_of_text(fixture->text));
}

static bool write_on_loop(struct fixture *fixture, const char *text) {
    fixture->text = text;
    event_loop_call(fixture->http.loop, write_text, fixture);
    return fixture->was_taken;
}

// Reads until the text is there.
static void await_text(int fd, struct buffer *received, const char *text) {
    while (!received->data || !strstr(received->data, text)) {
        char *target = buffer_reserve(received, 4096);
        ssize_t count = recv(fd, target, 4096, 0);
        if (count <= 0) {
            fail_msg("'%s' did not come", text);
        }
        received->size += (size_t)count;
        received->data[received->size] = '\0';
    }
}

static void end_stream(void *context) {
    struct fixture *fixture = context;
    http_stream_end(fixture->stream);
    fixture->stream = NULL;
}

static void what_is_written_comes_while_the_answer_goes_on(void **state) {
    struct fixture *fixture = *state;
    struct buffer received = {0};
    int fd = begin(fixture);
    const char *const texts[] = {"one\n\n", "two\n\n", "three\n\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_true(write_on_loop(fixture, texts[i]));
        await_text(fd, &received, texts[i]);
    }
    assert_non_null(strstr(received.data, "HTTP/1.1 200"));
    assert_non_null(strstr(received.data, "text/event-stream"));
    assert_non_null(strstr(received.data, "X-One: 1"));
    assert_non_null(strstr(received.data, "chunked"));
    // Written and ended at once: all of it still comes, and the last chunk.
    assert_true(write_on_loop(fixture, "four\n\n"));
    event_loop_call(fixture->http.loop, end_stream, fixture);
    await_text(fd, &received, "four\n\n\r\n0\r\n\r\n");
    buffer_clear(&received);
    close(fd);
}

static void a_client_that_hangs_up_is_noticed_without_a_word(void **state) {
    struct fixture *fixture = *state;
    int fd = begin(fixture);
    assert_true(write_on_loop(fixture, "one\n\n"));
    close(fd);
    sem_wait(&fixture->has_ended);
    assert_false(write_on_loop(fixture, "two\n\n"));
}

static void write_until_full(void *context) {
    struct fixture *fixture = context;
    static char text[10000];
    memset(text, 'x', sizeof text);
    while (http_stream_write(fixture->stream, (struct bytes){text, sizeof text})) {
        fixture->taken += sizeof text;
    }
}

static void a_client_that_does_not_read_fills_its_buffer_and_no_more(void **state) {
    struct fixture *fixture = *state;
    int fd = begin(fixture);
    event_loop_call(fixture->http.loop, write_until_full, fixture);
    assert_in_range(fixture->taken, 90000, 110000);
    // What the sockets take makes room, but some day they are full.
    size_t before;
    do {
        before = fixture->taken;
        event_loop_call(fixture->http.loop, write_until_full, fixture);
    } while (fixture->taken > before);
    // It reads after all: nothing is missing.
    event_loop_call(fixture->http.loop, end_stream, fixture);
    struct buffer received = {0};
    await_text(fd, &received, "\r\n0\r\n\r\n");
    size_t count = 0;
    for (size_t i = 0; i < received.size; i++) {
        count += received.data[i] == 'x';
    }
    // One more stands in the head: text/event-stream has none, X-One a capital one.
    assert_in_range(count, fixture->taken, fixture->taken + 2);
    buffer_clear(&received);
    close(fd);
}

static void close_door(void *context) {
    struct fixture *fixture = context;
    http_server_close_door(fixture->http.server);
}

static void a_closed_door_ends_streams_and_holds_nothing_up(void **state) {
    struct fixture *fixture = *state;
    int fd = begin(fixture);
    assert_int_equal(http_server_requests_inside(fixture->http.server), 0);
    event_loop_call(fixture->http.loop, close_door, fixture);
    sem_wait(&fixture->has_ended);
    struct buffer received = {0};
    await_text(fd, &received, "0\r\n\r\n");
    buffer_clear(&received);
    close(fd);
}

static void a_server_is_destroyed_with_its_streams(void **state) {
    struct fixture *fixture = *state;
    int fds[20];
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        fds[i] = begin(fixture);
    }
    event_loop_call(fixture->http.loop, close_door, fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        sem_wait(&fixture->has_ended);
        close(fds[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_comes_while_the_answer_goes_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_client_that_hangs_up_is_noticed_without_a_word, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_fills_its_buffer_and_no_more,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_door_ends_streams_and_holds_nothing_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_server_is_destroyed_with_its_streams, setup, teardown),
    };
    return cmocka_run_group_tests_name("http_server_streams", tests, NULL, NULL);
}
