// The file with the admin token. Used at start.
#ifndef EVENT_GATEWAY_NODE_TOKEN_FILE_H
#define EVENT_GATEWAY_NODE_TOKEN_FILE_H

#include "core/base/status.h"

// The first line without blanks at its ends; the caller owns it. STATUS_INVALID: cannot be read, is
// no file, larger than 4 KiB, the token is shorter than 16 characters or holds a control character.
// Its mode is not looked at: secrets that are mounted into containers are readable by all in there.
enum status must_check token_file_read(const char *path, char **ret_token, struct error *error);

#endif
