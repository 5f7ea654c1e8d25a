// One decoder for each dialect of event_http: request -> event_builder. What is built borrows from
// the request. Pure, any thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_HTTP_DECODE_H
#define EVENT_GATEWAY_EVENTS_EVENT_HTTP_DECODE_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event_builder.h"
#include "core/events/event_http.h"

// A ce- header's value: undoes a quoted string, then one round of percent-encoding.
struct bytes event_http_decode_value(struct event_builder *builder, struct bytes value);
// A header's name in the notation of Go's servers: words begin with a capital letter, the first one
// with what first_is_capital says.
struct bytes event_http_word_case(struct event_builder *builder, struct bytes name,
                                  bool first_is_capital);
// Data and datacontenttype from the request's body and Content-Type.
enum status must_check event_http_take_body(const struct event_http_request *request,
                                            struct event_builder *builder, struct error *error);

enum status must_check event_http_decode_binary(const struct event_http_request *request,
                                                struct event_builder *builder, struct error *error);
enum status must_check event_http_decode_legacy(const struct event_http_request *request,
                                                struct event_builder *builder, struct error *error);
enum status must_check event_http_decode_custom(const struct event_http_request *request,
                                                const struct event_http_options *options,
                                                struct event_builder *builder, struct error *error);
// An event of type http.request that tells all of the request.
void event_http_decode_request(const struct event_http_request *request,
                               const struct event_http_options *options,
                               struct event_builder *builder);
// Id, source and time of an event that is made here.
void event_http_set_origin(const struct event_http_options *options, struct event_builder *builder);

#endif
