// The providers by name, for provider_table.c only.
#ifndef EVENT_GATEWAY_FUNCTIONS_PROVIDERS_H
#define EVENT_GATEWAY_FUNCTIONS_PROVIDERS_H

#include "core/functions/provider.h"

extern const struct provider provider_http;
extern const struct provider provider_weighted;

#endif
