// What the files of settings.h share: settings.c (the public functions), settings_value.c (kinds
// and their texts), settings_help.c, and the sources: settings_flags.c, settings_environment.c and
// settings_file.c.
#ifndef EVENT_GATEWAY_BASE_SETTINGS_PRIVATE_H
#define EVENT_GATEWAY_BASE_SETTINGS_PRIVATE_H

#include "core/base/settings.h"

#define ENVIRONMENT_PREFIX "EVENT_GATEWAY_"
// Longer names are unknown ones.
#define SETTING_NAME_SIZE 128

// The stronger ones last.
enum setting_source {
    SOURCE_DEFAULT,
    SOURCE_FILE,
    SOURCE_ENVIRONMENT,
    SOURCE_FLAG
};

struct setting_value {
    enum setting_source source;
    char *text;
    int64_t number;
    char **list;
    size_t list_count;
};

struct settings {
    const struct setting *table;
    size_t table_size;
    unsigned command;
    struct setting_value *values; // by index in the table
};

// Where a text comes from. The label is what people know it by: "--events-port",
// "EVENT_GATEWAY_EVENTS_PORT", "gateway.conf:3: events-port".
struct setting_origin {
    enum setting_source source;
    const char *label;
};

// table_size when there is none of that name.
size_t settings_index(const struct settings *settings, const char *name);
// "EVENT_GATEWAY_EVENTS_PORT".
void settings_append_variable(const char *name, struct buffer *ret_text);
// Sets the error for an unknown name, with the nearest known one as the source would spell it.
enum status settings_unknown(const struct settings *settings, const char *name,
                             const struct setting_origin *origin, struct error *error);
// The text of a setting of this command: checked, and kept unless a stronger source was there.
enum status must_check settings_set(struct settings *settings, size_t index,
                                    const struct setting_origin *origin, const char *text,
                                    struct error *error);
void settings_value_clear(struct setting_value *value);
bool settings_belongs(const struct settings *settings, size_t index);

enum status must_check settings_read_flags(struct settings *settings, int count, char **arguments,
                                           struct error *error);
enum status must_check settings_read_environment(struct settings *settings, char **environment,
                                                 struct error *error);
enum status must_check settings_read_file(struct settings *settings, const char *path,
                                          struct error *error);

#endif
