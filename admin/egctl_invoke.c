// invoke: calls a function through the gateway and prints what it answered.

#include <stdio.h>

#include "admin/egctl.h"

static enum status call(const struct egctl_flags *flags, const char *function, struct bytes data,
                        struct egctl_answer *ret_answer, struct error *error) {
    struct buffer url = {0};
    struct buffer id = {0};
    struct buffer space = {0};
    struct buffer type = {0};
    buffer_append_format(&url, "%s%s", flags->events_url, flags->path ? flags->path : "/");
    buffer_append_format(&id, "Function-ID: %s", function);
    buffer_append_format(&space, "Space: %s", flags->space);
    buffer_append_format(&type, "Content-Type: %s",
                         flags->content_type ? flags->content_type : "application/json");
    const char *headers[] = {"Event: invoke", id.data, space.data, type.data, NULL};
    return egctl_request(flags, "POST", url.data, headers, data, ret_answer, error);
}

int egctl_invoke(const struct egctl_flags *flags, int count, char **arguments) {
    struct buffer data = {0};
    struct egctl_answer answer;
    struct error error;
    if (count != 1) {
        return egctl_fail(EGCTL_USAGE, "invoke: one function id is needed");
    }
    if (egctl_read_data(flags, &data, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_USAGE, "%s", error.text);
    }
    if (call(flags, arguments[0], buffer_bytes(&data), &answer, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.status != 200) {
        egctl_answer_error(&answer, &error);
        return egctl_fail(EGCTL_FAILED, "invoke %s: %s", arguments[0], error.text);
    }
    struct bytes body = buffer_bytes(&answer.body);
    if (body.size > 0) {
        fwrite(body.data, 1, body.size, stdout);
        if (body.data[body.size - 1] != '\n') {
            putchar('\n');
        }
    }
    return EGCTL_OK;
}
