// Every setting of the program event-gateway: one table (node_settings_table.c) that is help,
// validation and documentation, and the rules over several of them. Read once by main.c.
#ifndef EVENT_GATEWAY_NODE_NODE_SETTINGS_H
#define EVENT_GATEWAY_NODE_NODE_SETTINGS_H

#include <stdbool.h>

#include "core/base/settings.h"

enum command {
    COMMAND_DEV = 1,
    COMMAND_RUN = 2
};

enum role {
    ROLE_INGEST = 1,
    ROLE_DISPATCHER = 2,
    ROLE_ADMIN = 4
};

const char *role_name(enum role role); // "ingest"

struct node_settings {
    enum command command;
    unsigned roles; // bit set of enum role
    const struct settings *settings;
};

// arguments follow the command's name. Rules over several settings are checked here too (run needs
// Kafka and ZooKeeper; a config address that others can reach needs a token).
enum status must_check node_settings_read(enum command command, int argument_count,
                                          char **arguments, char **environment,
                                          struct node_settings *ret_settings, struct error *error);
void node_settings_clear(struct node_settings *settings);
// The data folder; NULL = none (run only).
const char *node_settings_data(const struct node_settings *settings);
void node_settings_write_help(enum command command, struct buffer *ret_buffer);

#endif
