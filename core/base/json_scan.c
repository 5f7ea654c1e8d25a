// The scanner of json.h: checks JSON text by RFC 8259 and finds members and elements in it without
// building anything. It does not recurse: what is open is a bit for each level.

#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"

#define DEPTH_MAX 512
#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

struct scanner {
    const char *start;
    const char *next;
    const char *end;
    const char *fault; // why the scan stopped at next
};

static bool fail(struct scanner *scanner, const char *fault) {
    scanner->fault = fault;
    return false;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static void skip_blanks(struct scanner *scanner) {
    while (scanner->next < scanner->end && is_blank(*scanner->next)) {
        scanner->next++;
    }
}

static bool take_byte(struct scanner *scanner, char byte) {
    if (scanner->next == scanner->end || *scanner->next != byte) {
        return false;
    }
    scanner->next++;
    return true;
}

static bool take_word(struct scanner *scanner, struct bytes word) {
    struct bytes rest = {scanner->next, (size_t)(scanner->end - scanner->next)};
    if (!bytes_start_with(rest, word)) {
        return fail(scanner, "a value expected");
    }
    scanner->next += word.size;
    return true;
}

// The four digits after "\u", or -1.
static int32_t take_code_unit(struct scanner *scanner) {
    int32_t unit = 0;
    if (scanner->end - scanner->next < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit_value(scanner->next[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    scanner->next += 4;
    return unit;
}

// After "\u": one code point, a surrogate pair taken together; -1 for a lone surrogate.
static int32_t take_code_point(struct scanner *scanner) {
    int32_t high = take_code_unit(scanner);
    if (high < 0xd800 || high > 0xdfff) {
        return high;
    }
    if (high > 0xdbff || !take_byte(scanner, '\\') || !take_byte(scanner, 'u')) {
        return -1;
    }
    int32_t low = take_code_unit(scanner);
    return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : -1;
}

static bool scan_escape(struct scanner *scanner) {
    const char *backslash = scanner->next++;
    char escape = scanner->next < scanner->end ? *scanner->next++ : '\0';
    if (escape == 'u' ? take_code_point(scanner) >= 0
                      : escape != '\0' && strchr("\"\\/bfnrt", escape)) {
        return true;
    }
    scanner->next = backslash;
    return fail(scanner, "not an escape, or half a surrogate pair");
}

// Moves past bytes that mean themselves: ASCII but controls, quotes and backslashes. Eight at a
// time, until one of them could be something else.
static void skip_plain(struct scanner *scanner) {
    uint64_t word;
    while (scanner->end - scanner->next >= (ptrdiff_t)sizeof word) {
        memcpy(&word, scanner->next, sizeof word);
        uint64_t quotes = (word ^ EACH_BYTE('"')) - EACH_BYTE(1);
        uint64_t backslashes = (word ^ EACH_BYTE('\\')) - EACH_BYTE(1);
        uint64_t controls = word - EACH_BYTE(0x20);
        if ((word | quotes | backslashes | controls) & EACH_BYTE(0x80)) {
            break;
        }
        scanner->next += sizeof word;
    }
    while (scanner->next < scanner->end) {
        unsigned char byte = (unsigned char)*scanner->next;
        if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') {
            return;
        }
        scanner->next++;
    }
}

// What is not plain; the closing quote is not among it.
static bool scan_special(struct scanner *scanner) {
    unsigned char byte = (unsigned char)*scanner->next;
    if (byte == '\\') {
        return scan_escape(scanner);
    }
    if (byte < 0x20) {
        return fail(scanner, "a control character in a string");
    }
    size_t size =
        utf8_sequence((struct bytes){scanner->next, (size_t)(scanner->end - scanner->next)});
    if (size == 0) {
        return fail(scanner, "not UTF-8");
    }
    scanner->next += size;
    return true;
}

static bool scan_string(struct scanner *scanner) {
    if (!take_byte(scanner, '"')) {
        return fail(scanner, "a name in quotes expected");
    }
    for (;;) {
        skip_plain(scanner);
        if (scanner->next == scanner->end) {
            return fail(scanner, "a string does not end");
        }
        if (take_byte(scanner, '"')) {
            return true;
        }
        if (!scan_special(scanner)) {
            return false;
        }
    }
}

static bool scan_digits(struct scanner *scanner) {
    const char *first = scanner->next;
    while (scanner->next < scanner->end && *scanner->next >= '0' && *scanner->next <= '9') {
        scanner->next++;
    }
    return scanner->next > first ? true : fail(scanner, "a digit expected");
}

static bool is_number_start(char byte) {
    return byte == '-' || (byte >= '0' && byte <= '9');
}

static bool scan_number(struct scanner *scanner) {
    (void)take_byte(scanner, '-');
    if (!take_byte(scanner, '0') && !scan_digits(scanner)) {
        return false;
    }
    if (take_byte(scanner, '.') && !scan_digits(scanner)) {
        return false;
    }
    if (take_byte(scanner, 'e') || take_byte(scanner, 'E')) {
        if (!take_byte(scanner, '+')) {
            (void)take_byte(scanner, '-');
        }
        return scan_digits(scanner);
    }
    return true;
}

static bool scan_scalar(struct scanner *scanner) {
    if (scanner->next == scanner->end) {
        return fail(scanner, "a value expected, not the end");
    }
    switch (*scanner->next) {
    case '"':
        return scan_string(scanner);
    case 't':
        return take_word(scanner, BYTES("true"));
    case 'f':
        return take_word(scanner, BYTES("false"));
    case 'n':
        return take_word(scanner, BYTES("null"));
    default:
        return is_number_start(*scanner->next) ? scan_number(scanner)
                                               : fail(scanner, "a value expected");
    }
}

// The objects and arrays that are open.
struct nesting {
    size_t depth;
    uint64_t is_object[DEPTH_MAX / 64]; // a bit for each level
};

static bool is_in_object(const struct nesting *nesting) {
    size_t level = nesting->depth - 1;
    return nesting->is_object[level / 64] >> level % 64 & 1;
}

static bool open_level(struct nesting *nesting, bool is_object) {
    if (nesting->depth == DEPTH_MAX) {
        return false;
    }
    size_t level = nesting->depth++;
    uint64_t bit = UINT64_C(1) << level % 64;
    uint64_t *word = &nesting->is_object[level / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    return true;
}

enum place {
    BEFORE_VALUE,
    AFTER_VALUE,
    AT_END, // of the outermost value
    AT_FAULT
};

static enum place scan_name(struct scanner *scanner) {
    skip_blanks(scanner);
    if (!scan_string(scanner)) {
        return AT_FAULT;
    }
    skip_blanks(scanner);
    if (!take_byte(scanner, ':')) {
        fail(scanner, "':' expected");
        return AT_FAULT;
    }
    return BEFORE_VALUE;
}

static enum place begin_value(struct scanner *scanner, struct nesting *nesting) {
    skip_blanks(scanner);
    bool is_object = take_byte(scanner, '{');
    if (!is_object && !take_byte(scanner, '[')) {
        return scan_scalar(scanner) ? AFTER_VALUE : AT_FAULT;
    }
    if (!open_level(nesting, is_object)) {
        fail(scanner, "nested too deeply");
        return AT_FAULT;
    }
    skip_blanks(scanner);
    if (take_byte(scanner, is_object ? '}' : ']')) {
        nesting->depth--;
        return AFTER_VALUE;
    }
    return is_object ? scan_name(scanner) : BEFORE_VALUE;
}

static enum place end_value(struct scanner *scanner, struct nesting *nesting) {
    if (nesting->depth == 0) {
        return AT_END;
    }
    bool is_object = is_in_object(nesting);
    skip_blanks(scanner);
    if (take_byte(scanner, ',')) {
        return is_object ? scan_name(scanner) : BEFORE_VALUE;
    }
    if (take_byte(scanner, is_object ? '}' : ']')) {
        nesting->depth--;
        return AFTER_VALUE;
    }
    fail(scanner, is_object ? "',' or '}' expected" : "',' or ']' expected");
    return AT_FAULT;
}

static bool scan_text(struct scanner *scanner) {
    struct nesting nesting = {0};
    enum place place = BEFORE_VALUE;
    while (place == BEFORE_VALUE || place == AFTER_VALUE) {
        place =
            place == BEFORE_VALUE ? begin_value(scanner, &nesting) : end_value(scanner, &nesting);
    }
    if (place == AT_FAULT) {
        return false;
    }
    skip_blanks(scanner);
    return scanner->next == scanner->end ? true : fail(scanner, "the end expected");
}

static struct scanner scanner_of(struct bytes text) {
    const char *start = text.data ? text.data : "";
    return (struct scanner){.start = start, .next = start, .end = start + text.size};
}

bool json_is_valid(struct bytes text) {
    struct scanner scanner = scanner_of(text);
    return scan_text(&scanner);
}

// As jansson counts: lines and columns from 1, a column for each character.
static enum status set_fault(const struct scanner *scanner, struct error *error) {
    size_t line = 1;
    size_t column = 1;
    for (const char *byte = scanner->start; byte < scanner->next; byte++) {
        bool continues = ((unsigned char)*byte & 0xc0) == 0x80;
        column = *byte == '\n' ? 1 : column + !continues;
        line += *byte == '\n';
    }
    return error_set(error, STATUS_INVALID, "line %zu, column %zu: %s", line, column,
                     scanner->fault);
}

// From here on the text is known to be well-formed, so that skipping needs no checks.
static void skip_string(struct scanner *scanner) {
    size_t backslashes;
    do {
        scanner->next++;
        scanner->next = memchr(scanner->next, '"', (size_t)(scanner->end - scanner->next));
        backslashes = 0;
        while (scanner->next[-1 - (ptrdiff_t)backslashes] == '\\') {
            backslashes++;
        }
    } while (backslashes % 2 == 1);
    scanner->next++;
}

static void skip_collection(struct scanner *scanner) {
    size_t depth = 0;
    do {
        char byte = *scanner->next;
        if (byte == '"') {
            skip_string(scanner);
            continue;
        }
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        scanner->next++;
    } while (depth > 0);
}

static struct bytes skip_value(struct scanner *scanner) {
    const char *value = scanner->next;
    if (*value == '{' || *value == '[') {
        skip_collection(scanner);
    } else if (*value == '"') {
        skip_string(scanner);
    } else {
        while (!is_blank(*scanner->next) && *scanner->next != ',' && *scanner->next != '}' &&
               *scanner->next != ']') {
            scanner->next++;
        }
    }
    return (struct bytes){value, (size_t)(scanner->next - value)};
}

// Checks the text, and leaves the scanner at the first item or at the closing bracket.
static enum status enter_collection(struct scanner *scanner, char open, struct error *error) {
    if (!scan_text(scanner)) {
        return set_fault(scanner, error);
    }
    scanner->next = scanner->start;
    skip_blanks(scanner);
    if (!take_byte(scanner, open)) {
        return error_set(error, STATUS_INVALID, "not a JSON %s", open == '{' ? "object" : "array");
    }
    skip_blanks(scanner);
    return STATUS_OK;
}

// To the next item. False at the closing bracket.
static bool has_next_item(struct scanner *scanner) {
    skip_blanks(scanner);
    if (!take_byte(scanner, ',')) {
        return false;
    }
    skip_blanks(scanner);
    return true;
}

enum status json_each_member(struct bytes text, json_member_fn visit, void *context,
                             struct error *error) {
    struct scanner scanner = scanner_of(text);
    enum status status = enter_collection(&scanner, '{', error);
    if (status != STATUS_OK || *scanner.next == '}') {
        return status;
    }
    struct json_member member;
    do {
        member.name_json = skip_value(&scanner);
        skip_blanks(&scanner);
        scanner.next++; // the colon
        skip_blanks(&scanner);
        member.value = skip_value(&scanner);
    } while (visit(context, &member) && has_next_item(&scanner));
    return STATUS_OK;
}

enum status json_each_element(struct bytes text, json_element_fn visit, void *context,
                              struct error *error) {
    struct scanner scanner = scanner_of(text);
    size_t index = 0;
    enum status status = enter_collection(&scanner, '[', error);
    if (status != STATUS_OK || *scanner.next == ']') {
        return status;
    }
    while (visit(context, index++, skip_value(&scanner)) && has_next_item(&scanner)) {
    }
    return STATUS_OK;
}

static char *store_code_point(int32_t code, char *out) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    int following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    *out++ = (char)(leads[following] | code >> (6 * following));
    while (following-- > 0) {
        *out++ = (char)(0x80 | (code >> (6 * following) & 0x3f));
    }
    return out;
}

static char meaning_of(char escape) {
    static const char escapes[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *found = strchr(escapes, escape);
    return found ? meanings[found - escapes] : escape;
}

enum status json_string_decode(struct bytes literal, struct buffer *ret_buffer) {
    struct scanner scanner = scanner_of(literal);
    if (!scan_string(&scanner) || scanner.next != scanner.end) {
        return STATUS_INVALID;
    }
    scanner.next = scanner.start + 1;
    scanner.end--;
    // No escape is shorter than what it means.
    char *out = buffer_reserve(ret_buffer, literal.size);
    while (scanner.next < scanner.end) {
        size_t left = (size_t)(scanner.end - scanner.next);
        size_t plain = bytes_find((struct bytes){scanner.next, left}, '\\');
        memcpy(out, scanner.next, plain);
        out += plain;
        scanner.next += plain;
        if (plain < left) {
            char escape = scanner.next[1];
            scanner.next += 2;
            if (escape == 'u') {
                out = store_code_point(take_code_point(&scanner), out);
            } else {
                *out++ = meaning_of(escape);
            }
        }
    }
    *out = '\0';
    ret_buffer->size = (size_t)(out - ret_buffer->data);
    return STATUS_OK;
}
