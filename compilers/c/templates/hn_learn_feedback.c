/* Signals of $below: what goes down from $name, over $over. */
static void feedback_$i(void) {
    for (int32_t k = 0; k < $inputs; k++) {
        int64_t total = 0;
        for (int32_t i = 0; i < $n; i++) {
            total += hn_learn_run.down[i] * $matrix[i][k];
        }
        total = hn_shr_nearest(total, $shift);
        hn_learn_run.signal_$under[k] = ($signal_type)hn_sat(total, $signal_bits);
        HN_COUNT(signals, hn_learn_run.signal_$under[k] != total);
    }
}
