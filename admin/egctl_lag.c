// lag: how far each subscription is, or one.

#include <jansson.h>
#include <stdio.h>

#include "admin/egctl.h"
#include "core/base/json.h"

static enum status get(const struct egctl_flags *flags, const char *url, json_t **ret_value,
                       struct error *error) {
    struct egctl_answer answer;
    enum status status = egctl_request(flags, "GET", url, NULL, (struct bytes){0}, &answer, error);
    if (status == STATUS_OK && answer.status != 200) {
        egctl_answer_error(&answer, error);
        return STATUS_FAILED;
    }
    return status == STATUS_OK ? json_parse(buffer_bytes(&answer.body), ret_value, error) : status;
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
    return status;
}

int egctl_lag(const struct egctl_flags *flags, int count, char **arguments) {
    static const struct egctl_column columns[] = {
        {"STATE", "state"},
        {"LAG", "lag"},
        {"OLDEST", "oldestUndelivered"},
        {"LOST", "lostToRetention"},
        {"SUBSCRIPTION", "subscriptionId"},
    };
    struct error error;
    json_t *rows = json_array();
    if (count > 1) {
        return egctl_fail(EGCTL_USAGE, "lag: one subscription id, or none for all");
    }
    enum status status =
        count == 1 ? add_row(flags, arguments[0], rows, &error) : add_all(flags, rows, &error);
    if (status != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "lag: %s", error.text);
    }
    if (flags->wants_json) {
        egctl_print_json(rows);
    } else {
        egctl_print_table(rows, columns, sizeof columns / sizeof columns[0]);
    }
    return EGCTL_OK;
}
