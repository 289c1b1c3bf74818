"""Lava's CPU runtime on a recurrent LIF network, for `simulation`: a program of its own, because Lava forks.

    python benchmarks/lava_network.py network.npz out.npz

network.npz holds x (steps, channel), w_in, w_rec, vth, du, dv, warm, block; out.npz gets `times`, seconds a step of
each block of steps after the warm-up, and `spikes` (steps, n). Source, input Dense, LIF with recurrent Dense, sink.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main(network: str, out: str) -> None:
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF
    from lava.utils.weightutils import SignMode

    with np.load(network) as file:
        given = {name: file[name] for name in file.files}
    x, n = given["x"].astype(np.int32), len(given["w_in"])
    source = Source(data=np.ascontiguousarray(x.T))
    dense, recurrent = (Dense(weights=given[k], weight_exp=0, sign_mode=SignMode.MIXED) for k in ("w_in", "w_rec"))
    lif = LIF(shape=(n,), du=int(given["du"]), dv=int(given["dv"]), vth=int(given["vth"]), bias_mant=0)
    sink = Sink(shape=(n,), buffer=len(x))
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(recurrent.s_in)
    recurrent.a_out.connect(lif.a_in)
    lif.s_out.connect(sink.a_in)

    config, warm, block = Loihi2SimCfg(select_tag="fixed_pt"), int(given["warm"]), int(given["block"])
    source.run(condition=RunSteps(num_steps=warm), run_cfg=config)
    times = []
    for _ in range(warm, len(x), block):
        start = time.perf_counter()
        source.run(condition=RunSteps(num_steps=block), run_cfg=config)
        times.append((time.perf_counter() - start) / block)
    np.savez(out, times=times, spikes=sink.data.get().astype(np.int8).T)
    source.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
