"""Lava processes that consist of others, for `lava_networks.py`; Lava looks for their models in this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import DelaySparse
from scipy.sparse import csr_matrix


class Block(AbstractProcess):
    """Weights and the neurons behind them."""

    def __init__(self, weights: Any, shape: tuple[int, ...], name: str | None = None, **neurons: Any) -> None:
        super().__init__(weights=weights, shape=shape, neurons=neurons, name=name)
        self.s_in = InPort(shape=(weights.shape[1],))
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=0)


@implements(proc=Block, protocol=LoihiProtocol)
class BlockModel(AbstractSubProcessModel):
    """The neurons stand in a shape of their own, and their potential is the block's."""

    def __init__(self, proc: Any) -> None:
        shape = proc.proc_params["shape"]
        self.dense = Dense(weights=proc.proc_params["weights"])
        self.neurons = LIF(shape=shape, **proc.proc_params["neurons"])
        proc.s_in.connect(self.dense.s_in)
        self.dense.a_out.reshape(shape).connect(self.neurons.a_in)
        self.neurons.s_out.connect(proc.s_out)
        proc.vars.v.alias(self.neurons.vars.v)


class Loop(AbstractProcess):
    """Two blocks, neurons that hear themselves, and a source of its own."""

    def __init__(self, seed: int, size: int, name: str | None = None) -> None:
        super().__init__(seed=seed, size=size, name=name)
        self.s_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=Loop, protocol=LoihiProtocol)
class LoopModel(AbstractSubProcessModel):
    """Hierarchical processes inside one."""

    def __init__(self, proc: Any) -> None:
        rng, size = np.random.default_rng(proc.proc_params["seed"]), proc.proc_params["size"]
        draw = rng.integers(-40, 100, (3, size, size))
        self.first = Block(draw[0], (size,), vth=120, du=2000, dv=200)
        self.second = Block(draw[1], (size,), name="behind", vth=90, du=4095, dv=400, bias_mant=3)
        self.joined = LIF(shape=(size,), vth=60, du=4095, dv=500)
        delays = rng.integers(0, 6, (size, size))
        self.own = DelaySparse(weights=csr_matrix(draw[2] | 1), delays=csr_matrix(delays))
        self.rhythm = RingBuffer(data=(rng.random((size, 40)) < 0.2).astype(np.int32))
        self.entry = Dense(weights=np.eye(size, dtype=int) * 70)
        self.between = Dense(weights=draw[1].T.copy())
        proc.s_in.connect(self.first.s_in)
        self.first.s_out.connect(self.second.s_in)
        self.second.s_out.connect(self.between.s_in)
        for before, port in ((self.rhythm.s_out, self.entry.s_in), (self.joined.s_out, self.own.s_in)):
            before.connect(port)
        for connection in (self.between, self.entry, self.own):
            connection.a_out.connect(self.joined.a_in)
        self.joined.s_out.connect(proc.s_out)


class Both(AbstractProcess):
    """A process that Lava can run as it is, and as others."""

    def __init__(self) -> None:
        super().__init__(name="both")
        self.s_in, self.s_out = InPort(shape=(2,)), OutPort(shape=(2,))


@implements(proc=Both, protocol=LoihiProtocol)
class BothModel(AbstractSubProcessModel):
    def __init__(self, proc: Any) -> None:
        raise AssertionError("Lava takes the other model")


@implements(proc=Both, protocol=LoihiProtocol)
class BothPyModel(PyLoihiProcessModel):
    pass


class Broken(Both):
    """A process whose model fails."""


@implements(proc=Broken, protocol=LoihiProtocol)
class BrokenModel(AbstractSubProcessModel):
    def __init__(self, proc: Any) -> None:
        proc.s_in.connect(Dense(weights=np.ones((3, 2), int), name="inside").s_in)
        raise ValueError("no such thing")


class Twice(Both):
    """A process with two models that consist of others."""


@implements(proc=Twice, protocol=LoihiProtocol)
class TwiceModel(AbstractSubProcessModel):
    def __init__(self, proc: Any) -> None:
        raise AssertionError("never built")


@implements(proc=Twice, protocol=LoihiProtocol)
class TwiceAgainModel(AbstractSubProcessModel):
    def __init__(self, proc: Any) -> None:
        raise AssertionError("never built")
