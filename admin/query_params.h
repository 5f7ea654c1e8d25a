// The parameters of a request's query that the operations API reads.
#ifndef EVENT_GATEWAY_ADMIN_QUERY_PARAMS_H
#define EVENT_GATEWAY_ADMIN_QUERY_PARAMS_H

#include "admin/event_index.h"

// The first parameter of that name, decoded and appended. False: there is none.
bool query_param(struct bytes query, const char *name, struct buffer *ret_value);

// What lists take; the query points into the buffers.
struct list_params {
    struct event_query query;
    struct buffer type, source, subject, status, text, subscription_id, cursor;
};
// Other parameters are ignored. INVALID names the bad one. Cleared by the caller in any case.
enum status must_check list_params_read(struct bytes query, struct list_params *ret_params,
                                        struct error *error);
void list_params_clear(struct list_params *params);

#endif
