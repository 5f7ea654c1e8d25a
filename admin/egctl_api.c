// One HTTP request at a time, and what its answers say.

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/json.h"
#include "core/base/text.h"

#define INPUT_MAX ((size_t)16 * 1024 * 1024)
#define PLAIN_MESSAGE_MAX 200

static size_t take_body(char *data, size_t size, size_t count, void *context) {
    struct egctl_answer *answer = context;
    buffer_append(&answer->body, (struct bytes){data, size * count});
    return size * count;
}

static size_t take_header(char *data, size_t size, size_t count, void *context) {
    static const char name[] = "Event-Id:";
    struct egctl_answer *answer = context;
    struct bytes line = {data, size * count};
    if (bytes_start_with_ignoring_case(line, bytes_of_text(name))) {
        struct bytes value = bytes_slice(line, sizeof name - 1, SIZE_MAX);
        buffer_append(&answer->event_id,
                      bytes_trim(bytes_slice(value, 0, bytes_find(value, '\r'))));
    }
    return size * count;
}

static enum status add_token(const struct egctl_flags *flags, struct curl_slist **headers,
                             struct error *error) {
    struct buffer token = {0};
    struct buffer header = {0};
    if (!flags->token_file) {
        return STATUS_OK;
    }
    enum status status = egctl_read_input(flags->token_file, &token, error);
    if (status == STATUS_OK) {
        struct bytes line = buffer_bytes(&token);
        buffer_append_text(&header, "Authorization: Bearer ");
        buffer_append(&header, bytes_trim(bytes_slice(line, 0, bytes_find(line, '\n'))));
        *headers = curl_slist_append(*headers, header.data);
    }
    buffer_clear(&header);
    buffer_clear(&token);
    return status;
}

static enum status perform(CURL *curl, const char *url, struct egctl_answer *ret_answer,
                           struct error *error) {
    char reason[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        return error_set(error, STATUS_UNAVAILABLE, "%s: %s", url,
                         reason[0] != '\0' ? reason : curl_easy_strerror(code));
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_answer->status);
    return STATUS_OK;
}

enum status egctl_request(const struct egctl_flags *flags, const char *method, const char *url,
                          const char *const *headers, struct bytes body,
                          struct egctl_answer *ret_answer, struct error *error) {
    struct curl_slist *list = NULL;
    *ret_answer = (struct egctl_answer){0};
    for (; headers && *headers; headers++) {
        list = curl_slist_append(list, *headers);
    }
    // The token is for the Configuration API only.
    size_t size = strlen(flags->url);
    bool is_config = strncmp(url, flags->url, size) == 0 && url[size] == '/';
    enum status status = is_config ? add_token(flags, &list, error) : STATUS_OK;
    if (status == STATUS_OK) {
        CURL *curl = curl_easy_init();
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_answer);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret_answer);
        if (body.data) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
        }
        status = perform(curl, url, ret_answer, error);
        curl_easy_cleanup(curl);
    }
    curl_slist_free_all(list);
    return status;
}

struct stream {
    CURL *curl;
    void (*take)(void *context, struct bytes piece);
    void *context;
    struct egctl_answer refusal;
};

static size_t take_piece(char *data, size_t size, size_t count, void *context) {
    struct stream *stream = context;
    struct bytes piece = {data, size * count};
    long status = 0;
    curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        stream->take(stream->context, piece);
    } else {
        buffer_append(&stream->refusal.body, piece);
    }
    return piece.size;
}

enum status egctl_stream(const struct egctl_flags *flags, const char *url,
                         void (*take)(void *context, struct bytes piece), void *context,
                         struct error *error) {
    struct curl_slist *list = NULL;
    enum status status = add_token(flags, &list, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct stream stream = {.curl = curl_easy_init(), .take = take, .context = context};
    curl_easy_setopt(stream.curl, CURLOPT_URL, url);
    curl_easy_setopt(stream.curl, CURLOPT_HTTPHEADER, list);
    // A gateway whose machine is gone is noticed.
    curl_easy_setopt(stream.curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(stream.curl, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(stream.curl, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(stream.curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(stream.curl, CURLOPT_WRITEDATA, &stream);
    status = perform(stream.curl, url, &stream.refusal, error);
    if (status == STATUS_OK && stream.refusal.status != 200) {
        egctl_answer_error(&stream.refusal, error);
        status = STATUS_FAILED;
    }
    curl_easy_cleanup(stream.curl);
    curl_slist_free_all(list);
    return status;
}

void egctl_resource_url(const struct egctl_flags *flags, const char *collection, const char *id,
                        struct buffer *ret_url) {
    buffer_append_format(ret_url, "%s/v1/spaces/", flags->url);
    percent_encode_path_segment(bytes_of_text(flags->space), ret_url);
    buffer_append_format(ret_url, "/%s", collection);
    if (id) {
        buffer_append_byte(ret_url, '/');
        percent_encode_path_segment(bytes_of_text(id), ret_url);
    }
}

void egctl_answer_error(const struct egctl_answer *answer, struct error *ret_error) {
    struct error ignored;
    json_t *document = NULL;
    const char *message = NULL;
    if (json_parse(buffer_bytes(&answer->body), &document, &ignored) == STATUS_OK) {
        const json_t *first = json_array_get(json_object_get(document, "errors"), 0);
        message = json_string_value(json_object_get(first, "message"));
    }
    struct bytes text = bytes_trim(buffer_bytes(&answer->body));
    if (message) {
        (void)error_set(ret_error, STATUS_FAILED, "%s (%ld)", message, answer->status);
    } else if (!document && text.size > 0 && text.size <= PLAIN_MESSAGE_MAX) {
        // The first generation's words for calls.
        (void)error_set(ret_error, STATUS_FAILED, "%.*s (%ld)", (int)text.size, text.data,
                        answer->status);
    } else {
        (void)error_set(ret_error, STATUS_FAILED, "refused (%ld)", answer->status);
    }
    json_decref(document);
}

enum status egctl_read_input(const char *path, struct buffer *ret_text, struct error *error) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        return error_set(error, STATUS_NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    size_t count = 1;
    while (count > 0 && ret_text->size <= INPUT_MAX) {
        char *room = buffer_reserve(ret_text, 65536);
        count = fread(room, 1, 65536, file);
        ret_text->size += count;
    }
    bool is_whole = !ferror(file) && ret_text->size <= INPUT_MAX;
    if (file != stdin) {
        fclose(file);
    }
    buffer_append_text(ret_text, ""); // A NUL at the end.
    return is_whole ? STATUS_OK
                    : error_set(error, STATUS_TOO_LARGE,
                                "%s: cannot be read, or is larger than 16 MiB", path);
}

enum status egctl_read_data(const struct egctl_flags *flags, struct buffer *ret_data,
                            struct error *error) {
    const char *data = flags->data ? flags->data : "{}";
    if (data[0] == '@') {
        return egctl_read_input(data + 1, ret_data, error);
    }
    if (strcmp(data, "-") == 0) {
        return egctl_read_input(data, ret_data, error);
    }
    buffer_append_text(ret_data, data);
    return STATUS_OK;
}
