// What the files of egctl, the command line client, share. One thread, one command, then the end:
// what it allocates for its short life is freed by the exit.
#ifndef EVENT_GATEWAY_ADMIN_EGCTL_H
#define EVENT_GATEWAY_ADMIN_EGCTL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct json_t;

enum egctl_exit {
    EGCTL_OK = 0,
    EGCTL_FAILED = 1,
    EGCTL_USAGE = 2
};

struct egctl_pair {
    const char *name;
    const char *value;
};

// All flags of all commands; what was not given is NULL.
struct egctl_flags {
    const char *url;        // of the Configuration API
    const char *events_url; // of the Events API
    const char *token_file;
    const char *space;
    const char *file;             // a JSON document, "-" = stdin
    const char *target_url;       // --function-url
    const char *type;             // of a function or a subscription
    const char *event, *function; // of a subscription
    const char *method, *path;
    const char *ordering, *max_in_flight, *rate, *batch; // its delivery
    const char *data;                                    // of an event: text, @FILE, or - for stdin
    const char *content_type;
    const char *source, *subject, *id; // of an event
    struct egctl_pair extensions[32];
    size_t extension_count;
    const char *filters[16]; // --metadata KEY=VALUE
    size_t filter_count;
    bool wants_json;
    const char *interval; // of top, in seconds
    bool once;            // of top; of redrive and replay: not waited for
    // Of events and dead letters.
    const char *state, *subscription, *since, *until, *search, *limit;
};

// egctl_api.c: one request, waited for.
struct egctl_answer {
    long status;
    struct buffer body;
    struct buffer event_id; // of the header Event-Id
};
// STATUS_UNAVAILABLE names the URL and the reason. headers: "Name: value", ended by NULL.
enum status must_check egctl_request(const struct egctl_flags *flags, const char *method,
                                     const char *url, const char *const *headers, struct bytes body,
                                     struct egctl_answer *ret_answer, struct error *error);
// Gives what comes as it comes, until the server ends it or cannot be reached.
enum status must_check egctl_stream(const struct egctl_flags *flags, const char *url,
                                    void (*take)(void *context, struct bytes piece), void *context,
                                    struct error *error);
// One request; gives the answer's JSON, NULL when it has none, or the exit code after a message.
int egctl_ask(const struct egctl_flags *flags, const char *method, const char *url,
              struct bytes body, struct json_t **ret_document);
// A path below the space's: "/functions/a%2Fb"; id may be NULL.
void egctl_resource_url(const struct egctl_flags *flags, const char *collection, const char *id,
                        struct buffer *ret_url);
// The gateway's own message of an answer that is an error, or its status.
void egctl_answer_error(const struct egctl_answer *answer, struct error *ret_error);
// Reads a file, or stdin for "-".
enum status must_check egctl_read_input(const char *path, struct buffer *ret_text,
                                        struct error *error);

// The data of --data: text, @FILE, - for stdin; {} when there is none.
enum status must_check egctl_read_data(const struct egctl_flags *flags, struct buffer *ret_data,
                                       struct error *error);

// egctl_samples.c: the text of /v1/metrics, which the samples point into.
struct egctl_sample {
    struct bytes name, labels; // labels as they are written, with the braces
    double value;
};
struct egctl_samples {
    struct egctl_sample *items;
    size_t count;
};
void egctl_samples_read(struct bytes text, struct egctl_samples *ret_samples);
void egctl_samples_clear(struct egctl_samples *samples);
// As it is written, escapes included; empty when it is not there.
struct bytes egctl_sample_label(const struct egctl_sample *sample, const char *name);

// egctl_table.c: columns for people.
struct egctl_column {
    const char *title;
    const char *member; // "provider.url" of each object; "a|b": the first of them that is there
};
void egctl_print_table(const struct json_t *objects, const struct egctl_column *columns,
                       size_t column_count);
void egctl_print_json(const struct json_t *value);

// egctl_progress.c: a bar on a terminal, until it is over.
struct egctl_watch {
    const char *collection, *id;
    const char *counted; // the member that is shown beside the failed ones
};
// Gives it as it is then, or the exit code after a message. The gateway may be away meanwhile.
int egctl_await_end(const struct egctl_flags *flags, const struct egctl_watch *watch,
                    struct json_t **ret_watched);

// The commands: arguments follow the command's name. Each prints its error and returns the exit
// code.
int egctl_resources(const struct egctl_flags *flags, const char *command, int count,
                    char **arguments);
int egctl_emit(const struct egctl_flags *flags, int count, char **arguments);
int egctl_invoke(const struct egctl_flags *flags, int count, char **arguments);
int egctl_events(const struct egctl_flags *flags, int count, char **arguments);
int egctl_event(const struct egctl_flags *flags, int count, char **arguments);
int egctl_tail(const struct egctl_flags *flags, int count, char **arguments);
int egctl_dead_letters(const struct egctl_flags *flags, int count, char **arguments);
int egctl_replay(const struct egctl_flags *flags, int count, char **arguments);
int egctl_redrive(const struct egctl_flags *flags, int count, char **arguments);
int egctl_status(const struct egctl_flags *flags);
int egctl_cluster(const struct egctl_flags *flags, int count, char **arguments);
int egctl_top(const struct egctl_flags *flags, int count, char **arguments);
int egctl_pause(const struct egctl_flags *flags, bool pauses, int count, char **arguments);
int egctl_lag(const struct egctl_flags *flags, int count, char **arguments);
int egctl_completion(int count, char **arguments);

// Prints "egctl: ..." on stderr and returns the code.
int egctl_fail(enum egctl_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
