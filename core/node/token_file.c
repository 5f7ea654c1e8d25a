#include "core/node/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"

#define TOKEN_MIN 16

static enum status read_first_line(int file, const char *path, char *line, size_t size,
                                   struct bytes *ret_token, struct error *error) {
    ssize_t count = read(file, line, size);
    if (count < 0) {
        return error_set(error, STATUS_INVALID, "--admin-token-file: cannot read %s: %s", path,
                         strerror(errno));
    }
    struct bytes token = {line, (size_t)count};
    token = bytes_slice(token, 0, bytes_find(token, '\n'));
    token = bytes_slice(token, 0, bytes_find(token, '\r'));
    *ret_token = bytes_trim(token);
    if (ret_token->size < TOKEN_MIN) {
        return error_set(error, STATUS_INVALID,
                         "--admin-token-file: the token in %s has fewer than %d characters", path,
                         TOKEN_MIN);
    }
    return STATUS_OK;
}

enum status token_file_read(const char *path, char **ret_token, struct error *error) {
    char line[4096];
    struct bytes token;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return error_set(error, STATUS_INVALID, "--admin-token-file: cannot open %s: %s", path,
                         strerror(errno));
    }
    enum status status = read_first_line(file, path, line, sizeof line, &token, error);
    close(file);
    if (status == STATUS_OK) {
        *ret_token = bytes_to_text(token);
    }
    explicit_bzero(line, sizeof line);
    return status;
}
