"""Run the network of this folder under Lava's CPU runtime (Python 3.10: pip install hypr-neuro lava-nc==0.10.0).

    python run_lava.py x.npy out.npz

x.npy holds one sample (T, channel) of integers; out.npz gets `readout` (T, output) and, by population name, the spikes
(T + latency, neuron) in device time. Take it as a start for a Lava network of your own: `network.feed`,
`network.spikes` and `network.readouts` give and take ports like any others.
"""

from __future__ import annotations

import sys
from pathlib import Path

try:
    import numpy as np

    from hypr_neuro.compilers.lava.build import check_network, lava_network
    from hypr_neuro.compilers.lava.script_files import read_sample, run_script, write_arrays
    from hypr_neuro.quantizing.network import QuantizedNetwork
except ImportError as error:
    print(f"run_lava.py: error: {error}; Python 3.10: pip install hypr-neuro lava-nc==0.10.0", file=sys.stderr)
    raise SystemExit(2) from None


def main(x_file: str, out_file: str) -> None:
    qnet = QuantizedNetwork.load(Path(__file__).with_name("network.h5"))
    x = read_sample(x_file, qnet.inputs)
    check_network(qnet, int(np.abs(x).max()))
    network = lava_network(qnet)

    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    tail = qnet.tail  # populations run behind the input, the last output by so many steps
    steps = len(x) + tail
    source = Source(data=np.pad(x, ((0, tail), (0, 0))).T)
    network.feed(source.s_out)

    sinks = {}
    for name, port in {**network.spikes, **network.readouts}.items():
        sinks[name] = Sink(shape=port.shape, buffer=steps)
        port.connect(sinks[name].a_in)

    source.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    sent = {name: sink.data.get().astype(np.int32).T for name, sink in sinks.items()}
    source.stop()
    outputs = {name: sent[name][:, None] for name in network.readouts}
    readout = qnet.integer().readout(outputs, tail)[0]
    write_arrays(out_file, {name: sent[name] for name in network.spikes} | {"readout": readout})


if __name__ == "__main__":
    run_script(main)
