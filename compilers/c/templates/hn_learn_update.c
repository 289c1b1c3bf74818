/* What the update rule changes: n x m gradients, in rows of `stride`. */
struct tensor {
    const $gradient_type *gradient;
$state_field
$momentum_field
    $weight_type *weight;
$residual_field
$change_field
    uint32_t number;
    int32_t n, m, stride;
$bits_field
};

static const struct tensor tensors[$count] = {
$tensors
};

/* Takes a step of the rule, with 16 fraction bits, off the entry (i, j). */
static void hn_take(const struct tensor *t, int64_t i, int64_t j, int64_t step) {
    const int64_t place = i * t->m + j;
$momentum
$parameter
    if (step != 0) {
        $weight_type *weight = t->weight + i * t->stride + j;
$weight
    }
}

$rule
$neurons
static void update(void) {
    for (int32_t k = 0; k < $count; k++) {
        rule(&tensors[k], $rate);
    }
$after
    hn_learn_memory.updates++;
}
