// Which addresses outgoing calls may reach. Public ones always; loopback, link-local (cloud
// metadata), private and other special addresses only when a rule allows them (--allow-target).
// Immutable once made.
#ifndef EVENT_GATEWAY_BASE_TARGET_RULES_H
#define EVENT_GATEWAY_BASE_TARGET_RULES_H

#include <stdbool.h>

#include "core/base/status.h"

struct target_rules;
struct sockaddr;

// list: CIDRs and addresses separated by commas ("127.0.0.0/8,::1,10.1.0.0/16"), "any" for all, or
// "".
enum status must_check target_rules_create(const char *list, struct target_rules **ret_rules,
                                           struct error *error);
void target_rules_destroy(struct target_rules *rules);
// Checked on the resolved address; an IPv4 address mapped into IPv6 counts as the IPv4 one.
bool target_rules_allow(const struct target_rules *rules, const struct sockaddr *address);

#endif
