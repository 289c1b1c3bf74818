"""Lava networks built by hand, read by `from_lava` and run by Lava: a program of its own, because Lava forks.

    python tests/helpers/lava_networks.py run FOLDER SEED SEED …       networks drawn here, run by Lava
    python tests/helpers/lava_networks.py back FOLDER FILE FILE …      networks of ours, to Lava and back; nothing runs
    python tests/helpers/lava_networks.py nested FOLDER                networks of hierarchical processes, run by Lava
    python tests/helpers/lava_networks.py sources FOLDER               two sources of different messages, run by Lava
    python tests/helpers/lava_networks.py refuse FOLDER                networks that are refused, what is said of others

`run` writes SEED.h5 (what was read), SEED.x.npy (its input), SEED.i.npy (states and spikes of population i under Lava)
and SEED.json (what the network holds), or SEED.error.txt. `back` writes NAME.back.h5 beside NAME.h5, `refuse`
said.json.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from lava_refused import refuse

STEPS = 40
Rng = np.random.Generator


class Built:
    """Sources, neurons and connections of one network; `met` says what it holds."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 31])
        self.met: set[str] = set()
        self.sources = [self.source(i) for i in range(int(self.rng.integers(1, 3)))]
        self.neurons = [self.neuron(i) for i in range(int(self.rng.integers(1, 5)))]
        self.connections: list[Any] = []
        for i, neuron in enumerate(self.neurons):
            for port in self.ports(neuron):
                before = [*self.sources, *self.neurons[:i]]
                self.feed(port, before[-1])
                for _ in range(int(self.rng.integers(0, 3))):
                    self.feed(port, self.one([*self.sources, *self.neurons]))

    @property
    def processes(self) -> list[Any]:
        return [*self.sources, *self.neurons, *self.connections]

    def one(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def shape(self) -> tuple[int, ...]:
        shape = tuple(int(n) for n in self.rng.integers(1, 5, int(self.one([1, 1, 2, 3]))))
        self.met.add(f"{len(shape)} axes")
        return shape

    def source(self, i: int) -> Any:
        from lava.proc.io.source import RingBuffer

        shape = self.shape()
        data = (self.rng.random((*shape, STEPS)) < 0.4).astype(np.int32)
        if i == 1:
            self.met.add("two sources")
        return RingBuffer(data=data)

    def neuron(self, i: int) -> Any:
        from lava.proc.lif.process import LIF
        from lava.proc.rf.process import RF
        from lava.proc.rf_iz.process import RF_IZ

        kind, shape = self.one([LIF, LIF, LIF, RF, RF_IZ]), self.shape()
        self.met.add(kind.__name__)
        if kind is not LIF:
            return kind(
                shape=shape,
                period=float(self.rng.uniform(3, 20)),
                alpha=float(self.rng.uniform(0, 0.3)),
                vth=int(self.rng.integers(1, 60)),
                state_exp=int(self.one([1, 6])),
                decay_bits=12,
                name=f"resonator {i}",
            )
        bias = self.one([0, 3, self.rng.integers(-20, 40, shape)])
        return LIF(
            shape=shape,
            du=int(self.rng.integers(0, 4096)),
            dv=int(self.rng.integers(0, 1500)),
            vth=int(self.one([0, 1, 20, 100])),
            bias_mant=bias,
            bias_exp=int(self.one([0, 3, 6])),
            name=self.one([None, "neurons", f"neurons/{i}"]),
        )

    def ports(self, neuron: Any) -> list[Any]:
        return [neuron.a_in] if hasattr(neuron, "a_in") else [neuron.a_real_in, neuron.a_imag_in]

    def moved(self, port: Any, shape: tuple[int, ...]) -> Any:
        """The port in another shape, over some way there."""
        if len(port.shape) > 1 and self.rng.random() < 0.5:
            self.met.add("transposed")
            port = port.transpose([int(a) for a in self.rng.permutation(len(port.shape))])
        if port.shape != shape:
            self.met.add("reshaped")
            port = port.flatten() if len(shape) == 1 else port.reshape(shape)
        return port

    def feed(self, port: Any, sender: Any) -> None:
        """From a sender to a port of neurons, over weights or without any."""
        size = int(np.prod(port.shape))
        forward = sender in self.sources or sender.id < port.process.id
        met_before = sender.s_out in port.get_src_ports()
        if forward and not met_before and int(np.prod(sender.s_out.shape)) == size and self.rng.random() < 0.5:
            self.met.add("direct")
            self.moved(sender.s_out, port.shape).connect(port)
            return
        connection = self.connection(size, int(np.prod(sender.s_out.shape)))
        others = [s for s in self.sources if s is not sender and s.s_out.size == connection.s_in.size]
        if others and connection.num_message_bits.init and connection.proc_params.get("weight_exp", 0) >= 0:
            self.met.add("two senders")
            self.moved(others[0].s_out, connection.s_in.shape).connect(connection.s_in)
        self.moved(sender.s_out, connection.s_in.shape).connect(connection.s_in)
        self.moved(connection.a_out, port.shape).connect(port)
        self.met.add("forward" if forward else "backward")

    def connection(self, post: int, pre: int) -> Any:
        from lava.proc.dense.process import DelayDense, Dense
        from lava.proc.sparse.process import DelaySparse, Sparse
        from lava.utils.weightutils import SignMode
        from scipy.sparse import csr_matrix

        kind = self.one([Dense, Dense, DelayDense, Sparse, DelaySparse])
        low, high = self.one([(-60, 90), (-300, 300), (0, 255), (-90, 0)])
        weights = self.rng.integers(low, high, (post, pre), endpoint=True)
        given: dict[str, Any] = {"num_message_bits": self.one([0, 0, 1, 24])}
        modes = (SignMode.MIXED, SignMode.EXCITATORY) if low == 0 else (SignMode.MIXED,)
        for name, values in (("weight_exp", (-3, 0, 1, 4)), ("num_weight_bits", (8, 7, 3)), ("sign_mode", modes)):
            if self.rng.random() < 0.6:
                given[name] = self.one(values)
                self.met.add(name)
        delays = self.rng.integers(0, int(self.one([1, 5, 62])), (post, pre), endpoint=True)
        if kind in (Sparse, DelaySparse):
            weights = csr_matrix(np.where(self.rng.random(weights.shape) < 0.5, weights, 0))
            delays = csr_matrix(np.where(weights.toarray() != 0, delays, 0))
        if kind in (DelayDense, DelaySparse):
            given["delays"] = delays
            if kind is DelayDense and self.rng.random() < 0.3:
                given["delays"] = int(self.rng.integers(0, 10))
                self.met.add("one delay")
            if self.rng.random() < 0.3:
                given["max_delay"] = 63
        self.met.add(kind.__name__)
        self.connections.append(kind(weights=weights, **given))
        return self.connections[-1]


def run(built: Built, read: Any, folder: Path, name: str) -> None:
    """Run the network under Lava, every population of what was read recorded."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    from hypr_neuro.compilers.lava.integers.record import models_of
    from hypr_neuro.compilers.lava.rows import record_to

    for i, p in enumerate(read.network.populations):
        record_to(read.processes[p.name], folder / f"{name}.{i}.npy", p.model.d, STEPS)
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models_of(built.processes))
    first = built.neurons[0]
    try:
        first.run(condition=RunSteps(num_steps=STEPS), run_cfg=config)
    finally:
        first.stop()


def run_all(folder: Path, seeds: list[str]) -> None:
    from hypr_neuro.compilers.lava.from_lava import from_lava

    for seed in seeds:
        try:
            built = Built(int(seed))
            read = from_lava(built.one([*built.neurons, *built.connections]))
            read.network.save(folder / f"{seed}.h5")
            np.save(folder / f"{seed}.x.npy", read.input())
            (folder / f"{seed}.json").write_text(json.dumps(sorted(built.met)))
            run(built, read, folder, seed)
        except Exception:
            (folder / f"{seed}.error.txt").write_text(traceback.format_exc(), encoding="utf-8")


# ---------------------------------------------------------------- hierarchical processes


def nested(folder: Path) -> None:
    """Read a network of hierarchical processes twice, then let Lava compile and run it as if nobody had looked."""
    from lava.proc.io.source import RingBuffer
    from lava_blocks.blocks import Block, Loop

    from hypr_neuro.compilers.lava.from_lava import from_lava

    rng = np.random.default_rng(5)
    source = RingBuffer(data=(rng.random((3, STEPS)) < 0.5).astype(np.int32))
    entry = Block(rng.integers(-40, 110, (4, 3)), (2, 2), name="entry", vth=70, du=1000, dv=300)
    left, right = Loop(1, 4, name="left"), Loop(2, 4)
    source.s_out.connect(entry.s_in)
    entry.s_out.flatten().connect(left.s_in)
    left.s_out.connect(right.s_in)
    first, again = from_lava(entry), from_lava(right)
    ports, aliased = [len(p.s_in.out_connections) for p in (entry, left, right)], entry.v.aliased_var is not None
    spikes = run_to_sinks({"entry": entry, "left/joined": left, "right/joined": right})
    first.network.save(folder / "nested.h5")
    np.save(folder / "nested.x.npy", first.input())
    np.savez(folder / "nested.spikes.npz", **spikes)
    facts = {
        "equal": first.network.digest() == again.network.digest(),
        "ports": ports,
        "lines": first.lines(),
        "aliased": aliased,
    }
    (folder / "nested.json").write_text(json.dumps(facts))


def run_to_sinks(senders: dict[str, Any]) -> dict[str, Any]:
    """Run the network of these processes; what each sent, (T, n)."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink

    sinks = {name: Sink(shape=p.s_out.shape, buffer=STEPS) for name, p in senders.items()}
    for name, p in senders.items():
        p.s_out.connect(sinks[name].a_in)
    first = next(iter(senders.values()))
    try:
        first.run(condition=RunSteps(num_steps=STEPS), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        return {name: sink.data.get().reshape(-1, STEPS).T for name, sink in sinks.items()}
    finally:
        first.stop()


# ---------------------------------------------------------------- messages


def sources(folder: Path) -> None:
    """A source of spikes and one of graded values feed the same neurons, and a third one feeds both."""
    from lava.proc.io.source import RingBuffer

    from hypr_neuro.compilers.lava.from_lava import from_lava

    rng = np.random.default_rng(0)
    for name, kinds in (("dense", ("Dense", "Dense")), ("delayed", ("DelayDense", "DelayDense"))):
        spikes = RingBuffer(data=rng.integers(0, 2, (4, STEPS)))
        graded = RingBuffer(data=rng.integers(0, 60, (2, STEPS)))
        neurons = lif_of(5)
        for source, kind, bits in ((spikes, kinds[0], 0), (graded, kinds[1], 8)):
            connection = drawn(rng, kind, 5, int(source.s_out.size), bits)
            source.s_out.connect(connection.s_in)
            connection.a_out.connect(neurons.a_in)
        read = from_lava(neurons)
        (found,) = run_to_sinks({"neurons": neurons}).values()
        read.network.save(folder / f"{name}.h5")
        np.savez(folder / f"{name}.npz", x=read.input(), spikes=found)


def lif_of(size: int) -> Any:
    from lava.proc.lif.process import LIF

    return LIF(shape=(size,), vth=300, du=2000, dv=300, name="neurons")


def drawn(rng: Rng, kind: str, post: int, pre: int, bits: int) -> Any:
    from lava.proc.dense import process

    options = {"delays": rng.integers(0, 5, (post, pre))} if kind == "DelayDense" else {}
    weights = rng.integers(-6, 12, (post, pre)) * (1 if bits else 10)
    return getattr(process, kind)(weights=weights, num_message_bits=bits, **options)


# ---------------------------------------------------------------- to Lava and back


def back(folder: Path, names: list[str]) -> None:
    from lava.proc.io.source import RingBuffer

    from hypr_neuro.compilers.lava.build import lava_network
    from hypr_neuro.compilers.lava.from_lava import from_lava
    from hypr_neuro.compilers.lava.integers.network import lava_integer_network
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.quantizing.network import QuantizedNetwork

    for name in names:
        if name.startswith("quantized"):
            built: Any = lava_network(QuantizedNetwork.load(folder / f"{name}.h5"))
            source = RingBuffer(data=np.zeros((*built.s_in.shape, 3), np.int32))
            source.s_out.connect(built.s_in)
        else:
            network = IntegerNetwork.load(folder / f"{name}.h5")
            source = RingBuffer(data=np.zeros((network.inputs, 3), np.int32))
            lava_integer_network(network).feed(source.s_out)
        from_lava(source).network.save(folder / f"{name}.back.h5")


if __name__ == "__main__":
    task, where, *rest = sys.argv[1:]
    tasks = {"run": run_all, "back": back, "nested": nested, "sources": sources, "refuse": refuse}
    tasks[task](Path(where), *([rest] if task in ("run", "back") else []))
