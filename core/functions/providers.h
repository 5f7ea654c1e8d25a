// The providers by name, for provider_table.c only.
#ifndef EVENT_GATEWAY_FUNCTIONS_PROVIDERS_H
#define EVENT_GATEWAY_FUNCTIONS_PROVIDERS_H

#include "core/functions/provider.h"

extern const struct provider provider_http;
extern const struct provider provider_aws_lambda;
extern const struct provider provider_aws_kinesis;
extern const struct provider provider_aws_firehose;
extern const struct provider provider_aws_sqs;
extern const struct provider provider_aws_step_functions;
extern const struct provider provider_azure_function;
extern const struct provider provider_azure_logic_app;
extern const struct provider provider_google_function;
extern const struct provider provider_openwhisk;
extern const struct provider provider_weighted;
extern const struct provider provider_emulator;

#endif
