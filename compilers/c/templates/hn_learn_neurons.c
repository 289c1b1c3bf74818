static void change_neurons_$i(void) {
    for (int32_t i = 0; i < $n; i++) {
        int64_t p[$np], change[$count] = {0}, changed[$rows];
        load_$i(i, p);
$taken
        $change_of(p, change, changed);
        for (int32_t k = 0; k < $rows; k++) {
            hn_learned.neuron_$i[k][i] = (int32_t)changed[k];
        }
    }
}
