#include "core/base/text.h"
#include "core/events/event.h"
#include "core/events/event_attribute.h"

// Control characters are found by the check of the text. Letters outside ASCII are let through:
// published senders use them, and refusing an event because of them would lose it.
static bool is_uri_reference(struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == ' ') {
            return false;
        }
        if (text.data[i] == '%' && (i + 2 >= text.size || hex_digit_value(text.data[i + 1]) < 0 ||
                                    hex_digit_value(text.data[i + 2]) < 0)) {
            return false;
        }
    }
    return true;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool event_uri_is_absolute(struct bytes text) {
    size_t colon = bytes_find(text, ':');
    if (colon == 0 || colon + 1 >= text.size || !is_letter(text.data[0])) {
        return false;
    }
    for (size_t i = 1; i < colon; i++) {
        char c = text.data[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') {
            return false;
        }
    }
    return is_uri_reference(text);
}

static enum status check_text(const char *name, struct bytes value, struct error *error) {
    if (event_text_is_clean(value)) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID,
                     utf8_is_valid(value)
                         ? "attribute \"%s\" has a control character or a noncharacter in it"
                         : "attribute \"%s\" is not valid UTF-8",
                     name);
}

static enum status check_required(const char *name, struct bytes value, struct error *error) {
    if (value.size == 0) {
        return error_set(error, STATUS_INVALID, "attribute \"%s\" is missing or empty", name);
    }
    return check_text(name, value, error);
}

static enum status check_standard(const struct event *event, struct error *error) {
    const struct {
        const char *name;
        struct bytes value;
    } optional[] = {{"subject", event->subject},
                    {"dataschema", event->dataschema},
                    {"time", event->time},
                    {"datacontenttype", event->datacontenttype}};
    enum status status = check_required("id", event->id, error);
    if (!status) {
        status = check_required("source", event->source, error);
    }
    if (!status) {
        status = check_required("type", event->type, error);
    }
    for (size_t i = 0; !status && i < sizeof optional / sizeof optional[0]; i++) {
        status = check_text(optional[i].name, optional[i].value, error);
    }
    return status;
}

static enum status check_forms(const struct event *event, struct error *error) {
    int64_t time_us;
    if (!is_uri_reference(event->source)) {
        return error_set(error, STATUS_INVALID,
                         "attribute \"source\" is not a URI reference: \"%.*s\"",
                         SHOWN(event->source));
    }
    if (event->dataschema.size > 0 && !event_uri_is_absolute(event->dataschema)) {
        return error_set(error, STATUS_INVALID,
                         "attribute \"dataschema\" is not an absolute URI: \"%.*s\"",
                         SHOWN(event->dataschema));
    }
    if (event->time.size > 0 && timestamp_parse(event->time, &time_us) != STATUS_OK) {
        return error_set(error, STATUS_INVALID,
                         "attribute \"time\" is not an RFC 3339 timestamp: \"%.*s\"",
                         SHOWN(event->time));
    }
    return STATUS_OK;
}

static enum status check_extension(const struct event_extension *extension, struct error *error) {
    struct bytes name = extension->name;
    if (!event_name_is_valid(name)) {
        return error_set(error, STATUS_INVALID,
                         "attribute name \"%.*s\" has other characters than a-z and 0-9",
                         SHOWN(name));
    }
    if (bytes_equal(name, BYTES("data")) || bytes_equal(name, BYTES("specversion"))) {
        return error_set(error, STATUS_INVALID, "\"%.*s\" cannot be an extension's name",
                         SHOWN(name));
    }
    if ((extension->kind == EVENT_VALUE_BOOLEAN && !event_value_is_boolean(extension->value)) ||
        (extension->kind == EVENT_VALUE_INTEGER && !event_value_is_integer(extension->value))) {
        return error_set(error, STATUS_INVALID, "attribute \"%.*s\" is not in the form of its type",
                         SHOWN(name));
    }
    if (event_text_is_clean(extension->value)) {
        return STATUS_OK;
    }
    char text[81];
    size_t size = name.size < 80 ? name.size : 80;
    for (size_t i = 0; i < size; i++) {
        text[i] = name.data[i];
    }
    text[size] = '\0';
    return check_text(text, extension->value, error);
}

enum status event_check(const struct event *event, struct error *error) {
    enum status status = check_standard(event, error);
    if (!status) {
        status = check_forms(event, error);
    }
    for (size_t i = 0; !status && i < event->extension_count; i++) {
        status = check_extension(&event->extensions[i], error);
    }
    return status;
}
