// The embedded log as a file: restarts, crashes, other processes, other files, a full disk.
#include "sqlite_log_test.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void assert_refused(const struct fixture *fixture, enum status status, const char *reason) {
    struct event_log_sqlite_options options = {.path = fixture->path};
    struct event_log *log;
    struct error error = {0};
    assert_int_equal(event_log_sqlite_create(&options, &log, &error), status);
    assert_non_null(strstr(error.text, fixture->path));
    if (!strstr(error.text, reason)) {
        fail_msg("'%s' does not say '%s'", error.text, reason);
    }
}

static void records_and_positions_survive_a_restart(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log = create_plain(fixture);
    assert_int_equal(append_numbers(log, &fixture->loop, "key", 10), 10);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 10);
    int64_t next = recorder.received[9].offset + 1;
    recorder_close(&recorder);
    recorder_clear(&recorder);
    close_log(log);

    log = create_plain(fixture);
    struct append_answer answer = append_text(log, &fixture->loop, "key", "after");
    assert_int_equal(answer.offset, next);
    recorder.releases = true;
    recorder_start(&recorder, log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 1);
    assert_string_equal(recorder.received[0].record.value.data, "after");
    recorder_close(&recorder);
    recorder_clear(&recorder);
    close_log(log);
}

// A child that appends, says how many were confirmed, and is killed while it goes on.
static void append_until_killed(const char *path, int report) {
    struct test_loop loop;
    test_loop_start(&loop);
    struct event_log *log;
    struct error error;
    struct event_log_sqlite_options options = {.path = path};
    if (event_log_sqlite_create(&options, &log, &error) != STATUS_OK) {
        _exit(1);
    }
    for (int64_t i = 0;; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)i);
        append_text(log, &loop, "key", text);
        if (write(report, &i, sizeof i) != sizeof i) {
            _exit(1);
        }
    }
}

// A child is this program again: after a fork alone, a process that had threads may do little.
static pid_t start_child(const char *mode, const char *path, int report) {
    char report_text[16];
    snprintf(report_text, sizeof report_text, "%d", report);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "test", mode, path, report_text, NULL);
        _exit(127);
    }
    return child;
}

static void what_was_confirmed_survives_a_crash(void **state) {
    struct fixture *fixture = *state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = start_child("append-until-killed", fixture->path, pipe_ends[1]);
    close(pipe_ends[1]);
    int64_t confirmed = -1, last;
    while (read(pipe_ends[0], &last, sizeof last) == sizeof last) {
        confirmed = last;
        if (confirmed == 20) {
            kill(child, SIGKILL);
        }
    }
    close(pipe_ends[0]);
    waitpid(child, NULL, 0);
    assert_true(confirmed >= 20);
    struct event_log *log = create_plain(fixture);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, (size_t)confirmed + 1);
    for (int64_t i = 0; i <= confirmed; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)i);
        assert_string_equal(recorder.received[i].record.value.data, text);
    }
    recorder_close(&recorder);
    recorder_clear(&recorder);
    close_log(log);
}

static void another_process_is_kept_out(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log = create_plain(fixture);
    // The lock belongs to the open file, so a second log in this process stands for another
    // process.
    assert_refused(fixture, STATUS_UNAVAILABLE, "another process has it open");
    append_text(log, &fixture->loop, NULL, "still fine");
    close_log(log);
    close_log(create_plain(fixture));
}

static void a_file_that_is_no_database_is_refused(void **state) {
    struct fixture *fixture = *state;
    FILE *file = fopen(fixture->path, "w");
    for (int i = 0; i < 1000; i++) {
        fputs("this is not a database\n", file);
    }
    fclose(file);
    assert_refused(fixture, STATUS_UNAVAILABLE, "not a database");
}

static void another_database_is_refused(void **state) {
    struct fixture *fixture = *state;
    execute(fixture, "CREATE TABLE t(x)");
    assert_refused(fixture, STATUS_INVALID, "not an event log");
}

static void a_newer_schema_is_refused(void **state) {
    struct fixture *fixture = *state;
    close_log(create_plain(fixture));
    execute(fixture, "PRAGMA user_version = 99");
    assert_refused(fixture, STATUS_INVALID, "schema version 99");
}

static void a_folder_that_is_missing_is_named(void **state) {
    struct fixture *fixture = *state;
    snprintf(fixture->path, sizeof fixture->path, "%s/none/events.db", fixture->folder);
    assert_refused(fixture, STATUS_UNAVAILABLE, "No such file");
}

// --- A full buffer: the loop does not run, so no append can be answered before the buffer is
// looked at.

static void ignore_answer(struct event_log_append *append) {
    (void)append;
}

static void a_full_buffer_refuses_until_there_is_room(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log =
        create(fixture, (struct event_log_sqlite_options){.buffer_max_bytes = 1 << 20});
    static char value[900000];
    struct event_log_append appends[200];
    size_t taken = 0, full = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(appends); i++) {
        appends[i] = (struct event_log_append){
            .record = {.value = {value, sizeof value}, .has_value = true},
            .loop = fixture->loop.loop,
            .done = ignore_answer,
        };
        enum status status = event_log_append(log, &appends[i]);
        taken += status == STATUS_OK;
        full += status == STATUS_FULL;
    }
    assert_true(taken > 0);
    assert_true(full > 0);
    assert_int_equal(taken + full, ARRAY_LENGTH(appends));
    event_log_close(log, 60000);
    assert_int_equal(event_log_appends_inside(log), 0);
    event_log_destroy(log);
    test_loop_stop(&fixture->loop);
    test_loop_start(&fixture->loop);
}

static void an_offset_is_never_given_twice_even_when_all_records_are_gone(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log = create_plain(fixture);
    assert_int_equal(append_numbers(log, &fixture->loop, NULL, 5), 5);
    close_log(log);
    execute(fixture, "DELETE FROM events");
    log = create_plain(fixture);
    assert_int_equal(append_text(log, &fixture->loop, NULL, "six").offset, 6);
    close_log(log);
}

// The file of the program's first version, byte for byte what that one executed.
static void a_file_of_version_1_is_taken_over(void **state) {
    struct fixture *fixture = *state;
    execute(fixture,
            "CREATE TABLE events(offset INTEGER PRIMARY KEY AUTOINCREMENT, timestamp_ms INTEGER "
            "NOT NULL, key BLOB, headers BLOB NOT NULL, value BLOB);"
            "CREATE TABLE deadletter(offset INTEGER PRIMARY KEY AUTOINCREMENT, timestamp_ms "
            "INTEGER NOT NULL, key BLOB, headers BLOB NOT NULL, value BLOB);"
            "CREATE TABLE positions(group_name TEXT NOT NULL, stream TEXT NOT NULL, offset INTEGER "
            "NOT NULL, PRIMARY KEY(group_name, stream)) WITHOUT ROWID;"
            "CREATE TABLE probe(id INTEGER PRIMARY KEY, filler BLOB);"
            "PRAGMA application_id = 1162300519; PRAGMA user_version = 1;"
            "INSERT INTO events VALUES(41, 1000, x'6b', x'00000000', x'6f6c64');"
            "INSERT INTO positions VALUES('group', 'events', 41)");
    for (int round = 0; round < 2; round++) {
        struct event_log *log = create_plain(fixture);
        struct event_log_slice slice = {.from_offset = EVENT_LOG_BEGINNING};
        read_and_wait(log, &fixture->loop, &slice);
        assert_int_equal(slice.records[0].offset, 41);
        assert_true(bytes_equal_text(slice.records[0].record.value, "old"));
        event_log_slice_clear(&slice);
        for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
            struct record record = {.key = BYTES("k"), .value = BYTES("v"), .has_value = true};
            assert_int_equal(
                append_and_wait(log, &fixture->loop, (enum event_log_stream)i, &record).status,
                STATUS_OK);
        }
        close_log(log);
    }
    assert_int_equal(count_rows(fixture, "retry.1h"), 2);
}

// --- A full disk, made with the limit on the size of files. In a child, because the limit holds
// for all of it.

static void limit_file_size(rlim_t size) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static rlim_t wal_size(const char *database) {
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", database);
    return stat(path, &status) == 0 ? (rlim_t)status.st_size : 0;
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s\n", #condition);                                                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void fill_the_disk(const char *path) {
    alarm(100);
    struct fixture fixture = {0};
    snprintf(fixture.path, sizeof fixture.path, "%s", path);
    sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    struct test_loop loop;
    test_loop_start(&loop);
    struct event_log *log = create_plain(&fixture);
    append_text(log, &loop, NULL, "before");
    limit_file_size(wal_size(path) + 20000);
    static char value[100000];
    struct record large = {.value = {value, sizeof value}, .has_value = true};
    struct error error;
    struct append_answer answer = append_and_wait(log, &loop, EVENT_LOG_EVENTS, &large);
    CHECK(answer.taken == STATUS_OK && answer.status == STATUS_UNAVAILABLE);
    CHECK(event_log_health(log, &error) == STATUS_UNAVAILABLE);
    CHECK(strstr(error.text, "cannot be written"));
    CHECK(append_and_wait(log, &loop, EVENT_LOG_EVENTS, &large).taken == STATUS_UNAVAILABLE);
    limit_file_size(RLIM_INFINITY);
    while (event_log_health(log, &error) != STATUS_OK) {
        sched_yield();
    }
    answer = append_and_wait(log, &loop, EVENT_LOG_EVENTS, &large);
    CHECK(answer.taken == STATUS_OK && answer.status == STATUS_OK);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 2);
    recorder_close(&recorder);
    CHECK(recorder.received_count == 2);
    recorder_clear(&recorder);
    close_log(log);
    test_loop_stop(&loop);
    _exit(0);
}

static void a_full_disk_is_said_and_survived(void **state) {
    struct fixture *fixture = *state;
    pid_t child = start_child("fill-the-disk", fixture->path, -1);
    int result;
    waitpid(child, &result, 0);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

int main(int argument_count, char **arguments) {
    if (argument_count == 4 && strcmp(arguments[1], "append-until-killed") == 0) {
        append_until_killed(arguments[2], (int)strtol(arguments[3], NULL, 10));
    }
    if (argument_count == 4 && strcmp(arguments[1], "fill-the-disk") == 0) {
        fill_the_disk(arguments[2]);
    }
    const struct CMUnitTest rules[] = {
        RULE(what_was_confirmed_survives_a_crash),
        RULE(a_full_disk_is_said_and_survived),
        RULE(records_and_positions_survive_a_restart),
        RULE(another_process_is_kept_out),
        RULE(a_file_that_is_no_database_is_refused),
        RULE(another_database_is_refused),
        RULE(a_newer_schema_is_refused),
        RULE(a_folder_that_is_missing_is_named),
        RULE(a_full_buffer_refuses_until_there_is_room),
        RULE(an_offset_is_never_given_twice_even_when_all_records_are_gone),
        RULE(a_file_of_version_1_is_taken_over),
    };
    return cmocka_run_group_tests_name("event_log_sqlite", rules, NULL, NULL);
}
