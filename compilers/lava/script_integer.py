"""Run the network of this folder in Lava's own processes (Python 3.10: pip install hypr-neuro lava-nc==0.10.0).

    python run_lava.py x.npy out.npz

x.npy holds one sample (T, channel) of integers; out.npz gets the spikes (T + TAIL, neuron) of each population in device
time. Take it as a start for a Lava network of your own: `network.populations` are Lava's LIF, RF and RF_IZ.
"""

from __future__ import annotations

import sys
from pathlib import Path

try:
    import numpy as np

    from hypr_neuro.compilers.lava.integers.network import check_integer_network, lava_integer_network
    from hypr_neuro.compilers.lava.script_files import read_sample, run_script, write_arrays
    from hypr_neuro.graph.integer import IntegerNetwork
except ImportError as error:
    print(f"run_lava.py: error: {error}; Python 3.10: pip install hypr-neuro lava-nc==0.10.0", file=sys.stderr)
    raise SystemExit(2) from None

TAIL = 0  # steps without input after which all has arrived


def main(x_file: str, out_file: str) -> None:
    integer = IntegerNetwork.load(Path(__file__).with_name("network.h5"))
    x = read_sample(x_file, integer.inputs)
    check_integer_network(integer, int(np.abs(x).max()))
    network = lava_integer_network(integer)

    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    x = np.pad(x, ((0, TAIL), (0, 0)))
    source = Source(data=x.T)
    network.feed(source.s_out)

    sinks = {}
    for name, process in network.populations.items():
        sinks[name] = Sink(shape=process.s_out.shape, buffer=len(x))
        process.s_out.connect(sinks[name].a_in)

    source.run(condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    out = {name: sink.data.get().astype(np.int32).T for name, sink in sinks.items()}
    source.stop()
    write_arrays(out_file, out)


if __name__ == "__main__":
    run_script(main)
