// The parts of a cursor's record that are lists, as JSON: what is finished, what was tried, and
// both for each subscription. For cursor_record.c alone. Pure, any thread.
#ifndef EVENT_GATEWAY_CURSORS_CURSOR_PARTS_H
#define EVENT_GATEWAY_CURSORS_CURSOR_PARTS_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/cursors/cursor_record.h"

struct json_t;

// Each begins with a comma; an empty list is not written.
void cursor_parts_write_ranges(struct buffer *value, const struct offset_ranges *ranges);
void cursor_parts_write_tried(struct buffer *value, const struct tried_list *tried);
void cursor_parts_write_shares(struct buffer *value, const struct cursor_share *shares,
                               size_t count);

// The member of an object, absent = nothing. Offsets lie at position or beyond. What was read so
// far is the caller's also on failure.
enum status must_check cursor_parts_read_ranges(const struct json_t *object, int64_t position,
                                                struct offset_ranges *ret_ranges,
                                                struct error *error);
enum status must_check cursor_parts_read_tried(const struct json_t *object, int64_t position,
                                               struct tried_list *ret_tried, struct error *error);
enum status must_check cursor_parts_read_shares(const struct json_t *object, int64_t position,
                                                struct cursor_share **ret_shares, size_t *ret_count,
                                                struct error *error);

#endif
