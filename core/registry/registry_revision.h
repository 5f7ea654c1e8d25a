// What the znode "revision" holds: the revision of the configuration and which documents the last
// changes touched. Private to core/registry. The format: schemas/registry-tree.md.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_REVISION_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_REVISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct registry_revision;

// Of a new registry: revision 0, nothing changed.
void registry_revision_write_first(struct buffer *ret_data);
enum status must_check registry_revision_parse(struct bytes data,
                                               struct registry_revision **ret_revision,
                                               struct error *error);
void registry_revision_destroy(struct registry_revision *revision);
int64_t registry_revision_number(const struct registry_revision *revision);

// The paths that changed after since, each as often as it changed. False when that is not known in
// detail; some may have been visited already then.
typedef void (*registry_revision_path_fn)(void *context, struct bytes path);
bool registry_revision_each_path(const struct registry_revision *revision, int64_t since,
                                 registry_revision_path_fn visit, void *context);

// Whether the change of that id made the given revision: how a writer that lost its connection
// finds out what became of it.
enum registry_revision_fate {
    REVISION_FATE_APPLIED,
    REVISION_FATE_NOT_APPLIED, // the revision is not reached, or another change made it
    REVISION_FATE_UNKNOWN,     // too long ago
};
enum registry_revision_fate registry_revision_fate_of(const struct registry_revision *revision,
                                                      int64_t number, const char *change_id);

// The znode's next content: one revision more, made by this change.
void registry_revision_write_next(const struct registry_revision *revision, const char *change_id,
                                  const struct bytes *paths, size_t path_count,
                                  struct buffer *ret_data);

#endif
