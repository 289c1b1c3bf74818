/* Runs the network over samples of text, on a computer or, with semihosting, on a board.
 *
 * Input: integers, blanks or lines between them. A sample is its number of steps, then HN_INPUTS values a step; it
 * starts from zero states, and HN_TAIL steps without input follow it. Output: a line a step with hn_output(); compiled
 * with -DHN_TRACE, the states and what was sent of every population instead; with -DHN_EVENTS, after each sample a line
 * with the counts of every population's events. With -DHN_TICKS no more than a line a sample: what hn_ticks() counted
 * during its steps.
 */
#include "hn_io.h"
#include "network.h"

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
    for (;;) {
        const int32_t steps = get_number();
        if (failed) {
            break;
        }
        hn_reset();
        for (int32_t t = 0; t < steps + HN_TAIL; t++) {
            for (uint32_t i = 0; i < HN_INPUTS; i++) {
                input[i] = t < steps ? get_number() : 0;
            }
            if (failed) {
                hn_flush();
                return 1;
            }
            const uint32_t start = hn_ticks();
            hn_step(input);
            ticks += (hn_ticks() - start) & 0xffffffu;
            put_step();
        }
        put_events();
        put_ticks();
    }
    hn_flush();
    return 0;
}
