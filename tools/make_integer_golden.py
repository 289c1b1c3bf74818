"""Golden files of integer networks, from Lava's own run: every Python replays them without Lava.

    python tools/make_integer_golden.py        (Python 3.10 with lava-nc 0.10.0)

A file tests/golden/integer_*.npz holds several networks of `hypr_neuro.testing.integer`, drawn from the seeds below,
in numbers, so that they stay when the drawing changes. "meta" describes them and lists the arrays, name to shape,
that follow each other in "numbers": "{i}/x" (T, channel), "{i}/{population}" (T, d + 1, n), the states of every step,
then the spikes, and those of the network. (As many files of their own, they would be twice as large.)
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.integers.batch import run_in_lava
from hypr_neuro.graph.integer import IntegerNetwork, Synapses
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.testing.integer import random_integer_input, random_integer_network

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
FILES = {
    "lif": (("lif",), (8, 14, 21, 25, 46, 51, 85, 104, 107, 117, 132, 137, 145, 146)),
    "resonators": (("rf", "rf_iz"), (5, 21, 48, 77, 88, 117, 121, 126, 138, 141, 143, 145)),
    "mixed": (("lif", "rf", "rf_iz"), (8, 22, 44, 46, 48, 53, 76, 87, 88, 107, 133, 137, 141, 143)),
}
"""By file: models, seeds. Together they have every kind of connection, extreme and overflow that is drawn."""


def main() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for file, (models, seeds) in FILES.items():
        networks = [random_integer_network(seed, models) for seed in seeds]
        cases = {
            str(i): (n, random_integer_input(n, seed)) for i, (n, seed) in enumerate(zip(networks, seeds, strict=True))
        }
        with tempfile.TemporaryDirectory() as folder:
            runs = run_in_lava(cases, Path(folder))
        arrays: dict[str, Array] = {}
        for name, (network, x) in cases.items():
            arrays |= {f"{name}/{key}": a for key, a in network_arrays(network).items()}
            arrays |= {f"{name}/x": x[0]}
            arrays |= {f"{name}/{p.name}": a for p, a in zip(network.populations, runs[name], strict=True)}
        meta = {
            "made_by": "lava-nc 0.10.0, tag fixed_pt",
            "networks": [description(n) for n in networks],
            "arrays": {name: a.shape for name, a in arrays.items()},
        }
        path = GOLDEN / f"integer_{file}.npz"
        np.savez_compressed(path, meta=np.array(json.dumps(meta)), numbers=concatenated(list(arrays.values())))
        rates = {name: [round(float(a[:, -1].mean()), 2) for a in run] for name, run in runs.items()}
        print(f"{path.name}: {path.stat().st_size} bytes, firing {rates}")


def description(network: IntegerNetwork) -> dict[str, Any]:
    """Return all of a network that is not an array."""
    return {
        "inputs": network.inputs,
        "populations": [{"name": p.name, "neuron": p.model.name} for p in network.populations],
        "synapses": [
            {
                "source": c.source,
                "target": c.target,
                "exponent": c.exponent,
                "current": c.current,
                "message_bits": c.message_bits,
                "delay": c.delays if isinstance(c.delays, int) else None,
            }
            for c in network.synapses
        ],
    }


def network_arrays(network: IntegerNetwork) -> dict[str, Array]:
    """Return arrays by name: p{i}/… and s{i}/… beside `description`'s lists, CSR as data, indices and indptr."""
    arrays: dict[str, Array] = {}
    for i, p in enumerate(network.populations):
        arrays |= {f"p{i}/per_neuron": p.per_neuron, f"p{i}/constants": p.constants}
    for i, c in enumerate(network.synapses):
        arrays |= {f"s{i}/{key}": a for key, a in _matrices(c).items()}
    return arrays


def _matrices(c: Synapses) -> dict[str, Array]:
    """Return the arrays of one connection."""
    matrices = {"weights": c.weights} if isinstance(c.delays, int) else {"weights": c.weights, "delays": c.delays}
    arrays: dict[str, Array] = {} if c.always_on is None else {"always_on": c.always_on}
    for name, matrix in matrices.items():
        if isinstance(matrix, np.ndarray):
            arrays[name] = matrix
        else:
            arrays |= {f"{name}/{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
    return arrays


def concatenated(arrays: list[Array]) -> Array:
    """Return all entries of all arrays, int32."""
    numbers = np.concatenate([a.reshape(-1).astype(np.int64) for a in arrays])
    if not np.array_equal(numbers, numbers.astype(np.int32)):
        raise SystemExit("a number leaves 32 bits")
    return numbers.astype(np.int32)


if __name__ == "__main__":
    main()
