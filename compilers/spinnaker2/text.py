"""C of the cores: one program each, tables of the messages between them, a host program that runs all in lockstep."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypr_neuro.compilers.c import network as single
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.compilers.spinnaker2.cores import ALWAYS, HOST, CoreProgram, receivers

FUNCTIONS = re.compile(r"\bhn_(reset|step|output|state_0|sent_0|events_0)\b")
MACROS = re.compile(r"\bHN_(INPUT(?:S|_LOW|_LIMIT)|OUTPUTS|TAIL|SIZE_0|STATES_0|EVENTS_0|POPULATIONS|NETWORK_H)\b")


def own_names(text: str, number: int) -> str:
    """Return a single network's C under the names of core `number`, so that all cores fit into one program."""
    text = FUNCTIONS.sub(rf"core_{number}_\1", text)
    return MACROS.sub(rf"CORE_{number}_\1", text).replace('"network.h"', f'"core_{number}.h"')


def core_files(core: CoreProgram, input_limit: int) -> dict[str, str]:
    """Return core_<i>.h and core_<i>.c by name."""
    plan = core.plan(input_limit)
    return {
        f"core_{core.number}.h": own_names(single.header(plan), core.number),
        f"core_{core.number}.c": own_names(single.source(plan), core.number),
    }


def messages_header(cores: Sequence[CoreProgram]) -> str:
    """Return messages.h: what each core takes and where its outputs go."""
    parts = [
        "/* Messages between cores. What is sent in a step is taken up in the next. */\n#ifndef HN_MESSAGES_H\n"
        "#define HN_MESSAGES_H\n\n#include <stdint.h>\n",
        f"/* In the place of a core: the host's input, and a line that is 1 from the second step on. */\n"
        f"#define HN_HOST ({HOST})\n#define HN_ALWAYS ({ALWAYS})\n#define HN_CORES {len(cores)}\n",
        "/* A core, or one of the above, and an index there: a neuron that sends, or an input that takes. */\n"
        "struct hn_message {\n    int16_t core;\n    uint16_t index;\n};\n",
    ]
    for core, targets in zip(cores, receivers(cores), strict=True):
        i = core.number
        starts = [0]
        for receivers_of_neuron in targets:
            starts.append(starts[-1] + len(receivers_of_neuron))
        messages = [message for receivers_of_neuron in targets for message in receivers_of_neuron]
        parts.append(f"/* Core {i}: where each of its inputs comes from. */\n" + _table(f"core_{i}_in", core.messages))
        meaning = f"neuron n sends to core_{i}_out[k], core_{i}_out_start[n] <= k < core_{i}_out_start[n + 1]"
        parts.append(
            f"/* Core {i}: {meaning}. */"
            f"\nstatic const uint32_t core_{i}_out_start[{len(starts)}] = "
            f"{{{', '.join(map(str, starts))}}};\n" + _table(f"core_{i}_out", messages)
        )
    return "\n".join([*parts, "#endif\n"])


def _table(name: str, messages: Sequence[tuple[int, int]]) -> str:
    """Return a table of messages in C."""
    rows = messages or [(HOST, 0)]
    body = "\n".join(f"    {{{core}, {index}}}," for core, index in rows)
    note = "" if messages else " /* none */"
    return f"static const struct hn_message {name}[{len(rows)}] = {{{note}\n{body}\n}};\n"


def lockstep(plan: Plan, cores: Sequence[CoreProgram]) -> str:
    """Return network.c of the host program: all cores step by step, under the interface of the single network."""
    parts = [
        "/* All cores in one program: each takes what was sent in the step before, then all make a step. */\n"
        '#include "network.h"\n\n#include "messages.h"',
        *(f'#include "core_{c.number}.h"' for c in cores),
        "\nstatic int32_t host[HN_INPUTS];\nstatic int32_t started;",
        *(_gathered(plan, i) for i in range(len(plan.populations))),
        *(["static int32_t output[HN_OUTPUTS];"] if single.copies_outputs(plan) else []),
        *(f"static int32_t in_{c.number}[CORE_{c.number}_INPUTS];" for c in cores),
        _received(cores),
        _collect(cores),
        _reset(plan, cores),
        _step(plan, cores),
        _accessors(plan),
    ]
    return "\n".join(parts)


def _gathered(plan: Plan, i: int) -> str:
    """Declare the states, outputs and counts of one layer."""
    p, output = plan.populations[i], plan.rings[i + 1]
    return (
        f"static int32_t state_{i}[{p.model.d * p.size}];\nstatic {output.kind} sent_{i}[{p.size}];\n"
        f"#ifdef HN_EVENTS\nstatic uint32_t events_{i}[HN_EVENTS_{i}];\n#endif"
    )


def _received(cores: Sequence[CoreProgram]) -> str:
    """Define `received`: what a message holds."""
    cases = "".join(f"    case {c.number}:\n        return core_{c.number}_sent_0()[from.index];\n" for c in cores)
    return (
        "\n/* What a message holds: what its source sent in the step before. */\n"
        "static int32_t received(struct hn_message from) {\n    switch (from.core) {\n"
        f"    case HN_HOST:\n        return host[from.index];\n{cases}"
        "    default:\n        return started;\n    }\n}\n"
    )


def _collect(cores: Sequence[CoreProgram]) -> str:
    """Define `collect`: the cores' states and outputs put together by layer."""
    body = []
    for c in cores:
        n, d, size = c.stop - c.first, c.network.populations[0].model.d, f"HN_SIZE_{c.layer}"
        body.append(
            f"    for (uint32_t i = 0; i < {n}; i++) {{\n"
            f"        sent_{c.layer}[{c.first} + i] = core_{c.number}_sent_0()[i];\n"
            f"        for (uint32_t k = 0; k < {d}; k++) {{\n"
            f"            state_{c.layer}[k * {size} + {c.first} + i] = core_{c.number}_state_0()[k * {n} + i];\n"
            "        }\n    }"
        )
    body.append("#ifdef HN_EVENTS")
    for layer in sorted({c.layer for c in cores}):
        of_layer = [c for c in cores if c.layer == layer]
        total = " + ".join(f"core_{c.number}_events_0()[k]" for c in of_layer)
        body.append(
            f"    for (uint32_t k = 0; k < HN_EVENTS_{layer}; k++) {{\n        events_{layer}[k] = {total};\n    }}"
        )
    return "\n".join(["static void collect(void) {", *body, "#endif", "}\n"])


def _reset(plan: Plan, cores: Sequence[CoreProgram]) -> str:
    """Define `hn_reset`."""
    body = [f"    core_{c.number}_reset();" for c in cores]
    body.append(
        "    for (uint32_t i = 0; i < HN_INPUTS; i++) {\n        host[i] = 0;\n    }\n    started = 0;\n    collect();"
    )
    if single.copies_outputs(plan):
        body.append("    for (uint32_t i = 0; i < HN_OUTPUTS; i++) {\n        output[i] = 0;\n    }")
    return "\n".join(["void hn_reset(void) {", *body, "}\n"])


def _step(plan: Plan, cores: Sequence[CoreProgram]) -> str:
    """Define `hn_step`."""
    body = [
        f"    for (uint32_t i = 0; i < CORE_{c.number}_INPUTS; i++) {{\n"
        f"        in_{c.number}[i] = received(core_{c.number}_in[i]);\n    }}"
        for c in cores
    ]
    body += [f"    core_{c.number}_step(in_{c.number});" for c in cores]
    body.append("    for (uint32_t i = 0; i < HN_INPUTS; i++) {\n        host[i] = input[i];\n    }")
    body.append("    started = 1;\n    collect();")
    if single.copies_outputs(plan):
        body += single.output_copies(plan)
    return "\n".join(["void hn_step(const int32_t input[HN_INPUTS]) {", *body, "}\n"])


def _accessors(plan: Plan) -> str:
    """Define the functions that return states, outputs and counts."""
    result = "output" if single.copies_outputs(plan) else f"sent_{plan.network.index(plan.network.outputs[0])}"
    parts = [f"const int32_t *hn_output(void) {{\n    return {result};\n}}\n"]
    for i, output in enumerate(plan.rings[1:]):
        parts.append(f"const int32_t *hn_state_{i}(void) {{\n    return state_{i};\n}}\n")
        parts.append(f"const {output.kind} *hn_sent_{i}(void) {{\n    return sent_{i};\n}}\n")
        parts.append(f"#ifdef HN_EVENTS\nconst uint32_t *hn_events_{i}(void) {{\n    return events_{i};\n}}\n#endif\n")
    return "\n".join(parts)


def makefile(cores: Sequence[CoreProgram]) -> str:
    """Return the Makefile.

    `make run` runs all cores in lockstep on this computer, `make cores` makes an object for each, with its size.
    """
    names = " ".join(f"core_{c.number}" for c in cores)
    return f"""# make run: all cores in lockstep on this computer, with the sanitizers; samples by standard input.
# make cores: each core's program for a Cortex-M4, with its size.
STRICT = -std=c99 -Wall -Wextra -Werror -pedantic -Wconversion
SANITIZE = -g -fsanitize=address,undefined -fno-sanitize-recover=all
CROSS = arm-none-eabi-
CORES = {names}
HOST_BUILD = $(CC) $(STRICT) -O2 $(SANITIZE) $(CFLAGS)
CORE_BUILD = $(CROSS)gcc $(STRICT) -Os -mcpu=cortex-m4 -mthumb -ffreestanding $(CFLAGS)
# How programs are built; it is written where that changes, and all of them are built anew.
STAMP = build_flags.txt
HEADERS = $(wildcard *.h) $(STAMP)

run: network
\t@test -f /dev/stdin || echo 'samples are read from standard input, until it ends' >&2
\t./network

network: $(CORES:=.c) network.c main.c host_io.c $(HEADERS)
\t$(HOST_BUILD) -o $@ $(CORES:=.c) network.c main.c host_io.c

cores: $(CORES:=.o)
\t$(CROSS)size $(CORES:=.o)

%.o: %.c $(HEADERS)
\t$(CORE_BUILD) -c -o $@ $<

$(STAMP): again
\t@printf '%s\\n' '$(subst ','\\'',$(HOST_BUILD); $(CORE_BUILD))' > $@.new
\t@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

clean:
\trm -f network *.o $(STAMP)

.PHONY: run cores again clean
"""
