"""Run the network of this folder under lava-dl 0.6.0 (Python 3.10: pip install lava-dl==0.6.0; nothing else is needed).

    python run_netx.py x.npy out.npz

x.npy holds one sample (T, channel) of integers; out.npz gets the spikes (T + tail, neuron) of each layer in device
time, without neurons that only carry a constant current. Take it as a start for a Lava network of your own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main(x_file: str, out_file: str) -> None:
    from lava.lib.dl import netx
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    folder = Path(__file__).parent
    summary = json.loads((folder / "netx.json").read_text(encoding="utf-8"))
    x = np.load(x_file).astype(np.int32)
    x = np.pad(x, ((0, summary["tail"]), (0, 0)))
    x = np.pad(x, ((0, 0), (0, len(summary["channels"]))), constant_values=1)  # channels that are 1 in every step
    bits = 0 if np.isin(x, (0, 1)).all() else summary["message_bits"]
    network = netx.hdf5.Network(str(folder / summary["network"]), input_message_bits=bits)
    source = Source(data=x.T)
    source.s_out.connect(network.inp)

    sinks = {}
    for name, layer in zip(summary["layers"], network.layers, strict=True):
        sinks[name] = Sink(shape=layer.out.shape, buffer=len(x))
        layer.out.connect(sinks[name].a_in)
    network.run(condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    spikes = {name: sink.data.get().astype(np.int32).T for name, sink in sinks.items()}
    network.stop()
    np.savez(out_file, **{name: array[:, : summary["neurons"][name]] for name, array in spikes.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
