#include "core/base/http_hosts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

#define SLOTS 256

// There while anything runs or waits.
struct http_host {
    struct http_host *next; // in its slot
    uint64_t hash;
    size_t running;
    struct http_host_place *first_waiting, *last_waiting;
    size_t origin_size;
    char origin[];
};

struct http_hosts {
    size_t running_max;
    struct http_host *slots[SLOTS];
};

struct http_hosts *http_hosts_create(size_t running_max) {
    struct http_hosts *hosts = memory_allocate(sizeof *hosts);
    hosts->running_max = running_max;
    return hosts;
}

void http_hosts_destroy(struct http_hosts *hosts) {
    for (size_t i = 0; hosts && i < SLOTS; i++) {
        assert(!hosts->slots[i]);
    }
    free(hosts);
}

struct bytes http_url_origin(const char *url) {
    const char *mark = strstr(url, "://");
    size_t scheme = mark ? (size_t)(mark - url) + 3 : 0;
    return (struct bytes){url, scheme + strcspn(url + scheme, "/?#")};
}

static struct http_host *find_host(struct http_hosts *hosts, struct bytes origin) {
    uint64_t hash = bytes_hash(origin);
    struct http_host *host = hosts->slots[hash % SLOTS];
    while (host && !(host->hash == hash &&
                     bytes_equal((struct bytes){host->origin, host->origin_size}, origin))) {
        host = host->next;
    }
    if (!host) {
        host = memory_allocate(sizeof *host + origin.size);
        host->hash = hash;
        host->origin_size = origin.size;
        memcpy(host->origin, origin.data, origin.size);
        host->next = hosts->slots[hash % SLOTS];
        hosts->slots[hash % SLOTS] = host;
    }
    return host;
}

static void forget_host(struct http_hosts *hosts, struct http_host *host) {
    struct http_host **place = &hosts->slots[host->hash % SLOTS];
    while (*place != host) {
        place = &(*place)->next;
    }
    *place = host->next;
    free(host);
}

static void add_waiting(struct http_host *host, struct http_host_place *place) {
    place->previous = host->last_waiting;
    place->next = NULL;
    if (place->previous) {
        place->previous->next = place;
    } else {
        host->first_waiting = place;
    }
    host->last_waiting = place;
    place->is_waiting = true;
}

static void remove_waiting(struct http_host *host, struct http_host_place *place) {
    if (place->previous) {
        place->previous->next = place->next;
    } else {
        host->first_waiting = place->next;
    }
    if (place->next) {
        place->next->previous = place->previous;
    } else {
        host->last_waiting = place->previous;
    }
    place->is_waiting = false;
}

bool http_hosts_enter(struct http_hosts *hosts, const char *url, struct http_host_place *place) {
    struct http_host *host = find_host(hosts, http_url_origin(url));
    place->host = host;
    if (host->running < hosts->running_max) {
        place->is_waiting = false;
        host->running++;
        return true;
    }
    add_waiting(host, place);
    return false;
}

struct http_host_place *http_hosts_leave(struct http_hosts *hosts, struct http_host_place *place) {
    struct http_host *host = place->host;
    struct http_host_place *next = NULL;
    place->host = NULL;
    if (place->is_waiting) {
        remove_waiting(host, place);
        return NULL; // As many run as may: that is why it waited.
    }
    next = host->first_waiting;
    if (next) {
        remove_waiting(host, next);
    } else if (--host->running == 0) {
        forget_host(hosts, host);
    }
    return next;
}
