#include "core/functions/aws_call.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/functions/provider_fields.h"

// It becomes a part of a host name.
static bool is_region(const char *text) {
    for (const char *byte = text; *byte; byte++) {
        if (!(*byte >= 'a' && *byte <= 'z') && !(*byte >= '0' && *byte <= '9') && *byte != '-') {
            return false;
        }
    }
    return text[0] != '\0';
}

static bool is_there(const json_t *provider, const char *name) {
    return json_string_length(json_object_get(provider, name)) > 0;
}

static bool has_access_key(const json_t *provider) {
    return is_there(provider, "awsAccessKeyId") || is_there(provider, "awsAccessKeyID");
}

enum status aws_check(const json_t *provider, struct error *error) {
    const char *region = json_string_value(json_object_get(provider, "region"));
    const char *endpoint = json_string_value(json_object_get(provider, "endpoint"));
    if (!is_region(region)) {
        return error_set(error, STATUS_INVALID,
                         "provider.region: must be the name of a region, as us-east-1");
    }
    if (endpoint && strpbrk(endpoint, "?#@")) {
        return error_set(error, STATUS_INVALID,
                         "provider.endpoint: must be a URL without a query and credentials");
    }
    if (has_access_key(provider) != is_there(provider, "awsSecretAccessKey")) {
        return error_set(error, STATUS_INVALID,
                         "provider: awsAccessKeyId and awsSecretAccessKey belong together");
    }
    return provider_check_timeout(provider, error);
}

// --- who calls

struct credentials {
    char *access_key_id;
    char *secret_access_key;
    char *session_token;
};

static void clear_credentials(struct credentials *credentials) {
    provider_text_forget(credentials->access_key_id);
    provider_text_forget(credentials->secret_access_key);
    provider_text_forget(credentials->session_token);
    *credentials = (struct credentials){0};
}

static char *text_of_environment(const char *name) {
    const char *value = getenv(name);
    return value && value[0] != '\0' ? memory_copy_text(value) : NULL;
}

static enum status read_fields(struct invoker *invoker, const struct function *function,
                               struct credentials *credentials, struct error *error) {
    enum status status = provider_field_text(invoker, function, "awsAccessKeyId",
                                             &credentials->access_key_id, error);
    if (status == STATUS_OK && !credentials->access_key_id) {
        status = provider_field_text(invoker, function, "awsAccessKeyID",
                                     &credentials->access_key_id, error);
    }
    if (status == STATUS_OK) {
        status = provider_field_text(invoker, function, "awsSecretAccessKey",
                                     &credentials->secret_access_key, error);
    }
    if (status == STATUS_OK) {
        status = provider_field_text(invoker, function, "awsSessionToken",
                                     &credentials->session_token, error);
    }
    return status;
}

static bool is_given(const char *text) {
    return text && text[0] != '\0';
}

static bool are_complete(const struct credentials *credentials) {
    return is_given(credentials->access_key_id) && is_given(credentials->secret_access_key);
}

// The function's own, else the environment's.
static enum status find_credentials(struct invoker *invoker, const struct function *function,
                                    struct credentials *ret_credentials, struct error *error) {
    struct credentials found = {0};
    enum status status = read_fields(invoker, function, &found, error);
    if (status == STATUS_OK && !are_complete(&found)) {
        clear_credentials(&found);
        found.access_key_id = text_of_environment("AWS_ACCESS_KEY_ID");
        found.secret_access_key = text_of_environment("AWS_SECRET_ACCESS_KEY");
        found.session_token = text_of_environment("AWS_SESSION_TOKEN");
    }
    if (status == STATUS_OK && !are_complete(&found)) {
        status = error_set(error, STATUS_INVALID,
                           "There are no AWS credentials: give the function awsAccessKeyId and "
                           "awsSecretAccessKey, or start the gateway with AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY.");
    }
    if (status != STATUS_OK) {
        clear_credentials(&found);
        return status;
    }
    *ret_credentials = found;
    return STATUS_OK;
}

// --- where to

static void append_own_origin(struct buffer *origin, const char *service, const char *region) {
    bool is_china = strncmp(region, "cn-", 3) == 0;
    buffer_append_format(origin, "https://%s.%s.amazonaws.com%s", service, region,
                         is_china ? ".cn" : "");
}

static enum status find_origin(struct invoker *invoker, const struct function *function,
                               const char *service, const char *default_origin,
                               struct buffer *ret_origin, struct error *error) {
    const char *region = json_string_value(json_object_get(function->provider, "region"));
    char *endpoint = NULL;
    enum status status = provider_field_text(invoker, function, "endpoint", &endpoint, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (!region || !is_region(region)) {
        status = error_set(error, STATUS_INVALID, "provider.region: is missing or not a region");
    } else if (is_given(endpoint)) {
        buffer_append_text(ret_origin, endpoint);
    } else if (default_origin) {
        buffer_append_text(ret_origin, default_origin);
    } else {
        append_own_origin(ret_origin, service, region);
    }
    free(endpoint);
    return status;
}

// The Host header leaves out the port that belongs to the scheme, and so must the signature.
static void split_origin(struct aws_target *target) {
    struct bytes origin = bytes_of_text(target->origin);
    bool is_https = bytes_start_with_ignoring_case(origin, BYTES("https:"));
    struct bytes own_port = is_https ? BYTES(":443") : BYTES(":80");
    struct bytes rest = bytes_slice(origin, is_https ? 8 : 7, origin.size);
    size_t end = bytes_find(rest, '/');
    target->host = bytes_slice(rest, 0, end);
    target->path = bytes_slice(rest, end, rest.size);
    if (bytes_end_with(target->host, own_port)) {
        target->host.size -= own_port.size;
    }
}

enum status aws_target_prepare(struct invoker *invoker, const struct function *function,
                               const struct aws_service *service, const char *default_origin,
                               struct aws_target *ret_target, struct error *error) {
    struct credentials credentials = {0};
    struct buffer origin = {0};
    enum status status =
        find_origin(invoker, function, service->host ? service->host : service->name,
                    default_origin, &origin, error);
    if (status == STATUS_OK) {
        status = find_credentials(invoker, function, &credentials, error);
    }
    if (status != STATUS_OK) {
        buffer_clear(&origin);
        return status;
    }
    struct aws_signer_options options = {
        .access_key_id = credentials.access_key_id,
        .secret_access_key = credentials.secret_access_key,
        .session_token = credentials.session_token,
        .region = json_string_value(json_object_get(function->provider, "region")),
        .service = service->name,
    };
    while (origin.size > 0 && origin.data[origin.size - 1] == '/') {
        origin.data[--origin.size] = '\0';
    }
    *ret_target = (struct aws_target){
        .service = service,
        .origin = buffer_take(&origin),
        .signer = aws_signer_create(&options),
        .timeout_ms = provider_timeout_ms(function),
    };
    split_origin(ret_target);
    clear_credentials(&credentials);
    return STATUS_OK;
}

void aws_target_clear(struct aws_target *target) {
    free(target->origin);
    aws_signer_destroy(target->signer);
    *target = (struct aws_target){0};
}

// --- a call

void aws_target_send(const struct aws_target *target, struct provider_call *call,
                     const struct aws_message *message, provider_read_answer_fn read) {
    struct buffer path = {0};
    struct buffer url = {0};
    struct aws_signature signature;
    buffer_append(&path, target->path);
    buffer_append(&path, message->path);
    struct aws_request request = {
        .method = "POST",
        .host = target->host,
        .path = buffer_bytes(&path),
        .headers = message->headers,
        .header_count = message->header_count,
        .body = message->body,
    };
    aws_sign(target->signer, &request, clock_wall_us(), &signature);
    size_t own = ARRAY_LENGTH(signature.headers) + 1;
    struct http_header *headers = memory_allocate((message->header_count + own) * sizeof *headers);
    size_t count = 0;
    for (size_t i = 0; i < message->header_count; i++) {
        headers[count++] = message->headers[i];
    }
    for (size_t i = 0; i < signature.header_count; i++) {
        headers[count++] = signature.headers[i];
    }
    headers[count++] = (struct http_header){BYTES("User-Agent"), BYTES(PROVIDER_USER_AGENT)};
    buffer_append_text(&url, target->origin);
    buffer_append(&url, message->path);
    struct http_call_options options = {
        .method = "POST",
        .url = url.data,
        .headers = headers,
        .header_count = count,
        .body = message->body,
        .timeout_ms = provider_call_timeout(call, target->timeout_ms),
        .answer_max_bytes = call->answer_max_bytes,
    };
    provider_call_send(call, &options, read);
    free(headers);
    buffer_clear(&path);
    buffer_clear(&url);
    aws_signature_clear(&signature);
}
