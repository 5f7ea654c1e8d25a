// Signs requests to AWS by Signature Version 4. One signer belongs to one thread: it keeps the key
// that it derived for the day. The time is passed in.
#ifndef EVENT_GATEWAY_FUNCTIONS_AWS_SIGN_H
#define EVENT_GATEWAY_FUNCTIONS_AWS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"

struct aws_signer;

struct aws_signer_options {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; // NULL = none
    const char *region;
    const char *service; // "lambda"
};
// Copies everything.
struct aws_signer *aws_signer_create(const struct aws_signer_options *options);
void aws_signer_destroy(struct aws_signer *signer);

struct aws_request {
    const char *method;
    struct bytes host;  // with its port, as the Host header has it
    struct bytes path;  // as it is sent, percent-encoded; never empty
    struct bytes query; // as it is sent, without the '?'
    // All of them are signed; what the signer adds is not among them.
    const struct http_header *headers;
    size_t header_count;
    struct bytes body;
};

struct aws_signature {
    char date[17];               // "20150830T123600Z"
    struct buffer authorization; // the value of the Authorization header
    // Authorization, X-Amz-Date and with a session token X-Amz-Security-Token: to be sent beside
    // the request's. They point into the signature and the signer.
    struct http_header headers[3];
    size_t header_count;
};
void aws_sign(struct aws_signer *signer, const struct aws_request *request, int64_t now_us,
              struct aws_signature *ret_signature);
void aws_signature_clear(struct aws_signature *signature);

// Percent-encodes all but letters, digits and -._~; a '/' stays where keeps_slash says so.
void aws_encode(struct bytes text, bool keeps_slash, struct buffer *ret_buffer);

#endif
