// What the AWS providers share: where a service is and who calls it, and the reading of its
// answers. For providers.
#ifndef EVENT_GATEWAY_FUNCTIONS_AWS_CALL_H
#define EVENT_GATEWAY_FUNCTIONS_AWS_CALL_H

#include "core/base/status.h"
#include "core/functions/aws_sign.h"
#include "core/functions/provider.h"
#include "core/functions/provider_call.h"
#include "core/functions/provider_fields.h"

// The fields that all of them have.
#define AWS_FIELDS                                                                                 \
    {.name = "region",                                                                             \
     .kind = PROVIDER_FIELD_TEXT,                                                                  \
     .is_required = true,                                                                          \
     .help = "us-east-1, ..."},                                                                    \
        {.name = "awsAccessKeyId",                                                                 \
         .kind = PROVIDER_FIELD_TEXT,                                                              \
         .is_secret = true,                                                                        \
         .help = "Default: the environment's AWS_ACCESS_KEY_ID and the two that belong to it."},   \
        {.name = "awsSecretAccessKey",                                                             \
         .kind = PROVIDER_FIELD_TEXT,                                                              \
         .is_secret = true,                                                                        \
         .help = "Belongs to awsAccessKeyId."},                                                    \
        {.name = "awsSessionToken",                                                                \
         .kind = PROVIDER_FIELD_TEXT,                                                              \
         .is_secret = true,                                                                        \
         .help = "Of temporary credentials."},                                                     \
        {.name = "endpoint",                                                                       \
         .kind = PROVIDER_FIELD_URL,                                                               \
         .help = "Instead of the service's own: an emulator, a VPC endpoint."},                    \
        PROVIDER_TIMEOUT_FIELD

// region, endpoint, timeoutMs, and both keys or none.
enum status must_check aws_check(const struct json_t *provider, struct error *error);

struct aws_service {
    const char *name;   // "lambda", in signatures, and in host names
    const char *host;   // "sync-states": in host names instead; NULL = name
    const char *action; // "lambda:invokeFunction", what people must permit
};

struct aws_target {
    const struct aws_service *service;
    char *origin;      // "https://lambda.us-east-1.amazonaws.com", with a path prefix if it has one
    struct bytes host; // in origin, as the Host header has it
    struct bytes path; // in origin: the prefix, empty or "/..."
    struct aws_signer *signer;
    int64_t timeout_ms; // 0 = none of its own
};
// default_origin: NULL = the service's own in the region; the field endpoint goes first. On failure
// there is nothing to clear.
enum status must_check aws_target_prepare(struct invoker *invoker, const struct function *function,
                                          const struct aws_service *service,
                                          const char *default_origin, struct aws_target *ret_target,
                                          struct error *error);
void aws_target_clear(struct aws_target *target);

struct aws_message {
    struct bytes path; // percent-encoded, "/..."
    const struct http_header *headers;
    size_t header_count;
    struct bytes body; // lives in the call
};
// Signs and sends; read begins with aws_answer_read.
void aws_target_send(const struct aws_target *target, struct provider_call *call,
                     const struct aws_message *message, provider_read_answer_fn read);

// Tells by AWS's error codes what the status does not: refused credentials are FORBIDDEN with
// status 403 and a text that says what to do, throttling has status 429, a missing resource 404, as
// some services say 400 for all of them, which means that the event is at fault.
void aws_answer_read(struct provider_call *call, const struct aws_service *service,
                     const struct http_answer *answer, struct invocation_result *result);

// The answer's member of that name becomes the result's body: what the original hands back.
void aws_answer_take_member(struct provider_call *call, const struct http_answer *answer,
                            const char *name, struct invocation_result *result);

#endif
