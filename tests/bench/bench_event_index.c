// The index of events: how fast it takes a million events with their outcomes, and how long it
// takes to find one by its id and to list pages, while nothing else is asked.
//
//   bench_event_index [COUNT]      1,000,000; the file lies in $TMPDIR or /tmp and is removed
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "admin/event_index.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_builder.h"

#define BATCH 500
#define PARTITIONS 8
#define LOOK_UPS 1000
#define KEPT_IDS 100000

static void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_event_index: %s: %s\n", what, why);
    exit(1);
}

static void set(struct event_builder *builder, const char *name, const char *value) {
    event_builder_set(builder, bytes_of_text(name), bytes_of_text(value), EVENT_VALUE_STRING);
}

static const struct event *build(int64_t number, const char *id) {
    char type[32], subject[32];
    snprintf(type, sizeof type, "type.%" PRId64, number % 50);
    snprintf(subject, sizeof subject, "customer-%" PRId64, number % 10000);
    struct event_builder *builder = event_builder_create();
    set(builder, "id", id);
    set(builder, "type", type);
    set(builder, "source", "/shop/orders");
    set(builder, "subject", subject);
    const struct event_context context = {.space = BYTES("team1"),
                                          .method = BYTES("POST"),
                                          .path = BYTES("/"),
                                          .received_us = 1700000000000000 + number * 1000};
    event_builder_set_context(builder, &context);
    const struct event *event;
    struct error error;
    if (event_builder_finish_take(builder, &event, &error) != STATUS_OK) {
        fail("event", error.text);
    }
    return event;
}

static void add(struct event_index *index, int64_t number, const char *id) {
    const struct event *event = build(number, id);
    const struct stored_record stored = {.partition = (int32_t)(number % PARTITIONS),
                                         .offset = number / PARTITIONS};
    const struct outcome outcome = {
        .partition = stored.partition,
        .offset = stored.offset,
        .space = BYTES("team1"),
        .subscription_id = BYTES("YXN5bmMsb3JkZXIuY3JlYXRlZCxoZWxsbyxQT1NUJTJG"),
        .kind = number % 100 == 0 ? OUTCOME_DEAD_LETTERED : OUTCOME_DELIVERED,
        .attempt = 1,
        .status = 200,
        .node = BYTES("node-1"),
        .time_us = event->context.received_us + 5000,
    };
    event_index_add_event(index, &stored, event);
    event_index_add_outcome(index, &(struct log_place){0, number}, &outcome);
    event_unref(event);
}

static void fill(struct event_index *index, int64_t count, char (*ids)[UUID_TEXT_SIZE]) {
    struct error error = {0};
    int64_t begin_us = clock_monotonic_us();
    for (int64_t number = 0; number < count;) {
        event_index_begin(index);
        for (int i = 0; i < BATCH && number < count; i++, number++) {
            char id[UUID_TEXT_SIZE];
            uuid_create(id);
            memcpy(ids[number % KEPT_IDS], id, sizeof id);
            add(index, number, id);
        }
        if (event_index_commit(index, &error) != STATUS_OK) {
            fail("commit", error.text);
        }
    }
    double seconds = (double)(clock_monotonic_us() - begin_us) / 1e6;
    printf("%" PRId64 " events and outcomes taken in %.1f s: %.0f/s\n", count, seconds,
           (double)count / seconds);
}

static int compare(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void show(const char *what, int64_t *times_us, size_t count) {
    qsort(times_us, count, sizeof *times_us, compare);
    printf("%-42s p50 %8.3f ms   p99 %8.3f ms   max %8.3f ms\n", what,
           (double)times_us[count / 2] / 1e3, (double)times_us[count * 99 / 100] / 1e3,
           (double)times_us[count - 1] / 1e3);
}

static void find_by_id(struct event_index *index, int64_t kept, char (*ids)[UUID_TEXT_SIZE]) {
    static int64_t times_us[LOOK_UPS];
    for (size_t i = 0; i < LOOK_UPS; i++) {
        const char *id = ids[random_below((uint64_t)kept)];
        json_t *answer = NULL;
        struct log_place place;
        struct error error = {0};
        int64_t begin_us = clock_monotonic_us();
        if (event_index_find_event(index, BYTES("team1"), bytes_of_text(id), (struct bytes){0},
                                   &answer, &place, &error) != STATUS_OK) {
            fail("find", error.text);
        }
        times_us[i] = clock_monotonic_us() - begin_us;
        json_decref(answer);
    }
    show("an event and its deliveries by id", times_us, LOOK_UPS);
}

static void list(struct event_index *index, const char *what, struct event_query query) {
    static int64_t times_us[20];
    query.space = BYTES("team1");
    query.limit = 100;
    for (size_t i = 0; i < ARRAY_LENGTH(times_us); i++) {
        json_t *answer = NULL;
        struct error error = {0};
        int64_t begin_us = clock_monotonic_us();
        if (event_index_list_events(index, &query, &answer, &error) != STATUS_OK) {
            fail("list", error.text);
        }
        times_us[i] = clock_monotonic_us() - begin_us;
        json_decref(answer);
    }
    show(what, times_us, ARRAY_LENGTH(times_us));
}

int main(int argument_count, char **arguments) {
    int64_t count = argument_count > 1 ? strtoll(arguments[1], NULL, 10) : 1000000;
    const char *folder = getenv("TMPDIR");
    char path[256];
    struct event_index *index;
    struct error error = {0};
    if (count <= 0) {
        fail("usage", "bench_event_index [COUNT]");
    }
    snprintf(path, sizeof path, "%s/bench-event-index-%d", folder ? folder : "/tmp", (int)getpid());
    if (event_index_open(path, "bench", &index, &error) != STATUS_OK) {
        fail("open", error.text);
    }
    char(*ids)[UUID_TEXT_SIZE] = memory_allocate(KEPT_IDS * sizeof *ids);
    fill(index, count, ids);
    find_by_id(index, count < KEPT_IDS ? count : KEPT_IDS, ids);
    list(index, "the newest 100", (struct event_query){0});
    list(index, "the newest 100 of a type", (struct event_query){.type = BYTES("type.7")});
    list(index, "the newest 100 that failed", (struct event_query){.status = BYTES("failed")});
    list(index, "a text that nothing has (50,000 looked at)",
         (struct event_query){.text = BYTES("nothing has it")});
    event_index_close(index);
    struct stat file;
    if (stat(path, &file) == 0) {
        printf("%.0f MB on disk, %.0f bytes for each event\n", (double)file.st_size / 1e6,
               (double)file.st_size / (double)count);
    }
    unlink(path);
    free(ids);
    return 0;
}
