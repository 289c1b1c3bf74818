"""What generated C says: its files, their sizes, inputs that it refuses, and the command that writes it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_programs import compiled
from commands import called
from needed import needs, needs_make
from small_network import small

from hypr_neuro.cli.cmd_compile import _learn_options
from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import CORTEX_M4, HOST, SANITIZERS, Toolchain
from hypr_neuro.compilers.c.learning import build as learn_build
from hypr_neuro.compilers.c.plan import DenseTable, Plan, SparseTable
from hypr_neuro.compilers.c.tables import signed_type, unsigned_type
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.integer import (
    ALL_MODELS,
    random_integer_network,
)
from hypr_neuro.testing.networks import random_quantized


def test_files_hold_integers_and_static_memory_alone(tmp_path: Path) -> None:
    needs(HOST)
    folder = compiled(random_integer_network(4, ALL_MODELS), tmp_path)
    text = "".join((folder / name).read_text() for name in ("network.c", "network.h", "hn_fixed.h", "hn_neurons.h"))
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(float|double|malloc|alloca|printf)\b|\d\.\d", code)
    assert set(re.findall(r"#include (\S+)", code)) == {"<stdint.h>", '"network.h"', '"hn_neurons.h"', '"hn_fixed.h"'}
    more = ["-O3", "-Wshadow", "-Wsign-conversion", "-Wcast-qual", "-Wmissing-prototypes", "-Wlogical-op"]
    build.compile_c(HOST, [*more, "-c", "network.c", "-o", tmp_path / "network.o"], folder)
    told = subprocess.run(["nm", "-u", tmp_path / "network.o"], capture_output=True, text=True, check=True).stdout
    assert set(told.split()) - {"U"} <= {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}


def test_manifest_tells_flash_and_ram_or_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(HOST)
    first = compile_network(small(), target="c", out=tmp_path).manifest
    host = first["memory"]["host"]
    assert host["bytes"]["flash"] == sum(host["bytes"][key] for key in ("text", "rodata", "data"))
    assert host["bytes"]["ram"] == host["bytes"]["data"] + host["bytes"]["bss"] > 0
    assert first["profile"] is None
    assert set(first["files"]) >= {"network.h", "network.c", "main.c", "Makefile", "cortex_m4/startup.c"}
    monkeypatch.setenv("PATH", str(tmp_path))
    without = compile_network(small(), target="c", out=tmp_path).manifest
    for name, program in (("host", "gcc"), ("cortex-m4", "arm-none-eabi-gcc")):
        entry = without["memory"][name]
        assert (entry["bytes"], entry["compiler"], entry["reason"]) == (None, None, f"{program} is not installed")
    assert without["files"] == first["files"]


def test_weights_take_the_smaller_form_in_the_smallest_type(rng: np.random.Generator) -> None:
    # one factor 2 for all, which leaves 8 bits
    connection = Plan(small()).connections[0][0]
    assert isinstance(connection.weights, DenseTable)
    assert connection.weights.weights.tolist() == [[1, 2, -3], [0, 127, 4]]
    assert connection.exponent == 1
    assert connection.weights.bytes == 6
    # a line that is odd has no factor
    connection = Plan(small(always_on=np.array([4, 1, -2]))).connections[0][0]
    assert connection.bias is not None
    assert (connection.exponent, connection.bias.tolist()) == (0, [4, 1, -2])
    # no smaller type, no factor
    assert Plan(small(weights=np.full((3, 2), 4))).connections[0][0].exponent == 0
    few = np.zeros((50, 40), np.int64)
    few[rng.integers(0, 50, 30), rng.integers(0, 40, 30)] = 1000
    hidden = Population.of("hidden", "lif", 50, **lif_parameters(du=1, dv=2, vth=3))
    connection = Plan(IntegerNetwork(40, (hidden,), (Synapses("input", "hidden", few),))).connections[0][0]
    found = connection.weights
    assert isinstance(found, SparseTable)
    back = np.zeros((50, 40), np.int64)
    for j in range(40):
        here = slice(found.starts[j], found.starts[j + 1])
        back[found.post[here], j] = found.weights[here]
    # 1000 = 125 · 2^3
    assert connection.exponent == 3
    np.testing.assert_array_equal(back << 3, few)
    assert found.bytes < few.size


def test_types_are_the_smallest_that_hold_all_values() -> None:
    found = [
        signed_type(-128, 127),
        signed_type(-129, 0),
        signed_type(0, 128),
        signed_type(-32768, 32767),
        signed_type(0, 32768),
        signed_type(-(1 << 31), (1 << 31) - 1),
        signed_type(0, 1 << 31),
    ]
    assert found == ["int8_t", "int16_t", "int16_t", "int16_t", "int32_t", "int32_t", "int64_t"]
    assert [unsigned_type(n) for n in (0, 255, 256, 65535, 65536)] == ["uint8_t"] * 2 + ["uint16_t"] * 2 + ["uint32_t"]


def test_header_states_the_limit_of_the_input(tmp_path: Path) -> None:
    network = small()
    text = (compiled(network, tmp_path) / "network.h").read_text()
    assert f"#define HN_INPUT_LIMIT {network.largest_input('hidden')}\n" in text
    assert f"#define HN_INPUT_LOW (-{network.largest_input('hidden')})\n" in text
    few = small(message_bits=3)
    assert "#define HN_INPUT_LIMIT 7\n" in (compiled(few, tmp_path) / "network.h").read_text()


@pytest.mark.parametrize("bits", [(0,), (1,), (3,), (None,), (0, 3), (None, 0)], ids=str)
def test_programs_take_the_inputs_that_the_simulator_takes(bits: tuple[int | None, ...], tmp_path: Path) -> None:
    needs(HOST)
    network = small()
    network = replace(network, synapses=tuple(replace(network.synapses[0], message_bits=b) for b in bits))
    program = build.build(compiled(network, tmp_path), HOST)
    top = Plan(network).largest_input
    answers = set()
    for value in sorted({-top - 1, -top, -1, 0, 1, top, top + 1}):
        x = np.array([[[0, value]]])
        try:
            expected = " ".join(map(str, simulate(network, x, ["spikes"]).spikes["hidden"][0, 0])) + " \n"
        except InputError:
            expected = ""
        done = subprocess.run([str(program)], input=f"1 0 {value}", capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == (expected, 0 if expected else 2), (value, done.stderr)
        answers.add(done.returncode)
    assert answers == {0, 2}


def test_channels_of_spikes_and_of_graded_values_run_side_by_side(tmp_path: Path) -> None:
    needs(HOST)
    network, weights = small(), np.array([[20, 0], [90, 0], [-6, 0]])
    spikes, graded = (
        replace(network.synapses[0], weights=w, message_bits=b) for w, b in ((weights, 0), (weights[:, ::-1], 8))
    )
    network = replace(network, synapses=(spikes, graded))
    folder = compiled(network, tmp_path)
    text = (folder / "network.h").read_text()
    assert "#define HN_INPUT_LIMIT 255\n" in text
    assert "#define HN_INPUT_LOW (-255)\n" in text
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(0, 2, 30), rng.integers(-255, 256, 30)], axis=1)
    (printed,) = build.outputs(build.run(build.build(folder, HOST), [x]), [30])
    trace = simulate(network, x[None], ["spikes"]).spikes["hidden"][:, 0]
    assert np.array_equal(printed, trace)
    assert trace.any()


@pytest.mark.parametrize("bits", [-3, 33, 10**9, 1.5, "x", True])
def test_message_bits_are_checked_when_a_connection_is_made(bits: Any) -> None:
    with pytest.raises(InputError, match=re.escape(f"input -> hidden: message_bits = {bits!r}, rule: None for any")):
        small(message_bits=bits)


def test_message_bits_of_a_numpy_integer_become_a_plain_one() -> None:
    found = [small(message_bits=bits).synapses[0].message_bits for bits in (np.int64(32), np.uint8(0), None)]
    assert [type(bits) for bits in found] == [int, int, type(None)]
    assert found == [32, 0, None]


FAULTS = {
    "abc": "sample 0: number of steps 'abc', rule: an integer of 0..2147483647",
    "-3": "sample 0: number of steps '-3', rule: an integer of 0..2147483647",
    "1 0.5 0": "sample 0, step 0: input value '0.5', rule: an integer of -7..7",
    "1 0 1 2 1 1 0 8": "sample 1, step 1: input value '8', rule: an integer of -7..7",
    "1 -8 0": "sample 0, step 0: input value '-8', rule: an integer of -7..7",
    "1 0 -": "sample 0, step 0: input value '-', rule: an integer of -7..7",
    "1 4294967296 1": "sample 0, step 0: input value '4294967296', rule: an integer of -7..7",
    "1 0 99999999999999999999999999": f"sample 0, step 0: input value '{'9' * 23}', rule: an integer of -7..7",
    "2 0 1 1": "sample 0, step 1: input value missing, the text ends, rule: an integer of -7..7",
}


def told_by(program: Path, text: str) -> tuple[int, str]:
    """Exit code and error output of a program, under qemu if it is for a board."""
    command = [*build.EMULATE, "-kernel", str(program)] if CORTEX_M4.name in program.name else [str(program)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("toolchain", [SANITIZERS, CORTEX_M4], ids=lambda t: t.name)
def test_text_that_is_no_sample_is_an_error(toolchain: Toolchain, tmp_path: Path) -> None:
    needs(toolchain)
    # inputs of 3 bits
    program = build.build(compiled(small(message_bits=3), tmp_path), toolchain)
    for text in ("1 0 1\n", "1 -7 \r\n\t0000000000000000000000007", "", "0 1 0 1"):
        assert told_by(program, text) == (0, ""), text
    for text, line in FAULTS.items():
        assert told_by(program, text) == (2, line + "\n"), text


def test_labels_and_inputs_of_a_program_that_learns_are_checked(tmp_path: Path) -> None:
    for toolchain in (SANITIZERS, CORTEX_M4):
        needs(toolchain)
        qnet = random_quantized("lif", 0, "loihi2", inputs=1)
        limit = compiled_to_learn(qnet, tmp_path)
        program = learn_build.build_learning(tmp_path, toolchain)
        last = qnet.output_size - 1
        assert told_by(program, f"2 0 {last} 1 0 -1 0") == (0, "")
        for text, line in (
            (f"2 0 {last} 1 0 {last + 1} 1", f"sample 0, step 1: label {last + 1}, rule: an integer of 0..{last}"),
            ("1 0 -1 1", f"sample 0, step 0: label -1, rule: an integer of 0..{last}"),
            ("1 0 0 2", "sample 0, step 0: scored '2', rule: an integer of 0..1"),
            (
                f"1 {limit + 1} 0 1",
                f"sample 0, step 0: input value '{limit + 1}', rule: an integer of -{limit}..{limit}",
            ),
        ):
            assert told_by(program, text) == (2, line + "\n"), text


def compiled_to_learn(qnet: QuantizedNetwork, folder: Path) -> int:
    """Compile the network as one that learns; the largest input that it takes."""
    compile_network(qnet, target="c", out=folder, learn=LearnOptions(rate=0.3))
    found = re.search(r"HN_LEARN_INPUT_LIMIT = (\d+)", (folder / "learn.h").read_text())
    assert found is not None
    return int(found.group(1))


def test_a_program_that_fails_is_reported(tmp_path: Path) -> None:
    needs(HOST)
    folder = compiled(small(), tmp_path)
    program = build.build(folder)
    with pytest.raises(InputError, match=r"program_host ended with 2:\nsample 0, step 1: input value missing"):
        build.run(program, [np.zeros((2, 1), np.int64)])
    (folder / "network.c").write_text("int x = y;\n")
    with pytest.raises(InputError, match=r"network\.c.* failed:\n.*error"):
        build.build(folder)


@needs_make
def test_makefile_builds_and_runs(tmp_path: Path) -> None:
    needs(HOST)
    network = small()
    folder = compiled(network, tmp_path)
    x = np.array([[1, 0], [0, 1], [1, 1]])
    expected = simulate_reference(network, x[None])[0]["spikes"][:, 0]
    for target, toolchain in (("run", HOST), ("emulate", CORTEX_M4)):
        if toolchain is CORTEX_M4:
            needs(CORTEX_M4)
        done = subprocess.run(
            ["make", "-s", target], cwd=folder, input="3 1 0 0 1 1 1\n", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.array(done.stdout.split(), np.int64).reshape(3, 3), expected)


@needs_make
@pytest.mark.parametrize("target", ["run", "emulate"])
def test_make_builds_anew_for_other_flags(target: str, tmp_path: Path) -> None:
    needs(HOST)
    if target == "emulate":
        needs(CORTEX_M4)
    folder = compiled(small(), tmp_path)

    def made(*flags: str) -> int:
        command = ["make", "-s", target, *flags]
        done = subprocess.run(command, cwd=folder, input="1 0 1\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return len(done.stdout.split())

    # outputs; states and outputs
    assert [made(), made("CFLAGS=-DHN_TRACE"), made(), made()] == [3, 9, 3, 3]
    program = folder / ("network" if target == "run" else "network.elf")
    before = program.stat().st_mtime_ns
    made()
    assert program.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("rate", "--learn rate, rule: KEY=VALUE, such as --learn rate=0.2"),
        ("rate=fast", "--learn rate=fast, rule: a number, such as --learn rate=0.2"),
        ("seed=", "--learn seed=, rule: KEY=VALUE, such as --learn seed=0"),
        ("seed=1.5", "--learn seed=1.5, rule: an integer, such as --learn seed=0"),
        ("parameters", "--learn parameters, rule: KEY=VALUE, such as --learn parameters=all"),
        ("noise=a", "--learn noise=a, rule: integers, such as --learn noise=10,0"),
    ],
)
def test_learn_options_without_their_value_show_one(given: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _learn_options([given])
    assert str(caught.value) == message


def test_learn_options_of_the_command_line() -> None:
    given = ["rate=0.3", "layers=readout,layers.0", "noise=10,0", "update_every=2", "targets=values"]
    assert _learn_options(given) == LearnOptions(
        rate=0.3, layers=("readout", "layers.0"), noise=(10, 0), update_every=2, targets="values"
    )


def test_learn_options_given_twice_are_refused(tmp_path: Path) -> None:
    random_quantized("lif", 0, "loihi2").save(tmp_path / "quantized.h5")
    twice = ("--learn", "rate=0.3", "--learn", "rate=0.4")
    done = called("compile", tmp_path / "quantized.h5", "--out", tmp_path / "out", *twice)
    assert done.returncode == 2
    assert "--learn rate=0.4, rule: rate once" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_tells_flash_and_ram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(HOST)
    monkeypatch.setenv("COLUMNS", "200")
    random_quantized("lif", 0, "spinnaker2").save(tmp_path / "quantized.h5")
    compile_it = ("compile", tmp_path / "quantized.h5", "--out", tmp_path / "out")
    done = called(*compile_it, "--learn", "rate=0.3")
    assert done.returncode == 0, done.stderr
    memory = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for key, file in (("memory", "network.c"), ("learning", "learn.c")):
        of = memory[key]["host"]["bytes"]
        assert re.search(rf"{file}, host\s+flash {of['flash']}, RAM {of['ram']} bytes", done.stdout), done.stdout
    assert f"eligibilities {memory['learning']['purpose']['eligibilities']}" in done.stdout
    monkeypatch.setenv("PATH", str(tmp_path))
    why = "not checked: arm-none-eabi-gcc is not installed"
    assert f"129024 bytes {why}" in called(*compile_it, "--target", "spinnaker2").stdout
    unmeasured = r"network\.c, cortex-m4\s+not measured: arm-none-eabi-gcc is not installed"
    assert re.search(unmeasured, called(*compile_it).stdout)


def test_targets_refuse_what_they_do_not_take(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"takes a QuantizedNetwork .*has none; .* take it: c, lava, netx"):
        compile_network(small(), target="spinnaker2", out=tmp_path)
    with pytest.raises(InputError, match=r"type IntegerNetwork, rule: a quantized network .* scales nor psi tables"):
        compile_network(small(), target="c", out=tmp_path, learn=LearnOptions())
    with pytest.raises(InputError, match=r"target 'c' has no option 'colour'.*, known: "):
        compile_network(small(), target="c", out=tmp_path, colour=1)
    qnet = random_quantized("lif", 0, "loihi2")
    other = replace(qnet, profile=qnet.profile.model_copy(update={"compilers": ("lava",)}))
    with pytest.raises(InputError, match=r"profile 'loihi2' takes lava \(compilers\), not 'c'"):
        compile_network(other, target="c", out=tmp_path)
