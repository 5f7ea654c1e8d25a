// The published schemas say what the code does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/functions/provider.h"

static json_t *load(const char *name) {
    char path[500];
    json_error_t reason;
    snprintf(path, sizeof path, SOURCE_DIR "/schemas/%s", name);
    json_t *schema = json_load_file(path, 0, &reason);
    if (!schema) {
        fail_msg("%s:%d: %s", path, reason.line, reason.text);
    }
    return schema;
}

// The member's schema, in the definition itself or in one that it includes.
static const json_t *find_property(const json_t *definitions, const json_t *definition,
                                   const char *name) {
    const json_t *found = json_object_get(json_object_get(definition, "properties"), name);
    size_t index;
    json_t *included;
    json_array_foreach(json_object_get(definition, "allOf"), index, included) {
        const char *reference = json_string_value(json_object_get(included, "$ref"));
        if (!found && reference) {
            found = find_property(
                definitions, json_object_get(definitions, reference + strlen("#/$defs/")), name);
        }
    }
    return found;
}

static void check_field(const json_t *definitions, const char *type,
                        const struct provider_field *field) {
    char outer[100];
    const json_t *definition = json_object_get(definitions, type);
    snprintf(outer, sizeof outer, "%.*s", (int)strcspn(field->name, "."), field->name);
    const json_t *property = find_property(definitions, definition, outer);
    const char *dot = strchr(field->name, '.');
    if (dot) {
        property = json_object_get(json_object_get(property, "properties"), dot + 1);
    }
    if (!property) {
        fail_msg("schemas/function.json does not know %s of %s", field->name, type);
    }
    const char *reference = json_string_value(json_object_get(property, "$ref"));
    if (field->is_secret && (!reference || strcmp(reference, "#/$defs/secret") != 0)) {
        fail_msg("schemas/function.json does not say that %s of %s is a secret", field->name, type);
    }
}

static void every_provider_and_each_of_its_fields_is_in_the_schema(void **state) {
    (void)state;
    json_t *schema = load("function.json");
    const json_t *definitions = json_object_get(schema, "$defs");
    size_t count;
    const struct provider *const *providers = provider_list(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < providers[i]->field_count; j++) {
            check_field(definitions, providers[i]->type, &providers[i]->fields[j]);
        }
    }
    json_decref(schema);
}

static void every_schema_is_json(void **state) {
    (void)state;
    static const char *const names[] = {"function.json", "event-type.json", "subscription.json",
                                        "cors.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *schema = load(names[i]);
        assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
                            "https://json-schema.org/draft/2020-12/schema");
        json_decref(schema);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_provider_and_each_of_its_fields_is_in_the_schema),
        cmocka_unit_test(every_schema_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
