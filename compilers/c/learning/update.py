"""C text of an update: the rule of `sim.learning.updates`, momentum, stochastic rounding, changed weights and neurons.

The rule's `steps` becomes C from its syntax tree (`loops`); each step is taken off where it arises, so that no array of
steps is kept.
"""

from __future__ import annotations

import re

from hypr_neuro.compilers.c.learning.field import word
from hypr_neuro.compilers.c.learning.memory import label
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.learning.text import lines, template
from hypr_neuro.compilers.c.loops import CArray, Loops, LoopTranslator, Sink
from hypr_neuro.compilers.c.names import c_name
from hypr_neuro.errors import InputError
from hypr_neuro.sim.learning.layer_plan import Tensor
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.update import momentum_step, rounded_step, weight_step
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.sim.learning.updates.base import STEP_FRACTION


def rule_loops(plan: LearningPlan) -> Loops:
    """Translate the update rule to a C function of a tensor and a rate."""
    rule = UPDATES[plan.options.rule]
    places = {1: "{0}", 2: "{0} * hn_tensor->m + {1}"}
    states = [
        CArray(f"hn_tensor->state[{k}][{places[len(shape)]}]", ()) for k, shape in enumerate(rule.shapes(1, 1).values())
    ]
    shape = ("hn_tensor->n", "hn_tensor->m")
    return LoopTranslator(
        rule.steps,
        "static void rule(const struct tensor *hn_tensor, int64_t rate)",
        arrays={"gradient": CArray("hn_tensor->gradient[{0} * hn_tensor->stride + {1}]", shape, narrow=True)},
        given={"limit": plan.options.limit, "average_shift": plan.options.average_shift},
        tuples={"state": states},
        sink=Sink("step", "hn_take(hn_tensor, {0}, {1}, {2});", shape),
    ).translated()


def update_text(program: LearningProgram, loops: Loops) -> str:
    """Write everything from the table of tensors that learn to the function `update`."""
    plan = program.plan
    residual, momentum = plan.residual_bits, plan.options.momentum
    states, parameters = len(UPDATES[plan.options.rule].shapes(1, 1)), any(t.parameter for t in plan.tensors)
    return template(
        "hn_learn_update.c",
        gradient_type=program.gradient_kind,
        bits_field=lines(1, ["int32_t bits; /* of a weight */"] if program.several_widths else []),
        weight_type=program.weight_kind,
        state_field=lines(1, [f"int64_t *state[{states}];"] if states else []),
        momentum_field=lines(1, [f"{word(plan.momentum_bits)} *momentum;"] if momentum else []),
        residual_field=lines(1, [f"{word(residual)} *residual;"] if residual else []),
        change_field=lines(1, ["int32_t *change;"] if parameters else []),
        count=len(plan.tensors),
        tensors=lines(1, [_entry(program, t, residual) for t in plan.tensors]),
        momentum=lines(1, _momentum(plan) if momentum else []),
        parameter=lines(1, _parameter(plan) if parameters else []),
        weight=lines(2, _weight(program, residual)),
        rule=_scratch(plan, loops) + loops.text,
        neurons="\n".join(_neurons(plan, i) for i, layer in enumerate(plan.layers) if layer.parameters),
        rate="tensors[k].change ? hn_learn_memory.parameter_rate : hn_learn_memory.weight_rate"
        if parameters
        else "hn_learn_memory.weight_rate",
        after=lines(1, _after(program)),
    )


def _entry(program: LearningProgram, t: Tensor, residual: int) -> str:
    """Write one row of the table."""
    plan, memory = program.plan, "hn_learn_memory."
    weight, gradient, stride = _place(program, t)
    shapes = UPDATES[plan.options.rule].shapes(*t.shape)
    states = [f"{memory}{name}_{label(t)}{'[0]' * (len(shape) - 1)}" for name, shape in shapes.items()]
    parts = [f".gradient = &{memory}{gradient}"]
    if states:
        parts.append(f".state = {{{', '.join(states)}}}")
    if plan.options.momentum:
        parts.append(f".momentum = {memory}momentum_{label(t)}[0]")
    if t.parameter:
        parts.append(f".change = {memory}change_{t.layer}[{t.first}]")
    else:
        parts.append(f".weight = &hn_learned.{weight}")
        parts += [f".residual = {memory}residual_{label(t)}[0]"] * bool(residual)
    parts += [f".bits = {t.weight_bits}"] * (program.several_widths and not t.parameter)
    parts.append(f".number = {t.number}, .n = {t.rows}, .m = {t.columns}, .stride = {stride}")
    return f"{{{', '.join(parts)}}},"


def _place(program: LearningProgram, t: Tensor) -> tuple[str, str, int]:
    """Return in C the first weight and the first gradient of what learns, and from one row of gradients to the next."""
    i = t.layer
    if t.parameter:
        return "", f"parameter_gradient_{i}[0][{t.first}]", len(program.plan.layers[i].parameters)
    c = program.plan.layers[i].incoming[t.incoming]
    part, each = program.row_part(i, c), program.list_of(i, c)
    if part is not None:
        cell = f"{i}[0][{part.first}]"
        return f"weight_{cell}", f"gradient_{cell}", program.inputs[i].width
    assert each is not None
    return f"weight_{each.name}[0]", f"gradient_{each.name}[0]", 1


def _momentum(plan: LearningPlan) -> list[str]:
    bits, mu = plan.momentum_bits, plan.options.momentum
    return [
        f"step = {c_name(momentum_step)}(step, t->momentum[place], {mu}, {bits});",
        f"t->momentum[place] = ({word(bits)})step;",
    ]


def _parameter(plan: LearningPlan) -> list[str]:
    return [
        "if (t->change) {",
        f"    t->change[place] = (int32_t){c_name(rounded_step)}(step, 0, {_random(plan)});",
        "    return;",
        "}",
    ]


def _random(plan: LearningPlan) -> str:
    """Write the words of the random counter."""
    return f"{plan.options.seed}, hn_learn_memory.updates, t->number, place"


def _weight(program: LearningProgram, residual: int) -> list[str]:
    plan, kind = program.plan, program.weight_kind
    left = "t->residual[place]" if residual else "0"
    bits = "t->bits" if program.several_widths else next(t.weight_bits for t in plan.tensors if not t.parameter)
    unit = 1 << (STEP_FRACTION - residual)  # of what a weight keeps
    text = [
        "int64_t changed[3];",
        f"{c_name(weight_step)}(*weight, {left}, step, {bits}, {residual}, {_random(plan)}, changed);",
        "HN_COUNT(seen, 1);",
        f"HN_COUNT(small, 2 * step < {unit} && -2 * step < {unit});",
        "HN_COUNT(saturated, changed[2] != 0);",
        "HN_COUNT(changed, changed[0] != *weight);",
        f"*weight = ({kind})changed[0];",
    ]
    return text + [f"t->residual[place] = ({word(residual)})changed[1];"] * bool(residual)


def _scratch(plan: LearningPlan, loops: Loops) -> str:
    """Write static arrays of the rule, as long as any tensor needs them."""
    text = ""
    for name, length in loops.scratch.items():
        most = max(eval_length(length, t) for t in plan.tensors)
        text += f"static int64_t hn_scratch_{name}[{most}];\n"
    return f"{text}\n" if text else ""


def eval_length(length: str, t: Tensor) -> int:
    """Evaluate the length of a rule's array for a tensor; ``gradient.shape[0]`` in it is rows, [1] columns."""
    n, m = t.rows, t.columns
    known = {"n": n, "m": m, "max(n, m)": max(n, m), "max(m, n)": max(n, m), "n * m": n * m, "m * n": n * m}
    # a name n of the rule is none of these: it would stand as a length of the gradient, were it one
    wanted = re.sub(r"\b\w+\.shape\[([01])\]", lambda found: "nm"[int(found[1])], re.sub(r"\b[nm]\b", "_", length))
    if wanted not in known:
        rule = f"{', '.join(known)} of n, m = gradient.shape"
        raise InputError(f"update rule: np.zeros of {length} numbers cannot become C, rule: {rule}")
    return known[wanted]


def _neurons(plan: LearningPlan, i: int) -> str:
    """Write the function that takes changes off the neuron parameters of a layer."""
    layer = plan.layers[i]
    model = layer.model
    assert model.learned is not None
    rows = len(model.fixed_per_neuron)
    taken = [f"change[{p.place}] = hn_learn_memory.change_{i}[{q}][i];" for q, p in enumerate(layer.parameters)]
    return template(
        "hn_learn_neurons.c",
        i=i,
        n=layer.size,
        np=rows + len(model.fixed_constants),
        count=len(model.trainable),
        rows=rows,
        taken=lines(2, taken),
        change_of=c_name(model.learned.change),
    )


def _after(program: LearningProgram) -> list[str]:
    """Write what follows the rule: neurons change, gradients start anew."""
    layers = program.plan.layers
    text = [f"change_neurons_{i}();" for i, layer in enumerate(layers) if layer.parameters]
    for i, (layer, inputs) in enumerate(zip(layers, program.inputs, strict=True)):
        names = [f"gradient_{i}"] * (layer.learns and bool(inputs.rows))
        names += [f"gradient_{each.name}" for each in inputs.lists]
        names += [f"parameter_gradient_{i}"] * bool(layer.parameters)
        text += [f"memset(hn_learn_memory.{name}, 0, sizeof hn_learn_memory.{name});" for name in names]
    return text
