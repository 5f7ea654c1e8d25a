#include "core/node/presence.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#define LOOK_US INT64_C(1000000)
#define HOST_NAME_SIZE 65

struct presence {
    struct presence_options options;
    struct event_loop_timer timer;
    char started[TIMESTAMP_TEXT_SIZE];
    bool is_draining;
    char *told; // the document that the registry was given last
};

static void host_name(char ret_name[HOST_NAME_SIZE]) {
    if (gethostname(ret_name, HOST_NAME_SIZE) != 0 || ret_name[0] == '\0') {
        snprintf(ret_name, HOST_NAME_SIZE, "localhost");
    }
    ret_name[HOST_NAME_SIZE - 1] = '\0';
}

void node_id_create(char ret_id[NODE_ID_SIZE]) {
    char host[HOST_NAME_SIZE];
    uint32_t number;
    host_name(host);
    random_bytes(&number, sizeof number);
    snprintf(ret_id, NODE_ID_SIZE, "%s-%08x", host, (unsigned)number);
}

static bool is_any_address(const char *address) {
    struct in6_addr v6;
    return strcmp(address, "0.0.0.0") == 0 ||
           (inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6));
}

// Where others reach what listens on the address of that setting.
static void set_address(const struct presence *presence, json_t *document, const char *member,
                        const char *setting, uint16_t port) {
    const struct settings *settings = presence->options.settings->settings;
    const char *bound = settings_text(settings, setting);
    const char *given = settings_text(settings, "advertise-address");
    char host[HOST_NAME_SIZE];
    struct buffer text = {0};
    host_name(host);
    const char *address = given ? given : is_any_address(bound) ? host : bound;
    bool is_v6 = strchr(address, ':') != NULL;
    buffer_append_format(&text, "http://%s%s%s:%u", is_v6 ? "[" : "", address, is_v6 ? "]" : "",
                         port);
    json_object_set_new(document, member, json_string(text.data));
    buffer_clear(&text);
}

static json_t *roles_of(unsigned roles) {
    json_t *list = json_array();
    for (unsigned role = ROLE_INGEST; role <= ROLE_ADMIN; role *= 2) {
        if (roles & role) {
            json_array_append_new(list, json_string(role_name((enum role)role)));
        }
    }
    return list;
}

static void add_partition(void *context, int32_t partition) {
    json_array_append_new(context, json_integer(partition));
}

static void set_health(json_t *document, const char *member, enum status status,
                       const struct error *reason) {
    struct buffer text = {0};
    buffer_append_text(&text, status == STATUS_OK ? "ok" : "away");
    if (status != STATUS_OK && reason->text[0] != '\0') {
        buffer_append_format(&text, ": %s", reason->text);
    }
    json_object_set_new(document, member, json_string(text.data));
    buffer_clear(&text);
}

static void set_stores(const struct presence *presence, json_t *document) {
    const struct stores *stores = presence->options.stores;
    struct error reason = {0};
    const struct snapshot *snapshot = registry_snapshot(stores->registry);
    json_object_set_new(document, "revision", json_integer(snapshot_revision(snapshot)));
    snapshot_unref(snapshot);
    enum status status = event_log_health(stores->log, &reason);
    set_health(document, "eventLog", status, &reason);
    reason = (struct error){0};
    status = registry_health(stores->registry, &reason);
    set_health(document, "registry", status, &reason);
}

static char *describe(const struct presence *presence) {
    const struct presence_options *options = &presence->options;
    json_t *document =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "nodeId", options->node_id, "state",
                  presence->is_draining ? "draining" : "serving", "version", EVENT_GATEWAY_VERSION,
                  "startedAt", presence->started, "roles", roles_of(options->settings->roles));
    if (options->events_port > 0) {
        set_address(presence, document, "eventsUrl", "events-address", options->events_port);
    }
    set_address(presence, document, "configUrl", "config-address", options->config_port);
    json_t *partitions = json_array();
    if (options->partitions) {
        options->partitions(options->source, add_partition, partitions);
    }
    json_object_set_new(document, "partitions", partitions);
    set_stores(presence, document);
    char *text = json_write(document);
    json_decref(document);
    return text;
}

static void look(struct presence *presence) {
    char *text = describe(presence);
    if (presence->told && strcmp(text, presence->told) == 0) {
        free(text);
        return;
    }
    free(presence->told);
    presence->told = text;
    registry_announce(presence->options.stores->registry, bytes_of_text(presence->options.node_id),
                      bytes_of_text(text));
}

static void timer_expired(struct event_loop_timer *timer) {
    struct presence *presence = CONTAINER_OF(timer, struct presence, timer);
    look(presence);
    event_loop_timer_start(presence->options.loop, timer, LOOK_US);
}

struct presence *presence_create(const struct presence_options *options) {
    struct presence *presence = memory_allocate(sizeof *presence);
    presence->options = *options;
    presence->timer.expired = timer_expired;
    timestamp_format(clock_wall_us() / 1000000 * 1000000, presence->started);
    look(presence);
    event_loop_timer_start(options->loop, &presence->timer, LOOK_US);
    return presence;
}

void presence_drain(struct presence *presence) {
    presence->is_draining = true;
    look(presence);
}

void presence_destroy(struct presence *presence) {
    if (!presence) {
        return;
    }
    event_loop_timer_stop(presence->options.loop, &presence->timer);
    free(presence->told);
    free(presence);
}
