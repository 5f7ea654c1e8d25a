// pause, resume: whether a subscription gets its events. What comes meanwhile waits in the log.

#include <stdio.h>

#include "admin/egctl.h"

int egctl_pause(const struct egctl_flags *flags, bool pauses, int count, char **arguments) {
    const char *action = pauses ? "pause" : "resume";
    struct buffer url = {0};
    struct egctl_answer answer;
    struct error error;
    if (count != 1) {
        return egctl_fail(EGCTL_USAGE, "%s: one subscription id is needed", action);
    }
    egctl_resource_url(flags, "subscriptions", arguments[0], &url);
    buffer_append_format(&url, "/%s", action);
    if (egctl_request(flags, "POST", url.data, NULL, BYTES(""), &answer, &error) != STATUS_OK) {
        return egctl_fail(EGCTL_FAILED, "%s", error.text);
    }
    if (answer.status != 200) {
        egctl_answer_error(&answer, &error);
        return egctl_fail(EGCTL_FAILED, "%s %s: %s", action, arguments[0], error.text);
    }
    printf("%s %s\n", arguments[0],
           pauses ? "is paused; its events wait in the log" : "goes on from where it was");
    return EGCTL_OK;
}
