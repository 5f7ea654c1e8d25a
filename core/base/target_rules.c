#include "core/base/target_rules.h"

#include "core/base/bytes.h"
#include "core/base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Every address is handled as an IPv6 one; IPv4 lies in ::ffff:0:0/96, so a mapped address and the
// IPv4 address itself are the same thing.
struct address {
    uint8_t octets[16];
};

struct range {
    struct address first;
    unsigned prefix; // bits
};

struct target_rules {
    bool allows_any;
    size_t count;
    struct range ranges[];
};

enum {
    V4_PREFIX = 96,
    RULES_MAX = 10000
};

#define MAPPED(a, b, c, d)                                                                         \
    {                                                                                              \
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), (c), (d) }                           \
    }

// IANA's special-purpose registries, without what is reachable from everywhere.
static const struct range special_ranges[] = {
    {MAPPED(0, 0, 0, 0), V4_PREFIX + 8},          // this network
    {MAPPED(10, 0, 0, 0), V4_PREFIX + 8},         // private
    {MAPPED(100, 64, 0, 0), V4_PREFIX + 10},      // carrier-grade NAT
    {MAPPED(127, 0, 0, 0), V4_PREFIX + 8},        // loopback
    {MAPPED(169, 254, 0, 0), V4_PREFIX + 16},     // link-local, cloud metadata
    {MAPPED(172, 16, 0, 0), V4_PREFIX + 12},      // private
    {MAPPED(192, 0, 0, 0), V4_PREFIX + 24},       // protocol assignments
    {MAPPED(192, 0, 2, 0), V4_PREFIX + 24},       // documentation
    {MAPPED(192, 168, 0, 0), V4_PREFIX + 16},     // private
    {MAPPED(198, 18, 0, 0), V4_PREFIX + 15},      // benchmarking
    {MAPPED(198, 51, 100, 0), V4_PREFIX + 24},    // documentation
    {MAPPED(203, 0, 113, 0), V4_PREFIX + 24},     // documentation
    {MAPPED(224, 0, 0, 0), V4_PREFIX + 4},        // multicast
    {MAPPED(240, 0, 0, 0), V4_PREFIX + 4},        // reserved, broadcast
    {{{0}}, 96},                                  // ::, ::1, IPv4-compatible
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, 48}, // local NAT64
    {{{0x01, 0x00}}, 64},                         // discard
    {{{0x20, 0x01}}, 23},                         // protocol assignments, Teredo
    {{{0x20, 0x01, 0x0d, 0xb8}}, 32},             // documentation
    {{{0x3f, 0xff}}, 20},                         // documentation
    {{{0xfc}}, 7},                                // unique local
    {{{0xfe, 0x80}}, 10},                         // link-local
    {{{0xfe, 0xc0}}, 10},                         // site-local
    {{{0xff}}, 8},                                // multicast
};

static const struct range nat64 = {{{0x00, 0x64, 0xff, 0x9b}}, 96};
static const struct range six_to_four = {{{0x20, 0x02}}, 16};

static bool range_holds(const struct range *range, const struct address *address) {
    unsigned octets = range->prefix / 8;
    unsigned bits = range->prefix % 8;
    if (memcmp(range->first.octets, address->octets, octets) != 0) {
        return false;
    }
    if (bits == 0) {
        return true;
    }
    unsigned difference = range->first.octets[octets] ^ address->octets[octets];
    return (difference >> (8 - bits)) == 0;
}

static struct address mapped_address(const uint8_t *v4) {
    struct address address = MAPPED(v4[0], v4[1], v4[2], v4[3]);
    return address;
}

// What lies behind an address that only wraps an IPv4 one.
static struct address unwrap(struct address address) {
    if (range_holds(&nat64, &address)) {
        return mapped_address(address.octets + 12);
    }
    if (range_holds(&six_to_four, &address)) {
        return mapped_address(address.octets + 2);
    }
    return address;
}

static bool address_parse(struct bytes text, struct address *ret_address, bool *ret_is_v4) {
    char copy[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    uint8_t v4[4];
    *ret_is_v4 = inet_pton(AF_INET, copy, v4) == 1;
    if (*ret_is_v4) {
        *ret_address = mapped_address(v4);
        return true;
    }
    return inet_pton(AF_INET6, copy, ret_address->octets) == 1;
}

static bool prefix_parse(struct bytes text, unsigned max, unsigned *ret_prefix) {
    if (text.size == 0 || text.size > 3) {
        return false;
    }
    unsigned prefix = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        prefix = prefix * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_prefix = prefix;
    return prefix <= max;
}

static bool range_parse(struct bytes text, struct range *ret_range) {
    size_t slash = bytes_find(text, '/');
    bool is_v4;
    if (!address_parse(bytes_slice(text, 0, slash), &ret_range->first, &is_v4)) {
        return false;
    }
    unsigned max = is_v4 ? 32 : 128;
    unsigned prefix = max;
    if (slash < text.size && !prefix_parse(bytes_slice(text, slash + 1, text.size), max, &prefix)) {
        return false;
    }
    ret_range->prefix = is_v4 ? V4_PREFIX + prefix : prefix;
    return true;
}

static size_t count_elements(const char *list) {
    size_t count = 1;
    for (const char *at = list; *at != '\0'; at++) {
        count += *at == ',';
    }
    return count;
}

static enum status add_element(struct target_rules *rules, struct bytes element,
                               struct error *error) {
    if (bytes_equal_text(element, "any")) {
        rules->allows_any = true;
        return STATUS_OK;
    }
    if (!range_parse(element, &rules->ranges[rules->count])) {
        return error_set(
            error, STATUS_INVALID, "\"%.*s\" is not an IP address, a CIDR like 10.0.0.0/8, or any",
            element.size < 100 ? (int)element.size : 100, element.data ? element.data : "");
    }
    rules->count++;
    return STATUS_OK;
}

enum status target_rules_create(const char *list, struct target_rules **ret_rules,
                                struct error *error) {
    struct bytes rest = bytes_trim(bytes_of_text(list));
    size_t elements = list ? count_elements(list) : 0;
    if (elements > RULES_MAX) {
        return error_set(error, STATUS_TOO_LARGE, "more than %d targets", RULES_MAX);
    }
    struct target_rules *rules =
        memory_allocate(sizeof *rules + elements * sizeof rules->ranges[0]);
    bool is_last = rest.size == 0;
    while (!is_last) {
        size_t comma = bytes_find(rest, ',');
        is_last = comma == rest.size;
        enum status status = add_element(rules, bytes_trim(bytes_slice(rest, 0, comma)), error);
        if (status != STATUS_OK) {
            target_rules_destroy(rules);
            return status;
        }
        rest = bytes_slice(rest, comma + 1, rest.size);
    }
    *ret_rules = rules;
    return STATUS_OK;
}

void target_rules_destroy(struct target_rules *rules) {
    free(rules);
}

static bool is_in(const struct range *ranges, size_t count, const struct address *address) {
    for (size_t i = 0; i < count; i++) {
        if (range_holds(&ranges[i], address)) {
            return true;
        }
    }
    return false;
}

bool target_rules_allow(const struct target_rules *rules, const struct sockaddr *address) {
    if (rules->allows_any) {
        return true;
    }
    struct address plain;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        plain = mapped_address((const uint8_t *)&v4->sin_addr);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        memcpy(plain.octets, &v6->sin6_addr, sizeof plain.octets);
    } else {
        return false;
    }
    struct address target = unwrap(plain);
    return !is_in(special_ranges, ARRAY_LENGTH(special_ranges), &target) ||
           is_in(rules->ranges, rules->count, &target) ||
           is_in(rules->ranges, rules->count, &plain);
}
