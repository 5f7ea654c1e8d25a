// Names and values of HTTP headers, a part of text.h.

#include "core/base/text.h"

#include <string.h>

bool header_name_is_valid(struct bytes name) {
    static const char other[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.size; i++) {
        char byte = name.data[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && !(byte >= '0' && byte <= '9') && !memchr(other, byte, sizeof other - 1)) {
            return false;
        }
    }
    return name.size > 0;
}

bool header_value_is_valid(struct bytes value) {
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}
