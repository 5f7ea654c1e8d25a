#include "ingest/cors.h"

#include <ctype.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"

// Longer than any real one; keeps the matching of patterns short.
#define ORIGIN_MAX 1024

static bool letters_equal(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

// On a mismatch the last '*' takes one byte more: earlier ones never need to.
bool cors_pattern_matches(struct bytes pattern, struct bytes text) {
    size_t at = 0;
    size_t star = SIZE_MAX;
    size_t resume = 0;
    for (size_t i = 0; i < text.size;) {
        if (at < pattern.size && pattern.data[at] == '*') {
            star = at++;
            resume = i;
        } else if (at < pattern.size && letters_equal(pattern.data[at], text.data[i])) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*') {
        at++;
    }
    return at == pattern.size;
}

static const json_t *list_of(const struct cors_rule *rule, const char *name) {
    return json_object_get(rule->document, name);
}

static bool list_holds(const json_t *list, struct bytes text) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (bytes_equal_ignoring_case(json_string_bytes(item), text)) {
            return true;
        }
    }
    return false;
}

// "*" and nothing to be kept apart: one answer for all.
static bool allows_everybody(const struct cors_rule *rule) {
    return !rule ||
           (!rule->allow_credentials && list_holds(list_of(rule, "allowedOrigins"), BYTES("*")));
}

static bool allows_origin(const struct cors_rule *rule, struct bytes origin) {
    const json_t *list = list_of(rule, "allowedOrigins");
    if (origin.size == 0 || origin.size > ORIGIN_MAX) {
        return false;
    }
    // Sandboxed pages, files and redirects all have the origin "null": any page can make itself one
    // of them, so no pattern allows it.
    if (bytes_equal_ignoring_case(origin, BYTES("null"))) {
        return list_holds(list, origin);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct bytes pattern = json_string_bytes(item);
        if (cors_pattern_matches(pattern, origin)) {
            return true;
        }
    }
    return false;
}

static bool allows_method(const struct cors_rule *rule, struct bytes method) {
    const json_t *list = rule ? list_of(rule, "allowedMethods") : NULL;
    return !rule || list_holds(list, BYTES("*")) || list_holds(list, method);
}

static bool allows_header(const struct cors_rule *rule, struct bytes name) {
    const json_t *list = rule ? list_of(rule, "allowedHeaders") : NULL;
    return !rule || bytes_equal_ignoring_case(name, BYTES("Origin")) ||
           list_holds(list, BYTES("*")) || list_holds(list, name);
}

static void add(struct cors_answer *answer, struct bytes name, struct bytes value) {
    answer->headers[answer->count++] = (struct http_header){name, value};
}

static void add_origin(const struct cors_rule *rule, const struct cors_request *request,
                       struct cors_answer *answer) {
    add(answer, BYTES("Access-Control-Allow-Origin"),
        allows_everybody(rule) ? BYTES("*") : request->origin);
    if (rule && rule->allow_credentials) {
        add(answer, BYTES("Access-Control-Allow-Credentials"), BYTES("true"));
    }
}

void cors_answer_request(const struct cors_rule *rule, const struct cors_request *request,
                         struct cors_answer *ret_answer) {
    *ret_answer = (struct cors_answer){.is_there = true};
    bool is_for_everybody = allows_everybody(rule);
    if (!is_for_everybody) {
        // Also without an Origin: a cache must not give that answer to another page.
        add(ret_answer, BYTES("Vary"), BYTES("Origin"));
    }
    if ((is_for_everybody || allows_origin(rule, request->origin)) &&
        allows_method(rule, request->method)) {
        add_origin(rule, request, ret_answer);
    }
    if (!rule) {
        add(ret_answer, BYTES("Access-Control-Expose-Headers"), BYTES("Event-Id"));
    }
}

// How much of a text from outside an error message shows.
#define SHOWN(bytes) (int)((bytes).size < 100 ? (bytes).size : 100), (bytes).data

static enum status check_headers(const struct cors_rule *rule, struct bytes list,
                                 struct error *error) {
    while (list.size > 0) {
        struct bytes name = bytes_slice(list, 0, bytes_find(list, ','));
        list = bytes_slice(list, name.size + 1, list.size);
        name = bytes_trim(name);
        if (name.size > 0 && !allows_header(rule, name)) {
            return error_set(error, STATUS_INVALID, "CORS: header \"%.*s\" is not allowed",
                             SHOWN(name));
        }
    }
    return STATUS_OK;
}

static enum status check_preflight(const struct cors_rule *rule, const struct cors_request *request,
                                   struct error *error) {
    if (!allows_everybody(rule) && !allows_origin(rule, request->origin)) {
        return error_set(error, STATUS_INVALID, "CORS: origin \"%.*s\" is not allowed",
                         SHOWN(request->origin));
    }
    if (!allows_method(rule, request->method)) {
        return error_set(error, STATUS_INVALID, "CORS: method \"%.*s\" is not allowed",
                         SHOWN(request->method));
    }
    return check_headers(rule, request->headers, error);
}

enum status cors_answer_preflight(const struct cors_rule *rule, const struct cors_request *request,
                                  struct cors_answer *ret_answer, struct error *error) {
    *ret_answer = (struct cors_answer){.is_there = true};
    add(ret_answer, BYTES("Vary"),
        BYTES("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
    enum status status = check_preflight(rule, request, error);
    if (status != STATUS_OK) {
        return status;
    }
    add_origin(rule, request, ret_answer);
    // What was asked about, by name: with credentials "*" would be a name like any other.
    add(ret_answer, BYTES("Access-Control-Allow-Methods"), request->method);
    if (request->headers.size > 0) {
        add(ret_answer, BYTES("Access-Control-Allow-Headers"), request->headers);
    }
    return STATUS_OK;
}

static bool is_answers_own(struct bytes name) {
    return bytes_equal_ignoring_case(name, BYTES("Access-Control-Allow-Origin")) ||
           bytes_equal_ignoring_case(name, BYTES("Access-Control-Allow-Credentials"));
}

size_t cors_answer_join(const struct cors_answer *answer, const struct http_response *response,
                        struct http_header *ret_headers) {
    size_t count = 0;
    for (size_t i = 0; i < response->header_count; i++) {
        if (!is_answers_own(response->headers[i].name)) {
            ret_headers[count++] = response->headers[i];
        }
    }
    for (size_t i = 0; i < answer->count; i++) {
        ret_headers[count++] = answer->headers[i];
    }
    return count;
}
