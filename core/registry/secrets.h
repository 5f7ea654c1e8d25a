// Seals secrets in stored documents: AES-256-GCM with a key from a file, a new random nonce each
// time, bound to the resource that it belongs to. Sealed text: "sealed:v1:<key id>:<base64>".
// Immutable; any thread.
#ifndef EVENT_GATEWAY_REGISTRY_SECRETS_H
#define EVENT_GATEWAY_REGISTRY_SECRETS_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct secrets;

// The file holds 32 bytes as 64 hex digits or base64; more lines = older keys that still open.
// may_create: made with mode 0600 when missing (dev). A file that everybody can read is refused; a
// group may, as it does with secrets that are mounted into containers.
enum status must_check secrets_create(const char *key_path, bool may_create,
                                      struct secrets **ret_secrets, struct error *error);
void secrets_destroy(struct secrets *secrets);
// owner: "space/functionid/field", so that a sealed text moved elsewhere does not open.
enum status must_check secrets_seal(const struct secrets *secrets, struct bytes plain,
                                    struct bytes owner, struct buffer *ret_sealed,
                                    struct error *error);
enum status must_check secrets_open(const struct secrets *secrets, struct bytes sealed,
                                    struct bytes owner, struct buffer *ret_plain,
                                    struct error *error);
bool secret_is_sealed(struct bytes text);
// What answers show instead.
#define SECRET_MASK "*****"

#endif
