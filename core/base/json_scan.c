// The scanner of json.h: checks JSON text by RFC 8259 and finds members and elements in it without
// building anything. Nesting is bounded, so that no input can exhaust the stack.

#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"

#define DEPTH_MAX 512

struct scanner {
    const char *next;
    const char *end;
    int depth;
};

static bool scan_value(struct scanner *scanner);

static void skip_blanks(struct scanner *scanner) {
    while (scanner->next < scanner->end && (*scanner->next == ' ' || *scanner->next == '\t' ||
                                            *scanner->next == '\n' || *scanner->next == '\r')) {
        scanner->next++;
    }
}

static bool scan_byte(struct scanner *scanner, char byte) {
    if (scanner->next == scanner->end || *scanner->next != byte) {
        return false;
    }
    scanner->next++;
    return true;
}

static bool scan_word(struct scanner *scanner, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(scanner->end - scanner->next) < size || memcmp(scanner->next, word, size) != 0) {
        return false;
    }
    scanner->next += size;
    return true;
}

static int hex_value(char letter) {
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    if (letter >= 'a' && letter <= 'f') {
        return letter - 'a' + 10;
    }
    return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

// The four digits after "\u", or -1.
static int32_t scan_hex_4(struct scanner *scanner) {
    int32_t value = 0;
    if (scanner->end - scanner->next < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(scanner->next[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    scanner->next += 4;
    return value;
}

// After "\u": one code point, a surrogate pair taken together; -1 for a lone surrogate.
static int32_t scan_escaped_code_point(struct scanner *scanner) {
    int32_t high = scan_hex_4(scanner);
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return -1;
    }
    if (high < 0xd800 || high > 0xdbff) {
        return high;
    }
    if (!scan_word(scanner, "\\u")) {
        return -1;
    }
    int32_t low = scan_hex_4(scanner);
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static bool scan_escape(struct scanner *scanner) {
    if (scanner->next == scanner->end) {
        return false;
    }
    char escape = *scanner->next++;
    if (escape == 'u') {
        return scan_escaped_code_point(scanner) >= 0;
    }
    return escape != '\0' && strchr("\"\\/bfnrt", escape) != NULL;
}

static bool scan_string(struct scanner *scanner) {
    if (!scan_byte(scanner, '"')) {
        return false;
    }
    const char *start = scanner->next;
    bool is_ascii = true;
    while (scanner->next < scanner->end) {
        unsigned char byte = (unsigned char)*scanner->next++;
        if (byte == '"') {
            return is_ascii ||
                   utf8_is_valid((struct bytes){start, (size_t)(scanner->next - 1 - start)});
        }
        if (byte < 0x20 || (byte == '\\' && !scan_escape(scanner))) {
            return false;
        }
        is_ascii &= byte < 0x80;
    }
    return false;
}

static bool scan_digits(struct scanner *scanner) {
    const char *start = scanner->next;
    while (scanner->next < scanner->end && *scanner->next >= '0' && *scanner->next <= '9') {
        scanner->next++;
    }
    return scanner->next > start;
}

static bool scan_number(struct scanner *scanner) {
    (void)scan_byte(scanner, '-');
    if (!scan_byte(scanner, '0') && !scan_digits(scanner)) {
        return false;
    }
    if (scan_byte(scanner, '.') && !scan_digits(scanner)) {
        return false;
    }
    if (scan_byte(scanner, 'e') || scan_byte(scanner, 'E')) {
        if (!scan_byte(scanner, '+')) {
            (void)scan_byte(scanner, '-');
        }
        return scan_digits(scanner);
    }
    return true;
}

// One member: its name's literal and its value, without the blanks around them.
static bool scan_member(struct scanner *scanner, struct json_member *ret_member) {
    skip_blanks(scanner);
    const char *name = scanner->next;
    if (!scan_string(scanner)) {
        return false;
    }
    ret_member->name_json = (struct bytes){name, (size_t)(scanner->next - name)};
    skip_blanks(scanner);
    if (!scan_byte(scanner, ':')) {
        return false;
    }
    skip_blanks(scanner);
    const char *value = scanner->next;
    if (!scan_value(scanner)) {
        return false;
    }
    ret_member->value = (struct bytes){value, (size_t)(scanner->next - value)};
    return true;
}

static bool scan_element(struct scanner *scanner, struct bytes *ret_value) {
    skip_blanks(scanner);
    const char *value = scanner->next;
    if (!scan_value(scanner)) {
        return false;
    }
    *ret_value = (struct bytes){value, (size_t)(scanner->next - value)};
    return true;
}

struct visitor {
    json_member_fn member;
    json_element_fn element;
    void *context;
    bool has_stopped;
};

static bool scan_item(struct scanner *scanner, bool is_object, size_t index,
                      struct visitor *visitor) {
    struct json_member member;
    bool is_fine = is_object ? scan_member(scanner, &member) : scan_element(scanner, &member.value);
    if (is_fine && visitor && !visitor->has_stopped) {
        visitor->has_stopped = is_object ? !visitor->member(visitor->context, &member)
                                         : !visitor->element(visitor->context, index, member.value);
    }
    return is_fine;
}

// An object or an array; visitor may be NULL.
static bool scan_collection(struct scanner *scanner, struct visitor *visitor) {
    bool is_object = *scanner->next == '{';
    char close = is_object ? '}' : ']';
    scanner->next++;
    if (scanner->depth == DEPTH_MAX) {
        return false;
    }
    scanner->depth++;
    skip_blanks(scanner);
    if (scan_byte(scanner, close)) {
        scanner->depth--;
        return true;
    }
    size_t index = 0;
    do {
        if (!scan_item(scanner, is_object, index++, visitor)) {
            return false;
        }
        skip_blanks(scanner);
    } while (scan_byte(scanner, ','));
    scanner->depth--;
    return scan_byte(scanner, close);
}

static bool scan_value(struct scanner *scanner) {
    if (scanner->next == scanner->end) {
        return false;
    }
    switch (*scanner->next) {
    case '{':
    case '[':
        return scan_collection(scanner, NULL);
    case '"':
        return scan_string(scanner);
    case 't':
        return scan_word(scanner, "true");
    case 'f':
        return scan_word(scanner, "false");
    case 'n':
        return scan_word(scanner, "null");
    default:
        return scan_number(scanner);
    }
}

bool json_is_valid(struct bytes text) {
    struct scanner scanner = {.next = text.data, .end = text.data + text.size};
    if (text.size == 0) {
        return false;
    }
    skip_blanks(&scanner);
    if (!scan_value(&scanner)) {
        return false;
    }
    skip_blanks(&scanner);
    return scanner.next == scanner.end;
}

// The whole text is checked before anything is visited, so that a visitor sees well-formed input
// only.
static enum status visit_collection(struct bytes text, char open, struct visitor *visitor,
                                    struct error *error) {
    struct scanner scanner = {.next = text.data, .end = text.data + text.size};
    if (!json_is_valid(text)) {
        return error_set(error, STATUS_INVALID, "not well-formed JSON");
    }
    skip_blanks(&scanner);
    if (*scanner.next != open) {
        return error_set(error, STATUS_INVALID, "not a JSON %s", open == '{' ? "object" : "array");
    }
    (void)scan_collection(&scanner, visitor);
    return STATUS_OK;
}

enum status json_each_member(struct bytes text, json_member_fn visit, void *context,
                             struct error *error) {
    struct visitor visitor = {.member = visit, .context = context};
    return visit_collection(text, '{', &visitor, error);
}

enum status json_each_element(struct bytes text, json_element_fn visit, void *context,
                              struct error *error) {
    struct visitor visitor = {.element = visit, .context = context};
    return visit_collection(text, '[', &visitor, error);
}

static void append_code_point(int32_t code, struct buffer *ret_buffer) {
    if (code < 0x80) {
        buffer_append_byte(ret_buffer, (char)code);
        return;
    }
    int following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    buffer_append_byte(ret_buffer, (char)(leads[following] | code >> (6 * following)));
    while (following-- > 0) {
        buffer_append_byte(ret_buffer, (char)(0x80 | (code >> (6 * following) & 0x3f)));
    }
}

static char unescaped(char escape) {
    static const char escapes[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *found = strchr(escapes, escape);
    return found ? meanings[found - escapes] : escape;
}

enum status json_string_decode(struct bytes literal, struct buffer *ret_buffer) {
    struct scanner scanner = {.next = literal.data, .end = literal.data + literal.size};
    if (literal.size < 2 || !scan_string(&scanner) || scanner.next != scanner.end) {
        return STATUS_INVALID;
    }
    scanner.next = literal.data + 1;
    scanner.end--;
    while (scanner.next < scanner.end) {
        struct bytes rest = {scanner.next, (size_t)(scanner.end - scanner.next)};
        struct bytes plain = bytes_slice(rest, 0, bytes_find(rest, '\\'));
        buffer_append(ret_buffer, plain);
        scanner.next += plain.size;
        if (scanner.next == scanner.end) {
            break;
        }
        scanner.next++;
        char escape = *scanner.next++;
        if (escape == 'u') {
            append_code_point(scan_escaped_code_point(&scanner), ret_buffer);
        } else {
            buffer_append_byte(ret_buffer, unescaped(escape));
        }
    }
    return STATUS_OK;
}
