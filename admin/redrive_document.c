#include "admin/redrive_document.h"

#include <jansson.h>

#include "core/base/memory.h"
#include "core/base/text.h"

static void set_time(json_t *object, const char *name, int64_t time_us) {
    if (time_us > 0) {
        char text[TIMESTAMP_TEXT_SIZE];
        timestamp_format(time_us, text);
        json_object_set_new(object, name, json_string(text));
    }
}

static void set_text(json_t *object, const char *name, struct bytes text) {
    if (text.size > 0) {
        json_object_set_new(object, name, json_stringn(text.data, text.size));
    }
}

static void set_number(json_t *object, const char *name, int64_t number) {
    json_object_set_new(object, name, json_integer(number));
}

static void set_state(json_t *object, enum redrive_state state) {
    json_object_set_new(object, "state", json_string(redrive_state_name(state)));
}

static json_t *letters_of(const struct redrive_request *request) {
    json_t *letters = json_array();
    for (size_t i = 0; i < request->letter_count; i++) {
        json_array_append_new(letters, json_pack("[I,I]", (json_int_t)request->letters[i].partition,
                                                 (json_int_t)request->letters[i].offset));
    }
    return letters;
}

struct json_t *redrive_document_create(const struct redrive_request *request, int64_t total,
                                       struct bytes owner, int64_t now_us) {
    char id[UUID_TEXT_SIZE];
    json_t *document = json_object();
    uuid_create(id);
    set_text(document, "space", request->query.space);
    json_object_set_new(document, "redriveId", json_string(id));
    set_text(document, "owner", owner);
    set_state(document, REDRIVE_WAITING);
    set_text(document, "subscriptionId", request->query.subscription_id);
    set_time(document, "since", request->query.since_us);
    set_time(document, "begun", now_us);
    if (request->letter_count > 0) {
        json_object_set_new(document, "letters", letters_of(request));
        set_time(document, "until", request->query.until_us);
    } else {
        // What is dead-lettered from now on is not meant.
        set_time(document, "until", request->query.until_us > 0 ? request->query.until_us : now_us);
    }
    if (request->rate > 0) {
        set_number(document, "ratePerSecond", request->rate);
    }
    set_number(document, "total", total);
    return document;
}

// What is over needs no list of what it was about.
static void end_document(json_t *document, int64_t now_us) {
    set_time(document, "ended", now_us);
    json_object_del(document, "letters");
    json_object_del(document, "at");
    json_object_del(document, "after");
}

struct json_t *redrive_document_at(const struct redrive *redrive,
                                   const struct redrive_progress *progress, int64_t now_us) {
    json_t *document = json_copy((json_t *)redrive->document);
    set_state(document, progress->state);
    set_number(document, "total", progress->total);
    set_number(document, "redriven", progress->redriven);
    set_number(document, "failed", progress->failed);
    set_number(document, "missing", progress->missing);
    set_text(document, "lastFailure", bytes_of_text(progress->reason));
    if (progress->state >= REDRIVE_DONE) {
        end_document(document, redrive->ended_us > 0 ? redrive->ended_us : now_us);
    } else if (redrive->letter_count > 0) {
        set_number(document, "at", progress->letter_at);
    } else if (progress->after.time_us >= 0) {
        json_object_set_new(document, "after",
                            json_pack("[I,I,I]", (json_int_t)progress->after.time_us,
                                      (json_int_t)progress->after.place.partition,
                                      (json_int_t)progress->after.place.offset));
    }
    return document;
}

struct json_t *redrive_document_owned(const struct redrive *redrive, struct bytes owner) {
    json_t *document = json_copy((json_t *)redrive->document);
    json_object_set_new(document, "owner", json_stringn(owner.data ? owner.data : "", owner.size));
    return document;
}

struct json_t *redrive_document_stopped(const struct redrive *redrive, struct bytes by,
                                        int64_t now_us) {
    json_t *document = json_copy((json_t *)redrive->document);
    set_state(document, REDRIVE_STOPPED);
    set_text(document, "stoppedBy", by);
    end_document(document, now_us);
    return document;
}

// --- What the API shows.

static void set_percent(json_t *object, const struct redrive *redrive, int64_t handled) {
    int64_t percent = redrive->total > 0 ? handled * 100 / redrive->total : 100;
    if (redrive->state == REDRIVE_DONE || percent > 100) {
        percent = 100;
    }
    set_number(object, "percent", percent);
}

static void set_eta(json_t *object, const struct redrive *redrive, int64_t handled,
                    int64_t now_us) {
    int64_t passed_us = now_us - redrive->begun_us;
    if (redrive->state < REDRIVE_DONE && handled > 0 && redrive->total > handled && passed_us > 0) {
        double eta_us = (double)passed_us / (double)handled * (double)(redrive->total - handled);
        set_number(object, "etaSeconds", (int64_t)(eta_us / 1e6) + 1);
    }
}

struct json_t *redrive_describe(const struct redrive *redrive, int64_t marks, int64_t now_us) {
    static const char *const members[] = {"subscriptionId", "ratePerSecond", "since",
                                          "until",          "begun",         "ended",
                                          "stoppedBy",      "lastFailure"};
    bool counts_marks = redrive->state != REDRIVE_DONE && marks > redrive->redriven;
    int64_t redriven = counts_marks ? marks : redrive->redriven;
    int64_t handled = redriven + redrive->failed + redrive->missing;
    json_t *object = json_object();
    set_text(object, "redriveId", redrive->id);
    set_state(object, redrive->state);
    set_number(object, "total", redrive->total);
    set_number(object, "redriven", redriven);
    set_number(object, "failed", redrive->failed);
    set_number(object, "missing", redrive->missing);
    set_percent(object, redrive, handled);
    set_eta(object, redrive, handled, now_us);
    if (redrive->state < REDRIVE_DONE) {
        set_text(object, "node", redrive->owner);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        json_t *value = json_object_get(redrive->document, members[i]);
        if (value) {
            json_object_set(object, members[i], value);
        }
    }
    return object;
}
