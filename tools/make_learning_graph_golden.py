"""Golden files of learning in graphs: neurons that chains of layers do not hold, or no quantizer makes.

    python tools/make_learning_graph_golden.py

A file tests/golden/learning_MODEL.npz is as `make_learning_golden` has it; instead of layers its networks have
populations and connections, matrices as rows or, of CSR, as its arrays by name. `lif_multispike` sends messages, `rf`
and `rf_iz` have two input currents, `cuba_li_loihi` stands where integers of Lava or netx end, `lif_narrow` for `lif`
where states have fewer bits than Loihi's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from make_learning_golden import (
    ALL,
    APART,
    DELAYED,
    LARGE_RATE,
    PARAMETER_RATE,
    Case,
    learned,
    samples_of,
    teaches,
    write,
)
from scipy.sparse import issparse

from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.graph.membranes import read_as_membrane
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.given_integers import take_integers
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, varied

Drawn = Callable[[int, Profile], QuantizedNetwork]
SAME_STATES = {"learning__eligibility_bits": 12, "learning__accumulator_bits": 12, "learning__signal_bits": 6}
NOISE = 300
UNREACHED = 1 << 23
"""A threshold that no state of 24 bits reaches."""


@dataclass(frozen=True)
class GraphCase(Case):
    """A `Case` whose network is drawn from seed and profile; `noise` is that on every population's currents."""

    noise: int = 0


CASES = {
    "all parameters": GraphCase(options=ALL),
    "late signals": GraphCase(profile=DELAYED, options=ALL | {"feedback": "random"}),
    "delayed": GraphCase(profile=DELAYED, options=ALL | {"rule": "layer"}),
    "narrow": GraphCase(profile=SAME_STATES | {"learning__eligibility_rounding": "floor"}, options=ALL),
    "residual and momentum": GraphCase(
        profile={"learning__residual_bits": 8, "learning__momentum_bits": 24, "learning__error": "linear"},
        options=ALL | {"momentum": 2, "rule": "layer"},
    ),
    "sgd, narrow momentum": GraphCase(
        profile={"learning__momentum_bits": 15, "learning__error": "sign"},
        options={"momentum": 1, "rule": "sgd", "update_every": 2},
        rate=LARGE_RATE,
    ),
    "every seventh step": GraphCase(options=ALL | {"update_every": 7, "update_on": "step"}),
    "noise": GraphCase(options=ALL, noise=NOISE),
}


def graph_of(model: str) -> Drawn:
    """Return what draws a quantized graph whose spiking populations are of one model."""
    return lambda seed, profile: random_learning_graph(seed, profile, spiking=[model])


def membrane(seed: int, profile: Profile) -> QuantizedNetwork:
    """Return `lif` that feeds itself and a membrane of Loihi's integers, all of them given."""
    rng = np.random.default_rng([seed, 6])
    hidden = Population.of("hidden", "lif", 5, **lif_parameters(900, 300, 40, 64 * rng.integers(-3, 4, 5)))
    values = lif_parameters(int(rng.integers(100, 900)), int(rng.integers(50, 400)), 1, 64 * rng.integers(-8, 9, 3))
    out = Population.of("out", "lif", 3, **{**values, "vth": np.full(3, UNREACHED)})
    drawn = [rng.integers(-120, 120, shape).astype(np.int32) for shape in ((5, 4), (5, 5), (3, 5))]
    ends = (("input", "hidden"), ("hidden", "hidden"), ("hidden", "out"))
    synapses = tuple(Synapses(*end, weights) for end, weights in zip(ends, drawn, strict=True))
    return take_integers(IntegerNetwork(4, (hidden, read_as_membrane(out)), synapses), profile)


def narrow(seed: int, profile: Profile) -> QuantizedNetwork:
    """Return a chain of `lif` whose states have 16 bits."""
    return random_quantized("lif", seed, varied(profile, precision__state_bits=16), hidden=(4, 3))


MODELS: dict[str, Drawn] = {
    **{name: graph_of(name) for name in ("lif_multispike", "rf", "rf_iz")},
    "cuba_li_loihi": membrane,
    "lif_narrow": narrow,
}


def network_data(qnet: QuantizedNetwork) -> dict[str, Any]:
    """Return everything that the numbers of a network depend on."""
    populations = [{f.name: _plain(getattr(p, f.name)) for f in fields(p)} for p in qnet.populations]
    connections = [{f.name: _plain(getattr(c, f.name)) for f in fields(c)} for c in qnet.connections]
    return {
        "profile": qnet.profile.dump(),
        "dt": qnet.dt,
        "inputs": qnet.inputs,
        "outputs": list(qnet.outputs),
        "output_decay": qnet.output_decay,
        "populations": populations,
        "connections": connections,
    }


def _plain(value: Any) -> Any:
    """Return a field as JSON has it."""
    if isinstance(value, NeuronModel):
        return value.name
    if issparse(value):
        parts = {name: getattr(value, name).tolist() for name in ("data", "indices", "indptr")}
        return parts | {"shape": list(value.shape)}
    return value.tolist() if isinstance(value, np.ndarray) else value


def case_data(draw: Drawn, case: GraphCase, seed: int) -> dict[str, Any]:
    """Return all of one case, drawn with the first seed from this one on with which there is much to learn."""
    qnet = draw(seed, varied(case.chip, **case.profile))
    noise = (case.noise,) * len(qnet.populations) if case.noise else ()
    options, data = LearnOptions(seed=seed, noise=noise, **case.options), samples_of(case, seed, qnet)
    inputs = {"network": network_data(qnet), "options": asdict(options), "rates": [case.rate, PARAMETER_RATE]}
    inputs |= {key: array.tolist() for key, array in data.items()}
    found = inputs | {"learned": learned(qnet, options, case.rate, data)}
    return found if teaches(found) else case_data(draw, case, seed + APART)


def main() -> None:
    """Write the golden files."""
    for number, (model, draw) in enumerate(MODELS.items(), 20):
        write(model, {name: case_data(draw, case, 100 * number + i) for i, (name, case) in enumerate(CASES.items())})


if __name__ == "__main__":
    main()
