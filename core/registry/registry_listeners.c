#include "core/registry/registry_listeners.h"

void registry_listeners_init(struct registry_listeners *listeners) {
    *listeners = (struct registry_listeners){0};
    pthread_mutex_init(&listeners->lock, NULL);
    pthread_cond_init(&listeners->idle, NULL);
}

void registry_listeners_clear(struct registry_listeners *listeners) {
    pthread_mutex_destroy(&listeners->lock);
    pthread_cond_destroy(&listeners->idle);
}

void registry_listeners_add(struct registry_listeners *listeners,
                            struct registry_listener *listener) {
    pthread_mutex_lock(&listeners->lock);
    listener->next = listeners->first;
    listeners->first = listener;
    pthread_mutex_unlock(&listeners->lock);
}

void registry_listeners_remove(struct registry_listeners *listeners,
                               struct registry_listener *listener) {
    pthread_mutex_lock(&listeners->lock);
    struct registry_listener **place = &listeners->first;
    while (*place && *place != listener) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = listener->next;
    }
    if (listeners->next == listener) {
        listeners->next = listener->next;
    }
    while (listeners->called == listener && !pthread_equal(listeners->caller, pthread_self())) {
        pthread_cond_wait(&listeners->idle, &listeners->lock);
    }
    pthread_mutex_unlock(&listeners->lock);
}

void registry_listeners_tell(struct registry_listeners *listeners,
                             const struct snapshot *snapshot) {
    pthread_mutex_lock(&listeners->lock);
    listeners->caller = pthread_self();
    struct registry_listener *listener = listeners->first;
    while (listener) {
        listeners->next = listener->next;
        listeners->called = listener;
        pthread_mutex_unlock(&listeners->lock);
        listener->changed(listener, snapshot);
        pthread_mutex_lock(&listeners->lock);
        listener = listeners->next;
        listeners->called = NULL;
        pthread_cond_broadcast(&listeners->idle);
    }
    pthread_mutex_unlock(&listeners->lock);
}
