// A function behind an HTTP URL: the event is POSTed, 2xx is success, redirects are failures.

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"
#include "core/functions/webhook_signature.h"

static const struct provider_field fields[] = {
    {.name = "url",
     .kind = PROVIDER_FIELD_URL,
     .is_required = true,
     .help = "Where the event is POSTed to."},
    {.name = "headers", .kind = PROVIDER_FIELD_OBJECT, .help = "Further headers: name to text."},
    PROVIDER_TIMEOUT_FIELD,
    {.name = "auth.bearer",
     .kind = PROVIDER_FIELD_TEXT,
     .is_secret = true,
     .help = "Token for Authorization: Bearer."},
    {.name = "auth.basic",
     .kind = PROVIDER_FIELD_TEXT,
     .is_secret = true,
     .help = "USER:PASSWORD for Authorization: Basic."},
    {.name = "signing.scheme",
     .kind = PROVIDER_FIELD_TEXT,
     .help = "standard-webhooks: signs each call."},
    {.name = "signing.secret",
     .kind = PROVIDER_FIELD_TEXT,
     .is_secret = true,
     .help = "The key: whsec_ and base64. Up to four with blanks between them all sign."},
    {.name = "http2", .kind = PROVIDER_FIELD_BOOLEAN, .help = "Speak HTTP/2."},
};

struct prepared {
    char *url;
    char *authorization;           // value of the header, or NULL
    struct webhook_signer *signer; // NULL = calls are not signed
    json_t *headers;               // name -> text; a reference
    int64_t timeout_ms;            // 0 = none of its own
    bool wants_http2;
};

#define OWN_HEADERS_MAX 100

static bool is_header_value(const json_t *value) {
    struct bytes text = json_string_bytes(value);
    return json_is_string(value) && header_value_is_valid(text);
}

static enum status check_headers(const json_t *headers, struct error *error) {
    const char *name;
    json_t *value;
    if (json_object_size(headers) > OWN_HEADERS_MAX) {
        return error_set(error, STATUS_INVALID, "provider.headers: more than %d", OWN_HEADERS_MAX);
    }
    json_object_foreach((json_t *)headers, name, value) {
        if (!header_name_is_valid(bytes_of_text(name)) || !is_header_value(value)) {
            return error_set(error, STATUS_INVALID,
                             "provider.headers.%.100s: must be the name of a header and its text",
                             name);
        }
    }
    return STATUS_OK;
}

static enum status check_signing(const json_t *provider, struct error *error) {
    const json_t *signing = json_object_get(provider, "signing");
    const char *scheme = json_string_value(json_object_get(signing, "scheme"));
    const char *secret = json_string_value(json_object_get(signing, "secret"));
    if (!signing || json_is_null(signing)) {
        return STATUS_OK;
    }
    if (!scheme || strcmp(scheme, "standard-webhooks") != 0) {
        return error_set(error, STATUS_INVALID,
                         "provider.signing.scheme: must be standard-webhooks");
    }
    if (!secret) {
        return error_set(error, STATUS_INVALID, "provider.signing.secret: is needed");
    }
    return webhook_secret_check(secret, error);
}

static const json_t *text_member(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_string_length(value) > 0 ? value : NULL;
}

static enum status check_auth(const json_t *auth, struct error *error) {
    const json_t *bearer = text_member(auth, "bearer");
    const json_t *basic = text_member(auth, "basic");
    if (bearer && basic) {
        return error_set(error, STATUS_INVALID, "provider.auth: either bearer or basic, not both");
    }
    if (bearer && !is_header_value(bearer)) {
        return error_set(error, STATUS_INVALID,
                         "provider.auth.bearer: must not hold control characters");
    }
    if (basic && !strchr(json_string_value(basic), ':')) {
        return error_set(error, STATUS_INVALID, "provider.auth.basic: must be USER:PASSWORD");
    }
    return STATUS_OK;
}

static enum status check(const json_t *provider, struct error *error) {
    enum status status = provider_check_timeout(provider, error);
    if (status == STATUS_OK) {
        status = check_headers(json_object_get(provider, "headers"), error);
    }
    if (status == STATUS_OK) {
        status = check_auth(json_object_get(provider, "auth"), error);
    }
    return status == STATUS_OK ? check_signing(provider, error) : status;
}

static void forget(void *state) {
    struct prepared *prepared = state;
    if (prepared) {
        free(prepared->url);
        provider_text_forget(prepared->authorization);
        webhook_signer_destroy(prepared->signer);
        json_decref(prepared->headers);
        free(prepared);
    }
}

static enum status prepare_authorization(struct invoker *invoker, const struct function *function,
                                         struct prepared *prepared, struct error *error) {
    char *bearer = NULL;
    char *basic = NULL;
    struct buffer value = {0};
    enum status status = provider_field_text(invoker, function, "auth.bearer", &bearer, error);
    if (status == STATUS_OK) {
        status = provider_field_text(invoker, function, "auth.basic", &basic, error);
    }
    if (status == STATUS_OK && bearer && bearer[0] != '\0') {
        buffer_append_format(&value, "Bearer %s", bearer);
    } else if (status == STATUS_OK && basic && basic[0] != '\0') {
        buffer_append_text(&value, "Basic ");
        base64_encode(bytes_of_text(basic), &value);
    }
    if (value.size > 0) {
        prepared->authorization = buffer_take(&value);
    }
    provider_text_forget(bearer);
    provider_text_forget(basic);
    return status;
}

static enum status prepare_signing(struct invoker *invoker, const struct function *function,
                                   struct prepared *prepared, struct error *error) {
    char *secret = NULL;
    enum status status = provider_field_text(invoker, function, "signing.secret", &secret, error);
    if (status == STATUS_OK && secret) {
        status = webhook_signer_create(secret, &prepared->signer, error);
    }
    provider_text_forget(secret);
    return status;
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    struct prepared *prepared = memory_allocate(sizeof *prepared);
    enum status status =
        provider_field_needed_text(invoker, function, "url", &prepared->url, error);
    if (status == STATUS_OK) {
        status = prepare_authorization(invoker, function, prepared, error);
    }
    if (status == STATUS_OK) {
        status = prepare_signing(invoker, function, prepared, error);
    }
    if (status != STATUS_OK) {
        forget(prepared);
        return status;
    }
    prepared->headers = json_incref(json_object_get(function->provider, "headers"));
    prepared->timeout_ms = provider_timeout_ms(function);
    prepared->wants_http2 = json_is_true(json_object_get(function->provider, "http2"));
    *ret_prepared = prepared;
    return STATUS_OK;
}

struct header_list {
    struct http_header *items; // room for all that there can be
    size_t count;
};

static void add_header(struct header_list *list, struct bytes name, struct bytes value) {
    list->items[list->count++] = (struct http_header){name, value};
}

// User-Agent, three of a signature, Authorization.
#define FIXED_HEADERS 5

static size_t headers_max(const struct provider_call *call, const struct prepared *prepared) {
    return call->message->header_count + call->header_count + json_object_size(prepared->headers) +
           FIXED_HEADERS;
}

// The function's own headers come last, and do not replace what the message needs.
static void add_own_headers(struct header_list *list, const struct prepared *prepared) {
    const char *name;
    json_t *value;
    if (prepared->authorization) {
        add_header(list, BYTES("Authorization"), bytes_of_text(prepared->authorization));
    }
    json_object_foreach(prepared->headers, name, value) {
        size_t same = 0;
        while (same < list->count &&
               !bytes_equal_ignoring_case(list->items[same].name, bytes_of_text(name))) {
            same++;
        }
        if (same == list->count) {
            add_header(list, bytes_of_text(name), bytes_of_text(json_string_value(value)));
        }
    }
}

static void sign(const struct provider_call *call, const struct webhook_signer *signer,
                 struct webhook_signature *ret_signature) {
    char id[WEBHOOK_ID_SIZE];
    struct bytes subscription = provider_call_header(call, "Event-Gateway-Subscription");
    if (call->event) {
        webhook_id_write(call->event->source, call->event->id, subscription, id);
    } else {
        webhook_id_write((struct bytes){0}, call->message->body, subscription, id);
    }
    webhook_sign(signer, id, clock_wall_us() / 1000000, call->message->body, ret_signature);
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    struct header_list list = {
        .items = memory_allocate(headers_max(call, prepared) * sizeof(struct http_header))};
    struct webhook_signature signature;
    for (size_t i = 0; i < call->message->header_count; i++) {
        add_header(&list, call->message->headers[i].name, call->message->headers[i].value);
    }
    add_header(&list, BYTES("User-Agent"), BYTES(PROVIDER_USER_AGENT));
    for (size_t i = 0; i < call->header_count; i++) {
        add_header(&list, call->headers[i].name, call->headers[i].value);
    }
    if (prepared->signer) {
        sign(call, prepared->signer, &signature);
        for (size_t i = 0; i < ARRAY_LENGTH(signature.headers); i++) {
            add_header(&list, signature.headers[i].name, signature.headers[i].value);
        }
    }
    add_own_headers(&list, prepared);
    struct http_call_options options = {
        .method = "POST",
        .url = prepared->url,
        .headers = list.items,
        .header_count = list.count,
        .body = call->message->body,
        .timeout_ms = provider_call_timeout(call, prepared->timeout_ms),
        .answer_max_bytes = call->answer_max_bytes,
        .wants_http2 = prepared->wants_http2,
    };
    provider_call_send(call, &options, NULL);
    free(list.items);
}

const struct provider provider_http = {
    .type = "http",
    .takes_batches = true,
    .missing_text = "Missing required fields for HTTP endpoint.",
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
