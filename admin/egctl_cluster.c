// cluster: the nodes, what each does, and how it sees its stores.

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/json.h"

static json_t *joined(const json_t *words) {
    struct buffer text = {0};
    size_t index;
    json_t *word;
    json_array_foreach(words, index, word) {
        buffer_append_format(&text, "%s%s", index > 0 ? "," : "", json_string_value(word));
    }
    json_t *value = json_string(text.data ? text.data : "");
    buffer_clear(&text);
    return value;
}

// "0-3,7"; the numbers come in order.
static void append_ranges(const json_t *numbers, struct buffer *text) {
    size_t count = json_array_size(numbers);
    for (size_t i = 0; i < count; i++) {
        json_int_t first = json_integer_value(json_array_get(numbers, i));
        json_int_t last = first;
        while (i + 1 < count && json_integer_value(json_array_get(numbers, i + 1)) == last + 1) {
            last++;
            i++;
        }
        buffer_append_format(text, "%s%lld", text->size > 0 ? "," : "", (long long)first);
        if (last > first) {
            buffer_append_format(text, "-%lld", (long long)last);
        }
    }
}

static json_t *ranges(const json_t *numbers) {
    struct buffer text = {0};
    append_ranges(numbers, &text);
    json_t *value = json_string(text.size > 0 ? text.data : "-");
    buffer_clear(&text);
    return value;
}

static const char *text_of(const json_t *node, const char *member) {
    const char *text = json_string_value(json_object_get(node, member));
    return text ? text : "";
}

static json_t *health(const json_t *node) {
    struct buffer text = {0};
    const char *log = text_of(node, "eventLog");
    const char *registry = text_of(node, "registry");
    bool is_well = strcmp(log, "ok") == 0 && strcmp(registry, "ok") == 0;
    if (strcmp(text_of(node, "state"), "draining") == 0) {
        buffer_append_text(&text, "draining");
    } else if (is_well) {
        buffer_append_text(&text, "ok");
    }
    if (!is_well) {
        buffer_append_format(&text, "%sevent log %s, registry %s", text.size > 0 ? ", " : "", log,
                             registry);
    }
    json_t *value = json_string(text.data);
    buffer_clear(&text);
    return value;
}

static json_t *rows_of(const json_t *nodes) {
    json_t *rows = json_array();
    size_t index;
    json_t *node;
    json_array_foreach(nodes, index, node) {
        json_t *row = json_copy(node);
        json_object_set_new(row, "roles", joined(json_object_get(node, "roles")));
        json_object_set_new(row, "partitions", ranges(json_object_get(node, "partitions")));
        json_object_set_new(row, "health", health(node));
        json_array_append_new(rows, row);
    }
    return rows;
}

static void print_people(const json_t *cluster) {
    static const struct egctl_column columns[] = {
        {"NODE", "nodeId"},       {"ROLES", "roles"},       {"EVENTS API", "eventsUrl"},
        {"VERSION", "version"},   {"STARTED", "startedAt"}, {"PARTITIONS", "partitions"},
        {"REVISION", "revision"}, {"HEALTH", "health"},
    };
    json_t *rows = rows_of(json_object_get(cluster, "nodes"));
    egctl_print_table(rows, columns, sizeof columns / sizeof columns[0]);
    json_decref(rows);
    const json_t *unowned = json_object_get(cluster, "unownedPartitions");
    if (!json_is_true(json_object_get(cluster, "complete"))) {
        printf("Only the node that was asked: %s.\n", text_of(cluster, "reason"));
    } else if (json_array_size(unowned) > 0) {
        struct buffer text = {0};
        append_ranges(unowned, &text);
        printf("No dispatcher reads partition %s.\n", text.data);
        buffer_clear(&text);
    } else {
        long long count = json_integer_value(json_object_get(cluster, "partitions"));
        printf("Each partition has its dispatcher (%lld of %lld).\n", count, count);
    }
}

int egctl_cluster(const struct egctl_flags *flags, int count, char **arguments) {
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    json_t *cluster = NULL;
    if (count > 0) {
        return egctl_fail(EGCTL_USAGE, "cluster: what is \"%s\"?", arguments[0]);
    }
    buffer_append_format(&url, "%s/v1/cluster", flags->url);
    if (egctl_request(flags, "GET", url.data, NULL, (struct bytes){0}, &answer, &error) !=
        STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.status != 200) {
        egctl_answer_error(&answer, &error);
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (json_parse(buffer_bytes(&answer.body), &cluster, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s: not an Event Gateway (%s)", flags->url, error.text);
    }
    if (flags->wants_json) {
        egctl_print_json(cluster);
    } else {
        print_people(cluster);
    }
    return EGCTL_OK;
}
