// A function of Google Cloud behind its URL. With a service account each call carries an ID token
// for that URL, which is kept until it is about to end.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/google_token.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

#define FETCH_TIMEOUT_MS 10000
#define RENEW_BEFORE_S 300
#define USE_UNTIL_S 30 // before its end: it has to arrive
#define FORM_SECONDS 300

static const struct provider_field fields[] = {
    {.name = "url",
     .kind = PROVIDER_FIELD_URL,
     .is_required = true,
     .help = "The function's own address; without its query it is the token's audience."},
    {.name = "serviceAccount",
     .kind = PROVIDER_FIELD_TEXT,
     .is_secret = true,
     .help = "The JSON of a service account's key, as text. Default: a public function."},
    PROVIDER_TIMEOUT_FIELD,
};

// Belongs to the invoker's loop, and is not immutable as what holds it is.
struct token {
    char *authorization; // "Bearer ...", or NULL
    int64_t expires_s;
    size_t fetches; // that run
    // What is POSTed for one; kept for a while, as signing takes a millisecond of the loop's time.
    struct buffer form;
    int64_t signed_s;
};

struct prepared {
    char *url;
    struct google_account *account; // NULL = a public function
    struct token *token;
    int64_t timeout_ms;
};

static enum status check(const json_t *provider, struct error *error) {
    const json_t *key = json_object_get(provider, "serviceAccount");
    struct google_account *account = NULL;
    if (json_string_length(key) > 0) {
        struct bytes text = json_string_bytes(key);
        enum status status = google_account_create(text, &account, error);
        google_account_destroy(account);
        if (status != STATUS_OK) {
            error_prefix(error, "provider.serviceAccount");
            return status;
        }
    }
    return provider_check_timeout(provider, error);
}

static void forget(void *state) {
    struct prepared *prepared = state;
    free(prepared->url);
    google_account_destroy(prepared->account);
    provider_text_forget(prepared->token->authorization);
    buffer_clear(&prepared->token->form);
    free(prepared->token);
    free(prepared);
}

static enum status prepare_account(struct invoker *invoker, const struct function *function,
                                   struct google_account **ret_account, struct error *error) {
    char *key = NULL;
    enum status status = provider_field_text(invoker, function, "serviceAccount", &key, error);
    if (status == STATUS_OK && key && key[0] != '\0') {
        status = google_account_create(bytes_of_text(key), ret_account, error);
        if (status != STATUS_OK) {
            error_prefix(error, "provider.serviceAccount");
        }
    }
    provider_text_forget(key);
    return status;
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    char *url = NULL;
    struct google_account *account = NULL;
    enum status status = provider_field_needed_text(invoker, function, "url", &url, error);
    if (status == STATUS_OK) {
        status = prepare_account(invoker, function, &account, error);
    }
    if (status == STATUS_OK) {
        struct prepared *prepared = memory_allocate(sizeof *prepared);
        *prepared = (struct prepared){.url = url,
                                      .account = account,
                                      .token = memory_allocate(sizeof *prepared->token),
                                      .timeout_ms = provider_timeout_ms(function)};
        *ret_prepared = prepared;
    } else {
        free(url);
    }
    return status;
}

// --- the call

// Google's front end says what it misses in this header; a function that refuses by itself has
// none.
static void read(struct provider_call *call, const struct http_answer *answer,
                 struct invocation_result *result) {
    struct bytes challenge;
    if ((result->status != 401 && result->status != 403) ||
        !http_answer_header(answer, "WWW-Authenticate", &challenge) ||
        !bytes_start_with_ignoring_case(challenge, BYTES("Bearer"))) {
        return;
    }
    provider_call_forbid(call, result,
                         result->status == 401
                             ? "Function call failed with status 401. The function is not public, "
                               "or its URL is not the audience that it expects. Please provide the "
                               "key of a service account and the function's own URL."
                             : "Function call failed with status 403. The service account may not "
                               "invoke this function. Please grant it the role of an invoker.");
}

static void call_with_token(struct provider_call *call, const struct prepared *prepared) {
    struct http_header authorization = {BYTES("Authorization"), {0}};
    if (prepared->account) {
        authorization.value = bytes_of_text(prepared->token->authorization);
    }
    struct provider_post post = {.url = prepared->url,
                                 .headers = &authorization,
                                 .header_count = prepared->account ? 1 : 0,
                                 .timeout_ms = prepared->timeout_ms};
    provider_call_post(call, &post, read);
}

// --- the token

static bool is_valid_for(const struct token *token, int64_t seconds) {
    return token->authorization && clock_wall_us() / 1000000 + seconds < token->expires_s;
}

// One request for a token. Calls at the same time that have none each make their own: nobody waits
// for another one's, and so each can be cancelled alone.
struct fetch {
    struct provider_call *call;
    const struct prepared *prepared; // lives as long as the call
    struct buffer form;
};

static enum status take_token(struct token *token, struct bytes answer, struct error *error) {
    char *text = NULL;
    int64_t expires_s = 0;
    enum status status = google_token_read(answer, &text, &expires_s, error);
    if (status == STATUS_OK) {
        struct buffer authorization = {0};
        buffer_append_format(&authorization, "Bearer %s", text);
        provider_text_forget(token->authorization);
        token->authorization = buffer_take(&authorization);
        token->expires_s = expires_s;
    }
    provider_text_forget(text);
    return status;
}

static void read_refusal(struct provider_call *call, const struct http_answer *answer,
                         const char *why, struct invocation_result *result) {
    char text[500];
    if (answer->status >= 400 && answer->status < 500 && !result->is_throttled) {
        // 400 would end the delivery, and the event is not at fault.
        snprintf(text, sizeof text,
                 "Function call failed: Google does not take the provided service account's key "
                 "(%.300s). Please provide a valid one.",
                 why);
        provider_call_forbid(call, result, text);
        return;
    }
    provider_call_fail(call, result, "Google gives no token for the service account: %s", why);
    result->status = answer->status < 300 ? 0 : answer->status;
}

static void finish_without_token(struct provider_call *call, const struct http_answer *answer,
                                 const struct error *why) {
    struct invocation_result result = {.duration_us = answer->duration_us};
    provider_call_read(answer, &result);
    result.is_function_answer = false;
    if (answer->result == HTTP_CALL_ANSWERED) {
        read_refusal(call, answer, why->text, &result);
    }
    result.body = (struct bytes){0};
    provider_call_finish(call, &result);
}

static void fetched(void *context, const struct http_answer *answer) {
    struct fetch *fetch = context;
    struct provider_call *call = fetch->call;
    const struct prepared *prepared = fetch->prepared;
    struct error error = {0};
    enum status status = STATUS_INVALID;
    buffer_clear(&fetch->form);
    free(fetch);
    call->http_call = NULL;
    prepared->token->fetches--;
    if (answer->result == HTTP_CALL_ANSWERED) {
        status = take_token(prepared->token, answer->body, &error);
    }
    bool has_token = status == STATUS_OK || is_valid_for(prepared->token, USE_UNTIL_S);
    if (!has_token || answer->result == HTTP_CALL_CANCELLED) {
        finish_without_token(call, answer, &error);
        return;
    }
    if (call->timeout_ms > 0) {
        int64_t left_ms = call->timeout_ms - answer->duration_us / 1000;
        call->timeout_ms = left_ms > 0 ? left_ms : 1;
    }
    call_with_token(call, prepared);
}

static enum status sign_form(const struct prepared *prepared, struct error *error) {
    struct token *token = prepared->token;
    struct bytes url = bytes_of_text(prepared->url);
    struct bytes audience = bytes_slice(url, 0, bytes_find(url, '?'));
    int64_t now_s = clock_wall_us() / 1000000;
    if (token->form.size > 0 && now_s >= token->signed_s &&
        now_s - token->signed_s < FORM_SECONDS) {
        return STATUS_OK;
    }
    buffer_reset(&token->form);
    token->signed_s = now_s;
    return google_token_request(prepared->account, audience, now_s, &token->form, error);
}

static void fetch_token(struct provider_call *call, const struct prepared *prepared) {
    static const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/x-www-form-urlencoded")},
        {BYTES("User-Agent"), BYTES(PROVIDER_USER_AGENT)},
    };
    struct error error = {0};
    if (sign_form(prepared, &error) != STATUS_OK) {
        provider_call_refuse(call, &error);
        return;
    }
    struct fetch *fetch = memory_allocate(sizeof *fetch);
    *fetch = (struct fetch){.call = call, .prepared = prepared};
    buffer_append(&fetch->form, buffer_bytes(&prepared->token->form));
    struct http_call_options options = {
        .method = "POST",
        .url = google_account_token_url(prepared->account),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = buffer_bytes(&fetch->form),
        .timeout_ms = provider_call_timeout(call, FETCH_TIMEOUT_MS),
        .answer_max_bytes = 65536,
    };
    if (http_client_send(call->client, &options, fetched, fetch, &call->http_call, &error) !=
        STATUS_OK) {
        buffer_clear(&fetch->form);
        free(fetch);
        provider_call_refuse(call, &error);
        return;
    }
    prepared->token->fetches++;
}

static bool needs_token(const struct prepared *prepared) {
    const struct token *token = prepared->token;
    // While one call renews it, the others go on with what they have.
    return prepared->account &&
           !is_valid_for(token, token->fetches > 0 ? USE_UNTIL_S : RENEW_BEFORE_S);
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    if (needs_token(prepared)) {
        fetch_token(call, prepared);
    } else {
        call_with_token(call, prepared);
    }
}

const struct provider provider_google_function = {
    .type = "gcf",
    .missing_text = "Missing required fields for Google Cloud function.",
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
