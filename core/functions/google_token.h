// ID tokens of Google, by which a service account may call functions: the account's key signs a
// request for one (RFC 7523), Google answers with the token. Pure: the sending is the caller's.
// Immutable after its creation.
#ifndef EVENT_GATEWAY_FUNCTIONS_GOOGLE_TOKEN_H
#define EVENT_GATEWAY_FUNCTIONS_GOOGLE_TOKEN_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct google_account;

// key: the JSON file that Google gives out for a service account. STATUS_INVALID says what is
// missing, and holds nothing of the key.
enum status must_check google_account_create(struct bytes key, struct google_account **ret_account,
                                             struct error *error);
void google_account_destroy(struct google_account *account);
// Where tokens are asked for.
const char *google_account_token_url(const struct google_account *account);

// The form to POST there for a token that audience takes.
enum status must_check google_token_request(const struct google_account *account,
                                            struct bytes audience, int64_t now_s,
                                            struct buffer *ret_form, struct error *error);
// The token of Google's answer, which the caller owns, and when it ends. STATUS_INVALID says why
// there is none.
enum status must_check google_token_read(struct bytes answer, char **ret_token,
                                         int64_t *ret_expires_s, struct error *error);

#endif
