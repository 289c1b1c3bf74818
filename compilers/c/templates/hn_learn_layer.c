/* $name: $n $model neurons; $fan sources: $sources */

static void load_$i(int32_t i, int64_t p[$np]) {
$load
}

static void forward_$i($parameters) {
    struct hn_learn_run *run = &hn_learn_run;
$before
    memcpy(run->sent_before_$i, run->sent_$i, sizeof run->sent_$i);
$fill
    for (int32_t i = 0; i < $n; i++) {
$row
        int64_t p[$np], s[$d], current[$currents_of_one] = {0}, events;
$currents
        load_$i(i, p);
        for (int32_t k = 0; k < $d; k++) {
            s[k] = run->state_$i[i][k];
        }
        run->sent_$i[i] = ($sent_type)$step(s, run->sent_before_$i[i], current, p, s, &events);
        for (int32_t k = 0; k < $d; k++) {
            run->state_$i[i][k] = ($state_type)s[k];
        }
#ifdef HN_LEARN_COUNTS
        for (uint32_t k = 0; k < $events; k++) {
            hn_learn_counts.events_$i[k] += (uint32_t)(events >> k & 1);
        }
#endif
$keep
    }
}
