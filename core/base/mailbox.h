// An unbounded queue from many threads to one thread that is not an event loop (the SQLite writer,
// the registry thread). Bounds are the sender's business, before it sends. Intrusive: the sender
// owns the node until it is received. send: any thread; receive: the one owner.
#ifndef EVENT_GATEWAY_BASE_MAILBOX_H
#define EVENT_GATEWAY_BASE_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mailbox;
struct mail {
    struct mail *next;
};

struct mailbox *mailbox_create(void);
void mailbox_destroy(struct mailbox *mailbox);
// False when the mailbox was closed; the mail stays the sender's then.
bool mailbox_send(struct mailbox *mailbox, struct mail *mail);
// All that waits, in order, linked by next; waits at most timeout_ms (-1 = for ever) for the first.
// NULL when the time is up, or the mailbox is closed and empty.
struct mail *mailbox_receive_all(struct mailbox *mailbox, int64_t timeout_ms);
// Nothing more can be sent; the receiver still gets what is inside.
void mailbox_close(struct mailbox *mailbox);
bool mailbox_is_closed(struct mailbox *mailbox);

#endif
