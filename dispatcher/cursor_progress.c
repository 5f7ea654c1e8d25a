#include "dispatcher/cursor_progress.h"

#include <assert.h>

void cursor_progress_init(struct cursor_progress *progress, int64_t position,
                          const struct offset_ranges *finished) {
    *progress = (struct cursor_progress){.read_offset = position};
    if (finished) {
        offset_ranges_copy(finished, &progress->ranges);
        offset_ranges_cut(&progress->ranges, position);
    }
}

void cursor_progress_init_unfinished(struct cursor_progress *progress, const int64_t *unfinished,
                                     size_t count, int64_t next_offset) {
    *progress = (struct cursor_progress){.read_offset = count > 0 ? unfinished[0] : next_offset};
    for (size_t i = 0; i < count; i++) {
        offset_ranges_add(&progress->ranges, unfinished[i] + 1,
                          i + 1 < count ? unfinished[i + 1] : next_offset);
    }
}

void cursor_progress_clear(struct cursor_progress *progress) {
    offset_ranges_clear(&progress->ranges);
}

// The last entry that is not above offset.
static struct offset_tracker_entry *not_above(const struct cursor_progress *progress,
                                              int64_t offset) {
    struct offset_tracker_entry *entry = progress->last;
    while (entry && entry->offset > offset) {
        entry = entry->previous;
    }
    return entry;
}

bool cursor_progress_is_open(const struct cursor_progress *progress, int64_t offset) {
    if (offset < progress->read_offset || offset_ranges_contain(&progress->ranges, offset)) {
        return false;
    }
    const struct offset_tracker_entry *entry = not_above(progress, offset);
    return !entry || entry->offset != offset;
}

void cursor_progress_add(struct cursor_progress *progress, struct offset_tracker_entry *entry) {
    assert(cursor_progress_is_open(progress, entry->offset));
    entry->previous = not_above(progress, entry->offset);
    entry->next = entry->previous ? entry->previous->next : progress->first;
    if (entry->previous) {
        entry->previous->next = entry;
    } else {
        progress->first = entry;
    }
    if (entry->next) {
        entry->next->previous = entry;
    } else {
        progress->last = entry;
    }
    progress->count++;
}

void cursor_progress_read(struct cursor_progress *progress, int64_t next_offset) {
    if (next_offset > progress->read_offset) {
        progress->read_offset = next_offset;
        offset_ranges_cut(&progress->ranges, next_offset);
    }
}

void cursor_progress_forget(struct cursor_progress *progress, struct offset_tracker_entry *entry) {
    assert(progress->count > 0);
    if (entry->previous) {
        entry->previous->next = entry->next;
    } else {
        progress->first = entry->next;
    }
    if (entry->next) {
        entry->next->previous = entry->previous;
    } else {
        progress->last = entry->previous;
    }
    entry->previous = NULL;
    entry->next = NULL;
    progress->count--;
}

void cursor_progress_finish(struct cursor_progress *progress, struct offset_tracker_entry *entry) {
    cursor_progress_forget(progress, entry);
    if (entry->offset >= progress->read_offset) {
        offset_ranges_add(&progress->ranges, entry->offset, entry->offset + 1);
    }
}

int64_t cursor_progress_position(const struct cursor_progress *progress) {
    return progress->first && progress->first->offset < progress->read_offset
               ? progress->first->offset
               : progress->read_offset;
}

void cursor_progress_finished(const struct cursor_progress *progress, size_t max,
                              struct offset_ranges *ret_ranges) {
    *ret_ranges = (struct offset_ranges){0};
    const struct offset_tracker_entry *entry = progress->first;
    for (; entry && entry->offset < progress->read_offset && ret_ranges->count < max;
         entry = entry->next) {
        bool is_last = !entry->next || entry->next->offset >= progress->read_offset;
        offset_ranges_add(ret_ranges, entry->offset + 1,
                          is_last ? progress->read_offset : entry->next->offset);
    }
    for (size_t i = 0; i < progress->ranges.count && ret_ranges->count < max; i++) {
        offset_ranges_add(ret_ranges, progress->ranges.items[i].first,
                          progress->ranges.items[i].end);
    }
}

void cursor_progress_rewind(struct cursor_progress *progress) {
    struct offset_ranges finished;
    cursor_progress_finished(progress, SIZE_MAX, &finished);
    progress->read_offset = cursor_progress_position(progress);
    offset_ranges_clear(&progress->ranges);
    progress->ranges = finished;
}
