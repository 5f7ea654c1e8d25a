// Tables for people and JSON for scripts.

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/json.h"
#include "core/base/memory.h"

static const json_t *find_member(const json_t *object, struct bytes path) {
    const json_t *value = object;
    while (path.size > 0) {
        struct bytes name = bytes_slice(path, 0, bytes_find(path, '.'));
        char *text = bytes_to_text(name);
        value = json_object_get(value, text);
        free(text);
        path = bytes_slice(path, name.size + 1, SIZE_MAX);
    }
    return value;
}

// The first of the members that is there, as one line of text; the caller owns it.
static char *cell_text(const json_t *object, const char *members) {
    struct bytes rest = bytes_of_text(members);
    const json_t *value = NULL;
    while (rest.size > 0 && (!value || json_is_null(value))) {
        struct bytes path = bytes_slice(rest, 0, bytes_find(rest, '|'));
        value = find_member(object, path);
        rest = bytes_slice(rest, path.size + 1, SIZE_MAX);
    }
    if (!value || json_is_null(value)) {
        return memory_copy_text("-");
    }
    return json_is_string(value) ? memory_copy_text(json_string_value(value)) : json_write(value);
}

static void print_row(char *const *cells, const size_t *widths, size_t column_count) {
    for (size_t i = 0; i < column_count; i++) {
        bool is_last = i + 1 == column_count;
        printf("%-*s%s", is_last ? 0 : (int)widths[i], cells[i], is_last ? "\n" : "  ");
    }
}

void egctl_print_table(const json_t *objects, const struct egctl_column *columns,
                       size_t column_count) {
    size_t rows = json_array_size(objects);
    size_t *widths = memory_allocate(column_count * sizeof *widths);
    char **cells = memory_allocate((rows + 1) * column_count * sizeof *cells);
    for (size_t i = 0; i < column_count; i++) {
        cells[i] = memory_copy_text(columns[i].title);
        for (size_t row = 0; row < rows; row++) {
            cells[(row + 1) * column_count + i] =
                cell_text(json_array_get(objects, row), columns[i].member);
        }
        for (size_t row = 0; row <= rows; row++) {
            size_t width = strlen(cells[row * column_count + i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    for (size_t row = 0; row <= rows; row++) {
        print_row(cells + row * column_count, widths, column_count);
    }
    for (size_t i = 0; i < (rows + 1) * column_count; i++) {
        free(cells[i]);
    }
    free(cells);
    free(widths);
}

void egctl_print_json(const json_t *value) {
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}
