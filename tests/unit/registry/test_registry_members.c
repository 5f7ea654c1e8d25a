// What a node says of itself, and whom it knows.
#include "registry_test.h"

struct asking {
    struct registry_members_query query;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int done_count;
};

static void told(struct registry_members_query *query) {
    struct asking *asking = CONTAINER_OF(query, struct asking, query);
    pthread_mutex_lock(&asking->lock);
    asking->done_count++;
    pthread_cond_signal(&asking->answered);
    pthread_mutex_unlock(&asking->lock);
}

// Who is there, as one text: "id=document ". The caller owns it.
static char *ask_members(struct fixture *fixture, enum status expected) {
    struct asking asking = {.query = {.loop = fixture->loop, .done = told},
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .answered = PTHREAD_COND_INITIALIZER};
    struct buffer text = {0};
    registry_list_members(fixture->registry, &asking.query);
    pthread_mutex_lock(&asking.lock);
    while (asking.done_count == 0) {
        pthread_cond_wait(&asking.answered, &asking.lock);
    }
    pthread_mutex_unlock(&asking.lock);
    assert_int_equal(asking.query.status, expected);
    buffer_append_text(&text, "");
    for (size_t i = 0; i < asking.query.count; i++) {
        buffer_append_format(&text, "%s=%s ", asking.query.members[i].id.data,
                             asking.query.members[i].document.data);
    }
    registry_members_query_clear(&asking.query);
    return buffer_take(&text);
}

static void expect_members(struct fixture *fixture, enum status status, const char *expected) {
    char *text = ask_members(fixture, status);
    assert_string_equal(text, expected);
    free(text);
}

static void what_a_node_says_of_itself_is_told_as_it_was_last(void **state) {
    struct fixture *fixture = *state;
    expect_members(fixture, STATUS_OK, "");
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    expect_members(fixture, STATUS_OK, "a={1} ");
    registry_announce(fixture->registry, BYTES("a"), BYTES("{2}"));
    expect_members(fixture, STATUS_OK, "a={2} ");
}

static void while_the_store_is_away_a_node_knows_only_itself(void **state) {
    struct fixture *fixture = *state;
    set_away(&fixture->hub, true);
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    expect_members(fixture, STATUS_UNAVAILABLE, "a={1} ");
}

static int announces_of(struct hub *hub) {
    pthread_mutex_lock(&hub->lock);
    int announces = hub->announces;
    pthread_mutex_unlock(&hub->lock);
    return announces;
}

static void the_entry_is_shown_again_when_the_store_is_back(void **state) {
    struct fixture *fixture = *state;
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    expect_members(fixture, STATUS_OK, "a={1} ");
    set_away(&fixture->hub, true);
    expect_members(fixture, STATUS_UNAVAILABLE, "a={1} ");
    int before = announces_of(&fixture->hub);
    set_away(&fixture->hub, false);
    EVENTUALLY(announces_of(&fixture->hub) > before);
}

static void nobody_is_told_of_after_the_close(void **state) {
    struct fixture *fixture = *state;
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    registry_close(fixture->registry);
    expect_members(fixture, STATUS_CLOSED, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(what_a_node_says_of_itself_is_told_as_it_was_last),
        REGISTRY_TEST(while_the_store_is_away_a_node_knows_only_itself),
        REGISTRY_TEST(the_entry_is_shown_again_when_the_store_is_back),
        REGISTRY_TEST(nobody_is_told_of_after_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
