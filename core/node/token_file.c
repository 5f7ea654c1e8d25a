#include "core/node/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"

#define TOKEN_MIN 16
#define LINE_MAX_BYTES 4096

static enum status check_file(int file, const char *path, struct error *error) {
    struct stat found;
    if (fstat(file, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size > LINE_MAX_BYTES) {
        return error_set(error, STATUS_INVALID,
                         "--admin-token-file: %s is not a file of at most %d bytes", path,
                         LINE_MAX_BYTES);
    }
    return STATUS_OK;
}

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
    for (size_t i = 0; i < ret_token->size; i++) {
        if ((unsigned char)ret_token->data[i] < 0x20) {
            return error_set(error, STATUS_INVALID,
                             "--admin-token-file: the token in %s holds a control character", path);
        }
    }
    return STATUS_OK;
}

enum status token_file_read(const char *path, char **ret_token, struct error *error) {
    char line[LINE_MAX_BYTES];
    struct bytes token = {0};
    // A FIFO would be waited for.
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return error_set(error, STATUS_INVALID, "--admin-token-file: cannot open %s: %s", path,
                         strerror(errno));
    }
    enum status status = check_file(file, path, error);
    if (status == STATUS_OK) {
        status = read_first_line(file, path, line, sizeof line, &token, error);
    }
    close(file);
    if (status == STATUS_OK) {
        *ret_token = bytes_to_text(token);
    }
    explicit_bzero(line, sizeof line);
    return status;
}
