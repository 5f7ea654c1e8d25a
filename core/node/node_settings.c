#include "core/node/node_settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/events/event_format.h"

#define BOTH (COMMAND_DEV | COMMAND_RUN)

static const struct setting table[] = {
    {.name = "config",
     .kind = SETTING_TEXT,
     .value_name = "FILE",
     .help = "A file with these settings, one `name: value` a line.",
     .commands = BOTH,
     .group = "General"},
    {.name = "data",
     .kind = SETTING_TEXT,
     .value_name = "DIR",
     .help = "dev: folder of the embedded store (event-gateway-data when not given). run: folder "
             "where the last configuration is kept, for a start while ZooKeeper is away.",
     .commands = BOTH,
     .group = "General"},
    {.name = "role",
     .kind = SETTING_LIST,
     .default_text = "ingest,dispatcher,admin",
     .value_name = "ROLE,...",
     .help = "What this node does: ingest, dispatcher, admin.",
     .commands = COMMAND_RUN,
     .group = "General"},
    {.name = "workers",
     .kind = SETTING_NUMBER,
     .default_text = "0",
     .value_name = "N",
     .help = "Worker threads, each with an event loop of its own; 0 = one for each core.",
     .minimum = 0,
     .maximum = 64,
     .commands = BOTH,
     .group = "General"},
    {.name = "drain-timeout",
     .kind = SETTING_DURATION,
     .default_text = "20s",
     .value_name = "TIME",
     .help = "How long a shutdown waits for what is inside.",
     .minimum = 0,
     .maximum = 600000,
     .commands = BOTH,
     .group = "General"},
    {.name = "reuse-port",
     .kind = SETTING_SWITCH,
     .help = "Share both ports with a gateway of the same user that is there already, to start the "
             "new one before the old one stops; without it a taken port is an error.",
     .commands = COMMAND_RUN,
     .group = "General"},
    {.name = "log-level",
     .kind = SETTING_CHOICE,
     .default_text = "info",
     .choices = "debug|info|warning|error",
     .value_name = "LEVEL",
     .help = "Log lines from this level on.",
     .commands = BOTH,
     .group = "General"},
    {.name = "log-format",
     .kind = SETTING_CHOICE,
     .default_text = "text",
     .choices = "text|json",
     .value_name = "FORMAT",
     .help = "Log lines for people or for machines.",
     .commands = BOTH,
     .group = "General"},

    {.name = "events-address",
     .kind = SETTING_TEXT,
     .default_text = "127.0.0.1",
     .value_name = "IP",
     .help = "Address of the Events API; 0.0.0.0 or :: = every one.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "events-port",
     .kind = SETTING_NUMBER,
     .default_text = "4000",
     .value_name = "PORT",
     .help = "Port of the Events API; 0 = a free one, which is printed.",
     .minimum = 0,
     .maximum = 65535,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "max-body",
     .kind = SETTING_SIZE,
     .default_text = "1MiB",
     .value_name = "SIZE",
     .help = "Larger request bodies get 413.",
     .minimum = 1024,
     .maximum = 16777216,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "max-bodies",
     .kind = SETTING_SIZE,
     .default_text = "256MiB",
     .value_name = "SIZE",
     .help = "Request bodies in memory at the most, all together; beyond, 503 with Retry-After. As "
             "much "
             "again of functions' answers; beyond, their calls fail.",
     .minimum = 1048576,
     .maximum = 1099511627776,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "max-connections",
     .kind = SETTING_NUMBER,
     .default_text = "16384",
     .value_name = "N",
     .help = "Open connections to the Events API at the most.",
     .minimum = 16,
     .maximum = 1000000,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "max-inside",
     .kind = SETTING_NUMBER,
     .default_text = "20000",
     .value_name = "N",
     .help = "Requests that wait for the event log or a function; beyond, 503 with Retry-After.",
     .minimum = 1,
     .maximum = 1000000,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "source",
     .kind = SETTING_TEXT,
     .default_text = "/event-gateway",
     .value_name = "URI",
     .help = "CloudEvents source of events that are made here.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "hosted-domain",
     .kind = SETTING_TEXT,
     .value_name = "DOMAIN",
     .help = "Requests to SPACE.DOMAIN belong to that space; its system events lie on /SPACE.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "require-space",
     .kind = SETTING_SWITCH,
     .help = "Refuse events that name no space.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "require-registered-types",
     .kind = SETTING_SWITCH,
     .help = "Refuse events whose type is not registered.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "sync-timeout",
     .kind = SETTING_DURATION,
     .default_text = "30s",
     .value_name = "TIME",
     .help = "Deadline of synchronous calls and of authorizers.",
     .minimum = 100,
     .maximum = 900000,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "record-sync",
     .kind = SETTING_CHOICE,
     .default_text = "async",
     .choices = "durable|async|off",
     .value_name = "HOW",
     .help = "Whether events of synchronous calls are stored, and whether the caller waits for it.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "access-log",
     .kind = SETTING_SWITCH,
     .help = "One log line for each request to the Events API, without its query.",
     .commands = BOTH,
     .group = "Events API"},

    {.name = "config-address",
     .kind = SETTING_TEXT,
     .default_text = "127.0.0.1",
     .value_name = "IP",
     .help = "Address of the Configuration API; without --admin-token-file only a loopback one.",
     .commands = BOTH,
     .group = "Configuration API"},
    {.name = "config-port",
     .kind = SETTING_NUMBER,
     .default_text = "4001",
     .value_name = "PORT",
     .help = "Port of the Configuration API and the metrics; 0 = a free one, which is printed.",
     .minimum = 0,
     .maximum = 65535,
     .commands = BOTH,
     .group = "Configuration API"},
    {.name = "advertise-address",
     .kind = SETTING_TEXT,
     .value_name = "HOST",
     .help = "Name or address that others reach this node at, for GET /v1/cluster; else the bound "
             "address, or the host's name.",
     .commands = BOTH,
     .group = "Configuration API"},
    {.name = "admin-token-file",
     .kind = SETTING_TEXT,
     .value_name = "FILE",
     .help = "File with the bearer token that the Configuration API asks for.",
     .commands = BOTH,
     .group = "Configuration API"},
    {.name = "secrets-key-file",
     .kind = SETTING_TEXT,
     .value_name = "FILE",
     .help = "Key that secrets in the registry are sealed with (64 hex digits), the same on every "
             "node; "
             "dev makes one in its data folder.",
     .commands = BOTH,
     .group = "Configuration API"},

    {.name = "default-event-format",
     .kind = SETTING_CHOICE,
     .default_text = "cloudevents/1.0",
     .choices = "cloudevents/1.0|cloudevents-binary/1.0|cloudevents/0.1|classic",
     .value_name = "FORMAT",
     .help = "What functions receive that do not say it themselves.",
     .commands = BOTH,
     .group = "Functions"},
    {.name = "allow-target",
     .kind = SETTING_LIST,
     .value_name = "CIDR,...",
     .help = "Loopback, private and link-local addresses that functions may live at; `any` = all "
             "(dev allows loopback).",
     .commands = BOTH,
     .group = "Functions"},
    {.name = "function-ca-file",
     .kind = SETTING_TEXT,
     .value_name = "FILE",
     .help = "Certificates (PEM) that functions' servers are checked by, instead of the system's.",
     .commands = BOTH,
     .group = "Functions"},

    {.name = "record-outcomes",
     .kind = SETTING_CHOICE,
     .default_text = "on",
     .choices = "on|failures|off",
     .value_name = "WHICH",
     .help = "Outcomes of delivery attempts that are stored, for `egctl event` and the API.",
     .commands = BOTH,
     .group = "Functions"},
    {.name = "retry-time-divisor",
     .kind = SETTING_NUMBER,
     .default_text = "1",
     .value_name = "N",
     .help = "For tests: retries wait in the log from 5s/N on, in tiers of 10s/N, 1m/N, 10m/N, "
             "1h/N.",
     .minimum = 1,
     .maximum = 1000,
     .commands = BOTH,
     .group = "Functions"},

    {.name = "kafka",
     .kind = SETTING_TEXT,
     .value_name = "HOST:PORT,...",
     .help = "Kafka brokers to start from; the event store.",
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "kafka-set",
     .kind = SETTING_LIST,
     .value_name = "NAME=VALUE",
     .help =
         "A setting for the Kafka client as it is, e.g. security.protocol=SASL_SSL; repeatable.",
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "topic-prefix",
     .kind = SETTING_TEXT,
     .default_text = "eg",
     .value_name = "TEXT",
     .help = "Topics are PREFIX.events, PREFIX.deadletter.",
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "group",
     .kind = SETTING_TEXT,
     .default_text = "eg-dispatcher",
     .value_name = "NAME",
     .help = "Consumer group of the dispatchers.",
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "partitions",
     .kind = SETTING_NUMBER,
     .default_text = "12",
     .value_name = "N",
     .help = "Partitions of a topic that is created.",
     .minimum = 1,
     .maximum = 10000,
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "replication",
     .kind = SETTING_NUMBER,
     .default_text = "0",
     .value_name = "N",
     .help = "Replicas of a topic that is created; 0 = the brokers' default.",
     .minimum = 0,
     .maximum = 32,
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "retention",
     .kind = SETTING_DURATION,
     .default_text = "7d",
     .value_name = "TIME",
     .help = "How long events and outcomes of deliveries are kept (Kafka: of topics that are "
             "created).",
     .minimum = 60000,
     .maximum = 315360000000,
     .commands = BOTH,
     .group = "Stores"},
    {.name = "dead-letter-retention",
     .kind = SETTING_DURATION,
     .default_text = "30d",
     .value_name = "TIME",
     .help = "How long dead letters are kept (Kafka: of a topic that is created).",
     .minimum = 60000,
     .maximum = 315360000000,
     .commands = BOTH,
     .group = "Stores"},
    {.name = "zookeeper",
     .kind = SETTING_TEXT,
     .value_name = "HOST:PORT,...",
     .help = "ZooKeeper servers; the registry. A /path at the end is a chroot.",
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "zookeeper-auth",
     .kind = SETTING_TEXT,
     .value_name = "SCHEME:TEXT",
     .help =
         "Authentication, e.g. digest:user:password; nodes are then open to their creator only.",
     .commands = COMMAND_RUN,
     .group = "Stores"},
    {.name = "zookeeper-session",
     .kind = SETTING_DURATION,
     .default_text = "10s",
     .value_name = "TIME",
     .help = "ZooKeeper session time-out.",
     .minimum = 1000,
     .maximum = 300000,
     .commands = COMMAND_RUN,
     .group = "Stores"},
};

static const struct {
    const char *name;
    enum role role;
} roles[] = {{"ingest", ROLE_INGEST}, {"dispatcher", ROLE_DISPATCHER}, {"admin", ROLE_ADMIN}};

const char *role_name(enum role role) {
    size_t known = 0;
    while (roles[known].role != role) {
        known++;
    }
    return roles[known].name;
}

static enum status read_roles(const struct settings *settings, unsigned *ret_roles,
                              struct error *error) {
    const char *const *names;
    size_t count = settings_list(settings, "role", &names);
    *ret_roles = 0;
    for (size_t i = 0; i < count; i++) {
        size_t known = 0;
        while (known < ARRAY_LENGTH(roles) && strcmp(names[i], roles[known].name) != 0) {
            known++;
        }
        if (known == ARRAY_LENGTH(roles)) {
            return error_set(error, STATUS_INVALID,
                             "--role: \"%s\" is not one of ingest, dispatcher, admin", names[i]);
        }
        *ret_roles |= roles[known].role;
    }
    return STATUS_OK;
}

static enum status check_address(const struct settings *settings, const char *name,
                                 bool *ret_is_loopback, struct error *error) {
    const char *address = settings_text(settings, name);
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        *ret_is_loopback = (ntohl(v4.s_addr) >> 24) == 127;
        return STATUS_OK;
    }
    if (inet_pton(AF_INET6, address, &v6) == 1) {
        *ret_is_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID, "--%s: \"%s\" is not a numeric IP address", name,
                     address);
}

static enum status check_addresses(const struct settings *settings, struct error *error) {
    bool is_loopback = false;
    enum status status = check_address(settings, "events-address", &is_loopback, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = check_address(settings, "config-address", &is_loopback, error);
    if (status == STATUS_OK && !is_loopback && !settings_text(settings, "admin-token-file")) {
        return error_set(error, STATUS_INVALID,
                         "--config-address: %s can be reached by others, which needs "
                         "--admin-token-file",
                         settings_text(settings, "config-address"));
    }
    return status;
}

// It becomes a part of URLs.
static enum status check_advertised(const struct settings *settings, struct error *error) {
    const char *host = settings_text(settings, "advertise-address");
    size_t size = host ? strlen(host) : 1;
    size_t good = host ? strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789.-_:")
                       : 1;
    return size > 0 && size <= 255 && good == size
               ? STATUS_OK
               : error_set(error, STATUS_INVALID,
                           "--advertise-address: \"%s\" is not a host name or an IP address (no "
                           "port, no http://)",
                           host);
}

static enum status check_stores(const struct settings *settings, struct error *error) {
    static const char *const needed[] = {"kafka", "zookeeper"};
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        const char *value = settings_text(settings, needed[i]);
        if (!value || value[0] == '\0') {
            return error_set(error, STATUS_INVALID,
                             "--%s HOST:PORT is needed (or use `event-gateway dev`, which needs "
                             "neither Kafka nor ZooKeeper)",
                             needed[i]);
        }
    }
    return STATUS_OK;
}

static enum status check_ca_file(const struct settings *settings, struct error *error) {
    const char *path = settings_text(settings, "function-ca-file");
    if (path && access(path, R_OK) != 0) {
        return error_set(error, STATUS_INVALID, "--function-ca-file: \"%s\": %s", path,
                         strerror(errno));
    }
    return STATUS_OK;
}

enum status node_settings_read(enum command command, int argument_count, char **arguments,
                               char **environment, struct node_settings *ret_settings,
                               struct error *error) {
    struct settings *settings = NULL;
    unsigned wanted = ROLE_INGEST | ROLE_DISPATCHER | ROLE_ADMIN;
    enum status status = settings_read(table, ARRAY_LENGTH(table), command, argument_count,
                                       arguments, environment, &settings, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = check_addresses(settings, error);
    if (status == STATUS_OK) {
        status = check_ca_file(settings, error);
    }
    if (status == STATUS_OK) {
        status = check_advertised(settings, error);
    }
    if (status == STATUS_OK && command == COMMAND_RUN) {
        status = check_stores(settings, error);
        if (status == STATUS_OK) {
            status = read_roles(settings, &wanted, error);
        }
    }
    if (status != STATUS_OK) {
        settings_destroy(settings);
        return status;
    }
    *ret_settings =
        (struct node_settings){.command = command, .roles = wanted, .settings = settings};
    return STATUS_OK;
}

void node_settings_clear(struct node_settings *settings) {
    settings_destroy((struct settings *)settings->settings);
    settings->settings = NULL;
}

const char *node_settings_data(const struct node_settings *settings) {
    const char *given = settings_text(settings->settings, "data");
    return !given && settings->command == COMMAND_DEV ? "event-gateway-data" : given;
}

void node_settings_write_help(enum command command, struct buffer *ret_buffer) {
    settings_write_help(table, ARRAY_LENGTH(table), command, ret_buffer);
}
