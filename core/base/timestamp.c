// RFC 3339 timestamps of text.h. The calendar is computed by hand: the C library's functions know
// local time zones and global state.

#include "core/base/text.h"

#define US_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)
#define DAYS_0000_TO_1970 INT64_C(719528)
#define EARLIEST_US INT64_C(-62167219200000000) // 0000-01-01T00:00:00Z
#define LATEST_US INT64_C(253402300799999999)   // 9999-12-31T23:59:59.999999Z

// Days since 1970-01-01 of the proleptic Gregorian calendar; years run from March here, so that a
// leap day ends one.
static int64_t days_of_date(int64_t year, int64_t month, int64_t day) {
    int64_t shifted_year = month <= 2 ? year - 1 : year;
    int64_t era = (shifted_year >= 0 ? shifted_year : shifted_year - 399) / 400;
    int64_t year_of_era = shifted_year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day) {
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static int64_t days_of_month(int64_t year, int64_t month) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

struct reader {
    struct bytes rest;
    bool failed;
};

static int64_t read_digits(struct reader *reader, size_t count) {
    int64_t value = 0;
    if (reader->rest.size < count) {
        reader->failed = true;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        char digit = reader->rest.data[i];
        reader->failed |= digit < '0' || digit > '9';
        value = value * 10 + (digit - '0');
    }
    reader->rest = bytes_slice(reader->rest, count, SIZE_MAX);
    return value;
}

// Skips one character out of the accepted ones and returns it, or 0.
static char read_one_of(struct reader *reader, const char *accepted) {
    for (; reader->rest.size > 0 && *accepted; accepted++) {
        if (reader->rest.data[0] == *accepted) {
            reader->rest = bytes_slice(reader->rest, 1, SIZE_MAX);
            return *accepted;
        }
    }
    return 0;
}

static void expect_one_of(struct reader *reader, const char *accepted) {
    reader->failed |= read_one_of(reader, accepted) == 0;
}

// What lies beyond microseconds is cut off.
static int64_t read_fraction(struct reader *reader) {
    int64_t fraction = 0;
    int64_t scale = US_PER_SECOND / 10;
    if (!read_one_of(reader, ".")) {
        return 0;
    }
    fraction += read_digits(reader, 1) * scale;
    while (reader->rest.size > 0 && reader->rest.data[0] >= '0' && reader->rest.data[0] <= '9') {
        scale /= 10;
        fraction += read_digits(reader, 1) * scale;
    }
    return fraction;
}

static int64_t read_offset_s(struct reader *reader) {
    if (read_one_of(reader, "Zz")) {
        return 0;
    }
    char sign = read_one_of(reader, "+-");
    int64_t hours = read_digits(reader, 2);
    expect_one_of(reader, ":");
    int64_t minutes = read_digits(reader, 2);
    reader->failed |= sign == 0 || hours > 23 || minutes > 59;
    return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

// A leap second stands at the end of a day in UTC; it counts as the first moment of the next one.
static bool second_is_valid(int64_t second, int64_t second_of_day, int64_t offset_s) {
    return second < 60 ||
           (second == 60 && (second_of_day - offset_s + SECONDS_PER_DAY) % SECONDS_PER_DAY == 0);
}

enum status timestamp_parse(struct bytes text, int64_t *ret_us) {
    struct reader reader = {.rest = text};
    int64_t year = read_digits(&reader, 4);
    expect_one_of(&reader, "-");
    int64_t month = read_digits(&reader, 2);
    expect_one_of(&reader, "-");
    int64_t day = read_digits(&reader, 2);
    expect_one_of(&reader, "Tt");
    int64_t hour = read_digits(&reader, 2);
    expect_one_of(&reader, ":");
    int64_t minute = read_digits(&reader, 2);
    expect_one_of(&reader, ":");
    int64_t second = read_digits(&reader, 2);
    int64_t fraction_us = read_fraction(&reader);
    int64_t offset_s = read_offset_s(&reader);
    if (reader.failed || reader.rest.size > 0 || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month) || hour > 23 || minute > 59) {
        return STATUS_INVALID;
    }
    int64_t second_of_day = hour * 3600 + minute * 60 + second;
    if (!second_is_valid(second, second_of_day, offset_s)) {
        return STATUS_INVALID;
    }
    int64_t seconds = days_of_date(year, month, day) * SECONDS_PER_DAY + second_of_day - offset_s;
    *ret_us = seconds * US_PER_SECOND + (second == 60 ? 0 : fraction_us);
    return STATUS_OK;
}

static char *append_digits(int64_t value, int count, char *out) {
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

static char *append_with(int64_t value, char separator, char *out) {
    out = append_digits(value, 2, out);
    *out = separator;
    return out + 1;
}

// Times outside the years 0000 to 9999, which RFC 3339 cannot say, are shown as the nearest it can.
void timestamp_format(int64_t us, char ret_text[TIMESTAMP_TEXT_SIZE]) {
    us = us < EARLIEST_US ? EARLIEST_US : us > LATEST_US ? LATEST_US : us;
    int64_t us_since_0000 = us - EARLIEST_US;
    int64_t fraction_us = us_since_0000 % US_PER_SECOND;
    int64_t second_of_day = us_since_0000 / US_PER_SECOND % SECONDS_PER_DAY;
    int64_t year, month, day;
    date_of_days(us_since_0000 / US_PER_SECOND / SECONDS_PER_DAY - DAYS_0000_TO_1970, &year, &month,
                 &day);
    char *out = append_digits(year, 4, ret_text);
    *out++ = '-';
    out = append_with(month, '-', out);
    out = append_with(day, 'T', out);
    out = append_with(second_of_day / 3600, ':', out);
    out = append_with(second_of_day / 60 % 60, ':', out);
    out = append_digits(second_of_day % 60, 2, out);
    if (fraction_us > 0) {
        *out++ = '.';
        out = append_digits(fraction_us, 6, out);
    }
    *out++ = 'Z';
    *out = '\0';
}
