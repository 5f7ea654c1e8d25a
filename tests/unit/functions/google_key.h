// A service account with a fresh RSA key, for the tests of Google's tokens.
#ifndef EVENT_GATEWAY_TESTS_UNIT_FUNCTIONS_GOOGLE_KEY_H
#define EVENT_GATEWAY_TESTS_UNIT_FUNCTIONS_GOOGLE_KEY_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "core/base/json.h"
#include "core/base/memory.h"

static inline void google_key_append_pem(EVP_PKEY *key, struct buffer *ret_pem) {
    char *data = NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL), 1);
    long size = BIO_get_mem_data(memory, &data);
    buffer_append(ret_pem, (struct bytes){data, (size_t)size});
    BIO_free(memory);
}

// The JSON that Google gives out.
static inline void google_key_write(EVP_PKEY *key, const char *token_url, struct buffer *ret_json) {
    struct buffer pem = {0};
    google_key_append_pem(key, &pem);
    buffer_append_text(ret_json, "{\"type\":\"service_account\",\"private_key_id\":\"kid-1\","
                                 "\"client_email\":\"eg@p.iam.gserviceaccount.com\",");
    buffer_append_format(ret_json, "\"token_uri\":\"%s\",\"private_key\":", token_url);
    json_append_string(buffer_bytes(&pem), ret_json);
    buffer_append_byte(ret_json, '}');
    buffer_clear(&pem);
}

#endif
