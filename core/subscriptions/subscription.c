#include "core/subscriptions/subscription.h"

#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/subscriptions/delivery_policy.h"
#include "core/subscriptions/path_pattern.h"

struct subscription_object {
    struct subscription subscription;
    atomic_uint references;
    struct buffer method, path; // set when the document's own text is not in normal form
};

static struct subscription_object *object_of(const struct subscription *subscription) {
    return CONTAINER_OF(subscription, struct subscription_object, subscription);
}

static enum status read_names(struct subscription *subscription, const json_t *document,
                              struct error *error) {
    const struct {
        const char *name;
        struct bytes *ret_text;
    } members[] = {{"space", &subscription->space},
                   {"subscriptionId", &subscription->id},
                   {"eventType", &subscription->event_type},
                   {"functionId", &subscription->function_id}};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(members); i++) {
        status = json_needed_bytes(document, members[i].name, members[i].ret_text, error);
    }
    return status;
}

static enum status read_type(struct subscription *subscription, const json_t *document,
                             struct error *error) {
    struct bytes type = {0};
    enum status status = json_needed_bytes(document, "type", &type, error);
    if (status != STATUS_OK) {
        return status;
    }
    subscription->is_sync = bytes_equal_text(type, "sync");
    if (!subscription->is_sync && !bytes_equal_text(type, "async")) {
        return error_set(error, STATUS_INVALID, "type: must be \"sync\" or \"async\"");
    }
    return STATUS_OK;
}

static bool method_is_known(struct bytes method) {
    static const char *const known[] = {"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (bytes_equal_text(method, known[i])) {
            return true;
        }
    }
    return false;
}

static enum status read_method(struct subscription_object *object, const json_t *document,
                               struct error *error) {
    const json_t *value = json_object_get(document, "method");
    object->subscription.method = value ? json_string_bytes(value) : BYTES("POST");
    if (value && !method_is_known(object->subscription.method)) {
        for (size_t i = 0; i < object->subscription.method.size; i++) {
            unsigned char letter = (unsigned char)object->subscription.method.data[i];
            buffer_append_byte(&object->method, (char)toupper(letter));
        }
        object->subscription.method = buffer_bytes(&object->method);
    }
    if (!method_is_known(object->subscription.method)) {
        return error_set(error, STATUS_INVALID,
                         "method: must be GET, POST, DELETE, PUT, PATCH, HEAD or OPTIONS");
    }
    return STATUS_OK;
}

static enum status read_path(struct subscription_object *object, const json_t *document,
                             struct error *error) {
    const json_t *value = json_object_get(document, "path");
    if (value && !json_is_string(value)) {
        return error_set(error, STATUS_INVALID, "path: must be a string");
    }
    struct bytes path = value ? json_string_bytes(value) : BYTES("/");
    path_normalize(path, &object->path);
    object->subscription.path = path;
    if (bytes_equal(path, buffer_bytes(&object->path))) {
        buffer_clear(&object->path);
    } else {
        object->subscription.path = buffer_bytes(&object->path);
    }
    return path_pattern_check(object->subscription.path, error);
}

static enum status read_paused(struct subscription *subscription, const json_t *document,
                               struct error *error) {
    const json_t *paused = json_object_get(document, "paused");
    if (paused && !json_is_boolean(paused)) {
        return error_set(error, STATUS_INVALID, "paused: must be true or false");
    }
    subscription->is_paused = json_is_true(paused);
    if (subscription->is_sync && subscription->is_paused) {
        return error_set(error, STATUS_INVALID, "paused: only for asynchronous subscriptions");
    }
    return STATUS_OK;
}

static enum status read_start(struct subscription *subscription, const json_t *document,
                              struct error *error) {
    const json_t *start = json_object_get(document, "start");
    struct bytes text = json_string_bytes(start);
    int64_t time_us = 0;
    if (!start || json_is_null(start) || bytes_equal_text(text, "latest")) {
        return STATUS_OK;
    }
    if (subscription->is_sync) {
        return error_set(error, STATUS_INVALID, "start: only for asynchronous subscriptions");
    }
    if (bytes_equal_text(text, "earliest")) {
        subscription->start = SUBSCRIPTION_START_EARLIEST;
        return STATUS_OK;
    }
    if (!json_is_string(start) || timestamp_parse(text, &time_us) != STATUS_OK) {
        return error_set(error, STATUS_INVALID,
                         "start: must be \"latest\", \"earliest\" or an RFC 3339 time");
    }
    subscription->start = SUBSCRIPTION_START_TIME;
    subscription->start_ms = time_us > 0 ? time_us / 1000 : 0;
    return STATUS_OK;
}

static enum status read_created(struct subscription *subscription, const json_t *document,
                                struct error *error) {
    const json_t *created = json_object_get(document, "created");
    if (created && !json_is_string(created)) {
        return error_set(error, STATUS_INVALID, "created: must be a string");
    }
    subscription->created = json_string_bytes(created);
    return STATUS_OK;
}

// The first 96 bits of SHA-256, so that nobody makes a subscription that passes for another one.
static void write_fingerprint(struct subscription *subscription) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct buffer plain = {0};
    struct buffer text = {0};
    buffer_append(&plain, subscription->space);
    buffer_append_byte(&plain, '\n');
    buffer_append(&plain, subscription->id);
    buffer_append_byte(&plain, '\n');
    buffer_append(&plain, subscription->created);
    int is_made = EVP_Digest(plain.data, plain.size, digest, NULL, EVP_sha256(), NULL);
    assert(is_made == 1);
    base64url_encode((struct bytes){(const char *)digest, 12}, &text);
    assert(text.size == sizeof subscription->fingerprint - 1);
    memcpy(subscription->fingerprint, text.data, text.size);
    buffer_clear(&plain);
    buffer_clear(&text);
}

static enum status read_document(struct subscription_object *object, const json_t *document,
                                 struct error *error) {
    if (!json_is_object(document)) {
        return error_set(error, STATUS_INVALID, "a subscription must be a JSON object");
    }
    enum status status = read_names(&object->subscription, document, error);
    if (status == STATUS_OK) {
        status = read_type(&object->subscription, document, error);
    }
    if (status == STATUS_OK) {
        status = read_method(object, document, error);
    }
    if (status == STATUS_OK) {
        status = read_path(object, document, error);
    }
    if (status == STATUS_OK) {
        status = read_paused(&object->subscription, document, error);
    }
    if (status == STATUS_OK) {
        status = read_created(&object->subscription, document, error);
    }
    if (status == STATUS_OK) {
        status = read_start(&object->subscription, document, error);
    }
    if (status == STATUS_OK) {
        status = delivery_policy_read(document, &object->subscription.delivery, error);
    }
    if (status == STATUS_OK && object->subscription.created.size > 0) {
        write_fingerprint(&object->subscription);
    }
    return status;
}

enum status subscription_parse(struct json_t *document,
                               const struct subscription **ret_subscription, struct error *error) {
    struct subscription_object *object = memory_allocate(sizeof *object);
    object->references = 1;
    object->subscription.document = json_incref(document);
    enum status status = read_document(object, document, error);
    if (status != STATUS_OK) {
        subscription_unref(&object->subscription);
        return status;
    }
    *ret_subscription = &object->subscription;
    return STATUS_OK;
}

const struct subscription *subscription_ref(const struct subscription *subscription) {
    atomic_fetch_add_explicit(&object_of(subscription)->references, 1, memory_order_relaxed);
    return subscription;
}

void subscription_unref(const struct subscription *subscription) {
    if (!subscription) {
        return;
    }
    struct subscription_object *object = object_of(subscription);
    unsigned before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        json_decref((json_t *)subscription->document);
        buffer_clear(&object->method);
        buffer_clear(&object->path);
        free(object);
    }
}

bool subscription_same_delivery(const struct subscription *a, const struct subscription *b) {
    return a->is_sync == b->is_sync && bytes_equal(a->space, b->space) &&
           bytes_equal(a->id, b->id) && bytes_equal(a->event_type, b->event_type) &&
           bytes_equal(a->function_id, b->function_id) && bytes_equal(a->method, b->method) &&
           bytes_equal(a->path, b->path) && a->is_paused == b->is_paused &&
           bytes_equal(a->created, b->created) && delivery_policy_equal(&a->delivery, &b->delivery);
}

static void append_comma(struct buffer *buffer, struct bytes bytes) {
    buffer_append(buffer, bytes);
    buffer_append_byte(buffer, ',');
}

void subscription_id_write(bool is_sync, struct bytes event_type, struct bytes function_id,
                           struct bytes path, struct bytes method, struct buffer *ret_id) {
    struct buffer plain = {0};
    append_comma(&plain, is_sync ? BYTES("sync") : BYTES("async"));
    append_comma(&plain, event_type);
    if (!is_sync) {
        append_comma(&plain, function_id);
    }
    percent_encode_path_segment(path, &plain);
    buffer_append_byte(&plain, ',');
    buffer_append(&plain, method);
    base64url_encode(buffer_bytes(&plain), ret_id);
    buffer_clear(&plain);
}

void subscription_classic_id_write(struct bytes event, struct bytes function_id, struct bytes path,
                                   struct bytes method, struct buffer *ret_id) {
    append_comma(ret_id, event);
    append_comma(ret_id, bytes_equal_text(event, "http") ? method : function_id);
    percent_encode_path_segment(path, ret_id);
}
