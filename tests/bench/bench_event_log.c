// Appends with N outstanding, side by side: a bare librdkafka producer, and event_log_append from
// an event loop.
//
//   bench_event_log --kafka HOST:PORT [--partitions N] | --sqlite FILE | --memory
//                   [--outstanding 16,64,256,1024] [--size BYTES] [--headers N] [--keys N]
//                   [--seconds N]
//                   [--rounds N] [--set NAME=VALUE]
//
// The two take turns; the table shows each one's median round.
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kinds.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 99
#define LATENCIES_MAX (1u << 20)

struct settings {
    const char *kafka;
    const char *sqlite;
    const char *outstanding;
    const char *set[16];
    size_t set_count;
    int32_t partitions;
    size_t size;
    size_t headers;
    size_t keys;
    int64_t seconds_ms;
    size_t rounds;
};

struct round {
    uint64_t count;
    uint64_t failures;
    int64_t duration_us;
    uint32_t *latencies; // microseconds
    size_t latency_count;
};

struct payload {
    char value[65536];
    char names[32][16];
    struct http_header headers[32];
    char key[24];
    uint64_t next_key;
};

static struct bytes next_key(struct payload *payload, const struct settings *settings) {
    if (settings->keys == 0) {
        return (struct bytes){0};
    }
    int size = snprintf(payload->key, sizeof payload->key, "key-%llu",
                        (unsigned long long)(payload->next_key++ % settings->keys));
    return (struct bytes){payload->key, (size_t)size};
}

static void fill_payload(struct payload *payload, const struct settings *settings) {
    memset(payload->value, 'x', sizeof payload->value);
    for (size_t i = 0; i < settings->headers; i++) {
        int size = snprintf(payload->names[i], sizeof payload->names[i], "ce_header%zu", i);
        payload->headers[i].name = (struct bytes){payload->names[i], (size_t)size};
        payload->headers[i].value = BYTES("6a2f0b1e-1111-4222-8333-444455556666");
    }
}

static void add_latency(struct round *round, int64_t us) {
    if (round->latency_count < LATENCIES_MAX) {
        round->latencies[round->latency_count++] = (uint32_t)us;
    }
}

// --- Bare librdkafka: one thread that produces and takes its reports.

struct bare_message {
    int64_t start_us;
};

static void bare_produce(rd_kafka_t *producer, rd_kafka_topic_t *topic,
                         const struct settings *settings, struct payload *payload,
                         struct bare_message *message) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(settings->headers);
    for (size_t i = 0; i < settings->headers; i++) {
        struct http_header *header = &payload->headers[i];
        rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size,
                            header->value.data, (ssize_t)header->value.size);
    }
    struct bytes key = next_key(payload, settings);
    message->start_us = clock_monotonic_us();
    rd_kafka_resp_err_t failure = rd_kafka_producev(
        producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_VALUE(payload->value, settings->size), RD_KAFKA_V_KEY(key.data, key.size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(message), RD_KAFKA_V_END);
    if (failure) {
        fprintf(stderr, "produce: %s\n", rd_kafka_err2str(failure));
        exit(1);
    }
}

static rd_kafka_t *bare_create(const struct settings *settings) {
    char reason[256];
    const char *const pairs[][2] = {
        {"bootstrap.servers", settings->kafka},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"linger.ms", "0"},
        {"socket.nagle.disable", "true"},
        {"partitioner", "murmur2_random"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], reason, sizeof reason);
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!producer) {
        fprintf(stderr, "bare producer: %s\n", reason);
        exit(1);
    }
    return producer;
}

static void bare_take_event(rd_kafka_event_t *event, rd_kafka_t *producer, rd_kafka_topic_t *topic,
                            const struct settings *settings, struct payload *payload,
                            struct round *round, int64_t until_us) {
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event))) {
        struct bare_message *mine = message->_private;
        int64_t now_us = clock_monotonic_us();
        round->failures += message->err != 0;
        round->count++;
        add_latency(round, now_us - mine->start_us);
        if (now_us < until_us) {
            bare_produce(producer, topic, settings, payload, mine);
        }
    }
    rd_kafka_event_destroy(event);
}

static void bare_run(rd_kafka_t *producer, const struct settings *settings, struct payload *payload,
                     size_t outstanding, struct round *round) {
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, "bench.events", NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer);
    struct bare_message *messages = memory_allocate(outstanding * sizeof *messages);
    int64_t start_us = clock_monotonic_us();
    int64_t until_us = start_us + settings->seconds_ms * 1000;
    for (size_t i = 0; i < outstanding; i++) {
        bare_produce(producer, topic, settings, payload, &messages[i]);
    }
    while (rd_kafka_outq_len(producer) > 0) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 1000);
        if (event) {
            bare_take_event(event, producer, topic, settings, payload, round, until_us);
        }
    }
    round->duration_us = clock_monotonic_us() - start_us;
    free(messages);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
}

// --- Ours: each answer starts the next append on the loop.

struct client {
    struct event_log_append append;
    struct run *run;
    int64_t start_us;
};

struct run {
    struct event_log *log;
    struct event_loop *loop;
    const struct settings *settings;
    struct payload *payload;
    struct round *round;
    struct event_loop_task start;
    struct client *clients;
    size_t client_count;
    size_t running;
    int64_t until_us;
};

static void client_append(struct client *client);

static void client_done(struct event_log_append *append) {
    struct client *client = CONTAINER_OF(append, struct client, append);
    struct run *run = client->run;
    int64_t now_us = clock_monotonic_us();
    run->round->count++;
    run->round->failures += append->status != STATUS_OK;
    add_latency(run->round, now_us - client->start_us);
    if (now_us < run->until_us) {
        client_append(client);
    } else if (--run->running == 0) {
        event_loop_stop(run->loop);
    }
}

static void client_append(struct client *client) {
    struct run *run = client->run;
    client->append = (struct event_log_append){
        .record = {.key = next_key(run->payload, run->settings),
                   .headers = run->payload->headers,
                   .header_count = run->settings->headers,
                   .value = {run->payload->value, run->settings->size},
                   .has_value = true},
        .loop = run->loop,
        .done = client_done,
    };
    client->start_us = clock_monotonic_us();
    enum status status = event_log_append(run->log, &client->append);
    if (status != STATUS_OK) {
        fprintf(stderr, "append: %s\n", status_name(status));
        exit(1);
    }
}

static void run_start(struct event_loop_task *task) {
    struct run *run = CONTAINER_OF(task, struct run, start);
    for (size_t i = 0; i < run->client_count; i++) {
        client_append(&run->clients[i]);
    }
}

static void ours_run(struct event_log *log, const struct settings *settings,
                     struct payload *payload, size_t outstanding, struct round *round) {
    struct run run = {.log = log, .settings = settings, .payload = payload, .round = round};
    struct error error;
    if (event_loop_create("bench", &run.loop, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    run.clients = memory_allocate(outstanding * sizeof *run.clients);
    run.client_count = run.running = outstanding;
    for (size_t i = 0; i < outstanding; i++) {
        run.clients[i].run = &run;
    }
    run.start.run = run_start;
    int64_t start_us = clock_monotonic_us();
    run.until_us = start_us + settings->seconds_ms * 1000;
    event_loop_post(run.loop, &run.start);
    event_loop_run(run.loop);
    round->duration_us = clock_monotonic_us() - start_us;
    event_loop_destroy(run.loop);
    free(run.clients);
}

// --- Rounds and table.

struct result {
    double rates[ROUNDS_MAX];
    double p50_us[ROUNDS_MAX];
    double p99_us[ROUNDS_MAX];
    uint64_t failures;
};

static int compare_uint32(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *values, size_t count) {
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_double);
    return sorted[count / 2];
}

static void keep_round(struct result *result, size_t number, struct round *round) {
    qsort(round->latencies, round->latency_count, sizeof *round->latencies, compare_uint32);
    result->rates[number] = (double)round->count * 1e6 / (double)round->duration_us;
    result->p50_us[number] = round->latencies[round->latency_count / 2];
    result->p99_us[number] = round->latencies[round->latency_count * 99 / 100];
    result->failures += round->failures;
}

static void show(const char *name, size_t outstanding, const struct result *result, size_t rounds) {
    printf("%-6s %11zu %12.0f %9.0f %9.0f %8llu", name, outstanding, median(result->rates, rounds),
           median(result->p50_us, rounds), median(result->p99_us, rounds),
           (unsigned long long)result->failures);
}

static void compare(struct event_log *log, rd_kafka_t *bare, const struct settings *settings,
                    size_t outstanding) {
    static struct payload payload;
    static uint32_t latencies[LATENCIES_MAX];
    fill_payload(&payload, settings);
    struct result ours = {0}, theirs = {0};
    for (size_t i = 0; i < settings->rounds; i++) {
        struct round round = {.latencies = latencies};
        if (bare) {
            bare_run(bare, settings, &payload, outstanding, &round);
            keep_round(&theirs, i, &round);
            round = (struct round){.latencies = latencies};
        }
        ours_run(log, settings, &payload, outstanding, &round);
        keep_round(&ours, i, &round);
    }
    if (bare) {
        show("bare", outstanding, &theirs, settings->rounds);
        putchar('\n');
    }
    show("ours", outstanding, &ours, settings->rounds);
    if (bare) {
        printf("   %.2f",
               median(ours.rates, settings->rounds) / median(theirs.rates, settings->rounds));
    }
    putchar('\n');
    fflush(stdout);
}

static bool read_option(struct settings *settings, const char *name, const char *value) {
    long long number = strtoll(value, NULL, 10);
    if (strcmp(name, "--kafka") == 0) {
        settings->kafka = value;
    } else if (strcmp(name, "--sqlite") == 0) {
        settings->sqlite = value;
    } else if (strcmp(name, "--outstanding") == 0) {
        settings->outstanding = value;
    } else if (strcmp(name, "--partitions") == 0) {
        settings->partitions = (int32_t)number;
    } else if (strcmp(name, "--size") == 0 && number <= 65536) {
        settings->size = (size_t)number;
    } else if (strcmp(name, "--headers") == 0 && number <= 32) {
        settings->headers = (size_t)number;
    } else if (strcmp(name, "--keys") == 0) {
        settings->keys = (size_t)number;
    } else if (strcmp(name, "--seconds") == 0) {
        settings->seconds_ms = (int64_t)(strtod(value, NULL) * 1000);
    } else if (strcmp(name, "--rounds") == 0 && number > 0 && number <= ROUNDS_MAX) {
        settings->rounds = (size_t)number;
    } else if (strcmp(name, "--set") == 0 && settings->set_count < 16) {
        settings->set[settings->set_count++] = value;
    } else {
        return false;
    }
    return true;
}

static enum status create_log(const struct settings *settings, struct event_log **ret_log,
                              struct error *error) {
    if (settings->kafka) {
        struct event_log_kafka_options options = {
            .brokers = settings->kafka,
            .topic_prefix = "bench",
            .partitions = settings->partitions,
            .replication = 1,
            .settings = settings->set,
            .setting_count = settings->set_count,
        };
        return event_log_kafka_create(&options, ret_log, error);
    }
    if (settings->sqlite) {
        struct event_log_sqlite_options options = {.path = settings->sqlite};
        return event_log_sqlite_create(&options, ret_log, error);
    }
    return event_log_memory_create(NULL, ret_log, error);
}

int main(int argument_count, char **arguments) {
    struct settings settings = {
        .outstanding = "16,64,256,1024",
        .partitions = 8,
        .size = 512,
        .headers = 6,
        .seconds_ms = 2000,
        .rounds = 5,
    };
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--memory") == 0) {
            continue;
        }
        if (i + 1 >= argument_count || !read_option(&settings, arguments[i], arguments[i + 1])) {
            fprintf(stderr, "bad argument '%s'; see the head of bench_event_log.c\n", arguments[i]);
            return 2;
        }
        i++;
    }
    struct event_log *log;
    struct error error;
    if (create_log(&settings, &log, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    rd_kafka_t *bare = settings.kafka ? bare_create(&settings) : NULL;
    printf("       outstanding    appends/s    p50 us    p99 us failures   share of bare\n");
    for (const char *rest = settings.outstanding; *rest;) {
        char *end;
        unsigned long long outstanding = strtoull(rest, &end, 10);
        if (outstanding > 0) {
            compare(log, bare, &settings, (size_t)outstanding);
        }
        rest = *end ? end + 1 : end;
    }
    if (bare) {
        rd_kafka_destroy(bare);
    }
    event_log_close(log, 5000);
    event_log_destroy(log);
    return 0;
}
