// An action of Apache OpenWhisk, invoked by its REST API.

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider_field fields[] = {
    {.name = "apiHost",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .help = "Where OpenWhisk is: a host, by https, or a URL."},
    {.name = "namespace",
     .kind = PROVIDER_FIELD_TEXT,
     .help = "Default: _, the one that the key belongs to."},
    {.name = "action",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .help = "The action: NAME or PACKAGE/NAME."},
    {.name = "auth",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .is_secret = true,
     .help = "The key: UUID:KEY."},
    {.name = "blocking",
     .kind = PROVIDER_FIELD_BOOLEAN,
     .help = "true (default): a delivery waits for the action. false: it ends when OpenWhisk has "
             "taken it; synchronous calls wait all the same."},
    PROVIDER_TIMEOUT_FIELD,
};

struct prepared {
    char *url; // without the query
    char *authorization;
    bool is_blocking;
    int64_t timeout_ms;
};

static bool is_url(const char *host) {
    return strncmp(host, "https://", 8) == 0 || strncmp(host, "http://", 7) == 0;
}

static bool is_host(const char *host) {
    const char *name = is_url(host) ? strstr(host, "//") + 2 : host;
    return name[0] != '\0' && name[0] != '/' && !strpbrk(name, "?#@% \t\r\n\"\\");
}

static bool is_action(const char *action) {
    const char *slash = strchr(action, '/');
    return action[0] != '/' && (!slash || (slash[1] != '\0' && !strchr(slash + 1, '/')));
}

static enum status check(const json_t *provider, struct error *error) {
    const char *auth = json_string_value(json_object_get(provider, "auth"));
    if (!is_host(json_string_value(json_object_get(provider, "apiHost")))) {
        return error_set(error, STATUS_INVALID, "provider.apiHost: must be a host or a URL");
    }
    if (!is_action(json_string_value(json_object_get(provider, "action")))) {
        return error_set(error, STATUS_INVALID, "provider.action: must be NAME or PACKAGE/NAME");
    }
    if (!strchr(auth, ':')) {
        return error_set(error, STATUS_INVALID, "provider.auth: must be UUID:KEY");
    }
    return provider_check_timeout(provider, error);
}

static void forget(void *state) {
    struct prepared *prepared = state;
    free(prepared->url);
    provider_text_forget(prepared->authorization);
    free(prepared);
}

static char *make_url(const json_t *provider) {
    const char *host = json_string_value(json_object_get(provider, "apiHost"));
    struct bytes action = bytes_of_text(json_string_value(json_object_get(provider, "action")));
    const char *name_space = json_string_value(json_object_get(provider, "namespace"));
    size_t slash = bytes_find(action, '/');
    struct buffer url = {0};
    buffer_append_text(&url, is_url(host) ? "" : "https://");
    buffer_append_text(&url, host);
    while (url.data[url.size - 1] == '/') {
        url.data[--url.size] = '\0';
    }
    buffer_append_text(&url, "/api/v1/namespaces/");
    percent_encode_path_segment(
        name_space && name_space[0] != '\0' ? bytes_of_text(name_space) : BYTES("_"), &url);
    buffer_append_text(&url, "/actions/");
    if (slash < action.size) {
        percent_encode_path_segment(bytes_slice(action, 0, slash), &url);
        buffer_append_byte(&url, '/');
        action = bytes_slice(action, slash + 1, action.size);
    }
    percent_encode_path_segment(action, &url);
    return buffer_take(&url);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    const json_t *provider = function->provider;
    char *auth = NULL;
    if (!json_string_value(json_object_get(provider, "apiHost")) ||
        !json_string_value(json_object_get(provider, "action"))) {
        return error_set(error, STATUS_INVALID, "%s", provider_openwhisk.missing_text);
    }
    enum status status = provider_field_needed_text(invoker, function, "auth", &auth, error);
    if (status == STATUS_OK) {
        struct prepared *prepared = memory_allocate(sizeof *prepared);
        struct buffer authorization = {0};
        buffer_append_text(&authorization, "Basic ");
        base64_encode(bytes_of_text(auth), &authorization);
        *prepared = (struct prepared){
            .url = make_url(provider),
            .authorization = buffer_take(&authorization),
            .is_blocking = !json_is_false(json_object_get(provider, "blocking")),
            .timeout_ms = provider_timeout_ms(function),
        };
        *ret_prepared = prepared;
    }
    provider_text_forget(auth);
    return status;
}

// The record of an activation holds the action's result; an action that fails is status 502, with
// its record too.
static void read_activation(struct provider_call *call, const json_t *response,
                            struct invocation_result *result) {
    const json_t *value = json_object_get(response, "result");
    const json_t *error = json_object_get(value, "error");
    const char *status = json_string_value(json_object_get(response, "status"));
    if (result->outcome == INVOCATION_SUCCEEDED &&
        !json_is_false(json_object_get(response, "success"))) {
        if (value) {
            json_append(value, &call->answer);
        }
        result->body = buffer_bytes(&call->answer);
        result->content_type = BYTES("application/json");
        return;
    }
    buffer_reset(&call->answer);
    if (error) {
        json_append(error, &call->answer);
    }
    provider_call_fail(call, result, "the action failed (%.50s)%s%.300s", status ? status : "?",
                       error ? ": " : "", error ? call->answer.data : "");
}

static void read_problem(struct provider_call *call, const json_t *document,
                         struct invocation_result *result) {
    const char *error = json_string_value(json_object_get(document, "error"));
    if (result->status == 401 || result->status == 403) {
        provider_call_forbid(call, result,
                             "Function call failed: the provided auth is not valid for this "
                             "namespace. Please provide a valid key.");
        return;
    }
    provider_call_fail(call, result, "OpenWhisk answered with status %u%s%.300s", result->status,
                       error ? ": " : "", error ? error : "");
}

static void read(struct provider_call *call, const struct http_answer *answer,
                 struct invocation_result *result) {
    json_t *document = NULL;
    if (answer->result != HTTP_CALL_ANSWERED) {
        return;
    }
    if (json_parse(answer->body, &document, NULL) != STATUS_OK) {
        document = NULL;
    }
    const json_t *response = json_object_get(document, "response");
    if (json_is_object(response)) {
        read_activation(call, response, result);
    } else if (result->outcome != INVOCATION_SUCCEEDED) {
        read_problem(call, document, result);
    } else if (result->status == 202 && !provider_call_is_delivery(call)) {
        // It goes on over there, but whoever waits here gets no answer.
        provider_call_fail(call, result,
                           "the action takes longer than OpenWhisk lets callers wait");
        result->outcome = INVOCATION_TIMED_OUT;
    }
    json_decref(document);
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    bool waits = prepared->is_blocking || !provider_call_is_delivery(call);
    struct buffer url = {0};
    const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/json")},
        {BYTES("Authorization"), bytes_of_text(prepared->authorization)},
        {BYTES("User-Agent"), BYTES(PROVIDER_USER_AGENT)},
    };
    buffer_append_format(&url, "%s?blocking=%s", prepared->url, waits ? "true" : "false");
    struct http_call_options options = {
        .method = "POST",
        .url = url.data,
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = call->message->body,
        .timeout_ms = provider_call_timeout(call, prepared->timeout_ms),
        .answer_max_bytes = call->answer_max_bytes,
    };
    provider_call_send(call, &options, read);
    buffer_clear(&url);
}

const struct provider provider_openwhisk = {
    .type = "openwhisk",
    .missing_text = "Missing required fields for OpenWhisk action.",
    .sends_body_only = true,
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
