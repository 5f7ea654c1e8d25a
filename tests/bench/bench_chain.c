// The limit for event to function: a bare chain of librdkafka produce, consume, and a curl POST, at
// a fixed rate.
//
//   bench_chain BROKERS TOPIC URL RATE SECONDS      a line of JSON: count; the sink measures the
//   age of events
//
// The topic is made by the caller. The producing thread keeps the rate, the main thread consumes
// and posts.

#include <curl/curl.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

#define DATA_SIZE 512

struct chain {
    rd_kafka_t *producer;
    const char *topic;
    double rate;
    double seconds;
    int32_t partition_count;
    _Atomic uint64_t produced;
    atomic_bool is_done;
};

static void set(rd_kafka_conf_t *settings, const char *name, const char *value) {
    char reason[256];
    if (rd_kafka_conf_set(settings, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "bench_chain: %s\n", reason);
        exit(1);
    }
}

static rd_kafka_t *create_client(rd_kafka_type_t type, const char *brokers) {
    char reason[256];
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    set(settings, "bootstrap.servers", brokers);
    if (type == RD_KAFKA_PRODUCER) {
        set(settings, "acks", "all");
        set(settings, "enable.idempotence", "true");
        set(settings, "linger.ms", "0");
    } else {
        set(settings, "group.id", "bench-chain");
        set(settings, "auto.offset.reset", "latest");
    }
    rd_kafka_t *client = rd_kafka_new(type, settings, reason, sizeof reason);
    if (!client) {
        fprintf(stderr, "bench_chain: %s\n", reason);
        exit(1);
    }
    return client;
}

// The first record waits for the producer's id and for the leaders; it is not posted.
static void warm(struct chain *chain) {
    for (int32_t partition = 0; partition < chain->partition_count; partition++) {
        rd_kafka_producev(chain->producer, RD_KAFKA_V_TOPIC(chain->topic),
                          RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_END);
    }
    rd_kafka_flush(chain->producer, 10000);
}

static void *produce(void *context) {
    struct chain *chain = context;
    warm(chain);
    int64_t start_us = clock_monotonic_us();
    uint64_t total = (uint64_t)(chain->rate * chain->seconds);
    for (uint64_t i = 0; i < total; i++) {
        char data[DATA_SIZE];
        int64_t due_us = start_us + (int64_t)((double)i * 1e6 / chain->rate);
        int64_t now_us = clock_monotonic_us();
        if (due_us > now_us) {
            usleep((useconds_t)(due_us - now_us));
        }
        memset(data, 'x', sizeof data);
        int size =
            snprintf(data, sizeof data, "{\"sent_us\":%lld,", (long long)clock_monotonic_us());
        data[size] = ' ';
        rd_kafka_producev(chain->producer, RD_KAFKA_V_TOPIC(chain->topic),
                          RD_KAFKA_V_VALUE(data, sizeof data),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        rd_kafka_poll(chain->producer, 0);
        chain->produced++;
    }
    rd_kafka_flush(chain->producer, 10000);
    chain->is_done = true;
    return NULL;
}

static uint64_t consume(struct chain *chain, rd_kafka_t *consumer, CURL *curl) {
    uint64_t posted = 0;
    int64_t idle_since_us = clock_monotonic_us();
    while (!chain->is_done || clock_monotonic_us() - idle_since_us < 2000000) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message && !message->err && message->len > 0) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message->payload);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)message->len);
            posted += curl_easy_perform(curl) == CURLE_OK;
            idle_since_us = clock_monotonic_us();
        }
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    return posted;
}

// Returns the number of partitions.
static int32_t wait_for_assignment(rd_kafka_t *consumer) {
    rd_kafka_topic_partition_list_t *assigned = NULL;
    int count = 0;
    while (count == 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message) {
            rd_kafka_message_destroy(message);
        }
        if (rd_kafka_assignment(consumer, &assigned) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            count = assigned->cnt;
            rd_kafka_topic_partition_list_destroy(assigned);
        }
    }
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 1000);
    if (message) {
        rd_kafka_message_destroy(message);
    }
    return count;
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "bench_chain BROKERS TOPIC URL RATE SECONDS\n");
        return 2;
    }
    struct chain chain = {.producer = create_client(RD_KAFKA_PRODUCER, arguments[1]),
                          .topic = arguments[2],
                          .rate = strtod(arguments[4], NULL),
                          .seconds = strtod(arguments[5], NULL)};
    rd_kafka_t *consumer = create_client(RD_KAFKA_CONSUMER, arguments[1]);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, chain.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_subscribe(consumer, topics);
    chain.partition_count = wait_for_assignment(consumer);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, arguments[3]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    pthread_t producer;
    pthread_create(&producer, NULL, produce, &chain);
    uint64_t posted = consume(&chain, consumer, curl);
    pthread_join(producer, NULL);
    printf("{\"count\":%llu}\n", (unsigned long long)posted);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(chain.producer);
    return 0;
}
