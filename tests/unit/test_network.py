"""Network descriptions and networks: built, saved, loaded; what is wrong is named."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.base import no_float_form, no_integer_form
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize, quantize
from hypr_neuro.testing.networks import integer_models, random_network, random_quantized, spiking_models

SPEC: dict[str, Any] = {
    "inputs": 4,
    "outputs": 3,
    "layers": [{"neuron": "brf", "size": 6, "params": {"omega": [3, 5], "gamma": 0.8}}, {"neuron": "lif", "size": 5}],
    "readout": {"neuron": "li", "tau": [15, 25]},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """SPEC with one entry set, by a path such as "layers.0.size"."""
    spec = deepcopy(SPEC)
    *parents, last = path.split(".")
    node: Any = spec
    for part in parents:
        node = node[int(part) if part.isdigit() else part]
    node[last] = value
    return spec


def test_weights_are_uniform_with_the_stated_limit() -> None:
    net = Network.build({**SPEC, "layers": [{"neuron": "brf", "size": 60}]}, seed=1)
    layer = net.layers[0]
    limit = np.sqrt(6 / (4 + 60 + 60))
    for weights in (layer.weight, layer.recurrent):
        assert 0.97 * limit < np.abs(weights).max() <= limit
        assert abs(weights.mean()) < 0.1 * limit
    assert not layer.bias.any()


def test_a_pair_is_drawn_and_a_number_is_constant() -> None:
    net = Network.build(SPEC, seed=2)
    omega = net.layers[0].params["omega"]
    assert omega.min() >= 3
    assert omega.max() <= 5
    assert len(set(omega)) == 6
    assert set(net.layers[0].params["gamma"]) == {0.8}
    assert set(net.layers[0].params["b_offset"]) == {0.5}


def test_the_seed_decides_everything() -> None:
    first, again, other = (Network.build(SPEC, seed=s).arrays() for s in (3, 3, 4))
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert not np.array_equal(first["layers.0.weight"], other["layers.0.weight"])


def test_a_yaml_file_says_the_same_as_a_dict(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "inputs: 4\noutputs: 3\nlayers:\n- {neuron: brf, size: 6, params: {omega: [3, 5], gamma: 0.8}}\n"
        "- {neuron: lif, size: 5}\nreadout: {neuron: li, tau: [15, 25]}\n"
    )
    first, second = Network.build(SPEC, seed=1).arrays(), Network.build(path, seed=1).arrays()
    assert all(np.array_equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("inputs", 0, "key 'inputs' = 0, rule: above 0"),
        ("inputs", "many", "key 'inputs' = 'many'"),
        ("outputs", 2.5, "key 'outputs' = 2.5"),
        ("dt", -1.0, "key 'dt' = -1.0"),
        ("speed", 1, "key 'speed' = 1: unknown key"),
        ("layers", [], r"key 'layers' = \[\], rule: a list of at least 1"),
        ("layers.1.size", -2, "key 'layers.1.size' = -2"),
        ("layers.0.neuron", "brv", "unknown neuron 'brv'.*, known: .*alif, .*brf, .*li, .*lif, .*se_adlif"),
        ("layers.0.neuron", "li", "layers.0.neuron = 'li' is a readout"),
        ("layers.0.colour", "red", "key 'layers.0.colour' = 'red'"),
        ("layers.0.params", {"omgea": 3}, "neuron 'brf': unknown parameter 'omgea'.*, known: omega"),
        ("layers.0.params", {"omega": [5, 3]}, r"omega = \[5.0, 3.0\], rule: lower end first"),
        ("layers.0.params", {"omega": "fast"}, "key 'layers.0.params.omega"),
        ("layers.0.params", {"delta": 0.0}, r"neuron 'brf': delta\[0\] = 0.0, rule: 0.0 < delta <= 1.0 \[1/step\]"),
        ("layers.1.params", {"du": 1.5}, r"neuron 'lif': du\[0\] = 1.5, rule: 0.0 <= du <= 1.0"),
        ("layers.1.params", {"du": float("nan")}, "du' = nan, rule: a finite number or a pair of them"),
        ("readout.tau", 0.0, r"neuron 'li': tau\[0\] = 0.0, rule: 0.0 < tau"),
        ("readout.neuron", "lif", "readout.neuron = 'lif', rule: a readout, which are cuba_li, li"),
        ("readout.params", {"tau": 5.0}, "tau stands both by itself and under params"),
        ("readout.params", {"kappa": 5.0}, "neuron 'li': unknown parameter 'kappa'.*, known: tau"),
    ],
)
def test_a_wrong_description_is_named_by_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        Network.build(changed(path, value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("readout", "params"),
    [
        ({}, {"tau": 20.0}),
        ({"neuron": "li", "params": {"tau": 7.0}}, {"tau": 7.0}),
        ({"neuron": "cuba_li"}, {"du": 1.0, "dv": 0.05, "bias": 0.0}),
        ({"neuron": "cuba_li", "bias": True, "params": {"du": 0.5, "dv": [0.1, 0.1]}}, {"du": 0.5, "dv": 0.1}),
    ],
)
def test_a_readout_is_any_that_there_is_with_its_parameters(readout: dict[str, Any], params: dict[str, float]) -> None:
    net = Network.build({k: v for k, v in SPEC.items() if k != "readout"} | {"readout": readout})
    assert net.layers[-1].model.name == readout.get("neuron", "li")
    assert {name: net.layers[-1].params[name].tolist() for name in params} == {n: [v] * 3 for n, v in params.items()}
    again = Network.build(net.notes["spec"])
    assert all(np.array_equal(a, b) for a, b in zip(net.arrays().values(), again.arrays().values(), strict=True))
    assert again.notes == net.notes


def test_an_infinite_range_is_named() -> None:
    with pytest.raises(InputError, match="omega"):
        Network.build(changed("layers.0.params", {"omega": [float("-inf"), float("inf")]}))


def test_an_infinite_step_is_named() -> None:
    with pytest.raises(InputError, match="dt"):
        Network.build(changed("dt", float("inf")))


def test_a_missing_description_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"network spec '.*gone\.yaml' cannot be read: No such file"):
        Network.build(tmp_path / "gone.yaml")


def layer(**changes: Any) -> Layer:
    arguments = {
        "model": get_model("brf"),
        "weight": np.ones((3, 2)),
        "recurrent": np.ones((3, 3)),
        "bias": np.zeros(3),
        "params": {},
        "trainable": ("omega",),
    }
    return Layer(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.ones(3)}, r"weight of shape \(3,\), rule: \(neurons, inputs\)"),
        ({"weight": np.ones((3, 0))}, r"weight of shape \(3, 0\)"),
        ({"weight": np.array([[1, 2], [np.nan, 0], [0, 0]])}, r"weight\[1, 0\] = nan, rule: weights are finite"),
        ({"recurrent": np.ones((3, 2))}, r"recurrent of shape \(3, 2\), rule: \(3, 3\) for 3 neurons"),
        ({"recurrent": np.full((3, 3), np.inf)}, r"recurrent\[0, 0\] = inf"),
        ({"bias": np.zeros(2)}, r"bias of shape \(2,\), rule: \(3,\)"),
        ({"bias": np.array([0, np.nan, 0])}, r"bias\[1\] = nan"),
        ({"params": {"omega": np.ones(2)}}, r"parameter 'omega' of shape \(2,\), rule: one number or \(3,\)"),
        ({"params": {"theta": np.array([1.0, -1.0, 1.0])}}, r"theta\[1\] = -1.0"),
        ({"params": {"tau": 1.0}}, "unknown parameter 'tau'"),
        ({"trainable": ("tau",)}, "unknown parameter 'tau'"),
        ({"model": get_model("li")}, "a readout layer .* cannot be recurrent"),
        ({"model": get_model("lif"), "trainable": ()}, "neuron 'lif': its bias acts on the state"),
    ],
)
def test_a_wrong_layer_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        layer(**changes)


def test_layers_that_do_not_fit_are_named() -> None:
    readout = Layer(get_model("li"), np.ones((2, 4)), None, None, {}, ("tau",))
    with pytest.raises(InputError, match="readout: 4 inputs, but layer 0 has 3"):
        Network.from_layers([layer(), readout])
    with pytest.raises(InputError, match="at least one layer of spiking neurons"):
        Network.from_layers([readout])
    with pytest.raises(InputError, match="layer 0: 'li' is a readout"):
        Network.from_layers([Layer(get_model("li"), np.ones((4, 4)), None, None, {}, ()), readout])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("model", spiking_models())
def test_a_network_comes_back_equal_from_its_file(model: str, bias: bool, tmp_path: Path) -> None:
    net = random_network(model, 1, hidden=(5, 4), bias=bias, recurrent=bias)
    net.encoder, net.notes, net.dt = {"method": "scan", "rows": 8}, {"μ": [1, 2.5, None]}, 2e-3
    net.layers[0].trainable = net.layers[0].trainable[:1]
    net.save(tmp_path / "net.h5")
    back = Network.load(tmp_path / "net.h5")
    assert (back.dt, back.encoder, back.notes) == (net.dt, net.encoder, net.notes)
    for ours, theirs in zip(net.layers, back.layers, strict=True):
        assert ours.model is theirs.model
        assert ours.trainable == theirs.trainable
        for name in ("weight", "recurrent", "bias"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
        assert all(np.array_equal(v, theirs.params[k]) for k, v in ours.params.items())


@pytest.mark.parametrize("model", integer_models())
def test_a_quantized_network_comes_back_equal_from_its_file(model: str, tmp_path: Path) -> None:
    qnet = random_quantized(model, 2, "loihi2", hidden=(5, 4))
    qnet.save(tmp_path / "net.h5")
    back = QuantizedNetwork.load(tmp_path / "net.h5")
    assert (back.profile, back.dt, back.record) == (qnet.profile, qnet.dt, qnet.record)
    assert back.explain() == qnet.explain()
    for ours, theirs in zip(qnet.layers, back.layers, strict=True):
        assert ours.model is theirs.model
        for name in ("bias_axon", "state_scale", "current_scale", "trainable"):
            assert getattr(ours, name) == getattr(theirs, name), name
        for name in ("per_neuron", "constants", "psi_table"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
        for key, connection in ours.connections().items():
            assert np.array_equal(connection.mantissa, theirs.connections()[key].mantissa)
            assert connection.exponent == theirs.connections()[key].exponent


def test_one_kind_of_file_is_not_taken_for_another(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    random_network("lif", 3).save(path)
    with pytest.raises(FileFormatError, match="holds 'hypr-neuro network', expected 'hypr-neuro quantized network'"):
        QuantizedNetwork.load(path)
    with pytest.raises(FileFormatError, match=r"file '.*gone\.h5' does not exist"):
        Network.load(tmp_path / "gone.h5")


@pytest.mark.parametrize("model", integer_models())
def test_integer_weights_stand_for_the_float_ones(model: str) -> None:
    """Half a mantissa unit at most, and the largest weight uses more than half of the mantissa's range."""
    net = random_network(model, 4)
    qnet = quantize(net, "ideal", calibration={"layers.0": 20.0, "readout": 20.0})
    back = dequantize(net, qnet)
    for i, fixed in enumerate(qnet.layers):
        for key, array in (("input", "weight"), ("recurrent", "recurrent")):
            connection = fixed.connections().get(key)
            if connection is None:
                continue
            difference = np.abs(getattr(net.layers[i], array) - getattr(back.layers[i], array)).max()
            assert difference <= 0.5001 * fixed.weight_step(connection), f"layer {i}, {key}"
            assert np.abs(connection.mantissa).max() > (1 << 14), f"layer {i}, {key}"


def test_quantize_names_what_it_cannot_do() -> None:
    net = random_network("brf", 5)
    with pytest.raises(InputError, match="calibration lacks 'readout', has: layers"):
        quantize(net, "ideal", calibration={"layers.0": 1.0})
    with pytest.raises(InputError, match=r"largest weight .* needs weight exponent \d+, rule: -16..16 \(profile"):
        quantize(net, "ideal", calibration={"layers.0": 1.0, "readout": 1.0}, weight_range={"layers.0.input": 1e12})


def test_a_float_only_neuron_is_refused_in_integers() -> None:
    no_integers = {
        "fixed_step": no_integer_form,
        "fixed_jacobian": no_integer_form,
        "to_fixed": no_integer_form,
        "learned": None,
        "of_integers": None,
    }
    model = replace(get_model("alif"), name="smooth", psi_index=None, **no_integers)
    net = random_network("alif", 6, hidden=(3, 3), inputs=2, outputs=2)
    net.layers[1].model = model
    with pytest.raises(InputError, match=r"layers\.1: neuron 'smooth' has no integer form, .* in float only; build"):
        quantize(net, "ideal", calibration=np.zeros((1, 2, 2)))
    with pytest.raises(InputError, match="no integer form"):
        model.to_fixed(net.layers[1].params, None)


@pytest.mark.parametrize(
    ("missing", "rule"),
    [
        ({"float_coefficients": None}, "coefficients and float_coefficients, both or neither"),
        ({"float_jacobian": no_float_form}, "float_step and float_jacobian, both or neither"),
        ({"fixed_step": no_integer_form}, "to_fixed where there are both forms, and only there"),
        ({"to_fixed": no_integer_form}, "to_fixed where there are both forms, and only there"),
        ({"fixed_step": no_integer_form, "to_fixed": no_integer_form}, "fixed_jacobian needs fixed_step"),
        ({"psi_index": None}, "fixed_jacobian needs fixed_step and, with spikes, psi_index"),
        ({"fixed_jacobian": no_integer_form}, "psi_index needs fixed_jacobian"),
        ({"surrogate": None}, "a spiking float model has a surrogate and its argument"),
        (
            {"surrogate": "gauss"},
            "unknown surrogate 'gauss'.*, known: double_gaussian, exponential, slayer; a new one goes",
        ),
    ],
)
def test_a_neuron_record_is_whole_or_refused(missing: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=f"neuron 'lif': .*{rule}"):
        replace(get_model("lif"), **missing)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"fixed_constants": ("h", "more")}, "gives constants lava, .*, rule: those of fixed_constants, h, more;"),
        ({"fixed_per_neuron": ("du",)}, "gives per_neuron du1, .*, rule: those of fixed_per_neuron, du; name the same"),
    ],
)
def test_integers_of_other_names_than_the_record_are_refused(changed: dict[str, Any], rule: str) -> None:
    net = Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": "lif", "size": 3}]}, seed=1)
    net.layers[0].model = replace(get_model("lif"), name="renamed", integer_form=None, **changed)
    ranges = {"layers.0": 3.0, "readout": 3.0}
    with pytest.raises(InputError, match=f"neuron 'renamed': to_fixed {rule}"):
        quantize(net, "ideal", calibration=ranges)
    with pytest.raises(InputError, match=f"neuron 'renamed': to_fixed {rule}"):
        quantize_graph(net, "ideal", calibration=ranges)


@pytest.mark.parametrize("model", [name for name, model in MODELS.items() if model.has_float and model.currents == 1])
def test_a_layer_gives_the_parameters_followed_by_their_coefficients(model: str) -> None:
    record = MODELS[model]
    layer = Layer(record, np.ones((2, 1)), None, None, {}, ())
    matrix = layer.float_matrix()
    assert matrix.shape == (record.float_count, 2)
    assert matrix.flags.c_contiguous
    assert tuple(matrix[:, 1]) == record.with_coefficients(tuple(p.default for p in record.params))
    assert np.array_equal(matrix[: len(record.params)], layer.param_matrix())


def test_coefficients_that_do_not_exist_are_an_error_of_the_parameters() -> None:
    layer = Layer(get_model("brf"), np.ones((2, 1)), None, None, {}, ())
    layer.params["omega"][1] = 101.0
    with pytest.raises(InputError, match=r"δ\|ω\| = 1.01 for neuron 1, rule: below 1"):
        layer.float_matrix()


def test_every_model_is_found_by_its_file() -> None:
    assert {"alif", "brf", "li", "lif", "se_adlif"} <= MODELS.keys()
    assert all(model.name == name for name, model in MODELS.items())
