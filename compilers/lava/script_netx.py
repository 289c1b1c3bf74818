"""Run the network of this folder under lava-dl 0.6.0 (Python 3.10: pip install lava-dl==0.6.0; nothing else is needed).

    python run_netx.py x.npy out.npz

x.npy holds one sample (T, channel) of integers; out.npz gets the spikes (T + tail, neuron) of each layer in device
time, in the order of the compiled network, without neurons that only carry a constant current. Take it as a start for
a Lava network of your own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn
from zipfile import BadZipFile

NEEDED = "Python 3.10: pip install lava-dl==0.6.0"


def refuse(message: str) -> NoReturn:
    print(f"run_netx.py: error: {message}", file=sys.stderr)
    raise SystemExit(2)


try:
    import numpy as np
except ImportError as error:
    refuse(f"{error}; {NEEDED}")


def read_sample(path: str, channels: int, largest: int) -> Any:
    """One sample (T, channel), int32, of magnitudes up to `largest`."""
    rule = f"rule: .npy with one sample of integers, (T, {channels}), up to {largest} in magnitude"
    try:
        x = np.load(path)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        refuse(f"file '{path}': {error}; {rule}")
    if not isinstance(x, np.ndarray):
        refuse(f"file '{path}' holds several arrays, {rule}")
    if x.dtype.kind not in "biu" or x.ndim != 2 or x.shape[1] != channels or not len(x):
        refuse(f"file '{path}': {x.dtype} of shape {x.shape}, {rule}")
    if np.abs(x.astype(np.int64)).max() > largest:
        refuse(f"file '{path}': values {x.min()}..{x.max()}, {rule}")
    return x.astype(np.int32)


def to_image(x: Any, image: dict[str, Any] | None) -> Any:
    """(T, channel) as Lava's processes take it: (channel, T), or (x, y, channel, T) for a convolution."""
    if image is None:
        return x.T
    if image["channels_first"]:
        return x.reshape(-1, *image["shape"][::-1]).T
    return np.moveaxis(x.reshape(-1, *image["shape"]), 0, -1)


def from_image(array: Any, image: dict[str, Any] | None) -> Any:
    """(T, neuron) of what Lava's processes give, (neuron, T) or (x, y, channel, T)."""
    if image is None or image["channels_first"]:
        return array.T.reshape(array.shape[-1], -1)
    return np.moveaxis(array, -1, 0).reshape(array.shape[-1], -1)


def main(x_file: str, out_file: str) -> None:
    folder = Path(__file__).parent
    try:
        summary = json.loads((folder / "netx.json").read_text(encoding="utf-8"))
        path = str((folder / summary["network"]).resolve(strict=True))
    except (OSError, ValueError) as error:
        refuse(f"{error}; compile the network again")
    if not Path(out_file).absolute().parent.is_dir():
        refuse(f"folder of '{out_file}' does not exist; create it")
    x = read_sample(x_file, summary["inputs"] - len(summary["channels"]), summary["largest_input"])
    try:
        from lava.lib.dl import netx
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi2SimCfg
        from lava.proc.io.sink import RingBuffer as Sink
        from lava.proc.io.source import RingBuffer as Source
    except ImportError as error:
        refuse(f"{error}; {NEEDED}")

    x = np.pad(x, ((0, summary["tail"]), (0, 0)))
    x = np.pad(x, ((0, 0), (0, len(summary["channels"]))), constant_values=1)  # channels that are 1 in every step
    bits = 0 if np.isin(x, (0, 1)).all() else summary["message_bits"]
    network = netx.hdf5.Network(path, input_message_bits=bits)
    source = Source(data=to_image(x, summary["images"].get("input")))
    source.s_out.connect(network.inp)

    sinks = {}
    for name, layer in zip(summary["layers"], network.layers, strict=True):
        sinks[name] = Sink(shape=layer.out.shape, buffer=len(x))
        layer.out.connect(sinks[name].a_in)
    network.run(condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    data = {name: sink.data.get().astype(np.int32) for name, sink in sinks.items()}
    network.stop()
    spikes = {name: from_image(array, summary["images"].get(name)) for name, array in data.items()}
    np.savez(out_file, **{name: array[:, : summary["neurons"][name]] for name, array in spikes.items()})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python run_netx.py x.npy out.npz", file=sys.stderr)
        raise SystemExit(2)
    main(*sys.argv[1:])
