"""Files of `write_nir` in other programs: nir alone, snnTorch, Norse and Sinabs, where these are installed.

`make test-lava-dl` sets up an environment that has them. What they cannot read is written down here as a test, too, so
that a new version which can is noticed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from hypr_neuro.exchange.nir import import_nir, write_nir
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run.graph_forward import run_graph

DT = 1e-4
"""The only dt that snnTorch's reader knows."""
pytestmark = pytest.mark.filterwarnings("ignore")  # of packages that are not ours
Array = Any


def spikes(seed: int = 0, steps: int = 60) -> Array:
    return (np.random.default_rng(seed).random((1, steps, 4)) < 0.4).astype(np.float32)


def graph(du: float, dv: float, recurrent: bool, seed: int = 0, readout: bool = False) -> Network:
    rng = np.random.default_rng(seed)

    def lif(name: str, n: int) -> FloatPopulation:
        params = {"du": np.full(n, du), "dv": np.full(n, dv), "vth": np.full(n, 1.0)}
        return FloatPopulation(name, get_model("lif"), params, {0: rng.normal(0.05, 0.02, n)} if not readout else {})

    second = FloatPopulation("second", get_model("li"), {"tau": np.full(3, 8.0)}) if readout else lif("second", 3)
    synapses = [FloatSynapses("input", "first", rng.normal(0.2, 0.5, (6, 4)))]
    if recurrent:
        synapses.append(FloatSynapses("first", "first", rng.normal(0, 0.3, (6, 6))))
    synapses.append(FloatSynapses("first", "second", rng.normal(0.3, 0.6, (3, 6))))
    return Network(4, (lif("first", 6), second), tuple(synapses), DT, ("second",))


def step_by_step(module: Callable[..., Any], x: Array) -> Array:
    """Outputs (T, n) of a module that takes one step and its state."""
    import torch

    state, found = None, []
    for row in x[0]:
        given = module(torch.tensor(row[None]), state)
        output, state = given if isinstance(given, tuple) else (given, state)
        found.append(output.detach().numpy()[0])
    return np.array(found)


def in_snntorch(path: Path, x: Array) -> Array:
    reader = pytest.importorskip("snntorch.import_nir", reason="snnTorch is not installed")
    return step_by_step(reader.import_from_nir(nir.read(path)), x)


def in_norse(path: Path, x: Array) -> Array:
    norse = pytest.importorskip("norse.torch", reason="Norse is not installed")
    return step_by_step(norse.from_nir(nir.read(path), dt=DT), x)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize(("du", "dv"), [(1.0, 0.2), (0.5, 0.2), (0.3, 0.05)])
def test_norse_fires_the_same_spikes(du: float, dv: float, recurrent: bool, tmp_path: Path) -> None:
    made, x = graph(du, dv, recurrent), spikes()
    write_nir(made, tmp_path / "m.nir")
    expected = run_graph(made, x).readout[0]
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(in_norse(tmp_path / "m.nir", x), expected)


@pytest.mark.parametrize(("du", "dv"), [(1.0, 0.2), (0.5, 0.2), (0.3, 0.05)])
def test_snntorch_fires_the_same_spikes(du: float, dv: float, tmp_path: Path) -> None:
    made, x = graph(du, dv, recurrent=False), spikes(1)
    write_nir(made, tmp_path / "m.nir")
    expected = run_graph(made, x).readout[0]
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(in_snntorch(tmp_path / "m.nir", x), expected)


def test_snntorch_reads_no_recurrent_graph_not_even_the_published_one(shared_data: Path, tmp_path: Path) -> None:
    """snnTorch 1.0 with nirtorch 2.6; if this fails, the test above can take recurrent graphs."""
    write_nir(graph(0.5, 0.2, recurrent=True), tmp_path / "m.nir")
    for path in (tmp_path / "m.nir", shared_data / "nir_paper" / "03_rnn" / "braille_noDelay_bias_zero.nir"):
        with pytest.raises(AttributeError, match="items"):
            in_snntorch(path, spikes())


def test_norse_runs_the_braille_network_as_we_wrote_it(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "nir_paper" / "03_rnn"
    made = import_nir(source / "braille_noDelay_bias_zero.nir", dt=DT, reset="zero").graph
    write_nir(made, tmp_path / "braille.nir")
    x = np.load(source / "ds_test_first_sample.npy").astype(np.float32)[None]
    expected = run_graph(made, x).readout[0]
    found = in_norse(tmp_path / "braille.nir", x)
    # Norse adds up in float32: a spike at the threshold may fall on either side
    assert np.mean(found != expected) < 0.02
    assert found.sum(axis=0).argmax() == expected.sum(axis=0).argmax() == 1


def test_sinabs_loads_integrate_and_fire_with_a_leaky_readout(tmp_path: Path) -> None:
    """It runs; its spikes are others: Sinabs ignores r and fires several times a step."""
    sinabs = pytest.importorskip("sinabs.nir", reason="Sinabs is not installed")
    import torch

    write_nir(graph(1.0, 0.0, recurrent=False, readout=True), tmp_path / "m.nir")
    read = nir.read(tmp_path / "m.nir")
    assert sorted(type(n).__name__ for n in read.nodes.values()) == ["Affine", "Affine", "IF", "Input", "LI", "Output"]
    found = sinabs.from_nir(read, batch_size=1)(torch.tensor(spikes()[0]))
    output = found[0] if isinstance(found, tuple) else found
    assert output.shape[-1] == 3
    assert torch.isfinite(output).all()


@pytest.mark.parametrize("recurrent", [False, True])
def test_nir_alone_reads_and_checks_our_files(recurrent: bool, tmp_path: Path) -> None:
    made = graph(0.5, 0.2, recurrent)
    write_nir(made, tmp_path / "m.nir")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = nir.read(tmp_path / "m.nir")
    assert len(read.nodes) == 6 + recurrent
    assert read.nodes["first"].metadata["hypr_neuro"]["neuron"] == "lif"
