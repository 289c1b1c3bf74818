/* Signals of $below: what goes down from $name, over $over. */
static void feedback_$way(void) {
    for (int32_t k = 0; k < $inputs; k++) {
        int64_t total = 0;
        for (int32_t i = 0; i < $n; i++) {
            total += hn_learn_run.$down[i] * $matrix[i][$column];
        }
        int64_t signal[2];
        hn_learning_signal(total, $shift, $signal_bits, signal);
        hn_learn_run.signal_$under[k] = ($signal_type)signal[0];
        HN_COUNT(signals, signal[1]);
    }
}
