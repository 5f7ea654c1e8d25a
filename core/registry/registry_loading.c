#include "core/registry/registry_loading.h"

#include "core/base/metrics.h"
#include "core/registry/registry_store.h"
#include "core/registry/snapshot_builder.h"

static struct metric_family skipped_family = {
    .name = "eventgateway_registry_documents_skipped_total",
    .help = "Stored documents that could not be understood and were left out.",
    .kind = METRIC_COUNTER,
};

// One load, as the store's callback sees it.
struct load {
    struct registry_loading *loading;
    struct snapshot_builder *builder;
    size_t document_count;
};

static void document_skipped(struct registry_loading *loading, enum resource_kind kind,
                             struct bytes space, struct bytes id, const struct error *error) {
    uint64_t suppressed;
    metric_add(METRIC(&skipped_family), 1);
    if (log_limit_allows(&loading->skipped_limit, 10, &suppressed)) {
        log_line(LOG_WARNING, "a stored document is not understood and left out",
                 LOG_TEXT("kind", resource_kind_name(kind)), LOG_BYTES("space", space),
                 LOG_BYTES("id", id), LOG_TEXT("reason", error->text),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void put_document(void *context, enum resource_kind kind, struct bytes space,
                         struct bytes id, struct bytes document) {
    struct load *load = context;
    struct error error;
    load->document_count++;
    if (snapshot_builder_put(load->builder, kind, space, id, document, &error) != STATUS_OK) {
        document_skipped(load->loading, kind, space, id, &error);
    }
}

// Gives no snapshot when nothing changed.
static enum status load_changes(struct registry_loading *loading, struct registry_store *store,
                                const struct snapshot *current,
                                const struct snapshot **ret_snapshot, struct error *error) {
    int64_t before = snapshot_revision(current);
    int64_t revision = before;
    struct load load = {.loading = loading, .builder = snapshot_builder_create(current)};
    enum status status =
        store->ops->load_changes(store, before, put_document, &load, &revision, error);
    if (status != STATUS_OK || (revision == before && load.document_count == 0)) {
        snapshot_builder_destroy(load.builder);
        return status;
    }
    *ret_snapshot = snapshot_builder_finish_take(load.builder, revision);
    return STATUS_OK;
}

static enum status load_everything(struct registry_loading *loading, struct registry_store *store,
                                   const struct snapshot *current,
                                   const struct snapshot **ret_snapshot, struct error *error) {
    int64_t revision = 0;
    struct load load = {.loading = loading, .builder = snapshot_builder_create(NULL)};
    enum status status = store->ops->load(store, put_document, &load, &revision, error);
    if (status != STATUS_OK) {
        snapshot_builder_destroy(load.builder);
        return status;
    }
    *ret_snapshot = snapshot_builder_finish_take(load.builder, revision);
    loading->must_load_everything = false;
    if (current && revision < snapshot_revision(current)) {
        log_line(LOG_WARNING, "the store holds an older configuration than this node had",
                 LOG_NUMBER("revision", revision),
                 LOG_NUMBER("before", snapshot_revision(current)));
    }
    return STATUS_OK;
}

enum status registry_loading_next(struct registry_loading *loading, struct registry_store *store,
                                  const struct snapshot *current,
                                  const struct snapshot **ret_snapshot, struct error *error) {
    if (current && !loading->must_load_everything) {
        enum status status = load_changes(loading, store, current, ret_snapshot, error);
        if (status != STATUS_NOT_FOUND) {
            return status;
        }
        loading->must_load_everything = true;
    }
    return load_everything(loading, store, current, ret_snapshot, error);
}
