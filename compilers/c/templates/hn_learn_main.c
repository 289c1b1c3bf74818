/* Lets the network learn from samples of text, on a computer or, with semihosting, on a board.
 *
 * Input: integers, blanks or lines between them. A sample is its number of steps, then for each step
 * HN_LEARN_INPUTS values, the label, and 1 where the label counts, else 0. Output: a line for each device step, the
 * steps after the input's end included, with hn_learn_output(); then a line with all that was learned so far.
 */
#include "hn_io.h"
#include "learn.h"

static int failed;

/* The next integer; 0 at the end of the input or at what is no integer, with failed set. */
static int32_t get_number(void) {
    int c = hn_get();
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        c = hn_get();
    }
    const int minus = c == '-';
    if (minus) {
        c = hn_get();
    }
    failed = c < '0' || c > '9';
    int32_t value = 0;
    for (; c >= '0' && c <= '9'; c = hn_get()) {
        if (value < -((INT32_MAX - 9) / 10)) {
            failed = 1;
            return 0;
        }
        value = value * 10 - (c - '0');
    }
    return minus ? value : -value;
}

static void put_number(int32_t value) {
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
    hn_put(' ');
}

static void put_outputs(void) {
    for (int32_t k = 0; k < HN_LEARN_OUTPUTS; k++) {
        put_number(hn_learn_output()[k]);
    }
    hn_put('\n');
}

#define PUT(kind, array, count)                                  \
    for (int32_t k = 0; k < (count); k++) {                      \
        put_number(((const kind *)hn_learned.array)[k]);         \
    }

int main(void) {
    static int32_t input[HN_LEARN_INPUTS];
    hn_learn_reset();
    for (;;) {
        const int32_t steps = get_number();
        if (failed) {
            break;
        }
        hn_learn_begin();
        for (int32_t t = 0; t < steps; t++) {
            for (int32_t i = 0; i < HN_LEARN_INPUTS && !failed; i++) {
                input[i] = get_number();
            }
            const int32_t label = failed ? 0 : get_number();
            const int32_t scored = failed ? 0 : get_number();
            if (failed) {
                hn_flush();
                return 1;
            }
            hn_learn_step(input, label, scored != 0);
            put_outputs();
        }
        while (hn_learn_tail()) {
            put_outputs();
        }
        HN_LEARNED(PUT)
        hn_put('\n');
    }
    hn_flush();
    return 0;
}
