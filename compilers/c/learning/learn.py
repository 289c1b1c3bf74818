"""A network that learns on the device, in C99: `learn.h` and `learn.c`, complete by themselves.

What they compute is what `sim.learning.learner.Learner` computes, bit for bit: outputs of every step, weights and
neuron parameters after every update. All memory is static and every number in the smallest type that holds its declared
bits (`memory`). Step functions, error and update rule come from their own syntax trees (`translate`, `loops`), so a new
neuron, error or rule stays one file. Input values must stay inside `HN_LEARN_INPUT_LIMIT`.

limits         what the words of C allow, beside the numbers of the `LearningPlan`
memory         the three structs that hold everything, and bytes by purpose
layer          a layer's step, Jacobian and feedback to the layer below
source         eligibility and gradient of a synapse or a neuron parameter, by running them on `symbols`
update         the rule, momentum, rounding; `tables` has the constants
build          builds and runs of the program of text; `library` loads the same C into Python
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypr_neuro.compilers import Emitted
from hypr_neuro.compilers.c.build import memory
from hypr_neuro.compilers.c.learning.build import SOURCES
from hypr_neuro.compilers.c.learning.layer import TEMPLATES, LayerText, lines, template
from hypr_neuro.compilers.c.learning.limits import input_limit, signal_queue
from hypr_neuro.compilers.c.learning.memory import fields, learned_arrays, memory_by_section, struct_text
from hypr_neuro.compilers.c.learning.tables import tables
from hypr_neuro.compilers.c.learning.update import rule_loops, update_text
from hypr_neuro.compilers.c.loops import CArray, Loops, LoopTranslator, helpers, writes_all
from hypr_neuro.compilers.c.translate import module
from hypr_neuro.errors import InputError
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.jit import tagged_functions
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.feedback import learning_signal
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.update import momentum_step, weight_step

HEADER, SOURCE, MAIN = "learn.h", "learn.c", "learn_main.c"
COPIED = (
    "hn_io.h",
    "hn_text.h",
    "host_io.c",
    "cortex_m4/startup.c",
    "cortex_m4/semihosting.c",
    "cortex_m4/mps2_an386.ld",
)
"""What `learn_main.c` is built with."""


def emit_learning(qnet: QuantizedNetwork, options: LearnOptions, folder: Path) -> Emitted:
    """Write what `write_learning` does, and measure it for the manifest.

    Under "learning" stand flash and RAM as `build.memory` tells them, and RAM by what it is for ("purpose"). A
    compiler is needed for the sizes only.
    """
    names = write_learning(qnet, options, folder)
    used = {"purpose": learning_memory_bytes(qnet, options)} | memory(folder, SOURCES)
    return Emitted(names, {"learning": used})


def write_learning(qnet: QuantizedNetwork, options: LearnOptions, folder: Path) -> list[str]:
    """Write `learn.h`, `learn.c` and what they include into `folder`; return the names of the files.

    A program that lets them learn from text (`learn_main.c`) on a computer or an emulated Cortex-M4 is among them.

    Raises
    ------
    InputError
        For options that do not fit the network, and for neurons, rules and errors that cannot become C.
    """
    # the package imports this module
    from hypr_neuro.compilers.c import fixed_header

    files = learning_source(qnet, options) | {
        "hn_fixed.h": fixed_header(),
        MAIN: (TEMPLATES / "hn_learn_main.c").read_text(encoding="utf-8"),
    }
    files |= {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in COPIED}
    for name, text in files.items():
        make_folder((folder / name).parent)
        write_text(folder / name, text)
    return list(files)


def learning_memory_bytes(qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, int]:
    """Count bytes of RAM by purpose: weights, parameters, eligibilities, gradients, rule, waiting, states, …."""
    return memory_by_section(LearningPlan(qnet, options))


def learning_source(qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, str]:
    """Write the text of the files, by name."""
    if not isinstance(qnet, QuantizedNetwork):
        raise InputError(
            f"network is of type {type(qnet).__name__}, rule: a quantized network (hn.quantize) to learn; "
            "a graph does not learn: quantize the layered network without --weight-groups, --target and "
            "--largest-weight"
        )
    plan = LearningPlan(qnet, options)
    options.refuse_noise("C")
    options.refuse_connections(qnet, "C")
    return {HEADER: _header(plan), SOURCE: _source(plan)}


def _title(plan: LearningPlan) -> str:
    names = ", ".join(f"{layer.name} {layer.size} {layer.model.name}" for layer in plan.layers)
    return f"{names}; profile {plan.qnet.profile.name}, rule {plan.options.rule}"


def _header(plan: LearningPlan) -> str:
    by_step = plan.options.update_on == "step"
    output = next(f.kind for f in fields(plan) if f.name == f"sent_{plan.last}")
    every = plan.options.update_every
    often = "" if every == 1 else f"with every {every}th sample "
    return template(
        "hn_learn.h",
        title=_title(plan),
        inputs=plan.qnet.inputs,
        outputs=plan.qnet.output_size,
        delay=plan.clock.tail,
        tail=plan.clock.learning_tail,
        largest=input_limit(plan),
        layers=len(plan.layers),
        output=output,
        stream="" if by_step else "; weights then stay (options: update_on)",
        update="the sample is over" if by_step else f"{often}weights have changed",
        arrays=learned_arrays(plan),
        learned=struct_text(plan, "learned"),
        memory=struct_text(plan, "memory"),
        run=struct_text(plan, "run"),
    )


def _source(plan: LearningPlan) -> str:
    error, rule, options = _error_loops(plan), rule_loops(plan), plan.options
    widths = plan.layers[-1].widths
    by_step = options.update_on == "step"
    return template(
        "hn_learn.c",
        title=_title(plan),
        functions=_functions(plan, [*error.calls, *rule.calls]),
        tables=tables(plan),
        entry_bits=widths.entry_bits,
        eligibility_bits=widths.eligibility_bits,
        layers="\n".join(LayerText(plan, i).text() for i in range(len(plan.layers))),
        error=error.text,
        update=update_text(plan, rule),
        forward=lines(1, _forward(plan)),
        learn=lines(1, _learn(plan)),
        weight_rate=as_rate(options.rate),
        parameter_rate=as_rate(options.parameter_rate),
        after_step=lines(1, _every(options, "update();") if by_step else []),
        after_sample=lines(1, _at_end(options)),
        output=next(f.kind for f in fields(plan) if f.name == f"sent_{plan.last}"),
        last=plan.last,
    )


def _functions(plan: LearningPlan, called: list[Callable[..., Any]]) -> str:
    """Write rules and step functions, each once."""
    wanted = list(called)
    for i, layer in enumerate(plan.layers):
        model = layer.model
        wanted.append(model.fixed_step)
        if plan.active(i):
            wanted += [model.fixed_jacobian] + ([model.psi_index] if model.psi_index is not None else [])
        if layer.parameters and model.learned is not None:
            wanted.append(model.learned.change)
    rules = [f for f in tagged_functions() if f.__module__ == fixed_point.__name__]
    return "\n".join([helpers(list(dict.fromkeys(wanted)), rules), module(_steps(plan), rules)])


def _steps(plan: LearningPlan) -> list[Callable[..., Any]]:
    """Return the functions that a learning signal and a step of the update rule go through."""
    functions: list[Callable[..., Any]] = [learning_signal] if plan.passes_down(plan.last) else []
    return functions + [momentum_step] * bool(plan.options.momentum) + [weight_step]


def _error_loops(plan: LearningPlan) -> Loops:
    """Translate the error of the readout to a C function of its outputs and the label."""
    output = next(f.kind for f in fields(plan) if f.name == f"sent_{plan.last}")
    return LoopTranslator(
        ERRORS[plan.error].integer,
        f"static void error_of(const {output} output[HN_LEARN_OUTPUTS], int64_t label)",
        arrays={
            "output": CArray("output[{0}]", (str(plan.qnet.output_size),), narrow=True),
            "error": CArray("hn_learn_run.error[{0}]", (str(plan.qnet.output_size),)),
            "table": CArray("error_table[{0}]", (), narrow=True),
        },
        given={"fraction": plan.layers[plan.last].widths.state_fraction, "bits": plan.error_bits},
    ).translated()


def _forward(plan: LearningPlan) -> list[str]:
    """Write a call of every layer, from the input up."""
    text = ["forward_0(input);"]
    if plan.layers[0].lag:
        text = ["forward_0(run->coming);", "memcpy(run->coming, input, sizeof run->coming);"]
    below = ["sent_before" if layer.lag else "sent" for layer in plan.layers]
    return text + [f"forward_{i}(run->{below[i]}_{i - 1});" for i in range(1, len(plan.layers))]


def _learn(plan: LearningPlan) -> list[str]:
    """Write the error, then each layer that signals reach, from the readout down."""
    last, delay, text = plan.last, plan.clock.tail, []
    if delay:
        text += [
            "const int32_t new_label = label;",
            "const int new_scored = scored != 0;",
            "label = run->label[run->label_slot];",
            "scored = run->scored[run->label_slot];",
            "run->label[run->label_slot] = new_label;",
            "run->scored[run->label_slot] = (uint8_t)new_scored;",
            f"run->label_slot = run->label_slot + 1 == {delay} ? 0 : run->label_slot + 1;",
        ]
    kind = next(f.kind for f in fields(plan) if f.name == f"signal_{last}")
    text += [
        "if (scored) {",
        # in Python an error starts from zeros at every step
        *([] if writes_all(ERRORS[plan.error].integer, "error") else ["    memset(run->error, 0, sizeof run->error);"]),
        f"    error_of(run->sent_{last}, label);",
        "}",
        "for (int32_t k = 0; k < HN_LEARN_OUTPUTS; k++) {",
        f"    run->signal_{last}[k] = ({kind})(scored ? run->error[k] : 0);",
        "}",
    ]
    for i in range(last, plan.lowest - 1, -1):
        # C adds the steps of the sample
        window = plan.clock.window(i, 0)
        text += [f"if (inside({window.first}, {window.steps})) {{", f"    learn_{i}();"]
        if plan.passes_down(i):
            text += ["} else {", "    memset(run->down, 0, sizeof run->down);"]
        text.append("}")
        if plan.passes_down(i):
            text.append(f"feedback_{i}();")
        if i == last and signal_queue(plan):
            text += _signal_queue_text(plan)
    return text


def _signal_queue_text(plan: LearningPlan) -> list[str]:
    """Write the ring buffer in which signals of the last hidden layer wait."""
    signal, n = f"run->signal_{plan.last - 1}[k]", plan.layers[-2].size
    kind = next(f.kind for f in fields(plan) if f.name == "late")
    return [
        f"for (int32_t k = 0; k < {n}; k++) {{",
        f"    const {kind} waited = run->late[run->late_slot][k];",
        f"    run->late[run->late_slot][k] = {signal};",
        f"    {signal} = waited;",
        "}",
        f"run->late_slot = run->late_slot + 1 == {signal_queue(plan)} ? 0 : run->late_slot + 1;",
    ]


def _every(options: LearnOptions, call: str) -> list[str]:
    """Write a call after every so many samples or steps."""
    if options.update_every == 1:
        return [call]
    return [
        f"if (++hn_learn_memory.since_update == {options.update_every}) {{",
        "    hn_learn_memory.since_update = 0;",
        f"    {call}",
        "}",
    ]


def _at_end(options: LearnOptions) -> list[str]:
    """Write the end of a sample, once."""
    inner = _every(options, "update();") if options.update_on == "sample" else []
    return ["if (hn_learn_run.ended == 1) {", "    hn_learn_run.ended = 2;", *("    " + line for line in inner), "}"]
