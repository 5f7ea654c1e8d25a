// Reads the streams that the index is made of, slice after slice, and puts them in. Everything
// belongs to the store's thread.
#ifndef EVENT_GATEWAY_ADMIN_EVENT_FOLLOWER_H
#define EVENT_GATEWAY_ADMIN_EVENT_FOLLOWER_H

#include "admin/event_index.h"
#include "core/base/event_loop.h"

struct event_follower;

struct event_follower *event_follower_create(struct event_log *log, struct event_loop *loop,
                                             struct event_index *index);
// How many records were not taken in when their partitions were looked at last; -1: not all was
// taken in yet that was there when it began.
int64_t event_follower_behind(const struct event_follower *follower);
// Reads no further. stopped is called when nothing is inside any more, perhaps at once.
void event_follower_stop(struct event_follower *follower, void (*stopped)(void *context),
                         void *context);
void event_follower_destroy(struct event_follower *follower);

#endif
