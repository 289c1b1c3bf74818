"""Lava networks that `from_lava` refuses, and what it says of them and of others; for `lava_networks.py`."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


def chain(*processes: Any) -> Any:
    """The first process, each connected to the next."""
    for before, after in pairwise(processes):
        sends = before.s_out if hasattr(before, "s_out") else before.a_out
        sends.connect(after.a_in if hasattr(after, "a_in") else after.s_in)
    return processes[0]


def weights(post: int = 2, pre: int = 2, kind: str = "Dense", **options: Any) -> Any:
    from lava.proc.dense import process

    return getattr(process, kind)(weights=np.ones((post, pre), int), name="weights", **options)


def neurons(kind: str = "LIF", **options: Any) -> Any:
    from lava.proc.lif import process

    if kind == "TernaryLIF":
        options |= {"vth_hi": 3, "vth_lo": -3}
    return getattr(process, kind)(shape=(2,), name=kind.lower(), **options)


def source(shape: tuple[int, ...] = (2,), steps: int = 3) -> Any:
    from lava.proc.io.source import RingBuffer

    return RingBuffer(data=np.ones((*shape, steps), np.int32))


def two_senders() -> Any:
    connection = weights()
    chain(source(), connection, neurons())
    return chain(source(), connection)


def reset() -> Any:
    from lava.proc.io.reset import Reset

    neuron = neurons()
    Reset(reset_value=0, interval=4).connect_var(neuron.v)
    return chain(source(), weights(), neuron)


def resonator() -> Any:
    from lava.proc.rf.process import RF

    neuron = RF(shape=(2,), period=5, alpha=0.1)
    connection = weights()
    connection.a_out.connect(neuron.a_real_in)
    return connection


REFUSED: dict[str, Any] = {
    "fraction": lambda: chain(weights(), neurons(du=0.1)),
    "weights": lambda: chain(weights(), neurons(), scaled()),
    "state": lambda: chain(weights(), neurons(v=3)),
    "between": lambda: chain(source(), weights(), neurons("TernaryLIF"), weights(), neurons()),
    "reset neurons": lambda: chain(source(), weights(), neurons("LIFReset"), weights(), neurons()),
    "no neurons": lambda: chain(source(), weights()),
    "weights twice": lambda: chain(source(), weights(), weights(), neurons()),
    "two senders": two_senders,
    "writer": reset,
    "resonator": resonator,
    "short buffer": lambda: chain(weights(kind="DelayDense", delays=np.full((2, 2), 5), max_delay=3), neurons()),
    "delay": lambda: chain(weights(kind="DelayDense", delays=64), neurons()),
    "long delay": lambda: beside_direct(63),
    "bits": lambda: chain(weights(num_weight_bits=9), neurons()),
    "bias": lambda: chain(weights(), neurons(bias_mant=40_000)),
    "no process": lambda: 3,
    "both": lambda: chain(source(), weights(), neurons(), weights(), block("Both"), weights(), neurons()),
    "broken": lambda: chain(source(), block("Broken")),
    "twice": lambda: chain(source(), block("Twice")),
}


def block(kind: str) -> Any:
    from lava_blocks import blocks

    return getattr(blocks, kind)()


def scaled() -> Any:
    from lava.proc.dense.process import Dense

    connection = Dense(weights=np.full((2, 2), 0.5), name="weights")
    chain(connection, neurons())
    return connection


def beside_direct(delay: int) -> Any:
    neuron = neurons()
    chain(source(), neuron)
    return chain(source(), weights(kind="DelayDense", delays=delay), neuron)


def refuse(folder: Path) -> None:
    """What is said of each network of `REFUSED`, and what is read of others."""
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.monitor.process import Monitor

    from hypr_neuro.compilers.lava.from_lava import from_lava
    from hypr_neuro.errors import InputError

    said: dict[str, Any] = {}
    for name, build in REFUSED.items():
        try:
            from_lava(build())
        except InputError as error:
            said[name] = str(error)
    first, between, last = source((2, 1)), neurons("TernaryLIF"), neurons()
    connection, monitor, sink = weights(), Monitor(), Sink(shape=(2,), buffer=3)
    first.s_out.flatten().connect(connection.s_in)
    chain(connection, between, weights(), last)
    chain(last, sink)
    monitor.probe(last.v, 3)
    inner = from_lava(last, outside=[between])
    said["outside"] = {
        "lines": inner.lines(),
        "inputs": [i.name for i in inner.inputs],
        "left_out": inner.left_out,
        "shapes": inner.shapes,
    }
    said["no data"] = message(inner.input)
    both = neurons()
    chain(source((2,), 5), both)
    chain(source((2,), 7), weights(), both)
    read = from_lava(both)
    names = [i.name for i in read.inputs]
    said["lengths"] = message(read.input)
    said["given"] = read.input({names[0]: np.ones((4, 2)), names[1]: np.zeros((4, 2))}).tolist()
    said["missing"] = message(lambda: read.input({names[0]: np.ones((4, 2))}))
    silent = from_lava(chain(neurons(bias_mant=9), weights(), neurons()))
    said["no input"] = [silent.network.inputs, [p.name for p in silent.network.populations]]
    (folder / "said.json").write_text(json.dumps(said))


def message(call: Any) -> str:
    from hypr_neuro.errors import InputError

    try:
        call()
    except InputError as error:
        return str(error)
    return ""
