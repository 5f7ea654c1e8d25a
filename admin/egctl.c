// egctl: manages and tries an Event Gateway from the command line.

#include "admin/egctl.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

static const char usage[] =
    "egctl manages and tries an Event Gateway.\n"
    "\n"
    "Usage: egctl COMMAND [ARGUMENTS] [FLAGS]\n"
    "\n"
    "  functions     list | get ID | put ID [--function-url URL | -f FILE] | delete ID\n"
    "  event-types   list | get NAME | put NAME [-f FILE] | delete NAME\n"
    "  subscriptions list | get ID | put [--event TYPE --function ID | -f FILE] | delete ID\n"
    "  cors          list | get ID | put [--method M --path P | -f FILE] | delete ID\n"
    "  emit TYPE     sends a CloudEvent: --data JSON|@FILE|-, --source, --subject, --id, --path,\n"
    "                --content-type, --extension NAME=VALUE; says when it is stored\n"
    "  invoke FUNCTION   calls it through the gateway, --data as for emit, and prints its answer\n"
    "  pause ID, resume ID   a subscription; its events wait in the log meanwhile\n"
    "  events        what came in, newest first: --type, --source, --subject, --search TEXT,\n"
    "                --status none|delivered|waiting|failed, --since, --until TIME, --limit N "
    "(100)\n"
    "  event ID      the event, and what came of each of its deliveries\n"
    "  tail          events as they come in: --type, --source, --subject, --search\n"
    "  dead-letters  list [--subscription ID, --since, --until, --limit] | get ID | delete ID\n"
    "  redrive [ID...]   delivers dead letters once more: these, or those of --subscription ID,\n"
    "                --since TIME, --until TIME; --rate N in a second; --once does not wait\n"
    "                list | get ID | stop ID; it goes on when its node is started again\n"
    "  replay SUBSCRIPTION   delivers what was before once more, to this one only: --since TIME,\n"
    "                --until TIME, --type, --source, --subject, --rate N; --once does not wait\n"
    "                list | get ID | stop ID\n"
    "  lag [ID]      how far the subscriptions are; of one also what it answered last\n"
    "  status        what the gateway says of itself\n"
    "  cluster       the nodes, their partitions, how each sees its stores\n"
    "  top           what a node does per second, refreshed in place: --interval SECONDS (1),\n"
    "                --once; with --json one object a line\n"
    "  completion bash   prints the completion; try: source <(egctl completion bash)\n"
    "  version\n"
    "\n"
    "put creates what is not there and replaces what is. A file holds the JSON document of the\n"
    "Configuration API; -f - reads it from stdin.\n"
    "\n"
    "Flags\n"
    "  --url URL           Configuration API (EGCTL_URL; http://127.0.0.1:4001)\n"
    "  --events-url URL    Events API (EGCTL_EVENTS_URL; http://127.0.0.1:4000)\n"
    "  --token-file FILE   bearer token for the Configuration API (EGCTL_TOKEN_FILE)\n"
    "  --space NAME        default\n"
    "  --metadata KEY=VALUE  list only what has it; repeatable\n"
    "  --type TYPE         of a function (http) or of a subscription (async, sync)\n"
    "  --method, --path    of a subscription or a CORS rule (POST, /)\n"
    "  --ordering, --max-in-flight, --rate, --batch\n"
    "                      how a subscription is delivered: key or none, calls at the same time,\n"
    "                      events in a second, events in a call; a file can say more\n"
    "  --json              answers as JSON, for scripts\n"
    "\n"
    "Exit codes: 0, 1 refused or unreachable, 2 wrong usage.\n";

enum flag {
    FLAG_URL = 256,
    FLAG_EVENTS_URL,
    FLAG_TOKEN_FILE,
    FLAG_SPACE,
    FLAG_FUNCTION_URL,
    FLAG_TYPE,
    FLAG_EVENT,
    FLAG_FUNCTION,
    FLAG_METHOD,
    FLAG_PATH,
    FLAG_ORDERING,
    FLAG_MAX_IN_FLIGHT,
    FLAG_RATE,
    FLAG_BATCH,
    FLAG_DATA,
    FLAG_CONTENT_TYPE,
    FLAG_SOURCE,
    FLAG_SUBJECT,
    FLAG_ID,
    FLAG_EXTENSION,
    FLAG_METADATA,
    FLAG_JSON,
    FLAG_INTERVAL,
    FLAG_ONCE,
    FLAG_STATUS,
    FLAG_SUBSCRIPTION,
    FLAG_SINCE,
    FLAG_UNTIL,
    FLAG_SEARCH,
    FLAG_LIMIT,
};

static const struct option options[] = {
    {"url", required_argument, NULL, FLAG_URL},
    {"events-url", required_argument, NULL, FLAG_EVENTS_URL},
    {"token-file", required_argument, NULL, FLAG_TOKEN_FILE},
    {"space", required_argument, NULL, FLAG_SPACE},
    {"file", required_argument, NULL, 'f'},
    {"function-url", required_argument, NULL, FLAG_FUNCTION_URL},
    {"type", required_argument, NULL, FLAG_TYPE},
    {"event", required_argument, NULL, FLAG_EVENT},
    {"status", required_argument, NULL, FLAG_STATUS},
    {"subscription", required_argument, NULL, FLAG_SUBSCRIPTION},
    {"since", required_argument, NULL, FLAG_SINCE},
    {"until", required_argument, NULL, FLAG_UNTIL},
    {"search", required_argument, NULL, FLAG_SEARCH},
    {"limit", required_argument, NULL, FLAG_LIMIT},
    {"function", required_argument, NULL, FLAG_FUNCTION},
    {"method", required_argument, NULL, FLAG_METHOD},
    {"path", required_argument, NULL, FLAG_PATH},
    {"ordering", required_argument, NULL, FLAG_ORDERING},
    {"max-in-flight", required_argument, NULL, FLAG_MAX_IN_FLIGHT},
    {"rate", required_argument, NULL, FLAG_RATE},
    {"batch", required_argument, NULL, FLAG_BATCH},
    {"data", required_argument, NULL, FLAG_DATA},
    {"content-type", required_argument, NULL, FLAG_CONTENT_TYPE},
    {"source", required_argument, NULL, FLAG_SOURCE},
    {"subject", required_argument, NULL, FLAG_SUBJECT},
    {"id", required_argument, NULL, FLAG_ID},
    {"extension", required_argument, NULL, FLAG_EXTENSION},
    {"metadata", required_argument, NULL, FLAG_METADATA},
    {"json", no_argument, NULL, FLAG_JSON},
    {"interval", required_argument, NULL, FLAG_INTERVAL},
    {"once", no_argument, NULL, FLAG_ONCE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

int egctl_fail(enum egctl_exit code, const char *format, ...) {
    va_list arguments;
    fputs("egctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

// Where a flag's text goes; NULL for those that are not a plain text.
static const char **place_of(struct egctl_flags *flags, int flag) {
    switch (flag) {
    case FLAG_URL:
        return &flags->url;
    case FLAG_EVENTS_URL:
        return &flags->events_url;
    case FLAG_TOKEN_FILE:
        return &flags->token_file;
    case FLAG_SPACE:
        return &flags->space;
    case 'f':
        return &flags->file;
    case FLAG_FUNCTION_URL:
        return &flags->target_url;
    case FLAG_TYPE:
        return &flags->type;
    case FLAG_EVENT:
        return &flags->event;
    case FLAG_FUNCTION:
        return &flags->function;
    case FLAG_METHOD:
        return &flags->method;
    case FLAG_PATH:
        return &flags->path;
    case FLAG_ORDERING:
        return &flags->ordering;
    case FLAG_MAX_IN_FLIGHT:
        return &flags->max_in_flight;
    case FLAG_RATE:
        return &flags->rate;
    case FLAG_STATUS:
        return &flags->state;
    case FLAG_SUBSCRIPTION:
        return &flags->subscription;
    case FLAG_SINCE:
        return &flags->since;
    case FLAG_UNTIL:
        return &flags->until;
    case FLAG_SEARCH:
        return &flags->search;
    case FLAG_LIMIT:
        return &flags->limit;
    case FLAG_BATCH:
        return &flags->batch;
    case FLAG_DATA:
        return &flags->data;
    case FLAG_CONTENT_TYPE:
        return &flags->content_type;
    case FLAG_SOURCE:
        return &flags->source;
    case FLAG_SUBJECT:
        return &flags->subject;
    case FLAG_ID:
        return &flags->id;
    case FLAG_INTERVAL:
        return &flags->interval;
    default:
        return NULL;
    }
}

static int add_extension(struct egctl_flags *flags, char *text) {
    char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        return egctl_fail(EGCTL_USAGE, "--extension: \"%s\" is not NAME=VALUE", text);
    }
    if (flags->extension_count == ARRAY_LENGTH(flags->extensions)) {
        return egctl_fail(EGCTL_USAGE, "--extension: %zu at the most", flags->extension_count);
    }
    *equals = '\0';
    flags->extensions[flags->extension_count++] = (struct egctl_pair){text, equals + 1};
    return EGCTL_OK;
}

static int add_filter(struct egctl_flags *flags, const char *text) {
    if (!strchr(text, '=')) {
        return egctl_fail(EGCTL_USAGE, "--metadata: \"%s\" is not KEY=VALUE", text);
    }
    if (flags->filter_count == ARRAY_LENGTH(flags->filters)) {
        return egctl_fail(EGCTL_USAGE, "--metadata: %zu at the most", flags->filter_count);
    }
    flags->filters[flags->filter_count++] = text;
    return EGCTL_OK;
}

static int take_flag(struct egctl_flags *flags, int flag) {
    const char **place = place_of(flags, flag);
    if (place) {
        *place = optarg;
        return EGCTL_OK;
    }
    switch (flag) {
    case FLAG_EXTENSION:
        return add_extension(flags, optarg);
    case FLAG_METADATA:
        return add_filter(flags, optarg);
    case FLAG_JSON:
        flags->wants_json = true;
        return EGCTL_OK;
    case FLAG_ONCE:
        flags->once = true;
        return EGCTL_OK;
    default:
        return EGCTL_USAGE; // getopt has said what is wrong.
    }
}

static const char *or_environment(const char *given, const char *variable, const char *otherwise) {
    const char *found = given ? given : getenv(variable);
    return found && found[0] != '\0' ? found : otherwise;
}

// Paths follow, each with its own "/".
static const char *without_slashes(const char *url) {
    char *text = memory_copy_text(url);
    for (size_t size = strlen(text); size > 0 && text[size - 1] == '/'; size--) {
        text[size - 1] = '\0';
    }
    return text;
}

static const struct {
    const char *name;
    int (*run)(const struct egctl_flags *flags, int count, char **arguments);
} operations[] = {
    {"events", egctl_events},   {"event", egctl_event},
    {"tail", egctl_tail},       {"dead-letters", egctl_dead_letters},
    {"redrive", egctl_redrive}, {"replay", egctl_replay},
};

static int run(const struct egctl_flags *flags, int count, char **arguments) {
    const char *command = arguments[0];
    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
        if (strcmp(command, operations[i].name) == 0) {
            return operations[i].run(flags, count - 1, arguments + 1);
        }
    }
    if (strcmp(command, "emit") == 0) {
        return egctl_emit(flags, count - 1, arguments + 1);
    }
    if (strcmp(command, "invoke") == 0) {
        return egctl_invoke(flags, count - 1, arguments + 1);
    }
    if (strcmp(command, "cluster") == 0) {
        return egctl_cluster(flags, count - 1, arguments + 1);
    }
    if (strcmp(command, "top") == 0) {
        return egctl_top(flags, count - 1, arguments + 1);
    }
    if (strcmp(command, "pause") == 0 || strcmp(command, "resume") == 0) {
        return egctl_pause(flags, command[0] == 'p', count - 1, arguments + 1);
    }
    if (strcmp(command, "lag") == 0) {
        return egctl_lag(flags, count - 1, arguments + 1);
    }
    if (strcmp(command, "status") == 0) {
        return egctl_status(flags);
    }
    if (strcmp(command, "completion") == 0) {
        return egctl_completion(count - 1, arguments + 1);
    }
    if (strcmp(command, "version") == 0) {
        printf("egctl %s\n", EVENT_GATEWAY_VERSION);
        return EGCTL_OK;
    }
    if (strcmp(command, "help") == 0) {
        fputs(usage, stdout);
        return EGCTL_OK;
    }
    return egctl_resources(flags, command, count - 1, arguments + 1);
}

int main(int count, char **arguments) {
    struct egctl_flags flags = {0};
    int flag;
    while ((flag = getopt_long(count, arguments, "f:h", options, NULL)) != -1) {
        if (flag == 'h') {
            fputs(usage, stdout);
            return EGCTL_OK;
        }
        int result = take_flag(&flags, flag);
        if (result != EGCTL_OK) {
            return result;
        }
    }
    if (optind == count) {
        fputs(usage, stderr);
        return EGCTL_USAGE;
    }
    flags.url = without_slashes(or_environment(flags.url, "EGCTL_URL", "http://127.0.0.1:4001"));
    flags.events_url = without_slashes(
        or_environment(flags.events_url, "EGCTL_EVENTS_URL", "http://127.0.0.1:4000"));
    flags.token_file = or_environment(flags.token_file, "EGCTL_TOKEN_FILE", NULL);
    flags.space = flags.space ? flags.space : "default";
    return run(&flags, count - optind, arguments + optind);
}
