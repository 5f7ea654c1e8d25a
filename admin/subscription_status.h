// GET /v1/spaces/{space}/subscriptions/{id}/status: how far a subscription is, and how it goes.
// Told from the log itself, whichever node owns its partitions: eg.cursor says where it is on each
// of them, eg.events what lies beyond, the index of events what came of its deliveries. Belongs to
// the admin's loop.
#ifndef EVENT_GATEWAY_ADMIN_SUBSCRIPTION_STATUS_H
#define EVENT_GATEWAY_ADMIN_SUBSCRIPTION_STATUS_H

#include "admin/admin_private.h"

// False: not such a path, and not answered.
bool subscription_status_handle(struct admin *admin, struct http_request *request);

#endif
