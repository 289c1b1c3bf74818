"""Flash, RAM and a core's memory: placement says what the compiler makes, and refuses with what takes the room."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.compilers.c.build import CORTEX_M4, STRICT
from hypr_neuro.compilers.c.holds import InferenceTables, LearningTables, parts_of
from hypr_neuro.compilers.c.learning.memory import fields
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.placement.program import ProgramUse
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, varied

pytestmark = pytest.mark.once


def needs_arm() -> None:
    if reason := CORTEX_M4.missing():  # the compiler alone, no emulator as `needed.needs` asks for
        pytest.skip(reason)


def chain(profile: str, size: int = 24, bits: int = 8) -> QuantizedNetwork:
    layers = [{"neuron": "brf", "size": size, "recurrent": True, "bias": True}]
    net = hn.Network.build({"inputs": 8, "outputs": 3, "layers": layers}, seed=0)
    chip = hn.load_profile(profile, {"precision.weight_bits": bits} if bits != 8 else {})
    return hn.quantize(net, chip, calibration={"layers.0": 4.0, "readout": 4.0})


def measured(programs: list[ProgramUse]) -> dict[str, dict[str, int | None]]:
    return {p.name: {m.name: m.used for m in p.memories} for p in programs}


def printed_size(folder: Path, source: str) -> tuple[int, int]:
    """Flash and RAM as `arm-none-eabi-size` of the compiled file prints them (text with constants, data, bss)."""
    command = [CORTEX_M4.program, *STRICT, *CORTEX_M4.flags, "-c", source, "-o", "one.o"]
    subprocess.run(command, cwd=folder, check=True)
    row = subprocess.run([CORTEX_M4.size, "one.o"], cwd=folder, check=True, capture_output=True, text=True).stdout
    text, data, bss = map(int, row.splitlines()[1].split()[:3])
    return text + data, data + bss


@pytest.mark.parametrize("network", ["chain", "graph"])
def test_placement_says_what_compile_writes_and_size_prints(network: str, tmp_path: Path) -> None:
    needs_arm()
    qnet = chain("cortex_m4") if network == "chain" else random_learning_graph(3, varied("cortex_m4"))
    options = hn.LearnOptions(rate=0.3, parameters=("all",))
    found = measured(hn.place(qnet, learning=options).programs)
    artifact = hn.compile(qnet, target="c", out=tmp_path, learn=options)
    for source, entry in (("network.c", artifact.manifest["memory"]), ("learn.c", artifact.manifest["learning"])):
        told = entry["cortex-m4"]["bytes"]
        assert found[source] == {"flash": told["flash"], "RAM": told["ram"]}
        assert printed_size(tmp_path, source) == (told["flash"], told["ram"])
    assert found["learn.c"]["RAM"] >= sum(artifact.manifest["learning"]["purpose"].values())


def test_a_board_of_exactly_these_sizes_holds_the_program_and_a_byte_less_does_not() -> None:
    needs_arm()
    qnet = chain("cortex_m4")
    used = measured(hn.place(qnet).programs)["network.c"]
    flash, ram = used["flash"] or 0, used["RAM"] or 0
    exact = hn.place(qnet, hn.load_profile("cortex_m4", {"chip.flash": flash, "chip.ram": ram}))
    assert exact.fits is True
    with pytest.raises(
        DoesNotFitError, match=rf"network\.c: {flash:,} bytes of flash, limit {flash - 1:,} .*chip\.flash"
    ):
        hn.place(qnet, hn.load_profile("cortex_m4", {"chip.flash": flash - 1}))
    with pytest.raises(DoesNotFitError, match=rf"{ram:,} bytes of RAM, limit {ram - 1:,} .*chip\.ram.*state_p0"):
        hn.place(qnet, hn.load_profile("cortex_m4", {"chip.ram": ram - 1}))


def test_what_takes_the_room_is_named_and_the_remedies_work() -> None:
    """Weights in flash by connection, RAM of learning by purpose; fewer connections, narrower eligibilities fit."""
    needs_arm()
    qnet = chain("cortex_m4", 64)
    with pytest.raises(DoesNotFitError, match=r"flash.*the most take weights layers\.0 -> layers\.0 \(w1\) 4,096"):
        hn.place(qnet, hn.load_profile("cortex_m4", {"chip.flash": "4K"}))
    whole = measured(hn.place(qnet, learning=True).programs)["learn.c"]["RAM"] or 0
    board = {"chip.ram": whole - 1}
    with pytest.raises(DoesNotFitError, match=r"learn\.c: .* of RAM.*eligibilities [\d,]+.*learn in fewer connections"):
        hn.place(qnet, hn.load_profile("cortex_m4", board), learning=True)
    assert hn.place(qnet, hn.load_profile("cortex_m4", board), learning=hn.LearnOptions(layers=("readout",))).fits
    assert hn.place(qnet, hn.load_profile("cortex_m4", board)).fits
    narrower = hn.load_profile("cortex_m4", board | {"learning.eligibility_bits": 8})
    assert hn.place(qnet, narrower, learning=True).fits


def refused_on(qnet: hn.QuantizedNetwork, sizes: dict[str, Any], **options: Any) -> str:
    with pytest.raises(DoesNotFitError) as caught:
        hn.place(qnet, hn.load_profile("cortex_m4", sizes), **options)
    return str(caught.value)


def test_remedies_are_of_what_takes_the_room() -> None:
    """Weights of 8 bits take a byte each, as those of 4 do; RAM has no weights in it; states are of neurons."""
    needs_arm()
    narrowest, narrow, wide = (chain("cortex_m4", 64, bits=bits) for bits in (4, 8, 16))
    assert refused_on(narrow, {"chip.flash": "4K"}).endswith("; fewer synapses or take a board with more flash")
    wider = {"chip.flash": "4K", "precision.weight_bits": 16}
    end = "; fewer synapses, weights of a byte (precision.weight_bits: 8) or take a board with more flash"
    assert refused_on(wide, wider).endswith(end)
    flash = [measured(hn.place(q).programs)["network.c"]["flash"] or 0 for q in (narrowest, narrow, wide)]
    assert abs(flash[0] - flash[1]) < 300, "a byte each"
    assert flash[2] > flash[1] + 4096, "two bytes each"
    ram = refused_on(narrow, {"chip.ram": "100"})
    assert "state_p0" in ram
    assert ram.endswith("; fewer neurons or take a board with more RAM")
    learning = refused_on(narrow, {"chip.ram": "1K"}, learning=True)
    assert "weights of a byte" not in learning


def test_flash_and_ram_that_are_both_too_small_are_both_told() -> None:
    """Each with what lies there, then the remedies of both."""
    needs_arm()
    qnet = chain("cortex_m4", 64)
    for options in ({}, {"learning": True}):
        both = refused_on(qnet, {"chip.flash": "4K", "chip.ram": "100"}, **options)
        for sizes in ({"chip.flash": "4K"}, {"chip.ram": "100"}):
            told = re.findall(r"\w+\.c: [\d,]+ bytes of \w+|the most take [^;]+", refused_on(qnet, sizes, **options))
            assert len(told) == (4 if options else 2)
            assert all(part in both for part in told)
        assert both.endswith(" or take a board with more flash and RAM")
    assert "; fewer synapses, fewer neurons or" in refused_on(qnet, {"chip.flash": "4K", "chip.ram": "100"})


def test_parts_are_named_by_connection_where_delays_or_lists_of_synapses_hold_its_weights() -> None:
    """Tables of several delays and of lists of synapses add up; the numbers in C are not those of connections."""
    qnet = random_learning_graph(3, varied("cortex_m4"))
    plan = Plan(qnet.integer(), qnet.tail)
    names = {d.number: plan.network.synapses[d.place].name for group in plan.connections for d in group}
    assert (names[0], names[1], names[8]) == ("input -> h0", "input -> h0", "h0 -> out0")
    symbols = [("hn_step", 9), ("w0", 16), ("w1_start", 5), ("w1_post", 4), ("w1", 4), ("w8_line", 3), ("p0_alpha", 8)]
    assert parts_of(InferenceTables(plan), symbols) == [
        ("weights input -> h0 (w0, w1_start, w1_post, …)", 29),
        ("hn_step", 9),
        ("parameters h0 (p0_alpha)", 8),
        ("weights h0 -> out0 (w8_line)", 3),
    ]


def test_the_start_values_of_a_program_that_learns_are_told_by_connection() -> None:
    qnet = random_learning_graph(3, varied("cortex_m4"))
    program = LearningProgram(LearningPlan(qnet, hn.LearnOptions(parameters=("all",))))
    learned = sum(f.bytes for f in fields(program) if f.struct == "learned")
    parts = parts_of(LearningTables(program), [("start", learned + 1), ("start_c1", 5), ("psi_0", 1024)])
    assert sum(size for _, size in parts) == learned + 1 + 5 + 1024
    told = " ".join(name for name, _ in parts)
    assert all(f"weights {c.name} (" in told for c in qnet.connections)
    assert ("start", 1) in parts


def test_compile_refuses_before_it_writes(tmp_path: Path) -> None:
    needs_arm()
    qnet = chain("cortex_m4")
    with pytest.raises(DoesNotFitError, match=r"network\.c: .* bytes of flash, limit 1,024"):
        hn.compile(qnet, target="c", out=tmp_path / "a", flash="1K")
    with pytest.raises(DoesNotFitError, match=r"learn\.c: .* of RAM, limit 2,048"):
        hn.compile(qnet, target="c", out=tmp_path / "a", ram="2K", learn=hn.LearnOptions())
    assert not (tmp_path / "a").exists()
    assert hn.compile(qnet, target="c", out=tmp_path / "b", flash="1M", ram="256K").manifest["options"]["ram"] == "256K"
    stated = chain("cortex_m4")
    stated.profile = hn.load_profile("cortex_m4", {"chip.ram": "100"})
    with pytest.raises(DoesNotFitError, match="limit 100"):
        hn.compile(stated, target="c", out=tmp_path / "a")


@pytest.mark.parametrize("size", ["much", "0", "-1", "1.5K", "1T"])
def test_sizes_that_are_none_are_refused(size: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"flash = .*, rule: bytes, such as 262144, 256K or 1M"):
        hn.compile(chain("cortex_m4"), target="c", out=tmp_path / "a", flash=size)
    with pytest.raises(InputError, match=r"chip\.flash"):
        hn.load_profile("cortex_m4", {"chip.flash": size})


def test_the_command_line_takes_the_boards_sizes(tmp_path: Path) -> None:
    needs_arm()
    path = tmp_path / "quantized.h5"
    chain("cortex_m4").save(path)
    section = answer("place", path, "--flash", "1M", "--ram", "256K", run=called)
    limits = {m["name"]: m["limit"] for p in section["programs"] for m in p["memories"]}
    assert (limits, section["fits"]) == ({"flash": 1 << 20, "RAM": 256 << 10}, True)
    overridden = answer("place", path, "--override", "chip.flash=1M", "--override", "chip.ram=256K", run=called)
    assert section["programs"] == overridden["programs"]
    assert "bytes of RAM, limit 1,024" in refusal("place", path, "--ram", "1K", run=called)
    assert "bytes of RAM, limit 100" in refusal("compile", path, "--ram", "100", "--out", tmp_path / "c", run=called)
    assert not (tmp_path / "c").exists()
    open_ended = answer("place", path, run=called)
    assert (open_ended["fits"], open_ended["cores"]) == ("unknown", "unknown")
    assert all(m["limit"] == "unknown" for p in open_ended["programs"] for m in p["memories"])


def test_without_a_compiler_sizes_are_unknown_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    board = hn.load_profile("cortex_m4", {"chip.flash": "1K"})
    found = hn.place(chain("cortex_m4"), board)
    (program,) = found.programs
    assert program.reason == "arm-none-eabi-gcc is not installed"
    assert [m.told() for m in program.memories] == ["unknown of 1,024 bytes", "unknown of unknown bytes"]
    assert found.fits is None


def test_cores_of_spinnaker2_hold_what_compile_writes(tmp_path: Path) -> None:
    needs_arm()
    qnet = random_quantized("brf", 0, "spinnaker2", inputs=16, hidden=(60, 20), outputs=3)
    placement = hn.place(qnet)
    artifact = hn.compile(qnet, placement, target="spinnaker2", out=tmp_path)
    used = [m.used for p in placement.programs for m in p.memories]
    assert used == [core["bytes"] for core in artifact.manifest["cores"]]
    assert placement.fits is True


def test_a_network_is_split_until_each_core_of_spinnaker2_holds_its_part() -> None:
    """Learning included: its memory is counted beside the program, of which the compiler writes none that learns."""
    needs_arm()
    qnet = chain("spinnaker2", 96)
    apart, learning = hn.place(qnet), hn.place(qnet, learning=True)
    assert apart.used == 2 < learning.used
    for use, program in zip(learning.cores, learning.programs, strict=True):
        (m,) = program.memories
        assert m.limit == (128 - 2) * 1024
        assert -(-use.learning_bits // 8) < (m.used or 0) <= m.limit
        assert f"{-(-use.learning_bits // 8):,} bytes counted for learning" in m.name
    small = hn.load_profile("spinnaker2", {"core.sram": "4K"})
    with pytest.raises(DoesNotFitError, match=r"bytes of one neuron .*core\.sram.*counted for learning"):
        hn.place(qnet, small, learning=True)


def test_the_number_of_neurons_that_an_error_names_fits(tmp_path: Path) -> None:
    needs_arm()
    qnet = chain("spinnaker2", 96)
    qnet.profile = hn.load_profile("spinnaker2", {"core.sram": "10K"})
    with pytest.raises(
        DoesNotFitError, match=r"core 0 \(layers\.0.*weights layers\.0 -> layers\.0 \(w1\) 9,216.*neurons_per_core=\d+"
    ) as caught:
        hn.compile(qnet, target="spinnaker2", out=tmp_path)
    (number,) = re.findall(r"neurons_per_core=(\d+)", str(caught.value))
    artifact = hn.compile(qnet, target="spinnaker2", out=tmp_path, neurons_per_core=int(number))
    assert all(core["bytes"] <= core["limit"] for core in artifact.manifest["cores"])
