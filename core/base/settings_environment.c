// Settings as variables: events-port is EVENT_GATEWAY_EVENTS_PORT.

#include <stdio.h>
#include <string.h>

#include "core/base/settings_private.h"

// The kebab-case name of a variable's name without the prefix; false when it cannot be one.
static bool name_of_variable(struct bytes variable, char ret_name[SETTING_NAME_SIZE]) {
    if (variable.size >= SETTING_NAME_SIZE) {
        return false;
    }
    for (size_t i = 0; i < variable.size; i++) {
        char letter = variable.data[i];
        bool is_upper = letter >= 'A' && letter <= 'Z';
        if (!is_upper && letter != '_' && !(letter >= '0' && letter <= '9')) {
            return false;
        }
        ret_name[i] = is_upper ? (char)(letter - 'A' + 'a') : letter == '_' ? '-' : letter;
    }
    ret_name[variable.size] = '\0';
    return true;
}

// Kubernetes adds variables for a service whose name begins with event-gateway, such as
// EVENT_GATEWAY_SERVICE_HOST and EVENT_GATEWAY_PORT_4000_TCP_ADDR. Nobody typed them.
static bool is_of_service(const char *name) {
    const char *port = strstr(name, "port-");
    return strcmp(name, "port") == 0 || strstr(name, "service-host") ||
           strstr(name, "service-port") || (port && port[5] >= '0' && port[5] <= '9');
}

static enum status read_variable(struct settings *settings, struct bytes variable,
                                 const char *value, struct error *error) {
    char name[SETTING_NAME_SIZE];
    char label[SETTING_NAME_SIZE + sizeof ENVIRONMENT_PREFIX];
    const struct setting_origin origin = {SOURCE_ENVIRONMENT, label};
    snprintf(label, sizeof label, "%s%.*s", ENVIRONMENT_PREFIX,
             variable.size < SETTING_NAME_SIZE ? (int)variable.size : SETTING_NAME_SIZE,
             variable.data);
    if (!name_of_variable(variable, name)) {
        return error_set(error, STATUS_INVALID, "%s: unknown setting", label);
    }
    size_t index = settings_index(settings, name);
    if (index == settings->table_size) {
        return is_of_service(name) ? STATUS_OK : settings_unknown(settings, name, &origin, error);
    }
    // One environment can serve several commands: what is not this command's is passed over. An
    // empty variable is how scripts and compose files say "not set".
    if (!settings_belongs(settings, index) || value[0] == '\0') {
        return STATUS_OK;
    }
    return settings_set(settings, index, &origin, value, error);
}

enum status settings_read_environment(struct settings *settings, char **environment,
                                      struct error *error) {
    for (; environment && *environment; environment++) {
        struct bytes entry = bytes_of_text(*environment);
        size_t equals = bytes_find(entry, '=');
        struct bytes name = bytes_slice(entry, 0, equals);
        if (equals == entry.size || !bytes_start_with(name, BYTES(ENVIRONMENT_PREFIX))) {
            continue;
        }
        name = bytes_slice(name, strlen(ENVIRONMENT_PREFIX), SIZE_MAX);
        enum status status = read_variable(settings, name, *environment + equals + 1, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}
