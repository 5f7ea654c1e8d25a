// The limit for dispatching: a bare curl_multi loop that posts the same 512 bytes to a sink as fast
// as it can.
//
//   bench_curl URL COUNT [IN_FLIGHT]      a line of JSON: count, failed, per_second

#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"

#define DATA_SIZE 700 // a structured CloudEvent around 512 bytes of data
#define IN_FLIGHT_MAX 1024

static size_t ignore(char *data, size_t size, size_t count, void *context) {
    (void)data;
    (void)context;
    return size * count;
}

static CURL *create_handle(const char *url, const char *body, struct curl_slist *headers) {
    CURL *handle = curl_easy_init();
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)DATA_SIZE);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    return handle;
}

// Takes finished transfers out and starts new ones in their place.
static void turn_over(CURLM *multi, uint64_t *started, uint64_t *finished, uint64_t *failed,
                      uint64_t count) {
    CURLMsg *message;
    int left = 0;
    while ((message = curl_multi_info_read(multi, &left))) {
        long status = 0;
        CURL *handle = message->easy_handle;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        *failed += message->data.result != CURLE_OK || status != 200;
        (*finished)++;
        curl_multi_remove_handle(multi, handle);
        if (*started < count) {
            curl_multi_add_handle(multi, handle);
            (*started)++;
        }
    }
}

int main(int argument_count, char **arguments) {
    if (argument_count < 3) {
        fprintf(stderr, "bench_curl URL COUNT [IN_FLIGHT]\n");
        return 2;
    }
    uint64_t count = strtoull(arguments[2], NULL, 10);
    uint64_t in_flight = argument_count > 3 ? strtoull(arguments[3], NULL, 10) : 64;
    uint64_t started = 0, finished = 0, failed = 0;
    char body[DATA_SIZE];
    CURL *handles[IN_FLIGHT_MAX];
    memset(body, 'x', sizeof body);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/cloudevents+json");
    headers = curl_slist_append(headers, "Expect:");
    CURLM *multi = curl_multi_init();
    int64_t start_us = clock_monotonic_us();
    for (; started < in_flight && started < count && started < IN_FLIGHT_MAX; started++) {
        handles[started] = create_handle(arguments[1], body, headers);
        curl_multi_add_handle(multi, handles[started]);
    }
    while (finished < count) {
        int running = 0;
        curl_multi_perform(multi, &running);
        turn_over(multi, &started, &finished, &failed, count);
        if (finished < count) {
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
        }
    }
    double seconds = (double)(clock_monotonic_us() - start_us) / 1e6;
    printf("{\"count\":%llu,\"failed\":%llu,\"per_second\":%.0f}\n", (unsigned long long)count,
           (unsigned long long)failed, (double)count / seconds);
    return failed == 0 ? 0 : 1;
}
