#include "core/functions/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"

#define WEBHOOK_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

struct check {
    const char *type;
    const char *provider;
    const char *text; // of the refusal; NULL = taken
};

static void assert_check(const struct check *check, bool refuse_unknown) {
    struct error error = {0};
    json_t *provider = NULL;
    assert_int_equal(json_parse(bytes_of_text(check->provider), &provider, NULL), STATUS_OK);
    enum status status =
        provider_check(bytes_of_text(check->type), provider, refuse_unknown, &error);
    if (status != (check->text ? STATUS_INVALID : STATUS_OK) ||
        (check->text && strcmp(error.text, check->text) != 0)) {
        fail_msg("%s %s: %s", check->type, check->provider, error.text);
    }
    json_decref(provider);
}

static void assert_checks(const struct check *checks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_check(&checks[i], true);
    }
}

static void what_the_original_takes_is_taken(void **state) {
    (void)state;
    static const struct check checks[] = {
        {"http", "{\"url\":\"http://example.com\"}", NULL},
        {"http", "{\"url\":\"HTTPS://user@example.com:8080/a?b=c#d\"}", NULL},
        {"awslambda", "{\"arn\":\"f\",\"region\":\"us-east-1\"}", NULL},
        {"awslambda",
         "{\"arn\":\"arn:aws:lambda:us-east-1:123456789012:function:f:7\",\"region\":\"us-east-1\","
         "\"awsAccessKeyId\":\"a\",\"awsSecretAccessKey\":\"b\",\"awsSessionToken\":\"c\"}",
         NULL},
        {"awslambda",
         "{\"arn\":\"f\",\"region\":\"us-east-1\",\"awsAccessKeyID\":\"a\","
         "\"awsSecretAccessKey\":\"b\"}",
         NULL},
        {"awskinesis", "{\"streamName\":\"s\",\"region\":\"us-east-1\"}", NULL},
        {"awsfirehose", "{\"deliveryStreamName\":\"s\",\"region\":\"us-east-1\"}", NULL},
        {"awssqs",
         "{\"queueUrl\":\"https://sqs.us-east-1.amazonaws.com/1/q\",\"region\":\"us-east-1\"}",
         NULL},
        {"weighted", "{\"weighted\":[{\"functionId\":\"f\",\"weight\":1}]}", NULL},
        {"weighted", "{\"weighted\":[{\"functionId\":\"f\",\"weight\":1},{\"functionId\":\"g\"}]}",
         NULL},
        {"emulator", "{\"emulatorUrl\":\"http://localhost:4002\",\"apiVersion\":\"v0\"}", NULL},
    };
    assert_checks(checks, ARRAY_LENGTH(checks));
}

static void what_is_missing_is_told_in_the_originals_words(void **state) {
    (void)state;
    static const struct check checks[] = {
        {"http", "{}", "Missing required fields for HTTP endpoint."},
        {"http", "{\"url\":\"\"}", "Missing required fields for HTTP endpoint."},
        {"http", "{\"url\":\"example\"}", "Missing required fields for HTTP endpoint."},
        {"http", "{\"url\":\"ftp://example.com\"}", "Missing required fields for HTTP endpoint."},
        {"http", "{\"url\":\"http://\"}", "Missing required fields for HTTP endpoint."},
        {"http", "{\"url\":\"http://a b\"}", "Missing required fields for HTTP endpoint."},
        {"http", "{\"url\":5}", "Missing required fields for HTTP endpoint."},
        {"awslambda", "{\"arn\":\"f\"}", "Missing required fields for AWS Lambda function."},
        {"awslambda", "{\"region\":\"r\"}", "Missing required fields for AWS Lambda function."},
        {"awskinesis", "{\"region\":\"r\"}", "Missing required fields for AWS Kinesis function."},
        {"awsfirehose", "{\"region\":\"r\"}", "Missing required fields for AWS Firehose function."},
        {"awssqs", "{\"region\":\"r\"}", "Missing required fields for AWS SQS function."},
        {"awsstepfunctions", "{\"region\":\"r\"}",
         "Missing required fields for AWS Step Functions state machine."},
        {"weighted", "{}", "Missing required fields for weighted function."},
        {"weighted", "{\"weighted\":[]}", "Missing required fields for weighted function."},
        {"weighted", "{\"weighted\":[{\"functionId\":\"f\",\"weight\":0}]}",
         "Function weights sum to zero."},
        {"emulator", "{\"apiVersion\":\"v0\"}",
         "Missing required field emulatorURL for Emulator function."},
        {"emulator", "{\"emulatorUrl\":\"http://localhost\"}",
         "Missing required field apiVersion for Emulator function."},
        {"emulator", "{\"emulatorUrl\":\"http://localhost\",\"apiVersion\":\"v1\"}",
         "Invalid Emulator API version \"v1\""},
        {"azurefunction", "{}",
         "Missing required fields for Azure function: either url, or app and function."},
        {"azurefunction", "{\"app\":\"a\"}",
         "Missing required fields for Azure function: either url, or app and function."},
        {"azurelogicapp", "{}", "Missing required fields for Azure Logic App."},
        {"azurelogicapp", "{\"url\":\"x\"}", "Missing required fields for Azure Logic App."},
        {"openwhisk", "{\"apiHost\":\"h\",\"action\":\"a\"}",
         "Missing required fields for OpenWhisk action."},
        {"abacus", "{}", "provider abacus not supported"},
        {"gcf", "{}", "Missing required fields for Google Cloud function."},
    };
    assert_checks(checks, ARRAY_LENGTH(checks));
}

static void our_own_fields_are_taken_and_checked(void **state) {
    (void)state;
#define HTTP "{\"url\":\"http://example.com\","
    static const struct check checks[] = {
        {"http",
         HTTP "\"timeoutMs\":1,\"http2\":true,\"headers\":{\"X-A\":\"1\"},"
              "\"auth\":{\"bearer\":\"t\"},"
              "\"signing\":{\"scheme\":\"standard-webhooks\",\"secret\":\"" WEBHOOK_SECRET "\"}}",
         NULL},
        {"http",
         HTTP "\"timeoutMs\":null,\"http2\":null,\"headers\":null,\"auth\":null,\"signing\":null}",
         NULL},
        {"http", HTTP "\"auth\":{\"bearer\":null,\"basic\":\"u:p\"}}", NULL},
        {"http", HTTP "\"timeoutMs\":0}", "provider.timeoutMs: must be from 1 to 900000"},
        {"http", HTTP "\"timeoutMs\":900001}", "provider.timeoutMs: must be from 1 to 900000"},
        {"http", HTTP "\"timeoutMs\":\"5\"}", "provider.timeoutMs: must be a whole number"},
        {"http", HTTP "\"http2\":1}", "provider.http2: must be true or false"},
        {"http", HTTP "\"headers\":[]}", "provider.headers: must be an object"},
        {"http", HTTP "\"headers\":{\"X\":1}}",
         "provider.headers.X: must be the name of a header and its text"},
        {"http", HTTP "\"headers\":{\"X\":\"a\\r\\nHost: b\"}}",
         "provider.headers.X: must be the name of a header and its text"},
        {"http", HTTP "\"headers\":{\"X Y\":\"a\"}}",
         "provider.headers.X Y: must be the name of a header and its text"},
        {"http", HTTP "\"auth\":\"bearer\"}", "provider.auth: must be an object"},
        {"http", HTTP "\"auth\":{\"bearer\":\"a\",\"basic\":\"b:c\"}}",
         "provider.auth: either bearer or basic, not both"},
        {"http", HTTP "\"auth\":{\"bearer\":\"a\\nb\"}}",
         "provider.auth.bearer: must not hold control characters"},
        {"http", HTTP "\"auth\":{\"basic\":\"u\"}}", "provider.auth.basic: must be USER:PASSWORD"},
        {"http", HTTP "\"signing\":{\"scheme\":\"hmac\",\"secret\":\"" WEBHOOK_SECRET "\"}}",
         "provider.signing.scheme: must be standard-webhooks"},
        {"http", HTTP "\"signing\":{\"scheme\":\"standard-webhooks\"}}",
         "provider.signing.secret: is needed"},
        {"http", HTTP "\"signing\":{\"scheme\":\"standard-webhooks\",\"secret\":\"whsec_AAAA\"}}",
         "provider.signing.secret: must be whsec_ and the base64 of 24 to 64 bytes"},
#define LAMBDA "{\"arn\":\"f\",\"region\":\"us-east-1\","
        {"awslambda", LAMBDA "\"invocationType\":\"Event\",\"endpoint\":\"http://localhost:5000\"}",
         NULL},
        {"awslambda", LAMBDA "\"invocationType\":\"DryRun\"}",
         "provider.invocationType: must be RequestResponse or Event"},
        {"awslambda", LAMBDA "\"endpoint\":\"localhost\"}",
         "provider.endpoint: must be an http or https URL"},
        {"awslambda", LAMBDA "\"endpoint\":\"http://localhost/?a\"}",
         "provider.endpoint: must be a URL without a query and credentials"},
        {"awslambda", LAMBDA "\"awsAccessKeyId\":\"a\"}",
         "provider: awsAccessKeyId and awsSecretAccessKey belong together"},
        {"awslambda", LAMBDA "\"awsSecretAccessKey\":\"a\"}",
         "provider: awsAccessKeyId and awsSecretAccessKey belong together"},
        {"awslambda", "{\"arn\":\"f\",\"region\":\"evil.example/\"}",
         "provider.region: must be the name of a region, as us-east-1"},
        {"awssqs", "{\"queueUrl\":\"https://u:p@host/q\",\"region\":\"us-east-1\"}",
         "provider.queueUrl: must be the URL of a queue"},
        {"azurefunction", "{\"url\":\"https://a.example/api/f?x=1\",\"key\":\"k/+==\"}", NULL},
        {"azurefunction", "{\"app\":\"my-app\",\"function\":\"f\"}", NULL},
        {"azurefunction", "{\"app\":\"a.b\",\"function\":\"f\"}",
         "provider.app: must be the name of a function app"},
        {"azurefunction", "{\"url\":\"https://a.example\",\"app\":\"a\",\"function\":\"f\"}",
         "Missing required fields for Azure function: either url, or app and function."},
        {"azurefunction", "{\"url\":\"https://a.example/api/f?x=1&code=SECRET\"}",
         "provider.url: holds a code, which everybody could read; give it as key"},
        {"azurefunction", "{\"url\":\"https://a.example/\",\"key\":\"a\\r\\nb: c\"}",
         "provider.key: is not a key"},
        {"azurelogicapp", "{\"url\":\"https://a.example/?sig=x\",\"timeoutMs\":0}",
         "provider.timeoutMs: must be from 1 to 900000"},
#define OPENWHISK(host, action, auth)                                                              \
    "{\"apiHost\":\"" host "\",\"action\":\"" action "\",\"auth\":\"" auth "\"}"
        {"openwhisk", OPENWHISK("ow.example:443", "p/a", "u:k"), NULL},
        {"openwhisk", OPENWHISK("https://ow.example/", "a b", "u:k"), NULL},
        {"openwhisk", OPENWHISK("https://", "a", "u:k"),
         "provider.apiHost: must be a host or a URL"},
        {"openwhisk", OPENWHISK("u@host", "a", "u:k"), "provider.apiHost: must be a host or a URL"},
        {"openwhisk", OPENWHISK("h", "/ns/a", "u:k"),
         "provider.action: must be NAME or PACKAGE/NAME"},
        {"openwhisk", OPENWHISK("h", "a/b/c", "u:k"),
         "provider.action: must be NAME or PACKAGE/NAME"},
        {"openwhisk", OPENWHISK("h", "a/", "u:k"), "provider.action: must be NAME or PACKAGE/NAME"},
        {"openwhisk", OPENWHISK("h", "a", "u"), "provider.auth: must be UUID:KEY"},
        {"gcf", "{\"url\":\"https://r-p.cloudfunctions.net/f\"}", NULL},
        {"gcf", "{\"url\":\"https://a.example/f\",\"serviceAccount\":\"{SECRET\"}",
         "provider.serviceAccount: is not the JSON of a service account's key"},
        {"gcf", "{\"url\":\"https://a.example/f\",\"serviceAccount\":{}}",
         "provider.serviceAccount: must be text"},
        {"weighted", "{\"weighted\":[{\"weight\":1}]}",
         "provider.weighted[0].functionId: is missing"},
        {"weighted", "{\"weighted\":[{\"functionId\":\"f\",\"weight\":-1}]}",
         "provider.weighted[0].weight: must be a whole number from 0 to 1000000"},
    };
    assert_checks(checks, ARRAY_LENGTH(checks));
}

static void unknown_fields_are_refused_where_the_dialect_wants_it(void **state) {
    (void)state;
    static const struct check checks[] = {
        {"http", HTTP "\"colour\":1}", "unknown field \"provider.colour\""},
        {"http", HTTP "\"auth\":{\"berer\":\"t\"}}", "unknown field \"provider.auth.berer\""},
        {"http", HTTP "\"arn\":\"f\"}", "unknown field \"provider.arn\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        struct check taken = checks[i];
        taken.text = NULL;
        assert_check(&checks[i], true);
        assert_check(&taken, false);
    }
}

static void every_provider_is_found_by_its_type_and_documented(void **state) {
    (void)state;
    size_t count;
    const struct provider *const *providers = provider_list(&count);
    assert_true(count >= 12);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(provider_find(bytes_of_text(providers[i]->type)), providers[i]);
        assert_non_null(providers[i]->missing_text);
        assert_non_null(providers[i]->prepare);
        assert_non_null(providers[i]->forget);
        assert_true((providers[i]->call != NULL) != (providers[i]->choose != NULL));
        for (size_t j = 0; j < providers[i]->field_count; j++) {
            assert_non_null(providers[i]->fields[j].help);
        }
    }
    assert_null(provider_find((struct bytes){0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_original_takes_is_taken),
        cmocka_unit_test(what_is_missing_is_told_in_the_originals_words),
        cmocka_unit_test(our_own_fields_are_taken_and_checked),
        cmocka_unit_test(unknown_fields_are_refused_where_the_dialect_wants_it),
        cmocka_unit_test(every_provider_is_found_by_its_type_and_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
