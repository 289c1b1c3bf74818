"""A network that learns on the device, in C99: `learn.h` and `learn.c`, complete by themselves.

What they compute is what `sim.learning.learner.Learner` computes, bit for bit: outputs of every step, weights and
neuron parameters after every update. All memory is static and every number in the smallest type that holds its declared
bits (`memory`). Step functions, error and update rule come from their own syntax trees (`translate`, `loops`), so a new
neuron, error or rule stays one file. Input values must stay inside `HN_LEARN_INPUT_LIMIT`.

limits         what the words of C allow, beside the numbers of the `LearningPlan`
program        in which form each connection stands, and what waits where
memory         the three structs that hold everything, and bytes by purpose
layer          a layer's step and Jacobian; `feedback` its signals to those below
source         eligibility and gradient of a synapse or a neuron parameter, by running them on `symbols`
update         the rule, momentum, rounding; `tables` has the constants
build          builds and runs of the program of text; `library` loads the same C into Python
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypr_neuro.compilers import Emitted
from hypr_neuro.compilers.c.build import PROGRAM_FILES, memory
from hypr_neuro.compilers.c.learning.build import SOURCES
from hypr_neuro.compilers.c.learning.feedback import back_kernels, signal_lines, signals_text
from hypr_neuro.compilers.c.learning.field import advance
from hypr_neuro.compilers.c.learning.layer import LayerText
from hypr_neuro.compilers.c.learning.memory import event_count, learned_arrays, memory_by_section, struct_text
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.learning.tables import tables
from hypr_neuro.compilers.c.learning.targets import (
    CALLS,
    STEP_NAMES,
    declarations,
    error_lines,
    error_loops,
    learn_arguments,
    main_values,
    silent_step,
    step_functions,
)
from hypr_neuro.compilers.c.learning.text import TEMPLATES, lines, template
from hypr_neuro.compilers.c.learning.update import rule_loops, update_text
from hypr_neuro.compilers.c.loops import helpers
from hypr_neuro.compilers.c.names import ascii_text
from hypr_neuro.compilers.c.translate import module
from hypr_neuro.compilers.c.weights import adders, convolutions, weight_tables
from hypr_neuro.errors import InputError
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.jit import tagged_functions
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.feedback import learning_signal
from hypr_neuro.sim.learning.options import TARGETS, LearnOptions, as_rate
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.update import momentum_step, weight_step

HEADER, SOURCE, MAIN = "learn.h", "learn.c", "learn_main.c"


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

    files = learning_source(qnet, options) | {"hn_fixed.h": fixed_header()}
    files[MAIN] = template("hn_learn_main.c", **main_values(LearningProgram(LearningPlan(qnet, options))))
    files |= {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in PROGRAM_FILES}
    for name, text in files.items():
        make_folder((folder / name).parent)
        write_text(folder / name, text)
    return list(files)


def learning_memory_bytes(qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, int]:
    """Count bytes of RAM by purpose: weights, parameters, eligibilities, gradients, rule, waiting, states, …."""
    return memory_by_section(LearningProgram(LearningPlan(qnet, options)))


def learning_source(qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, str]:
    """Write the text of the files, by name."""
    if not isinstance(qnet, QuantizedNetwork):
        raise InputError(
            f"network is of type {type(qnet).__name__}, rule: a quantized network (hn.quantize) to learn; "
            "one of integers alone has neither scales nor psi tables: quantize the network that they are of"
        )
    options.refuse_noise("C")
    program = LearningProgram(LearningPlan(qnet, options))
    return {HEADER: _header(program), SOURCE: _source(program)}


def _title(plan: LearningPlan) -> str:
    names = ", ".join(f"{ascii_text(layer.name)} {layer.size} {layer.model.name}" for layer in plan.layers)
    return f"{names}; profile {ascii_text(plan.qnet.profile.name)}, rule {plan.options.rule}"


def _header(program: LearningProgram) -> str:
    plan = program.plan
    by_step, targets = plan.options.update_on == "step", plan.options.targets
    every = plan.options.update_every
    often = "" if every == 1 else f"with every {every}th sample "
    return template(
        "hn_learn.h",
        title=_title(plan),
        inputs=plan.qnet.inputs,
        outputs=plan.qnet.output_size,
        delay=plan.clock.tail,
        tail=plan.clock.learning_tail,
        largest=program.input_limit,
        layers=len(plan.layers),
        targets=TARGETS.index(targets),
        events=lines(1, [f"uint32_t events_{i}[{event_count(layer)}];" for i, layer in enumerate(plan.layers)]),
        output=program.output_kind,
        call=f"{STEP_NAMES[targets]}({CALLS[targets]})",
        name=STEP_NAMES[targets],
        step=declarations(program),
        stream="" if by_step else "; weights then stay (options: update_on)",
        update="the sample is over" if by_step else f"{often}weights have changed",
        arrays=learned_arrays(program),
        learned=struct_text(program, "learned"),
        memory=struct_text(program, "memory"),
        run=struct_text(program, "run"),
    )


def _source(program: LearningProgram) -> str:
    plan = program.plan
    error, rule, options = error_loops(program), rule_loops(plan), plan.options
    widths = plan.layers[-1].widths
    by_step = options.update_on == "step"
    layers = [LayerText(program, i) for i in range(len(plan.layers))]
    signals = [text for i in range(len(layers)) if (text := signals_text(program, i))]
    frozen = [d for inputs in program.inputs for d in inputs.frozen]
    adding = adders((program.rings[d.source], d) for d in frozen) if frozen else []
    return template(
        "hn_learn.c",
        title=_title(plan),
        functions=_functions(plan, [*error.calls, *rule.calls]),
        tables="\n".join([*convolutions(frozen), *map(weight_tables, frozen), *tables(program)]),
        entry_bits=widths.entry_bits,
        eligibility_bits=widths.eligibility_bits,
        layers="\n".join([*adding, *back_kernels(program), *(layer.text() for layer in layers), *signals]),
        error=error.text,
        update=update_text(program, rule),
        forward=lines(1, _forward(program, layers)),
        learn=lines(1, _learn(program)),
        told=learn_arguments(program),
        step=step_functions(program, lines(1, _every(options, "update();") if by_step else [])),
        silent_step=silent_step(program),
        weight_rate=as_rate(options.rate),
        parameter_rate=as_rate(options.parameter_rate),
        after_sample=lines(1, _at_end(options)),
        output=program.output_kind,
        result=program.output_name,
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
    passes = any(plan.passes_down(i) for i in range(len(plan.layers)))
    functions: list[Callable[..., Any]] = [learning_signal] if passes else []
    return functions + [momentum_step] * bool(plan.options.momentum) + [weight_step]


def _forward(program: LearningProgram, layers: Sequence[LayerText]) -> list[str]:
    """Write a call of every layer, from the input up, and what brings several outputs side by side."""
    text = [layer.call() for layer in layers]
    if kept := program.history.keep_input():
        at = program.history.last_reader() + 1
        text[at:at] = kept
    text += _outputs(program) if program.copies_outputs else []
    unread = [] if program.history.reads_input else ["(void)input;"]
    return unread + ["(void)run;"] * all("run->" not in line for line in text) + text


def _outputs(program: LearningProgram) -> list[str]:
    """Write what brings outputs side by side; those that run less far behind the input wait for the others."""
    text = []
    for i in program.plan.outputs:
        first, early = program.first_output(i), program.early(i)
        place, sent, slot = f"{first} + k" if first else "k", f"run->sent_{i}[k]", f"run->early_{i}_slot"
        body = [f"run->output[{place}] = {sent};"]
        if early:
            waiting = f"run->early_{i}[{slot}][k]"
            body = [f"run->output[{place}] = {waiting};", f"{waiting} = {sent};"]
        text += [f"for (int32_t k = 0; k < {program.plan.layers[i].size}; k++) {{", *("    " + b for b in body), "}"]
        text += [advance(slot, early)] * bool(early)
    return text


def _learn(program: LearningProgram) -> list[str]:
    """Write the error, then each layer that signals reach, from the readout down."""
    plan = program.plan
    text = error_lines(program)
    for i in reversed(range(len(plan.layers))):
        if plan.active(i):
            text += [*signal_lines(program, i), *_learn_lines(program, i)]
    return text


def _learn_lines(program: LearningProgram, i: int) -> list[str]:
    """Write the call that lets a layer learn, within its window."""
    # C adds the steps of the sample
    window = program.plan.clock.window(i, 0)
    downs = [program.down(i, k) for k in program.returning_currents(i)]
    text = [f"if (inside({window.first}, {window.steps})) {{", f"    learn_{i}();"]
    if downs:
        text += ["} else {", *(f"    memset(run->{down}, 0, sizeof run->{down});" for down in downs)]
    return [*text, "}"]


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
