#include "admin/redrive_source.h"

#include <jansson.h>

static struct event_query query_of(const struct redrive *redrive) {
    return (struct event_query){
        .space = redrive->space,
        .subscription_id = redrive->subscription_id,
        .since_us = redrive->since_us,
        .until_us = redrive->until_us,
    };
}

void redrive_source_init(struct redrive_source *source, struct event_index *index,
                         const struct redrive *redrive) {
    source->index = index;
    source->redrive = redrive;
    source->fetched_count = source->fetched_at = 0;
    source->is_at_end = false;
    source->next_letter = redrive->letter_at;
    source->last =
        (struct letter_place){redrive->after_us, {redrive->after.partition, redrive->after.offset}};
}

bool redrive_source_has_more(const struct redrive_source *source) {
    return source->fetched_at < source->fetched_count || !source->is_at_end;
}

static void fetch_by_ids(struct redrive_source *source) {
    const struct redrive *redrive = source->redrive;
    while (source->next_letter < (int64_t)redrive->letter_count &&
           source->fetched_count < REDRIVE_FETCHED_MAX) {
        const struct redrive_place *place = &redrive->letters[source->next_letter++];
        source->fetched[source->fetched_count++] =
            (struct letter_place){0, {place->partition, place->offset}};
    }
}

static enum status fetch(struct redrive_source *source, struct error *error) {
    struct event_query query = query_of(source->redrive);
    enum status status = STATUS_OK;
    source->fetched_at = source->fetched_count = 0;
    if (source->redrive->letter_count > 0) {
        fetch_by_ids(source);
    } else {
        status = event_index_next_letters(source->index, &query, &source->last, source->fetched,
                                          REDRIVE_FETCHED_MAX, &source->fetched_count, error);
    }
    if (status != STATUS_OK) {
        source->fetched_count = 0;
    }
    source->is_at_end = source->fetched_count == 0;
    if (!source->is_at_end) {
        source->last = source->fetched[source->fetched_count - 1];
    }
    return status;
}

enum status redrive_source_next(struct redrive_source *source, struct letter_place *ret_at,
                                struct error *error) {
    enum status status = STATUS_OK;
    if (source->fetched_at == source->fetched_count && !source->is_at_end) {
        status = fetch(source, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (source->fetched_at == source->fetched_count) {
        return STATUS_NOT_FOUND;
    }
    *ret_at = source->fetched[source->fetched_at++];
    return STATUS_OK;
}

// Those by ids are looked up one by one: somebody may have redriven or deleted them.
bool redrive_source_is_dead(const struct redrive_source *source, const struct letter_place *at) {
    struct buffer id = {0};
    struct log_place place;
    struct error error;
    json_t *letter = NULL;
    if (source->redrive->letter_count == 0) {
        return true; // The index has just told so.
    }
    letter_id_write(&at->place, &id);
    enum status status = event_index_find_letter(source->index, source->redrive->space,
                                                 buffer_bytes(&id), &letter, &place, &error);
    json_decref(letter);
    buffer_clear(&id);
    return status != STATUS_NOT_FOUND;
}

enum status redrive_source_count(const struct redrive_source *source, int64_t *ret_count,
                                 struct error *error) {
    struct event_query query = query_of(source->redrive);
    return event_index_count_letters(source->index, &query, ret_count, error);
}
