"""A quantized network on a Loihi 2 chip, by Lava's run configuration `Loihi2HwCfg`; runs as a program of its own.

    python -m hypr_neuro.compilers.lava.loihi2 FOLDER

Reads network.h5 and x.npy of FOLDER and writes a file for each population that spikes (`record.record_path`); an error
goes to error.txt. The chip computes neurons that Lava has itself; spikes go in and out over the adapters of Intel's
package, which only members of Intel's Neuromorphic Research Community (INRC) have. `check_on_chip` needs none of it.
"""

from __future__ import annotations

import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.build import check_network, lava_network
from hypr_neuro.compilers.lava.integers.network import lava_arguments
from hypr_neuro.compilers.lava.record import record_path
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork

NEEDED = ("lava.magma.compiler.subcompilers.nc", "lava.proc.embedded_io")
"""Modules of Intel's package: the compiler for neuro cores, and spikes between host and chip."""
NETWORK, INPUT, ERROR = "network.h5", "x.npy", "error.txt"


def require_chip() -> None:
    """Raise MissingPackageError, saying what is missing and who gives it, unless Lava can compile for Loihi 2."""
    require_lava()
    missing = [name for name in NEEDED if not _installed(name)]
    if missing:
        raise MissingPackageError(
            f"device 'loihi2': Lava's extension for the chip is not installed (no {' and no '.join(missing)}); Intel "
            "gives it, lava-loihi, only to members of its Neuromorphic Research Community (INRC); without it, device "
            "'lava' runs the same processes with the same integers"
        )


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def check_on_chip(qnet: QuantizedNetwork, largest: int = 1) -> None:
    """Raise InputError, naming the population, for what Loihi 2 does not compute as the simulator.

    largest : magnitude of the input values
    """
    check_network(qnet, largest)
    for p in qnet.integer().populations:
        try:
            lava_arguments(p)
        except InputError as error:
            raise InputError(
                f"{error}; on Loihi 2 only Lava's own neurons run: build the network of these, its outputs too, or "
                "run it on 'lava'"
            ) from error


def run_on_chip(qnet: QuantizedNetwork, x: Array, folder: Path) -> None:
    """Run x (sample, T, channel), each sample from zero states; write the spikes (sample · (T + tail), n)."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.proc.embedded_io import spike
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer

    check_on_chip(qnet, int(np.abs(x.astype(np.int64)).max()))
    network, length = lava_network(qnet), qnet.clock.run_steps(x.shape[1])
    padded = np.pad(x, ((0, 0), (0, qnet.tail), (0, 0))).reshape(len(x) * length, -1)
    source = RingBuffer(data=np.ascontiguousarray(padded.T))
    to_chip = spike.PyToNxAdapter(shape=(qnet.inputs,))
    source.s_out.connect(to_chip.inp)
    network.feed(to_chip.out)
    sinks: dict[str, Any] = {}
    for name, port in network.spikes.items():
        from_chip, sinks[name] = spike.NxToPyAdapter(shape=port.shape), Sink(shape=port.shape, buffer=len(padded))
        port.connect(from_chip.inp)
        from_chip.out.connect(sinks[name].a_in)
    config = run_configuration()
    try:
        for sample in range(len(x)):
            if sample > 0:
                network.reset()
            source.run(condition=RunSteps(num_steps=length), run_cfg=config)
        for i, p in enumerate(qnet.populations):
            if p.name in sinks:
                np.save(record_path(folder, i), np.asarray(sinks[p.name].data.get(), np.int32).T)
    finally:
        source.stop()


def run_configuration() -> Any:
    """Return Lava's configuration for Loihi 2: models for neuro cores first, those of fixed point."""
    from lava.magma.core.run_configs import Loihi2HwCfg

    return Loihi2HwCfg(select_tag="fixed_pt")


def main(folder: Path) -> None:
    """Run what lies in the folder."""
    try:
        run_on_chip(QuantizedNetwork.load(folder / NETWORK), np.load(folder / INPUT, allow_pickle=False), folder)
    except Exception:
        (folder / ERROR).write_text(traceback.format_exc(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
