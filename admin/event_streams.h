// GET events/stream: events as they come in, as server-sent events. The log's end is followed while
// somebody looks, once for all who do. Everything belongs to the admin's loop.
#ifndef EVENT_GATEWAY_ADMIN_EVENT_STREAMS_H
#define EVENT_GATEWAY_ADMIN_EVENT_STREAMS_H

#include "admin/event_index.h"
#include "core/base/event_loop.h"
#include "core/base/http_server.h"

struct event_streams;

struct event_streams *event_streams_create(struct event_log *log, struct event_loop *loop);
// Answers the request with a stream of what the query wants (space, type, source, subject, text;
// all copied). FULL: too many look already, and the request is not answered.
enum status must_check event_streams_add(struct event_streams *streams,
                                         struct http_request *request,
                                         const struct event_query *query);
// The log is closed and the server destroyed: nothing is inside any more.
void event_streams_destroy(struct event_streams *streams);

#endif
