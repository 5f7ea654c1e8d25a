// /v1/spaces/{space}/{events|deadletters|redrives}[/{id}]

#include "admin/operations_api.h"

#include <stdlib.h>

#include <jansson.h>

#include "core/base/memory.h"
#include "core/base/text.h"

#define SPACES_PATH BYTES("/v1/spaces/")

// --- What the files of the API share.

void operations_call_destroy(struct operations_call *call) {
    json_decref(call->answer);
    buffer_clear(&call->space);
    buffer_clear(&call->id);
    list_params_clear(&call->params);
    event_log_slice_clear(&call->slice);
    free(call->mark);
    free(call->letters);
    free(call);
}

static unsigned http_status_of(enum status status) {
    switch (status) {
    case STATUS_INVALID:
        return 400;
    case STATUS_NOT_FOUND:
        return 404;
    case STATUS_TOO_LARGE:
        return 413;
    case STATUS_UNAVAILABLE:
    case STATUS_TIMEOUT:
    case STATUS_CLOSED:
    case STATUS_FULL:
        return 503;
    default:
        return 500;
    }
}

void operations_call_fail(struct operations_call *call, enum status status,
                          const struct error *error) {
    unsigned http_status = http_status_of(status);
    const char *text = error && error->text[0] != '\0' ? error->text : status_name(status);
    admin_answer_error(call->request, CONFIG_SPACES, http_status, http_status == 503 ? 1 : 0,
                       bytes_of_text(text));
    operations_call_destroy(call);
}

void operations_call_answer(struct operations_call *call) {
    unsigned status = call->answer_status > 0 ? call->answer_status : 200;
    if (call->answer) {
        admin_answer_json(call->request, status, call->answer);
    } else {
        admin_answer_empty(call->request, status);
    }
    operations_call_destroy(call);
}

struct operations_call *operations_call_of(struct event_store_call *call) {
    return CONTAINER_OF(call, struct operations_call, store);
}

void operations_call_run(struct operations_call *call,
                         void (*run)(struct event_store_call *call, struct event_index *index),
                         void (*done)(struct event_store_call *call)) {
    struct error error;
    call->store = (struct event_store_call){
        .run = run, .done = done, .loop = call->admin->options.loop, .status = STATUS_OK};
    if (event_store_run(call->admin->events, &call->store) != STATUS_OK) {
        enum status status =
            error_set(&error, STATUS_FULL, "too many look-ups are on their way, try again");
        operations_call_fail(call, status, &error);
    }
}

// --- Paths.

struct operation {
    const char *collection;
    const char *id; // NULL: the collection itself; "": any
    const char *method;
    void (*run)(struct operations_call *call);
};

static const struct operation operations[] = {
    {"events", NULL, "GET", operations_list_events},
    {"events", NULL, "POST", operations_emit},
    {"events", "stream", "GET", operations_stream_events},
    {"events", "", "GET", operations_get_event},
    {"deadletters", NULL, "GET", operations_list_letters},
    {"deadletters", "redrive", "POST", operations_begin_redrive},
    {"deadletters", "", "GET", operations_get_letter},
    {"deadletters", "", "DELETE", operations_delete_letter},
    {"redrives", NULL, "GET", operations_list_redrives},
    {"redrives", "", "GET", operations_get_redrive},
    {"redrives", "", "DELETE", operations_cancel_redrive},
};

static bool is_path_of(const struct operation *operation, struct bytes collection,
                       struct bytes id) {
    if (!bytes_equal_text(collection, operation->collection)) {
        return false;
    }
    if (!operation->id) {
        return id.size == 0;
    }
    return id.size > 0 && (operation->id[0] == '\0' || bytes_equal_text(id, operation->id));
}

static bool is_method_of(const struct operation *operation, struct bytes method) {
    return bytes_equal_text(method, operation->method) ||
           (bytes_equal_text(method, "HEAD") && operation->method[0] == 'G');
}

// The operation, or NULL and the methods that the path has; none: not a path of these.
static const struct operation *find_operation(struct bytes collection, struct bytes id,
                                              struct bytes method, struct buffer *ret_allowed) {
    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
        const struct operation *operation = &operations[i];
        if (!is_path_of(operation, collection, id)) {
            continue;
        }
        if (is_method_of(operation, method)) {
            return operation;
        }
        buffer_append_format(ret_allowed, "%s%s%s", ret_allowed->size > 0 ? ", " : "",
                             operation->method, operation->method[0] == 'G' ? ", HEAD" : "");
        if (operation->id && operation->id[0] != '\0') {
            break; // a name of ours is no id
        }
    }
    return NULL;
}

static void run_operation(struct admin *admin, struct http_request *request, struct bytes space,
                          struct bytes id, const struct operation *operation) {
    struct operations_call *call = memory_allocate(sizeof *call);
    struct error error = {0};
    call->admin = admin;
    call->request = request;
    percent_decode(space, false, &call->space);
    percent_decode(id, false, &call->id);
    enum status status = list_params_read(http_request_query(request), &call->params, &error);
    call->params.query.space = buffer_bytes(&call->space);
    if (status != STATUS_OK) {
        operations_call_fail(call, status, &error);
    } else {
        operation->run(call);
    }
}

bool operations_api_handle(struct admin *admin, struct http_request *request) {
    struct bytes path = http_request_path(request);
    if (!admin->events || !bytes_start_with(path, SPACES_PATH)) {
        return false;
    }
    struct bytes rest = bytes_slice(path, SPACES_PATH.size, path.size);
    struct bytes space = bytes_slice(rest, 0, bytes_find(rest, '/'));
    rest = bytes_slice(rest, space.size + 1, rest.size);
    struct bytes collection = bytes_slice(rest, 0, bytes_find(rest, '/'));
    struct bytes id = bytes_slice(rest, collection.size + 1, rest.size);
    struct buffer allowed = {0};
    const struct operation *operation =
        find_operation(collection, id, http_request_method(request), &allowed);
    bool is_ours = space.size > 0 && (operation || allowed.size > 0);
    if (is_ours && operation) {
        run_operation(admin, request, space, id, operation);
    } else if (is_ours) {
        admin_answer_wrong_method(request, CONFIG_SPACES, allowed.data);
    }
    buffer_clear(&allowed);
    return is_ours;
}
