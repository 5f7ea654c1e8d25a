// top: what a node does per second, from two looks at its metrics, again and again.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/egctl.h"
#include "core/base/clock.h"
#include "core/base/memory.h"

#define INTERVAL_MAX_S 3600

struct look {
    struct buffer text; // what samples point into
    struct egctl_samples samples;
    int64_t at_us;
};

static void look_clear(struct look *look) {
    egctl_samples_clear(&look->samples);
    buffer_clear(&look->text);
}

static enum status take_look(const struct egctl_flags *flags, struct look *ret_look,
                             struct error *error) {
    struct buffer url = {0};
    struct egctl_answer answer;
    buffer_append_format(&url, "%s/v1/metrics", flags->url);
    enum status status =
        egctl_request(flags, "GET", url.data, NULL, (struct bytes){0}, &answer, error);
    buffer_clear(&url);
    if (status == STATUS_OK && answer.status != 200) {
        egctl_answer_error(&answer, error);
        status = STATUS_FAILED;
    }
    if (status != STATUS_OK) {
        buffer_clear(&answer.body); // It looks again and again.
        return status;
    }
    *ret_look = (struct look){.text = answer.body, .at_us = clock_monotonic_us()};
    egctl_samples_read(buffer_bytes(&ret_look->text), &ret_look->samples);
    return STATUS_OK;
}

// The same series in an earlier look; 0 when it is new.
static double value_before(const struct look *before, const struct egctl_sample *sample) {
    for (size_t i = 0; i < before->samples.count; i++) {
        const struct egctl_sample *other = &before->samples.items[i];
        if (bytes_equal(other->name, sample->name) && bytes_equal(other->labels, sample->labels)) {
            return other->value;
        }
    }
    return 0;
}

// What a counter gained per second; one that went back began anew with its process.
static double rate_of(const struct look *before, const struct look *now,
                      const struct egctl_sample *sample) {
    double gained = sample->value - value_before(before, sample);
    double seconds = (double)(now->at_us - before->at_us) / 1e6;
    return (gained >= 0 ? gained : sample->value) / (seconds > 0 ? seconds : 1);
}

static double total_rate(const struct look *before, const struct look *now, const char *name) {
    double sum = 0;
    for (size_t i = 0; i < now->samples.count; i++) {
        const struct egctl_sample *sample = &now->samples.items[i];
        sum += bytes_equal_text(sample->name, name) ? rate_of(before, now, sample) : 0;
    }
    return sum;
}

// Per value of a label, summed over the other labels: {"delivered": 12.0}. Those that never counted
// are left out.
static json_t *rates_by(const struct look *before, const struct look *now, const char *name,
                        const char *label) {
    json_t *rates = json_object();
    for (size_t i = 0; i < now->samples.count; i++) {
        const struct egctl_sample *sample = &now->samples.items[i];
        if (bytes_equal_text(sample->name, name) && sample->value > 0) {
            char *key = bytes_to_text(egctl_sample_label(sample, label));
            double sum =
                json_real_value(json_object_get(rates, key)) + rate_of(before, now, sample);
            json_object_set_new(rates, key, json_real(sum));
            free(key);
        }
    }
    return rates;
}

static double gauge(const struct look *now, const char *name) {
    double sum = 0;
    for (size_t i = 0; i < now->samples.count; i++) {
        const struct egctl_sample *sample = &now->samples.items[i];
        sum += bytes_equal_text(sample->name, name) ? sample->value : 0;
    }
    return sum;
}

// The mean of what a histogram saw between the looks, in milliseconds; null when it saw nothing.
static json_t *mean_ms(const struct look *before, const struct look *now, const char *family) {
    char sum[128];
    char count[128];
    snprintf(sum, sizeof sum, "%s_sum", family);
    snprintf(count, sizeof count, "%s_count", family);
    double seen = total_rate(before, now, count);
    return seen > 0 ? json_real(total_rate(before, now, sum) * 1000 / seen) : json_null();
}

static double refused_rate(const json_t *by_code) {
    double sum = 0;
    const char *code;
    json_t *rate;
    json_object_foreach((json_t *)by_code, code, rate) {
        sum += code[0] == '4' || code[0] == '5' ? json_real_value(rate) : 0;
    }
    return sum;
}

static json_t *compare(const struct look *before, const struct look *now) {
    json_t *by_code = rates_by(before, now, "eventgateway_events_requests_total", "code");
    json_t *rates = json_pack(
        "{s:f, s:f, s:o, s:o, s:o, s:o, s:f}", "eventsReceived",
        total_rate(before, now, "eventgateway_events_received_total"), "requestsRefused",
        refused_rate(by_code), "requestsByCode", by_code, "syncCalls",
        rates_by(before, now, "eventgateway_sync_calls_total", "outcome"), "deliveries",
        rates_by(before, now, "eventgateway_deliveries_total", "outcome"), "attempts",
        rates_by(before, now, "eventgateway_delivery_attempts_total", "outcome"), "appendFailures",
        total_rate(before, now, "eventgateway_log_append_failed_total"));
    json_t *times =
        json_pack("{s:o, s:o}", "append", mean_ms(before, now, "eventgateway_log_append_seconds"),
                  "attempt", mean_ms(before, now, "eventgateway_delivery_attempt_seconds"));
    json_t *gauges = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:b}", "lag",
                               gauge(now, "eventgateway_events_backlog"), "inFlight",
                               gauge(now, "eventgateway_in_flight"), "retriesWaiting",
                               gauge(now, "eventgateway_retries_waiting"), "connections",
                               gauge(now, "eventgateway_http_connections"), "partitions",
                               gauge(now, "eventgateway_partitions_owned"), "residentBytes",
                               gauge(now, "process_resident_memory_bytes"), "eventLog",
                               gauge(now, "eventgateway_log_available") > 0, "registry",
                               gauge(now, "eventgateway_registry_available") > 0);
    return json_pack("{s:f, s:o, s:o, s:o}", "seconds", (double)(now->at_us - before->at_us) / 1e6,
                     "perSecond", rates, "meanMs", times, "now", gauges);
}

static double number(const json_t *object, const char *member) {
    return json_number_value(json_object_get(object, member));
}

static void print_outcomes(const char *title, const json_t *rates) {
    const char *outcome;
    json_t *rate;
    const char *first = title;
    if (json_object_size(rates) == 0) {
        printf("%-18s %12s\n", title, "-");
    }
    json_object_foreach((json_t *)rates, outcome, rate) {
        printf("%-18s %12.1f  %s\n", first, json_real_value(rate), outcome);
        first = "";
    }
}

static void print_mean(const char *title, const json_t *mean) {
    if (json_is_null(mean)) {
        printf("%-18s %12s\n", title, "-");
    } else {
        printf("%-18s %12.2f  ms\n", title, json_real_value(mean));
    }
}

static void print_people(const struct egctl_flags *flags, const json_t *figures) {
    const json_t *rates = json_object_get(figures, "perSecond");
    const json_t *times = json_object_get(figures, "meanMs");
    const json_t *now = json_object_get(figures, "now");
    printf("%s, per second over %.1f s\n\n", flags->url, number(figures, "seconds"));
    printf("%-18s %12.1f\n", "events in", number(rates, "eventsReceived"));
    printf("%-18s %12.1f\n", "refused", number(rates, "requestsRefused"));
    printf("%-18s %12.1f\n", "append failures", number(rates, "appendFailures"));
    print_outcomes("sync calls", json_object_get(rates, "syncCalls"));
    print_outcomes("deliveries", json_object_get(rates, "deliveries"));
    print_outcomes("attempts", json_object_get(rates, "attempts"));
    printf("\n");
    print_mean("append takes", json_object_get(times, "append"));
    print_mean("attempt takes", json_object_get(times, "attempt"));
    printf("%-18s %12.0f  events not finished\n", "lag", number(now, "lag"));
    printf("%-18s %12.0f  calls of functions\n", "in flight", number(now, "inFlight"));
    printf("%-18s %12.0f\n", "retries waiting", number(now, "retriesWaiting"));
    printf("%-18s %12.0f\n", "partitions", number(now, "partitions"));
    printf("%-18s %12.0f\n", "connections", number(now, "connections"));
    printf("%-18s %12.1f  MB\n", "memory", number(now, "residentBytes") / 1e6);
    printf("%-18s %12s\n", "event log",
           json_is_true(json_object_get(now, "eventLog")) ? "ok" : "away");
    printf("%-18s %12s\n", "registry",
           json_is_true(json_object_get(now, "registry")) ? "ok" : "away");
}

static void show(const struct egctl_flags *flags, const json_t *figures) {
    bool refreshes = !flags->once && isatty(STDOUT_FILENO);
    if (flags->wants_json && flags->once) {
        egctl_print_json(figures);
    } else if (flags->wants_json) {
        json_dumpf(figures, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        fputs(refreshes ? "\033[H\033[2J" : "", stdout); // to the corner, and all clear
        print_people(flags, figures);
        fputs(refreshes || flags->once ? "" : "\n", stdout);
    }
    fflush(stdout);
}

static bool parse_interval(const char *text, double *ret_seconds) {
    char *end = NULL;
    *ret_seconds = text ? strtod(text, &end) : 1;
    return !text ||
           (end != text && *end == '\0' && *ret_seconds >= 0.1 && *ret_seconds <= INTERVAL_MAX_S);
}

static void wait_for(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    (void)nanosleep(&time, NULL);
}

// A node that is away for a while, as in a restart, is asked again.
static int watch(const struct egctl_flags *flags, double interval_s, struct look *before) {
    do {
        struct look now;
        struct error error;
        wait_for(interval_s);
        if (take_look(flags, &now, &error) != STATUS_OK) {
            (void)egctl_fail(EGCTL_FAILED, "%s", error.text);
            if (flags->once) {
                return EGCTL_FAILED;
            }
            continue;
        }
        json_t *figures = compare(before, &now);
        show(flags, figures);
        json_decref(figures);
        look_clear(before);
        *before = now;
    } while (!flags->once && !ferror(stdout));
    return EGCTL_OK;
}

int egctl_top(const struct egctl_flags *flags, int count, char **arguments) {
    struct look before;
    struct error error;
    double interval_s;
    if (count > 0) {
        return egctl_fail(EGCTL_USAGE, "top: what is \"%s\"?", arguments[0]);
    }
    if (!parse_interval(flags->interval, &interval_s)) {
        return egctl_fail(EGCTL_USAGE,
                          "--interval: \"%s\" is not a number of seconds from 0.1 to %d",
                          flags->interval, INTERVAL_MAX_S);
    }
    if (take_look(flags, &before, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    int result = watch(flags, interval_s, &before);
    look_clear(&before);
    return result;
}
