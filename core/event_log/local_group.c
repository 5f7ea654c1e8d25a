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
        if (!member->is_leaving && (!found || member->planned < found->planned)) {
            found = member;
        }
    }
    return found;
}

static struct local_member *richest(const struct local_group *group) {
    struct local_member *found = NULL;
    for (struct local_member *member = group->members; member; member = member->next) {
        if (!member->is_leaving && (!found || member->planned > found->planned)) {
            found = member;
        }
    }
    return found;
}

static void want_one_back(struct local_member *member) {
    for (int32_t i = member->group->partition_count; i-- > 0;) {
        struct local_partition *partition = &member->partitions[i];
        bool is_kept = partition->state == LOCAL_PARTITION_ASSIGNED ||
                       partition->state == LOCAL_PARTITION_OURS;
        if (is_kept && !partition->is_wanted_back) {
            partition->is_wanted_back = true;
            return;
        }
    }
}

// Plans with what each member keeps, and returns the sum.
static int32_t plan_kept(struct local_group *group) {
    int32_t kept = 0;
    for (struct local_member *member = group->members; member; member = member->next) {
        member->planned = kept_count(member);
        kept += member->planned;
    }
    return kept;
}

// How many partitions each member will have when those that are on their way have landed.
static void plan(struct local_group *group) {
    int32_t kept = plan_kept(group);
    struct local_member *to = poorest(group);
    for (int32_t moving = group->partition_count - kept; to && moving > 0; moving--) {
        to->planned++;
        to = poorest(group);
    }
}

void local_group_balance(struct local_group *group) {
    for (int32_t i = 0; i < group->partition_count; i++) {
        if (!owner_of(group, i)) {
            plan_kept(group);
            struct local_member *to = poorest(group);
            if (to) {
                to->partitions[i] = (struct local_partition){.state = LOCAL_PARTITION_ASSIGNED};
            }
        }
    }
    plan(group);
    struct local_member *from = richest(group), *to = poorest(group);
    while (from && from->planned - to->planned >= 2) {
        want_one_back(from);
        from->planned--;
        to->planned++;
        from = richest(group);
        to = poorest(group);
    }
}
