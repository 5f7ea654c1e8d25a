#include "core/node/command_line.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"

static void write_usage(FILE *file) {
    fprintf(file,
            "Event Gateway %s: stores every event before it acknowledges it, and invokes the\n"
            "functions that subscribe to it, at least once.\n\n"
            "Usage:\n"
            "  event-gateway dev [flags]      everything in one process, on an embedded store\n"
            "  event-gateway run [flags]      a node of a cluster on Kafka and ZooKeeper\n"
            "  event-gateway version\n\n"
            "`event-gateway dev --help` and `event-gateway run --help` list the flags. Every flag\n"
            "can be given as an environment variable: --events-port is\n"
            "EVENT_GATEWAY_EVENTS_PORT.\n",
            EVENT_GATEWAY_VERSION);
}

static void write_help(enum command command) {
    struct buffer help = {0};
    node_settings_write_help(command, &help);
    printf("Usage: event-gateway %s [flags]\n\n%s", command == COMMAND_DEV ? "dev" : "run",
           help.data ? help.data : "");
    buffer_clear(&help);
}

static bool wants_help(int count, char **arguments) {
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

// A word that is no command of its own.
static int answer_word(const char *word) {
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        printf("event-gateway %s\n", EVENT_GATEWAY_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        write_usage(stdout);
        return 0;
    }
    if (word[0] == '\0') {
        write_usage(stderr);
    } else {
        fprintf(stderr, "event-gateway: no command \"%s\"; there are dev, run, version\n", word);
    }
    return EXIT_USAGE;
}

bool command_line_read(int count, char **arguments, enum command *ret_command, int *ret_exit_code) {
    const char *word = count > 1 ? arguments[1] : "";
    bool is_dev = strcmp(word, "dev") == 0;
    if (!is_dev && strcmp(word, "run") != 0) {
        *ret_exit_code = answer_word(word);
        return false;
    }
    *ret_command = is_dev ? COMMAND_DEV : COMMAND_RUN;
    if (wants_help(count - 2, arguments + 2)) {
        write_help(*ret_command);
        *ret_exit_code = 0;
        return false;
    }
    return true;
}
