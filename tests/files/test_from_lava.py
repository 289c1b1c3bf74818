"""Lava networks that are read: spikes and states of every step are Lava's, and our own networks come back equal.

Everything that imports Lava happens in child processes (`lava_networks.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import lava_is_here, needs_lava

from hypr_neuro.compilers.lava.from_lava import from_lava
from hypr_neuro.errors import InputError, MismatchError, MissingPackageError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.integer import assert_same_run, random_integer_network, run_of_simulator
from hypr_neuro.testing.networks import random_quantized

PROGRAM = Path(__file__).resolve().parents[1] / "helpers" / "lava_networks.py"
SEED = int(os.environ.get("HYPR_SEED", "0"))
NETWORKS = 45


def ask(task: str, folder: Path, *names: str) -> None:
    command = [sys.executable, "-W", "ignore", str(PROGRAM), task, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- networks built by hand


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("lava")
    ask("run", found, *(str(SEED * 1000 + i) for i in range(NETWORKS)))
    return found


@needs_lava
def test_networks_built_by_hand_have_lavas_spikes_and_states(folder: Path) -> None:
    errors = [path.read_text() for path in folder.glob("*.error.txt")]
    assert not errors, errors[0]
    faults, fires = [], 0
    for path in sorted(folder.glob("*.h5")):
        network, x = IntegerNetwork.load(path), np.load(folder / f"{path.stem}.x.npy")[None]
        ours = run_of_simulator(network, x)
        lavas = [np.load(folder / f"{path.stem}.{i}.npy").reshape(a.shape) for i, a in enumerate(ours)]
        fires += any(0 < run[:, -1].mean() < 1 for run in lavas)
        try:
            assert_same_run(network, x, lavas, ours, seed=int(path.stem), who=("Lava", "simulator"))
        except MismatchError as error:
            faults.append(str(error))
    assert not faults, "\n".join([f"{len(faults)} of {NETWORKS} networks differ", *faults[:20]])
    assert fires > 0.8 * NETWORKS


@needs_lava
def test_what_is_drawn_meets_every_kind(folder: Path) -> None:
    met = Counter(what for path in folder.glob("*.json") for what in json.loads(path.read_text()))
    wanted = {
        "LIF",
        "RF",
        "RF_IZ",
        "Dense",
        "DelayDense",
        "Sparse",
        "DelaySparse",
        "one delay",
        "direct",
        "backward",
        "forward",
        "reshaped",
        "transposed",
        "two sources",
        "two senders",
        "weight_exp",
        "num_weight_bits",
        "sign_mode",
        "1 axes",
        "2 axes",
        "3 axes",
    }
    assert {what: met[what] for what in wanted if met[what] < 3} == {}
    delays = Counter(IntegerNetwork.load(path).connection_delay for path in folder.glob("*.h5"))
    assert min(delays[0], delays[1]) >= 3


# ---------------------------------------------------------------- to Lava and back

DECISIVE = ("du1", "dv", "vth", "bias", "lava", "subtract")
"""Of `lif`: the other integers are of learning, and Lava's LIF does not hold them."""


def normal_form(network: IntegerNetwork) -> list[Any]:
    """All that decides what a network computes: Lava may hold m · 2^e as 2 m · 2^(e - 1)."""
    found: list[Any] = [network.inputs, network.connection_delay]
    for p in network.populations:
        kept = DECISIVE if p.model.name == "lif" else tuple(p.named())
        found.append((p.name, p.model.name, {k: a.tolist() for k, a in p.named().items() if k in kept}))
    for c in network.synapses:
        weights = (c.weights if isinstance(c.weights, np.ndarray) else c.weights.toarray()).astype(np.int64)
        line = np.zeros(c.shape[0], np.int64) if c.always_on is None else c.always_on.astype(np.int64)
        both, exponent = np.column_stack([weights, line]), c.exponent
        while both.any() and not np.any(both & 1):
            both, exponent = both >> 1, exponent + 1
        delays = np.full(c.shape, c.delays) if isinstance(c.delays, int) else c.delays
        delays = delays if isinstance(delays, np.ndarray) else delays.toarray()
        acts = np.where(weights != 0, delays, 0)
        of_line = c.delays if line.any() else None
        bits = c.message_bits if c.source == INPUT else None
        found.append((c.name, c.current, both.tolist(), exponent if both.any() else 0, acts.tolist(), of_line, bits))
    return found


@needs_lava
def test_integer_networks_come_back_equal(tmp_path: Path) -> None:
    networks = {str(seed): random_integer_network(seed) for seed in range(SEED * 1000, SEED * 1000 + 150)}
    assert any(c.always_on is not None for n in networks.values() for c in n.synapses)
    for name, network in networks.items():
        network.save(tmp_path / f"{name}.h5")
    ask("back", tmp_path, *networks)
    for name, network in networks.items():
        assert normal_form(IntegerNetwork.load(tmp_path / f"{name}.back.h5")) == normal_form(network), f"seed {name}"


@needs_lava
def test_quantized_networks_of_any_model_come_back_equal(tmp_path: Path) -> None:
    # layers that Lava's LIF does not compute run as processes of this package, and the readout always does
    networks = {f"quantized {name}": random_quantized(name, 1, "loihi2") for name in ("brf", "lif")}
    for name, qnet in networks.items():
        qnet.save(tmp_path / f"{name}.h5")
    ask("back", tmp_path, *networks)
    for name, qnet in networks.items():
        found = IntegerNetwork.load(tmp_path / f"{name}.back.h5")
        assert [p.model.name for p in found.populations] == [layer.model.name for layer in qnet.layers]
        assert normal_form(found) == normal_form(qnet.integer()), name


# ---------------------------------------------------------------- hierarchical processes, and messages


@needs_lava
def test_hierarchical_processes_are_walked_to_their_leaves_and_left_as_they_were(tmp_path: Path) -> None:
    ask("nested", tmp_path)
    facts = json.loads((tmp_path / "nested.json").read_text())
    assert facts["equal"]
    assert facts["ports"] == [0, 0, 0]
    assert not facts["aliased"]
    network, x = IntegerNetwork.load(tmp_path / "nested.h5"), np.load(tmp_path / "nested.x.npy")
    names = [p.name for p in network.populations]
    assert names[:4] == ["entry/neurons", "left/first/neurons", "left/behind/neurons", "left/joined"]
    assert len(names) == 7
    assert [p.size for p in network.populations] == [4] * 7
    assert network.inputs == 3 + 4 + 4  # the source, and one of each loop's own
    found, wanted = simulate(network, x[None], record=("spikes",)).spikes, np.load(tmp_path / "nested.spikes.npz")
    last = {"entry": names[0], "left/joined": names[3], "right/joined": names[6]}
    for name, spikes in wanted.items():
        assert np.array_equal(found[last[name]][:, 0], spikes), name
        assert 0 < spikes.mean() < 1
    text = "\n".join(facts["lines"])
    assert "read through its parts: process 'entry' (lava_blocks.blocks.Block), BlockModel" in text
    assert text.count("LoopModel") == 2


@needs_lava
def test_message_bits_hold_in_the_channels_that_a_connection_reads(tmp_path: Path) -> None:
    ask("sources", tmp_path)
    for name in ("dense", "delayed"):
        network, kept = IntegerNetwork.load(tmp_path / f"{name}.h5"), np.load(tmp_path / f"{name}.npz")
        assert [c.message_bits for c in network.synapses] == [0, 8]
        spikes = simulate(network, kept["x"][None], record=("spikes",)).spikes["neurons"][:, 0]
        assert np.array_equal(spikes, kept["spikes"])
        assert 0 < spikes.mean() < 1
        too_large = kept["x"].copy()
        too_large[3, 1] = 2
        with pytest.raises(InputError, match=r"x holds 0 to 2 in the channels that it reads, rule: 0 to 1"):
            simulate(network, too_large[None])


# ---------------------------------------------------------------- refusals

MESSAGES = {
    "fraction": r"process 'lif' \(lava.proc.lif.process.LIF\): du = \[0.1\]…, rule: whole numbers; .*floating-point",
    "weights": r"process 'weights' \(lava.proc.dense.process.Dense\): weights = \[0.5, .*rule: whole numbers",
    "state": r"process 'lif' .*: v starts at 3, rule: 0",
    "between": r"process 'ternarylif' \(lava.proc.lif.process.TernaryLIF\) receives and sends, rule .*outside=",
    "reset neurons": r"process 'lifreset' \(lava.proc.lif.process.LIFReset\) receives and sends",
    "no neurons": r"no neurons hang together with it, rule: some of LIF",
    "weights twice": r"process 'weights' \(lava.proc.dense.process.Dense\): sends to another connection, rule",
    "two senders": r"process 'weights' .*: 2 ports send to it, rule: one",
    "writer": r"\(lava.proc.io.reset.Reset\): reaches into variables of the network, rule: only Monitor",
    "resonator": r"\(lava.proc.rf.process.RF\): cos_decay = .*rule: whole numbers",
    "short buffer": r"process 'weights' .*: delays up to 5, max_delay 3, rule: at least as much",
    "delay": r"input -> lif: delays 64 to 64, rule: 0\.\.63",
    "long delay": r"input -> lif: delay 63 beside neurons that receive in the same step, rule: at most 62",
    "bits": r"process 'weights' .*: num_weight_bits = 9, rule: 1\.\.8",
    "bias": r"process 'lif' .*: bias_mant\[0\] = 40000, rule: 16 bits",
    "no process": r"from_lava takes a Lava process, not a int",
    "both": r"process 'both' \(lava_blocks.blocks.Both\) receives and sends, rule inside the network",
    "broken": r"process 'both' \(lava_blocks.blocks.Broken\): its BrokenModel fails with ValueError: no such thing",
    "twice": r"process 'both' \(lava_blocks.blocks.Twice\): SubProcessModels TwiceModel, TwiceAgainModel, rule: one of",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("said")
    ask("refuse", place)
    found: dict[str, Any] = json.loads((place / "said.json").read_text())
    return found


@needs_lava
@pytest.mark.parametrize("what", MESSAGES)
def test_what_cannot_be_read_is_refused_by_name(said: dict[str, Any], what: str) -> None:
    def refuse() -> None:
        raise InputError(said[what])

    with pytest.raises(InputError, match=MESSAGES[what]):
        refuse()
    assert "\n" not in said[what]


@needs_lava
def test_what_was_read_is_said(said: dict[str, Any]) -> None:
    outside = said["outside"]
    assert outside["inputs"] == ["ternarylif.s_out"]
    assert outside["shapes"] == {"lif": [2]}
    kinds = [text.split("(")[1].rstrip(")") for text in outside["left_out"]]
    assert sorted(kinds) == [
        "lava.proc.dense.process.Dense",
        "lava.proc.io.sink.RingBuffer",
        "lava.proc.io.source.RingBuffer",
        "lava.proc.monitor.process.Monitor",
    ]
    assert outside["lines"][0] == "1 populations, 1 connections, 2 input channels, connection_delay 1"
    assert said["no input"] == [1, ["lif", said["no input"][1][1]]]


@needs_lava
def test_inputs_are_put_together(said: dict[str, Any]) -> None:
    assert said["given"] == [[1.0, 1.0, 0.0, 0.0]] * 4
    assert "holds no data, rule: a ring buffer; give arrays" in said["no data"]
    assert "of shape (5, 2), rule: (T, 2), one T for all" in said["lengths"]
    assert said["missing"].startswith("arrays for Process_")


@pytest.mark.skipif(lava_is_here(), reason="Lava is installed")
def test_lava_is_needed() -> None:
    with pytest.raises(MissingPackageError, match="Lava is not installed"):
        from_lava(None)
