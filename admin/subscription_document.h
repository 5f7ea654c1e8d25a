// What is stored of a subscription, made of a body in the shape of either generation.
#ifndef EVENT_GATEWAY_ADMIN_SUBSCRIPTION_DOCUMENT_H
#define EVENT_GATEWAY_ADMIN_SUBSCRIPTION_DOCUMENT_H

#include <stdbool.h>

#include "admin/config_resource.h"

// Whether a stored subscription is shown with the members of the old shape, too.
bool subscription_document_has_old_shape(const struct json_t *document);
// Whether the body has the shape of the first generation.
bool subscription_document_is_classic(const struct config_attempt *attempt);
// Like prepare of config_resource.h.
enum status must_check subscription_document_prepare(struct config_attempt *attempt,
                                                     struct error *error);

#endif
