#include "core/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"

static void a_parsed_text_is_written_compactly_in_its_order(void **state) {
    (void)state;
    json_t *value = NULL;
    assert_int_equal(json_parse(BYTES(" { \"z\" : 1, \"a\" : [ true , null ],\"m\":\"\xc3\xa4\"} "),
                                &value, NULL),
                     STATUS_OK);
    char *text = json_write(value);
    assert_string_equal(text, "{\"z\":1,\"a\":[true,null],\"m\":\"\xc3\xa4\"}");
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "x");
    json_append(value, &buffer);
    assert_string_equal(buffer.data + 1, text);
    buffer_clear(&buffer);
    free(text);
    json_decref(value);
}

static void any_value_may_stand_at_the_top(void **state) {
    (void)state;
    static const char *const texts[] = {"true", "null", "\"a\"", "-12", "1.5", "[]", "{}"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        json_t *value = NULL;
        assert_int_equal(json_parse(bytes_of_text(texts[i]), &value, NULL), STATUS_OK);
        char *text = json_write(value);
        assert_string_equal(text, texts[i]);
        free(text);
        json_decref(value);
    }
}

static void assert_parse_fails(struct bytes text, const char *where) {
    json_t *value = NULL;
    struct error error = {0};
    assert_int_equal(json_parse(text, &value, &error), STATUS_INVALID);
    assert_null(value);
    if (strncmp(error.text, where, strlen(where)) != 0) {
        fail_msg("\"%s\" does not begin with \"%s\"", error.text, where);
    }
}

static void a_parse_error_names_line_and_column(void **state) {
    (void)state;
    assert_parse_fails((struct bytes){0}, "line 1, column 1: ");
    assert_parse_fails(BYTES("{\n\"a\": 1,\n\"b\": x}"), "line 3, column 6: ");
    assert_parse_fails(BYTES("{\"a\":1,\"a\":2}"), "line 1, column 10: duplicate");
    assert_parse_fails(BYTES("1 2"), "line 1, column 3: ");
    assert_parse_fails(BYTES("\"\xff\""), "line 1, column ");
    assert_parse_fails(BYTES("\"a\0b\""), "line 1, column 3: a NUL byte");
    assert_parse_fails(BYTES("[\n12\0]"), "line 2, column 3: a NUL byte");
    assert_parse_fails(BYTES("12\0"), "line 1, column 3: a NUL byte");
    assert_parse_fails(BYTES("{\"a\\u0000b\":1}"), "line 1, column ");
}

static char *nested(size_t depth) {
    struct buffer text = {0};
    for (size_t i = 0; i < depth; i++) {
        buffer_append_text(&text, i % 2 == 0 ? "[" : "{\"a\":");
    }
    buffer_append_text(&text, "1");
    for (size_t i = depth; i-- > 0;) {
        buffer_append_text(&text, i % 2 == 0 ? "]" : "}");
    }
    return buffer_take(&text);
}

static void parsing_refuses_deep_nesting(void **state) {
    (void)state;
    char *text = nested(100000);
    assert_parse_fails(bytes_of_text(text), "line 1, column ");
    free(text);
}

static void an_escaped_nul_is_part_of_a_string(void **state) {
    (void)state;
    json_t *value = NULL;
    assert_int_equal(json_parse(BYTES("\"a\\u0000b\""), &value, NULL), STATUS_OK);
    assert_int_equal(json_string_length(value), 3);
    json_decref(value);
}

static void assert_string_written(struct bytes text, const char *expected) {
    struct buffer buffer = {0};
    json_append_string(text, &buffer);
    assert_string_equal(buffer.data, expected);
    assert_true(json_is_valid(buffer_bytes(&buffer)));
    buffer_clear(&buffer);
}

static void a_written_string_escapes_what_json_forbids(void **state) {
    (void)state;
    assert_string_written(BYTES(""), "\"\"");
    assert_string_written((struct bytes){0}, "\"\"");
    assert_string_written(BYTES("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    assert_string_written(BYTES("\b\f\n\r\t\x01\x1f\x7f\0z"),
                          "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000z\"");
    assert_string_written(BYTES("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"");
}

static void a_written_string_replaces_what_is_not_utf8(void **state) {
    (void)state;
    assert_string_written(BYTES("a\xff\xc3\xa4\xc3"), "\"a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\"");
    assert_string_written(BYTES("\xed\xa0\x80\n"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\n\"");
}

static void well_formed_texts_are_valid(void **state) {
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1.5e+10",
        "1E5",
        "0.0e-0",
        "123456789012345678901",
        "1e999",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " [ ] ",
        "\t{\n}\r",
        "[1,[2,{}]]",
        "{\"a\":{\"a\":1},\"a\":2}",
        "\"\\u0000\\u00e4\"",
        "\"\\ud83d\\ude00\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\xf0\x9f\x98\x80 \x7f\"",
        "[\"12345678\\\"\",\"1234567\\\\\"]",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (!json_is_valid(bytes_of_text(texts[i]))) {
            fail_msg("refused: %s", texts[i]);
        }
    }
}

static void malformed_texts_are_not_valid(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "+1",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "--1",
        "0x1",
        "1 2",
        "tru",
        "True",
        "truex",
        "nul",
        "NaN",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "{,}",
        "{\"a\":,}",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800x\"",
        "\"\\ud800\\ud800\"",
        "\"\n\"",
        "\"\t\"",
        "'a'",
        "\"\x80\"",
        "\"\xc3\"",
        "\"\xed\xa0\x80\"",
        "\"1234567\x01\"",
        "\xef\xbb\xbf{}",
        "[1]x",
        "\v1",
        "/**/1",
        "\"\\",
        "\"\\u",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (json_is_valid(bytes_of_text(texts[i]))) {
            fail_msg("accepted: %s", texts[i]);
        }
    }
    assert_false(json_is_valid((struct bytes){0}));
    assert_false(json_is_valid(BYTES("1\0")));
    assert_false(json_is_valid(BYTES("\"a\0b\"")));
    assert_false(json_is_valid(BYTES("\"\\\0\"")));
}

static void texts_are_valid_to_a_depth_of_512(void **state) {
    (void)state;
    static const struct {
        size_t depth;
        bool is_valid;
    } cases[] = {{511, true}, {512, true}, {513, false}, {1000000, false}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *text = nested(cases[i].depth);
        assert_int_equal(json_is_valid(bytes_of_text(text)), cases[i].is_valid);
        free(text);
    }
    // Brackets must match at each level, also where the bits of levels change their word.
    for (size_t depth = 1; depth <= 200; depth++) {
        char *text = nested(depth);
        text[strlen(text) - 1] = text[strlen(text) - 1] == ']' ? '}' : ']';
        assert_false(json_is_valid(bytes_of_text(text)));
        free(text);
    }
}

struct seen {
    struct buffer text;
    size_t stop_after;
    size_t count;
};

static bool see_member(void *context, const struct json_member *member) {
    struct seen *seen = context;
    buffer_append(&seen->text, member->name_json);
    buffer_append_byte(&seen->text, '=');
    buffer_append(&seen->text, member->value);
    buffer_append_byte(&seen->text, ';');
    return ++seen->count != seen->stop_after;
}

static bool see_element(void *context, size_t index, struct bytes value) {
    struct seen *seen = context;
    assert_int_equal(index, seen->count);
    buffer_append(&seen->text, value);
    buffer_append_byte(&seen->text, ';');
    return ++seen->count != seen->stop_after;
}

static void members_come_in_order_and_as_they_were_written(void **state) {
    (void)state;
    struct seen seen = {0};
    assert_int_equal(json_each_member(BYTES(" {\"b\" : 1.50 , \"\\u0061\":{ \"x\\\"}\" : [ ] } ,\n"
                                            "\"b\":\"}\\\\\",\"n\":null,\"l\":[1, {\"]\":2}]\t} "),
                                      see_member, &seen, NULL),
                     STATUS_OK);
    assert_string_equal(seen.text.data, "\"b\"=1.50;\"\\u0061\"={ \"x\\\"}\" : [ ] };"
                                        "\"b\"=\"}\\\\\";\"n\"=null;\"l\"=[1, {\"]\":2}];");
    buffer_clear(&seen.text);
}

static void elements_come_with_their_index(void **state) {
    (void)state;
    struct seen seen = {0};
    assert_int_equal(
        json_each_element(BYTES("[ 1 ,\"a,]\" , [2,[3]],{} ]"), see_element, &seen, NULL),
        STATUS_OK);
    assert_string_equal(seen.text.data, "1;\"a,]\";[2,[3]];{};");
    buffer_clear(&seen.text);
}

static void empty_collections_have_no_visits(void **state) {
    (void)state;
    struct seen seen = {0};
    assert_int_equal(json_each_member(BYTES(" { } "), see_member, &seen, NULL), STATUS_OK);
    assert_int_equal(json_each_element(BYTES("[]"), see_element, &seen, NULL), STATUS_OK);
    assert_int_equal(seen.count, 0);
}

static void a_visitor_can_stop_the_walk(void **state) {
    (void)state;
    struct seen seen = {.stop_after = 2};
    assert_int_equal(json_each_member(BYTES("{\"a\":1,\"b\":2,\"c\":3}"), see_member, &seen, NULL),
                     STATUS_OK);
    assert_int_equal(seen.count, 2);
    seen.count = 0;
    assert_int_equal(json_each_element(BYTES("[1,2,3]"), see_element, &seen, NULL), STATUS_OK);
    assert_int_equal(seen.count, 2);
    buffer_clear(&seen.text);
}

static void nothing_is_visited_before_the_whole_text_is_checked(void **state) {
    (void)state;
    struct seen seen = {0};
    struct error error = {0};
    assert_int_equal(
        json_each_member(BYTES("{\"a\":1,\n \"\xc3\xa4\":x}"), see_member, &seen, &error),
        STATUS_INVALID);
    assert_string_equal(error.text, "line 2, column 6: a value expected");
    assert_int_equal(json_each_element(BYTES("[1,2] 3"), see_element, &seen, &error),
                     STATUS_INVALID);
    assert_string_equal(error.text, "line 1, column 7: the end expected");
    assert_int_equal(seen.count, 0);
}

static void a_walk_refuses_the_other_kind(void **state) {
    (void)state;
    struct seen seen = {0};
    struct error error = {0};
    assert_int_equal(json_each_member(BYTES("[1]"), see_member, &seen, &error), STATUS_INVALID);
    assert_string_equal(error.text, "not a JSON object");
    assert_int_equal(json_each_element(BYTES(" {}"), see_element, &seen, &error), STATUS_INVALID);
    assert_string_equal(error.text, "not a JSON array");
    assert_int_equal(json_each_element(BYTES("1"), see_element, &seen, NULL), STATUS_INVALID);
    assert_int_equal(json_each_member((struct bytes){0}, see_member, &seen, NULL), STATUS_INVALID);
}

static void a_literal_decodes_into_utf8(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(json_string_decode(BYTES("\"\""), &buffer), STATUS_OK);
    assert_int_equal(buffer.size, 0);
    assert_int_equal(json_string_decode(BYTES("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\""), &buffer),
                     STATUS_OK);
    assert_int_equal(json_string_decode(
                         BYTES("\"\\u0000\\u007F\\u00e4\\u20AC\\ud83d\\ude00\xc3\xa4z\""), &buffer),
                     STATUS_OK);
    assert_true(
        bytes_equal(buffer_bytes(&buffer), BYTES("a\"\\/\b\f\n\r\t\0\x7f\xc3\xa4\xe2\x82\xac"
                                                 "\xf0\x9f\x98\x80\xc3\xa4z")));
    assert_int_equal(buffer.data[buffer.size], '\0');
    buffer_clear(&buffer);
}

static void what_is_no_literal_is_refused_and_leaves_the_buffer(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "\"",
        "a",
        "\"a",
        "a\"",
        "\"a\"b",
        "\"\\\"",
        "\"\\ud800\"",
        "\"\\udead\"",
        "\"\\u00\"",
        "\"\xff\"",
        "\"\n\"",
        " \"a\"",
        "1",
        "\"a\" ",
        "\"a\\ud800\\u0061\"",
    };
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "before");
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_int_equal(json_string_decode(bytes_of_text(texts[i]), &buffer), STATUS_INVALID);
        assert_string_equal(buffer.data, "before");
    }
    buffer_clear(&buffer);
}

static void a_member_that_must_hold_text_is_named_when_it_does_not(void **state) {
    (void)state;
    json_t *object = NULL;
    assert_int_equal(json_parse(BYTES("{\"a\":\"x\\u0000y\",\"b\":\"\",\"c\":1}"), &object, NULL),
                     STATUS_OK);
    struct bytes text = BYTES("untouched");
    struct error error = {0};
    assert_int_equal(json_needed_bytes(object, "a", &text, &error), STATUS_OK);
    assert_true(bytes_equal(text, (struct bytes){"x\0y", 3}));
    static const char *const wrong[] = {"b", "c", "missing"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s: must be a non-empty string", wrong[i]);
        assert_int_equal(json_needed_bytes(object, wrong[i], &text, &error), STATUS_INVALID);
        assert_string_equal(error.text, wanted);
        assert_int_equal(json_member_bytes(object, wrong[i]).size, 0);
    }
    assert_true(bytes_equal(text, (struct bytes){"x\0y", 3}));
    assert_int_equal(json_string_bytes(NULL).size, 0);
    json_decref(object);
}

static void a_member_of_another_name_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"from", "to"};
    json_t *object = NULL;
    struct error error = {0};
    assert_int_equal(json_parse(BYTES("{\"to\":1,\"from\":null}"), &object, NULL), STATUS_OK);
    assert_int_equal(json_refuse_others(object, names, 2, &error), STATUS_OK);
    assert_int_equal(json_refuse_others(object, names, 1, &error), STATUS_INVALID);
    assert_string_equal(error.text, "unknown field 'to'");
    json_decref(object);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_must_hold_text_is_named_when_it_does_not),
        cmocka_unit_test(a_member_of_another_name_is_refused),
        cmocka_unit_test(a_parsed_text_is_written_compactly_in_its_order),
        cmocka_unit_test(any_value_may_stand_at_the_top),
        cmocka_unit_test(a_parse_error_names_line_and_column),
        cmocka_unit_test(parsing_refuses_deep_nesting),
        cmocka_unit_test(an_escaped_nul_is_part_of_a_string),
        cmocka_unit_test(a_written_string_escapes_what_json_forbids),
        cmocka_unit_test(a_written_string_replaces_what_is_not_utf8),
        cmocka_unit_test(well_formed_texts_are_valid),
        cmocka_unit_test(malformed_texts_are_not_valid),
        cmocka_unit_test(texts_are_valid_to_a_depth_of_512),
        cmocka_unit_test(members_come_in_order_and_as_they_were_written),
        cmocka_unit_test(elements_come_with_their_index),
        cmocka_unit_test(empty_collections_have_no_visits),
        cmocka_unit_test(a_visitor_can_stop_the_walk),
        cmocka_unit_test(nothing_is_visited_before_the_whole_text_is_checked),
        cmocka_unit_test(a_walk_refuses_the_other_kind),
        cmocka_unit_test(a_literal_decodes_into_utf8),
        cmocka_unit_test(what_is_no_literal_is_refused_and_leaves_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
