static void learn_$i(void) {
    struct hn_learn_run *run = &hn_learn_run;
$slot
    for (int32_t i = 0; i < $n; i++) {
        int64_t p[$np], before[$d], after[$d], j[$size];
        const int64_t current[1] = {run->current_$i[i]};
        load_$i(i, p);
        for (int32_t k = 0; k < $d; k++) {
            before[k] = run->before_$i[i][k];
            after[k] = run->state_$i[i][k];
        }
$psi
        $jacobian(before, after, run->sent_before_$i[i], current, p, psi, j);
$entries
        HN_FACTOR g = run->signal_$i[i];
$gain$synapses$parameters
    }
$advance
}
