"""What `make_formats` tries in every format: one small network for each neuron and each feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Layer
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.testing.networks import varied

INPUTS, SIZE, OUTPUTS = 3, 4, 2
INTEGER_ONLY: dict[str, dict[str, Any]] = {
    "lif_refractory": lif_refractory_parameters(100, 100, 10, 2),
    "rf": rf_parameters(9, 0.1, 20, state_exp=6),
    "rf_iz": rf_parameters(9, 0.1, 20, state_exp=6),
}
"""Integers of models that no float parameters lead to."""


@dataclass(frozen=True)
class Case:
    """One thing to say, in the forms in which networks come; each is made where a format asks for it.

    floats : a Network or FloatGraph; None: nothing that floats have. integer : an IntegerNetwork
    layers : the Network that is quantized for formats which take no other integers; None: layers cannot say it
    profile : values of the profile that it is quantized for. options : of the writer. exponent : of layer 0's weights
    neuron : what the case is about, if it is a neuron
    """

    name: str
    integer: Callable[[], hn.IntegerNetwork]
    floats: Callable[[], hn.Network | hn.FloatGraph] | None = None
    layers: Callable[[], hn.Network] | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    exponent: int | None = None
    neuron: str = ""

    def quantized(self, profile: str) -> hn.QuantizedNetwork | hn.IntegerNetwork:
        """For a profile; the integers themselves where layers cannot say it."""
        if self.layers is None:
            return self.integer()
        made = quantized(self.layers(), profile, self.profile)
        if self.exponent is not None:
            made.layers[0].input.exponent = self.exponent
        return made


def quantized(net: hn.Network, profile: str, values: Mapping[str, Any]) -> hn.QuantizedNetwork:
    """In integers, every state up to 4; values : of the profile that differ from the one of that name"""
    ranges = {net.name(i): 4.0 for i in range(len(net.layers))}
    return hn.quantize(net, chip(profile, tuple(values.items())), calibration=ranges)


@cache
def chip(profile: str, values: tuple[tuple[str, Any], ...]) -> hn.Profile:
    return varied(profile, **dict(values))


def small(post: int, pre: int) -> Any:
    """Whole weights -4..4, none of them 0."""
    return (np.arange(post * pre).reshape(post, pre) * 3 % 4 + 1) * (1 - 2 * (np.arange(pre) % 2))


def layered(
    neuron: str, *, readout: str = "li", depth: int = 1, recurrent: bool = False, current: bool = False, **params: Any
) -> hn.Network:
    """Layers of one neuron under a readout, weights drawn with seed 0; params : of the first layer

    current : a constant current into the readout
    """
    layers = [{"neuron": neuron, "size": SIZE, "recurrent": recurrent} for _ in range(depth)]
    net = hn.Network.build({"inputs": INPUTS, "outputs": OUTPUTS, "layers": layers, "readout": {"bias": current}})
    for name, values in params.items():
        net.layers[0].params[name][...] = values
    if current:
        net.layers[-1].bias = np.full(OUTPUTS, 0.1)
    if readout != "li":
        net.layers[-1] = Layer(MODELS[readout], net.layers[-1].weight, None, None, {}, ())
    return net


def graph(*synapses: hn.FloatSynapses, names: str = "a", biases: Mapping[int, Any] | None = None) -> hn.FloatGraph:
    """Populations of lif, the first fed by the input; the last is the output."""
    lif = MODELS["lif"]
    populations = [hn.FloatPopulation(name, lif, {"vth": np.full(SIZE, 0.5)}, biases or {}) for name in names]
    first = hn.FloatSynapses(INPUT, names[0], small(SIZE, INPUTS) / 8.0)
    return hn.FloatGraph(INPUTS, tuple(populations), (first, *synapses), 1e-3, (names[-1],))


def wire(source: str, target: str, delay: int = 0) -> hn.FloatSynapses:
    return hn.FloatSynapses(source, target, small(SIZE, INPUTS if source == INPUT else SIZE) / 8.0, delay)


def line(source: str, target: str, **options: Any) -> hn.Synapses:
    """A connection of integers; spikes only, unless options say otherwise."""
    weights = small(SIZE, INPUTS if source == INPUT else SIZE)
    return hn.Synapses(source, target, **{"weights": weights, "message_bits": 0} | options)


def integers(
    *more: hn.Synapses, names: str = "a", first: Mapping[str, Any] | None = None, delay: int = 1, **lif: Any
) -> hn.IntegerNetwork:
    """Populations of lif, the first fed by the input with options `first`; lif : its integers"""
    values = lif_parameters(100, 100, 10) | lif
    populations = tuple(hn.Population.of(name, "lif", SIZE, **values) for name in names)
    return hn.IntegerNetwork(INPUTS, populations, (line(INPUT, names[0], **first or {}), *more), delay)


def of_model(name: str) -> Case:
    """The smallest network with that neuron: alone, or as the readout of lif."""
    model = MODELS[name]

    def net() -> hn.Network:
        return layered("lif", readout=name) if model.readout else layered(name)

    @cache
    def whole() -> hn.IntegerNetwork:
        if name in INTEGER_ONLY:
            p = hn.Population.of("a", name, SIZE, **INTEGER_ONLY[name])
            return hn.IntegerNetwork(INPUTS, (p,), tuple(line(INPUT, "a", current=k) for k in range(model.currents)))
        p = quantized(net(), "loihi2", {}).integer().populations[1 if model.readout else 0]
        if not model.readout:
            return hn.IntegerNetwork(INPUTS, (replace(p, name="a"),), (line(INPUT, "a"),))
        below = hn.Population.of("below", "lif", SIZE, **lif_parameters(100, 100, 10))
        up = line("below", "a", weights=small(p.size, SIZE))
        return hn.IntegerNetwork(INPUTS, (below, replace(p, name="a")), (line(INPUT, "below"), up))

    return Case(f"`{name}`", whole, net, net if model.has_float else None, neuron=name)


def features() -> list[Case]:
    """What networks have beside neurons, shown on lif."""
    plain, each = lambda: layered("lif"), np.arange(1, SIZE + 1)
    sparse, rounds = csr_array(small(SIZE, INPUTS) * np.eye(SIZE, INPUTS, dtype=int)), "precision__state_rounding"
    by_weight = np.arange(SIZE * INPUTS).reshape(SIZE, INPUTS) % 3
    stochastic = {rounds: "stochastic"}
    return [
        Case(
            "several layers",
            lambda: integers(line("a", "b"), names="ab"),
            lambda: layered("lif", depth=2),
            lambda: layered("lif", depth=2),
        ),
        Case(
            "recurrent connection",
            lambda: integers(line("a", "a")),
            lambda: layered("lif", recurrent=True),
            lambda: layered("lif", recurrent=True),
        ),
        Case(
            "connection that skips a population",
            lambda: integers(line("a", "b"), line(INPUT, "b"), names="ab"),
            lambda: graph(wire("a", "b"), wire(INPUT, "b"), names="ab"),
        ),
        Case(
            "connection back to an earlier population",
            lambda: integers(line("b", "a"), line("a", "b"), names="ab"),
            lambda: graph(wire("b", "a"), wire("a", "b"), names="ab"),
        ),
        Case(
            "delay of a connection", lambda: integers(first={"delays": 2}), lambda: graph(wire("a", "b", 2), names="ab")
        ),
        Case(
            "delays, one a weight",
            lambda: integers(first={"delays": by_weight}),
            lambda: graph(wire("a", "b"), wire("a", "b", 2), names="ab"),
        ),
        Case(
            "delay of a recurrent connection",
            lambda: integers(line("a", "a", delays=2)),
            lambda: graph(wire("a", "a", 2)),
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
            "constant current (line that is always on)",
            lambda: integers(first={"always_on": each}),
            lambda: graph(biases={0: each / 8.0}),
            lambda: layered("lif", current=True),
        ),
        Case(
            "decays of each neuron",
            lambda: integers(dv=100 * each),
            lambda: layered("lif", dv=0.1 * each),
            lambda: layered("lif", dv=0.1 * each),
        ),
        Case(
            "thresholds of each neuron",
            lambda: integers(vth=640 * each),
            lambda: layered("lif", vth=0.5 * each),
            lambda: layered("lif", vth=0.5 * each),
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
        Case("groups of weights with exponents of their own", lambda: integers(line(INPUT, "a", exponent=2))),
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
