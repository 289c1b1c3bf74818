"""What the netx writer refuses, by name, and what it has to write differently so that it is read as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.sparse import csr_array

from hypr_neuro.compilers.netx import chain, write_netx
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.testing.networks import random_quantized

CHANNEL = {"always_on": "channel"}


def simple(weights: Any = ((3, -3),), model: str = "lif", **values: Any) -> IntegerNetwork:
    """2 inputs, one neuron 'a'; values change its integers."""
    given = lif_parameters(100, 100, 10) if model == "lif" else rf_parameters(9, 0.1, 20, state_exp=6)
    p = Population.of("a", model, len(weights), **(given | values))
    return IntegerNetwork(
        2,
        (p,),
        tuple(Synapses(INPUT, "a", np.array(weights), current=k, message_bits=0) for k in range(p.model.currents)),
    )


def with_synapses(*synapses: Synapses, size: int = 1, **options: Any) -> IntegerNetwork:
    populations = [Population.of(name, "lif", size, **lif_parameters(100, 100, 10)) for name in "ab"]
    return IntegerNetwork(2, tuple(populations), synapses, **options)


def from_input(weights: Any = ((3, -3),), **options: Any) -> Synapses:
    return Synapses(INPUT, "a", np.array(weights), **options)


ONE = np.array([[1]])
A_TO_B, LOOP = Synapses("a", "b", ONE), Synapses("a", "a", ONE)
LATE = Synapses(INPUT, "a", np.zeros((1, 2), int), always_on=np.array([1]), delays=3)


def delayed_rf() -> IntegerNetwork:
    network = simple(model="rf")
    return replace(network, synapses=tuple(replace(c, delays=1) for c in network.synapses))


def brf_and_readout() -> QuantizedNetwork:
    return random_quantized("brf", 1, "loihi2", hidden=(4,))


def wide_and_sparse() -> IntegerNetwork:
    """2^26 + 2^14 + 1 weights, three of them not 0: dense they would take 512 MB and more."""
    size = (1 << 13) + 1
    loop = csr_array((np.array([1, 2, 3]), (np.array([0, 5, size - 1]), np.array([4, 9, 0]))), (size, size))
    one = Population.of("a", "lif", size, **lif_parameters(100, 100, 10))
    return IntegerNetwork(2, (one,), (from_input(np.full((size, 2), 2)), Synapses("a", "a", loop)))


def recurrent_rf() -> IntegerNetwork:
    network = simple(model="rf")
    return replace(network, synapses=(*network.synapses, Synapses("a", "a", ONE)))


REFUSED: dict[str, tuple[Any, str]] = {
    "time": (lambda: replace(simple(), connection_delay=0), r"connection_delay = 0, rule for netx: 1"),
    "skip": (
        lambda: with_synapses(from_input(), A_TO_B, Synapses(INPUT, "b", np.array([[1, 1]]))),
        r"connection input -> b: rule for netx: each layer receives from the one before it \('a'\)",
    ),
    "backward": (lambda: with_synapses(from_input(), A_TO_B, Synapses("b", "a", ONE)), r"connection b -> a: rule"),
    "double": (lambda: with_synapses(from_input(), from_input(delays=1), A_TO_B), r"input -> a: the second one, with"),
    "apart": (lambda: with_synapses(from_input()), r"population 'b': no weights from 'a' into current 0"),
    "real part alone": (
        lambda: replace(simple(model="rf"), synapses=(from_input(),)),
        r"population 'a': no weights from 'input' into current 1",
    ),
    "constant": (
        lambda: with_synapses(from_input(always_on=np.array([2])), A_TO_B),
        r"connection input -> a: constant current \(always_on\), rule for netx: none; .hypr-neuro quantize "
        r"GRAPH --target netx. .*hn\.quantize.* Where its weights fit, always_on=\"channel\" "
        r"writes it as it is \(--always-on channel\)",
    ),
    "constant above": (
        lambda: with_synapses(from_input(), Synapses("a", "b", ONE, always_on=np.array([2]))),
        r"connection a -> b: constant current .* neurons that fire in every step",
    ),
    "overflow": (lambda: simple(lava=0), r"population 'a': lava = 0, rule for netx: 1, overflow 'lava'"),
    "subtract": (lambda: simple(subtract=1), r"population 'a': subtract = 1, rule for netx: 0, reset to zero"),
    "threshold": (lambda: simple(vth=65), r"population 'a', neuron 0: vth = 65, rule for netx: 2\^6 times"),
    "bias": (lambda: simple(((3, -3),) * 2, bias=np.array([64, 96])), r"population 'a', neuron 1: bias = 96, .*round"),
    "large bias": (lambda: simple(bias=64 << 15), r"bias = 2097152, rule for netx: 2\^6 times .* -32768..32767"),
    "model": (
        lambda: replace(simple(), populations=(refractory(),)),
        r"population 'a': neuron 'lif_refractory', rule for netx: lif, rf, rf_iz",
    ),
    "model first": (brf_and_readout, r"population 'layers.0': neuron 'brf', rule for netx: lif, rf, rf_iz"),
    "fraction": (
        lambda: with_synapses(from_input(exponent=-1), A_TO_B),
        r"connection input -> a: weight \[0, 0\] = 3 · 2\^-1, rule for netx: whole .*--target netx. .* makes them",
    ),
    "two scales": (
        lambda: with_synapses(from_input(), Synapses("a", "a", ONE, exponent=-3), A_TO_B),
        r"connection a -> a: weight \[0, 0\] = 1 · 2\^-3, .*have no exponents "
        r"\(-3, 0 into the layer\); .hypr-neuro quantize GRAPH --target netx",
    ),
    "size": (
        wide_and_sparse,
        r"connection a -> a: 67125249 weights, zeros written out, rule for netx: at most "
        r"67108864; netx has no sparse connections, targets c and lava keep them",
    ),
    "range": (
        lambda: with_synapses(from_input(exponent=7), A_TO_B),
        r"connection input -> a: weights -384..384, rule: -256..254 .*--target netx. .* makes weights that fit",
    ),
    "together": (
        lambda: with_synapses(from_input(), Synapses("a", "a", ONE, exponent=9), A_TO_B),
        r"connection input -> a and a -> a: weights -3..512, rule: -256..254",
    ),
    "groups": (
        lambda: with_synapses(from_input(((100, -107),), exponent=4), from_input(((8, 9),)), A_TO_B),
        r"weights -1703..1608, rule: -256..254 [^;]*; between 'input' and 'a' are connections with several "
        r"exponents, 0, 4, netx has one scale: .hypr-neuro quantize GRAPH --target netx. .* makes weights that fit",
    ),
    "huge": (lambda: with_synapses(from_input(((1 << 20, -(1 << 20)),), exponent=9), A_TO_B), r"rule: -256..254"),
    "odd": (lambda: with_synapses(from_input(((0, -201),)), A_TO_B), r"odd weights in a range -201..0"),
    "zeros": (lambda: with_synapses(from_input(((0, 0),)), A_TO_B), r"connection input -> a: weights of 0 alone"),
    "recurrent delay": (
        lambda: with_synapses(from_input(), Synapses("a", "a", ONE, delays=2), A_TO_B),
        r"connection a -> a: delays up to 2, rule for netx: none into a recurrent layer",
    ),
    "delay before": (
        lambda: with_synapses(from_input(delays=np.array([[0, 3]])), Synapses("a", "a", ONE), A_TO_B),
        r"connection input -> a: delays up to 3, rule for netx: none into a recurrent layer",
    ),
    "delay": (lambda: with_synapses(from_input(delays=63), A_TO_B), r"delays up to 63, rule for netx: 0..62"),
    "delayed RF": (delayed_rf, r"connection input -> a: delays up to 1, rule for netx: none into 'rf'"),
    "recurrent RF": (recurrent_rf, r"connection a -> a: rule for netx: no recurrent weights on 'rf'"),
    "state_exp": (lambda: simple(model="rf", state_exp=5), r"state_exp = 5, rule for netx: 6"),
    "RF thresholds": (lambda: simple(((3, -3),) * 2, "rf", vth=np.array([64, 128])), r"neuron 1: vth = 128, .*one"),
    "RF decays": (lambda: simple(model="rf", sin_decay=-5), r"cos_decay, sin_decay = \d+, -5, rule for netx: a pair"),
}


def refractory() -> Population:
    return Population.of("a", "lif_refractory", 1, du1=1, dv=1, vth=64, bias=0, refractory=3, lava=1)


@pytest.mark.parametrize("what", REFUSED)
def test_what_netx_cannot_say_is_refused_by_name(what: str, tmp_path: Path) -> None:
    build, message = REFUSED[what]
    with pytest.raises(InputError, match=message) as refusal:
        write_netx(build(), tmp_path / "a.net")
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_as_many_weights_as_netx_takes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = simple()
    monkeypatch.setattr(chain, "LARGEST_MATRIX", 2)
    assert write_netx(network, tmp_path / "a.net").neurons == {"a": 1}
    monkeypatch.setattr(chain, "LARGEST_MATRIX", 1)
    with pytest.raises(InputError, match=r"connection input -> a: 2 weights, .*, rule for netx: at most 1;"):
        write_netx(network, tmp_path / "b.net")


def test_options_and_lines_without_a_place_are_refused(tmp_path: Path) -> None:
    for option in ("always_on", "readout"):
        with pytest.raises(InputError, match=f"{option} = 'ignore', rule: 'refuse' or"):
            write_netx(simple(), tmp_path / "a.net", **{option: "ignore"})
    network = simple(model="rf")
    after = Population.of("b", "lif", 1, **lif_parameters(1, 1, 1))
    line = Synapses("a", "b", ONE, always_on=np.array([1]))
    network = replace(network, populations=(*network.populations, after), synapses=(*network.synapses, line))
    with pytest.raises(InputError, match=r"population 'a': a neuron of 'rf' has no bias that makes it fire"):
        write_netx(network, tmp_path / "a.net", **CHANNEL)
    late = with_synapses(from_input(), LATE, LOOP, A_TO_B)
    with pytest.raises(InputError, match=r"input -> a: a constant current of delay 3, rule for netx: at most 0 into"):
        write_netx(late, tmp_path / "a.net", **CHANNEL)
    with pytest.raises(InputError, match="cannot write"):
        write_netx(simple(), tmp_path / "none" / "a.net")


def test_decays_of_rf_come_out_as_they_are(tmp_path: Path) -> None:
    # as the pair itself, a neighbour of it, or with fractions
    rng = np.random.default_rng(0)
    angle, size = rng.uniform(0.01, 3.1, 500), rng.uniform(300, 4094, 500)
    values = rf_parameters(2 * np.pi / angle, 1 - size / 4096, 9, state_exp=6)
    network = simple(np.tile([[3, -3]], (500, 1)), "rf", **values)
    summary = write_netx(network, tmp_path / "a.net")
    with h5py.File(summary.path) as file:
        stored = np.stack([file["layer/0/neuron/cosDecay"], file["layer/0/neuron/sinDecay"]])
    moved = np.abs(stored - np.stack([values["cos_decay"], values["sin_decay"]])).max(axis=0)
    assert {share: 0.2 < np.mean(moved == share) < 0.6 for share in (0, 0.5, 1)} == {0: True, 0.5: True, 1: True}
    assert np.array_equal(read_netx(summary.path).network.populations[0].per_neuron, network.populations[0].per_neuron)
