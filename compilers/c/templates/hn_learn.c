/* $title */
#include "learn.h"

#include <string.h>

#include "hn_fixed.h"

$functions
#ifdef HN_LEARN_COUNTS
struct hn_learn_counts hn_learn_counts;
#define HN_COUNT(counter, condition) (hn_learn_counts.counter += (uint32_t)(condition))
#else
#define HN_COUNT(counter, condition) ((void)0)
#endif

/* What a loop over synapses multiplies by. Arm multiplies 32 by 32 to 64 bits in one instruction, which gcc gives up where
 * it widens a factor ahead of the loop; read from memory each time, it cannot. */
#if defined(__GNUC__) && defined(__arm__)
#define HN_FACTOR const volatile int32_t
#else
#define HN_FACTOR const int32_t
#endif

struct hn_learned hn_learned;
struct hn_learn_memory hn_learn_memory;
struct hn_learn_run hn_learn_run;

enum {
    LONGEST = 1 << 30,
    ENDLESS = LONGEST + (1 << 29)
};

$tables
/* A clipped entry of a Jacobian. */
static inline int32_t entry(int64_t x) {
    return (int32_t)hn_sat(x, $entry_bits);
}

/* A clipped eligibility. */
static inline int32_t eligible(int64_t x) {
    return (int32_t)hn_sat(x, $eligibility_bits);
}

static inline int32_t clip(int32_t x, int32_t top) {
    return x > top ? top : x < -top ? -top : x;
}

$layers
/* The readout's error in this step, to its signals. */
$error
/* Whether a layer learns in this step: within its own steps of a sample. */
static inline int inside(int32_t latency, int32_t wait) {
    const int32_t step = hn_learn_run.now - latency;
    return step >= 0 && step < hn_learn_run.length + wait;
}

$update
static void forward(const int32_t input[HN_LEARN_INPUTS]) {
    struct hn_learn_run *run = &hn_learn_run;
$forward
}

static void learn($told) {
    struct hn_learn_run *run = &hn_learn_run;
$learn
}

static void tick(void) {
    if (hn_learn_run.now < LONGEST) {
        hn_learn_run.now++;
    }
}

void hn_learn_reset(void) {
    hn_learned = start;
    memset(&hn_learn_memory, 0, sizeof hn_learn_memory);
    hn_learn_rate($weight_rate, $parameter_rate);
    hn_learn_begin();
}

void hn_learn_rate(int32_t weights, int32_t parameters) {
    hn_learn_memory.weight_rate = weights;
    hn_learn_memory.parameter_rate = parameters;
}

void hn_learn_begin(void) {
    memset(&hn_learn_run, 0, sizeof hn_learn_run);
    hn_learn_run.length = ENDLESS;
}

$step

int hn_learn_tail(void) {
    static const int32_t silent[HN_LEARN_INPUTS];
    if (!hn_learn_run.ended) {
        hn_learn_run.ended = 1;
        hn_learn_run.length = hn_learn_run.now;
    }
    if (hn_learn_run.now < hn_learn_run.length + HN_LEARN_TAIL) {
        $silent_step
        return 1;
    }
$after_sample
    return 0;
}

void hn_learn_infer(const int32_t input[HN_LEARN_INPUTS]) {
    forward(input);
    tick();
}

const $output *hn_learn_output(void) {
    return hn_learn_run.$result;
}
