// The program: settings -> stores -> workers -> roles -> wait -> stop in reverse. Read it first.

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "core/base/clock.h"
#include "core/base/event_loop.h"
#include "core/base/http_server.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/target_rules.h"
#include "core/functions/invoker.h"
#include "core/node/node_metrics.h"
#include "core/node/node_settings.h"
#include "core/node/presence.h"
#include "core/node/start_guard.h"
#include "core/node/stores.h"
#include "core/node/token_file.h"
#include "dispatcher/dispatcher.h"
#include "ingest/ingest.h"

#define CONFIG_BODY_MAX ((size_t)1024 * 1024)
// What the log has taken is answered, however short the drain is: a request whose append is still
// inside cannot be given up.
#define LOG_CLOSE_MIN_MS 2000
// While draining a connection is closed with its next answer, or when nothing has come for so long.
#define DRAIN_SILENT_MS 250
#define DRAIN_CHECK_US 10000

enum exit_code {
    EXIT_STORE = 1,
    EXIT_USAGE = 2
};

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
    struct event_loop_timer drain_timer;
    int64_t drain_until_us;
    sem_t *drained;
};

struct node {
    struct node_settings settings;
    struct stores stores;
    struct target_rules *targets;
    char *admin_token;
    struct worker *workers;
    size_t worker_count;
    struct dispatcher *dispatcher;
    char id[NODE_ID_SIZE];
    struct presence *presence; // on the first worker's loop
    struct node_metrics *metrics;
};

static size_t wanted_workers(const struct settings *settings) {
    int64_t wanted = settings_number(settings, "workers");
    if (wanted > 0) {
        return (size_t)wanted;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 64 ? 64 : (size_t)cores;
}

static enum event_format default_format(const struct settings *settings) {
    enum event_format format = EVENT_FORMAT_CLOUDEVENTS_1_0;
    enum status status =
        event_format_parse(bytes_of_text(settings_text(settings, "default-event-format")), &format);
    (void)status; // The table allows only names that are formats.
    return format;
}

static enum record_sync record_sync_of(const struct settings *settings) {
    const char *name = settings_text(settings, "record-sync");
    return strcmp(name, "durable") == 0 ? RECORD_SYNC_DURABLE
           : strcmp(name, "off") == 0   ? RECORD_SYNC_OFF
                                        : RECORD_SYNC_ASYNC;
}

static enum outcome_recording recording_of(const struct settings *settings) {
    const char *name = settings_text(settings, "record-outcomes");
    return strcmp(name, "failures") == 0 ? OUTCOMES_OF_FAILURES
           : strcmp(name, "off") == 0    ? OUTCOMES_OFF
                                         : OUTCOMES_ON;
}

// A worker's share of --max-bodies; never less than one body, or none of that size could ever pass.
static size_t bodies_of_worker(const struct node *node) {
    size_t one = (size_t)settings_number(node->settings.settings, "max-body");
    size_t all = (size_t)settings_number(node->settings.settings, "max-bodies");
    size_t share = all / node->worker_count;
    return share < one ? one : share;
}

// Somebody may be about to take over from a gateway that is still there.
static bool may_share_ports(const struct node *node) {
    return node->settings.command == COMMAND_RUN &&
           settings_switch(node->settings.settings, "reuse-port");
}

// As much again as of bodies; never less than one answer.
static size_t answers_of_worker(const struct node *node) {
    size_t share = bodies_of_worker(node);
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
        .source = settings_text(settings, "source"),
        .hosted_domain = settings_text(settings, "hosted-domain"),
        .requires_space = settings_switch(settings, "require-space"),
        .requires_registered_types = settings_switch(settings, "require-registered-types"),
        .sync_timeout_ms = settings_number(settings, "sync-timeout"),
        .record_sync = record_sync_of(settings),
        .logs_access = settings_switch(settings, "access-log"),
        .inside_max_requests =
            (size_t)settings_number(settings, "max-inside") / node->worker_count + 1,
    };
    enum status status = ingest_create(&ingest_options, &worker->ingest, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct http_server_options options = {
        .name = "events",
        .address = settings_text(settings, "events-address"),
        .port =
            first ? http_server_port(first) : (uint16_t)settings_number(settings, "events-port"),
        .must_be_free = !first && !may_share_ports(node),
        .body_max_bytes = (size_t)settings_number(settings, "max-body"),
        .body_total_max_bytes = bodies_of_worker(node),
        .connections_max =
            (size_t)settings_number(settings, "max-connections") / node->worker_count + 1,
        .handler = ingest_handle,
        .refused = ingest_request_refused,
        .context = worker->ingest,
    };
    return http_server_create(worker->loop, &options, &worker->events_server, error);
}

// A file for each node that shares the folder. Without a folder the index goes with the process.
static void name_index(const struct node_settings *settings, struct buffer *path,
                       struct buffer *identity) {
    if (node_settings_data(settings)) {
        buffer_append_format(path, "%s/events-%lld.index", node_settings_data(settings),
                             (long long)settings_number(settings->settings, "config-port"));
    }
    if (settings->command == COMMAND_RUN) {
        buffer_append_format(identity, "kafka %s %s", settings_text(settings->settings, "kafka"),
                             settings_text(settings->settings, "topic-prefix"));
    }
}

static enum status create_admin(struct node *node, struct worker *worker, struct error *error) {
    struct buffer path = {0}, identity = {0};
    name_index(&node->settings, &path, &identity);
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
        .must_be_free = !may_share_ports(node),
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
        .default_format = default_format(node->settings.settings),
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
    struct retry_tiers tiers =
        retry_tiers_divided(settings_number(node->settings.settings, "retry-time-divisor"));
    struct dispatcher_options options = {
        .log = node->stores.log,
        .registry = node->stores.registry,
        .workers = workers,
        .worker_count = node->worker_count,
        .group = node->settings.command == COMMAND_RUN
                     ? settings_text(node->settings.settings, "group")
                     : "eg-dispatcher",
        .source = settings_text(node->settings.settings, "source"),
        .is_hosted = settings_text(node->settings.settings, "hosted-domain") != NULL,
        .node = node->id,
        .recording = recording_of(node->settings.settings),
        .tiers = &tiers,
    };
    enum status status = dispatcher_create(&options, &node->dispatcher, error);
    free(workers);
    return status;
}

static enum status read_targets(struct node *node, struct error *error) {
    const char *const *values;
    size_t count = settings_list(node->settings.settings, "allow-target", &values);
    struct buffer list = {0};
    if (node->settings.command == COMMAND_DEV) {
        buffer_append_text(&list, "127.0.0.0/8,::1");
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(&list, "%s%s", list.size > 0 ? "," : "", values[i]);
    }
    enum status status = target_rules_create(list.data ? list.data : "", &node->targets, error);
    if (status != STATUS_OK) {
        error_prefix(error, "--allow-target");
    }
    buffer_clear(&list);
    return status;
}

// Runs work on the worker's loop and waits for its end.
struct loop_call {
    struct event_loop_task task;
    void (*work)(struct worker *worker);
    struct worker *worker;
    sem_t done;
};

static void run_loop_call(struct event_loop_task *task) {
    struct loop_call *call = CONTAINER_OF(task, struct loop_call, task);
    call->work(call->worker);
    sem_post(&call->done);
}

static void on_loop(struct worker *worker, void (*work)(struct worker *worker)) {
    if (!worker->thread) {
        work(worker);
        return;
    }
    struct loop_call call = {.task = {.run = run_loop_call}, .work = work, .worker = worker};
    sem_init(&call.done, 0, 0);
    event_loop_post(worker->loop, &call.task);
    while (sem_wait(&call.done) != 0 && errno == EINTR) {
    }
    sem_destroy(&call.done);
}

static void partitions_of(void *source, presence_partition_fn visit, void *context) {
    struct node *node = source;
    dispatcher_each_partition(node->dispatcher, visit, context);
}

static void start_presence(struct worker *worker) {
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

static void stop_presence(struct worker *worker) {
    presence_destroy(worker->node->presence);
    worker->node->presence = NULL;
}

static enum status node_build(struct node *node, struct error *error) {
    node->metrics = node_metrics_create(node->stores.log, node_settings_data(&node->settings));
    node->worker_count = wanted_workers(node->settings.settings);
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

static void close_door(struct worker *worker) {
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

// What is left of a server's connections; those that are silent are told to go.
static size_t connections_left(struct http_server *server) {
    if (!server) {
        return 0;
    }
    http_server_close_silent(server, DRAIN_SILENT_MS);
    return http_server_connections(server);
}

static void check_drained(struct event_loop_timer *timer) {
    struct worker *worker = CONTAINER_OF(timer, struct worker, drain_timer);
    size_t left = connections_left(worker->events_server) + connections_left(worker->config_server);
    if (left > 0 && event_loop_now_us(worker->loop) < worker->drain_until_us) {
        event_loop_timer_start(worker->loop, timer, DRAIN_CHECK_US);
        return;
    }
    // Who is still there when the time is up gets 503 from now on.
    if (worker->ingest) {
        ingest_close_door(worker->ingest);
    }
    if (worker->admin) {
        admin_close_door(worker->admin);
    }
    sem_post(worker->drained);
}

static void start_drain(struct worker *worker) {
    worker->drain_timer.expired = check_drained;
    event_loop_timer_start(worker->loop, &worker->drain_timer, 0);
}

static void start_drain_of_all(struct node *node, int64_t until_us, sem_t *drained) {
    for (size_t i = 0; i < node->worker_count; i++) {
        struct worker *worker = &node->workers[i];
        worker->drained = drained;
        worker->drain_until_us = until_us;
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
static void destroy_roles(struct worker *worker) {
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
    if (node->stores.log) {
        int64_t left_ms = milliseconds_until(until_us);
        event_log_close(node->stores.log, left_ms > LOG_CLOSE_MIN_MS ? left_ms : LOG_CLOSE_MIN_MS);
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

static void configure_log(const struct settings *settings) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    const char *wanted = settings_text(settings, "log-level");
    enum log_level level = LOG_INFO;
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (strcmp(wanted, levels[i]) == 0) {
            level = (enum log_level)i;
        }
    }
    bool is_json = strcmp(settings_text(settings, "log-format"), "json") == 0;
    log_configure(level, is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

static enum status open_stores(struct node *node, const sigset_t *wanted, struct error *error) {
    struct start_guard *guard = start_guard_create(wanted);
    enum status status = stores_open(&node->settings, &node->stores, error);
    start_guard_destroy(guard);
    return status;
}

static enum status node_start(struct node *node, const sigset_t *wanted, struct error *error) {
    const struct settings *settings = node->settings.settings;
    enum status status = read_targets(node, error);
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
    configure_log(node.settings.settings);
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

static int write_help(enum command command) {
    struct buffer help = {0};
    node_settings_write_help(command, &help);
    printf("Usage: event-gateway %s [flags]\n\n%s", command == COMMAND_DEV ? "dev" : "run",
           help.data ? help.data : "");
    buffer_clear(&help);
    return 0;
}

static bool wants_help(int count, char **arguments) {
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

int main(int count, char **arguments, char **environment) {
    const char *name = count > 1 ? arguments[1] : "";
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        printf("event-gateway %s\n", EVENT_GATEWAY_VERSION);
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        write_usage(stdout);
        return 0;
    }
    bool is_dev = strcmp(name, "dev") == 0;
    if (!is_dev && strcmp(name, "run") != 0) {
        if (count > 1) {
            fprintf(stderr, "event-gateway: no command \"%s\"; there are dev, run, version\n",
                    name);
        } else {
            write_usage(stderr);
        }
        return EXIT_USAGE;
    }
    enum command command = is_dev ? COMMAND_DEV : COMMAND_RUN;
    if (wants_help(count - 2, arguments + 2)) {
        return write_help(command);
    }
    return run_command(command, count - 2, arguments + 2, environment);
}
