#include "core/functions/google_token.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#define REQUEST_SECONDS 3600 // the longest that Google takes
#define GRANT_TYPE "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"

struct google_account {
    char *email;
    char *key_id; // NULL = not said
    char *token_url;
    EVP_PKEY *key;
};

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text && text[0] != '\0' ? text : NULL;
}

// Without blanks: it becomes the value of a header, or a URL.
static bool is_printable(const char *text) {
    for (const char *byte = text; *byte; byte++) {
        if (*byte <= ' ' || *byte > '~') {
            return false;
        }
    }
    return true;
}

static EVP_PKEY *read_key(const char *pem) {
    BIO *source = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = source ? PEM_read_bio_PrivateKey(source, NULL, NULL, (void *)"") : NULL;
    BIO_free(source);
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool is_url(const char *text) {
    return (strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0) &&
           is_printable(text);
}

static enum status read_account(const json_t *document, struct google_account **ret_account,
                                struct error *error) {
    const char *email = text_of(document, "client_email");
    const char *url = text_of(document, "token_uri");
    const char *pem = text_of(document, "private_key");
    if (!email || !url || !pem) {
        return error_set(error, STATUS_INVALID, "%s is missing",
                         !email ? "client_email" : (!url ? "token_uri" : "private_key"));
    }
    if (!is_url(url)) {
        return error_set(error, STATUS_INVALID, "token_uri is not a URL");
    }
    EVP_PKEY *key = read_key(pem);
    if (!key) {
        return error_set(error, STATUS_INVALID, "private_key is not an RSA key in PEM");
    }
    struct google_account *account = memory_allocate(sizeof *account);
    *account =
        (struct google_account){.email = memory_copy_text(email),
                                .key_id = memory_copy_text(text_of(document, "private_key_id")),
                                .token_url = memory_copy_text(url),
                                .key = key};
    *ret_account = account;
    return STATUS_OK;
}

enum status google_account_create(struct bytes key, struct google_account **ret_account,
                                  struct error *error) {
    json_t *document = NULL;
    // The parser's own words would repeat the key.
    if (json_parse(key, &document, NULL) != STATUS_OK || !json_is_object(document)) {
        json_decref(document);
        return error_set(error, STATUS_INVALID, "is not the JSON of a service account's key");
    }
    enum status status = read_account(document, ret_account, error);
    json_decref(document);
    return status;
}

void google_account_destroy(struct google_account *account) {
    if (account) {
        EVP_PKEY_free(account->key);
        free(account->email);
        free(account->key_id);
        free(account->token_url);
        free(account);
    }
}

const char *google_account_token_url(const struct google_account *account) {
    return account->token_url;
}

static void append_encoded(struct buffer *to, json_t *take_value) {
    struct buffer text = {0};
    json_append(take_value, &text);
    base64url_encode(buffer_bytes(&text), to);
    buffer_clear(&text);
    json_decref(take_value);
}

static bool append_signature(struct buffer *to, EVP_PKEY *key, struct bytes text) {
    size_t size = (size_t)EVP_PKEY_get_size(key);
    unsigned char *signature = memory_allocate(size);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done =
        context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &size, (const unsigned char *)text.data, text.size) == 1;
    if (is_done) {
        base64url_encode((struct bytes){(const char *)signature, size}, to);
    }
    EVP_MD_CTX_free(context);
    free(signature);
    return is_done;
}

enum status google_token_request(const struct google_account *account, struct bytes audience,
                                 int64_t now_s, struct buffer *ret_form, struct error *error) {
    struct buffer assertion = {0};
    struct buffer signature = {0};
    json_int_t issued_s = now_s;
    json_int_t expires_s = issued_s + REQUEST_SECONDS;
    append_encoded(&assertion, json_pack("{s:s,s:s,s:s*}", "alg", "RS256", "typ", "JWT", "kid",
                                         account->key_id));
    buffer_append_byte(&assertion, '.');
    append_encoded(&assertion,
                   json_pack("{s:s,s:s,s:s,s:I,s:I,s:s%}", "iss", account->email, "sub",
                             account->email, "aud", account->token_url, "iat", issued_s, "exp",
                             expires_s, "target_audience", audience.data, audience.size));
    if (!append_signature(&signature, account->key, buffer_bytes(&assertion))) {
        buffer_clear(&assertion);
        buffer_clear(&signature);
        return error_set(error, STATUS_FAILED, "the service account's key does not sign");
    }
    buffer_append_text(ret_form, "grant_type=" GRANT_TYPE "&assertion=");
    buffer_append(ret_form, buffer_bytes(&assertion));
    buffer_append_byte(ret_form, '.');
    buffer_append(ret_form, buffer_bytes(&signature));
    buffer_clear(&assertion);
    buffer_clear(&signature);
    return STATUS_OK;
}

// The claims are the second of three parts. Whether the signature is right is for the function to
// check.
static enum status read_expiry(const char *token, int64_t *ret_expires_s) {
    const char *claims = strchr(token, '.');
    const char *end = claims ? strchr(claims + 1, '.') : NULL;
    struct buffer text = {0};
    json_t *document = NULL;
    enum status status = STATUS_INVALID;
    if (end) {
        status = base64url_decode((struct bytes){claims + 1, (size_t)(end - claims - 1)}, &text);
    }
    if (status == STATUS_OK) {
        status = json_parse(buffer_bytes(&text), &document, NULL);
    }
    const json_t *expires = json_object_get(document, "exp");
    if (json_is_integer(expires)) {
        *ret_expires_s = json_integer_value(expires);
    } else {
        status = STATUS_INVALID;
    }
    json_decref(document);
    buffer_clear(&text);
    return status;
}

enum status google_token_read(struct bytes answer, char **ret_token, int64_t *ret_expires_s,
                              struct error *error) {
    json_t *document = NULL;
    if (json_parse(answer, &document, NULL) != STATUS_OK) {
        return error_set(error, STATUS_INVALID, "the answer is not JSON");
    }
    const char *token = text_of(document, "id_token");
    const char *problem = text_of(document, "error");
    const char *description = text_of(document, "error_description");
    enum status status = STATUS_OK;
    if (!token) {
        status =
            error_set(error, STATUS_INVALID, "%.50s%s%.200s", problem ? problem : "no id_token",
                      description ? ": " : "", description ? description : "");
    } else if (!is_printable(token) || read_expiry(token, ret_expires_s) != STATUS_OK) {
        status = error_set(error, STATUS_INVALID, "its id_token is not one");
    } else {
        *ret_token = memory_copy_text(token);
    }
    json_decref(document);
    return status;
}
