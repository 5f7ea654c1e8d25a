#include <string.h>

#include "core/events/event_attribute.h"
#include "core/events/event_http_decode.h"
#include "core/events/event_legacy.h"

// Cheaper than parsing every body: an event of 0.1 has this word in it.
static bool may_be_event(const struct event_http_request *request, struct bytes media_type) {
    static const char word[] = "cloudEventsVersion";
    return media_type_is_json(media_type) && request->body.size > 0 &&
           memmem(request->body.data, request->body.size, word, sizeof word - 1) != NULL;
}

// True when the body is itself an event, which then is the event.
static bool take_event_in_body(const struct event_http_request *request,
                               struct event_builder *builder) {
    struct event_builder trial;
    event_builder_init(&trial);
    const struct event *event = NULL;
    bool is_event = event_legacy_decode_json(request->body, &trial, NULL) == STATUS_OK &&
                    event_builder_build(&trial, &event, NULL) == STATUS_OK;
    event_builder_clear(&trial);
    event_unref(event);
    if (!is_event) {
        return false;
    }
    return event_legacy_decode_json(request->body, builder, NULL) == STATUS_OK;
}

enum status event_http_decode_custom(const struct event_http_request *request,
                                     const struct event_http_options *options,
                                     struct event_builder *builder, struct error *error) {
    struct bytes media_type = BYTES("");
    event_http_header(request, "content-type", &media_type);
    if (may_be_event(request, media_type) && take_event_in_body(request, builder)) {
        return STATUS_OK;
    }
    if (!event_http_header(request, "event", &builder->core[EVENT_ATTRIBUTE_TYPE])) {
        return error_set(error, STATUS_INVALID, "header Event is missing or empty");
    }
    event_http_set_origin(options, builder);
    enum status status = event_http_take_body(request, builder, error);
    if (!status && !builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE].data) {
        builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE] = BYTES("application/octet-stream");
    }
    return status;
}
