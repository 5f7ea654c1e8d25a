// status: what the gateway says of itself.

#include <jansson.h>
#include <stdio.h>

#include "admin/egctl.h"
#include "core/base/json.h"

int egctl_status(const struct egctl_flags *flags) {
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    json_t *document = NULL;
    buffer_append_format(&url, "%s/v1/health/ready", flags->url);
    if (egctl_request(flags, "GET", url.data, NULL, (struct bytes){0}, &answer, &error) !=
        STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (json_parse(buffer_bytes(&answer.body), &document, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s: not an Event Gateway (%s)", flags->url, error.text);
    }
    if (flags->wants_json) {
        egctl_print_json(document);
    } else {
        const char *name;
        json_t *value;
        printf("%s is %s.\n", flags->url, answer.status == 200 ? "ready" : "not ready");
        json_object_foreach(document, name, value) {
            char *text = json_is_string(value) ? NULL : json_write(value);
            printf("  %-10s %s\n", name, text ? text : json_string_value(value));
        }
    }
    return answer.status == 200 ? EGCTL_OK : EGCTL_FAILED;
}
