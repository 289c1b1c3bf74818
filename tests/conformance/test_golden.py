"""Reference and simulator replay what Lava computed, on any Python, without Lava.

``tools/make_golden.py`` made the files under Lava.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.neurons import get_model
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedLayer
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.reference import simulate_reference

FILES = sorted((Path(__file__).resolve().parents[1] / "golden").glob("lava_*.npz"))


def network(file: dict[str, Any]) -> QuantizedNetwork:
    """The network of a golden file."""
    meta = json.loads(str(file["meta"]))
    layers = []
    for i, entry in enumerate(meta["layers"]):
        connections = {
            k: Connection(file[f"network/{i}/{k}"].astype(np.int64), e) for k, e in entry["exponents"].items()
        }
        layers.append(
            QuantizedLayer(
                model=get_model(entry["neuron"]),
                input=connections["input"],
                recurrent=connections.get("recurrent"),
                bias_axon=entry["bias_axon"],
                per_neuron=file[f"network/{i}/per_neuron"],
                constants=file[f"network/{i}/constants"],
                psi_table=np.zeros(512, np.int64),
                state_scale=1.0,
                current_scale=1.0,
            )
        )
    return QuantizedNetwork.from_layers(layers, load_profile(meta["profile"]), 1e-3)


def load(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def assert_equal(where: str, expected: Any, got: Any) -> None:
    """(steps, sample, neuron) arrays; names the first difference."""
    assert expected.shape == got.shape, where
    different = np.argwhere(expected != got)
    if len(different):
        step, sample, neuron = (int(i) for i in different[0])
        pytest.fail(
            f"{where}, sample {sample}, neuron {neuron}, step {step}: Lava {expected[step, sample, neuron]}, "
            f"got {got[step, sample, neuron]}"
        )


def test_there_are_golden_files() -> None:
    assert len(FILES) >= 6
    assert sum(path.stat().st_size for path in FILES) < 300_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_engine_replays_lava(path: Path) -> None:
    file = load(path)
    qnet = network(file)
    trace = simulate(qnet, file["x"], ["spikes", *sorted({s for l in qnet.layers for s in l.model.state_names})])
    assert_equal(f"{path.stem}: readout", file["readout"].swapaxes(0, 1), trace.readout.swapaxes(0, 1))
    for name, spikes in trace.spikes.items():
        assert_equal(f"{path.stem}: {name}.spikes", file[f"{name}/spikes"], spikes)
    for name, states in trace.states.items():
        for state, values in states.items():
            assert_equal(f"{path.stem}: {name}.{state}", file[f"{name}/{state}"], values)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reference_replays_lava(path: Path) -> None:
    file = load(path)
    qnet = network(file)
    for i, result in enumerate(simulate_reference(qnet, file["x"])):
        name, model = qnet.name(i), qnet.layers[i].model
        if not model.readout:
            assert_equal(f"{path.stem}: {name}.spikes", file[f"{name}/spikes"], result["spikes"])
        for j, state in enumerate(model.state_names):
            assert_equal(f"{path.stem}: {name}.{state}", file[f"{name}/{state}"], result["states"][:, j])
