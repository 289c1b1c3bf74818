/* Numbers as text for main.c and learn_main.c. An input that breaks a rule ends the program with exit code 2 and a line
 * on the error output that names sample and step, counted from 0, what was found and the rule. */
#ifndef HN_TEXT_H
#define HN_TEXT_H

#include "hn_io.h"

/* Where the reader is; before a sample's first step -1. */
static int32_t sample, step = -1;
/* The start of what was read last. */
static char word[24];

static void put_text(const char *text) {
    while (*text != '\0') {
        hn_put(*text++);
    }
}

static void put_integer(int32_t value) {
    char digits[10];
    int count = 0;
    uint32_t left = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    do {
        digits[count++] = (char)('0' + left % 10u);
        left /= 10u;
    } while (left != 0u);
    if (value < 0) {
        hn_put('-');
    }
    while (count > 0) {
        hn_put(digits[--count]);
    }
}

static void put_number(int32_t value) {
    put_integer(value);
    hn_put(' ');
}

/* The first half of the message; what was found follows, then the second half, which ends the program. */
static void begin_refusal(const char *what) {
    hn_put_errors();
    put_text("sample ");
    put_integer(sample);
    if (step >= 0) {
        put_text(", step ");
        put_integer(step);
    }
    put_text(": ");
    put_text(what);
    hn_put(' ');
}

static void end_refusal(int32_t low, int32_t high) {
    put_text(", rule: an integer of ");
    put_integer(low);
    put_text("..");
    put_integer(high);
    hn_put('\n');
    hn_exit(2);
}

static int is_blank(int c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The next number into `value`, an integer of low..high; 0 at the end of the input. */
static int get_number(const char *what, int32_t low, int32_t high, int32_t *value) {
    int64_t size = 0;
    uint32_t length = 0;
    int digits = 0, minus = 0, wrong = 0;
    int c = hn_get();
    while (is_blank(c)) {
        c = hn_get();
    }
    for (; c >= 0 && !is_blank(c); c = hn_get(), length++) {
        if (length + 1 < sizeof word) {
            word[length] = c > ' ' && c <= '~' ? (char)c : '?';
            word[length + 1] = '\0';
        }
        if (c >= '0' && c <= '9') {
            digits = 1;
            size = size > INT32_MAX ? size : size * 10 + (c - '0');
        } else if (c == '-' && length == 0) {
            minus = 1;
        } else {
            wrong = 1;
        }
    }
    if (length == 0) {
        return 0;
    }
    size = minus ? -size : size;
    if (wrong || !digits || size < low || size > high) {
        begin_refusal(what);
        hn_put('\'');
        put_text(word);
        hn_put('\'');
        end_refusal(low, high);
    }
    *value = (int32_t)size;
    return 1;
}

/* A number that has to be there. */
static int32_t need_number(const char *what, int32_t low, int32_t high) {
    int32_t value = 0;
    if (!get_number(what, low, high, &value)) {
        begin_refusal(what);
        put_text("missing, the text ends");
        end_refusal(low, high);
    }
    return value;
}

#endif
