"""C text of an update: the rule of `sim.updates`, momentum, stochastic rounding, changed weights and neurons.

The rule's `steps` becomes C from its syntax tree (`loops`); each step is taken off where it arises, so that no array of
steps is kept.
"""

from __future__ import annotations

from hypr_neuro.compilers.c.learning.layer import lines, template
from hypr_neuro.compilers.c.learning.memory import weight_kind, word
from hypr_neuro.compilers.c.learning.plan import Plan, Tensor
from hypr_neuro.compilers.c.loops import CArray, Loops, LoopTranslator, Sink
from hypr_neuro.compilers.c.names import c_name
from hypr_neuro.errors import InputError
from hypr_neuro.sim.learning.reference_update import STEP_FRACTION
from hypr_neuro.sim.learning.updates import UPDATES


def rule_loops(plan: Plan) -> Loops:
    """The update rule as a C function of a tensor and a rate."""
    rule = UPDATES[plan.options.rule]
    states = [CArray(f"hn_tensor->state[{k}][{{0}}]", ()) for k in range(len(rule.state(1, 1)))]
    return LoopTranslator(
        rule.steps,
        "static void rule(const struct tensor *hn_tensor, int64_t rate)",
        arrays={
            "gradient": CArray(
                "hn_tensor->gradient[{0} * hn_tensor->stride + {1}]", ("hn_tensor->n", "hn_tensor->m"), narrow=True
            )
        },
        given={"limit": plan.options.limit, "average_shift": plan.options.average_shift},
        tuples={"state": states},
        sink=Sink("step", "hn_take(hn_tensor, {0}, {1}, {2});"),
    ).translated()


def update_text(plan: Plan, loops: Loops) -> str:
    """Everything from the table of what learns to `update`."""
    rules = plan.qnet.profile.learning
    residual, momentum = rules.residual_bits.value, plan.options.momentum
    states, parameters = len(UPDATES[plan.options.rule].state(1, 1)), any(t.parameter for t in plan.tensors)
    return template(
        "hn_learn_update.c",
        gradient_type=word(rules.accumulator_bits.value),
        weight_type=weight_kind(plan),
        state_field=lines(1, [f"int64_t *state[{states}];"] if states else []),
        momentum_field=lines(1, [f"{word(rules.momentum_bits.value)} *momentum;"] if momentum else []),
        residual_field=lines(1, [f"{word(residual)} *residual;"] if residual else []),
        change_field=lines(1, ["int32_t *change;"] if parameters else []),
        count=len(plan.tensors),
        tensors=lines(1, [_entry(plan, t, residual) for t in plan.tensors]),
        momentum=lines(1, _momentum(plan) if momentum else []),
        parameter=lines(1, _parameter(plan) if parameters else []),
        seed=plan.options.seed,
        weight=lines(2, _weight(plan, residual)),
        rule=_scratch(plan, loops) + loops.text,
        neurons="\n".join(_neurons(plan, i) for i, layer in enumerate(plan.layers) if layer.parameters),
        rate="tensors[k].change ? hn_learn_memory.parameter_rate : hn_learn_memory.weight_rate"
        if parameters
        else "hn_learn_memory.weight_rate",
        after=lines(1, _after(plan)),
    )


def _entry(plan: Plan, t: Tensor, residual: int) -> str:
    """One row of the table."""
    memory, sources = "hn_learn_memory.", plan.layers[t.layer].synapses
    if t.parameter:
        stride, gradient = len(plan.layers[t.layer].parameters), f"parameter_gradient_{t.layer}[0][{t.first}]"
    else:
        stride, gradient = sources, f"gradient_{t.layer}[0][{t.first}]"
    states = [f"{memory}{name}_{t.label}" for name in UPDATES[plan.options.rule].state(t.rows, t.columns)]
    parts = [f".gradient = &{memory}{gradient}"]
    if states:
        parts.append(f".state = {{{', '.join(states)}}}")
    if plan.options.momentum:
        parts.append(f".momentum = {memory}momentum_{t.label}[0]")
    if t.parameter:
        parts.append(f".change = {memory}change_{t.layer}[{t.first}]")
    else:
        parts.append(f".weight = &hn_learned.weight_{t.layer}[0][{t.first}]")
        parts += [f".residual = {memory}residual_{t.label}[0]"] * bool(residual)
    parts.append(f".number = {t.number}, .n = {t.rows}, .m = {t.columns}, .stride = {stride}")
    return f"{{{', '.join(parts)}}},"


def _momentum(plan: Plan) -> list[str]:
    bits, mu = plan.qnet.profile.learning.momentum_bits.value, plan.options.momentum
    return [
        f"step = hn_sat(t->momentum[place] + hn_shr_nearest(step - t->momentum[place], {mu}), {bits});",
        f"t->momentum[place] = ({word(bits)})step;",
    ]


def _parameter(plan: Plan) -> list[str]:
    draw = f"hn_draw32({plan.options.seed}, hn_learn_memory.updates, t->number, place)"
    return [
        "if (t->change) {",
        f"    t->change[place] = (int32_t)hn_shr_stochastic(step, {STEP_FRACTION}, {draw});",
        "    return;",
        "}",
    ]


def _weight(plan: Plan, residual: int) -> list[str]:
    bits, kind = plan.qnet.profile.precision.weight_bits.value, weight_kind(plan)
    change = f"hn_shr_stochastic(step, {STEP_FRACTION - residual}, draw)"
    if not residual:
        return [f"*weight = ({kind})hn_sat(*weight - {change}, {bits});"]
    top = ((1 << (bits - 1)) - 1) << residual
    return [
        f"const int64_t full = hn_shl(*weight, {residual}) + t->residual[place] - {change};",
        f"const int64_t kept = hn_min(hn_max(full, -INT64_C({top})), INT64_C({top}));",
        f"*weight = ({kind})hn_shr_nearest(kept, {residual});",
        f"t->residual[place] = ({word(residual)})(kept - hn_shl(*weight, {residual}));",
    ]


def _scratch(plan: Plan, loops: Loops) -> str:
    """Static arrays of the rule, as long as any tensor needs them."""
    text = ""
    for name, length in loops.scratch.items():
        most = max(eval_length(length, t) for t in plan.tensors)
        text += f"static int64_t hn_scratch_{name}[{most}];\n"
    return f"{text}\n" if text else ""


def eval_length(length: str, t: Tensor) -> int:
    """Length of a rule's own array for a tensor, whose rows and columns the rule calls n and m."""
    known = {"n": t.rows, "m": t.columns, "max(n, m)": max(t.rows, t.columns), "n * m": t.rows * t.columns}
    if length not in known:
        raise InputError(f"update rule: np.zeros of {length} numbers cannot become C, rule: {', '.join(known)}")
    return known[length]


def _neurons(plan: Plan, i: int) -> str:
    """Function that takes changes off the neuron parameters of a layer."""
    layer = plan.layers[i]
    model = layer.layer.model
    assert model.learned is not None
    rows = len(model.fixed_per_neuron)
    taken = [f"change[{j}] = hn_learn_memory.change_{i}[{q}][i];" for q, j in enumerate(layer.parameters)]
    return template(
        "hn_learn_neurons.c",
        i=i,
        n=layer.layer.size,
        np=rows + len(model.fixed_constants),
        count=len(model.trainable),
        rows=rows,
        taken=lines(2, taken),
        change_of=c_name(model.learned.change),
    )


def _after(plan: Plan) -> list[str]:
    """Neurons change, gradients start anew."""
    found = [f"change_neurons_{i}();" for i, layer in enumerate(plan.layers) if layer.parameters]
    for i, layer in enumerate(plan.layers):
        names = [f"gradient_{i}"] * layer.learns + [f"parameter_gradient_{i}"] * bool(layer.parameters)
        found += [f"memset(hn_learn_memory.{name}, 0, sizeof hn_learn_memory.{name});" for name in names]
    return found
