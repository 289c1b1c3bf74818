"""Random networks that a netx file can hold, and the form in which they are compared; for tests of the writer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from hypr_neuro.compilers.netx import write_netx
from hypr_neuro.compilers.netx.write import NetxSummary
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.sim.engine import Trace, simulate

Rng = np.random.Generator
STATES = {"lif": ("u", "v"), "rf": ("re", "im"), "rf_iz": ("re", "im")}


def drawn(seed: int, lines: bool = True, models: tuple[str, ...] = ("lif", "lif", "lif", "rf", "rf_iz")) -> Any:
    """1 to 3 layers with weights in any form that netx has; `lines`: with constant currents, too."""
    rng = np.random.default_rng([seed, 21])
    count, inputs = int(rng.integers(1, 4)), int(rng.integers(1, 9))
    populations, synapses, below, width = [], [], INPUT, inputs
    for i in range(count):
        model, size = str(rng.choice(models)), int(rng.integers(1, 11))
        p = Population.of(f"p{i}", model, size, **(lif(rng, size) if model == "lif" else rf(rng, size)))
        recurrent = model == "lif" and rng.random() < 0.5
        # a line needs neurons of 'lif' where it starts
        lined = lines and (i == 0 or populations[-1].model.name == "lif") and rng.random() < 0.5
        kind = str(rng.choice(["mixed", "mixed", "wide", "positive"]))
        for current in range(p.model.currents):
            delays = rng.random() < 0.4 and not recurrent and model == "lif"
            part = connection(rng, below, p, width, kind, bool(delays), lined, current)
            synapses.append(part)
            if lined and rng.random() < 0.5:
                # a line by itself, of any delay that the layer can have
                latest = i if recurrent or model != "lif" else 9
                nothing = csr_array((size, inputs), dtype=np.int64)
                line = Synapses(
                    INPUT,
                    p.name,
                    nothing,
                    0,
                    int(rng.integers(0, latest, endpoint=True)),
                    rng.integers(-9, 20, size),
                    current,
                    0,
                )
                synapses.append(line)
            if isinstance(part.delays, int) and rng.random() < 0.2:
                # a second connection with the same ends
                synapses.append(replace(part, weights=np.eye(*part.shape, dtype=np.int64) * 4, always_on=None))
        if recurrent:
            synapses.append(connection(rng, p.name, p, size, kind, False, False, 0))
        populations.append(p)
        below, width = p.name, size
    return IntegerNetwork(inputs, tuple(populations), tuple(synapses))


def lif(rng: Rng, size: int) -> dict[str, Any]:
    """Numbers for all neurons or for each of them, to their ends."""
    one = bool(rng.random() < 0.6)
    number = int(rng.integers(0, 4096)) if one else rng.integers(0, 4096, size)
    vth = rng.choice([0, int(rng.integers(20, 400)), int(rng.integers(20, 400)), 40_000])
    bias = rng.integers(-300, 900, size) if rng.random() < 0.4 else 0
    return lif_parameters(number, int(rng.integers(0, 900)), int(vth), np.asarray(bias) << 6)


def rf(rng: Rng, size: int) -> dict[str, Any]:
    """A turn and a decay for each neuron."""
    period, alpha = rng.uniform(3.5, 30, size), rng.uniform(0.0, 0.2, size)
    return rf_parameters(period, alpha, int(rng.integers(5, 300)), state_exp=6)


def connection(
    rng: Rng, source: str, p: Population, width: int, kind: str, delayed: bool, lined: bool, current: int
) -> Synapses:
    low, high = {"mixed": (-50, 80), "wide": (-256, 254), "positive": (1, 255)}[kind]
    weights = rng.integers(low, high, (p.size, width), endpoint=True)
    weights.flat[0], weights.flat[-1] = (low, high) if weights.size > 1 else (high, high)
    exponent = int(rng.choice([0, 0, 1, -2]))
    # the same whole numbers with another exponent
    if exponent == -2:
        weights *= 4
    elif exponent == 1:
        weights = np.where(weights % 2 == 0, weights // 2, 1 + weights // 4)
    line = rng.integers(max(low, -20), 30, p.size) if lined else None
    exponents: dict[str, Any] = {"exponent": exponent, "current": current, "message_bits": 0}
    if line is not None:
        exponents["always_on"] = line * 4 if exponent == -2 else line
    delays: Any = 0
    if delayed:
        delays = (
            int(rng.integers(1, 63)) if line is not None or rng.random() < 0.3 else rng.integers(0, 63, weights.shape)
        )
    if rng.random() < 0.3:
        weights = csr_array(weights)
        if not isinstance(delays, int):
            rows = np.repeat(np.arange(p.size), np.diff(weights.indptr))
            delays = csr_array((delays[rows, weights.indices], weights.indices, weights.indptr), shape=weights.shape)
    return Synapses(source, p.name, weights, delays=delays, **exponents)


def writable(seed: int, folder: Path, **options: Any) -> tuple[IntegerNetwork, NetxSummary]:
    """The first network from `seed` on that netx has no rule against; odd weights of one sign hit one."""
    for attempt in range(100):
        network = drawn(100 * seed + attempt, **options)
        with suppress(InputError):
            return network, write_netx(network, folder / f"{seed}.net", always_on="channel")
    raise AssertionError(f"seed {seed}: nothing that can be written")


def spikes_of(network: Any, x: np.ndarray) -> Trace:
    """One sample (T, channel)."""
    names = {s for p in network.populations for s in STATES[p.model.name]}
    return simulate(network, x[None], record=("spikes", *sorted(names)))


DECISIVE = ("du1", "dv", "vth", "bias", "lava", "subtract", "cos_decay", "sin_decay", "state_exp", "decay_bits")
"""Integers that decide a step; the others are of learning."""


def normal_form(network: IntegerNetwork) -> list[Any]:
    """All that decides what a network computes, in one form: dense whole weights, a delay for each weight that acts."""
    found: list[Any] = [network.inputs, network.connection_delay]
    order = [INPUT, *(p.name for p in network.populations)]
    for p in network.populations:
        found.append({"model": p.model.name} | {k: a.tolist() for k, a in p.named().items() if k in DECISIVE})
    by_ends: dict[Any, Any] = {}
    bits: set[int | None] = set()
    for c in network.synapses:
        weights = (c.weights if isinstance(c.weights, np.ndarray) else c.weights.toarray()) * 2.0**c.exponent
        delays = np.full(c.shape, c.delays) if isinstance(c.delays, int) else c.delays
        delays = delays if isinstance(delays, np.ndarray) else delays.toarray()
        ends = order.index(c.target), order.index(c.source), c.current
        whole, late = by_ends.get(ends, (0.0, 0))
        assert c.always_on is None
        by_ends[ends] = whole + weights, np.maximum(late, delays)
        bits |= {c.message_bits} if c.source == INPUT else set()
    for ends, (whole, late) in sorted(by_ends.items()):
        found.append((ends, whole.tolist(), np.where(whole != 0, late, 0).tolist()))
    return [*found, bits]


def braille_like(seed: int) -> IntegerNetwork:
    """12 inputs, 38 recurrent neurons, 7 output neurons, all with biases on the current; decays as of NIR's network."""
    rng = np.random.default_rng([seed, 22])
    hidden = Population.of("hidden", "lif", 38, **lif_parameters(du=3276, dv=410, vth=181))
    output = Population.of("output", "lif", 7, **lif_parameters(du=2048, dv=123, vth=240))

    def normal(shape: tuple[int, ...], size: float) -> np.ndarray:
        return np.rint(rng.normal(0, size, shape)).clip(-254, 254).astype(np.int64)

    synapses = (
        Synapses(INPUT, "hidden", normal((38, 12), 60), always_on=normal((38,), 20), message_bits=0),
        Synapses("hidden", "hidden", normal((38, 38), 35)),
        Synapses("hidden", "output", normal((7, 38), 45), always_on=normal((7,), 15)),
    )
    return IntegerNetwork(12, (hidden, output), synapses)
