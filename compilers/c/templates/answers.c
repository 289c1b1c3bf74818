/* Answers samples of text and counts how many are right, on a computer or, with semihosting, on a board.
 *
 * Input: as that of learn_main.c. A sample is its number of steps, then for each step HN_INPUTS values, the label, and 1
 * where the step counts, else 0. The answer of a sample is the largest sum of outputs over the steps that count, its label
 * that of the last such step; with -DHN_EVERY_STEP each step that counts has an answer of its own, its largest output. Of
 * equal ones the first counts. Output: a line a sample, then how many answers were right.
 */
#include "hn_text.h"
#include "network.h"

/* Labels of steps that the outputs have not seen yet. */
static int32_t label[HN_TAIL + 1];
static uint8_t counts[HN_TAIL + 1];
static int64_t sum[HN_OUTPUTS];
static int32_t right, answered;

static int32_t largest(void) {
    int32_t best = 0;
    for (int32_t k = 1; k < (int32_t)HN_OUTPUTS; k++) {
        if (sum[k] > sum[best]) {
            best = k;
        }
    }
    return best;
}

static void clear(void) {
    for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
        sum[k] = 0;
    }
}

static void add_outputs(void) {
    for (uint32_t k = 0; k < HN_OUTPUTS; k++) {
        sum[k] += hn_output()[k];
    }
}

static void judge(int32_t wanted) {
    right += largest() == wanted;
    answered++;
}

static void put_share(int32_t good, int32_t all) {
    put_number(good);
    put_text("of ");
    put_number(all);
    put_text("right\n");
}

int main(void) {
    static int32_t input[HN_INPUTS];
    int32_t steps;
    for (; get_number("number of steps", 0, INT32_MAX - (int32_t)HN_TAIL, &steps); sample++) {
        int32_t wanted = -1;
        const int32_t right_before = right, answered_before = answered;
        hn_reset();
        clear();
        for (step = 0; step < steps + (int32_t)HN_TAIL; step++) {
            const uint32_t slot = (uint32_t)step % (HN_TAIL + 1u), due = (uint32_t)(step + 1) % (HN_TAIL + 1u);
            for (uint32_t i = 0; i < HN_INPUTS; i++) {
                input[i] = step < steps ? need_number("input value", HN_INPUT_LOW, HN_INPUT_LIMIT) : 0;
            }
            label[slot] = step < steps ? need_number("label", INT32_MIN, INT32_MAX) : -1;
            counts[slot] = step < steps ? (uint8_t)need_number("counts", 0, 1) : 0;
            hn_step(input);
            if (step >= (int32_t)HN_TAIL && counts[due]) {
#ifdef HN_EVERY_STEP
                clear();
                add_outputs();
                judge(label[due]);
#else
                add_outputs();
#endif
                wanted = label[due];
            }
        }
        step = -1;
        put_text("sample ");
        put_integer(sample);
#ifdef HN_EVERY_STEP
        put_text(": ");
        put_share(right - right_before, answered - answered_before);
        (void)wanted;
#else
        judge(wanted);
        put_text(": answer ");
        put_number(largest());
        put_text("label ");
        put_number(wanted);
        put_text(right > right_before ? "right\n" : "wrong\n");
        (void)answered_before;
#endif
    }
    put_share(right, answered);
    hn_flush();
    return 0;
}
