// Listening sockets and the texts of addresses, for http_server. Any thread.
#ifndef EVENT_GATEWAY_BASE_HTTP_LISTENER_H
#define EVENT_GATEWAY_BASE_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

struct sockaddr;

// A non-blocking socket that listens and shares its port with others (SO_REUSEPORT). must_be_free:
// not with one that is there already. STATUS_INVALID for a bad address, else STATUS_UNAVAILABLE
// with the reason.
enum status must_check http_listen(const char *address, uint16_t port, bool must_be_free,
                                   int *ret_fd, uint16_t *ret_port, struct error *error);
// "127.0.0.1", "::1"; "unknown" for NULL and other families.
void http_address_text(const struct sockaddr *address, char *ret_text, size_t size);

#endif
