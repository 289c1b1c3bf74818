/* Lets the network learn from samples of text, on a computer or, with semihosting, on a board.
 *
 * Input: integers, blanks or lines between them. A sample is its number of steps, then for each step
 * HN_LEARN_INPUTS values, $what, and 1 where $which, else 0. Output: a line for each device step, the
 * steps after the input's end included, with hn_learn_output(); then a line with all that was learned so far. Values
 * beyond HN_LEARN_INPUT_LIMIT, labels of no output and all that is no such text end the program, see hn_text.h.
 */
#include "hn_text.h"
#include "learn.h"

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
    int32_t steps;
    hn_learn_reset();
    for (; get_number("number of steps", 0, INT32_MAX, &steps); sample++) {
        hn_learn_begin();
        for (step = 0; step < steps; step++) {
            for (int32_t i = 0; i < HN_LEARN_INPUTS; i++) {
                input[i] = need_number("input value", -HN_LEARN_INPUT_LIMIT, HN_LEARN_INPUT_LIMIT);
            }
$step
            put_outputs();
        }
        while (hn_learn_tail()) {
            put_outputs();
        }
        HN_LEARNED(PUT)
        hn_put('\n');
        step = -1;
    }
    hn_flush();
    return 0;
}
