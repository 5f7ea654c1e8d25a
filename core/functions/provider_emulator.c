// A function of the local emulator of the first generation: the event is wrapped together with the
// function's id.

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider_field fields[] = {
    {.name = "emulatorUrl",
     .kind = PROVIDER_FIELD_URL,
     .is_required = true,
     .missing_text = "Missing required field emulatorURL for Emulator function.",
     .help = "Where the emulator listens."},
    {.name = "apiVersion",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .missing_text = "Missing required field apiVersion for Emulator function.",
     .help = "v0."},
};

struct prepared {
    char *url;
    char *function_id;
};

static enum status check(const json_t *provider, struct error *error) {
    const char *version = json_string_value(json_object_get(provider, "apiVersion"));
    if (strcmp(version, "v0") != 0) {
        return error_set(error, STATUS_INVALID, "Invalid Emulator API version \"%.100s\"", version);
    }
    return STATUS_OK;
}

static void forget(void *state) {
    struct prepared *prepared = state;
    free(prepared->url);
    free(prepared->function_id);
    free(prepared);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    char *base = NULL;
    enum status status = provider_field_needed_text(invoker, function, "emulatorUrl", &base, error);
    if (status == STATUS_OK) {
        struct prepared *prepared = memory_allocate(sizeof *prepared);
        struct buffer url = {0};
        struct bytes origin = bytes_of_text(base);
        while (bytes_end_with(origin, BYTES("/"))) {
            origin.size--;
        }
        buffer_append(&url, origin);
        buffer_append_text(&url, "/v0/emulator/api/functions/invoke");
        prepared->url = buffer_take(&url);
        prepared->function_id = bytes_to_text(function->id);
        *ret_prepared = prepared;
    }
    free(base);
    return status;
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/json")},
        {BYTES("User-Agent"), BYTES(PROVIDER_USER_AGENT)},
    };
    buffer_append_text(&call->body, "{\"functionId\":");
    json_append_string(bytes_of_text(prepared->function_id), &call->body);
    buffer_append_text(&call->body, ",\"payload\":");
    buffer_append(&call->body, call->message->body);
    buffer_append_byte(&call->body, '}');
    struct http_call_options options = {
        .method = "POST",
        .url = prepared->url,
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = buffer_bytes(&call->body),
        .timeout_ms = call->timeout_ms,
        .answer_max_bytes = call->answer_max_bytes,
    };
    provider_call_send(call, &options, NULL);
}

const struct provider provider_emulator = {
    .type = "emulator",
    .missing_text = "Missing required field emulatorURL for Emulator function.",
    .sends_body_only = true,
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
