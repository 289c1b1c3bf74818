"""Quantization-aware training: better than rounding afterwards, and what is kept has the integers that were scored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError, ProfileError
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import no_integer_form
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import convert, quantize
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.loop import evaluate, train
from hypr_neuro.train.options import Options
from hypr_neuro.train.quantized import QuantizationAware, Quantizer
from hypr_neuro.train.rules.base import Rule
from hypr_neuro.train.run import Epoch
from hypr_neuro.train.shadow_weights import round_shadows, shadow_step
from hypr_neuro.train.weight_limits import clipped, weight_limits

Array = Any
pytestmark = pytest.mark.filterwarnings("ignore:.*became 0:hypr_neuro.errors.HyprWarning")


def _bits(count: int) -> Profile:
    return load_profile("loihi2", {"precision.weight_bits": count})


@pytest.fixture(scope="module")
def letters() -> SequenceData:
    """Three classes, told by which channels fire in which half of a sample; 60 + 30 + 30 samples of 30 steps."""
    rng = np.random.default_rng(5)
    y = np.arange(120) % 3
    rates = np.full((120, 30, 6), 0.08)
    for c in range(3):
        rates[y == c, 10 * c : 10 * c + 10, 2 * c : 2 * c + 2] = 0.5
    x = (rng.random(rates.shape) < rates).astype(np.int8)
    split = np.repeat(["train", "validation", "test"], [60, 30, 30])
    return SequenceData("letters", x, y, split, 3)


def _net(seed: int, neuron: str = "alif", size: int = 12) -> Network:
    layer = {"neuron": neuron, "size": size}
    net = Network.build({"inputs": 6, "outputs": 3, "layers": [layer], "readout": {"tau": 8.0}}, seed)
    hn.scale_to_rate(net, random_spikes(seed, 16, 30, 6), 0.05)
    return net


def _integers(qnet: QuantizedNetwork) -> dict[str, Array]:
    found = dict(qnet.weights().items())
    for p, c in zip(qnet.populations, qnet.populations, strict=True):
        found |= {f"{p.name}/neurons": p.per_neuron, f"{c.name}/constants": c.constants}
    return found | {"exponents": np.array([c.exponent for c in qnet.connections])}


def _require_same(one: QuantizedNetwork, other: QuantizedNetwork) -> None:
    first, second = _integers(one), _integers(other)
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert np.array_equal(array, second[name]), name


# --- what is kept


@pytest.mark.parametrize("rule", ["hypr", "ostl", "eprop", "bptt"])
def test_the_kept_network_becomes_the_integers_that_validation_saw(
    rule: str, letters: SequenceData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[QuantizedNetwork] = []
    integers = Quantizer.integers

    def noted(quantizer: Quantizer, net: Network) -> QuantizedNetwork:
        seen.append(integers(quantizer, net))
        return seen[-1]

    monkeypatch.setattr(Quantizer, "integers", noted)
    net = _net(1)
    history = train(net, letters, rule=rule, epochs=4, rate=0.02, quantized=_bits(3))
    assert len(seen) == 4
    net.save(tmp_path / "network.h5")
    for held in (net, Network.load(tmp_path / "network.h5")):
        again = quantize(held, _bits(3), calibration=letters)
        _require_same(seen[history.best], again)
        assert evaluate(again, letters, "validation").figure == history.epochs[history.best].validation


@pytest.mark.parametrize(
    "numbers",
    [
        {"precision.weight_levels": "binary"},
        {"precision.weight_levels": "ternary"},
        {"precision.weight_bits@layers.0.recurrent": 3, "precision.weight_bits@layers.0.input": 2},
    ],
)
def test_levels_and_widths_of_single_connections(numbers: dict[str, Any], letters: SequenceData) -> None:
    chip, net = load_profile("loihi2", numbers), _net(1)
    history = train(net, letters, epochs=2, rate=0.02, quantized=chip)
    qnet = quantize(net, chip, calibration=letters)
    assert evaluate(qnet, letters, "validation").figure == history.epochs[history.best].validation
    tops = {name: int(np.abs(w).max()) for name, w in qnet.weights().items()}
    assert max(tops["layers.0.input"], tops["layers.0.recurrent"] // 3) == 1


def test_any_network_learns_and_keeps_its_integers() -> None:
    x, y = random_spikes(0, 40, 30, 4), np.arange(40) % 2
    split = np.repeat(["train", "validation", "test"], [24, 8, 8])
    for seed in (7, 8, 13):
        net = random_graph(seed, spiking=["alif", "lif", "brf"])
        data = SequenceData("drawn", x, y, split, 2)
        before, settings = net.copy(), QuantizationAware("loihi2", weight_groups=2)
        history = train(net, data, epochs=2, rate=0.01, quantized=settings)
        assert any(not np.array_equal(a, before.arrays()[name]) for name, a in net.arrays().items())
        again = quantize(net, "loihi2", calibration=data, weight_groups=2)
        assert evaluate(again, data, "validation").figure == history.epochs[history.best].validation


def test_a_regression_is_told_by_the_error_of_the_integers() -> None:
    x = random_spikes(0, 60, 30, 4)
    y = 4.0 * x[:, :, :2].mean(axis=1).astype(np.float64)
    data = SequenceData("sums", x, y, np.repeat(["train", "validation", "test"], [40, 10, 10]), 2)
    layer = {"neuron": "alif", "size": 8}
    net = Network.build({"inputs": 4, "outputs": 2, "layers": [layer], "readout": {"tau": 8.0}}, 0)
    hn.scale_to_rate(net, x, 0.05)
    history = train(net, data, epochs=3, rate=0.02, quantized="loihi2")
    qnet = quantize(net, "loihi2", calibration=data)
    assert evaluate(qnet, data, "validation", learned=False).figure == history.epochs[history.best].validation < 0
    assert history.epochs[-1].loss < history.epochs[0].loss


# --- what it is for


LAYERS: dict[str, tuple[dict[str, Any], float, dict[int, float]]] = {
    "brf": ({"omega": [5.0, 30.0], "b_offset": [0.1, 1.0]}, 0.1, {2: 0.3, 3: 0.01}),
    "lif": ({"du": 0.3, "dv": 0.05}, 0.02, {3: 0.1, 4: 0.03}),
}
"""Parameters, rate of float training, and by how much more accurate the integers are at least, by weight bits."""


@pytest.mark.parametrize("neuron", LAYERS)
def test_few_bits_lose_less_than_by_rounding_afterwards(neuron: str) -> None:
    """Digits, means over three seeds; the float network may go on for as many epochs before it is rounded."""
    digits = hn.load_data("digits")
    few = np.concatenate([digits.part_index("train")[:480], digits.part_index("validation"), digits.part_index("test")])
    data, (params, rate, least) = digits.take(few), LAYERS[neuron]
    gains: dict[int, list[float]] = {bits: [] for bits in least}
    for seed in range(3):
        layer = {"neuron": neuron, "size": 32, "params": params}
        net = Network.build({"inputs": 64, "outputs": 10, "layers": [layer], "readout": {"tau": [7.0, 13.0]}}, seed)
        hn.scale_to_rate(net, data.part("train").x[:64], 0.05)
        train(net, data, epochs=12, rate=rate, seed=seed)
        further = net.copy()
        train(further, data, epochs=3, rate=rate / 4, seed=seed)
        for bits, gain in gains.items():
            rounded = [evaluate(quantize(n, _bits(bits), calibration=data), data).accuracy for n in (net, further)]
            aware = net.copy()
            history = train(aware, data, epochs=3, rate=rate / 4, seed=seed, quantized=_bits(bits))
            # where limits change between epochs the loss rises for one of them
            assert min(e.loss for e in history.epochs[1:]) < history.epochs[0].loss
            gain.append(evaluate(quantize(aware, _bits(bits), calibration=data), data).accuracy - max(rounded))
    for bits, gain in gains.items():
        assert np.mean(gain) > least[bits], (bits, gain)


# --- limits of weights


def test_limits_are_where_clipping_and_rounding_err_least() -> None:
    for bits in (2, 3, 4, 8):
        net, x = random_network("brf", 3, hidden=(6,)), random_spikes(3, 8, 40, 4)
        net.layers[0].weight[0, 0] *= 20.0
        qnet, origins = convert(net, _bits(bits), x)
        limits = weight_limits(net, qnet, origins, None)
        inside = clipped(net, limits)
        after, _ = convert(inside, _bits(bits), x)
        top = _bits(bits).precision.weight_top
        for place, c in enumerate(net.connections):
            chip = next(q for q, o in zip(qnet.connections, origins, strict=True) if o == place)
            step, values = qnet.weight_step(chip), c.stored().ravel()
            if c.source != c.target and net.population(c.target).biases:
                values = np.concatenate([values, net.population(c.target).biases[0]])
            errors = [
                np.sum((np.clip(np.rint(values / s), -top, top) * s - values) ** 2) for s in step * 0.5 ** np.arange(8)
            ]
            best = step * 0.5 ** int(np.argmin(errors))
            taken = after.weight_step(next(q for q, o in zip(after.connections, origins, strict=True) if o == place))
            assert taken == pytest.approx(best, rel=1e-12), (bits, c.name)
            assert np.abs(inside.connections[place].stored()).max() <= top * best


def test_limits_cut_no_array_of_the_network_itself() -> None:
    net, x = random_network("brf", 3, hidden=(6,)), random_spikes(3, 8, 40, 4)
    net.layers[0].weight[0, 0] *= 20.0
    before = {name: a.copy() for name, a in net.arrays().items()}
    data = SequenceData("x", x, np.arange(8) % 3, np.repeat(["train"], 8), 3)
    quantizer = Quantizer(QuantizationAware(_bits(2)), net, data)
    assert quantizer.limits
    quantizer.at(net)
    for name, array in net.arrays().items():
        assert np.array_equal(array, before[name]), name
    assert not Quantizer(QuantizationAware(_bits(2), limit_weights=False), net, data).limits


# --- shadows of few bits


def test_shadows_are_whole_steps_and_right_on_average() -> None:
    net = random_network("alif", 1, hidden=(6,))
    start = {name: a.copy() for name, a in net.arrays().items()}
    sums = {name: np.zeros_like(a) for name, a in start.items()}
    draws = 400
    for update in range(draws):
        for name, array in net.arrays().items():
            array[...] = start[name]
        round_shadows(net, 6, 7, update)
        for name, array in net.arrays().items():
            step = shadow_step(start[name], 6)
            whole = array / step
            assert np.array_equal(whole, np.rint(whole))
            assert np.abs(whole).max() <= 31
            assert np.abs(array - start[name]).max() < step or name.endswith("tau")
            sums[name] += array
    for name, total in sums.items():
        step = shadow_step(start[name], 6)
        # the mean of `draws` numbers that are off by at most a step each
        assert np.abs(total / draws - start[name]).max() < 5 * 0.5 * step / draws**0.5 + 1e-12, name


def test_shadows_depend_on_seed_and_update_alone() -> None:
    def rounded(seed: int, update: int) -> Array:
        net = random_network("brf", 2)
        round_shadows(net, 8, seed, update)
        return np.concatenate([a.ravel() for a in net.arrays().values()])

    assert np.array_equal(rounded(0, 1), rounded(0, 1))
    assert not np.array_equal(rounded(0, 1), rounded(1, 1))
    assert not np.array_equal(rounded(0, 1), rounded(0, 2))


def test_shadows_stay_in_the_ranges_of_their_models() -> None:
    net = random_network("brf", 2)
    limit = 0.999 / net.layers[0].params["delta"][0]
    net.layers[0].params["omega"][...] = [limit, -limit, 0.5 * limit, 1.0, limit - 1e-9]
    for update in range(20):
        round_shadows(net, 5, 0, update)
        omega = net.layers[0].params["omega"]
        assert np.abs(omega).max() <= limit
        assert np.array_equal(
            omega / shadow_step(np.array([limit]), 5), np.rint(omega / shadow_step(np.array([limit]), 5))
        )


def test_sixteen_bits_learn_as_well(letters: SequenceData) -> None:
    figures = {}
    for bits in (None, 16):
        net = _net(1)
        train(net, letters, epochs=6, rate=0.02, quantized=QuantizationAware(_bits(4), shadow_bits=bits))
        figures[bits] = evaluate(quantize(net, _bits(4), calibration=letters), letters).accuracy
        if bits:
            for name, array in net.arrays().items():
                step = shadow_step(array, bits)
                # of the kept network limits may have cut some
                whole = np.isclose(array / step, np.rint(array / step), atol=1e-9)
                assert np.mean(whole) > 0.8, name
    assert min(figures.values()) > 0.6
    assert abs(figures[16] - figures[None]) < 0.15


# --- going on


class Stop(Exception):
    """Ends a training from within."""


def _interrupted(net: Network, data: SequenceData, after: int, **options: Any) -> None:
    def on_epoch(epoch: Epoch) -> None:
        if epoch.epoch == after:
            raise Stop

    with pytest.raises(Stop):
        train(net, data, on_epoch=on_epoch, **options)


@pytest.mark.parametrize("shadow_bits", [None, 16])
def test_an_interrupted_run_ends_with_the_same_bits(
    shadow_bits: int | None, letters: SequenceData, tmp_path: Path
) -> None:
    settings = QuantizationAware(_bits(3), shadow_bits=shadow_bits)
    options: dict[str, Any] = {"epochs": 5, "rate": 0.02, "quantized": settings, "average": 0.9}
    whole, parts = _net(1), _net(1)
    expected = train(whole, letters, **options)
    _interrupted(parts, letters, 1, **options, checkpoint=tmp_path)
    parts = _net(1)
    found = train(parts, letters, **options, checkpoint=tmp_path)
    assert found.epochs == expected.epochs
    for name, array in whole.arrays().items():
        assert np.array_equal(array, parts.arrays()[name]), name


def test_a_checkpoint_of_another_chip_is_refused(letters: SequenceData, tmp_path: Path) -> None:
    train(_net(1), letters, epochs=1, quantized=_bits(3), checkpoint=tmp_path)
    others = [
        None,
        _bits(4),
        QuantizationAware(_bits(3), shadow_bits=16),
        QuantizationAware(_bits(3), limit_weights=False),
    ]
    for other in others:
        with pytest.raises(FileFormatError, match="is of another run \\(quantized differ"):
            train(_net(1), letters, epochs=1, quantized=other, checkpoint=tmp_path)


def test_checkpoints_of_float_training_do_not_mention_it() -> None:
    plain = Options(
        "hypr", 1, 1, None, 0, "adam", 0.1, "linear", "x", None, None, None, None, "symmetric", "float32", None
    )
    assert "quantized" not in plain.described()
    assert json.dumps(replace(plain, quantized={"a": 1}).described())


def test_sub_sequences_train_the_same(letters: SequenceData) -> None:
    nets = [_net(1), _net(1)]
    for net, chunk in zip(nets, (None, 7), strict=True):
        train(net, letters, epochs=2, rate=0.01, chunk=chunk, quantized=_bits(4), dtype=np.float64)
    for name, array in nets[0].arrays().items():
        assert np.allclose(array, nets[1].arrays()[name], rtol=1e-9, atol=1e-11), name


# --- what is refused


@dataclass(frozen=True)
class Noisy(Rule):
    """A rule that perturbs currents."""

    def noise(self, net: Network) -> list[float]:
        return [0.1] * len(net.populations)


def _refused() -> Iterator[tuple[str, Mapping[str, Any], str]]:
    yield "updates inside", {"update_every": 5}, "update_every = 5 with quantized, rule: .*leave update_every out"
    yield "noise", {"rule": Noisy("noisy", "")}, "rule 'noisy' adds noise to currents, .* train in float"
    yield "kind", {"quantized": 3}, "quantized"
    yield "shadows", {"quantized": {"shadow_bits": 2}}, "shadow_bits = 2, rule"
    yield "wide", {"quantized": {"shadow_bits": 40}}, "shadow_bits = 40, rule: 4 to 32"
    yield "groups", {"quantized": {"weight_groups": 9}}, "weight_groups = 9, rule: 1 to 4"


@pytest.mark.parametrize(("name", "options", "message"), list(_refused()), ids=[name for name, _, _ in _refused()])
def test_what_does_not_go_is_refused(
    name: str, options: Mapping[str, Any], message: str, letters: SequenceData, tmp_path: Path
) -> None:
    net, chosen = _net(1), {"quantized": "loihi2", **options}
    before = {key: a.copy() for key, a in net.arrays().items()}

    def run() -> None:
        given = chosen["quantized"]
        settings = QuantizationAware("loihi2", **given) if isinstance(given, dict) else given
        train(net, letters, epochs=1, checkpoint=tmp_path / "c", **(chosen | {"quantized": settings}))

    with pytest.raises(InputError, match=message):
        run()
    assert not (tmp_path / "c" / "training.h5").exists()
    for key, array in net.arrays().items():
        assert np.array_equal(array, before[key])


def test_unknown_profiles_and_fractions_are_refused(letters: SequenceData) -> None:
    with pytest.raises(ProfileError, match="loihi9"):
        train(_net(1), letters, epochs=1, quantized="loihi9")
    fractions = replace(letters, x=letters.x * 0.5)
    with pytest.raises(InputError, match="calibration on data 'letters': "):
        train(_net(1), fractions, epochs=1, quantized="loihi2")


def test_neurons_without_integers_are_refused_by_name(letters: SequenceData) -> None:
    none = dict.fromkeys(("fixed_step", "fixed_jacobian", "to_fixed"), no_integer_form)
    model = replace(get_model("alif"), name="smooth", psi_index=None, learned=None, of_integers=None, **none)
    net = _net(1)
    net.layers[0].model = model
    with pytest.raises(InputError, match=r"layers\.0: neuron 'smooth' has no integer form, .* in float only; build"):
        train(net, letters, epochs=1, quantized="loihi2")


def test_training_says_nothing_of_weights_that_become_zero(
    letters: SequenceData, recwarn: pytest.WarningsRecorder
) -> None:
    train(_net(1), letters, epochs=1, rate=0.01, quantized=QuantizationAware(_bits(2), limit_weights=False))
    assert not [w for w in recwarn if issubclass(w.category, HyprWarning) and "rounding" in str(w.message)]
