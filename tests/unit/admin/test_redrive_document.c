#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/redrive_document.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "tests/unit/admin/json_text_test.h"

#define NOW_US INT64_C(1795570200000000) // 2026-11-25T01:30:00Z
#define NOW "2026-11-25T01:30:00Z"

static json_t *json_of(const char *quoted) {
    char *text = json_text(quoted);
    json_t *value = NULL;
    assert_int_equal(json_parse(bytes_of_text(text), &value, NULL), STATUS_OK);
    free(text);
    return value;
}

static void assert_document_take(json_t *document, const char *expected) {
    json_t *wanted = json_of(expected);
    if (!json_equal(document, wanted)) {
        fail_msg("%s instead of %s", json_dumps(document, 0), expected);
    }
    json_decref(wanted);
    json_decref(document);
}

static const struct redrive *parse(const char *text) {
    json_t *document = json_of(text);
    const struct redrive *redrive = NULL;
    struct error error = {0};
    if (redrive_parse(document, &redrive, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    json_decref(document);
    return redrive;
}

#define HEAD "{'space':'team1','redriveId':'r','owner':'n1','begun':'2026-11-25T01:00:00Z',"

static void set_id(json_t *document) {
    size_t size = strlen(json_string_value(json_object_get(document, "redriveId")));
    assert_int_equal(size, UUID_TEXT_SIZE - 1);
    json_object_set_new(document, "redriveId", json_string("id"));
}

static void a_new_one_is_about_what_is_dead_by_now(void **state) {
    (void)state;
    const struct redrive_request request = {
        .query = {.space = BYTES("team1"), .subscription_id = BYTES("s")}, .rate = 5};
    json_t *document = redrive_document_create(&request, 9, BYTES("n1"), NOW_US);
    set_id(document);
    assert_document_take(document,
                         "{'space':'team1','redriveId':'id','owner':'n1','state':'waiting',"
                         "'subscriptionId':'s','begun':'" NOW "','until':'" NOW "',"
                         "'ratePerSecond':5,'total':9}");
}

static void a_new_one_by_ids_names_its_letters_and_needs_no_end(void **state) {
    (void)state;
    const struct log_place letters[] = {{2, 7}, {0, INT64_C(9000000000)}};
    const struct redrive_request request = {
        .query = {.space = BYTES("team1")}, .letters = letters, .letter_count = 2};
    json_t *document = redrive_document_create(&request, 2, BYTES("n1"), NOW_US);
    set_id(document);
    assert_document_take(document,
                         "{'space':'team1','redriveId':'id','owner':'n1','state':'waiting',"
                         "'begun':'" NOW "','letters':[[2,7],[0,9000000000]],'total':2}");
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    const struct redrive_request request = {
        .query = {.space = BYTES("team1"), .since_us = NOW_US - 5000000, .until_us = NOW_US}};
    json_t *document = redrive_document_create(&request, 3, BYTES("n1"), NOW_US);
    const struct redrive *redrive = NULL;
    assert_int_equal(redrive_parse(document, &redrive, NULL), STATUS_OK);
    json_decref(document);
    const struct redrive_progress progress = {.state = REDRIVE_RUNNING,
                                              .after = {NOW_US - 1, {3, 17}},
                                              .total = 4,
                                              .redriven = 2,
                                              .failed = 1,
                                              .reason = "why"};
    document = redrive_document_at(redrive, &progress, NOW_US);
    redrive_unref(redrive);
    assert_int_equal(redrive_parse(document, &redrive, NULL), STATUS_OK);
    json_decref(document);
    assert_int_equal(redrive->state, REDRIVE_RUNNING);
    assert_int_equal(redrive->since_us, NOW_US - 5000000);
    assert_int_equal(redrive->until_us, NOW_US);
    assert_int_equal(redrive->after_us, NOW_US - 1);
    assert_int_equal(redrive->after.partition, 3);
    assert_int_equal(redrive->after.offset, 17);
    assert_int_equal(redrive->total * 100 + redrive->redriven * 10 + redrive->failed, 421);
    assert_int_equal(redrive->ended_us, 0);
    redrive_unref(redrive);
}

static void nothing_is_written_of_a_place_before_a_letter_is_done_with(void **state) {
    (void)state;
    const struct redrive *redrive = parse(HEAD "'state':'waiting','total':3,'new':{'x':1}}");
    const struct redrive_progress progress = {
        .state = REDRIVE_RUNNING, .after = {.time_us = -1}, .total = 3, .reason = ""};
    // What a newer program has put there stays.
    assert_document_take(redrive_document_at(redrive, &progress, NOW_US),
                         HEAD "'state':'running','total':3,'redriven':0,'failed':0,'missing':0,"
                              "'new':{'x':1}}");
    redrive_unref(redrive);
}

static void one_by_ids_tells_how_many_letters_are_done_with(void **state) {
    (void)state;
    const struct redrive *redrive = parse(HEAD "'state':'running','letters':[[0,1],[0,2]]}");
    const struct redrive_progress progress = {.state = REDRIVE_RUNNING,
                                              .letter_at = 1,
                                              .after = {NOW_US, {0, 1}},
                                              .total = 2,
                                              .missing = 1,
                                              .reason = ""};
    assert_document_take(redrive_document_at(redrive, &progress, NOW_US),
                         HEAD "'state':'running','letters':[[0,1],[0,2]],'at':1,'total':2,"
                              "'redriven':0,'failed':0,'missing':1}");
    redrive_unref(redrive);
}

static void one_that_is_over_forgets_where_it_was_and_keeps_when_it_ended(void **state) {
    (void)state;
    const struct redrive *redrive =
        parse(HEAD "'state':'running','letters':[[0,1],[0,2]],'at':1,'after':[1,0,1]}");
    const struct redrive_progress progress = {
        .state = REDRIVE_DONE, .letter_at = 2, .total = 2, .redriven = 2, .reason = ""};
    assert_document_take(redrive_document_at(redrive, &progress, NOW_US),
                         HEAD "'state':'done','total':2,'redriven':2,'failed':0,'missing':0,"
                              "'ended':'" NOW "'}");
    redrive_unref(redrive);
    // Who drove it writes its counts after it was stopped.
    redrive = parse(HEAD "'state':'stopped','ended':'2026-11-25T01:10:00Z'}");
    const struct redrive_progress stopped = {
        .state = REDRIVE_STOPPED, .total = 2, .redriven = 1, .reason = ""};
    assert_document_take(redrive_document_at(redrive, &stopped, NOW_US),
                         HEAD "'state':'stopped','total':2,'redriven':1,'failed':0,'missing':0,"
                              "'ended':'2026-11-25T01:10:00Z'}");
    redrive_unref(redrive);
}

static void an_owner_is_replaced_or_taken_away(void **state) {
    (void)state;
    const struct redrive *redrive = parse(HEAD "'state':'running','total':2}");
    json_t *document = redrive_document_owned(redrive, BYTES("n2"));
    assert_string_equal(json_string_value(json_object_get(document, "owner")), "n2");
    json_decref(document);
    document = redrive_document_owned(redrive, (struct bytes){0});
    assert_string_equal(json_string_value(json_object_get(document, "owner")), "");
    json_decref(document);
    // The document in the snapshot is not changed.
    assert_string_equal(json_string_value(json_object_get(redrive->document, "owner")), "n1");
    redrive_unref(redrive);
}

static void a_stopped_one_says_who_wanted_it_and_when(void **state) {
    (void)state;
    const struct redrive *redrive =
        parse(HEAD "'state':'running','total':2,'redriven':1,'after':[1,0,1]}");
    assert_document_take(redrive_document_stopped(redrive, BYTES("ada"), NOW_US),
                         HEAD "'state':'stopped','total':2,'redriven':1,'stoppedBy':'ada',"
                              "'ended':'" NOW "'}");
    assert_document_take(redrive_document_stopped(redrive, BYTES(""), NOW_US),
                         HEAD "'state':'stopped','total':2,'redriven':1,'ended':'" NOW "'}");
    redrive_unref(redrive);
}

static void the_api_shows_progress_with_marks_that_were_not_written_down(void **state) {
    (void)state;
    const struct redrive *redrive =
        parse(HEAD "'state':'running','total':10,'redriven':1,'failed':1,'letters':[[0,1]],"
                   "'lastFailure':'why'}");
    // Five are done with in half an hour.
    assert_document_take(redrive_describe(redrive, 4, NOW_US),
                         "{'redriveId':'r','state':'running','total':10,'redriven':4,'failed':1,"
                         "'missing':0,'percent':50,'etaSeconds':1801,'node':'n1',"
                         "'begun':'2026-11-25T01:00:00Z','lastFailure':'why'}");
    // Fewer marks than were written down: the index of this node is behind.
    json_t *document = redrive_describe(redrive, 0, NOW_US);
    assert_int_equal(json_integer_value(json_object_get(document, "redriven")), 1);
    assert_int_equal(json_integer_value(json_object_get(document, "percent")), 20);
    json_decref(document);
    redrive_unref(redrive);
}

static void a_clock_that_was_set_back_shows_no_time_that_it_takes(void **state) {
    (void)state;
    const struct redrive *redrive = parse(HEAD "'state':'running','total':10,'redriven':5}");
    json_t *document = redrive_describe(redrive, 0, redrive->begun_us);
    assert_null(json_object_get(document, "etaSeconds"));
    json_decref(document);
    document = redrive_describe(redrive, 0, redrive->begun_us - 1000000);
    assert_null(json_object_get(document, "etaSeconds"));
    json_decref(document);
    redrive_unref(redrive);
}

static void percents_are_those_of_what_is_done_with(void **state) {
    (void)state;
    static const struct {
        const char *members;
        int64_t marks, percent;
    } examples[] = {
        {"'state':'waiting','total':3", 0, 0},
        {"'state':'running','total':3,'redriven':2", 0, 66},
        {"'state':'running','total':3,'redriven':2", 9, 100},
        {"'state':'running','total':0", 0, 100},
        {"'state':'done','total':3,'redriven':1", 0, 100},
        {"'state':'stopped','total':4,'redriven':1,'failed':1,'missing':1", 0, 75},
        {"'state':'failed','total':4", 1, 25},
        {"'state':'stopped','total':9007199254740992,'redriven':4503599627370496", 0, 50},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        char text[512];
        snprintf(text, sizeof text, HEAD "%s}", examples[i].members);
        const struct redrive *redrive = parse(text);
        json_t *document = redrive_describe(redrive, examples[i].marks, NOW_US);
        assert_int_equal(json_integer_value(json_object_get(document, "percent")),
                         examples[i].percent);
        assert_int_equal(json_object_get(document, "node") != NULL, redrive->state < REDRIVE_DONE);
        json_decref(document);
        redrive_unref(redrive);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_is_about_what_is_dead_by_now),
        cmocka_unit_test(a_new_one_by_ids_names_its_letters_and_needs_no_end),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(nothing_is_written_of_a_place_before_a_letter_is_done_with),
        cmocka_unit_test(one_by_ids_tells_how_many_letters_are_done_with),
        cmocka_unit_test(one_that_is_over_forgets_where_it_was_and_keeps_when_it_ended),
        cmocka_unit_test(an_owner_is_replaced_or_taken_away),
        cmocka_unit_test(a_stopped_one_says_who_wanted_it_and_when),
        cmocka_unit_test(the_api_shows_progress_with_marks_that_were_not_written_down),
        cmocka_unit_test(a_clock_that_was_set_back_shows_no_time_that_it_takes),
        cmocka_unit_test(percents_are_those_of_what_is_done_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
