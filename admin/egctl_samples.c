// The Prometheus text of /v1/metrics as a list of samples.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/egctl.h"
#include "core/base/memory.h"

// "name{a=\"x\",b=\"y\"} 1" gives the name, the labels' text and the value.
static bool parse_line(struct bytes line, struct egctl_sample *ret_sample) {
    if (line.size == 0 || line.data[0] == '#') {
        return false;
    }
    size_t end = line.size;
    while (end > 0 && line.data[end - 1] != ' ') {
        end--;
    }
    if (end < 2) {
        return false;
    }
    struct bytes series = bytes_slice(line, 0, end - 1);
    ret_sample->name = bytes_slice(series, 0, bytes_find(series, '{'));
    ret_sample->labels = bytes_slice(series, ret_sample->name.size, SIZE_MAX);
    char *value = bytes_to_text(bytes_slice(line, end, SIZE_MAX));
    ret_sample->value = strtod(value, NULL);
    free(value);
    return true;
}

void egctl_samples_read(struct bytes text, struct egctl_samples *ret_samples) {
    *ret_samples = (struct egctl_samples){0};
    while (text.size > 0) {
        struct bytes line = bytes_slice(text, 0, bytes_find(text, '\n'));
        struct egctl_sample sample;
        text = bytes_slice(text, line.size + 1, SIZE_MAX);
        if (parse_line(line, &sample)) {
            ret_samples->items = memory_resize(ret_samples->items, ret_samples->count + 1,
                                               sizeof *ret_samples->items);
            ret_samples->items[ret_samples->count++] = sample;
        }
    }
}

void egctl_samples_clear(struct egctl_samples *samples) {
    free(samples->items);
    *samples = (struct egctl_samples){0};
}

struct bytes egctl_sample_label(const struct egctl_sample *sample, const char *name) {
    char pattern[64];
    int size = snprintf(pattern, sizeof pattern, "%s=\"", name);
    const char *found = sample->labels.size > 0 ? memmem(sample->labels.data, sample->labels.size,
                                                         pattern, (size_t)size)
                                                : NULL;
    if (!found) {
        return (struct bytes){0};
    }
    size_t start = (size_t)(found - sample->labels.data) + (size_t)size;
    struct bytes rest = bytes_slice(sample->labels, start, SIZE_MAX);
    return bytes_slice(rest, 0, bytes_find(rest, '"'));
}
