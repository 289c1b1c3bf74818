"""What `make_formats` tries in every format: one small network for each neuron and each feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from model_records import record_of
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.layer import Layer
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.testing.networks import varied

INPUTS, SIZE, OUTPUTS = 3, 4, 2


@dataclass(frozen=True)
class Case:
    """One thing to say, in the forms in which networks come; each is made where a format asks for it.

    Attributes
    ----------
    name
        The row's heading.
    integer
        Makes an IntegerNetwork.
    floats
        Makes a Network; None: nothing that floats have.
    layers
        Makes the Network that is quantized for formats which take no other integers; None: layers cannot say it.
    profile
        Values of the profile that it is quantized for.
    options
        Of the writer.
    exponent
        Of layer 0's weights.
    neuron
        What the case is about, if it is a neuron.
    """

    name: str
    integer: Callable[[], hn.IntegerNetwork]
    floats: Callable[[], hn.Network] | None = None
    layers: Callable[[], hn.Network] | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    exponent: int | None = None
    neuron: str = ""

    def quantized(self, profile: str) -> hn.QuantizedNetwork | hn.IntegerNetwork:
        """Return the network for a profile; the integers themselves where layers cannot say it."""
        if self.layers is None:
            return self.integer()
        qnet = quantized(self.layers(), profile, self.profile)
        if self.exponent is not None:
            qnet.layers[0].input.exponent = self.exponent
        return qnet


def quantized(net: hn.Network, profile: str, values: Mapping[str, Any]) -> hn.QuantizedNetwork:
    """Return a network in integers, every state up to 4; `values` are those of the profile that differ."""
    ranges = {p.name: 4.0 for p in net.populations}
    return hn.quantize(net, chip(profile, tuple(values.items())), calibration=ranges)


@cache
def chip(profile: str, values: tuple[tuple[str, Any], ...]) -> hn.Profile:
    """Return a profile with some values changed."""
    return varied(profile, **dict(values))


def whole_weights(post: int, pre: int) -> Any:
    """Return whole weights -4..4, none of them 0."""
    return (np.arange(post * pre).reshape(post, pre) * 3 % 4 + 1) * (1 - 2 * (np.arange(pre) % 2))


def layered(
    neuron: str, *, readout: str = "li", depth: int = 1, recurrent: bool = False, current: bool = False, **params: Any
) -> hn.Network:
    """Return layers of one neuron under a readout, weights drawn with seed 0.

    Parameters
    ----------
    neuron
        Model of the layers.
    readout
        Model of the readout.
    depth
        Number of layers.
    recurrent
        Whether they have recurrent weights.
    current
        Whether a constant current goes into the readout.
    **params
        Parameters of the first layer.
    """
    layers = [{"neuron": neuron, "size": SIZE, "recurrent": recurrent} for _ in range(depth)]
    net = hn.Network.build({"inputs": INPUTS, "outputs": OUTPUTS, "layers": layers, "readout": {"bias": current}})
    for name, values in params.items():
        net.layers[0].params[name][...] = values
    if current:
        net.layers[-1].bias = np.full(OUTPUTS, 0.1)
    if readout != "li":
        last = Layer(MODELS[readout], net.layers[-1].weight, None, None, {}, ())
        net = hn.Network.from_layers([*net.layers[:-1], last], net.dt, notes=net.notes)
    return net


def graph(*synapses: hn.FloatSynapses, names: str = "a", biases: Mapping[int, Any] | None = None) -> hn.Network:
    """Return populations of lif, the first fed by the input; the last is the output."""
    lif = MODELS["lif"]
    populations = [hn.FloatPopulation(name, lif, {"vth": np.full(SIZE, 0.5)}, biases or {}) for name in names]
    first = hn.FloatSynapses(INPUT, names[0], whole_weights(SIZE, INPUTS) / 8.0)
    return hn.Network(INPUTS, tuple(populations), (first, *synapses), 1e-3, (names[-1],))


def float_connection(source: str, target: str, delay: int = 0) -> hn.FloatSynapses:
    """Return a connection of floats."""
    return hn.FloatSynapses(source, target, whole_weights(SIZE, INPUTS if source == INPUT else SIZE) / 8.0, delay)


def connection(source: str, target: str, **options: Any) -> hn.Synapses:
    """Return a connection of integers; spikes only, unless options say otherwise."""
    weights = whole_weights(SIZE, INPUTS if source == INPUT else SIZE)
    return hn.Synapses(source, target, **{"weights": weights, "message_bits": 0} | options)


def integers(
    *synapses: hn.Synapses, names: str = "a", first: Mapping[str, Any] | None = None, delay: int = 1, **lif: Any
) -> hn.IntegerNetwork:
    """Return populations of lif, the first fed by the input with options `first`; `lif` are its integers."""
    values = lif_parameters(100, 100, 10) | lif
    populations = tuple(hn.Population.of(name, "lif", SIZE, **values) for name in names)
    return hn.IntegerNetwork(INPUTS, populations, (connection(INPUT, names[0], **first or {}), *synapses), delay)


def of_model(name: str) -> Case:
    """Return the smallest network with that neuron: alone, or as the readout of lif; the input feeds every current."""
    model = MODELS[name]

    def net() -> hn.Network:
        if model.has_float and model.currents > 1:
            into = [replace(float_connection(INPUT, "a"), current=k) for k in range(model.currents)]
            return hn.Network(INPUTS, (hn.FloatPopulation("a", model, {}, {}, (SIZE,)),), tuple(into), 1e-3, ("a",))
        return layered("lif", readout=name) if model.readout else layered(name)

    @cache
    def integer_network() -> hn.IntegerNetwork:
        if not model.has_float or model.currents > 1:
            p = hn.Population.of("a", name, SIZE, **record_of(name).integers)
            return hn.IntegerNetwork(
                INPUTS, (p,), tuple(connection(INPUT, "a", current=k) for k in range(model.currents))
            )
        p = quantized(net(), "loihi2", {}).integer().populations[1 if model.readout else 0]
        if not model.readout:
            return hn.IntegerNetwork(INPUTS, (replace(p, name="a"),), (connection(INPUT, "a"),))
        lif_below = hn.Population.of("below", "lif", SIZE, **lif_parameters(100, 100, 10))
        into_readout = connection("below", "a", weights=whole_weights(p.size, SIZE))
        return hn.IntegerNetwork(INPUTS, (lif_below, replace(p, name="a")), (connection(INPUT, "below"), into_readout))

    return Case(f"`{name}`", integer_network, net, net if model.has_float else None, neuron=name)


def features() -> list[Case]:
    """Return what networks have beside neurons, shown on lif."""
    plain, by_neuron = lambda: layered("lif"), np.arange(1, SIZE + 1)
    sparse, rounding_key, convolution = (
        csr_array(whole_weights(SIZE, INPUTS) * np.eye(SIZE, INPUTS, dtype=int)),
        "precision__state_rounding",
        Convolution(whole_weights(2, 2)[:, None], (3,), Taps((2,), (1,), (0,), (0,), (1,))),
    )
    by_weight = np.arange(SIZE * INPUTS).reshape(SIZE, INPUTS) % 3
    stochastic = {rounding_key: "stochastic"}
    return [
        Case(
            "several layers",
            lambda: integers(connection("a", "b"), names="ab"),
            lambda: layered("lif", depth=2),
            lambda: layered("lif", depth=2),
        ),
        Case(
            "recurrent connection",
            lambda: integers(connection("a", "a")),
            lambda: layered("lif", recurrent=True),
            lambda: layered("lif", recurrent=True),
        ),
        Case(
            "connection that skips a population",
            lambda: integers(connection("a", "b"), connection(INPUT, "b"), names="ab"),
            lambda: graph(float_connection("a", "b"), float_connection(INPUT, "b"), names="ab"),
        ),
        Case(
            "connection back to an earlier population",
            lambda: integers(connection("b", "a"), connection("a", "b"), names="ab"),
            lambda: graph(float_connection("b", "a"), float_connection("a", "b"), names="ab"),
        ),
        Case(
            "delay of a connection",
            lambda: integers(first={"delays": 2}),
            lambda: graph(float_connection("a", "b", 2), names="ab"),
        ),
        Case(
            "delays, one a weight",
            lambda: integers(first={"delays": by_weight}),
            lambda: graph(float_connection("a", "b"), float_connection("a", "b", 2), names="ab"),
        ),
        Case(
            "delay of a recurrent connection",
            lambda: integers(connection("a", "a", delays=2)),
            lambda: graph(float_connection("a", "a", 2)),
        ),
        Case(
            "connections within a step (connection_delay 0)",
            lambda: integers(delay=0),
            plain,
            plain,
            {"time__connection_delay": 0},
        ),
        Case(
            "bias on the membrane",
            lambda: integers(bias=64),
            lambda: layered("lif", bias=0.1),
            lambda: layered("lif", bias=0.1),
        ),
        Case(
            "constant current (bias axon)",
            lambda: integers(first={"always_on": by_neuron}),
            lambda: graph(biases={0: by_neuron / 8.0}),
            lambda: layered("lif", current=True),
        ),
        Case(
            "decays of each neuron",
            lambda: integers(dv=100 * by_neuron),
            lambda: layered("lif", dv=0.1 * by_neuron),
            lambda: layered("lif", dv=0.1 * by_neuron),
        ),
        Case(
            "thresholds of each neuron",
            lambda: integers(vth=640 * by_neuron),
            lambda: layered("lif", vth=0.5 * by_neuron),
            lambda: layered("lif", vth=0.5 * by_neuron),
        ),
        Case(
            "reset by subtraction",
            lambda: integers(subtract=1),
            lambda: layered("lif", subtract=1.0),
            lambda: layered("lif", subtract=1.0),
        ),
        Case("membrane values as output (readout `li`)", of_model("li").integer, plain, plain),
        Case("spikes as output (no readout)", integers, graph),
        Case(
            "sparse weights",
            lambda: integers(first={"weights": sparse}),
            lambda: graph(hn.FloatSynapses(INPUT, "a", sparse / 8.0)),
        ),
        Case(
            "convolution",
            lambda: integers(first={"weights": convolution}),
            lambda: graph(hn.FloatSynapses(INPUT, "a", convolution.with_data(convolution.data / 8.0))),
        ),
        Case("groups of weights with exponents of their own", lambda: integers(connection(INPUT, "a", exponent=2))),
        Case("negative weight exponents", lambda: integers(first={"exponent": -1}), None, plain, exponent=-1),
        Case(
            "overflow of the chip (`hardware`)",
            lambda: integers(lava=0),
            None,
            plain,
            {"precision__overflow": "hardware"},
        ),
        Case(
            "stochastic rounding of states",
            lambda: quantized(plain(), "loihi2", stochastic).integer(),
            None,
            plain,
            stochastic,
        ),
        Case(
            "learning, changes rounded stochastically (`learn=`)",
            integers,
            plain,
            plain,
            options={"learn": hn.LearnOptions()},
        ),
        Case(
            "learning in a stream without end",
            integers,
            plain,
            plain,
            options={"learn": hn.LearnOptions(update_on="step")},
        ),
        Case("state of a running network (`state=`)", integers, plain, plain, options={"state": "state.h5"}),
    ]
