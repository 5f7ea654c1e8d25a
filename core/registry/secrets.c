#include "core/registry/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"

enum {
    KEY_SIZE = 32,
    KEY_ID_SIZE = 8, // hex digits
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    KEYS_MAX = 16,
    KEY_FILE_MAX = 8192,
    SECRET_MAX = 1 << 20,
};

#define SEALED_PREFIX "sealed:v1:"

struct key {
    unsigned char bytes[KEY_SIZE];
    char id[KEY_ID_SIZE + 1];
};

struct secrets {
    struct key keys[KEYS_MAX]; // the first one seals
    size_t key_count;
};

// --- the key file ---

static enum status file_error(const char *path, const char *action, struct error *error) {
    return error_set(error, STATUS_INVALID, "cannot %s the key file %s: %s", action, path,
                     strerror(errno));
}

static bool write_all(int file, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        data += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static void append_hex(const unsigned char *bytes, size_t size, struct buffer *ret_buffer) {
    for (size_t i = 0; i < size; i++) {
        buffer_append_format(ret_buffer, "%02x", bytes[i]);
    }
}

// Who comes second when two start at once finds the first one's file.
static enum status create_key_file(const char *path, struct error *error) {
    unsigned char bytes[KEY_SIZE];
    struct buffer text = {0};
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno == EEXIST ? STATUS_OK : file_error(path, "create", error);
    }
    random_bytes(bytes, sizeof bytes);
    append_hex(bytes, sizeof bytes, &text);
    buffer_append_byte(&text, '\n');
    bool is_written = write_all(file, text.data, text.size) && fsync(file) == 0;
    enum status status = is_written ? STATUS_OK : file_error(path, "write", error);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text.data, text.size);
    buffer_clear(&text);
    close(file);
    if (!is_written) {
        (void)unlink(path);
    }
    return status;
}

static enum status check_key_file(int file, const char *path, struct error *error) {
    struct stat found;
    if (fstat(file, &found) != 0) {
        return file_error(path, "look at", error);
    }
    if (!S_ISREG(found.st_mode) || found.st_size > KEY_FILE_MAX) {
        return error_set(error, STATUS_INVALID, "%s is not a key file", path);
    }
    if ((found.st_mode & 07) != 0) {
        return error_set(error, STATUS_INVALID,
                         "the key file %s can be read by everybody: chmod 600 it", path);
    }
    return STATUS_OK;
}

static enum status read_key_file(const char *path, struct buffer *ret_text, struct error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return file_error(path, "open", error);
    }
    enum status status = check_key_file(file, path, error);
    if (status == STATUS_OK) {
        char *room = buffer_reserve(ret_text, KEY_FILE_MAX);
        ssize_t size = read(file, room, KEY_FILE_MAX);
        if (size < 0) {
            status = file_error(path, "read", error);
        }
        ret_text->size += size > 0 ? (size_t)size : 0;
    }
    close(file);
    return status;
}

static bool parse_hex(struct bytes text, unsigned char *ret_bytes) {
    for (size_t i = 0; i < text.size; i++) {
        int value = hex_digit_value(text.data[i]);
        if (value < 0) {
            return false;
        }
        ret_bytes[i / 2] = (unsigned char)(i % 2 == 0 ? value << 4 : ret_bytes[i / 2] | value);
    }
    return true;
}

static bool parse_base64(struct bytes text, unsigned char *ret_bytes) {
    struct buffer decoded = {0};
    bool is_good = base64_decode(text, &decoded) == STATUS_OK && decoded.size == KEY_SIZE;
    if (is_good) {
        memcpy(ret_bytes, decoded.data, KEY_SIZE);
    }
    if (decoded.data) {
        OPENSSL_cleanse(decoded.data, decoded.size);
    }
    buffer_clear(&decoded);
    return is_good;
}

static void name_key(struct key *key) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct buffer id = {0};
    EVP_Digest(key->bytes, KEY_SIZE, digest, NULL, EVP_sha256(), NULL);
    append_hex(digest, KEY_ID_SIZE / 2, &id);
    memcpy(key->id, id.data, KEY_ID_SIZE);
    buffer_clear(&id);
}

static enum status parse_keys(struct secrets *secrets, struct bytes text, const char *path,
                              struct error *error) {
    for (size_t line = 1; text.size > 0; line++) {
        size_t end = bytes_find(text, '\n');
        struct bytes digits = bytes_trim(bytes_slice(text, 0, end));
        text = bytes_slice(text, end + 1, text.size);
        if (digits.size > 0 && digits.data[digits.size - 1] == '\r') {
            digits.size--;
        }
        if (digits.size == 0 || digits.data[0] == '#') {
            continue;
        }
        if (secrets->key_count == KEYS_MAX) {
            return error_set(error, STATUS_INVALID, "%s holds more than %d keys", path, KEYS_MAX);
        }
        struct key *key = &secrets->keys[secrets->key_count];
        bool is_hex = digits.size == (size_t)2 * KEY_SIZE;
        if (!(is_hex ? parse_hex(digits, key->bytes) : parse_base64(digits, key->bytes))) {
            return error_set(error, STATUS_INVALID,
                             "%s line %zu: a key is 32 bytes as 64 hex digits or base64", path,
                             line);
        }
        name_key(key);
        secrets->key_count++;
    }
    return secrets->key_count > 0
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "the key file %s holds no key", path);
}

enum status secrets_create(const char *key_path, bool may_create, struct secrets **ret_secrets,
                           struct error *error) {
    struct secrets *secrets = memory_allocate(sizeof *secrets);
    struct buffer text = {0};
    enum status status = may_create ? create_key_file(key_path, error) : STATUS_OK;
    if (status == STATUS_OK) {
        status = read_key_file(key_path, &text, error);
    }
    if (status == STATUS_OK) {
        status = parse_keys(secrets, buffer_bytes(&text), key_path, error);
    }
    if (text.data) {
        OPENSSL_cleanse(text.data, text.size);
    }
    buffer_clear(&text);
    if (status != STATUS_OK) {
        secrets_destroy(secrets);
        return status;
    }
    *ret_secrets = secrets;
    return STATUS_OK;
}

void secrets_destroy(struct secrets *secrets) {
    if (secrets) {
        OPENSSL_cleanse(secrets, sizeof *secrets);
        free(secrets);
    }
}

// --- sealing ---

// out: nonce, cipher text, tag.
static bool encrypt(const struct key *key, struct bytes plain, struct bytes owner,
                    unsigned char *out) {
    int size = 0;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    random_bytes(out, NONCE_SIZE);
    bool is_done = cipher &&
                   EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, out) == 1 &&
                   EVP_EncryptUpdate(cipher, NULL, &size, (const unsigned char *)owner.data,
                                     (int)owner.size) == 1 &&
                   EVP_EncryptUpdate(cipher, out + NONCE_SIZE, &size,
                                     (const unsigned char *)plain.data, (int)plain.size) == 1 &&
                   EVP_EncryptFinal_ex(cipher, out + NONCE_SIZE + plain.size, &size) == 1 &&
                   EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE,
                                       out + NONCE_SIZE + plain.size) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return is_done;
}

static bool decrypt(const struct key *key, struct bytes sealed, struct bytes owner,
                    unsigned char *out) {
    int size = 0;
    size_t cipher_size = sealed.size - NONCE_SIZE - TAG_SIZE;
    const unsigned char *in = (const unsigned char *)sealed.data;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool is_done = cipher &&
                   EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, in) == 1 &&
                   EVP_DecryptUpdate(cipher, NULL, &size, (const unsigned char *)owner.data,
                                     (int)owner.size) == 1 &&
                   EVP_DecryptUpdate(cipher, out, &size, in + NONCE_SIZE, (int)cipher_size) == 1 &&
                   EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE,
                                       (void *)(in + NONCE_SIZE + cipher_size)) == 1 &&
                   EVP_DecryptFinal_ex(cipher, out + cipher_size, &size) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return is_done;
}

enum status secrets_seal(const struct secrets *secrets, struct bytes plain, struct bytes owner,
                         struct buffer *ret_sealed, struct error *error) {
    const struct key *key = &secrets->keys[0];
    if (plain.size > SECRET_MAX || owner.size > SECRET_MAX) {
        return error_set(error, STATUS_TOO_LARGE, "a secret of more than %d bytes", SECRET_MAX);
    }
    size_t size = NONCE_SIZE + plain.size + TAG_SIZE;
    unsigned char *out = memory_allocate(size);
    bool is_done = encrypt(key, plain, owner, out);
    if (is_done) {
        buffer_append_format(ret_sealed, SEALED_PREFIX "%s:", key->id);
        base64_encode((struct bytes){(const char *)out, size}, ret_sealed);
    }
    free(out);
    return is_done ? STATUS_OK : error_set(error, STATUS_FAILED, "cannot seal a secret");
}

static const struct key *find_key(const struct secrets *secrets, struct bytes id) {
    for (size_t i = 0; i < secrets->key_count; i++) {
        if (bytes_equal_text(id, secrets->keys[i].id)) {
            return &secrets->keys[i];
        }
    }
    return NULL;
}

static enum status open_with(const struct key *key, struct bytes sealed, struct bytes owner,
                             struct buffer *ret_plain, struct error *error) {
    if (sealed.size < NONCE_SIZE + TAG_SIZE || sealed.size > 2 * SECRET_MAX ||
        owner.size > SECRET_MAX) {
        return error_set(error, STATUS_INVALID, "a sealed secret is damaged");
    }
    size_t size = sealed.size - NONCE_SIZE - TAG_SIZE;
    unsigned char *out = memory_allocate(size);
    bool is_done = decrypt(key, sealed, owner, out);
    if (is_done) {
        buffer_append(ret_plain, (struct bytes){(const char *)out, size});
    }
    OPENSSL_cleanse(out, size);
    free(out);
    return is_done ? STATUS_OK
                   : error_set(error, STATUS_INVALID,
                               "a sealed secret is damaged or belongs to another resource");
}

enum status secrets_open(const struct secrets *secrets, struct bytes sealed, struct bytes owner,
                         struct buffer *ret_plain, struct error *error) {
    if (!secret_is_sealed(sealed)) {
        return error_set(error, STATUS_INVALID, "not a sealed secret");
    }
    struct bytes rest = bytes_slice(sealed, sizeof SEALED_PREFIX - 1, sealed.size);
    struct bytes id = bytes_slice(rest, 0, bytes_find(rest, ':'));
    const struct key *key = find_key(secrets, id);
    if (!key) {
        return error_set(error, STATUS_NOT_FOUND,
                         "a secret is sealed with key \"%.*s\", which the key file does not hold",
                         (int)(id.size > 64 ? 64 : id.size), id.data);
    }
    struct buffer decoded = {0};
    enum status status = base64_decode(bytes_slice(rest, id.size + 1, rest.size), &decoded);
    status = status == STATUS_OK ? open_with(key, buffer_bytes(&decoded), owner, ret_plain, error)
                                 : error_set(error, STATUS_INVALID, "a sealed secret is damaged");
    buffer_clear(&decoded);
    return status;
}

bool secret_is_sealed(struct bytes text) {
    return bytes_start_with(text, BYTES(SEALED_PREFIX));
}
