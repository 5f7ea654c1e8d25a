// Encodings that the wire formats need: base64, percent-encoding, UTF-8, RFC 3339, UUIDs. Pure
// functions, any thread. Decoders append to a buffer and leave it as it was on failure.
#ifndef EVENT_GATEWAY_BASE_TEXT_H
#define EVENT_GATEWAY_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

// RFC 4648 section 4, with padding.
void base64_encode(struct bytes bytes, struct buffer *ret_buffer);
// Strict: padding needed, no blanks. STATUS_INVALID otherwise.
enum status must_check base64_decode(struct bytes text, struct buffer *ret_buffer);
// RFC 4648 section 5, without padding (subscription ids).
void base64url_encode(struct bytes bytes, struct buffer *ret_buffer);
enum status must_check base64url_decode(struct bytes text, struct buffer *ret_buffer);

// Go's url.PathEscape: letters, digits and -_.~:@&=+$ stay, every other byte becomes %XX (upper
// case).
void percent_encode_path_segment(struct bytes bytes, struct buffer *ret_buffer);
// The CloudEvents HTTP binding: space, '"', '%' and all outside U+0021..U+007E, per UTF-8 byte.
void percent_encode_header_value(struct bytes bytes, struct buffer *ret_buffer);
// One round; a '%' without two hex digits stays literally. plus_is_space: for query strings.
void percent_decode(struct bytes text, bool plus_is_space, struct buffer *ret_buffer);
// 0 to 15, in either case; -1 for what is no hex digit.
int hex_digit_value(char digit);

// Whether they may stand in the head of an HTTP message: a token of RFC 9110, section 5.6.2; a
// value without control characters but the tab.
bool header_name_is_valid(struct bytes name);
bool header_value_is_valid(struct bytes value);

// No overlong forms, surrogates or values beyond U+10FFFF.
bool utf8_is_valid(struct bytes bytes);
// The size of the first character, 1 to 4; 0 when there is none or it is not valid.
size_t utf8_sequence(struct bytes bytes);

// The 128-bit random kind (version 4), 36 characters and a NUL.
#define UUID_TEXT_SIZE 37
void uuid_create(char ret_text[UUID_TEXT_SIZE]);

// RFC 3339 with any offset and fraction; STATUS_INVALID otherwise. Microseconds since 1970 UTC,
// smaller fractions cut off. A leap second (23:59:60 UTC) is the first moment of the next day.
enum status must_check timestamp_parse(struct bytes text, int64_t *ret_us);
// "2026-11-24T01:02:03.004005Z" (no fraction when it is 0), 28 characters at most. Outside the
// years 0000 to 9999 it is their first or last moment.
#define TIMESTAMP_TEXT_SIZE 32
void timestamp_format(int64_t us, char ret_text[TIMESTAMP_TEXT_SIZE]);

#endif
