"""The emitted C on an emulated Cortex-M4: instructions, flash and RAM; and what the pipe to C costs on this computer.

Prints tables as markdown; docs/c.md holds them. Instructions are counted by qemu (-icount shift=0), with SysTick around
the calls, at -Os.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from timing import best

from hypr_neuro.compilers.c import build, write_program
from hypr_neuro.compilers.c.learning.learn import write_learning
from hypr_neuro.compilers.c.learning.library import LearnLibrary
from hypr_neuro.devices import open_device
from hypr_neuro.files.store import write_text
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.chip_learner import LearnSample
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.simulated import SimulatedLearner

STEPS, OUTPUTS, INPUT_RATE = 40, 4, 0.3
OPTIONS = LearnOptions(rate=0.3)


@dataclass(frozen=True)
class Count:
    """One network: counts a step of synaptic operations and instructions, and bytes."""

    neurons: int
    inputs: int
    operations: float
    infer: float
    flash: int
    ram: int
    learn: float
    learn_infer: float
    updates: int
    learn_flash: int
    learn_ram: int


def network(neuron: str, n: int, inputs: int) -> QuantizedNetwork:
    """A recurrent layer that fires and a readout."""
    layers = [{"neuron": neuron, "size": n, "recurrent": True}]
    net = Network.build({"inputs": inputs, "outputs": OUTPUTS, "layers": layers, "readout": {"tau": 20}}, 0)
    for layer in net.layers:
        layer.weight[...] *= 8
    return quantize(net, "cortex_m4", calibration={"layers.0": 4.0, "readout": 4.0})


def timed(text: str, calls: Sequence[str]) -> str:
    """Make learn_main.c print only the ticks of a sample: of the steps, or, where it infers, of those."""
    for call in calls:
        assert call in text, f"learn_main.c has no {call}"
        inner = f"{{ const uint32_t from = hn_ticks(); {call} ticks += (hn_ticks() - from) & 0xffffffu; }}"
        text = text.replace(call, inner)
    text = text.replace("put_outputs();", "")
    text = re.sub(r"HN_LEARNED\(PUT\)", "put_number((int32_t)ticks); ticks = 0;", text)
    text = re.sub(r"#define PUT\(.*?\n\n", "", text, flags=re.DOTALL)
    text = re.sub(r"static void put_outputs.*?\n}\n", "", text, flags=re.DOTALL)
    return text.replace("int main(void) {", "static uint32_t ticks;\n\nint main(void) {")


def learning_ticks(qnet: QuantizedNetwork, rows: Any, *, learns: bool) -> tuple[float, dict[str, int]]:
    """Count instructions of a step that learns, or of one of the same program that does not; with bytes of learn.c."""
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-firmware-") as name:
        folder = Path(name)
        write_learning(qnet, OPTIONS, folder)
        call = "hn_learn_step(input, label, scored);"
        text = timed((folder / "learn_main.c").read_text(encoding="utf-8"), [call])
        if not learns:
            text = text.replace(call, "hn_learn_infer(input); (void)label; (void)scored;")
        write_text(folder / "learn_main.c", text)
        program = folder / f"program_{build.CORTEX_M4.name}"
        sources = ["learn.c", "learn_main.c", *build.BOARD, "-lgcc"]
        linked = ["-o", program, "-nostdlib", "-T", "cortex_m4/mps2_an386.ld", *sources]
        build.compile_c(build.CORTEX_M4, linked, folder)
        ticks = int(build.run(program, [rows], counting=True).split()[0])
        size = build.with_totals(build.sizes(folder, build.CORTEX_M4, ("learn.c",)))
    return ticks * build.INSTRUCTIONS_PER_TICK / len(rows), size


def counted(neuron: str, n: int, inputs: int, rate: float = INPUT_RATE) -> Count:
    """Measure one network over one sample."""
    qnet, rng = network(neuron, n, inputs), np.random.default_rng(0)
    x = (rng.random((STEPS, inputs)) < rate).astype(np.int64)
    operations = simulate(qnet, x[None]).synaptic_operations / (STEPS + qnet.tail)
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-firmware-") as name:
        write_program(qnet, Path(name))
        infer = build.instructions_per_step(Path(name), [x], qnet.tail)
        size = build.with_totals(build.sizes(Path(name), build.CORTEX_M4))
    rows = np.column_stack([x, rng.integers(0, OUTPUTS, STEPS), np.ones(STEPS, int)])
    learn, learn_size = learning_ticks(qnet, rows, learns=True)
    learn_infer, _ = learning_ticks(qnet, rows, learns=False)
    updates = n * (n + inputs) + OUTPUTS * n
    return Count(
        n,
        inputs,
        operations,
        infer,
        size["flash"],
        size["ram"],
        learn,
        learn_infer,
        updates,
        learn_size["flash"],
        learn_size["ram"],
    )


def slope(
    counts: Sequence[Count], columns: Sequence[Sequence[float]], measured: Sequence[float]
) -> tuple[float, float]:
    """Return what least squares gives for the first column, beside a constant, and R² of the fit."""
    a = np.column_stack([*columns, np.ones(len(counts))])
    y = np.asarray(measured, float)
    found = np.linalg.lstsq(a, y, rcond=None)[0]
    left = y - a @ found
    return float(found[0]), float(1 - left @ left / ((y - y.mean()) @ (y - y.mean())))


def header(*names: str) -> None:
    """Print the head of a table."""
    row(*names)
    print("|" + "---|" * len(names))


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def board_table(quick: bool) -> None:
    """Print instructions, flash and RAM by size, then what one operation takes."""
    sizes = (8, 32) if quick else (8, 32, 128)
    names = ["neuron", "N", "inputs", "synaptic operations a step", "instructions a step", "flash", "RAM"]
    header(*names, "learning: a step", "without learning", "flash", "RAM")
    fits = []
    for neuron in ("lif", "brf"):
        cases = [counted(neuron, n, inputs) for n in sizes for inputs in (4, 40)]
        for c in cases:
            numbers = (c.operations, c.infer, c.flash, c.ram, c.learn, c.learn_infer, c.learn_flash, c.learn_ram)
            row(neuron, c.neurons, c.inputs, *(f"{v:,.0f}" for v in numbers))
        rated = [counted(neuron, 32, 40, rate) for rate in ((0.02, 0.5, 0.9) if quick else (0.02, 0.1, 0.5, 0.9))]
        operation = slope(rated, [[c.operations for c in rated]], [c.infer for c in rated])
        beside = [[c.updates for c in cases], [c.neurons for c in cases]]
        update = slope(cases, beside, [c.learn - c.learn_infer for c in cases])
        fits.append((neuron, operation, update))
    print()
    header("neuron", "instructions a synaptic operation", "R²", "instructions an eligibility update", "R²")
    for neuron, (a, fit), (b, other) in fits:
        row(neuron, f"{a:.1f}", f"{fit:.4f}", f"{b:.1f}", f"{other:.4f}")


def pipe_table(quick: bool) -> None:
    """Print time of a step that learns: simulator, bare calls of C here, those of `LearnLibrary`, device c."""
    print()
    names = ("simulator, µs a step", "C alone", "LearnLibrary", "device c", "over C alone", "round trips a sample")
    header("neuron", "N", *names)
    for neuron, n in (("lif", 32), ("brf", 32)) if quick else (("lif", 32), ("brf", 32), ("brf", 128)):
        row(neuron, n, *pipe_row(network(neuron, n, 40)))


def pipe_row(qnet: QuantizedNetwork) -> tuple[object, ...]:
    """Measure one network: the same sample each time, best of 5."""
    rng, steps = np.random.default_rng(0), 200
    x = (rng.random((steps, 40)) < INPUT_RATE).astype(np.int32)
    sample = LearnSample(x, rng.integers(0, OUTPUTS, steps), np.ones(steps, bool), (1 << 12, 0))
    here = SimulatedLearner(qnet.copy(), OPTIONS)
    with tempfile.TemporaryDirectory() as name, open_device("c") as device:
        library = LearnLibrary(qnet.copy(), OPTIONS, Path(name))
        arguments = np.ascontiguousarray(x), sample.label, sample.scored, *sample.rates
        device.load(qnet, OPTIONS)
        there = device.learner()
        link: Any = device
        asked = link.link.requests
        there.learn([sample])
        trips = link.link.requests - asked
        times = [
            best(lambda: here.learn([sample])),
            best(lambda: bare(library, x, np.asarray(sample.label))),
            best(lambda: library.sample(*arguments)),
            best(lambda: there.learn([sample])),
        ]
    simulator, alone, inside, behind = (1e6 * t / steps for t in times)
    over = f"{behind - alone:+.1f}"
    return (*(f"{t:.1f}" for t in (simulator, alone, inside, behind)), over, trips)


def bare(library: LearnLibrary, x: Any, label: Any) -> None:
    """Learn from a sample by calls of C alone: nothing is converted, no output is looked at."""
    c, first, width = library.c, x.ctypes.data, x.strides[0]
    c.hn_learn_begin()
    for step, told in enumerate(label.tolist()):
        c.hn_learn_step(ctypes.c_void_p(first + step * width), told, 1)
    while c.hn_learn_tail():
        pass


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    quick = parser.parse_args().quick
    for toolchain in (build.HOST, build.CORTEX_M4):
        version = build.tools()[toolchain.program]["version"]
        print(f"{toolchain.name}: {version}, {' '.join(toolchain.flags)}")
    print()
    board_table(quick)
    pipe_table(quick)


if __name__ == "__main__":
    main()
