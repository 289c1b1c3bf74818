/* Answers samples of text of a regression, on a computer or, with semihosting, on a board.
 *
 * Input: as that of learn_main.c. A sample is its number of steps, then for each step HN_INPUTS values, HN_OUTPUTS targets
 * in the outputs' fixed-point format, and 1 where the step counts, else 0. The answer of a sample is the mean of the
 * outputs over the steps that count, its targets are those of the last such step; with -DHN_EVERY_STEP each step that
 * counts has an answer of its own. Output: a line an answer, outputs and targets as numbers of four decimals,
 * then how many answers there were.
 */
#include "hn_text.h"
#include "network.h"

#define DECIMALS 4
#define UNIT 10000

/* Fraction bits of each output. */
static const int32_t fraction[HN_OUTPUTS] = HN_FRACTIONS;
/* Targets of steps that the outputs have not seen yet. */
static int32_t target[HN_TAIL + 1][HN_OUTPUTS];
static uint8_t counts[HN_TAIL + 1];
static int64_t sum[HN_OUTPUTS];
static int32_t wanted[HN_OUTPUTS];
static int32_t answered;

/* A sum over some steps, divided by their number, as a decimal number. */
static void put_real(int64_t total, int32_t steps, int32_t bits) {
    const int64_t whole = (int64_t)steps << bits, size = (total < 0 ? -total : total) * UNIT;
    const int64_t value = (size + whole / 2) / whole;
    if (total < 0 && value > 0) {
        hn_put('-');
    }
    put_integer((int32_t)(value / UNIT));
    hn_put('.');
    for (int32_t k = 0, unit = UNIT / 10, left = (int32_t)(value % UNIT); k < DECIMALS; k++, unit /= 10) {
        hn_put((char)('0' + left / unit % 10));
    }
    hn_put(' ');
}

static void put_answer(int32_t steps) {
    answered++;
    put_text("output ");
    for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
        put_real(sum[k], steps, fraction[k]);
    }
    put_text("target ");
    for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
        put_real(wanted[k], 1, fraction[k]);
    }
    hn_put('\n');
}

static void clear(void) {
    for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
        sum[k] = 0;
    }
}

static void add_outputs(uint32_t due) {
    for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
        sum[k] += hn_output()[k];
        wanted[k] = target[due][k];
    }
}

static void put_sample(void) {
    put_text("sample ");
    put_integer(sample);
}

int main(void) {
    static int32_t input[HN_INPUTS];
    int32_t steps;
    for (; get_number("number of steps", 0, INT32_MAX - (int32_t)HN_TAIL, &steps); sample++) {
        int32_t counted = 0;
        hn_reset();
        clear();
        for (step = 0; step < steps + (int32_t)HN_TAIL; step++) {
            const uint32_t slot = (uint32_t)step % (HN_TAIL + 1u), due = (uint32_t)(step + 1) % (HN_TAIL + 1u);
            for (uint32_t i = 0; i < HN_INPUTS; i++) {
                input[i] = step < steps ? need_number("input value", HN_INPUT_LOW, HN_INPUT_LIMIT) : 0;
            }
            for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
                target[slot][k] = step < steps ? need_number("target", INT32_MIN, INT32_MAX) : 0;
            }
            counts[slot] = step < steps ? (uint8_t)need_number("counts", 0, 1) : 0;
            hn_step(input);
            if (step >= (int32_t)HN_TAIL && counts[due]) {
                add_outputs(due);
                counted++;
#ifdef HN_EVERY_STEP
                put_sample();
                put_text(", step ");
                put_integer(step - (int32_t)HN_TAIL);
                put_text(": ");
                put_answer(1);
                clear();
#endif
            }
        }
        step = -1;
#ifndef HN_EVERY_STEP
        put_sample();
        put_text(": ");
        if (counted > 0) {
            put_answer(counted);
        } else {
            put_text("no step counts\n");
        }
#else
        (void)counted;
#endif
    }
    put_number(answered);
    put_text("answers\n");
    hn_flush();
    return 0;
}
