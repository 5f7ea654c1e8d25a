// The access log (--access-log): one structured line for each request to the Events API. Never in
// it: queries, headers and bodies, where tokens are.
#ifndef EVENT_GATEWAY_INGEST_ACCESS_LOG_H
#define EVENT_GATEWAY_INGEST_ACCESS_LOG_H

#include <stddef.h>

#include "core/base/http_server.h"

struct intake;

// Before the answer: the request is still there.
void access_log_write(const struct intake *intake, unsigned status, size_t answer_size);
// Of a request that the server refused before it reached anybody.
void access_log_write_refused(const struct http_refused_request *refused);

#endif
