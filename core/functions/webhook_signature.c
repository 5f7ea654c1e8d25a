#include "core/functions/webhook_signature.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"

#define KEY_MIN 24
#define KEY_MAX 64

struct webhook_signer {
    unsigned char key[KEY_MAX];
    size_t key_size;
};

static enum status read_key(const char *secret, struct buffer *ret_key, struct error *error) {
    static const char prefix[] = "whsec_";
    struct bytes text = bytes_of_text(secret);
    bool has_prefix = bytes_start_with(text, bytes_of_text(prefix));
    struct bytes encoded = bytes_slice(text, sizeof prefix - 1, SIZE_MAX);
    if (!has_prefix || base64_decode(encoded, ret_key) != STATUS_OK || ret_key->size < KEY_MIN ||
        ret_key->size > KEY_MAX) {
        return error_set(error, STATUS_INVALID,
                         "provider.signing.secret: must be whsec_ and the base64 of %d to %d bytes",
                         KEY_MIN, KEY_MAX);
    }
    return STATUS_OK;
}

enum status webhook_secret_check(const char *secret, struct error *error) {
    struct buffer key = {0};
    enum status status = read_key(secret, &key, error);
    buffer_clear(&key);
    return status;
}

enum status webhook_signer_create(const char *secret, struct webhook_signer **ret_signer,
                                  struct error *error) {
    struct buffer key = {0};
    enum status status = read_key(secret, &key, error);
    if (status == STATUS_OK) {
        struct webhook_signer *signer = memory_allocate(sizeof *signer);
        memcpy(signer->key, key.data, key.size);
        signer->key_size = key.size;
        *ret_signer = signer;
    }
    buffer_clear(&key);
    return status;
}

void webhook_signer_destroy(struct webhook_signer *signer) {
    if (signer) {
        explicit_bzero(signer, sizeof *signer);
        free(signer);
    }
}

// A length before each part, so that no two triples run together to the same text.
void webhook_id_write(struct bytes source, struct bytes id, struct bytes subscription,
                      char ret_id[WEBHOOK_ID_SIZE]) {
    struct buffer text = {0};
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const struct bytes parts[] = {source, id, subscription};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        buffer_append_format(&text, "%zu:", parts[i].size);
        buffer_append(&text, parts[i]);
    }
    EVP_Digest(text.data, text.size, digest, &size, EVP_sha256(), NULL);
    memcpy(ret_id, "msg_", 4);
    for (size_t i = 0; i < 16; i++) {
        snprintf(ret_id + 4 + 2 * i, 3, "%02x", digest[i]);
    }
    buffer_clear(&text);
}

void webhook_sign(const struct webhook_signer *signer, const char *id, int64_t timestamp_s,
                  struct bytes body, struct webhook_signature *ret_signature) {
    struct buffer text = {0};
    struct buffer encoded = {0};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    snprintf(ret_signature->id, sizeof ret_signature->id, "%s", id);
    snprintf(ret_signature->timestamp, sizeof ret_signature->timestamp, "%" PRId64, timestamp_s);
    buffer_append_format(&text, "%s.%s.", ret_signature->id, ret_signature->timestamp);
    buffer_append(&text, body);
    HMAC(EVP_sha256(), signer->key, (int)signer->key_size, (const unsigned char *)text.data,
         text.size, mac, &mac_size);
    buffer_append_text(&encoded, "v1,");
    base64_encode((struct bytes){(const char *)mac, mac_size}, &encoded);
    snprintf(ret_signature->signature, sizeof ret_signature->signature, "%s", encoded.data);
    ret_signature->headers[0] =
        (struct http_header){BYTES("webhook-id"), bytes_of_text(ret_signature->id)};
    ret_signature->headers[1] =
        (struct http_header){BYTES("webhook-timestamp"), bytes_of_text(ret_signature->timestamp)};
    ret_signature->headers[2] =
        (struct http_header){BYTES("webhook-signature"), bytes_of_text(ret_signature->signature)};
    buffer_clear(&text);
    buffer_clear(&encoded);
}
