#include "core/base/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/base/memory.h"

#define SENDERS 3
#define LETTERS 2000

struct letter {
    struct mail mail;
    int sender;
    int number;
};

static struct letter *letter_of(struct mail *mail) {
    return CONTAINER_OF(mail, struct letter, mail);
}

static void all_that_waits_comes_at_once_and_in_order(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    for (int i = 0; i < 3; i++) {
        assert_true(mailbox_send(mailbox, &letters[i].mail));
    }
    struct mail *mail = mailbox_receive_all(mailbox, -1);
    for (int i = 0; i < 3; i++) {
        assert_non_null(mail);
        assert_int_equal(letter_of(mail)->number, i);
        mail = mail->next;
    }
    assert_null(mail);
    assert_null(mailbox_receive_all(mailbox, 0));
    mailbox_destroy(mailbox);
}

static void a_letter_can_be_sent_again_once_it_was_received(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    struct letter first = {.number = 1};
    struct letter second = {.number = 2};
    assert_true(mailbox_send(mailbox, &first.mail));
    assert_true(mailbox_send(mailbox, &second.mail));
    assert_ptr_equal(mailbox_receive_all(mailbox, 0), &first.mail);
    assert_true(mailbox_send(mailbox, &first.mail));
    struct mail *mail = mailbox_receive_all(mailbox, 0);
    assert_ptr_equal(mail, &first.mail);
    assert_null(mail->next);
    mailbox_destroy(mailbox);
}

static void an_empty_mailbox_gives_nothing_when_the_time_is_up(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    assert_null(mailbox_receive_all(mailbox, 0));
    assert_null(mailbox_receive_all(mailbox, 2));
    assert_false(mailbox_is_closed(mailbox));
    mailbox_destroy(mailbox);
}

static void a_closed_mailbox_takes_nothing_but_gives_what_is_inside(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    struct letter before = {.number = 1};
    struct letter after = {.number = 2};
    assert_true(mailbox_send(mailbox, &before.mail));
    mailbox_close(mailbox);
    mailbox_close(mailbox);
    assert_true(mailbox_is_closed(mailbox));
    assert_false(mailbox_send(mailbox, &after.mail));
    struct mail *mail = mailbox_receive_all(mailbox, -1);
    assert_ptr_equal(mail, &before.mail);
    assert_null(mail->next);
    assert_null(mailbox_receive_all(mailbox, -1));
    mailbox_destroy(mailbox);
    mailbox_destroy(NULL);
}

static void *receive_for_ever(void *context) {
    return mailbox_receive_all(context, -1);
}

static void closing_wakes_the_one_who_waits(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    pthread_t receiver;
    void *received = mailbox;
    assert_int_equal(pthread_create(&receiver, NULL, receive_for_ever, mailbox), 0);
    mailbox_close(mailbox);
    pthread_join(receiver, &received);
    assert_null(received);
    mailbox_destroy(mailbox);
}

static void sending_wakes_the_one_who_waits(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    struct letter letter = {.number = 1};
    pthread_t receiver;
    void *received = NULL;
    assert_int_equal(pthread_create(&receiver, NULL, receive_for_ever, mailbox), 0);
    assert_true(mailbox_send(mailbox, &letter.mail));
    pthread_join(receiver, &received);
    assert_ptr_equal(received, &letter.mail);
    mailbox_destroy(mailbox);
}

struct sender {
    struct mailbox *mailbox;
    int index;
    bool was_refused;
};

static void *send_letters(void *context) {
    struct sender *sender = context;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = memory_allocate(sizeof *letter);
        letter->sender = sender->index;
        letter->number = i;
        sender->was_refused |= !mailbox_send(sender->mailbox, &letter->mail);
    }
    return NULL;
}

static void each_senders_letters_arrive_in_order_and_once(void **state) {
    (void)state;
    struct mailbox *mailbox = mailbox_create();
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    int next[SENDERS] = {0};
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.mailbox = mailbox, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    for (int received = 0; received < SENDERS * LETTERS;) {
        struct mail *mail = mailbox_receive_all(mailbox, -1);
        while (mail) {
            struct letter *letter = letter_of(mail);
            mail = mail->next;
            assert_int_equal(letter->number, next[letter->sender]++);
            free(letter);
            received++;
        }
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(senders[i].was_refused);
        assert_int_equal(next[i], LETTERS);
    }
    assert_null(mailbox_receive_all(mailbox, 0));
    mailbox_destroy(mailbox);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_waits_comes_at_once_and_in_order),
        cmocka_unit_test(a_letter_can_be_sent_again_once_it_was_received),
        cmocka_unit_test(an_empty_mailbox_gives_nothing_when_the_time_is_up),
        cmocka_unit_test(a_closed_mailbox_takes_nothing_but_gives_what_is_inside),
        cmocka_unit_test(closing_wakes_the_one_who_waits),
        cmocka_unit_test(sending_wakes_the_one_who_waits),
        cmocka_unit_test(each_senders_letters_arrive_in_order_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
