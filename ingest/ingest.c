#include "ingest/ingest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/causation_depth.h"
#include "core/events/delivery_times.h"
#include "core/subscriptions/path_pattern.h"
#include "core/subscriptions/routes.h"
#include "ingest/access_log.h"
#include "ingest/authorizer_cache.h"
#include "ingest/ingest_private.h"
#include "ingest/recording.h"

// "team1.example.com:4000" with the hosted domain example.com gives "team1".
static struct bytes space_of_host(const struct intake *intake) {
    const char *domain = intake->ingest->options.hosted_domain;
    struct bytes host;
    if (!domain || !http_request_header(intake->request, "Host", &host)) {
        return (struct bytes){0};
    }
    host = bytes_slice(host, 0, bytes_find(host, ':'));
    size_t domain_size = strlen(domain);
    if (host.size < domain_size + 2 || host.data[host.size - domain_size - 1] != '.') {
        return (struct bytes){0};
    }
    struct bytes tail = bytes_slice(host, host.size - domain_size, domain_size);
    if (!bytes_equal_ignoring_case(tail, bytes_of_text(domain))) {
        return (struct bytes){0};
    }
    return bytes_slice(host, 0, host.size - domain_size - 1);
}

static bool space_is_valid(struct bytes space) {
    for (size_t i = 0; i < space.size; i++) {
        unsigned char letter = (unsigned char)space.data[i];
        if (!isalnum(letter) && letter != '.' && letter != '-' && letter != '_') {
            return false;
        }
    }
    return space.size >= 3;
}

static void set_path(struct intake *intake, struct bytes hosted_space) {
    if (hosted_space.size == 0) {
        path_normalize(intake->http.path, &intake->path);
        return;
    }
    struct buffer full = {0};
    buffer_append_byte(&full, '/');
    buffer_append(&full, hosted_space);
    buffer_append(&full, intake->http.path);
    path_normalize(buffer_bytes(&full), &intake->path);
    buffer_clear(&full);
}

// How much of a text from outside an error message shows.
static int shown_size(struct bytes text) {
    return (int)(text.size > 200 ? 200 : text.size);
}

// Contract 2.2: the host decides, else the Space header, else none. Under a hosted domain the space
// is also the first segment of the path.
static void find_space(struct intake *intake) {
    struct bytes hosted = space_of_host(intake);
    struct bytes header = {0};
    if (hosted.size > 0) {
        buffer_append(&intake->space, hosted);
    } else if (http_request_header(intake->request, "Space", &header)) {
        buffer_append(&intake->space, bytes_trim(header));
    }
    set_path(intake, hosted);
}

static enum status check_space(const struct intake *intake, struct error *error) {
    if (intake->space.size > 0 && !space_is_valid(buffer_bytes(&intake->space))) {
        return error_set(error, STATUS_INVALID,
                         "space \"%.*s\": at least 3 letters, digits, '.', '-' or '_'",
                         shown_size(buffer_bytes(&intake->space)), intake->space.data);
    }
    if (intake->space.size == 0 && intake->ingest->options.requires_space) {
        return error_set(error, STATUS_INVALID,
                         "no space: name it in the Space header (this gateway requires one)");
    }
    return STATUS_OK;
}

static bool is_classic(const struct intake *intake) {
    return intake->dialect == EVENT_DIALECT_CUSTOM || intake->dialect == EVENT_DIALECT_INVOKE;
}

// A rule decides; without one, classic custom events are open to every origin.
static void find_cors(struct intake *intake) {
    struct cors_request request = {.method = intake->http.method};
    const struct cors_rule *rule =
        snapshot_match_cors_rule(intake->snapshot, buffer_bytes(&intake->space),
                                 intake->http.method, buffer_bytes(&intake->path));
    bool has_origin =
        (rule || is_classic(intake)) && event_http_header(&intake->http, "origin", &request.origin);
    if (rule || has_origin) {
        cors_answer_request(rule, &request, &intake->cors);
    }
}

static bool names_event_header(struct bytes headers) {
    while (headers.size > 0) {
        struct bytes name = bytes_slice(headers, 0, bytes_find(headers, ','));
        headers = bytes_slice(headers, name.size + 1, headers.size);
        if (bytes_equal_ignoring_case(bytes_trim(name), BYTES("event"))) {
            return true;
        }
    }
    return false;
}

// A browser's question about a request that it has not sent yet. It comes without the headers of
// that request, so without a Space: the host can name one, else a rule of any space counts. True
// when it was answered; where no rule says anything an OPTIONS request is like any other.
static bool answer_preflight(struct intake *intake) {
    struct error error;
    struct cors_request request = {0};
    if (!bytes_equal_text(intake->http.method, "OPTIONS") ||
        !event_http_header(&intake->http, "origin", &request.origin) ||
        !event_http_header(&intake->http, "access-control-request-method", &request.method)) {
        return false;
    }
    char *method = upper_case_of(request.method);
    const struct cors_rule *rule =
        snapshot_match_cors_rule(intake->snapshot, buffer_bytes(&intake->space),
                                 bytes_of_text(method), buffer_bytes(&intake->path));
    free(method);
    (void)event_http_header(&intake->http, "access-control-request-headers", &request.headers);
    if (!rule && !names_event_header(request.headers)) {
        return false;
    }
    if (cors_answer_preflight(rule, &request, &intake->cors, &error) == STATUS_OK) {
        intake_answer(intake, &(struct http_response){.status = 204});
    } else {
        intake_refuse(intake, 403, 0, "%s", error.text);
    }
    return true;
}

static enum status check_not_system(const struct intake *intake, struct error *error) {
    for (size_t i = 0; i < intake->events.count; i++) {
        struct bytes type = intake->events.events[i]->type;
        if (event_type_is_system(type)) {
            return error_set(error, STATUS_INVALID,
                             "event %zu: type \"%.*s\" is the gateway's own and cannot be sent", i,
                             shown_size(type), type.data);
        }
    }
    return STATUS_OK;
}

static enum status check_registered(const struct intake *intake, struct error *error) {
    if (!intake->ingest->options.requires_registered_types ||
        intake->dialect == EVENT_DIALECT_REQUEST) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < intake->events.count; i++) {
        struct bytes type = intake->events.events[i]->type;
        if (!snapshot_event_type(intake->snapshot, intake_type_space(intake), type)) {
            return error_set(error, STATUS_INVALID, "event %zu: Event Type \"%.*s\" not found.", i,
                             shown_size(type), type.data);
        }
    }
    return STATUS_OK;
}

static enum status check_delivery_times(const struct intake *intake, struct error *error) {
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < intake->events.count; i++) {
        enum status status = event_delivery_times_check(intake->events.events[i], now_us, error);
        if (status != STATUS_OK) {
            error_prefix(error, "event %zu", i);
            return status;
        }
    }
    return STATUS_OK;
}

// STATUS_INVALID when the request's header is no number; else its events have at least that depth.
static enum status take_causation_depth(struct intake *intake, struct error *error) {
    struct bytes header;
    enum status status = STATUS_OK;
    if (!event_http_header(&intake->http, CAUSATION_DEPTH_HEADER, &header)) {
        return STATUS_OK;
    }
    for (size_t i = 0; status == STATUS_OK && i < intake->events.count; i++) {
        status = causation_depth_take(&intake->events.events[i], header, error);
    }
    return status;
}

// Only what authorizers have let in counts, so that nobody can use up the part of another space.
// Spaces that nothing is registered in have one part together: whoever makes up names gets no more
// by it, and fills no table. After a pause a batch passes whole, and what follows waits for all of
// it. True when the request was refused.
static bool refuse_flood(struct intake *intake) {
    const struct ingest_options *options = &intake->ingest->options;
    if (options->space_events_per_second <= 0 || intake->events.count == 0) {
        return false;
    }
    struct bytes space = intake_type_space(intake);
    bool is_known = intake_space_is_known(intake);
    int64_t wait_us = rates_take(options->rates, is_known ? space : (struct bytes){0},
                                 (struct bytes){0}, options->space_events_per_second,
                                 (uint32_t)intake->events.count, clock_monotonic_us(), RATE_LAST);
    if (wait_us > 0) {
        intake_refuse(intake, 429, (unsigned)((wait_us + 999999) / 1000000),
                      "the space \"%.*s\"%s sends more than %.0f events per second, try again",
                      shown_size(space), space.data,
                      is_known ? "" : ", with all others that nothing is registered in,",
                      options->space_events_per_second);
    }
    return wait_us > 0;
}

static bool something_matches(const struct intake *intake) {
    struct route_query query = intake_route_query(intake);
    return routes_has_match(snapshot_routes(intake->snapshot), &query);
}

static void deliver(struct intake *intake) {
    if (refuse_flood(intake)) {
        return;
    }
    if (intake->dialect == EVENT_DIALECT_INVOKE) {
        call_invoked_function(intake);
    } else if (!call_sync_subscription(intake)) {
        receive_event(intake);
    }
}

// The event of an invoke is a custom event of the type "invoke", unless its body is itself an event
// and brings its own type.
static void take_events(struct intake *intake) {
    struct error error;
    unsigned http_status = 400;
    bool is_invoke = intake->dialect == EVENT_DIALECT_INVOKE;
    if (intake_decode(intake, is_invoke ? EVENT_DIALECT_CUSTOM : intake->dialect, &http_status,
                      &error) != STATUS_OK) {
        intake_refuse(intake, http_status, 0, "%s", error.text);
        return;
    }
    if (check_not_system(intake, &error) != STATUS_OK ||
        (!is_invoke && check_registered(intake, &error) != STATUS_OK) ||
        check_delivery_times(intake, &error) != STATUS_OK ||
        take_causation_depth(intake, &error) != STATUS_OK) {
        intake_refuse(intake, 400, 0, "%s", error.text);
        return;
    }
    if (intake->dialect == EVENT_DIALECT_REQUEST && !something_matches(intake)) {
        intake_refuse(intake, 404, 0, "resource not found");
        return;
    }
    authorize(intake, deliver);
}

static void take_request(struct intake *intake) {
    struct error error;
    unsigned http_status = 400;
    if (event_http_dialect(&intake->http, &intake->dialect, &http_status, &error) != STATUS_OK) {
        intake_refuse(intake, http_status, 0, "%s", error.text);
        return;
    }
    intake->has_dialect = true;
    if (is_classic(intake) || snapshot_has_cors_rules(intake->snapshot)) {
        find_cors(intake);
    }
    if (is_classic(intake) && strcmp(intake->method, "POST") != 0) {
        intake_refuse(intake, 400, 0, "custom event can be emitted only with POST method");
        return;
    }
    if (check_space(intake, &error) != STATUS_OK) {
        intake_refuse(intake, 400, 0, "%s", error.text);
        return;
    }
    if (intake->dialect != EVENT_DIALECT_INVOKE || check_invoked_function(intake)) {
        take_events(intake);
    }
}

void ingest_handle(void *context, struct http_request *request) {
    struct ingest *ingest = context;
    struct intake *intake = intake_create(ingest, request);
    if (ingest->is_closed) {
        intake_refuse(intake, 503, 1, "this gateway is shutting down");
        return;
    }
    if (ingest->requests_inside > ingest->options.inside_max_requests) {
        intake_refuse(intake, 503, 1, "too many requests inside");
        return;
    }
    find_space(intake);
    if (!answer_preflight(intake)) {
        take_request(intake);
    }
}

void ingest_request_refused(void *context, const struct http_refused_request *refused) {
    const struct ingest *ingest = context;
    if (ingest->options.logs_access) {
        access_log_write_refused(refused);
    }
}

static void append_awaited(struct ingest *ingest) {
    append_received(ingest);
    append_awaited_recordings(ingest);
}

static void gathered(struct event_loop_timer *timer) {
    append_awaited(CONTAINER_OF(timer, struct ingest, gathering));
}

// The server may have sent this turn's answers before we made one: it gets another turn. Without it
// a refusal would lie there until something else wakes the loop.
static bool wants_turn(struct ingest *ingest) {
    bool wants = ingest->has_refused;
    ingest->has_refused = false;
    return wants;
}

// What was received goes to the log now, or, when the log has much to do, with what comes shortly.
static bool turn_ended(struct event_loop_hook *hook) {
    struct ingest *ingest = CONTAINER_OF(hook, struct ingest, turn_end);
    append_recordings_if_due(ingest);
    bool has_some = ingest->first_received || ingest->awaited_recordings.first;
    if (!has_some || ingest->gathering.heap_index > 0) {
        return wants_turn(ingest);
    }
    int64_t gather_us = event_log_gather_us(ingest->options.log, ingest->requests_inside);
    if (gather_us > 0) {
        event_loop_timer_start(ingest->options.loop, &ingest->gathering, gather_us);
    } else {
        append_awaited(ingest);
    }
    return wants_turn(ingest);
}

enum status ingest_create(const struct ingest_options *options, struct ingest **ret_ingest,
                          struct error *error) {
    (void)error;
    struct ingest *ingest = memory_allocate(sizeof *ingest);
    ingest->options = *options;
    if (ingest->options.inside_max_requests == 0) {
        ingest->options.inside_max_requests = 10000;
    }
    ingest->emitter = (struct system_emitter){
        .log = options->log,
        .loop = options->loop,
        .source = bytes_of_text(options->source),
        .is_hosted = options->hosted_domain != NULL,
    };
    ingest->authorizer_cache = authorizer_cache_create();
    ingest->last_received = &ingest->first_received;
    recordings_init(ingest);
    ingest->gathering.expired = gathered;
    ingest->turn_end.before_wait = turn_ended;
    event_loop_hook_add(options->loop, &ingest->turn_end);
    *ret_ingest = ingest;
    return STATUS_OK;
}

static void append_all(struct ingest *ingest) {
    event_loop_timer_stop(ingest->options.loop, &ingest->gathering);
    append_awaited(ingest);
    append_recordings(ingest);
}

void ingest_close_door(struct ingest *ingest) {
    ingest->is_closed = true;
    // The log may be closed next, and the callers of recorded calls are answered already.
    append_all(ingest);
}

void ingest_destroy(struct ingest *ingest) {
    event_loop_hook_remove(ingest->options.loop, &ingest->turn_end);
    authorizer_cache_destroy(ingest->authorizer_cache);
    append_all(ingest);
    free(ingest);
}
