// The words of the program's command line: which command runs with which arguments, or what is
// printed instead. For main.
#ifndef EVENT_GATEWAY_NODE_COMMAND_LINE_H
#define EVENT_GATEWAY_NODE_COMMAND_LINE_H

#include <stdbool.h>

#include "core/node/node_settings.h"

enum exit_code {
    EXIT_STORE = 1, // a store cannot be reached or used
    EXIT_USAGE = 2  // a wrong command, flag or value
};

// True: the command runs, with the arguments from the third on. False: help, version or what is
// wrong was printed, and the program ends with ret_exit_code.
bool command_line_read(int count, char **arguments, enum command *ret_command, int *ret_exit_code);

#endif
