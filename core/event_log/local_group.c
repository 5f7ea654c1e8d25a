#include "core/event_log/local_group.h"

#include "core/base/memory.h"

#include <assert.h>
#include <stdlib.h>

void local_group_join(struct local_group *group, struct local_member *member) {
    member->group = group;
    member->partitions =
        memory_allocate((size_t)group->partition_count * sizeof *member->partitions);
    struct local_member **end = &group->members;
    while (*end) {
        end = &(*end)->next;
    }
    *end = member;
    local_group_balance(group);
}

void local_group_leave(struct local_member *member) {
    struct local_member **place = &member->group->members;
    while (*place && *place != member) {
        place = &(*place)->next;
    }
    assert(*place);
    *place = member->next;
    free(member->partitions);
    member->partitions = NULL;
    local_group_balance(member->group);
}

static struct local_member *owner_of(const struct local_group *group, int32_t partition) {
    for (struct local_member *member = group->members; member; member = member->next) {
        if (member->partitions[partition].state != LOCAL_PARTITION_ELSEWHERE) {
            return member;
        }
    }
    return NULL;
}

// Partitions that the member has and keeps.
static int32_t kept_count(const struct local_member *member) {
    int32_t count = 0;
    for (int32_t i = 0; i < member->group->partition_count; i++) {
        const struct local_partition *partition = &member->partitions[i];
        count += partition->state != LOCAL_PARTITION_ELSEWHERE && !partition->is_wanted_back &&
                 partition->state != LOCAL_PARTITION_HANDING_OVER;
    }
    return count;
}

static struct local_member *poorest(const struct local_group *group) {
    struct local_member *found = NULL;
    for (struct local_member *member = group->members; member; member = member->next) {
        if (!member->is_leaving && (!found || kept_count(member) < kept_count(found))) {
            found = member;
        }
    }
    return found;
}

static struct local_member *richest(const struct local_group *group) {
    struct local_member *found = NULL;
    for (struct local_member *member = group->members; member; member = member->next) {
        if (!member->is_leaving && (!found || kept_count(member) > kept_count(found))) {
            found = member;
        }
    }
    return found;
}

static bool has_moving_partition(const struct local_group *group) {
    for (struct local_member *member = group->members; member; member = member->next) {
        for (int32_t i = 0; i < group->partition_count; i++) {
            if (member->partitions[i].is_wanted_back ||
                member->partitions[i].state == LOCAL_PARTITION_HANDING_OVER) {
                return true;
            }
        }
    }
    return false;
}

static void want_one_back(struct local_member *member) {
    for (int32_t i = member->group->partition_count; i-- > 0;) {
        struct local_partition *partition = &member->partitions[i];
        if (partition->state == LOCAL_PARTITION_ASSIGNED ||
            partition->state == LOCAL_PARTITION_OURS) {
            partition->is_wanted_back = true;
            return;
        }
    }
}

void local_group_balance(struct local_group *group) {
    struct local_member *to;
    for (int32_t i = 0; i < group->partition_count; i++) {
        if (!owner_of(group, i) && (to = poorest(group))) {
            to->partitions[i] = (struct local_partition){.state = LOCAL_PARTITION_ASSIGNED};
        }
    }
    // One partition moves at a time: where it lands decides whether another one has to.
    to = poorest(group);
    if (to && !has_moving_partition(group) && kept_count(richest(group)) - kept_count(to) >= 2) {
        want_one_back(richest(group));
    }
}
