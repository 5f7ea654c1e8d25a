// Signs calls by Standard Webhooks: HMAC-SHA256 over "id.timestamp.body". A signer is immutable;
// any thread.
#ifndef EVENT_GATEWAY_FUNCTIONS_WEBHOOK_SIGNATURE_H
#define EVENT_GATEWAY_FUNCTIONS_WEBHOOK_SIGNATURE_H

#include "core/base/http_server.h"
#include "core/base/status.h"

struct webhook_signer;

// A secret is whsec_ and the base64 of 24 to 64 bytes. Up to four, with blanks between them, all
// sign: the new one and the old, until every receiver knows the new.
enum status must_check webhook_secret_check(const char *secret, struct error *error);
enum status must_check webhook_signer_create(const char *secret, struct webhook_signer **ret_signer,
                                             struct error *error);
void webhook_signer_destroy(struct webhook_signer *signer);

#define WEBHOOK_ID_SIZE 48
#define WEBHOOK_KEYS_MAX 4

struct webhook_signature {
    struct http_header
        headers[3]; // webhook-id, webhook-timestamp, webhook-signature; they point into here
    char id[WEBHOOK_ID_SIZE];
    char timestamp[24];
    char signature[WEBHOOK_KEYS_MAX * 48];
};
// The same for every attempt of a delivery: made of the event's source and id, and the
// subscription.
void webhook_id_write(struct bytes source, struct bytes id, struct bytes subscription,
                      char ret_id[WEBHOOK_ID_SIZE]);
void webhook_sign(const struct webhook_signer *signer, const char *id, int64_t timestamp_s,
                  struct bytes body, struct webhook_signature *ret_signature);

#endif
