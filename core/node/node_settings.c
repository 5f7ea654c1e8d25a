#include "core/node/node_settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/node/node_settings_table.h"

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
    enum status status = settings_read(node_settings_table, node_settings_count, command,
                                       argument_count, arguments, environment, &settings, error);
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
    settings_write_help(node_settings_table, node_settings_count, command, ret_buffer);
}
