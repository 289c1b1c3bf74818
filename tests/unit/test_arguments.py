"""Arguments of a wrong type or range are refused in one line that names them, and never taken for something else."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.train.gradients import gradients

RNG = np.random.default_rng(0)
X, Y = (RNG.random((8, 20, 6)) < 0.4).astype(np.int8), np.arange(8) % 2
SPLIT = np.array(["train"] * 4 + ["validation"] * 2 + ["test"] * 2)
SPEC = {"inputs": 6, "outputs": 2, "layers": [{"neuron": "lif", "size": 5, "recurrent": True}]}
NET, DATA = hn.Network.build(SPEC, 0), hn.SequenceData("mine", X, Y, SPLIT, 2)
QNET = hn.quantize(NET, "loihi2", calibration=X)


def with_current(current: Any) -> hn.Network:
    to = hn.FloatSynapses("input", "layers.0", np.ones((5, 6)), current=current)
    return hn.Network(6, NET.populations, (to, *NET.connections[1:]), 1e-3, NET.outputs)


def trained(**options: Any) -> Any:
    return hn.train(NET.copy(), DATA, epochs=1, **options)


def learned(**options: Any) -> Any:
    return hn.learn(QNET, DATA, rate=0.1, **options)


def with_nan() -> hn.Network:
    net = NET.copy()
    net.layers[0].weight[0, 0] = np.nan
    return net


CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "chunk, text": (lambda: gradients(NET, X, Y, chunk="a"), "chunk = 'a', rule: a whole number, at least 1"),
    "chunk, fraction": (lambda: gradients(NET, X, Y, chunk=1.5), "chunk = 1.5, rule: a whole number, at least 1"),
    "chunk, 0": (lambda: gradients(NET, X, Y, chunk=0), "chunk = 0, rule: a whole number, at least 1"),
    "mask": (lambda: gradients(NET, X, Y, mask=np.full((8, 20), 0.5)), "mask of type float64, rule: True or False"),
    "mask, shape": (lambda: gradients(NET, X, Y, mask=np.ones(8)), "mask of shape (8,), rule: (8, 20)"),
    "mask of data": (
        lambda: hn.SequenceData("m", X, Y, SPLIT, 2, np.full((8, 20), 0.3)),
        "data 'm': mask of type float64, rule: True or False, or 0 and 1",
    ),
    "classes": (lambda: hn.SequenceData("m", X, Y, SPLIT, "a"), "data 'm': classes = 'a', rule: a whole number"),
    "delay, number": (lambda: gradients(NET, X, Y, signal_delay=5), "signal_delay = 5, rule: 1 whole numbers, one"),
    "delay, long": (lambda: gradients(NET, X, Y, signal_delay=[2**40]), "rule: 1 whole numbers, 0 to 65536, one a"),
    "delay, text": (lambda: gradients(NET, X, Y, signal_delay=["a"]), "signal_delay = 'a', rule: a whole number"),
    "scale": (lambda: hn.quantize(QNET.integer(), "loihi2", state_scale=5), "state_scale = 5, rule: a power of two by"),
    "scale, text": (
        lambda: hn.quantize(QNET.integer(), "loihi2", state_scale={"readout": "a"}),
        "state_scale: 'readout' = 'a', rule: a number",
    ),
    "groups": (
        lambda: hn.quantize(NET, "loihi2", calibration=X, weight_groups=True),
        "weight_groups = True, rule: 1 to 4, or 'row'",
    ),
    "largest": (
        lambda: hn.quantize(NET, "loihi2", calibration=X, largest_weight="a"),
        "largest_weight = 'a', rule: a number",
    ),
    "override": (lambda: hn.load_profile("loihi2", 3), "override = 3, rule: values by name, such as {'precision.weig"),
    "current, truth": (
        lambda: with_current(True),
        "connection input -> layers.0: current = True, rule: a whole number",
    ),
    "epochs": (lambda: hn.learn(QNET, DATA, epochs=True, rate=0.1), "epochs = True, rule: a whole number, at least 1"),
    "batch": (lambda: hn.evaluate(NET, DATA, "test", 0), "batch_size = 0, rule: a whole number, at least 1"),
    "record, text": (lambda: hn.simulate(QNET, X, record="spikes"), "record = 'spikes', rule: several names, such as"),
    "record, number": (
        lambda: hn.float_trace(NET, X, record=5),
        "record = 5, rule: several names, such as ('spikes',)",
    ),
    "dtype": (lambda: hn.run_float(NET, X, dtype=int), "dtype = int, rule: float64 or float32"),
    "seed": (lambda: hn.Network.build(SPEC, "a"), "seed = 'a', rule: a whole number, at least 0"),
    "path": (lambda: hn.write_nir(NET, 5), "path = 5, rule: the path of the NIR file to write, as text or a Path"),
    "from 1": (
        lambda: hn.SequenceData("m", X, Y + 1, SPLIT, 2),
        "labels are integers 0..1, got int64 1..2; they count from 1: give y - 1",
    ),
    "optimizer": (lambda: trained(optimizer=3), "optimizer = 3, rule: one of adam, rmsprop, sgd, or a mapping"),
    "optimizer, list": (lambda: trained(optimizer=[]), "optimizer is of type list, rule: one of adam"),
    "rate": (lambda: trained(rate=None), "rate = None, rule: a number"),
    "schedule": (lambda: trained(schedule=[]), "schedule = [], rule: one of constant, cosine, linear"),
    "loss": (lambda: trained(loss=[]), "loss = [], rule: a name, a Loss or a function"),
    "penalty": (lambda: trained(penalty=3), "penalty = 3, rule: RatePenalty(target=…, strength=…), or None"),
    "penalty of a batch": (lambda: gradients(NET, X, Y, penalty="a"), "penalty = 'a', rule: RatePenalty"),
    "precision of a batch": (lambda: gradients(NET, X, Y, dtype=3), "dtype = 3, rule: float64 or float32"),
    "precision": (lambda: trained(dtype=None), "dtype = None, rule: float64 or float32"),
    "callback": (lambda: trained(on_epoch=3), "on_epoch = 3, rule: a function, or None"),
    "bar": (lambda: trained(progress="no"), "progress = 'no', rule: True, False or None"),
    "checkpoint": (lambda: trained(checkpoint=3), "checkpoint = 3, rule: the path of the folder for checkpoints"),
    "checkpoint of learning": (
        lambda: learned(checkpoint=[]),
        "checkpoint is of type list, rule: the path of the folder",
    ),
    "callback of learning": (lambda: learned(on_sample=3), "on_sample = 3, rule: a function, or None"),
    "probe": (lambda: learned(before_update="a"), "before_update = 'a', rule: a function, or None"),
    "regularizer": (lambda: learned(regularizer=3), "regularizer = 3, rule: a function, or None"),
    "options": (
        lambda: hn.compare(NET, QNET, DATA, options={}),
        "options is of type dict, rule: hn.LearnOptions(rate=…)",
    ),
    "load": (lambda: hn.Network.load(3), "path = 3, rule: the path of a hypr-neuro network file"),
    "load, quantized": (lambda: hn.QuantizedNetwork.load(None), "path = None, rule: the path of a network, as text"),
    "load, trace": (lambda: hn.Trace.load([]), "path is of type list, rule: the path of a hypr-neuro trace file"),
    "save": (lambda: NET.save(3), "path = 3, rule: the path of the file to write, as text or a Path"),
    "folder": (lambda: hn.compile(QNET, target="c", out=None), "out = None, rule: the path of the folder to write"),
    "population": (
        lambda: NET.population("layer.0"),
        "unknown population 'layer.0' (did you mean 'layers.0'?), known:",
    ),
    "population, quantized": (lambda: QNET.population("x"), "unknown population 'x', known: layers.0, readout"),
    "simulator": (lambda: hn.Simulator(QNET, "a"), "batch = 'a', rule: a whole number, at least 1"),
    "tail": (lambda: hn.simulate(QNET, X, tail="a"), "tail = 'a', rule: a whole number, at least 0"),
    "encoder's values": (lambda: hn.encode("x", "rate"), "encoder 'rate': could not convert string to float"),
    "encoder": (lambda: hn.encode(X, []), "unknown encoder '[]', known: latency"),
    "weights": (
        lambda: hn.quantize(with_nan(), "loihi2", calibration=X),
        "weight[0, 0] = nan, rule: weights are finite",
    ),
    "one-hot": (
        lambda: hn.SequenceData("m", X, np.eye(2, dtype=int)[Y], SPLIT, 2),
        "they look like one-hot labels: give y.argmax(axis=-1)",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_it_is_refused_by_name(case: str) -> None:
    call, message = CALLS[case]
    with pytest.raises(InputError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("steps", [1, 20])
def test_one_hot_floats_are_a_regression_and_said_to_be(steps: int) -> None:
    y = np.eye(2)[Y] if steps == 1 else np.repeat(np.eye(2)[Y][:, None], steps, axis=1)
    with pytest.warns(HyprWarning, match=r"data 'm': y are taken as targets of a regression; they look like one-hot"):
        assert hn.SequenceData("m", X, y, SPLIT, 2).regression
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hn.SequenceData("m", X, y * 0.5, SPLIT, 2)
        hn.SequenceData("m", X, y[..., :1], SPLIT, 1)


def test_masks_of_0_and_1_are_taken() -> None:
    mask = np.zeros((8, 20))
    mask[:, 5:] = 1.0
    one, other = (gradients(NET, X, Y, mask=m)[0] for m in (mask, mask.astype(bool)))
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "thing", [DATA, NET, QNET, QNET.integer(), hn.simulate(QNET, X), hn.learn(QNET, DATA, rate=0.1)]
)
def test_things_tell_what_they_are_in_a_few_lines(thing: Any) -> None:
    text = repr(thing)
    assert len(text) < 1500
    assert "array(" not in text


def test_data_tells_its_shape() -> None:
    assert repr(DATA) == (
        "SequenceData('mine': 8 samples (4 train, 2 validation, 2 test) of 20 steps and 6 channels, int8; "
        "2 classes, one a sample)"
    )
