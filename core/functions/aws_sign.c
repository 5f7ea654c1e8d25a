#include "core/functions/aws_sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"

#define DIGEST_SIZE 32
#define DAY_SIZE 8 // "20150830"

struct aws_signer {
    char *access_key_id;
    char *secret_access_key;
    char *session_token; // NULL = none
    char *region;
    char *service;
    char day[DAY_SIZE + 1]; // of the key; empty = none yet
    unsigned char key[DIGEST_SIZE];
};

struct aws_signer *aws_signer_create(const struct aws_signer_options *options) {
    struct aws_signer *signer = memory_allocate(sizeof *signer);
    signer->access_key_id = memory_copy_text(options->access_key_id);
    signer->secret_access_key = memory_copy_text(options->secret_access_key);
    signer->session_token = memory_copy_text(options->session_token);
    signer->region = memory_copy_text(options->region);
    signer->service = memory_copy_text(options->service);
    return signer;
}

static void forget_secret(char *secret) {
    if (secret) {
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
    }
}

void aws_signer_destroy(struct aws_signer *signer) {
    if (signer) {
        forget_secret(signer->secret_access_key);
        forget_secret(signer->session_token);
        free(signer->access_key_id);
        free(signer->region);
        free(signer->service);
        OPENSSL_cleanse(signer->key, sizeof signer->key);
        free(signer);
    }
}

void aws_encode(struct bytes text, bool keeps_slash, struct buffer *ret_buffer) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool stays = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                     (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
                     byte == '~' || (byte == '/' && keeps_slash);
        if (stays) {
            buffer_append_byte(ret_buffer, (char)byte);
        } else {
            buffer_append_format(ret_buffer, "%%%02X", byte);
        }
    }
}

// "2015-08-30T12:36:00.5Z" without what ISO 8601 calls basic.
static void write_date(int64_t now_us, char ret_date[17]) {
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(now_us, text);
    snprintf(ret_date, 17, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", text, text + 5, text + 8, text + 11,
             text + 14, text + 17);
}

static void append_hex(struct buffer *buffer, const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        buffer_append_format(buffer, "%02x", bytes[i]);
    }
}

static void append_digest(struct buffer *buffer, struct bytes text) {
    unsigned char digest[DIGEST_SIZE];
    EVP_Digest(text.size > 0 ? text.data : "", text.size, digest, NULL, EVP_sha256(), NULL);
    append_hex(buffer, digest, sizeof digest);
}

static void authenticate(const unsigned char *key, size_t key_size, struct bytes text,
                         unsigned char ret_mac[DIGEST_SIZE]) {
    HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text.data, text.size, ret_mac,
         NULL);
}

// --- the canonical request

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static int compare_names(const void *a, const void *b) {
    struct bytes left = ((const struct http_header *)a)->name;
    struct bytes right = ((const struct http_header *)b)->name;
    size_t size = left.size < right.size ? left.size : right.size;
    for (size_t i = 0; i < size; i++) {
        int difference = (unsigned char)lower(left.data[i]) - (unsigned char)lower(right.data[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return (left.size > right.size) - (left.size < right.size);
}

// AWS signs a path without "//", "." and "..", as its servers see it, and encodes it once more than
// it is sent.
static void append_path(struct buffer *buffer, struct bytes path) {
    struct buffer plain = {0};
    for (size_t start = 0; start < path.size;) {
        struct bytes rest = bytes_slice(path, start, path.size);
        struct bytes segment = bytes_slice(rest, 0, bytes_find(rest, '/'));
        start += segment.size + 1;
        if (bytes_equal_text(segment, "..")) {
            while (plain.size > 0 && plain.data[--plain.size] != '/') {
            }
        } else if (segment.size > 0 && !bytes_equal_text(segment, ".")) {
            buffer_append_byte(&plain, '/');
            buffer_append(&plain, segment);
        }
    }
    if (plain.size == 0 || bytes_end_with(path, BYTES("/"))) {
        buffer_append_byte(&plain, '/');
    }
    aws_encode(buffer_bytes(&plain), true, buffer);
    buffer_clear(&plain);
}

// By name, then by value: "A=1" comes before "A-b=1", although '-' is less than '='.
static int compare_parameters(const void *a, const void *b) {
    struct bytes left = *(const struct bytes *)a;
    struct bytes right = *(const struct bytes *)b;
    int names = bytes_compare(bytes_slice(left, 0, bytes_find(left, '=')),
                              bytes_slice(right, 0, bytes_find(right, '=')));
    return names != 0 ? names : bytes_compare(left, right);
}

// Parameters as they are sent, sorted. A name without '=' has an empty value.
static void append_query(struct buffer *buffer, struct bytes query) {
    size_t count = 0;
    size_t start = 0;
    struct bytes *parts = memory_allocate((query.size + 1) * sizeof *parts);
    while (query.size > 0 && start <= query.size) { // "a&" has two
        struct bytes rest = bytes_slice(query, start, query.size);
        parts[count] = bytes_slice(rest, 0, bytes_find(rest, '&'));
        start += parts[count++].size + 1;
    }
    qsort(parts, count, sizeof *parts, compare_parameters);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(buffer, i > 0 ? "&" : "");
        buffer_append(buffer, parts[i]);
        buffer_append_text(buffer, bytes_find(parts[i], '=') == parts[i].size ? "=" : "");
    }
    free(parts);
}

// Without blanks at both ends, runs of them inside as one.
static void append_value(struct buffer *buffer, struct bytes value) {
    value = bytes_trim(value);
    for (size_t i = 0; i < value.size; i++) {
        bool is_blank = value.data[i] == ' ' || value.data[i] == '\t';
        bool is_repeated = is_blank && (value.data[i - 1] == ' ' || value.data[i - 1] == '\t');
        if (!is_repeated) {
            buffer_append_byte(buffer, is_blank ? ' ' : value.data[i]);
        }
    }
}

static void append_lower(struct buffer *buffer, struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        buffer_append_byte(buffer, lower(name.data[i]));
    }
}

// Everything that is signed, sorted by name.
static struct http_header *collect_headers(const struct aws_signer *signer,
                                           const struct aws_request *request, const char *date,
                                           size_t *ret_count) {
    size_t count = request->header_count;
    struct http_header *headers = memory_allocate((count + 3) * sizeof *headers);
    for (size_t i = 0; i < count; i++) {
        headers[i] = request->headers[i];
    }
    headers[count++] = (struct http_header){BYTES("host"), request->host};
    headers[count++] = (struct http_header){BYTES("x-amz-date"), bytes_of_text(date)};
    if (signer->session_token) {
        headers[count++] = (struct http_header){BYTES("x-amz-security-token"),
                                                bytes_of_text(signer->session_token)};
    }
    qsort(headers, count, sizeof *headers, compare_names);
    *ret_count = count;
    return headers;
}

static void append_names(struct buffer *buffer, const struct http_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(buffer, i > 0 ? ";" : "");
        append_lower(buffer, headers[i].name);
    }
}

static void write_canonical(const struct aws_request *request, const struct http_header *headers,
                            size_t count, struct buffer *ret_text) {
    buffer_append_format(ret_text, "%s\n", request->method);
    append_path(ret_text, request->path);
    buffer_append_byte(ret_text, '\n');
    append_query(ret_text, request->query);
    buffer_append_byte(ret_text, '\n');
    for (size_t i = 0; i < count; i++) {
        append_lower(ret_text, headers[i].name);
        buffer_append_byte(ret_text, ':');
        append_value(ret_text, headers[i].value);
        buffer_append_byte(ret_text, '\n');
    }
    buffer_append_byte(ret_text, '\n');
    append_names(ret_text, headers, count);
    buffer_append_byte(ret_text, '\n');
    append_digest(ret_text, request->body);
}

// --- the signature

static void derive_key(struct aws_signer *signer, const char *date) {
    unsigned char mac[DIGEST_SIZE];
    struct buffer secret = {0};
    if (strncmp(signer->day, date, DAY_SIZE) == 0) {
        return;
    }
    memcpy(signer->day, date, DAY_SIZE);
    buffer_append_format(&secret, "AWS4%s", signer->secret_access_key);
    authenticate((const unsigned char *)secret.data, secret.size, bytes_of_text(signer->day), mac);
    authenticate(mac, sizeof mac, bytes_of_text(signer->region), mac);
    authenticate(mac, sizeof mac, bytes_of_text(signer->service), mac);
    authenticate(mac, sizeof mac, BYTES("aws4_request"), signer->key);
    OPENSSL_cleanse(secret.data, secret.size);
    OPENSSL_cleanse(mac, sizeof mac);
    buffer_clear(&secret);
}

static void append_scope(struct buffer *buffer, const struct aws_signer *signer) {
    buffer_append_format(buffer, "%s/%s/%s/aws4_request", signer->day, signer->region,
                         signer->service);
}

static void append_signature(struct buffer *buffer, const struct aws_signer *signer,
                             const char *date, struct bytes canonical) {
    unsigned char mac[DIGEST_SIZE];
    struct buffer text = {0};
    buffer_append_format(&text, "AWS4-HMAC-SHA256\n%s\n", date);
    append_scope(&text, signer);
    buffer_append_byte(&text, '\n');
    append_digest(&text, canonical);
    authenticate(signer->key, sizeof signer->key, buffer_bytes(&text), mac);
    append_hex(buffer, mac, sizeof mac);
    buffer_clear(&text);
}

static void list_headers(const struct aws_signer *signer, struct aws_signature *signature) {
    struct http_header *headers = signature->headers;
    headers[0] =
        (struct http_header){BYTES("Authorization"), buffer_bytes(&signature->authorization)};
    headers[1] = (struct http_header){BYTES("X-Amz-Date"), bytes_of_text(signature->date)};
    signature->header_count = 2;
    if (signer->session_token) {
        headers[2] = (struct http_header){BYTES("X-Amz-Security-Token"),
                                          bytes_of_text(signer->session_token)};
        signature->header_count = 3;
    }
}

void aws_sign(struct aws_signer *signer, const struct aws_request *request, int64_t now_us,
              struct aws_signature *ret_signature) {
    struct aws_signature *signature = ret_signature;
    struct buffer canonical = {0};
    size_t count = 0;
    *signature = (struct aws_signature){.header_count = 0};
    write_date(now_us, signature->date);
    struct http_header *headers = collect_headers(signer, request, signature->date, &count);
    write_canonical(request, headers, count, &canonical);
    derive_key(signer, signature->date);
    struct buffer *value = &signature->authorization;
    buffer_append_format(value, "AWS4-HMAC-SHA256 Credential=%s/", signer->access_key_id);
    append_scope(value, signer);
    buffer_append_text(value, ", SignedHeaders=");
    append_names(value, headers, count);
    buffer_append_text(value, ", Signature=");
    append_signature(value, signer, signature->date, buffer_bytes(&canonical));
    list_headers(signer, signature);
    buffer_clear(&canonical);
    free(headers);
}

void aws_signature_clear(struct aws_signature *signature) {
    buffer_clear(&signature->authorization);
    signature->header_count = 0;
}
