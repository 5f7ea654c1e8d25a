// Who reads which partition of a consumer group inside this process. No threads and no callbacks of
// its own: called under the lock of local_readers; local_reader.c does what the states say. Inside
// core/event_log only.
//
//               group_balance            assigned()              is_wanted_back
//   ELSEWHERE ────────────────▶ ASSIGNED ───────────▶ OURS ──────────────────────▶ HANDING_OVER
//       ▲                                              │ is_lost: lost()   revoked()    │
//       └──────────────────────────────────────────────┴──────────────────────────────┘
//                                                 released, or the time is up
#ifndef EVENT_GATEWAY_EVENT_LOG_LOCAL_GROUP_H
#define EVENT_GATEWAY_EVENT_LOG_LOCAL_GROUP_H

#include "core/event_log/event_log.h"

enum local_partition_state {
    LOCAL_PARTITION_ELSEWHERE, // not this member's
    LOCAL_PARTITION_ASSIGNED,  // this member's; it has not been told yet
    LOCAL_PARTITION_OURS,
    LOCAL_PARTITION_HANDING_OVER, // revoked was called; waits for release
};

struct local_partition {
    enum local_partition_state state;
    bool is_wanted_back;
    bool is_lost;
    bool is_released;
    bool is_paused;
    int64_t next_offset;    // to read
    int64_t position;       // everything below is finished
    int64_t saved_position; // what the store knows
    int64_t hand_over_until_us;
    int64_t retry_at_us; // after a failure of the store; 0 = none
};

struct local_group;
struct local_member {
    struct local_member *next;
    struct local_group *group;
    bool is_leaving; // gets no further partitions
    struct local_partition *partitions;
    int32_t planned; // partitions, while the group is balanced
};

struct local_group {
    struct local_group *next;
    char *name;
    enum event_log_stream stream;
    int32_t partition_count;
    struct local_member *members;
};

// Joins and leaves with the member's partitions allocated and freed. Leaving needs all of them
// ELSEWHERE.
void local_group_join(struct local_group *group, struct local_member *member);
void local_group_leave(struct local_member *member);
// Gives away what nobody has, and wants partitions back from members that have two more than
// another.
void local_group_balance(struct local_group *group);

#endif
