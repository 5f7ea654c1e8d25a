#include "dispatcher/dispatcher_settings.h"

#include <string.h>

static enum outcome_recording recording_of(const struct settings *settings) {
    const char *name = settings_text(settings, "record-outcomes");
    return strcmp(name, "failures") == 0 ? OUTCOMES_OF_FAILURES
           : strcmp(name, "off") == 0    ? OUTCOMES_OFF
                                         : OUTCOMES_ON;
}

void dispatcher_read_settings(const struct settings *settings, struct retry_tiers *ret_tiers,
                              struct dispatcher_options *ret_options) {
    *ret_tiers = retry_tiers_divided(settings_number(settings, "retry-time-divisor"));
    ret_options->source = settings_text(settings, "source");
    ret_options->is_hosted = settings_text(settings, "hosted-domain") != NULL;
    ret_options->recording = recording_of(settings);
    ret_options->tiers = ret_tiers;
}
