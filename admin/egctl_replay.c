// replay: delivers what was before once more, to one subscription.

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

static long long number_of(const json_t *object, const char *name) {
    return (long long)json_integer_value(json_object_get(object, name));
}

// --- What is there.

static int list(const struct egctl_flags *flags) {
    static const struct egctl_column columns[] = {
        {"REPLAY", "replayId"}, {"STATE", "state"},
        {"PERCENT", "percent"}, {"DELIVERED", "delivered"},
        {"FAILED", "failed"},   {"FROM", "from"},
        {"TO", "to"},           {"SUBSCRIPTION", "subscriptionId"},
    };
    struct buffer url = {0};
    json_t *found = NULL;
    egctl_resource_url(flags, "replays", NULL, &url);
    int result = egctl_ask(flags, "GET", url.data, (struct bytes){0}, &found);
    const json_t *replays = json_object_get(found, "replays");
    if (result == EGCTL_OK && flags->wants_json) {
        egctl_print_json(found);
    } else if (result == EGCTL_OK && json_array_size(replays) == 0) {
        printf("No replays in space %s.\n", flags->space);
    } else if (result == EGCTL_OK) {
        egctl_print_table(replays, columns, ARRAY_LENGTH(columns));
    }
    return result;
}

static int get(const struct egctl_flags *flags, const char *id, json_t **ret_replay) {
    struct buffer url = {0};
    egctl_resource_url(flags, "replays", id, &url);
    return egctl_ask(flags, "GET", url.data, (struct bytes){0}, ret_replay);
}

static int stop(const struct egctl_flags *flags, const char *id) {
    struct buffer url = {0};
    json_t *ignored = NULL;
    egctl_resource_url(flags, "replays", id, &url);
    int result = egctl_ask(flags, "DELETE", url.data, (struct bytes){0}, &ignored);
    if (result == EGCTL_OK) {
        printf("Stopped %s.\n", id);
    }
    return result;
}

// --- A new one.

static json_t *filters_of(const struct egctl_flags *flags) {
    const char *const attributes[][2] = {
        {"type", flags->type}, {"source", flags->source}, {"subject", flags->subject}};
    json_t *filters = json_array();
    for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
        if (attributes[i][1]) {
            json_array_append_new(
                filters, json_pack("{s:{s:s}}", "exact", attributes[i][0], attributes[i][1]));
        }
    }
    return filters;
}

static int begin(const struct egctl_flags *flags, const char *subscription, json_t **ret_replay) {
    json_t *body = json_pack("{s:s}", "from", flags->since ? flags->since : "earliest");
    struct buffer url = {0};
    if (flags->until) {
        json_object_set_new(body, "to", json_string(flags->until));
    }
    if (flags->rate) {
        json_object_set_new(body, "ratePerSecond", json_real(strtod(flags->rate, NULL)));
    }
    json_object_set_new(body, "filters", filters_of(flags));
    char *text = json_write(body);
    egctl_resource_url(flags, "subscriptions", subscription, &url);
    buffer_append_text(&url, "/replays");
    int result = egctl_ask(flags, "POST", url.data, bytes_of_text(text), ret_replay);
    free(text);
    json_decref(body);
    return result;
}

// --- Waiting for its end.

static int print_replay(const struct egctl_flags *flags, const json_t *replay) {
    if (flags->wants_json) {
        egctl_print_json(replay);
    } else {
        printf("Replay %s is %s: %lld of %lld events looked at, %lld delivered, %lld failed.\n",
               text_of(replay, "replayId"), text_of(replay, "state"), number_of(replay, "scanned"),
               number_of(replay, "total"), number_of(replay, "delivered"),
               number_of(replay, "failed"));
    }
    return number_of(replay, "failed") > 0 ? EGCTL_FAILED : EGCTL_OK;
}

static int begin_and_wait(const struct egctl_flags *flags, const char *subscription) {
    json_t *begun = NULL, *replay = NULL;
    int result = begin(flags, subscription, &begun);
    if (result != EGCTL_OK) {
        return result;
    }
    const char *id = text_of(begun, "replayId");
    const struct egctl_watch watch = {.collection = "replays", .id = id, .counted = "delivered"};
    result = flags->once ? get(flags, id, &replay) : egctl_await_end(flags, &watch, &replay);
    return result == EGCTL_OK ? print_replay(flags, replay) : result;
}

int egctl_replay(const struct egctl_flags *flags, int count, char **arguments) {
    const char *action = count > 0 ? arguments[0] : "";
    json_t *replay = NULL;
    if (count == 1 && strcmp(action, "list") == 0) {
        return list(flags);
    }
    if (count == 2 && strcmp(action, "get") == 0) {
        int result = get(flags, arguments[1], &replay);
        return result == EGCTL_OK ? print_replay(flags, replay) : result;
    }
    if (count == 2 && strcmp(action, "stop") == 0) {
        return stop(flags, arguments[1]);
    }
    return count == 1 ? begin_and_wait(flags, action)
                      : egctl_fail(EGCTL_USAGE, "replay: the id of a subscription, list, get ID or "
                                                "stop ID");
}
