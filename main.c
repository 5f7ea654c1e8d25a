// The program: settings -> stores -> workers -> roles -> wait -> stop in reverse. Read it first.

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "core/base/clock.h"
#include "core/base/event_loop.h"
#include "core/base/event_loop_call.h"
#include "core/base/http_server.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/rates.h"
#include "core/functions/invoker.h"
#include "core/node/command_line.h"
#include "core/node/drain.h"
#include "core/node/node_metrics.h"
#include "core/node/node_settings.h"
#include "core/node/node_values.h"
#include "core/node/presence.h"
#include "core/node/start_guard.h"
#include "core/node/stores.h"
#include "core/node/token_file.h"
#include "dispatcher/dispatcher.h"
#include "dispatcher/dispatcher_settings.h"
#include "ingest/ingest.h"
#include "ingest/ingest_settings.h"

#define CONFIG_BODY_MAX ((size_t)1024 * 1024)
// What the log has taken is answered, however short the drain is: a request whose append is still
// inside cannot be given up.
#define LOG_CLOSE_MIN_MS 2000

// One thread with its loop, and what lives on it.
struct worker {
    struct node *node;
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct invoker *invoker;
    struct ingest *ingest;             // NULL without the role
    struct http_server *events_server; // NULL without the role
    struct admin *admin;               // on the first worker only
    struct http_server *config_server; // on the first worker only

    // While draining.
    struct drain drain;
    sem_t *drained;
};

struct node {
    struct node_settings settings;
    struct stores stores;
    struct target_rules *targets;
    char *admin_token;
    struct worker *workers;
    size_t worker_count;
    struct rates *space_rates; // of what ingest takes
    struct dispatcher *dispatcher;
    char id[NODE_ID_SIZE];
    struct presence *presence; // on the first worker's loop
    struct node_metrics *metrics;
};

// As much again as of bodies; never less than one answer.
static size_t answers_of_worker(const struct node *node) {
    size_t share = node_body_share(node->settings.settings, node->worker_count);
    return share < INVOKER_ANSWER_MAX_BYTES ? INVOKER_ANSWER_MAX_BYTES : share;
}

// Workers share the port: the first one finds it, the others join by SO_REUSEPORT.
static enum status start_events_server(struct node *node, struct worker *worker,
                                       struct error *error) {
    const struct settings *settings = node->settings.settings;
    struct http_server *first = node->workers[0].events_server;
    struct ingest_options ingest_options = {
        .loop = worker->loop,
        .log = node->stores.log,
        .registry = node->stores.registry,
        .invoker = worker->invoker,
        .rates = node->space_rates,
    };
    ingest_read_settings(settings, node->worker_count, &ingest_options);
    enum status status = ingest_create(&ingest_options, &worker->ingest, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct http_server_options options = {
        .name = "events",
        .address = settings_text(settings, "events-address"),
        .port =
            first ? http_server_port(first) : (uint16_t)settings_number(settings, "events-port"),
        .must_be_free = !first && !node_may_share_ports(&node->settings),
        .body_max_bytes = (size_t)settings_number(settings, "max-body"),
        .body_total_max_bytes = node_body_share(settings, node->worker_count),
        .connections_max =
            (size_t)settings_number(settings, "max-connections") / node->worker_count + 1,
        .handler = ingest_handle,
        .refused = ingest_request_refused,
        .context = worker->ingest,
    };
    return http_server_create(worker->loop, &options, &worker->events_server, error);
}

static enum status create_admin(struct node *node, struct worker *worker, struct error *error) {
    struct buffer path = {0}, identity = {0};
    node_index_place(&node->settings, &path, &identity);
    const struct admin_options options = {
        .loop = worker->loop,
        .registry = node->stores.registry,
        .log = node->stores.log,
        .secrets = node->stores.secrets,
        .node_id = node->id,
        .token = node->admin_token,
        .index_path = path.data ? path.data : "",
        .log_identity = identity.data,
        .source = settings_text(node->settings.settings, "source"),
        .is_hosted = settings_text(node->settings.settings, "hosted-domain") != NULL,
        .is_status_only = (node->settings.roles & ROLE_ADMIN) == 0,
    };
    enum status status = admin_create(&options, &worker->admin, error);
    buffer_clear(&path);
    buffer_clear(&identity);
    return status;
}

static enum status start_config_server(struct node *node, struct worker *worker,
                                       struct error *error) {
    const struct settings *settings = node->settings.settings;
    enum status status = create_admin(node, worker, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct http_server_options options = {
        .name = "config",
        .address = settings_text(settings, "config-address"),
        .port = (uint16_t)settings_number(settings, "config-port"),
        .must_be_free = !node_may_share_ports(&node->settings),
        .body_max_bytes = CONFIG_BODY_MAX,
        .body_total_max_bytes = 64 * CONFIG_BODY_MAX,
        .connections_max = 1024,
        .handler = admin_handle,
        .context = worker->admin,
    };
    return http_server_create(worker->loop, &options, &worker->config_server, error);
}

static enum status worker_create(struct node *node, size_t index, struct error *error) {
    struct worker *worker = &node->workers[index];
    worker->node = node;
    struct invoker_options options = {
        .targets = node->targets,
        .secrets = node->stores.secrets,
        .default_format = node_default_format(node->settings.settings),
        .answers_max_bytes = answers_of_worker(node),
        .ca_file = settings_text(node->settings.settings, "function-ca-file"),
    };
    char name[32];
    snprintf(name, sizeof name, "worker-%zu", index);
    enum status status = event_loop_create(name, &worker->loop, error);
    if (status == STATUS_OK) {
        status = invoker_create(worker->loop, &options, &worker->invoker, error);
    }
    if (status == STATUS_OK && (node->settings.roles & ROLE_INGEST)) {
        status = start_events_server(node, worker, error);
    }
    if (status == STATUS_OK && index == 0) {
        status = start_config_server(node, worker, error);
    }
    return status;
}

static enum status start_dispatcher(struct node *node, struct error *error) {
    struct dispatcher_worker *workers = memory_allocate(node->worker_count * sizeof *workers);
    for (size_t i = 0; i < node->worker_count; i++) {
        workers[i] = (struct dispatcher_worker){.loop = node->workers[i].loop,
                                                .invoker = node->workers[i].invoker};
    }
    struct retry_tiers tiers;
    struct dispatcher_options options = {
        .log = node->stores.log,
        .registry = node->stores.registry,
        .workers = workers,
        .worker_count = node->worker_count,
        .group = node->settings.command == COMMAND_RUN
                     ? settings_text(node->settings.settings, "group")
                     : "eg-dispatcher",
        .node = node->id,
    };
    dispatcher_read_settings(node->settings.settings, &tiers, &options);
    enum status status = dispatcher_create(&options, &node->dispatcher, error);
    free(workers);
    return status;
}

static void partitions_of(void *source, presence_partition_fn visit, void *context) {
    struct node *node = source;
    dispatcher_each_partition(node->dispatcher, visit, context);
}

// Runs work with the worker on its loop, and waits for its end.
static void on_loop(struct worker *worker, void (*work)(void *worker)) {
    if (worker->thread) {
        event_loop_call(worker->loop, work, worker);
    } else {
        work(worker);
    }
}

static void start_presence(void *context) {
    struct worker *worker = context;
    struct node *node = worker->node;
    struct presence_options options = {
        .loop = worker->loop,
        .settings = &node->settings,
        .stores = &node->stores,
        .node_id = node->id,
        .events_port = worker->events_server ? http_server_port(worker->events_server) : 0,
        .config_port = http_server_port(worker->config_server),
        .partitions = node->dispatcher ? partitions_of : NULL,
        .source = node,
    };
    node->presence = presence_create(&options);
}

static void stop_presence(void *context) {
    struct worker *worker = context;
    presence_destroy(worker->node->presence);
    worker->node->presence = NULL;
}

static enum status node_build(struct node *node, struct error *error) {
    node->metrics = node_metrics_create(node->stores.log, node_settings_data(&node->settings));
    node->worker_count = node_worker_count(node->settings.settings);
    node->workers = memory_allocate(node->worker_count * sizeof *node->workers);
    for (size_t i = 0; i < node->worker_count; i++) {
        enum status status = worker_create(node, i, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < node->worker_count; i++) {
        node->workers[i].thread = event_loop_thread_start(node->workers[i].loop);
    }
    enum status status =
        node->settings.roles & ROLE_DISPATCHER ? start_dispatcher(node, error) : STATUS_OK;
    if (status == STATUS_OK) {
        on_loop(&node->workers[0], start_presence);
    }
    return status;
}

static void close_door(void *context) {
    struct worker *worker = context;
    if (worker->events_server) {
        http_server_close_door(worker->events_server);
    }
    if (worker->config_server) {
        http_server_close_door(worker->config_server);
        admin_drain(worker->admin);
    }
    if (worker == worker->node->workers && worker->node->presence) {
        presence_drain(worker->node->presence);
    }
}

static void is_drained(struct drain *drain) {
    struct worker *worker = CONTAINER_OF(drain, struct worker, drain);
    // Who is still there when the time is up gets 503 from now on.
    if (worker->ingest) {
        ingest_close_door(worker->ingest);
    }
    if (worker->admin) {
        admin_close_door(worker->admin);
    }
    sem_post(worker->drained);
}

static void start_drain(void *context) {
    struct worker *worker = context;
    drain_start(&worker->drain);
}

static void start_drain_of_all(struct node *node, int64_t until_us, sem_t *drained) {
    for (size_t i = 0; i < node->worker_count; i++) {
        struct worker *worker = &node->workers[i];
        worker->drained = drained;
        worker->drain = (struct drain){
            .loop = worker->loop,
            .servers = {worker->events_server, worker->config_server},
            .until_us = until_us,
            .done = is_drained,
        };
        on_loop(worker, start_drain);
    }
}

static void wait_for_drain_of_all(const struct node *node, sem_t *drained) {
    for (size_t i = 0; i < node->worker_count; i++) {
        while (sem_wait(drained) != 0 && errno == EINTR) {
        }
    }
}

// Calls that still run are cancelled, which answers the requests that wait for them.
static void destroy_roles(void *context) {
    struct worker *worker = context;
    invoker_destroy(worker->invoker);
    worker->invoker = NULL;
    if (worker->events_server) {
        http_server_destroy(worker->events_server);
    }
    if (worker->ingest) {
        ingest_destroy(worker->ingest);
    }
    if (worker->config_server) {
        http_server_destroy(worker->config_server);
    }
    if (worker->admin) {
        admin_destroy(worker->admin);
    }
}

static void worker_destroy(struct worker *worker) {
    if (!worker->loop) {
        return;
    }
    event_loop_stop(worker->loop);
    if (worker->thread) {
        event_loop_thread_join(worker->thread);
    }
    event_loop_destroy(worker->loop);
}

static int64_t milliseconds_until(int64_t until_us) {
    int64_t left_us = until_us - clock_monotonic_us();
    return left_us > 0 ? left_us / 1000 : 0;
}

static int64_t close_ms(int64_t until_us) {
    int64_t left_ms = milliseconds_until(until_us);
    return left_ms > LOG_CLOSE_MIN_MS ? left_ms : LOG_CLOSE_MIN_MS;
}

// Accepts half-built nodes. Requests, deliveries and the log share the time of --drain-timeout.
static void node_stop(struct node *node) {
    int64_t until_us =
        clock_monotonic_us() + settings_number(node->settings.settings, "drain-timeout") * 1000;
    bool is_running = node->worker_count > 0 && node->workers[node->worker_count - 1].thread;
    sem_t drained;
    sem_init(&drained, 0, 0);
    if (is_running) {
        for (size_t i = 0; i < node->worker_count; i++) {
            on_loop(&node->workers[i], close_door);
        }
        start_drain_of_all(node, until_us, &drained);
    }
    // Beside the requests: other nodes go on with the partitions at once, and clients that take
    // their time leave deliveries theirs.
    if (node->dispatcher) {
        dispatcher_close(node->dispatcher, milliseconds_until(until_us));
    }
    if (is_running) {
        wait_for_drain_of_all(node, &drained);
    }
    sem_destroy(&drained);
    if (node->presence) {
        on_loop(&node->workers[0], stop_presence);
    }
    dispatcher_destroy(node->dispatcher);
    if (is_running) {
        admin_hand_over(node->workers[0].admin, close_ms(until_us));
    }
    if (node->stores.log) {
        event_log_close(node->stores.log, close_ms(until_us));
        registry_close(node->stores.registry);
    }
    // The stores' threads have posted their last; the loops run on until all of it is answered.
    for (size_t i = 0; i < node->worker_count; i++) {
        on_loop(&node->workers[i], destroy_roles);
    }
    for (size_t i = 0; i < node->worker_count; i++) {
        worker_destroy(&node->workers[i]);
    }
    free(node->workers);
    node_metrics_destroy(node->metrics);
    stores_destroy(&node->stores);
    target_rules_destroy(node->targets);
    rates_destroy(node->space_rates);
    free(node->admin_token);
    node_settings_clear(&node->settings);
}

static void print_address(const char *what, const char *address, uint16_t port) {
    bool is_v6 = strchr(address, ':') != NULL;
    printf("%-18s http://%s%s%s:%u\n", what, is_v6 ? "[" : "", address, is_v6 ? "]" : "", port);
}

// On stdout, so that scripts can read ports that were free ones.
static void print_addresses(const struct node *node) {
    const struct settings *settings = node->settings.settings;
    const struct worker *first = &node->workers[0];
    printf("Event Gateway %s is ready.\n", EVENT_GATEWAY_VERSION);
    if (first->events_server) {
        print_address("Events API", settings_text(settings, "events-address"),
                      http_server_port(first->events_server));
    }
    print_address(node->settings.roles & ROLE_ADMIN ? "Configuration API" : "Status and metrics",
                  settings_text(settings, "config-address"),
                  http_server_port(first->config_server));
    if (node->settings.command == COMMAND_DEV) {
        printf("%-18s %s\n", "Data", node_settings_data(&node->settings));
    }
    fflush(stdout);
}

static enum status open_stores(struct node *node, const sigset_t *wanted, struct error *error) {
    struct start_guard *guard = start_guard_create(wanted);
    enum status status = stores_open(&node->settings, &node->stores, error);
    start_guard_destroy(guard);
    return status;
}

static enum status node_start(struct node *node, const sigset_t *wanted, struct error *error) {
    const struct settings *settings = node->settings.settings;
    enum status status = node_targets_create(&node->settings, &node->targets, error);
    node->space_rates = rates_create(1);
    const char *token_path = settings_text(settings, "admin-token-file");
    if (status == STATUS_OK && token_path) {
        status = token_file_read(token_path, &node->admin_token, error);
    }
    if (status == STATUS_OK) {
        status = open_stores(node, wanted, error);
    }
    return status == STATUS_OK ? node_build(node, error) : status;
}

// Every thread inherits the mask, so that the signals come to the main thread alone, in sigwait.
static void block_signals(sigset_t *ret_wanted) {
    sigset_t blocked;
    sigemptyset(ret_wanted);
    sigaddset(ret_wanted, SIGTERM);
    sigaddset(ret_wanted, SIGINT);
    blocked = *ret_wanted;
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

static int run_command(enum command command, int argument_count, char **arguments,
                       char **environment) {
    struct node node = {0};
    struct error error = {0};
    sigset_t wanted;
    int received = 0;
    if (node_settings_read(command, argument_count, arguments, environment, &node.settings,
                           &error) != STATUS_OK) {
        fprintf(stderr, "event-gateway: %s\n", error.text);
        return EXIT_USAGE;
    }
    node_configure_log(node.settings.settings);
    node_id_create(node.id);
    block_signals(&wanted);
    enum status status = node_start(&node, &wanted, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "event-gateway: %s\n", error.text);
        node_stop(&node);
        return status == STATUS_INVALID ? EXIT_USAGE : EXIT_STORE;
    }
    print_addresses(&node);
    sigwait(&wanted, &received);
    log_line(LOG_INFO, "shutting down", LOG_TEXT("signal", strsignal(received)));
    node_stop(&node);
    log_line(LOG_INFO, "stopped", LOG_TEXT("signal", strsignal(received)));
    return 0;
}

int main(int count, char **arguments, char **environment) {
    enum command command;
    int exit_code;
    if (!command_line_read(count, arguments, &command, &exit_code)) {
        return exit_code;
    }
    return run_command(command, count - 2, arguments + 2, environment);
}
