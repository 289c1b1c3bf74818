"""Rules of the netx reader, each on a file small enough to check by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import answer, called
from netx_runs import INPUT_NEURONS, constant, conv, dense, networks, resonate, run, same, write

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.exchange.netx.convolution import NetxConvolution
from hypr_neuro.graph.integer import INPUT, IntegerNetwork
from hypr_neuro.sim.engine import Trace, simulate


@pytest.mark.parametrize("seed", range(6))
def test_convolution_is_its_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    stride, padding, dilation = (tuple(map(int, rng.integers(low, 4, 2))) for low in (1, 0, 1))
    kernel, shape = rng.integers(-9, 9, (2 * groups, 2, 3, 2)), (7, 8, 2 * groups)
    convolution = NetxConvolution(kernel, stride, padding, dilation, groups)
    image, out = rng.integers(0, 9, shape), convolution.output_shape(shape)
    expected = np.zeros(out, np.int64)
    for x, y, o in np.ndindex(*out):
        for c, j, i in np.ndindex(*kernel.shape[1:]):
            at = x * stride[1] - padding[1] + i * dilation[1], y * stride[0] - padding[0] + j * dilation[0]
            if 0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]:
                expected[x, y, o] += kernel[o, c, j, i] * image[(*at, o // 2 * 2 + c)]
    same("convolution", convolution.over(shape).apply(image.reshape(-1)).reshape(out), expected)


def small(**changes: Any) -> list[dict[str, Any]]:
    """image → conv → flatten → dense; `changes` replace entries "layer key" or "layer neuron key", None removes."""
    rng = np.random.default_rng(0)
    layers = [
        {"type": "input", "shape": [2, 5, 6], "neuron": dict(INPUT_NEURONS), "weight": [36.0], "bias": [34.0]},
        conv(rng, (3, 2, 2, 2), [3, 4, 5]),
        {"type": "flatten", "shape": [60, 1, 1]},
        dense(rng, 4, 60),
    ]
    for path, value in changes.items():
        *groups, key = path.split()
        content: Any = layers
        for group in groups:
            content = content[int(group) if content is layers else group]
        content[key] = value
        if value is None:
            del content[key]
    return layers


def test_input_and_input_bias_are_the_same_a_step_apart(tmp_path: Path) -> None:
    netx = read_netx(write(tmp_path / "a.net", small()))
    image = np.random.default_rng(0).integers(0, 90, (6, 5, 2))
    by_input = run(netx.network, constant(image, 30))
    by_bias = run(netx.with_input_bias(image), np.zeros((30, 60), np.int64))
    assert by_input.spikes["layer/3"].any()
    assert netx.shapes == {INPUT: (6, 5, 2), "layer/0": (6, 5, 2), "layer/1": (5, 4, 3), "layer/3": (4,)}
    for name in by_input.spikes:
        same(name, by_input.spikes[name][1:], by_bias.spikes[name][:-1])
    same("v", by_input.states["layer/0"]["v"][1:], by_bias.states["layer/0"]["v"][:-1])
    aligned = read_netx(tmp_path / "a.net", connection_delay=0)
    together = run(aligned.network, constant(image, 30))
    for lag, name in enumerate(together.spikes):
        same(name, together.spikes[name][: 29 - lag], by_input.spikes[name][lag + 1 :])


def test_the_program_computes_scale_and_offset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = {part: rng.integers(0, 3, (n, 20, 60)) for part, n in (("train", 40), ("test", 3))}
    np.savez(
        tmp_path / "d.npz",
        **{f"x_{part}": v for part, v in x.items()},
        **{f"y_{part}": np.arange(len(v)) % 4 for part, v in x.items()},
    )
    netx = read_netx(write(tmp_path / "a.net", small()))
    read = answer("import", tmp_path / "a.net", "--out", tmp_path, run=called)
    assert read["input"].startswith("36 · data + 34")
    told = answer("simulate", read["file"], "--data", tmp_path / "d.npz", "--trace", tmp_path / "t.h5", run=called)
    assert told["input"] == "36 · data + 34"
    wanted, found = simulate(netx, 36 * x["test"] + 34, ("spikes", "v")), Trace.load(tmp_path / "t.h5")
    for name, spikes in wanted.spikes.items():
        assert spikes.any()
        assert np.array_equal(spikes, found.spikes[name])
    with pytest.raises(InputError, match=r"notes: input = \{'scale': 1\}, rule: whole numbers 'scale' and 'offset'"):
        replace(netx.network, notes={"input": {"scale": 1}})


@pytest.mark.parametrize("bits", [-3, 33, 1.5, True])
def test_message_bits_out_of_range_are_refused(bits: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", small())
    with pytest.raises(InputError, match=r"input_message_bits = .*, rule: 0 to 32"):
        read_netx(path, input_message_bits=bits)


def test_scale_and_offset_default_to_those_of_lava_dl(tmp_path: Path) -> None:
    netx = read_netx(write(tmp_path / "a.net", small(**{"0 weight": None, "0 bias": None})))
    assert (netx.scale, netx.offset) == (64, 0)


def test_fewer_layers_are_read(tmp_path: Path) -> None:
    netx = read_netx(write(tmp_path / "a.net", small(**{"3 type": "average"})), layers=3)
    assert [p.name for p in netx.network.populations] == ["layer/0", "layer/1"]


def test_a_file_may_start_with_a_convolution(tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", small()[1:])
    with pytest.raises(InputError, match=r"layer/0: a convolution over shape None, rule: .*; give input_shape"):
        read_netx(path)
    netx = read_netx(path, input_shape=(6, 5, 2))
    assert netx.network.inputs == 60
    assert netx.scale is None
    with pytest.raises(InputError, match="no neurons"):
        netx.with_input_bias(np.zeros(60))


REFUSED = {
    "average": ({"3 type": "average"}, r"layer/3/type = 'average' is not supported, rule: .*; layers=3 reads"),
    "SDNN": ({"3 neuron type": "SDNN"}, r"layer/3/neuron/type = 'SDNN' is not supported, rule: LOIHI, CUBA, RF_PHASE"),
    "refractory": ({"3 neuron refDelay": 2}, r"layer/3/neuron/refDelay = 2, rule: 1"),
    "graded": ({"3 neuron gradedSpike": True}, r"layer/3/neuron/gradedSpike = 1, rule: 0"),
    "messages": ({"3 neuron messageBits": 8}, r"layer/3/neuron/messageBits = 8, rule: 0"),
    "weight exponent": ({"3 neuron weight_exp": [1.0]}, r"layer/3/neuron/weight_exp = 1, rule: 0"),
    "unknown key": ({"3 neuron tau": 1}, r"layer/3/neuron/tau is not supported, rule: .*remove it"),
    "delayed convolution": ({"1 delay": [1, 2, 3]}, r"layer/1/delay is not supported"),
    "fraction": ({"3 weight": np.full((4, 60), 2.5)}, r"layer/3/weight\[0, 0\] = 2.5, rule: whole numbers"),
    "not a number": ({"3 weight": np.full((4, 60), np.nan)}, r"layer/3/weight\[0, 0\] = nan, rule: whole numbers"),
    "clipped": (
        {"3 weight": np.eye(4, 60) * 300 - 1},
        r"layer/3/weight: weights -1..299, rule: -256..254 .*change 299",
    ),
    "too large": ({"3 weight": np.full((4, 60), 256)}, r"layer/3/weight: weights 256..256, rule: -255..255"),
    "-2^k": ({"3 weight": np.full((4, 60), -1)}, r"layer/3/weight: no positive weight and least -1, rule: not a power"),
    "odd": ({"3 weight": -np.eye(4, 60) * 201}, r"layer/3/weight: odd weights in a range -201..0, .*, rule: even ones"),
    "columns": ({"3 weight": np.zeros((4, 59))}, r"layer/3: 59 weights a neuron, rule: 60"),
    "rows": ({"3 weight": np.zeros((5, 60))}, r"layer/3/weight has shape \(5, 60\), rule: \(4, inputs\)"),
    "delay": ({"3 delay": 63.0}, r"layer/3/delay = 63.0, rule: whole numbers 0..62"),
    "delay's shape": ({"3 delay": np.zeros(7)}, r"layer/3/delay has shape \(7,\), rule: one number, \(4,\)"),
    "bias": ({"3 bias": [1, 2, 3, 40000]}, r"layer/3/bias\[3\] = 40000, rule: whole numbers -32768..32767"),
    "bias's shape": ({"1 bias": [1, 2, 3, 4]}, r"layer/1/bias has shape \(4,\), rule: one number, or \(3,\)"),
    "decay": ({"3 neuron vDecay": 4097}, r"layer/3/neuron/vDecay = 4097, rule: whole numbers 0..4096"),
    "no decay": ({"3 neuron vDecay": None}, r"layer/3/neuron has no entry 'vDecay'"),
    "not flat": ({"2 type": "input"}, r"layer/2: an input layer, rule: only the first layer is one"),
    "flattened": ({"2 shape": [59, 1, 1]}, r"layer/2/shape, rule: 60 neurons"),
    "stated shape": ({"1 shape": [3, 5, 5]}, r"layer/1: shape \(5, 5, 3\) in the file, rule: \(5, 4, 3\)"),
    "channels": ({"1 groups": 2}, r"layer/1: weight of shape \(3, 2, 2, 2\) in 2 groups over 2 input channels"),
    "kernel": ({"1 dilation": 9}, r"layer/1: a kernel \(y, x\) = \(2, 2\) over an image \(5, 6\), rule: fits"),
    "padding": ({"1 padding": 60000}, r"layer/1: output: shape .*neurons"),
    "conv sum": (
        {"1 weight": np.full((3, 2, 2, 2), 1 << 21)},
        r"layer/1: its sums can reach 16777216, rule: below 2\^23",
    ),
    "input current": ({"0 neuron iDecay": 100}, r"layer/0/neuron/iDecay, rule: 4096 in an input layer"),
    "input RF": ({"0 neuron": {"type": "RF_PHASE"}}, r"layer/0: an input layer of RF neurons"),
    "RF": ({"3 neuron": {"type": "RF_PHASE"}}, r"layer/3/weight is no group"),
    "complex": ({"3 weight": {"real": np.ones((4, 60))}}, r"layer/3/weight holds no numbers"),
    "no type": ({"1 type": None}, r"layer/1 has no entry 'type'"),
    "empty": ({"3 weight": np.zeros((4, 0))}, r"layer/3/weight holds no numbers"),
    "text": ({"3 weight": "none"}, r"layer/3/weight holds no numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_layer_key_and_rule(name: str, tmp_path: Path) -> None:
    changes, message = REFUSED[name]
    path = write(tmp_path / "a.net", small(**changes))
    with pytest.raises(InputError, match=message) as refusal:
        read_netx(path)
    assert str(refusal.value).startswith(f"file '{path}': ")
    assert "\n" not in str(refusal.value)


def test_flattening_is_not_guessed(tmp_path: Path) -> None:
    layers = small()
    with pytest.raises(InputError, match=r"layer/2: dense after shape \(5, 4, 3\), rule: a layer 'flatten' between"):
        read_netx(write(tmp_path / "a.net", [*layers[:2], layers[3]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 5}, r"layers = 5, rule: 1..4 for this file"),
        ({"input_shape": (5, 5, 2)}, r"input_shape = \(5, 5, 2\), rule: that of the file's input layer, \(6, 5, 2\)"),
        ({"connection_delay": 2}, r"connection_delay = 2"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_netx(write(tmp_path / "a.net", small()), **options)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        read_netx(tmp_path / "none.net")
    (tmp_path / "text.net").write_text("layer")
    with pytest.raises(FileFormatError, match=r"text.net': damaged or no HDF5 file"):
        read_netx(tmp_path / "text.net")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["layer/1/type"] = "dense"
    with pytest.raises(FileFormatError, match="holds no netx network"):
        read_netx(tmp_path / "other.h5")


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    # HDF5 crashes or hangs on some of them; flipped bytes first, then cuts
    whole = write(tmp_path / "whole.net", small()).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "damaged.net"
    refused = 0
    for trial in range(14):
        data = bytearray(whole)
        if trial < 9:
            for at in rng.integers(0, len(data), 60):
                data[at] ^= int(rng.integers(1, 256))
        else:
            del data[int(rng.integers(1, len(data))) :]
        path.write_bytes(data)
        try:
            read_netx(path)
        except FileFormatError:
            refused += 1
    assert refused >= 10


@pytest.mark.parametrize(("sin", "cos", "expected"), [(1538, 1270, (1537, 1269)), (1171, 3902, (1171, 3902))])
def test_rf_coefficients_go_through_period_and_decay(
    sin: int, cos: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    layer = resonate(np.random.default_rng(0), 3, 4, "RF_PHASE")
    layer["neuron"] |= {"sinDecay": sin, "cosDecay": cos}
    (population,) = read_netx(write(tmp_path / "a.net", [layer])).network.populations
    cos_decay, sin_decay, vth = population.per_neuron
    assert (sin_decay[0], cos_decay[0], vth[0]) == (*expected, 60 << 6)


def test_flat_and_recurrent_networks_survive_saving(tmp_path: Path) -> None:
    case = networks(np.random.default_rng(1))["recurrent"]
    network = read_netx(write(tmp_path / "a.net", case["layers"])).network
    network.save(tmp_path / "a.h5")
    x = (np.random.default_rng(2).random((40, 6)) < 0.3).astype(np.int64)
    again = run(IntegerNetwork.load(tmp_path / "a.h5"), x)
    same("spikes", again.spikes["layer/1"], run(network, x).spikes["layer/1"])
