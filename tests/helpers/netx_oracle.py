"""What lava-dl computes, asked in a child process: importing it takes seconds, warns, and starts processes of its own.

`ask` is for tests; the file itself is the program that it starts, in an environment that holds lava-dl.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Arrays = dict[str, np.ndarray]


def wheel_folder() -> Path | None:
    """Folder of the ground truth that lava-dl's wheel installs, None where lava-dl is not installed."""
    try:
        found = [f for f in files("lava-dl") or [] if f.match("tests/lava/lib/dl/netx/tiny.net")]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())).parent if found else None


needs_lava_dl = pytest.mark.skipif(wheel_folder() is None, reason="lava-dl is not installed: make test-lava-dl")


def ask(folder: Path, jobs: dict[str, dict[str, Any]]) -> dict[str, Arrays]:
    """Run netx files under lava-dl; by job "layer/variable" (steps, n), variable "spikes" or Lava's name of a state.

    A job: path of the file, steps, names of the groups that become layers; layers to read and input message bits; x
    (…, steps), the spikes that arrive, or bias of the input layer.
    """
    order = {
        name: {k: str(v) if k == "path" else v for k, v in job.items() if k not in ("x", "bias")}
        for name, job in jobs.items()
    }
    arrays = {f"{name}/{k}": job[k] for name, job in jobs.items() for k in ("x", "bias") if k in job}
    np.savez(folder / "order.npz", order=json.dumps(order), **arrays)
    _start(folder, "run")
    with np.load(folder / "answer.npz") as answer:
        found = {key: answer[key] for key in answer.files}
    return {name: {k.split("/", 1)[1]: a for k, a in found.items() if k.startswith(f"{name}/")} for name in jobs}


def export(folder: Path) -> None:
    """Let slayer write "spiking.net" and "resonating.net", untrained."""
    _start(folder, "export")


def kept(folder: Path, matrices: list[tuple[np.ndarray, ...]]) -> list[bool]:
    """Whether lava-dl and Lava leave weights as they are; the parts of an entry are raised together."""
    arrays = {f"{i}/{j}": part for i, parts in enumerate(matrices) for j, part in enumerate(parts)}
    np.savez(folder / "order.npz", **arrays)
    _start(folder, "kept")
    with np.load(folder / "answer.npz") as answer:
        return [bool(k) for k in answer["kept"]]


def _start(folder: Path, what: str) -> None:
    command = [sys.executable, str(Path(__file__).resolve()), what, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def _run(folder: Path) -> None:
    with np.load(folder / "order.npz") as file:
        content = {key: file[key] for key in file.files}
    answer: Arrays = {}
    for name, job in json.loads(str(content["order"])).items():
        found = _run_job(job, content.get(f"{name}/x"), content.get(f"{name}/bias"))
        answer |= {f"{name}/{key}": array for key, array in found.items()}
    np.savez(folder / "answer.npz", **answer)


def _run_job(job: dict[str, Any], x: np.ndarray | None, bias: np.ndarray | None) -> Arrays:
    from lava.lib.dl import netx
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc import io
    from lava.proc.monitor.process import Monitor

    steps = job["steps"]
    net = netx.hdf5.Network(job["path"], num_layers=job.get("layers"), input_message_bits=job.get("bits", 0))
    assert len(net.layers) == len(job["names"]), job
    if bias is not None:
        net.in_layer.neuron.bias_mant.init = bias
    if x is not None:
        io.source.RingBuffer(data=x).s_out.connect(net.inp)
    sinks, monitors = {}, {}
    for name, layer in zip(job["names"], net.layers, strict=True):
        sinks[name] = io.sink.RingBuffer(shape=layer.out.shape, buffer=steps)
        layer.out.connect(sinks[name].a_in)
        for state in ("u", "v", "real", "imag"):
            if hasattr(layer.neuron, state):
                monitors[name, state] = Monitor()
                monitors[name, state].probe(getattr(layer.neuron, state), steps)
    net.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = {f"{name}/spikes": np.moveaxis(sink.data.get(), -1, 0).reshape(steps, -1) for name, sink in sinks.items()}
    for (name, state), monitor in monitors.items():
        (by_variable,) = monitor.get_data().values()
        (array,) = by_variable.values()
        found[f"{name}/{state}"] = array.reshape(steps, -1)
    net.stop()
    return found


def _kept(folder: Path) -> None:
    from lava.lib.dl.netx.utils import optimize_weight_bits
    from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

    with np.load(folder / "order.npz") as file:
        content = {key: file[key] for key in file.files}
    found = []
    for i in range(len({key.split("/")[0] for key in content})):
        parts = [content[key] for key in content if key.startswith(f"{i}/")]
        raised, bits, exponent, _ = optimize_weight_bits(np.hstack(parts))
        edges = np.cumsum([part.shape[1] for part in parts])[:-1]
        ends = zip(np.hsplit(raised, edges), parts, strict=True)
        modes = [(determine_sign_mode(part), part, given) for part, given in ends]
        on_chip = [(truncate_weights(clip_weights(part, mode, 8), mode, bits), given) for mode, part, given in modes]
        found.append(all(np.array_equal(part * 2.0**exponent, given) for part, given in on_chip))
    np.savez(folder / "answer.npz", kept=np.array(found))


def _export(folder: Path) -> None:
    import torch
    from lava.lib.dl import slayer

    torch.manual_seed(0)
    block, norm = slayer.block.cuba, slayer.neuron.norm.WgtScaleBatchNorm
    one = {"threshold": 0.5, "current_decay": 0.3, "voltage_decay": 0.1}
    each = one | {"shared_param": False}
    spiking = [
        block.Input(one | {"current_decay": 1.0}, weight=1.0, bias=0.5),
        block.Conv(one, 2, 4, (3, 2), padding=(1, 0), stride=(2, 1), weight_scale=4),
        block.Flatten(),
        block.Dense(each | {"norm": norm}, 128, 7, delay=True, weight_scale=3),
        block.Recurrent(each, 7, 5, weight_scale=2),
        block.Affine(one, 5, 2),
    ]
    resonating = {"threshold": 0.5, "period": [5, 12], "decay": [0.02, 0.1], "shared_param": False}
    complex_blocks = [slayer.block.rf.Dense(resonating, 6, 7), slayer.block.rf_iz.Dense(resonating, 7, 5)]
    for name, blocks, shape in (("spiking", spiking, (2, 8, 9)), ("resonating", complex_blocks, (6,))):
        _write(folder / f"{name}.net", blocks, (torch.rand(1, *shape, 30) < 0.3).float())


def _write(path: Path, blocks: list[Any], x: Any) -> None:
    import h5py

    for block in blocks:
        x = block(x)
        if getattr(block, "delay", None) is not None:
            block.delay.delay.data += np.arange(block.delay.delay.numel()).reshape(block.delay.delay.shape)
    with h5py.File(path, "w") as file:
        for i, block in enumerate(blocks):
            block.export_hdf5(file.create_group(f"layer/{i}"))


if __name__ == "__main__":
    {"run": _run, "export": _export, "kept": _kept}[sys.argv[1]](Path(sys.argv[2]))
