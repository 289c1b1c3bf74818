/* $title
 *
 * Learns on the device as hypr_neuro.sim.learning.learner does, bit for bit. In place of hn_ functions for a network that stays
 * as it is, or beside them. Call hn_learn_reset once. Then, for every sample,
 *
 *     hn_learn_begin();
 *     for (each step) $call;
 *     while (hn_learn_tail()) {}                what is on its way arrives, then weights change
 *
 * or, for a stream without end, hn_learn_begin once and $name for ever$stream.
 * After every step hn_learn_output holds the readout, HN_LEARN_DELAY steps behind the input.
 */
#ifndef HN_LEARN_H
#define HN_LEARN_H

#include <stdint.h>

enum {
    HN_LEARN_INPUTS = $inputs,
    HN_LEARN_OUTPUTS = $outputs,
    HN_LEARN_DELAY = $delay,
    HN_LEARN_TAIL = $tail,
    /* largest magnitude of an input value for which no sum can overflow, whatever the weights become */
    HN_LEARN_INPUT_LIMIT = $largest
};

/* What learning changes: weights [neuron][source], integers of neurons. A copy of it keeps what was learned; copied
 * back after hn_learn_reset, learning goes on from there. */
struct hn_learned {
$learned
};

/* What updates remember: gradients, momentum, residuals, the rule's own numbers, counts. */
struct hn_learn_memory {
$memory
};

/* What a sample starts without: states, eligibilities, and what waits. */
struct hn_learn_run {
$run
};

/* X(type, array, entries) for every array of hn_learned. */
#define HN_LEARNED(X) \
$arrays

extern struct hn_learned hn_learned;
extern struct hn_learn_memory hn_learn_memory;
extern struct hn_learn_run hn_learn_run;

/* What is learned from: 0 labels, 1 targets, 2 errors. */
#define HN_LEARN_TARGETS $targets

#ifdef HN_LEARN_COUNTS
/* Counted so far: numbers that were clipped, by layer; weights that ended at their limit and that changed, steps below half
 * a unit and all that were not 0; events of each layer's states, which hn_learn_infer counts, too. */
extern struct hn_learn_counts {
    uint32_t signals, jacobians[$layers], eligibilities[$layers], accumulators[$layers];
    uint32_t saturated, changed, small, seen;
$events
} hn_learn_counts;
#endif

/* Start weights, the rates of the options, nothing remembered. */
void hn_learn_reset(void);

/* Size of changes of weights and of neuron parameters, with 16 fraction bits, 0 to 2^27. */
void hn_learn_rate(int32_t weights, int32_t parameters);

/* Zero states and eligibilities: a sample or a stream starts. */
void hn_learn_begin(void);

$step

/* One step after a sample's last; 0 when there is none left: then $update. */
int hn_learn_tail(void);

/* One step without learning; begin with hn_learn_begin, and again before learning goes on. */
void hn_learn_infer(const int32_t input[HN_LEARN_INPUTS]);

/* The readout after the last step, [HN_LEARN_OUTPUTS]. */
const $output *hn_learn_output(void);

#endif
