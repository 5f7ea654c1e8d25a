// events, event, tail, dead-letters: what went through the gateway, and what came of it.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#define PAGE "100"

// --- Requests.

static void add_param(struct buffer *url, const char *name, const char *value) {
    if (value) {
        bool is_first = bytes_find(buffer_bytes(url), '?') == url->size;
        buffer_append_format(url, "%c%s=", is_first ? '?' : '&', name);
        // What a path segment leaves as it is means something in a query.
        for (const char *at = value; *at; at++) {
            if (strchr("&=+$:@", *at)) {
                buffer_append_format(url, "%%%02X", (unsigned)(unsigned char)*at);
            } else {
                percent_encode_path_segment((struct bytes){at, 1}, url);
            }
        }
    }
}

static void list_url(const struct egctl_flags *flags, const char *collection, struct buffer *url) {
    egctl_resource_url(flags, collection, NULL, url);
    add_param(url, "type", flags->type);
    add_param(url, "source", flags->source);
    add_param(url, "subject", flags->subject);
    add_param(url, "status", flags->state);
    add_param(url, "subscriptionId", flags->subscription);
    add_param(url, "since", flags->since);
    add_param(url, "until", flags->until);
    add_param(url, "q", flags->search);
}

int egctl_ask(const struct egctl_flags *flags, const char *method, const char *url,
              struct bytes body, json_t **ret_document) {
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct egctl_answer answer;
    struct error error = {0};
    *ret_document = NULL;
    if (egctl_request(flags, method, url, body.data ? headers : NULL, body, &answer, &error) !=
        STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.status < 200 || answer.status > 299) {
        egctl_answer_error(&answer, &error);
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.body.size > 0 &&
        json_parse(buffer_bytes(&answer.body), ret_document, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s: %s", url, error.text);
    }
    return EGCTL_OK;
}

// --- Lists.

struct listing {
    const char *collection, *member, *none;
    const struct egctl_column *columns;
    size_t column_count;
};

static const struct egctl_column event_columns[] = {
    {"RECEIVED", "receivedTime"}, {"STATUS", "status"},   {"TYPE", "type"},
    {"SOURCE", "source"},         {"SUBJECT", "subject"}, {"ID", "id"},
};
static const struct listing events = {"events", "events", "events", event_columns,
                                      ARRAY_LENGTH(event_columns)};

static const struct egctl_column letter_columns[] = {
    {"DEAD LETTER", "deadLetterId"},
    {"TIME", "time"},
    {"TYPE", "type"},
    {"EVENT", "eventId"},
    {"ATTEMPTS", "attempts"},
    {"STATUS", "lastStatus"},
    {"REASON", "reason"},
};
static const struct listing letters = {"deadletters", "deadLetters", "dead letters", letter_columns,
                                       ARRAY_LENGTH(letter_columns)};

// A page can be empty and still not be the last one.
static int list(const struct egctl_flags *flags, const struct listing *listing) {
    const char *limit = flags->limit ? flags->limit : PAGE;
    size_t wanted = (size_t)strtoul(limit, NULL, 10);
    json_t *found = json_array(), *page = NULL;
    char *cursor = NULL;
    do {
        struct buffer url = {0};
        list_url(flags, listing->collection, &url);
        add_param(&url, "limit",
                  wanted > 0 && wanted <= 1000 ? limit
                  : flags->limit               ? limit
                                               : PAGE);
        add_param(&url, "cursor", cursor);
        int result = egctl_ask(flags, "GET", url.data, (struct bytes){0}, &page);
        if (result != EGCTL_OK) {
            return result;
        }
        json_array_extend(found, json_object_get(page, listing->member));
        cursor = memory_copy_text(json_string_value(json_object_get(page, "cursor")));
        buffer_clear(&url);
        json_decref(page);
    } while (cursor && json_array_size(found) < wanted);
    while (json_array_size(found) > wanted) {
        json_array_remove(found, json_array_size(found) - 1);
    }
    if (flags->wants_json) {
        egctl_print_json(json_pack("{s:o}", listing->member, found));
    } else if (json_array_size(found) == 0) {
        printf("No %s in space %s.\n", listing->none, flags->space);
    } else {
        egctl_print_table(found, listing->columns, listing->column_count);
    }
    return EGCTL_OK;
}

static int show(const struct egctl_flags *flags, const char *collection, const char *id) {
    struct buffer url = {0};
    json_t *document = NULL;
    egctl_resource_url(flags, collection, id, &url);
    add_param(&url, "source", flags->source);
    int result = egctl_ask(flags, "GET", url.data, (struct bytes){0}, &document);
    if (result == EGCTL_OK) {
        egctl_print_json(document);
    }
    return result;
}

int egctl_events(const struct egctl_flags *flags, int count, char **arguments) {
    bool is_list = count == 0 || (count == 1 && strcmp(arguments[0], "list") == 0);
    return is_list ? list(flags, &events)
                   : egctl_fail(EGCTL_USAGE, "events: no arguments are needed, only flags; one "
                                             "event: egctl event ID");
}

// --- One event.

static void print_deliveries(const json_t *event) {
    static const struct egctl_column columns[] = {
        {"SUBSCRIPTION", "subscriptionId"},
        {"STATE", "state"},
        {"ATTEMPTS", "attempts"},
        {"STATUS", "lastStatus"},
        {"NEXT ATTEMPT", "nextAttempt"},
        {"REASON", "reason"},
        {"LAST ANSWER", "lastAnswer|lastAnswerBase64"},
    };
    const json_t *deliveries = json_object_get(event, "deliveries");
    if (json_array_size(deliveries) == 0) {
        printf("No deliveries are known.\n");
    } else {
        egctl_print_table(deliveries, columns, ARRAY_LENGTH(columns));
    }
}

int egctl_event(const struct egctl_flags *flags, int count, char **arguments) {
    struct buffer url = {0};
    json_t *event = NULL;
    if (count != 1) {
        return egctl_fail(EGCTL_USAGE, "event: the id of one event is needed");
    }
    egctl_resource_url(flags, "events", arguments[0], &url);
    add_param(&url, "source", flags->source);
    int result = egctl_ask(flags, "GET", url.data, (struct bytes){0}, &event);
    if (result != EGCTL_OK) {
        return result;
    }
    if (flags->wants_json) {
        egctl_print_json(event);
        return EGCTL_OK;
    }
    printf("Received %s, %s.\n", json_string_value(json_object_get(event, "receivedTime")),
           json_string_value(json_object_get(event, "status")));
    const json_t *data = json_object_get(event, "event");
    if (data) {
        egctl_print_json(data);
    }
    print_deliveries(event);
    return EGCTL_OK;
}

// --- tail

struct tailing {
    const struct egctl_flags *flags;
    struct buffer rest; // of a line that is not complete
};

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

static void print_line(const struct egctl_flags *flags, struct bytes line) {
    static const struct bytes prefix = {"data: ", sizeof "data: " - 1};
    json_t *event = NULL;
    struct error ignored;
    if (!bytes_start_with(line, prefix)) {
        return;
    }
    struct bytes data = bytes_slice(line, prefix.size, line.size);
    if (flags->wants_json) {
        printf("%.*s\n", (int)data.size, data.data);
    } else if (json_parse(data, &event, &ignored) == STATUS_OK) {
        const json_t *skipped = json_object_get(event, "count");
        if (skipped) {
            printf("(%lld events were skipped: they came faster than this reads)\n",
                   (long long)json_integer_value(skipped));
        } else {
            printf("%s  %s  %s  %s  %s\n", text_of(event, "receivedTime"), text_of(event, "type"),
                   text_of(event, "source"), text_of(event, "subject"), text_of(event, "id"));
        }
    }
    fflush(stdout);
    json_decref(event);
}

static void take_piece(void *context, struct bytes piece) {
    struct tailing *tailing = context;
    buffer_append(&tailing->rest, piece);
    struct bytes rest = buffer_bytes(&tailing->rest);
    size_t end;
    while ((end = bytes_find(rest, '\n')) < rest.size) {
        print_line(tailing->flags, bytes_slice(rest, 0, end));
        rest = bytes_slice(rest, end + 1, rest.size);
    }
    struct buffer left = {0};
    buffer_append(&left, rest);
    buffer_clear(&tailing->rest);
    tailing->rest = left;
}

int egctl_tail(const struct egctl_flags *flags, int count, char **arguments) {
    struct tailing tailing = {.flags = flags};
    struct buffer url = {0};
    struct error error = {0};
    (void)arguments;
    if (count != 0) {
        return egctl_fail(EGCTL_USAGE, "tail: no arguments are needed, only flags");
    }
    list_url(flags, "events/stream", &url);
    if (egctl_stream(flags, url.data, take_piece, &tailing, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    return egctl_fail(EGCTL_FAILED, "%s: the gateway has ended the stream", flags->url);
}

// --- dead-letters

static int delete_letter(const struct egctl_flags *flags, const char *id) {
    struct buffer url = {0};
    json_t *ignored;
    egctl_resource_url(flags, "deadletters", id, &url);
    int result = egctl_ask(flags, "DELETE", url.data, (struct bytes){0}, &ignored);
    if (result == EGCTL_OK) {
        printf("Deleted %s.\n", id);
    }
    return result;
}

int egctl_dead_letters(const struct egctl_flags *flags, int count, char **arguments) {
    const char *action = count > 0 ? arguments[0] : "list";
    if (count <= 1 && strcmp(action, "list") == 0) {
        return list(flags, &letters);
    }
    if (count == 2 && strcmp(action, "get") == 0) {
        return show(flags, "deadletters", arguments[1]);
    }
    if (count == 2 && strcmp(action, "delete") == 0) {
        return delete_letter(flags, arguments[1]);
    }
    return egctl_fail(EGCTL_USAGE, "dead-letters: list, get ID or delete ID");
}
