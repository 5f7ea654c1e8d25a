#include "core/functions/invoker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/functions/invoker_private.h"
#include "core/functions/provider.h"
#include "core/functions/provider_call.h"

// Weighted functions within weighted functions: more than weighted_check takes, since a member may
// become one later.
#define CHOICES_MAX 64

struct invocation {
    struct invoker *invoker;
    struct invocation *previous, *next; // in the invoker's list
    const struct snapshot *snapshot;
    const struct event *event;
    struct prepared_function *function; // NULL when it is not there
    struct event_message message;
    struct http_header payload_header;
    struct http_header *headers; // copies, with their bytes behind them
    struct provider_call call;
    invocation_done_fn done;
    void *context;
    int64_t started_us;
    bool is_calling; // inside provider->call: what finishes there is reported by the task
    bool is_cancelled;
    // An end that came at once: reported later, on the loop.
    struct event_loop_timer finish_timer;
    enum invocation_outcome early_outcome;
    struct error early_error;
    char *payload;
};

const char *invocation_outcome_name(enum invocation_outcome outcome) {
    static const char *const names[] = {"succeeded",   "failed",    "timed out", "unreachable",
                                        "not allowed", "not found", "cancelled"};
    return names[outcome];
}

enum status invoker_create(struct event_loop *loop, const struct invoker_options *options,
                           struct invoker **ret_invoker, struct error *error) {
    struct invoker *invoker = memory_allocate(sizeof *invoker);
    invoker->loop = loop;
    invoker->options = *options;
    if (invoker->options.answer_max_bytes == 0) {
        invoker->options.answer_max_bytes = INVOKER_ANSWER_MAX_BYTES;
    }
    struct http_client_options client = {
        .targets = options->targets,
        .connections_per_host_max = options->calls_per_host_max,
        .answers_max_bytes = options->answers_max_bytes,
        .ca_file = options->ca_file,
    };
    enum status status = http_client_create(loop, &client, &invoker->client, error);
    if (status != STATUS_OK) {
        free(invoker);
        return status;
    }
    *ret_invoker = invoker;
    return STATUS_OK;
}

struct event_loop *invoker_loop(struct invoker *invoker) {
    return invoker->loop;
}

size_t invoker_calls_inside(const struct invoker *invoker) {
    return invoker->inside;
}

const struct secrets *invoker_secrets(const struct invoker *invoker) {
    return invoker->options.secrets;
}

static void invocation_destroy(struct invocation *invocation) {
    struct invoker *invoker = invocation->invoker;
    if (invocation->previous) {
        invocation->previous->next = invocation->next;
    } else {
        invoker->invocations = invocation->next;
    }
    if (invocation->next) {
        invocation->next->previous = invocation->previous;
    }
    invoker->inside--;
    prepared_function_unref(invocation->function);
    if (invocation->event) {
        event_message_clear(&invocation->message);
        event_unref(invocation->event);
    }
    snapshot_unref(invocation->snapshot);
    buffer_clear(&invocation->call.body);
    buffer_clear(&invocation->call.answer);
    free(invocation->payload);
    free(invocation->headers);
    free(invocation);
}

static void report(struct invocation *invocation, const struct invocation_result *result) {
    struct invocation_result final = *result;
    final.duration_us = event_loop_now_us(invocation->invoker->loop) - invocation->started_us;
    if (invocation->is_cancelled && final.outcome != INVOCATION_SUCCEEDED) {
        final.outcome = INVOCATION_CANCELLED;
    }
    invocation->done(invocation->context, &final);
    invocation_destroy(invocation);
}

static void report_early(struct event_loop_timer *timer) {
    struct invocation *invocation = CONTAINER_OF(timer, struct invocation, finish_timer);
    struct invocation_result result = {.outcome = invocation->early_outcome,
                                       .retry_after_ms = -1,
                                       .error_text = invocation->early_error.text};
    report(invocation, &result);
}

static void finish_later(struct invocation *invocation, enum invocation_outcome outcome) {
    invocation->early_outcome = outcome;
    invocation->finish_timer.expired = report_early;
    event_loop_timer_start(invocation->invoker->loop, &invocation->finish_timer, 0);
}

void provider_call_finish(struct provider_call *call, const struct invocation_result *result) {
    struct invocation *invocation = CONTAINER_OF(call, struct invocation, call);
    if (invocation->is_calling) {
        (void)error_set(&invocation->early_error, STATUS_FAILED, "%s", result->error_text);
        finish_later(invocation, result->outcome);
        return;
    }
    report(invocation, result);
}

// Follows weighted functions to the one that is called.
static enum status find_function(struct invocation *invocation, struct bytes space, struct bytes id,
                                 struct prepared_function **ret_function, struct error *error) {
    for (int choices = 0; choices <= CHOICES_MAX; choices++) {
        struct prepared_function *found = NULL;
        const struct function *function = snapshot_function(invocation->snapshot, space, id);
        if (!function) {
            return error_set(error, STATUS_NOT_FOUND, "Function \"%.*s\" not found.",
                             (int)(id.size > 200 ? 200 : id.size), id.data);
        }
        enum status status = prepared_function_find(invocation->invoker, function, &found, error);
        if (status != STATUS_OK) {
            return status;
        }
        if (!found->provider->choose) {
            *ret_function = found;
            return STATUS_OK;
        }
        // The id lives in the prepared state, which the cache keeps during this call.
        id = found->provider->choose(found->state);
        prepared_function_unref(found);
    }
    return error_set(error, STATUS_INVALID, "weighted functions are nested too deeply");
}

static void copy_headers(struct invocation *invocation, const struct http_header *headers,
                         size_t count) {
    size_t size = count * sizeof *headers;
    for (size_t i = 0; i < count; i++) {
        size += headers[i].name.size + headers[i].value.size;
    }
    invocation->headers = memory_allocate(size);
    char *next = (char *)(invocation->headers + count);
    for (size_t i = 0; i < count; i++) {
        invocation->headers[i] =
            (struct http_header){.name = {next, headers[i].name.size},
                                 .value = {next + headers[i].name.size, headers[i].value.size}};
        memcpy(next, headers[i].name.data, headers[i].name.size);
        next += headers[i].name.size;
        if (headers[i].value.size > 0) {
            memcpy(next, headers[i].value.data, headers[i].value.size);
        }
        next += headers[i].value.size;
    }
    invocation->call.headers = invocation->headers;
    invocation->call.header_count = count;
}

static enum event_format format_of(const struct invoker *invoker, const struct function *function) {
    return function->has_event_format ? function->event_format : invoker->options.default_format;
}

bool invoker_takes_batches(const struct invoker *invoker, const struct function *function) {
    const struct provider *provider = provider_find(function->type);
    enum event_format format = format_of(invoker, function);
    return provider && provider->takes_batches &&
           (format == EVENT_FORMAT_CLOUDEVENTS_1_0 ||
            format == EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0);
}

static void write_message(struct invocation *invocation, const struct invocation_options *options) {
    enum event_format format = format_of(invocation->invoker, invocation->function->function);
    if (format == EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0 &&
        invocation->function->provider->sends_body_only) {
        format = EVENT_FORMAT_CLOUDEVENTS_1_0;
    }
    if (options->event) {
        invocation->event = event_ref(options->event);
        event_format_write(options->event, format, options->params, options->event_type,
                           &invocation->message);
    } else {
        invocation->payload = bytes_to_text(options->payload);
        invocation->payload_header = (struct http_header){.name = BYTES("Content-Type"),
                                                          .value = options->payload_type.size > 0
                                                                       ? options->payload_type
                                                                       : BYTES("application/json")};
        invocation->message = (struct event_message){
            .headers = &invocation->payload_header,
            .header_count = 1,
            .body = {invocation->payload, options->payload.size},
        };
    }
    invocation->call.message = &invocation->message;
    invocation->call.event = invocation->event;
}

static struct invocation *invocation_create(struct invoker *invoker,
                                            const struct invocation_options *options,
                                            invocation_done_fn done, void *context) {
    struct invocation *invocation = memory_allocate(sizeof *invocation);
    *invocation = (struct invocation){
        .invoker = invoker,
        .next = invoker->invocations,
        .snapshot = snapshot_ref(options->snapshot),
        .done = done,
        .context = context,
        .started_us = event_loop_now_us(invoker->loop),
        .call = {.timeout_ms = options->timeout_ms,
                 .client = invoker->client,
                 .answer_max_bytes = invoker->options.answer_max_bytes},
    };
    if (invoker->invocations) {
        invoker->invocations->previous = invocation;
    }
    invoker->invocations = invocation;
    invoker->inside++;
    return invocation;
}

struct invocation *invoker_invoke(struct invoker *invoker, const struct invocation_options *options,
                                  invocation_done_fn done, void *context) {
    struct invocation *invocation = invocation_create(invoker, options, done, context);
    enum status status = find_function(invocation, options->space, options->function_id,
                                       &invocation->function, &invocation->early_error);
    if (status != STATUS_OK) {
        finish_later(invocation,
                     status == STATUS_NOT_FOUND ? INVOCATION_NO_FUNCTION : INVOCATION_FAILED);
        return invocation;
    }
    write_message(invocation, options);
    copy_headers(invocation, options->headers, options->header_count);
    invocation->is_calling = true;
    invocation->function->provider->call(&invocation->call, invocation->function->state);
    invocation->is_calling = false;
    return invocation;
}

void invocation_cancel(struct invocation *invocation) {
    invocation->is_cancelled = true;
    if (invocation->call.http_call) {
        http_call_cancel(invocation->call.http_call);
    }
}

void invoker_destroy(struct invoker *invoker) {
    if (!invoker) {
        return;
    }
    // The client's end reports every call that runs; what ended early is reported here, since the
    // loop may never come to it.
    http_client_destroy(invoker->client);
    struct invocation *first;
    while ((first = invoker->invocations)) {
        assert(first->finish_timer.expired);
        event_loop_timer_stop(invoker->loop, &first->finish_timer);
        report_early(&first->finish_timer);
        assert(invoker->invocations != first);
    }
    prepared_functions_clear(invoker);
    free(invoker);
}
