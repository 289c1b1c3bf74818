static void learn_$i(void) {
    struct hn_learn_run *run = &hn_learn_run;
$slot
    for (int32_t i = 0; i < $n; i++) {
        int64_t p[$np_learning], before[$d], after[$d], j[$size];
        const int64_t current[$currents_of_one] = {$current};
        load_$i(i, p);
$of_learning
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
