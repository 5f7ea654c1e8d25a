// lag: how far all subscriptions are, in a table; or one, and how it goes.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/egctl.h"
#include "core/base/json.h"

static enum status get(const struct egctl_flags *flags, const char *url, json_t **ret_value,
                       struct error *error) {
    struct egctl_answer answer;
    enum status status = egctl_request(flags, "GET", url, NULL, (struct bytes){0}, &answer, error);
    if (status == STATUS_OK && answer.status != 200) {
        egctl_answer_error(&answer, error);
        status = STATUS_FAILED;
    }
    if (status == STATUS_OK) {
        status = json_parse(buffer_bytes(&answer.body), ret_value, error);
    }
    // There are as many answers as subscriptions.
    buffer_clear(&answer.body);
    return status;
}

static enum status add_row(const struct egctl_flags *flags, const char *id, json_t *rows,
                           struct error *error) {
    struct buffer url = {0};
    json_t *row = NULL;
    egctl_resource_url(flags, "subscriptions", id, &url);
    buffer_append_text(&url, "/status");
    enum status status = get(flags, url.data, &row, error);
    if (status == STATUS_OK) {
        json_object_set_new(row, "subscriptionId", json_string(id));
        json_array_append_new(rows, row);
    }
    buffer_clear(&url);
    return status;
}

// Synchronous ones have no position.
static enum status add_all(const struct egctl_flags *flags, json_t *rows, struct error *error) {
    struct buffer url = {0};
    json_t *list = NULL;
    size_t index;
    json_t *item;
    egctl_resource_url(flags, "subscriptions", NULL, &url);
    enum status status = get(flags, url.data, &list, error);
    json_array_foreach(json_object_get(list, "subscriptions"), index, item) {
        const char *type = json_string_value(json_object_get(item, "type"));
        if (status == STATUS_OK && type && type[0] == 'a') {
            status = add_row(flags, json_string_value(json_object_get(item, "subscriptionId")),
                             rows, error);
        }
    }
    json_decref(list);
    buffer_clear(&url);
    return status;
}

static void print_table(const json_t *rows) {
    static const struct egctl_column columns[] = {
        {"STATE", "state"},
        {"LAG", "lag"},
        {"IN-FLIGHT", "inFlight"},
        {"RETRYING", "waitingForRetry"},
        {"DEAD", "deadLetters"},
        {"LOST", "lostToRetention"},
        {"OLDEST", "oldestUndelivered"},
        {"SUBSCRIPTION", "subscriptionId"},
    };
    egctl_print_table(rows, columns, sizeof columns / sizeof columns[0]);
}

// --- One subscription, in sentences.

static void print_line(const char *title, const char *text) {
    printf("%-14s %s\n", title, text);
}

static void print_number(const json_t *row, const char *title, const char *member,
                         const char *meaning) {
    const json_t *value = json_object_get(row, member);
    if (json_is_integer(value)) {
        printf("%-14s %lld %s\n", title, (long long)json_integer_value(value), meaning);
    } else {
        print_line(title, "not known: the index of events is being made, or not there");
    }
}

static const char *text_of(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "-";
}

// What a function said may be anything; as JSON it cannot steer a terminal.
static void print_quoted(const char *title, const json_t *text) {
    if (json_is_string(text)) {
        char *quoted = json_write(text);
        print_line(title, quoted);
        free(quoted);
    }
}

static void print_success(const json_t *row) {
    const json_t *success = json_object_get(row, "lastSuccess");
    if (json_is_object(success)) {
        printf("%-14s %s  event %s\n", "Last success", text_of(success, "time"),
               text_of(success, "eventId"));
    } else {
        print_line("Last success", "-");
    }
}

static void print_error(const json_t *row) {
    const json_t *failure = json_object_get(row, "lastError");
    if (!json_is_object(failure)) {
        print_line("Last error", "-");
        return;
    }
    const json_t *text = json_object_get(failure, "lastAnswer");
    printf("%-14s %s  event %s, attempt %lld, status %lld\n", "Last error",
           text_of(failure, "time"), text_of(failure, "eventId"),
           (long long)json_integer_value(json_object_get(failure, "attempt")),
           (long long)json_integer_value(json_object_get(failure, "status")));
    print_quoted("", json_object_get(failure, "reason"));
    print_quoted("  it answered", text ? text : json_object_get(failure, "lastAnswerBase64"));
}

static void print_one(const json_t *row) {
    static const struct egctl_column columns[] = {
        {"PARTITION", "partition"}, {"POSITION", "position"}, {"END", "end"}, {"LAG", "lag"},
        {"AT-RISK", "atRisk"},      {"DETACHED", "detached"},
    };
    print_line("Subscription", text_of(row, "subscriptionId"));
    print_line("State", text_of(row, "state"));
    print_number(row, "Lag", "lag", "records of the log");
    print_line("Oldest", text_of(row, "oldestUndelivered"));
    print_number(row, "In flight", "inFlight", "calls");
    print_number(row, "Retrying", "waitingForRetry", "wait for their next attempt");
    print_number(row, "Dead letters", "deadLetters", "");
    print_number(row, "Lost", "lostToRetention", "records at the most, to the log's retention");
    if (json_is_true(json_object_get(row, "retentionAtRisk"))) {
        print_line("At risk", "the oldest event is near the age at which the log removes it");
    }
    print_success(row);
    print_error(row);
    egctl_print_table(json_object_get(row, "partitions"), columns,
                      sizeof columns / sizeof columns[0]);
}

int egctl_lag(const struct egctl_flags *flags, int count, char **arguments) {
    struct error error;
    json_t *rows = json_array();
    if (count > 1) {
        json_decref(rows);
        return egctl_fail(EGCTL_USAGE, "lag: one subscription id, or none for all");
    }
    enum status status =
        count == 1 ? add_row(flags, arguments[0], rows, &error) : add_all(flags, rows, &error);
    if (status != STATUS_OK) {
        json_decref(rows);
        return egctl_fail(EGCTL_FAILED, "lag: %s", error.text);
    }
    if (flags->wants_json) {
        egctl_print_json(rows);
    } else if (count == 1) {
        print_one(json_array_get(rows, 0));
    } else {
        print_table(rows);
    }
    json_decref(rows);
    return EGCTL_OK;
}
