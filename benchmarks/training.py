"""Float training: HYPR against BPTT (ours, and JAX's on the same network), λ = T against λ = 64, memory against T."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from counting import operations
from timing import arithmetic_rate, best

import hypr_neuro as hn
from hypr_neuro.run.forward import LayerArrays, drop_workspaces, run_forward, time_major
from hypr_neuro.train.engine import LayerEngine
from hypr_neuro.train.rules import get_rule
from hypr_neuro.train.stream import stream_gradients

BATCH, TRAINING_SAMPLES = 16, 556
"""The ECG task: 618 training sequences, a tenth of them kept for validation."""


def ecg_network() -> hn.Network:
    """BRF 36 recurrent and LI readout, as trained on ECG-QTDB, with weights that make a tenth of the neurons fire."""
    spec = {
        "inputs": 4,
        "outputs": 6,
        "readout": {"tau": [15, 25]},
        "layers": [{"neuron": "brf", "size": 36, "params": {"omega": [3, 5], "b_offset": [0.1, 1]}}],
    }
    net = hn.Network.build(spec, seed=0)
    net.layers[0].weight[...] = 250 * np.abs(net.layers[0].weight)
    return net


def training(quick: bool) -> None:
    """All of it."""
    rng = np.random.default_rng(0)
    steps = 130 if quick else 1300
    x, y = (rng.random((BATCH, steps, 4)) < 0.1).astype(np.int8), rng.integers(0, 6, (BATCH, steps))
    net = ecg_network()
    _stages(net, x)
    times = _rules(net, x, y)
    _jax(net, x, y, times)
    _memory(quick)


def _stages(net: hn.Network, x: np.ndarray) -> None:
    """Each kernel alone, one core, against its arithmetic at the rate of the vector units."""
    peak = arithmetic_rate(np.float32)
    block = 2
    engines = [LayerEngine(LayerArrays(layer, np.float32), block, get_rule("hypr")) for layer in net.layers]
    values = time_major(x[:block], np.float32)
    run_forward(engines, values)
    rate = engines[0].outputs[1:].mean()
    print(f"\ntrain in float32, BRF 36 + LI 6, {x.shape[1]} steps, {rate:.0%} of the neurons fire in a step")
    print(f"  one core, roofline {peak / 1e9:.0f} G sums and products a second")
    hidden, readout = engines
    error = np.full((x.shape[1], block * 6), 1e-3, np.float32)
    down = np.zeros((x.shape[1], block * 36), np.float32)
    calls: dict[str, tuple[LayerEngine, Callable[[], Any]]] = {
        "S": (hidden, lambda: hidden.forward(values)),
        "P": (hidden, lambda: hidden.backward(down, None)),
        "S readout": (readout, lambda: readout.forward(hidden.outputs[1:].reshape(-1, block, 36), hidden.events)),
        "P readout": (readout, lambda: readout.backward(error, down)),
    }
    for name, (engine, call) in calls.items():
        each = best(call, 15) / (x.shape[1] * block * engine.n)
        counted = operations(engine.layer.model.name)[name[0]]
        least = counted / peak
        print(
            f"  {name + '-stage':16} {each * 1e9:6.2f} ns a neuron and step; {counted} operations a neuron, "
            f"weights apart: {least / each:.0%} of the roofline"
        )


def _rules(net: hn.Network, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Whole batches, all cores."""
    times = {}
    per_epoch = TRAINING_SAMPLES / BATCH * 1300 / x.shape[1]
    for name, rule, chunk in (
        ("HYPR λ = T", "hypr", None),
        ("HYPR λ = 64", "hypr", 64),
        ("OSTL λ = T", "ostl", None),
        ("e-prop λ = T", "eprop", None),
        ("BPTT", "bptt", None),
    ):
        times[name] = best(
            lambda rule=rule, chunk=chunk: hn.gradients(net, x, y, rule=rule, chunk=chunk, dtype=np.float32), 7
        )
        each = times[name] / (x.shape[0] * x.shape[1] * 36)
        print(
            f"  {name:13} {times[name] * 1e3:7.1f} ms a batch of 16, {each * 1e9:5.1f} ns a neuron and step, "
            f"{times[name] * per_epoch:.2f} s an ECG epoch, "
            f"{times[name] / times['HYPR λ = T']:.1f} times HYPR λ = T"
        )
    return times


def _jax(net: hn.Network, x: np.ndarray, y: np.ndarray, times: dict[str, float]) -> None:
    try:
        from jax_bptt import make_step
    except ImportError:
        print("  JAX           left out: not installed (pip install jax)")
        return
    step = make_step(net, x, y)
    each = best(step, 3)
    loss = hn.gradients(net, x, y, rule="bptt", dtype=np.float32)[1]
    assert abs(step() - loss) < 1e-3 * loss, "JAX and hypr-neuro compute different losses"
    print(
        f"  BPTT in JAX   {each * 1e3:7.1f} ms a batch, same network and loss: "
        f"{each / times['HYPR λ = T']:.1f} times HYPR λ = T, {each / times['BPTT']:.1f} times our BPTT"
    )


def _stream(steps: int, part: int) -> Iterator[tuple[np.ndarray, np.ndarray, None]]:
    rng = np.random.default_rng(0)
    for start in range(0, steps, part):
        count = min(part, steps - start)
        yield (rng.random((1, count, 4)) < 0.1).astype(np.int8), rng.integers(0, 6, (1, count)), None


def _memory(quick: bool) -> None:
    """Peak of the memory that Python and numpy allocate, against the length of the sequence."""
    net = ecg_network()
    stream_gradients(net, _stream(64, 64))  # loads what is loaded once
    print("  peak memory of one gradient, batch 1")
    for steps in (1000, 10_000, 100_000, *(() if quick else (1_000_000,))):
        peak = _peak(lambda t: stream_gradients(net, _stream(t, 64)), steps)
        print(f"    HYPR λ = 64  T = {steps:9,} {peak:9.2f} MiB")
    for steps in (1000, 10_000, 100_000):
        x, y, _ = next(_stream(steps, steps))
        for rule in ("hypr", "bptt"):
            peak = _peak(lambda _, r=rule, x=x, y=y: hn.gradients(net, x, y, rule=r, dtype=np.float32), steps)
            print(f"    {rule.upper()} λ = T   T = {steps:9,} {peak:9.2f} MiB")


def _peak(call: Callable[[int], object], steps: int) -> float:
    """MiB."""
    drop_workspaces()
    tracemalloc.start()
    call(steps)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20
