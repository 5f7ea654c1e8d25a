#include "core/base/mailbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/memory.h"

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t arrived; // waits on the monotonic clock
    struct mail *first, *last;
    bool is_closed;
};

struct mailbox *mailbox_create(void) {
    struct mailbox *mailbox = memory_allocate(sizeof *mailbox);
    pthread_condattr_t attributes;
    pthread_mutex_init(&mailbox->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mailbox->arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    return mailbox;
}

void mailbox_destroy(struct mailbox *mailbox) {
    if (mailbox) {
        pthread_cond_destroy(&mailbox->arrived);
        pthread_mutex_destroy(&mailbox->lock);
        free(mailbox);
    }
}

bool mailbox_send(struct mailbox *mailbox, struct mail *mail) {
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool is_open = !mailbox->is_closed;
    if (is_open) {
        bool was_empty = mailbox->first == NULL;
        if (was_empty) {
            mailbox->first = mail;
        } else {
            mailbox->last->next = mail;
        }
        mailbox->last = mail;
        if (was_empty) {
            pthread_cond_signal(&mailbox->arrived);
        }
    }
    pthread_mutex_unlock(&mailbox->lock);
    return is_open;
}

static struct timespec deadline_after(int64_t timeout_ms) {
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    int64_t nanoseconds = deadline.tv_nsec + timeout_ms % 1000 * 1000000;
    deadline.tv_sec += timeout_ms / 1000 + nanoseconds / 1000000000;
    deadline.tv_nsec = nanoseconds % 1000000000;
    return deadline;
}

struct mail *mailbox_receive_all(struct mailbox *mailbox, int64_t timeout_ms) {
    struct timespec deadline = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&mailbox->lock);
    while (!mailbox->first && !mailbox->is_closed && waited == 0) {
        waited = timeout_ms < 0
                     ? pthread_cond_wait(&mailbox->arrived, &mailbox->lock)
                     : pthread_cond_timedwait(&mailbox->arrived, &mailbox->lock, &deadline);
    }
    struct mail *all = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    return all;
}

void mailbox_close(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->lock);
    mailbox->is_closed = true;
    pthread_cond_broadcast(&mailbox->arrived);
    pthread_mutex_unlock(&mailbox->lock);
}

bool mailbox_is_closed(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->lock);
    bool is_closed = mailbox->is_closed;
    pthread_mutex_unlock(&mailbox->lock);
    return is_closed;
}
