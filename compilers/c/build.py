"""Compilers for what `emit` wrote: builds, sizes by section, runs on this computer and on an emulated Cortex-M4.

Nothing here is needed to write the files. What is not installed is reported as such.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")
SECTIONS = ("text", "rodata", "data", "bss")
MAIN = "main.c"
BOARD = ("cortex_m4/startup.c", "cortex_m4/semihosting.c")
EMULATOR = "qemu-system-arm"
EMULATE = tuple(
    shlex.split(
        f"{EMULATOR} -M mps2-an386 -display none -monitor none -serial none -semihosting-config enable=on,target=native"
    )
)
COUNT = ("-icount", "shift=0")
INSTRUCTIONS_PER_TICK = 40
"""With a nanosecond an instruction and a board of 25 MHz."""
LONGEST_RUN = 300
"""Seconds after which a program that does not end is stopped."""


@dataclass(frozen=True)
class Toolchain:
    """A compiler and what it builds for.

    Attributes
    ----------
    name
        For which it builds.
    program
        Of the compiler.
    size
        Program that prints an object's sections.
    flags
        Of the compiler, beside `STRICT`.
    """

    name: str
    program: str
    size: str
    flags: tuple[str, ...]

    def missing(self) -> str | None:
        """Tell what is not installed, or None."""
        for program in (self.program, self.size):
            if shutil.which(program) is None:
                return f"{program} is not installed"
        return None


PROGRAM_FILES = ("hn_io.h", "hn_text.h", "host_io.c", *BOARD, "cortex_m4/mps2_an386.ld")
"""Templates that a program with a main function is built with."""
HOST = Toolchain("host", "gcc", "size", ("-O2",))
SANITIZERS = Toolchain(
    "sanitizers", "gcc", "size", ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
)
CORTEX_M4 = Toolchain(
    "cortex-m4", "arm-none-eabi-gcc", "arm-none-eabi-size", ("-Os", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding")
)
SYMBOLS = "arm-none-eabi-nm"


def emulator_missing() -> str | None:
    """Tell that the emulator is not installed, or None."""
    return None if shutil.which(EMULATOR) else f"{EMULATOR} is not installed"


def tools() -> dict[str, Any]:
    """Return the tool chain for the manifest: each program with what it is for, and its version or None."""
    programs = {
        "make": "builds and runs",
        HOST.program: "this computer",
        CORTEX_M4.program: "the board",
        CORTEX_M4.size: "sizes for the board",
        EMULATOR: "runs the board's program",
    }
    return {
        name: {"for": purpose, "version": _version_of(name) if shutil.which(name) else None}
        for name, purpose in programs.items()
    }


def compile_c(toolchain: Toolchain, arguments: Sequence[str | Path], folder: Path) -> None:
    """Run the compiler in `folder`, warnings as errors. Raise InputError with its first lines if it fails."""
    command = [toolchain.program, *STRICT, *toolchain.flags, *map(str, arguments)]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        message = "\n".join(finished.stderr.splitlines()[:8])
        raise InputError(f"{' '.join(command)} in {folder} failed:\n{message}")


def build(
    folder: Path,
    toolchain: Toolchain = HOST,
    *,
    trace: bool = False,
    events: bool = False,
    ticks: bool = False,
    sources: Sequence[str] = ("network.c",),
) -> Path:
    """Build the program that runs samples, `folder`/program_<toolchain>; `run` runs it.

    Parameters
    ----------
    folder
        What `emit` wrote.
    toolchain
        The compiler.
    trace
        Whether it prints the states and outputs of all populations.
    events
        Whether it also prints counts of events.
    ticks
        Whether it prints nothing but how long each sample took.
    sources
        Files beside main.c.
    """
    folder = folder.resolve()
    out = folder / f"program_{toolchain.name}"
    defines = ["-DHN_TRACE"] * trace + ["-DHN_EVENTS"] * events + ["-DHN_TICKS"] * ticks
    if toolchain is CORTEX_M4:
        linked = ["-nostdlib", "-T", "cortex_m4/mps2_an386.ld", *sources, MAIN, *BOARD, "-lgcc"]
    else:
        linked = [*sources, MAIN, "host_io.c"]
    compile_c(toolchain, [*defines, "-o", out, *linked], folder)
    return out


def run(program: Path, samples: Sequence[Array], *, counting: bool = False) -> str:
    """Return what the program prints for samples (T, channel) of integers; one for a board runs under qemu.

    With `counting`, every instruction takes a nanosecond of the emulated board's time. Raise InputError if it fails,
    such as where a sanitizer found something, or does not end.
    """
    numbers = [" ".join(map(str, [len(sample), *np.asarray(sample, np.int64).ravel().tolist()])) for sample in samples]
    emulated = program.name == f"program_{CORTEX_M4.name}"
    command = [*EMULATE, *(COUNT * counting), "-kernel", str(program)] if emulated else [str(program)]
    text = "\n".join(numbers) + "\n"
    try:
        finished = subprocess.run(command, input=text, capture_output=True, text=True, timeout=LONGEST_RUN, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{' '.join(command)} did not end in {LONGEST_RUN} s; give shorter samples") from error
    if finished.returncode != 0:
        message = "\n".join(finished.stderr.splitlines()[:12])
        raise InputError(f"{' '.join(command)} ended with {finished.returncode}:\n{message}")
    return finished.stdout


def instructions_per_step(folder: Path, samples: Sequence[Array], tail: int = 0) -> float:
    """Count instructions of a Cortex-M4 in one call of hn_step, on average; needs compiler and emulator.

    What a board takes is more: flash waits, and loads and branches last several cycles.
    """
    program = build(folder, CORTEX_M4, ticks=True)
    ticks = sum(map(int, run(program, samples, counting=True).split()))
    return ticks * INSTRUCTIONS_PER_TICK / sum(len(sample) + tail for sample in samples)


def outputs(printed: str, steps: Sequence[int]) -> list[Array]:
    """Parse what a program without trace printed: for each sample (steps, output); `steps` with the tail."""
    rows = np.array(printed.split(), np.int64).reshape(sum(steps), -1)
    return np.split(rows, np.cumsum(steps)[:-1])


def traces(printed: str, network: IntegerNetwork, steps: Sequence[int]) -> list[list[Array]]:
    """Parse what a program with trace printed: for each sample and population (steps, states + 1, n), outputs last."""
    shapes = [(p.model.d + 1, p.size) for p in network.populations]
    ends = np.cumsum([rows * n for rows, n in shapes])
    return [
        [part.reshape(len(sample), *shape) for part, shape in zip(np.split(sample, ends[:-1], 1), shapes, strict=True)]
        for sample in outputs(printed, steps)
    ]


def sizes(folder: Path, toolchain: Toolchain, sources: Sequence[str] = ("network.c",)) -> dict[str, int]:
    """Return bytes of text, rodata, data and bss of these sources together, as compiled and not linked."""
    total = dict.fromkeys(SECTIONS, 0)
    with tempfile.TemporaryDirectory() as scratch:
        for i, name in enumerate(sources):
            compiled = Path(scratch) / f"{i}.o"
            compile_c(toolchain, ["-c", name, "-o", compiled], folder)
            for key, count in section_sizes(compiled, toolchain).items():
                total[key] += count
    return total


def section_sizes(compiled: Path, toolchain: Toolchain) -> dict[str, int]:
    """Return bytes of the sections of an object or program, .text.* counted as text and so on."""
    printed = subprocess.run(
        [toolchain.size, "-A", "-d", str(compiled)], capture_output=True, text=True, check=True
    ).stdout
    bytes_of = dict.fromkeys(SECTIONS, 0)
    for row in printed.splitlines():
        words = row.split()
        key = words[0].split(".")[1] if words and words[0].startswith(".") else ""
        if key in bytes_of:
            bytes_of[key] += int(words[1])
    return bytes_of


def measured(folder: Path, source: str) -> tuple[dict[str, int], list[tuple[str, int, bool]]]:
    """Compile one source for a Cortex-M4: bytes as `memory` has them, and its symbols (name, bytes, whether in RAM).

    The largest symbols come first; functions and constants are flash.
    """
    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch) / "program.o"
        compile_c(CORTEX_M4, ["-c", source, "-o", compiled], folder)
        parts = section_sizes(compiled, CORTEX_M4)
        printed = subprocess.run([SYMBOLS, "-S", str(compiled)], capture_output=True, text=True, check=True).stdout
    rows = [words for words in map(str.split, printed.splitlines()) if len(words) == 4]
    symbols = [(name, int(size, 16), kind in "bBdD") for _, size, kind, name in rows]
    return with_totals(parts), sorted(symbols, key=lambda symbol: -symbol[1])


def with_totals(parts: dict[str, int]) -> dict[str, int]:
    """Return the sections with flash and RAM: constants and start values lie in flash, variables in RAM."""
    flash = parts["text"] + parts["rodata"] + parts["data"]
    return parts | {"flash": flash, "ram": parts["data"] + parts["bss"]}


def memory(folder: Path, sources: Sequence[str] = ("network.c",)) -> dict[str, Any]:
    """Return flash and RAM here and on a Cortex-M4, for the manifest: null with a reason without a compiler."""
    manifest = {}
    for toolchain in (HOST, CORTEX_M4):
        reason = toolchain.missing()
        entry: dict[str, Any] = {"flags": " ".join(toolchain.flags), "compiler": None, "bytes": None, "reason": reason}
        if reason is None:
            try:
                entry["bytes"] = with_totals(sizes(folder, toolchain, sources))
                entry["compiler"] = _version(toolchain)
            except InputError as error:
                entry["reason"] = str(error)
        manifest[toolchain.name] = entry
    return manifest


def _version(toolchain: Toolchain) -> str:
    return _version_of(toolchain.program)


@cache
def _version_of(program: str) -> str:
    """Return the first line that a program tells of its version."""
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return printed.splitlines()[0] if printed else program
