"""What Lava itself computes, asked in a child process: Lava fixes the start method of `multiprocessing` for its own.

`neurons` and `weights` are for tests; the file itself is the program that they start.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def neurons(folder: Path, cases: list[dict[str, Any]]) -> list[Arrays]:
    """Spikes and states (T, n) of one Lava process a case.

    Each case: process, its name here; arguments of the process; tag of the model; inputs, an array (T, n) of integers
    for each port; states, names of variables to record; variables, names of variables to read before the run. The
    input reaches the neurons through an identity of Lava's Dense, in 32 bits and one step late: entry t of the answer
    follows input t - 1.
    """
    arrays = {f"{i}/{port}": x for i, case in enumerate(cases) for port, x in case["inputs"].items()}
    answer = _ask(folder, {"cases": [case | {"inputs": list(case["inputs"])} for case in cases]}, arrays)
    return [
        {key.split("/", 1)[1]: x for key, x in answer.items() if key.startswith(f"{i}/")} for i in range(len(cases))
    ]


def weights(folder: Path, values: np.ndarray, modes: list[str], bits: list[int]) -> Arrays:
    """ "{mode}/{bits}/dense" and "…/sparse" of `values` (rows, columns) on Lava's grids."""
    return _ask(folder, {"modes": modes, "bits": bits}, {"values": values})


def biases(folder: Path, mantissa: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """What Lava's fixed-point LIF adds to v."""
    return _ask(folder, {}, {"mantissa": mantissa, "exponent": exponent})["bias"]


def _ask(folder: Path, order: dict[str, Any], arrays: Arrays) -> Arrays:
    np.savez(folder / "order.npz", order=json.dumps(order), **arrays)
    command = [sys.executable, str(Path(__file__).resolve()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "answer.npz") as answer:
        return dict(answer)


# ---------------------------------------------------------------- the child


def main(folder: Path) -> None:
    with np.load(folder / "order.npz") as file:
        arrays = dict(file)
    order = json.loads(str(arrays.pop("order")))
    if "cases" in order:
        answer = {
            f"{i}/{key}": x for i, case in enumerate(order["cases"]) for key, x in run_case(i, case, arrays).items()
        }
    elif "modes" in order:
        answer = grids(arrays["values"], order["modes"], order["bits"])
    else:
        answer = {"bias": scaled_bias(arrays["mantissa"], arrays["exponent"])}
    np.savez(folder / "answer.npz", **answer)


def run_case(i: int, case: dict[str, Any], arrays: Arrays) -> Arrays:
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.monitor.process import Monitor

    arguments = {k: np.array(v) if isinstance(v, list) else v for k, v in case["arguments"].items()}
    inputs = {port: arrays[f"{i}/{port}"] for port in case["inputs"]}
    steps, n = next(iter(inputs.values())).shape
    neuron = process(case["process"])(shape=(n,), **arguments)
    for port, x in inputs.items():
        feed(x, case["tag"] == "fixed_pt").a_out.connect(getattr(neuron, port))
    monitors = {name: Monitor() for name in ("s_out", *case["states"])}
    for name, monitor in monitors.items():
        monitor.probe(getattr(neuron, name), steps)
    found = {name: np.broadcast_to(getattr(neuron, name).init, (n,)) for name in case.get("variables", ())}
    neuron.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag=case["tag"]))
    for name, monitor in monitors.items():
        (recorded,) = monitor.get_data()[neuron.name].values()
        found[name] = np.asarray(recorded).reshape(steps, n)
    neuron.stop()
    return found


def process(name: str) -> Any:
    from lava.proc.lif.process import LIFRefractory
    from lava.proc.rf.process import RF
    from lava.proc.rf_iz.process import RF_IZ

    return {"rf": RF, "rf_iz": RF_IZ, "lif_refractory": LIFRefractory}[name]


def feed(x: np.ndarray, fixed: bool) -> Any:
    """A Dense that hands on x (T, n); fixed-point weights in mixed mode are even, so 2 with exponent -1."""
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.utils.weightutils import SignMode

    one = np.eye(x.shape[1], dtype=int)
    dense = (
        Dense(weights=2 * one, weight_exp=-1, sign_mode=SignMode.MIXED, num_message_bits=32)
        if fixed
        else Dense(weights=one.astype(float), num_message_bits=32)
    )
    RingBuffer(data=np.ascontiguousarray(x.T)).s_out.connect(dense.s_in)
    return dense


def grids(values: np.ndarray, modes: list[str], bits: list[int]) -> Arrays:
    from lava.utils.weightutils import SignMode, clip_weights, truncate_weights
    from scipy.sparse import csr_matrix

    found = {}
    for mode in modes:
        for width in bits:
            sign_mode = SignMode[mode.upper()]
            for form, matrix in {"dense": values, "sparse": csr_matrix(values)}.items():
                put = truncate_weights(clip_weights(matrix, sign_mode, num_bits=8), sign_mode, width)
                found[f"{mode}/{width}/{form}"] = put if form == "dense" else put.toarray()
    return found


def scaled_bias(mantissa: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    from lava.proc.lif.models import AbstractPyLifModelFixed

    neuron = SimpleNamespace(bias_mant=mantissa.astype(np.int16), bias_exp=exponent.astype(np.int16))
    AbstractPyLifModelFixed.scale_bias(neuron)
    return np.asarray(neuron.effective_bias)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
