/* $name: $n $model neurons; $fan sources: $sources */

static void load_$i(int32_t i, int64_t p[$np]) {
$load
}

static void forward_$i(const $below_type below[$inputs]) {
    struct hn_learn_run *run = &hn_learn_run;
$before
    memcpy(run->sent_before_$i, run->sent_$i, sizeof run->sent_$i);
    for (int32_t k = 0; k < $inputs; k++) {
        run->pre_$i[k] = below[k];
    }
$fill
    for (int32_t i = 0; i < $n; i++) {
        const $weight_type *row = $weights[i];
        int64_t p[$np], s[$d], current[1] = {0}, events;
$currents
        load_$i(i, p);
        for (int32_t k = 0; k < $d; k++) {
            s[k] = run->state_$i[i][k];
        }
        run->sent_$i[i] = ($sent_type)$step(s, run->sent_before_$i[i], current, p, s, &events);
        for (int32_t k = 0; k < $d; k++) {
            run->state_$i[i][k] = ($state_type)s[k];
        }
$keep
    }
}
