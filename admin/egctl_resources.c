// functions, event-types, subscriptions, cors: list, get, put, delete.

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/subscriptions/path_pattern.h"
#include "core/subscriptions/subscription.h"

struct resource {
    const char *command;    // as people type it
    const char *collection; // in paths
    const char *list;       // member of a collection's answer
    const char *id;         // member that the id is in
    bool id_is_made;        // the gateway makes it of other members
    struct egctl_column columns[6];
    size_t column_count;
};

// What each kind of function names as the place it is called at.
#define FUNCTION_TARGETS                                                                           \
    "provider.url|provider.arn|provider.streamName|provider.deliveryStreamName|provider.queueUrl|" \
    "provider.stateMachineArn|provider.app|provider.action|provider.weighted|provider.emulatorUrl"

static const struct resource resources[] = {
    {.command = "functions",
     .collection = "functions",
     .list = "functions",
     .id = "functionId",
     .columns = {{"FUNCTION", "functionId"},
                 {"TYPE", "type"},
                 {"TARGET", FUNCTION_TARGETS},
                 {"METADATA", "metadata"}},
     .column_count = 4},
    {.command = "event-types",
     .collection = "eventtypes",
     .list = "eventTypes",
     .id = "name",
     .columns = {{"EVENT TYPE", "name"}, {"AUTHORIZER", "authorizerId"}, {"METADATA", "metadata"}},
     .column_count = 3},
    {.command = "subscriptions",
     .collection = "subscriptions",
     .list = "subscriptions",
     .id = "subscriptionId",
     .id_is_made = true,
     .columns = {{"EVENT TYPE", "eventType"},
                 {"FUNCTION", "functionId"},
                 {"TYPE", "type"},
                 {"METHOD", "method"},
                 {"PATH", "path"},
                 {"SUBSCRIPTION", "subscriptionId"}},
     .column_count = 6},
    {.command = "cors",
     .collection = "cors",
     .list = "cors",
     .id = "corsId",
     .id_is_made = true,
     .columns = {{"METHOD", "method"},
                 {"PATH", "path"},
                 {"ORIGINS", "allowedOrigins"},
                 {"METHODS", "allowedMethods"},
                 {"CORS", "corsId"}},
     .column_count = 5},
};

static const struct resource *find_resource(const char *command) {
    for (size_t i = 0; i < ARRAY_LENGTH(resources); i++) {
        if (strcmp(resources[i].command, command) == 0) {
            return &resources[i];
        }
    }
    return NULL;
}

// A request whose answer must be 2xx; *ret_document is NULL for an empty one.
static enum status call(const struct egctl_flags *flags, const char *method, const char *url,
                        const json_t *body, struct egctl_answer *ret_answer, json_t **ret_document,
                        struct error *error) {
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    char *text = body ? json_write(body) : NULL;
    enum status status = egctl_request(flags, method, url, body ? headers : NULL,
                                       bytes_of_text(text), ret_answer, error);
    free(text);
    if (status != STATUS_OK) {
        return status;
    }
    if (ret_answer->status < 200 || ret_answer->status > 299) {
        egctl_answer_error(ret_answer, error);
        return STATUS_FAILED;
    }
    *ret_document = NULL;
    return ret_answer->body.size > 0
               ? json_parse(buffer_bytes(&ret_answer->body), ret_document, error)
               : STATUS_OK;
}

static void append_filters(const struct egctl_flags *flags, struct buffer *url) {
    for (size_t i = 0; i < flags->filter_count; i++) {
        struct bytes filter = bytes_of_text(flags->filters[i]);
        size_t equals = bytes_find(filter, '=');
        buffer_append_text(url, i == 0 ? "?metadata." : "&metadata.");
        percent_encode_header_value(bytes_slice(filter, 0, equals), url);
        buffer_append_byte(url, '=');
        percent_encode_path_segment(bytes_slice(filter, equals + 1, SIZE_MAX), url);
    }
}

static int list(const struct egctl_flags *flags, const struct resource *resource) {
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    json_t *document = NULL;
    egctl_resource_url(flags, resource->collection, NULL, &url);
    append_filters(flags, &url);
    if (call(flags, "GET", url.data, NULL, &answer, &document, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    const json_t *objects = json_object_get(document, resource->list);
    if (flags->wants_json) {
        egctl_print_json(document);
    } else if (json_array_size(objects) == 0) {
        printf("No %s in space %s.\n", resource->command, flags->space);
    } else {
        egctl_print_table(objects, resource->columns, resource->column_count);
    }
    return EGCTL_OK;
}

static int get(const struct egctl_flags *flags, const struct resource *resource, const char *id) {
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    json_t *document = NULL;
    egctl_resource_url(flags, resource->collection, id, &url);
    if (call(flags, "GET", url.data, NULL, &answer, &document, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    egctl_print_json(document);
    return EGCTL_OK;
}

static int delete_one(const struct egctl_flags *flags, const struct resource *resource,
                      const char *id) {
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    json_t *document = NULL;
    egctl_resource_url(flags, resource->collection, id, &url);
    if (call(flags, "DELETE", url.data, NULL, &answer, &document, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (!flags->wants_json) {
        printf("Deleted %s.\n", id);
    }
    return EGCTL_OK;
}

static void set_text(json_t *document, const char *member, const char *value) {
    if (value) {
        json_object_set_new(document, member, json_string(value));
    }
}

// What is no number goes as it is: the gateway says what is wrong with it.
static void set_number(json_t *document, const char *member, const char *text) {
    if (!text) {
        return;
    }
    char *end;
    double number = strtod(text, &end);
    bool is_number = end != text && *end == '\0' && isfinite(number);
    bool is_whole = is_number && number >= -1e15 && number <= 1e15 && number == floor(number);
    json_object_set_new(document, member,
                        is_whole    ? json_integer((json_int_t)number)
                        : is_number ? json_real(number)
                                    : json_string(text));
}

static json_t *member_object(json_t *document, const char *name) {
    json_t *object = json_object_get(document, name);
    if (!json_is_object(object)) {
        object = json_object();
        json_object_set_new(document, name, object);
    }
    return object;
}

static void set_delivery(json_t *document, const struct egctl_flags *flags) {
    if (!flags->ordering && !flags->max_in_flight && !flags->rate && !flags->batch) {
        return;
    }
    json_t *delivery = member_object(document, "delivery");
    set_text(delivery, "ordering", flags->ordering);
    set_number(delivery, "maxInFlight", flags->max_in_flight);
    set_number(delivery, "ratePerSecond", flags->rate);
    if (flags->batch) {
        set_number(member_object(delivery, "batch"), "maxEvents", flags->batch);
    }
}

// The document that flags describe, over that of --file.
static enum status build_document(const struct egctl_flags *flags, const struct resource *resource,
                                  const char *id, json_t **ret_document, struct error *error) {
    struct buffer text = {0};
    json_t *document = NULL;
    enum status status = STATUS_OK;
    if (flags->file) {
        status = egctl_read_input(flags->file, &text, error);
        if (status == STATUS_OK) {
            status = json_parse(buffer_bytes(&text), &document, error);
            error_prefix(error, "%s", flags->file);
        }
    } else {
        document = json_object();
    }
    buffer_clear(&text);
    if (status != STATUS_OK) {
        return status;
    }
    if (!json_is_object(document)) {
        json_decref(document);
        return error_set(error, STATUS_INVALID, "%s: not a JSON object", flags->file);
    }
    if (!resource->id_is_made) {
        set_text(document, resource->id, id);
    }
    set_text(document, "type", flags->type);
    set_text(document, "eventType", flags->event);
    set_text(document, "functionId", flags->function);
    set_text(document, "method", flags->method);
    set_text(document, "path", flags->path);
    set_delivery(document, flags);
    if (flags->target_url) {
        if (!json_object_get(document, "type")) {
            json_object_set_new(document, "type", json_string("http"));
        }
        json_t *provider = json_object_get(document, "provider");
        if (!provider) {
            provider = json_object();
            json_object_set_new(document, "provider", provider);
        }
        set_text(provider, "url", flags->target_url);
    }
    if (strcmp(resource->command, "subscriptions") == 0 && !json_object_get(document, "type")) {
        json_object_set_new(document, "type", json_string("async"));
    }
    *ret_document = document;
    return STATUS_OK;
}

static void append_upper(struct bytes text, struct buffer *ret_text) {
    for (size_t i = 0; i < text.size; i++) {
        buffer_append_byte(ret_text, (char)toupper((unsigned char)text.data[i]));
    }
}

static struct bytes text_member(const json_t *document, const char *name, const char *otherwise) {
    const char *text = json_string_value(json_object_get(document, name));
    return bytes_of_text(text ? text : otherwise);
}

// Of the members that the gateway makes ids of, in the form that it keeps them in; false when some
// are missing.
static bool make_id(const struct resource *resource, const json_t *document,
                    struct buffer *ret_id) {
    struct buffer path = {0};
    struct buffer method = {0};
    struct bytes event = text_member(document, "eventType", "");
    struct bytes function = text_member(document, "functionId", "");
    bool is_cors = strcmp(resource->command, "cors") == 0;
    bool is_made = is_cors || (event.size > 0 && function.size > 0);
    bool is_sync = bytes_equal_text(text_member(document, "type", "async"), "sync");
    path_normalize(text_member(document, "path", "/"), &path);
    append_upper(text_member(document, "method", "POST"), &method);
    if (is_cors) {
        buffer_append(ret_id, buffer_bytes(&method));
        percent_encode_path_segment(buffer_bytes(&path), ret_id);
    } else if (is_made) {
        subscription_id_write(is_sync, event, function, buffer_bytes(&path), buffer_bytes(&method),
                              ret_id);
    }
    buffer_clear(&method);
    buffer_clear(&path);
    return is_made;
}

static bool find_id(const struct resource *resource, const json_t *document,
                    struct buffer *ret_id) {
    struct bytes id = text_member(document, resource->id, "");
    if (id.size > 0) {
        buffer_append(ret_id, id);
        return true;
    }
    return resource->id_is_made && make_id(resource, document, ret_id);
}

// Creates it; when it is there already, replaces it.
static int put(const struct egctl_flags *flags, const struct resource *resource, const char *id) {
    struct buffer url = {0};
    struct buffer found_id = {0};
    struct egctl_answer answer;
    struct error error = {0};
    json_t *document = NULL;
    json_t *stored = NULL;
    if (build_document(flags, resource, id, &document, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_USAGE, "%s", error.text);
    }
    if (!resource->id_is_made && !json_object_get(document, resource->id)) {
        return egctl_fail(EGCTL_USAGE,
                          "%s put: an id is needed, as argument or as \"%s\" in the file",
                          resource->command, resource->id);
    }
    egctl_resource_url(flags, resource->collection, NULL, &url);
    enum status status = call(flags, "POST", url.data, document, &answer, &stored, &error);
    const char *what = "Created";
    if (status == STATUS_FAILED && answer.status == 409 && find_id(resource, document, &found_id)) {
        buffer_reset(&url);
        egctl_resource_url(flags, resource->collection, found_id.data, &url);
        status = call(flags, "PUT", url.data, document, &answer, &stored, &error);
        what = "Replaced";
    }
    if (status != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (flags->wants_json) {
        egctl_print_json(stored);
    } else {
        printf("%s %s.\n", what, json_string_value(json_object_get(stored, resource->id)));
    }
    return EGCTL_OK;
}

int egctl_resources(const struct egctl_flags *flags, const char *command, int count,
                    char **arguments) {
    const struct resource *resource = find_resource(command);
    if (!resource) {
        return egctl_fail(EGCTL_USAGE, "no command \"%s\" (see egctl --help)", command);
    }
    const char *action = count > 0 ? arguments[0] : "list";
    const char *id = count > 1 ? arguments[1] : NULL;
    if (count > 2) {
        return egctl_fail(EGCTL_USAGE, "%s %s: what is \"%s\"?", command, action, arguments[2]);
    }
    if (strcmp(action, "list") == 0) {
        return list(flags, resource);
    }
    if (strcmp(action, "put") == 0) {
        return put(flags, resource, id);
    }
    bool is_get = strcmp(action, "get") == 0;
    if (!is_get && strcmp(action, "delete") != 0) {
        return egctl_fail(EGCTL_USAGE, "%s: no action \"%s\"; there are list, get, put, delete",
                          command, action);
    }
    if (!id) {
        return egctl_fail(EGCTL_USAGE, "%s %s: an id is needed", command, action);
    }
    return is_get ? get(flags, resource, id) : delete_one(flags, resource, id);
}
