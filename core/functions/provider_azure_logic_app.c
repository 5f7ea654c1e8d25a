// A workflow of Azure Logic Apps behind its HTTP trigger, whose URL is signed: who knows it may
// call.

#include <jansson.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider_field fields[] = {
    {.name = "url",
     .kind = PROVIDER_FIELD_URL,
     .is_required = true,
     .is_secret = true,
     .help = "The trigger's URL with its signature, used as it is."},
    PROVIDER_TIMEOUT_FIELD,
};

struct prepared {
    char *url;
    int64_t timeout_ms;
};

static void forget(void *state) {
    struct prepared *prepared = state;
    provider_text_forget(prepared->url);
    free(prepared);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    char *url = NULL;
    enum status status = provider_field_needed_text(invoker, function, "url", &url, error);
    if (status == STATUS_OK) {
        struct prepared *prepared = memory_allocate(sizeof *prepared);
        *prepared = (struct prepared){.url = url, .timeout_ms = provider_timeout_ms(function)};
        *ret_prepared = prepared;
    }
    return status;
}

// The platform's errors are {"error":{"code","message"}}; what a workflow's own Response action
// says is the function's answer.
static void read(struct provider_call *call, const struct http_answer *answer,
                 struct invocation_result *result) {
    json_t *document = NULL;
    if (result->status < 400 || json_parse(answer->body, &document, NULL) != STATUS_OK) {
        return;
    }
    const json_t *problem = json_object_get(document, "error");
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *message = json_string_value(json_object_get(problem, "message"));
    if (code && message && (result->status == 401 || result->status == 403)) {
        provider_call_forbid(call, result,
                             "Function call failed: the provided URL's signature is not valid for "
                             "this workflow. Please provide the URL of its trigger anew.");
    } else if (code && message) {
        provider_call_fail(call, result, "Logic Apps answered with status %u: %.100s: %.300s",
                           result->status, code, message);
    }
    json_decref(document);
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    struct provider_post post = {.url = prepared->url, .timeout_ms = prepared->timeout_ms};
    provider_call_post(call, &post, read);
}

const struct provider provider_azure_logic_app = {
    .type = "azurelogicapp",
    .missing_text = "Missing required fields for Azure Logic App.",
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = provider_check_timeout,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
