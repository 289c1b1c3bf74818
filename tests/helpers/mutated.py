"""Graphs, and what becomes of their numbers when a file is damaged: for tests of all readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from nir_graphs import DT, PARAMS, RANGE, chain

from hypr_neuro.errors import InputError

Array = Any
Rng = np.random.Generator


def refusal(read: Callable[[], Any]) -> str | None:
    """The line by which `read` refuses, None where it reads; any other exception goes through."""
    try:
        read()
    except InputError as error:
        line = str(error)
    else:
        return None
    assert "\n" not in line
    return line


def drawn(rng: Rng, kind: str, n: int | tuple[int, ...]) -> Any:
    """A neuron node of that kind and shape, one number a neuron."""
    names = PARAMS[kind]
    unit = {name: DT if name.startswith("tau") else 1.0 for name in names}
    return getattr(nir, kind)(**{name: rng.uniform(*RANGE[name], n) * unit[name] for name in names})


def recurrent(rng: Rng) -> nir.NIRGraph:
    nodes = {
        "in": nir.Input(np.array([2])),
        "fc": nir.Affine(rng.normal(size=(3, 2)), rng.normal(size=3)),
        "cell": drawn(rng, "CubaLIF", 3),
        "rec": nir.Linear(rng.normal(size=(3, 3))),
        "late": nir.Delay(np.array([0.0, DT, 2 * DT])),
        "w": nir.Linear(rng.normal(size=(3, 3))),
        "li": drawn(rng, "LI", 3),
        "out": nir.Output(np.array([3])),
    }
    edges = [
        ("in", "fc"),
        ("fc", "cell"),
        ("cell", "rec"),
        ("rec", "late"),
        ("late", "cell"),
        ("cell", "w"),
        ("w", "li"),
        ("li", "out"),
    ]
    return nir.NIRGraph(nodes, edges, type_check=False)


def image(rng: Rng) -> nir.NIRGraph:
    two, none = np.array([2, 2]), np.array([0, 0])
    conv = nir.Conv2d((6, 5), rng.normal(size=(3, 2, 3, 2)), 1, 0, 1, 1, rng.normal(size=3))
    affine = nir.Affine(rng.normal(size=(4, 12)), rng.normal(size=4))
    flat = nir.Flatten(np.array([3, 2, 2]), 0, -1)
    nodes = (conv, drawn(rng, "IF", (3, 4, 4)), nir.SumPool2d(two, two, none), flat, affine, drawn(rng, "LIF", 4))
    graph: nir.NIRGraph = chain(*nodes, nir.Scale(rng.normal(size=4)), outs=4)
    graph.nodes["in"] = nir.Input(np.array([2, 6, 5]))
    return graph


def readout(rng: Rng) -> nir.NIRGraph:
    nodes = (drawn(rng, "Threshold", 2), nir.Linear(rng.normal(size=(3, 2))), drawn(rng, "CubaLI", 3))
    return chain(*nodes, drawn(rng, "I", 3), outs=3)


MAKERS = {"recurrent": recurrent, "image": image, "readout": readout}


def made(name: str) -> nir.NIRGraph:
    graph: nir.NIRGraph = MAKERS[name](np.random.default_rng([7, len(name)]))
    return graph


class Foreign:
    """An array of another library that does not let numpy have its numbers."""

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise RuntimeError("detach it first")


REFUSED, SAME, EITHER = "refused", "same", "either"


def values(value: Any, rng: Rng) -> Iterator[tuple[str, Any, str]]:
    """What a field may hold instead: what it is, the value, what has to become of it."""
    array = np.asarray(value, dtype=np.float64)
    yield from ((np.dtype(t).name, array.astype(t), REFUSED) for t in ("U", "S", "complex128", "bool", "O"))
    yield from ((type(v).__name__, v, REFUSED) for v in ("0.5", {"a": 1}, [[1], [1, 2]], Foreign()))
    yield "dates", array.astype(np.int64).astype("M8[s]"), REFUSED
    for bad in (np.nan, np.inf, -np.inf, np.longdouble("1e4000")):
        broken = array.astype(np.longdouble)
        broken.reshape(-1)[rng.integers(broken.size)] = bad
        yield str(bad), broken, REFUSED
    yield from (("no entries", np.zeros(shape), REFUSED) for shape in ((0,), (*array.shape, 0)))
    yield "twice as long", np.concatenate([array] * 2, axis=-1) if array.ndim else np.full(7, array), REFUSED
    yield from (("an axis more", array.reshape(s), EITHER) for s in ((1, *array.shape), (*array.shape, 1)))
    yield from ((t, array.astype(t), SAME) for t in ("f4", ">f8", "longdouble"))
    yield from (("other form", v, SAME) for v in (array.tolist(), np.asfortranarray(array), memoryview(array.copy())))


def edited(source: Path, target: Path, key: str, value: Any) -> Path:
    """A copy of an HDF5 file with one entry replaced, or removed where the value is None."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "a") as file:
        del file[key]
        if isinstance(value, str) and value == "group":
            file.create_group(key)
        elif isinstance(value, str) and value == "reference":
            file.create_dataset(key, data=file.ref, dtype=h5py.ref_dtype)
        elif value is not None:
            file[key] = value
    return target


ALIEN: list[Any] = [
    "group",
    "reference",
    h5py.SoftLink("/"),
    h5py.ExternalLink("/dev/null", "/"),
    np.dtype("f8"),
    h5py.Empty("f4"),
    np.zeros(2, [("a", "f4")]),
    np.array([b"a"] * 2),
    b"\xff",
    "text",
]
"""What HDF5 can hold in place of numbers and of names of types."""


def entries(path: Path, inside: str) -> list[str]:
    """Names of all datasets below a group."""
    found: list[str] = []
    with h5py.File(path) as file:
        file[inside].visititems(lambda key, item: found.append(f"{inside}/{key}") if "shape" in dir(item) else None)
    return found
