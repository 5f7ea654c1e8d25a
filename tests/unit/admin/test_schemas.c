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

static bool names_type(const json_t *property, const char *reference, const char *type) {
    const char *refers_to = json_string_value(json_object_get(property, "$ref"));
    const char *own = json_string_value(json_object_get(property, "type"));
    return (refers_to && reference && strcmp(refers_to, reference) == 0) ||
           (own && strcmp(own, type) == 0);
}

static bool has_right_type(const json_t *property, const struct provider_field *field) {
    static const char *const types[] = {"string",  "string", "integer",
                                        "boolean", "object", "array"};
    if (field->is_secret) {
        return names_type(property, "#/$defs/secret", "");
    }
    if (field->kind == PROVIDER_FIELD_URL) {
        return names_type(property, "#/$defs/url", "");
    }
    // A choice of texts needs no type.
    return names_type(property, NULL, types[field->kind]) ||
           names_type(property, field->kind == PROVIDER_FIELD_NUMBER ? "#/$defs/timeoutMs" : NULL,
                      "") ||
           (field->kind == PROVIDER_FIELD_TEXT &&
            (json_object_get(property, "enum") || json_object_get(property, "const")));
}

static bool is_in(const json_t *array, const char *name) {
    size_t index;
    json_t *item;
    json_array_foreach(array, index, item) {
        if (strcmp(json_string_value(item), name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_required(const json_t *definitions, const json_t *definition, const char *name) {
    size_t index;
    json_t *included;
    bool required = is_in(json_object_get(definition, "required"), name);
    json_array_foreach(json_object_get(definition, "allOf"), index, included) {
        const char *reference = json_string_value(json_object_get(included, "$ref"));
        required |= reference &&
                    is_required(definitions,
                                json_object_get(definitions, reference + strlen("#/$defs/")), name);
    }
    return required;
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
    if (!has_right_type(property, field)) {
        fail_msg("schemas/function.json has another type for %s of %s", field->name, type);
    }
    if (!dot && is_required(definitions, definition, outer) != field->is_required) {
        fail_msg("schemas/function.json is wrong on whether %s needs %s", type, field->name);
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

static bool has_field(const struct provider *provider, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < provider->field_count; i++) {
        const char *field = provider->fields[i].name;
        if (strncmp(field, name, size) == 0 && (field[size] == '\0' || field[size] == '.')) {
            return true;
        }
    }
    return false;
}

static void check_properties(const json_t *definitions, const json_t *definition,
                             const struct provider *provider) {
    const char *name;
    json_t *value;
    size_t index;
    json_object_foreach(json_object_get(definition, "properties"), name, value) {
        if (!has_field(provider, name)) {
            fail_msg("schemas/function.json invents %s of %s", name, provider->type);
        }
    }
    json_array_foreach(json_object_get(definition, "allOf"), index, value) {
        const char *reference = json_string_value(json_object_get(value, "$ref"));
        if (reference) {
            check_properties(definitions,
                             json_object_get(definitions, reference + strlen("#/$defs/")),
                             provider);
        }
    }
}

// {"if":{"properties":{"type":{"const":TYPE}}},"then":{"properties":{"provider":{"$ref":...}}}}
static bool is_rule_of(const json_t *rule, const char *type) {
    char reference[100];
    const json_t *condition = json_object_get(json_object_get(rule, "if"), "properties");
    const json_t *then = json_object_get(json_object_get(rule, "then"), "properties");
    const char *constant =
        json_string_value(json_object_get(json_object_get(condition, "type"), "const"));
    const char *refers_to =
        json_string_value(json_object_get(json_object_get(then, "provider"), "$ref"));
    snprintf(reference, sizeof reference, "#/$defs/%s", type);
    return constant && refers_to && strcmp(constant, type) == 0 &&
           strcmp(refers_to, reference) == 0;
}

static void the_schema_has_exactly_the_providers_that_there_are(void **state) {
    (void)state;
    json_t *schema = load("function.json");
    const json_t *rules = json_object_get(schema, "allOf");
    const json_t *type = json_object_get(json_object_get(schema, "properties"), "type");
    size_t count;
    const struct provider *const *providers = provider_list(&count);
    assert_int_equal(json_array_size(rules), count);
    assert_int_equal(json_array_size(json_object_get(type, "examples")), count);
    for (size_t i = 0; i < count; i++) {
        bool has_rule = false;
        for (size_t j = 0; j < json_array_size(rules); j++) {
            has_rule |= is_rule_of(json_array_get(rules, j), providers[i]->type);
        }
        if (!has_rule || !is_in(json_object_get(type, "examples"), providers[i]->type)) {
            fail_msg("schemas/function.json does not know %s", providers[i]->type);
        }
        const json_t *definitions = json_object_get(schema, "$defs");
        check_properties(definitions, json_object_get(definitions, providers[i]->type),
                         providers[i]);
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
        cmocka_unit_test(the_schema_has_exactly_the_providers_that_there_are),
        cmocka_unit_test(every_schema_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
