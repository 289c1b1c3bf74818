/* Runs the network over samples of text, on a computer or, with semihosting, on a board.
 *
 * Input: integers, blanks or lines between them. A sample is its number of steps, then HN_INPUTS values a step; it
 * starts from zero states, and HN_TAIL steps without input follow it. Output: a line a step with hn_output(); compiled
 * with -DHN_TRACE, the states and what was sent of every population instead; with -DHN_EVENTS, after each sample a line
 * with the counts of every population's events. With -DHN_TICKS no more than a line a sample: what hn_ticks() counted
 * during its steps. Values outside of HN_INPUT_LOW to HN_INPUT_LIMIT and all that is no such text end the program, see
 * hn_text.h.
 */
#include "hn_text.h"
#include "network.h"

#define PUT(from, count)                       \
    for (uint32_t k = 0; k < (count); k++) {   \
        put_number((from)[k]);                 \
    }
#define PUT_POPULATION(i)                              \
    PUT(hn_state_##i(), HN_STATES_##i * HN_SIZE_##i)   \
    PUT(hn_sent_##i(), HN_SIZE_##i)

static void put_step(void) {
#if defined(HN_TICKS)
#elif defined(HN_TRACE)
    HN_POPULATIONS(PUT_POPULATION)
    hn_put('\n');
#else
    PUT(hn_output(), HN_OUTPUTS)
    hn_put('\n');
#endif
}

static void put_events(void) {
#ifdef HN_EVENTS
#define PUT_EVENTS(i) PUT((const int32_t *)hn_events_##i(), HN_EVENTS_##i)
    HN_POPULATIONS(PUT_EVENTS)
    hn_put('\n');
#endif
}

static uint32_t ticks;

static void put_ticks(void) {
#ifdef HN_TICKS
    put_number((int32_t)ticks);
    hn_put('\n');
#endif
    ticks = 0;
}

int main(void) {
    static int32_t input[HN_INPUTS];
    int32_t steps;
    for (; get_number("number of steps", 0, INT32_MAX - HN_TAIL, &steps); sample++) {
        hn_reset();
        for (step = 0; step < steps + HN_TAIL; step++) {
            for (uint32_t i = 0; i < HN_INPUTS; i++) {
                input[i] = step < steps ? need_number("input value", HN_INPUT_LOW, HN_INPUT_LIMIT) : 0;
            }
            const uint32_t start = hn_ticks();
            hn_step(input);
            ticks += (hn_ticks() - start) & 0xffffffu;
            put_step();
        }
        put_events();
        put_ticks();
        step = -1;
    }
    hn_flush();
    return 0;
}
