// redrive: delivers dead letters once more.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/json.h"
#include "core/base/memory.h"

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

// --- What is there.

static int list(const struct egctl_flags *flags) {
    static const struct egctl_column columns[] = {
        {"REDRIVE", "redriveId"}, {"STATE", "state"},   {"PERCENT", "percent"},
        {"REDRIVEN", "redriven"}, {"FAILED", "failed"}, {"TOTAL", "total"},
        {"BEGUN", "begun"},       {"NODE", "node"},     {"SUBSCRIPTION", "subscriptionId"},
    };
    struct buffer url = {0};
    json_t *found = NULL;
    egctl_resource_url(flags, "redrives", NULL, &url);
    int result = egctl_ask(flags, "GET", url.data, (struct bytes){0}, &found);
    const json_t *redrives = json_object_get(found, "redrives");
    if (result == EGCTL_OK && flags->wants_json) {
        egctl_print_json(found);
    } else if (result == EGCTL_OK && json_array_size(redrives) == 0) {
        printf("No redrives in space %s.\n", flags->space);
    } else if (result == EGCTL_OK) {
        egctl_print_table(redrives, columns, ARRAY_LENGTH(columns));
    }
    return result;
}

static int get(const struct egctl_flags *flags, const char *id, json_t **ret_redrive) {
    struct buffer url = {0};
    egctl_resource_url(flags, "redrives", id, &url);
    return egctl_ask(flags, "GET", url.data, (struct bytes){0}, ret_redrive);
}

static int stop(const struct egctl_flags *flags, const char *id) {
    struct buffer url = {0};
    json_t *ignored = NULL;
    egctl_resource_url(flags, "redrives", id, &url);
    int result = egctl_ask(flags, "DELETE", url.data, (struct bytes){0}, &ignored);
    if (result == EGCTL_OK) {
        printf("Stopped %s.\n", id);
    }
    return result;
}

// --- A new one, and waiting for its end.

static int request_redrive(const struct egctl_flags *flags, int count, char **arguments,
                           json_t **ret_redrive) {
    json_t *body = json_object(), *ids = json_array();
    for (int i = 0; i < count; i++) {
        json_array_append_new(ids, json_string(arguments[i]));
    }
    if (count > 0) {
        json_object_set(body, "ids", ids);
    }
    const char *const texts[][2] = {
        {"subscriptionId", flags->subscription}, {"since", flags->since}, {"until", flags->until}};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (texts[i][1]) {
            json_object_set_new(body, texts[i][0], json_string(texts[i][1]));
        }
    }
    if (flags->rate) {
        json_object_set_new(body, "ratePerSecond", json_integer(strtoll(flags->rate, NULL, 10)));
    }
    struct buffer url = {0};
    char *text = json_write(body);
    egctl_resource_url(flags, "deadletters/redrive", NULL, &url);
    int result = egctl_ask(flags, "POST", url.data, bytes_of_text(text), ret_redrive);
    free(text);
    json_decref(ids);
    json_decref(body);
    return result;
}

static int print_redrive(const struct egctl_flags *flags, const json_t *redrive) {
    long long failed = json_integer_value(json_object_get(redrive, "failed"));
    if (flags->wants_json) {
        egctl_print_json(redrive);
    } else {
        printf("Redrive %s is %s: %lld of %lld redriven, %lld failed, %lld not there any more.\n",
               text_of(redrive, "redriveId"), text_of(redrive, "state"),
               (long long)json_integer_value(json_object_get(redrive, "redriven")),
               (long long)json_integer_value(json_object_get(redrive, "total")), failed,
               (long long)json_integer_value(json_object_get(redrive, "missing")));
        if (failed > 0) {
            printf("The last failure: %s.\n", text_of(redrive, "lastFailure"));
        }
    }
    return failed > 0 ? EGCTL_FAILED : EGCTL_OK;
}

static int begin_and_wait(const struct egctl_flags *flags, int count, char **arguments) {
    json_t *redrive = NULL;
    int result = request_redrive(flags, count, arguments, &redrive);
    if (result == EGCTL_OK && !flags->once) {
        const struct egctl_watch watch = {
            .collection = "redrives", .id = text_of(redrive, "redriveId"), .counted = "redriven"};
        json_t *ended = NULL;
        result = egctl_await_end(flags, &watch, &ended);
        redrive = ended;
    }
    return result == EGCTL_OK ? print_redrive(flags, redrive) : result;
}

int egctl_redrive(const struct egctl_flags *flags, int count, char **arguments) {
    const char *action = count > 0 ? arguments[0] : "";
    json_t *redrive = NULL;
    if (count == 1 && strcmp(action, "list") == 0) {
        return list(flags);
    }
    if (count == 2 && strcmp(action, "get") == 0) {
        int result = get(flags, arguments[1], &redrive);
        return result == EGCTL_OK ? print_redrive(flags, redrive) : result;
    }
    if (count == 2 && strcmp(action, "stop") == 0) {
        return stop(flags, arguments[1]);
    }
    if (count == 0 && !flags->subscription && !flags->since && !flags->until) {
        return egctl_fail(EGCTL_USAGE, "redrive: which? ids of dead letters, --subscription ID, "
                                       "--since TIME or --until TIME; or list, get ID, stop ID");
    }
    return begin_and_wait(flags, count, arguments);
}
