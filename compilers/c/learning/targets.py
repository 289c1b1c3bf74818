"""What a step of the C program learns from: a label, targets of a regression, or errors of the user's own.

A program is made for one of them (`LearnOptions.targets`). Its step is `hn_learn_step` with a label,
`hn_learn_step_with_target`, or `hn_learn_step_with_error`, which may also be a function of the outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypr_neuro.compilers.c.learning.field import Field, advance
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.learning.text import lines
from hypr_neuro.compilers.c.loops import CArray, Loops, LoopTranslator, writes_all
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.value_error import value_error

INPUT = "const int32_t input[HN_LEARN_INPUTS]"
STEP_NAMES = {"labels": "hn_learn_step", "values": "hn_learn_step_with_target", "errors": "hn_learn_step_with_error"}
CALLS = {"labels": "input, label, scored", "values": "input, target, scored", "errors": "input, error, scored"}
FUNCTION = "hn_learn_step_with_error_function"
LABEL_READ = """const int32_t label = need_number("label", INT32_MIN, INT32_MAX);
const int32_t scored = need_number("scored", 0, 1);
if (scored && (label < 0 || label >= HN_LEARN_OUTPUTS)) {
    begin_refusal("label");
    put_integer(label);
    end_refusal(0, HN_LEARN_OUTPUTS - 1);
}
hn_learn_step(input, label, scored);"""


def error_loops(program: LearningProgram) -> Loops:
    """Translate the error of the readout to a C function of its outputs and what they are taken to."""
    plan, outputs = program.plan, str(program.plan.qnet.output_size)
    head, fraction = f"static void error_of(const {program.output_kind} output[HN_LEARN_OUTPUTS], ", plan.error_fraction
    arrays = {
        "output": CArray("output[{0}]", (outputs,), narrow=True),
        "error": CArray("hn_learn_run.error[{0}]", (outputs,)),
    }
    function: Callable[..., Any] = ERRORS[plan.error].integer
    if plan.options.targets == "labels":
        head += "int64_t label)"
        arrays["table"] = CArray("error_table[{0}]", (), narrow=True)
    elif plan.options.targets == "values":
        head, function, fraction = f"{head}const int32_t target[HN_LEARN_OUTPUTS])", value_error, plan.value_fraction
        arrays["target"] = CArray("target[{0}]", (outputs,), narrow=True)
    else:
        return Loops(_given(plan.error_bits), [])
    given = {"fraction": fraction, "bits": plan.error_bits}
    return LoopTranslator(function, head, arrays=arrays, given=given).translated()


def _given(bits: int) -> str:
    """Write the function that takes errors as they are given, cut off at full scale."""
    text = [
        "static void error_of(const int32_t error[HN_LEARN_OUTPUTS]) {",
        "    for (int32_t k = 0; k < HN_LEARN_OUTPUTS; k++) {",
        f"        hn_learn_run.error[k] = hn_sat(error[k], {bits});",
        "    }",
        "}",
        "",
        "/* Errors of steps that came with a function. */",
        "static hn_learn_error_function error_function;",
        "enum { FROM_FUNCTION = 2 };",
        "",
    ]
    return "\n".join(text)


def learn_arguments(program: LearningProgram) -> str:
    """Write the arguments of the function that learns."""
    return (
        "int32_t label, int scored" if program.plan.options.targets == "labels" else "const int32_t *told, int scored"
    )


def error_lines(program: LearningProgram) -> list[str]:
    """Write what takes out the target of the step that the outputs show, and its error."""
    delay, targets = program.plan.clock.tail, program.plan.options.targets
    if targets == "labels":
        # in Python an error starts from zeros at every step
        whole = writes_all(ERRORS[program.plan.error].integer, "error")
        cleared = [] if whole else ["    memset(run->error, 0, sizeof run->error);"]
        return [*_due_label(delay), "if (scored) {", *cleared, f"    error_of(run->{program.output_name}, label);", "}"]
    text = _due_told(delay)
    if targets == "values":
        return [*text, "if (scored) {", f"    error_of(run->{program.output_name}, told);", "}"]
    return [
        *text,
        "if (scored == FROM_FUNCTION) {",
        "    int32_t error[HN_LEARN_OUTPUTS];",
        f"    error_function(run->{program.output_name}, error);",
        "    error_of(error);",
        "} else if (scored) {",
        "    error_of(told);",
        "}",
    ]


def _due_label(delay: int) -> list[str]:
    if not delay:
        return []
    return [
        "const int32_t new_label = label;",
        "const int new_scored = scored != 0;",
        "label = run->label[run->label_slot];",
        "scored = run->scored[run->label_slot];",
        "run->label[run->label_slot] = new_label;",
        "run->scored[run->label_slot] = (uint8_t)new_scored;",
        advance("run->label_slot", delay),
    ]


def _due_told(delay: int) -> list[str]:
    if not delay:
        return []
    return [
        "const int new_scored = scored;",
        "int32_t due[HN_LEARN_OUTPUTS];",
        "memcpy(due, run->told[run->told_slot], sizeof due);",
        "scored = run->scored[run->told_slot];",
        "memcpy(run->told[run->told_slot], told, sizeof due);",
        "run->scored[run->told_slot] = (uint8_t)new_scored;",
        "told = due;",
        advance("run->told_slot", delay),
    ]


def waiting_fields(program: LearningProgram) -> list[Field]:
    """Return where targets wait for the outputs of their step."""
    plan, delay = program.plan, program.plan.clock.tail
    told = Field("run", "signals", "told", "int32_t", (delay, plan.qnet.output_size))
    first = Field("run", "signals", "label", "int32_t", (delay,)) if plan.options.targets == "labels" else told
    return [first, Field("run", "signals", "scored", "uint8_t", (delay,))]


def slot_field(program: LearningProgram) -> Field:
    """Return the place of the next target among those that wait."""
    name = "label_slot" if program.plan.options.targets == "labels" else "told_slot"
    return Field("run", "counters", name, "int32_t", () if program.plan.clock.tail else (0,))


def step_functions(program: LearningProgram, after: str) -> str:
    """Write the functions of a step; after : C text of what follows it."""
    targets = program.plan.options.targets
    if targets == "labels":
        return _step(STEP_NAMES[targets], "int32_t label, int scored", "label, scored", [], after)
    told = CALLS[targets].split(", ")[1]
    text = _step(
        STEP_NAMES[targets], f"const int32_t {told}[HN_LEARN_OUTPUTS], int scored", f"{told}, scored != 0", [], after
    )
    if targets == "errors":
        before = ["static const int32_t none[HN_LEARN_OUTPUTS];", "error_function = function;"]
        arguments = "hn_learn_error_function function, int scored"
        text += "\n\n" + _step(FUNCTION, arguments, "none, scored ? FROM_FUNCTION : 0", before, after)
    return text


def _step(name: str, arguments: str, passed: str, before: list[str], after: str) -> str:
    body = lines(1, [*before, "forward(input);", f"learn({passed});", "tick();"])
    return f"void {name}({INPUT}, {arguments}) {{\n{body}\n{after}\n}}"


def silent_step(program: LearningProgram) -> str:
    """Write the call of a step behind the end of a sample."""
    targets = program.plan.options.targets
    if targets == "labels":
        return "hn_learn_step(silent, 0, 0);"
    return f"static const int32_t none[HN_LEARN_OUTPUTS];\n        {STEP_NAMES[targets]}(silent, none, 0);"


def declarations(program: LearningProgram) -> str:
    """Write the declarations of a step for the header."""
    plan, targets = program.plan, program.plan.options.targets
    if targets == "labels":
        return (
            "/* One step. label : 0 to HN_LEARN_OUTPUTS - 1, of this input. "
            "scored : 0 where the label does not count */\n"
            f"void hn_learn_step({INPUT}, int32_t label, int scored);"
        )
    if targets == "values":
        return (
            f"/* One step. target : of this input, real numbers times 2^{plan.error_fraction}, as the outputs are. An "
            f"error of full scale\n * is {2.0**plan.options.error_exponent:g} of their units. scored : 0 where the "
            "target does not count */\n"
            f"void {STEP_NAMES[targets]}({INPUT},\n    const int32_t target[HN_LEARN_OUTPUTS], int scored);"
        )
    return (
        f"/* One step. error : of this input, magnitudes up to {largest_in(plan.error_bits)}, cut off there. scored : "
        "0 where it does not count */\n"
        f"void {STEP_NAMES[targets]}({INPUT},\n    const int32_t error[HN_LEARN_OUTPUTS], int scored);\n\n"
        "/* Works out the errors of a step from its outputs. */\n"
        f"typedef void (*hn_learn_error_function)(const {program.output_kind} output[HN_LEARN_OUTPUTS],\n"
        "    int32_t error[HN_LEARN_OUTPUTS]);\n\n"
        "/* One step with a function in place of errors, which is called when the outputs have seen this input: "
        "HN_LEARN_DELAY\n * steps later, by the step in which that is. The function given last is called. */\n"
        f"void {FUNCTION}({INPUT},\n    hn_learn_error_function function, int scored);"
    )


def main_values(program: LearningProgram) -> dict[str, str]:
    """Write what the program of text reads behind the inputs of a step."""
    plan, targets = program.plan, program.plan.options.targets
    if targets == "labels":
        return {"what": "the label", "which": "the label counts", "step": lines(3, LABEL_READ.split("\n"))}
    told = CALLS[targets].split(", ")[1]
    low, high = (
        ("INT32_MIN", "INT32_MAX")
        if targets == "values"
        else (f"{-largest_in(plan.error_bits)}", f"{largest_in(plan.error_bits)}")
    )
    text = [
        f"static int32_t {told}[HN_LEARN_OUTPUTS];",
        "for (int32_t k = 0; k < HN_LEARN_OUTPUTS; k++) {",
        f'    {told}[k] = need_number("{told}", {low}, {high});',
        "}",
        'const int32_t scored = need_number("scored", 0, 1);',
        f"{STEP_NAMES[targets]}(input, {told}, scored);",
    ]
    return {"what": f"HN_LEARN_OUTPUTS {told}s", "which": "they count", "step": lines(3, text)}
