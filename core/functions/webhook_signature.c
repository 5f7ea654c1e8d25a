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

struct webhook_key {
    unsigned char bytes[KEY_MAX];
    size_t size;
};

struct webhook_signer {
    struct webhook_key keys[WEBHOOK_KEYS_MAX];
    size_t count;
};

static bool read_key(struct bytes secret, struct webhook_key *ret_key) {
    struct bytes prefix = BYTES("whsec_");
    struct buffer decoded = {0};
    bool is_key =
        bytes_start_with(secret, prefix) &&
        base64_decode(bytes_slice(secret, prefix.size, secret.size), &decoded) == STATUS_OK &&
        decoded.size >= KEY_MIN && decoded.size <= KEY_MAX;
    if (is_key) {
        memcpy(ret_key->bytes, decoded.data, decoded.size);
        ret_key->size = decoded.size;
    }
    if (decoded.data) {
        explicit_bzero(decoded.data, decoded.size);
    }
    buffer_clear(&decoded);
    return is_key;
}

static bool read_keys(const char *secrets, struct webhook_signer *signer) {
    struct bytes rest = bytes_trim(bytes_of_text(secrets));
    while (rest.size > 0) {
        struct bytes secret = bytes_slice(rest, 0, bytes_find(rest, ' '));
        if (signer->count == WEBHOOK_KEYS_MAX || !read_key(secret, &signer->keys[signer->count])) {
            return false;
        }
        signer->count++;
        rest = bytes_trim(bytes_slice(rest, secret.size, rest.size));
    }
    return signer->count > 0;
}

enum status webhook_secret_check(const char *secret, struct error *error) {
    struct webhook_signer *signer = NULL;
    enum status status = webhook_signer_create(secret, &signer, error);
    webhook_signer_destroy(signer);
    return status;
}

enum status webhook_signer_create(const char *secret, struct webhook_signer **ret_signer,
                                  struct error *error) {
    struct webhook_signer *signer = memory_allocate(sizeof *signer);
    if (!read_keys(secret, signer)) {
        webhook_signer_destroy(signer);
        return error_set(error, STATUS_INVALID,
                         "provider.signing.secret: must be whsec_ and the base64 of %d to %d bytes",
                         KEY_MIN, KEY_MAX);
    }
    *ret_signer = signer;
    return STATUS_OK;
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
    snprintf(ret_id, WEBHOOK_ID_SIZE, "msg_");
    for (size_t i = 0; i < 16; i++) {
        snprintf(ret_id + 4 + 2 * i, 3, "%02x", digest[i]);
    }
    buffer_clear(&text);
}

static void append_signature(struct buffer *list, const struct webhook_key *key,
                             struct bytes text) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    HMAC(EVP_sha256(), key->bytes, (int)key->size, (const unsigned char *)text.data, text.size, mac,
         &mac_size);
    buffer_append_text(list, list->size > 0 ? " v1," : "v1,");
    base64_encode((struct bytes){(const char *)mac, mac_size}, list);
}

void webhook_sign(const struct webhook_signer *signer, const char *id, int64_t timestamp_s,
                  struct bytes body, struct webhook_signature *ret_signature) {
    struct buffer text = {0};
    struct buffer list = {0};
    snprintf(ret_signature->id, sizeof ret_signature->id, "%s", id);
    snprintf(ret_signature->timestamp, sizeof ret_signature->timestamp, "%" PRId64, timestamp_s);
    buffer_append_format(&text, "%s.%s.", ret_signature->id, ret_signature->timestamp);
    buffer_append(&text, body);
    for (size_t i = 0; i < signer->count; i++) {
        append_signature(&list, &signer->keys[i], buffer_bytes(&text));
    }
    snprintf(ret_signature->signature, sizeof ret_signature->signature, "%s", list.data);
    ret_signature->headers[0] =
        (struct http_header){BYTES("webhook-id"), bytes_of_text(ret_signature->id)};
    ret_signature->headers[1] =
        (struct http_header){BYTES("webhook-timestamp"), bytes_of_text(ret_signature->timestamp)};
    ret_signature->headers[2] =
        (struct http_header){BYTES("webhook-signature"), bytes_of_text(ret_signature->signature)};
    buffer_clear(&text);
    buffer_clear(&list);
}
