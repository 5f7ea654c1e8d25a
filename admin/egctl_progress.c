// What goes on in the gateway is watched until its end: a replay, a redrive.

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/egctl.h"
#include "core/base/json.h"
#include "core/base/memory.h"

#define PROGRESS_MS 300
#define BAR_WIDTH 30
// For so long the gateway may be away, as when it is started again: what it does goes on then.
#define AWAY_MAX_S 120

static long long number_of(const json_t *object, const char *name) {
    return (long long)json_integer_value(json_object_get(object, name));
}

static const char *state_of(const json_t *watched) {
    const char *state = json_string_value(json_object_get(watched, "state"));
    return state ? state : "-";
}

static void draw(const struct egctl_watch *watch, const json_t *watched) {
    long long percent = number_of(watched, "percent");
    const json_t *eta = json_object_get(watched, "etaSeconds");
    char bar[BAR_WIDTH + 1] = {0};
    for (int i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i * 100 < percent * BAR_WIDTH ? '#' : '.';
    }
    printf("\r[%s] %3lld %%  %lld %s, %lld failed", bar, percent,
           number_of(watched, watch->counted), watch->counted, number_of(watched, "failed"));
    if (json_is_integer(eta)) {
        printf(", %lld s left", (long long)json_integer_value(eta));
    }
    printf("  %s\033[K", state_of(watched));
    fflush(stdout);
}

static bool is_over(const json_t *watched) {
    static const char *const states[] = {"waiting", "running", "paused"};
    bool goes_on = false;
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        goes_on |= strcmp(state_of(watched), states[i]) == 0;
    }
    return !goes_on;
}

static time_t now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

// One look. UNAVAILABLE: it can be tried again. A node that was not told of it yet has none.
static enum status look(const struct egctl_flags *flags, const char *url, json_t **ret_watched,
                        struct error *error) {
    struct egctl_answer answer;
    enum status status = egctl_request(flags, "GET", url, NULL, (struct bytes){0}, &answer, error);
    if (status == STATUS_OK && answer.status != 200) {
        egctl_answer_error(&answer, error);
        status = answer.status == 404 || answer.status >= 500 ? STATUS_UNAVAILABLE : STATUS_FAILED;
    }
    if (status == STATUS_OK) {
        status = json_parse(buffer_bytes(&answer.body), ret_watched, error);
    }
    buffer_clear(&answer.body);
    return status;
}

static void end_line(bool draws) {
    if (draws) {
        putchar('\n');
    }
}

int egctl_await_end(const struct egctl_flags *flags, const struct egctl_watch *watch,
                    json_t **ret_watched) {
    bool draws = !flags->wants_json && isatty(STDOUT_FILENO);
    const struct timespec pause = {.tv_nsec = PROGRESS_MS * 1000000L};
    time_t seen_s = now_s();
    struct buffer url = {0};
    struct error error = {0};
    egctl_resource_url(flags, watch->collection, watch->id, &url);
    for (;;) {
        json_t *watched = NULL;
        enum status status = look(flags, url.data, &watched, &error);
        bool is_away = status == STATUS_UNAVAILABLE && now_s() - seen_s < AWAY_MAX_S;
        if (status != STATUS_OK && !is_away) {
            end_line(draws);
            return egctl_fail(EGCTL_FAILED, "%s", error.text);
        }
        if (status == STATUS_OK) {
            seen_s = now_s();
            json_decref(*ret_watched);
            *ret_watched = watched;
        }
        if (draws && status == STATUS_OK) {
            draw(watch, watched);
        }
        if (status == STATUS_OK && is_over(watched)) {
            end_line(draws);
            return EGCTL_OK;
        }
        nanosleep(&pause, NULL);
    }
}
