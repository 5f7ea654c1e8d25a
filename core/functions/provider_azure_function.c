// A function of Azure Functions with an HTTP trigger.

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

#define APP_MAX 60

static const struct provider_field fields[] = {
    {.name = "url",
     .kind = PROVIDER_FIELD_URL,
     .help = "Where the function's HTTP trigger is, without its code. Or app and function."},
    {.name = "app",
     .kind = PROVIDER_FIELD_TEXT,
     .help = "The function app: APP of APP.azurewebsites.net."},
    {.name = "function",
     .kind = PROVIDER_FIELD_TEXT,
     .help = "The function's name in the app: NAME of /api/NAME."},
    {.name = "key",
     .kind = PROVIDER_FIELD_TEXT,
     .is_secret = true,
     .help = "A key of the function or of its app, sent as x-functions-key."},
    PROVIDER_TIMEOUT_FIELD,
};

struct prepared {
    char *url;
    char *key; // NULL = an anonymous function
    int64_t timeout_ms;
};

static const char *text_of(const json_t *provider, const char *name) {
    const char *text = json_string_value(json_object_get(provider, name));
    return text && text[0] != '\0' ? text : NULL;
}

// It becomes a part of a host name.
static bool is_app(const char *text) {
    for (const char *byte = text; *byte; byte++) {
        bool is_letter = (*byte >= 'a' && *byte <= 'z') || (*byte >= 'A' && *byte <= 'Z');
        if (!is_letter && !(*byte >= '0' && *byte <= '9') && *byte != '-') {
            return false;
        }
    }
    return strlen(text) <= APP_MAX;
}

static bool holds_code(const char *url) {
    const char *query = strchr(url, '?');
    return query && (strstr(query, "?code=") || strstr(query, "&code="));
}

static enum status check(const json_t *provider, struct error *error) {
    const char *url = text_of(provider, "url");
    const char *app = text_of(provider, "app");
    const char *function = text_of(provider, "function");
    const char *key = text_of(provider, "key");
    if (url ? app || function : !app || !function) {
        return error_set(error, STATUS_INVALID, "%s", provider_azure_function.missing_text);
    }
    if (url && holds_code(url)) {
        return error_set(error, STATUS_INVALID,
                         "provider.url: holds a code, which everybody could read; give it as key");
    }
    if (app && !is_app(app)) {
        return error_set(error, STATUS_INVALID, "provider.app: must be the name of a function app");
    }
    for (; key && *key; key++) {
        if (*key <= ' ' || *key > '~') {
            return error_set(error, STATUS_INVALID, "provider.key: is not a key");
        }
    }
    return provider_check_timeout(provider, error);
}

static void forget(void *state) {
    struct prepared *prepared = state;
    free(prepared->url);
    provider_text_forget(prepared->key);
    free(prepared);
}

static char *make_url(const json_t *provider) {
    struct buffer url = {0};
    if (text_of(provider, "url")) {
        return memory_copy_text(text_of(provider, "url"));
    }
    buffer_append_format(&url, "https://%s.azurewebsites.net/api/", text_of(provider, "app"));
    percent_encode_path_segment(bytes_of_text(text_of(provider, "function")), &url);
    return buffer_take(&url);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    const json_t *provider = function->provider;
    char *key = NULL;
    if (!text_of(provider, "url") &&
        (!text_of(provider, "app") || !text_of(provider, "function"))) {
        return error_set(error, STATUS_INVALID, "%s", provider_azure_function.missing_text);
    }
    enum status status = provider_field_text(invoker, function, "key", &key, error);
    if (status == STATUS_OK) {
        struct prepared *prepared = memory_allocate(sizeof *prepared);
        *prepared = (struct prepared){
            .url = make_url(provider), .key = key, .timeout_ms = provider_timeout_ms(function)};
        *ret_prepared = prepared;
    }
    return status;
}

// The host answers a wrong key without a body; a function that says 401 itself has one.
static void read(struct provider_call *call, const struct http_answer *answer,
                 struct invocation_result *result) {
    if (result->status == 401 && answer->body.size == 0) {
        provider_call_forbid(call, result,
                             "Function call failed with status 401. The provided key is not one of "
                             "this function or its app. Please provide a valid key.");
    }
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    bool has_key = prepared->key && prepared->key[0] != '\0';
    struct http_header key = {BYTES("x-functions-key"), {0}};
    if (has_key) {
        key.value = bytes_of_text(prepared->key);
    }
    struct provider_post post = {.url = prepared->url,
                                 .headers = &key,
                                 .header_count = has_key ? 1 : 0,
                                 .timeout_ms = prepared->timeout_ms};
    provider_call_post(call, &post, read);
}

const struct provider provider_azure_function = {
    .type = "azurefunction",
    .missing_text = "Missing required fields for Azure function: either url, or app and function.",
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
