#include "core/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"

typedef void (*encode_fn)(struct bytes, struct buffer *);
typedef enum status (*decode_fn)(struct bytes, struct buffer *);

static void assert_encodes(encode_fn encode, struct bytes bytes, const char *expected) {
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "before|");
    encode(bytes, &buffer);
    assert_string_equal(buffer.data + strlen("before|"), expected);
    assert_int_equal(buffer.size, strlen("before|") + strlen(expected));
    buffer_clear(&buffer);
}

static void assert_decodes(decode_fn decode, struct bytes text, struct bytes expected) {
    struct buffer buffer = {0};
    assert_int_equal(decode(text, &buffer), STATUS_OK);
    assert_true(bytes_equal(buffer_bytes(&buffer), expected));
    assert_int_equal(buffer.data[buffer.size], '\0');
    buffer_clear(&buffer);
}

// A refused text leaves the buffer as it was.
static void assert_refuses(decode_fn decode, struct bytes text) {
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "before");
    assert_int_equal(decode(text, &buffer), STATUS_INVALID);
    assert_int_equal(buffer.size, strlen("before"));
    assert_string_equal(buffer.data, "before");
    buffer_clear(&buffer);
}

// RFC 4648, section 10.
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void base64_follows_the_vectors_of_its_standard(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        assert_encodes(base64_encode, bytes_of_text(vectors[i][0]), vectors[i][1]);
        assert_decodes(base64_decode, bytes_of_text(vectors[i][1]), bytes_of_text(vectors[i][0]));
    }
    assert_encodes(base64_encode, BYTES("\xfb\xff\x00"), "+/8A");
    assert_decodes(base64_decode, BYTES("+/8A"), BYTES("\xfb\xff\x00"));
}

static void base64url_has_its_own_digits_and_no_padding(void **state) {
    (void)state;
    assert_encodes(base64url_encode, BYTES("\xfb\xff\xfe\xff"), "-__-_w");
    assert_decodes(base64url_decode, BYTES("-__-_w"), BYTES("\xfb\xff\xfe\xff"));
    assert_encodes(base64url_encode, BYTES("fo"), "Zm8");
    assert_decodes(base64url_decode, BYTES("Zm8"), BYTES("fo"));
    assert_refuses(base64url_decode, BYTES("Zm8="));
    assert_refuses(base64url_decode, BYTES("+/8A"));
    assert_refuses(base64_decode, BYTES("-_8A"));
}

static void every_byte_at_every_length_survives_base64(void **state) {
    (void)state;
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct buffer text = {0};
        struct buffer back = {0};
        base64_encode((struct bytes){bytes, size}, &text);
        assert_int_equal(text.size % 4, 0);
        assert_int_equal(base64_decode(buffer_bytes(&text), &back), STATUS_OK);
        assert_true(bytes_equal(buffer_bytes(&back), (struct bytes){bytes, size}));
        buffer_reset(&text);
        buffer_reset(&back);
        base64url_encode((struct bytes){bytes, size}, &text);
        assert_int_equal(base64url_decode(buffer_bytes(&text), &back), STATUS_OK);
        assert_true(bytes_equal(buffer_bytes(&back), (struct bytes){bytes, size}));
        buffer_clear(&text);
        buffer_clear(&back);
    }
}

static void base64_refuses_what_no_encoder_writes(void **state) {
    (void)state;
    static const char *const texts[] = {
        "Z",    "Zg",   "Zg=",   "Zm8",   "=",      "==",        "====",     "Z===", "Zg==Zg==",
        "Zm9=", "Zh==", "Zm9v ", " Zm9v", "Zm\n9v", "Zm9vZg=\n", "Zm9v====", "Z=g=", "Zm9\x80",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_refuses(base64_decode, bytes_of_text(texts[i]));
    }
    assert_refuses(base64_decode, BYTES("Zm\0v"));
    assert_refuses(base64url_decode, BYTES("Z"));
    assert_refuses(base64url_decode, BYTES("Zh"));
    assert_refuses(base64url_decode, BYTES("AAAA\xff"));
}

static void each_byte_that_is_no_digit_is_refused_at_each_place(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool is_digit = byte != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789+/",
                                            byte) != NULL;
        for (size_t place = 0; place < 4; place++) {
            char text[4] = {'A', 'A', 'A', 'A'};
            struct buffer buffer = {0};
            text[place] = (char)byte;
            bool is_padding = byte == '=' && place == 3;
            assert_int_equal(base64_decode((struct bytes){text, 4}, &buffer) == STATUS_OK,
                             is_digit || is_padding);
            buffer_clear(&buffer);
        }
    }
}

static void path_segments_keep_what_go_keeps(void **state) {
    (void)state;
    assert_encodes(percent_encode_path_segment, BYTES("azAZ09-_.~:@&=+$"), "azAZ09-_.~:@&=+$");
    assert_encodes(percent_encode_path_segment, BYTES("a/b c?d#e%f,g;h"),
                   "a%2Fb%20c%3Fd%23e%25f%2Cg%3Bh");
    assert_encodes(percent_encode_path_segment, BYTES("!*'()[]\"\0\xff"),
                   "%21%2A%27%28%29%5B%5D%22%00%FF");
    assert_encodes(percent_encode_path_segment, BYTES("\xc3\xa4"), "%C3%A4");
    assert_encodes(percent_encode_path_segment, BYTES(""), "");
}

static void header_values_encode_what_cloudevents_names(void **state) {
    (void)state;
    assert_encodes(percent_encode_header_value, BYTES("Euro \xe2\x82\xac \xf0\x9f\x98\x80"),
                   "Euro%20%E2%82%AC%20%F0%9F%98%80");
    assert_encodes(percent_encode_header_value, BYTES("!#$&'()*+,/:;<=>?@[\\]^_`{|}~az09"),
                   "!#$&'()*+,/:;<=>?@[\\]^_`{|}~az09");
    assert_encodes(percent_encode_header_value, BYTES("\"%\x7f\r\n"), "%22%25%7F%0D%0A");
}

static void assert_percent_decodes(struct bytes text, bool plus_is_space, struct bytes expected) {
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "=");
    percent_decode(text, plus_is_space, &buffer);
    assert_true(bytes_equal(bytes_slice(buffer_bytes(&buffer), 1, SIZE_MAX), expected));
    assert_int_equal(buffer.data[buffer.size], '\0');
    buffer_clear(&buffer);
}

static void decoding_undoes_exactly_one_round(void **state) {
    (void)state;
    assert_percent_decodes(BYTES("a%20b%2f%2Fc"), false, BYTES("a b//c"));
    assert_percent_decodes(BYTES("%2525"), false, BYTES("%25"));
    assert_percent_decodes(BYTES("%00"), false, BYTES("\0"));
    assert_percent_decodes(BYTES(""), false, BYTES(""));
    assert_percent_decodes(BYTES("plain"), false, BYTES("plain"));
}

static void a_percent_sign_without_two_digits_stays(void **state) {
    (void)state;
    assert_percent_decodes(BYTES("100%"), false, BYTES("100%"));
    assert_percent_decodes(BYTES("%2"), false, BYTES("%2"));
    assert_percent_decodes(BYTES("%zz%4"), false, BYTES("%zz%4"));
    assert_percent_decodes(BYTES("%%41"), false, BYTES("%A"));
    assert_percent_decodes(BYTES("%4%41"), false, BYTES("%4A"));
    assert_percent_decodes(BYTES("%:0%0G%`0"), false, BYTES("%:0%0G%`0"));
}

static void hex_digits_have_values_in_either_case(void **state) {
    (void)state;
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    for (int byte = 0; byte < 256; byte++) {
        const char *place = byte == 0 ? NULL : strchr(digits, byte);
        assert_int_equal(hex_digit_value((char)byte), place ? (place - digits) % 16 : -1);
    }
}

static void a_plus_is_a_space_only_where_it_is_said(void **state) {
    (void)state;
    assert_percent_decodes(BYTES("a+b%2B"), true, BYTES("a b+"));
    assert_percent_decodes(BYTES("a+b%2B"), false, BYTES("a+b+"));
}

static void utf8_accepts_the_borders_of_every_length(void **state) {
    (void)state;
    assert_true(utf8_is_valid((struct bytes){0}));
    assert_true(utf8_is_valid(BYTES("\0\x7f")));
    assert_true(utf8_is_valid(BYTES("\xc2\x80\xdf\xbf")));
    assert_true(utf8_is_valid(BYTES("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf")));
    assert_true(utf8_is_valid(BYTES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
}

static void utf8_refuses_overlong_surrogate_too_large_and_cut_sequences(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf5\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xfe",
        "\xff",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(",
        "\xe2(\xac",
        "\xe2\x82(",
        "\xf0\x9f\x98(",
        "\xf0\x9f(\x80",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_false(utf8_is_valid(bytes_of_text(texts[i])));
    }
}

static void a_bad_byte_is_found_at_every_place_of_a_long_text(void **state) {
    (void)state;
    char text[40];
    for (size_t place = 0; place < sizeof text; place++) {
        memset(text, 'a', sizeof text);
        assert_true(utf8_is_valid((struct bytes){text, sizeof text}));
        text[place] = '\xe4';
        assert_false(utf8_is_valid((struct bytes){text, sizeof text}));
    }
}

// Each code point by its definition, against the table of ranges.
static void utf8_agrees_with_its_definition_on_every_three_bytes(void **state) {
    (void)state;
    size_t valid = 0;
    for (uint32_t code = 0x800; code <= 0xffff; code++) {
        unsigned char bytes[3] = {(unsigned char)(0xe0 | code >> 12),
                                  (unsigned char)(0x80 | (code >> 6 & 0x3f)),
                                  (unsigned char)(0x80 | (code & 0x3f))};
        bool is_valid = utf8_is_valid((struct bytes){(const char *)bytes, 3});
        assert_int_equal(is_valid, code < 0xd800 || code > 0xdfff);
        valid += is_valid;
    }
    assert_int_equal(valid, 0x10000 - 0x800 - 0x800);
}

static void a_uuid_is_of_the_random_kind(void **state) {
    (void)state;
    char before[UUID_TEXT_SIZE] = "";
    for (int i = 0; i < 200; i++) {
        char uuid[UUID_TEXT_SIZE];
        uuid_create(uuid);
        assert_int_equal(strlen(uuid), 36);
        assert_int_equal(strspn(uuid, "0123456789abcdef-"), 36);
        assert_int_equal(uuid[8], '-');
        assert_int_equal(uuid[13], '-');
        assert_int_equal(uuid[18], '-');
        assert_int_equal(uuid[23], '-');
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
        assert_string_not_equal(uuid, before);
        memcpy(before, uuid, sizeof before);
    }
}

static int compare_uuids(const void *a, const void *b) {
    return memcmp(a, b, UUID_TEXT_SIZE);
}

static void no_uuid_comes_twice(void **state) {
    (void)state;
    enum {
        COUNT = 5000
    };
    char(*uuids)[UUID_TEXT_SIZE] = memory_allocate(COUNT * UUID_TEXT_SIZE);
    for (size_t i = 0; i < COUNT; i++) {
        uuid_create(uuids[i]);
    }
    qsort(uuids, COUNT, UUID_TEXT_SIZE, compare_uuids);
    for (size_t i = 1; i < COUNT; i++) {
        assert_string_not_equal(uuids[i - 1], uuids[i]);
    }
    free(uuids);
}

static void header_names_are_tokens(void **state) {
    (void)state;
    assert_true(header_name_is_valid(BYTES("X-Request_Id.2")));
    assert_true(header_name_is_valid(BYTES("!#$%&'*+-.^_`|~")));
    assert_false(header_name_is_valid(BYTES("")));
    for (int byte = 0; byte < 256; byte++) {
        char name[3] = {'a', (char)byte, 'b'};
        bool stands = byte > ' ' && byte < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", byte);
        assert_int_equal(header_name_is_valid((struct bytes){name, sizeof name}), stands);
    }
}

static void header_values_hold_no_control_characters_but_the_tab(void **state) {
    (void)state;
    assert_true(header_value_is_valid(BYTES("")));
    for (int byte = 0; byte < 256; byte++) {
        char value[3] = {'a', (char)byte, 'b'};
        bool stands = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        assert_int_equal(header_value_is_valid((struct bytes){value, sizeof value}), stands);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_follows_the_vectors_of_its_standard),
        cmocka_unit_test(base64url_has_its_own_digits_and_no_padding),
        cmocka_unit_test(every_byte_at_every_length_survives_base64),
        cmocka_unit_test(base64_refuses_what_no_encoder_writes),
        cmocka_unit_test(each_byte_that_is_no_digit_is_refused_at_each_place),
        cmocka_unit_test(path_segments_keep_what_go_keeps),
        cmocka_unit_test(header_values_encode_what_cloudevents_names),
        cmocka_unit_test(decoding_undoes_exactly_one_round),
        cmocka_unit_test(a_percent_sign_without_two_digits_stays),
        cmocka_unit_test(hex_digits_have_values_in_either_case),
        cmocka_unit_test(a_plus_is_a_space_only_where_it_is_said),
        cmocka_unit_test(header_names_are_tokens),
        cmocka_unit_test(header_values_hold_no_control_characters_but_the_tab),
        cmocka_unit_test(utf8_accepts_the_borders_of_every_length),
        cmocka_unit_test(utf8_refuses_overlong_surrogate_too_large_and_cut_sequences),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place_of_a_long_text),
        cmocka_unit_test(utf8_agrees_with_its_definition_on_every_three_bytes),
        cmocka_unit_test(a_uuid_is_of_the_random_kind),
        cmocka_unit_test(no_uuid_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
