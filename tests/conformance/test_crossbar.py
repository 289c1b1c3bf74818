"""Networks on crossbars: without noise equal to the integer simulator; with it the same whatever blocks and threads."""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crossbar_cases import FINE, OFF, PROFILES, WIDE, noiseless, noisy

import hypr_neuro as hn
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.crossbar.simulator import AnalogSimulator
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes

pytestmark = pytest.mark.once

ANALOG = "pcm_crossbar"


def in_time(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(1, 0, 2))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", integer_models())
def test_without_noise_crossbars_give_the_simulators_integers(model: str, profile: str) -> None:
    qnet = random_quantized(model, 3, noiseless(profile), hidden=(6, 5))
    x = random_spikes(3, 5, 60, qnet.inputs)
    record = ("spikes", "current")
    analog, digital = hn.simulate(qnet, x, record), hn.simulate(qnet.integer(), x, record, tail=qnet.tail)
    assert np.array_equal(analog.readout, digital.readout)
    assert analog.events == digital.events
    for name in digital.spikes:
        assert analog.spikes[name].any()
        assert np.array_equal(analog.spikes[name], digital.spikes[name]), name
    for name in digital.states:
        for key in digital.states[name]:
            assert np.array_equal(analog.states[name][key], digital.states[name][key]), (name, key)


def _drawn(seed: int) -> hn.QuantizedNetwork:
    """Return the first of a row of random graphs that the crossbars take."""
    for number in range(seed, seed + 16 * 20, 16):
        with suppress(InputError):
            return random_learning_graph(number, noiseless(ANALOG, rows=3), graded=seed % 2 == 1)
    pytest.fail(f"seed {seed}: 20 graphs in a row were refused")


@pytest.mark.filterwarnings("ignore:.*their steps are too coarse for them")
@pytest.mark.parametrize("seed", range(16))
def test_graphs_with_delays_lists_and_numbers_equal_the_simulator(seed: int) -> None:
    qnet = _drawn(seed)
    x = random_spikes(seed, 3, 40, qnet.inputs)
    analog, digital = hn.simulate(qnet, x, ("spikes",)), hn.simulate(qnet.integer(), x, ("spikes",), tail=qnet.tail)
    assert np.array_equal(analog.readout, digital.readout)
    assert all(np.array_equal(analog.spikes[n], digital.spikes[n]) for n in digital.spikes)


@pytest.mark.parametrize("exponent", [-5, 0, 3])
def test_values_and_weights_of_any_exponent_equal_the_simulator(exponent: int) -> None:
    qnet = random_quantized("lif", 4, noiseless(ANALOG))
    for c in qnet.connections:
        c.exponent = exponent
    x = np.random.default_rng(4).integers(-900, 900, (2, 30, qnet.inputs))
    analog, digital = hn.simulate(qnet, x, ("u",)), hn.simulate(qnet.integer(), x, ("u",), tail=qnet.tail)
    assert np.array_equal(analog.readout, digital.readout)


def test_every_term_alone_changes_what_comes_out() -> None:
    x = random_spikes(3, 3, 60, 4)
    quiet = random_quantized("lif", 3, noiseless(ANALOG))
    silent = hn.simulate(quiet, x, ("current",))
    for name in ("programming_noise", "drift", "read_noise"):
        profile = load_profile(ANALOG, {**WIDE, **OFF, **FINE, f"analog.{name}": True})
        loud = hn.simulate(replace(quiet, profile=profile), x, ("current",))
        differs = [not np.array_equal(silent.states[n]["current"], loud.states[n]["current"]) for n in loud.states]
        assert any(differs), name
    for name in ("write_noise", "device_spread", "relaxation", "eligibility_noise"):
        profile = load_profile(ANALOG, {**WIDE, **OFF, f"analog.{name}": True})
        assert np.array_equal(silent.readout, hn.simulate(replace(quiet, profile=profile), x).readout), name


def test_an_adc_saturates_at_its_largest_code_and_counts_it() -> None:
    qnet = random_quantized("lif", 3, noiseless(ANALOG, adc_bits=4, adc_range=1.0), bias=False, recurrent=False)
    c = qnet.connections[0]
    c.mantissa[...] = 127
    simulator = hn.Simulator(qnet, 1)
    assert isinstance(simulator, AnalogSimulator)
    trace = simulator.trace(np.ones((1, 1, qnet.inputs), np.int8), ("current",))
    step = 2 ** int(np.ceil(np.log2(127 / 7)))  # of 7 codes of either sign, full scale one cell at Gmax
    expected = 7 * step << c.exponent if c.exponent >= 0 else 7 * step >> -c.exponent
    assert (trace.states["layers.0"]["current"] == expected).all()
    assert simulator.saturated == pytest.approx(c.mantissa.shape[0] / simulator.conversions[0, 0])


def test_sums_that_leave_the_adc_are_told_with_the_remedy() -> None:
    qnet = random_quantized("lif", 3, noiseless(ANALOG, adc_bits=4, adc_range=0.1))
    x = random_spikes(3, 2, 60, qnet.inputs)
    with pytest.warns(HyprWarning, match=r"saturate in \d+\.\d% of .*analog\.adc_range = 0\.1 cells"):
        hn.simulate(qnet, x)


@pytest.mark.filterwarnings("ignore:ADCs of profile")
def test_tiles_saturate_apart() -> None:
    """Ten rows of 127 in one tile end at 7 codes; in tiles of one row each gives its own."""
    currents = {}
    for rows in (256, 1):
        qnet = random_quantized(
            "lif", 3, noiseless(ANALOG, adc_bits=4, adc_range=1.0, rows=rows), inputs=10, bias=False, recurrent=False
        )
        c = qnet.connections[0]
        c.mantissa[...], c.exponent = 127, 0
        trace = hn.simulate(qnet, np.ones((1, 1, 10), np.int8), ("current",), tail=0)
        currents[rows] = int(trace.states["layers.0"]["current"][0, 0, 0])
    assert currents == {256: 7 * 32, 1: 10 * 4 * 32}


def test_reading_noise_has_the_variance_of_all_cells_that_were_read() -> None:
    profile = load_profile(ANALOG, {**WIDE, **OFF, **FINE, "analog.read_noise": True, "analog.age": 86_400.0})
    qnet = random_quantized("lif", 3, profile, inputs=40, bias=False, recurrent=False)
    c = qnet.connections[0]
    c.mantissa[...], c.exponent = 64, 8  # nothing is floored away
    trace = hn.simulate(qnet, np.ones((40, 500, 40), np.int8), ("current",))
    current = trace.states["layers.0"]["current"][:500].astype(np.float64) / 256 / 127
    g = 64 / 127
    sigma = g * min(0.2, 0.0088 / g**0.65) * np.sqrt(np.log((86_400 + 250e-9) / 500e-9)) * np.sqrt(40)
    assert current.size == 40 * 500 * qnet.populations[0].size
    assert current.mean() == pytest.approx(40 * g, rel=1e-3)
    assert current.std() == pytest.approx(sigma, rel=0.01)


@pytest.mark.parametrize("profile", PROFILES)
def test_samples_blocks_and_threads_do_not_change_noise(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = random_quantized("alif", 5, noisy(profile), hidden=(6, 5))
    x = random_spikes(5, 9, 50, qnet.inputs)
    together = hn.simulate(qnet, x).readout
    assert not np.array_equal(together, hn.simulate(qnet.integer(), x, tail=qnet.tail).readout)
    monkeypatch.setattr("hypr_neuro.sim.simulator.BLOCK", 7)
    assert np.array_equal(together, hn.simulate(qnet, x).readout)
    for threads in ("1", "3"):
        monkeypatch.setenv("HYPR_NEURO_THREADS", threads)
        assert np.array_equal(together, hn.simulate(qnet, x).readout)
    assert np.array_equal(together[:4], hn.simulate(qnet, x[:4]).readout)


def test_a_stream_cut_anywhere_saved_and_copied_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    qnet = random_quantized("lif", 5, noisy(ANALOG))
    x = in_time(random_spikes(5, 2, 60, qnet.inputs))
    whole = hn.Simulator(qnet, 2).run(x)
    parts = hn.Simulator(qnet, 2)
    first = np.concatenate([parts.run(x[:1]), parts.run(x[1:24])])
    parts.save(tmp_path / "state.h5")
    restored = hn.Simulator(qnet, 2)
    restored.restore(tmp_path / "state.h5")
    for simulator in (restored, copy.deepcopy(parts)):
        assert np.array_equal(whole, np.concatenate([first, simulator.run(x[24:])]))
    other = hn.Simulator(replace(qnet, profile=noisy(ANALOG, chip=2)), 2)
    with pytest.raises(InputError, match=r"cells .*, this simulator has"):
        other.restore(tmp_path / "state.h5")


def test_a_network_is_not_changed_by_a_run_and_a_chip_is_one_chip() -> None:
    qnet = random_quantized("lif", 5, noisy(ANALOG))
    before = {name: w.copy() for name, w in qnet.weights().items()}
    x = random_spikes(5, 3, 60, qnet.inputs)
    assert np.array_equal(hn.simulate(qnet, x).readout, hn.simulate(qnet.copy(), x).readout)
    assert all(c.cells is None for c in qnet.connections)
    assert all(np.array_equal(before[name], w) for name, w in qnet.weights().items())
    other = replace(qnet, profile=noisy(ANALOG, chip=1))
    assert not np.array_equal(hn.simulate(qnet, x).readout, hn.simulate(other, x).readout)


def test_age_is_what_drifts() -> None:
    x, sums = random_spikes(5, 2, 60, 4), []
    for age in (0.0, 86_400.0, 1e9):
        profile = load_profile(ANALOG, {**WIDE, **OFF, **FINE, "analog.drift": True, "analog.age": age})
        qnet = random_quantized("lif", 5, profile, recurrent=False)
        trace = hn.simulate(qnet, x, ("current",))
        sums.append(float(np.abs(trace.states["layers.0"]["current"]).sum()))
    assert sums[0] > sums[1] > sums[2] > 0


@pytest.mark.parametrize("target", ["c", "lava", "netx", "spinnaker2"])
def test_compilers_refuse_crossbars(target: str, tmp_path: Path) -> None:
    qnet = random_quantized("lif", 5, ANALOG)
    with pytest.raises(InputError, match=r"'pcm_crossbar' takes no target format .*choose another target or profile"):
        hn.compile(qnet, target=target, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_devices_that_have_no_crossbars_refuse_them() -> None:
    from hypr_neuro.devices import device_names, make_device

    qnet = random_quantized("lif", 5, ANALOG)
    devices = {name: make_device(name if name in HERE else f"{name}://x:1") for name in device_names()}
    assert [name for name, device in devices.items() if device.has_crossbars] == ["sim"]
    for name, device in devices.items():
        if name == "sim":
            continue
        with pytest.raises(
            InputError, match=rf"device '{name}': profile 'pcm_crossbar' has analog weights .*use device"
        ):
            device.prepare(qnet)


HERE = ("sim", "c", "board", "lava", "loihi2")


def test_what_converters_and_crossbars_cannot_take_is_refused_by_name() -> None:
    qnet = random_quantized("lif", 5, ANALOG)
    with pytest.raises(InputError, match=r"x holds magnitudes up to 300, rule: at most 127, analog\.dac_bits = 8"):
        hn.simulate(qnet, np.full((1, 5, qnet.inputs), 300))
    with pytest.raises(InputError, match=r"profile 'loihi2' has no section 'analog', rule: .*pcm_crossbar"):
        load_profile("loihi2", {"analog.read_noise": False})


def test_files_keep_cells(tmp_path: Path) -> None:
    qnet = random_quantized("lif", 5, noisy(ANALOG))
    data = hn.SequenceData(
        "random", random_spikes(1, 4, 30, qnet.inputs), np.arange(4) % 3, np.full(4, "train"), qnet.output_size
    )
    learned = hn.learn(qnet, data, rate=0.5, progress=False).qnet
    learned.save(tmp_path / "learned.h5")
    loaded = QuantizedNetwork.load(tmp_path / "learned.h5")
    x = random_spikes(2, 3, 40, qnet.inputs)
    assert np.array_equal(hn.simulate(learned, x).readout, hn.simulate(loaded, x).readout)
    forgotten = learned.copy()
    for c in forgotten.connections:
        c.cells = None  # the same mantissas, programmed anew
    assert not np.array_equal(hn.simulate(learned, x).readout, hn.simulate(forgotten, x).readout)


def test_the_public_simulator_of_integers_stays_what_it_was() -> None:
    qnet = random_quantized("lif", 5, "ideal")
    assert type(hn.Simulator(qnet)) is Simulator
    assert type(hn.Simulator(random_quantized("lif", 5, ANALOG).integer())) is Simulator
