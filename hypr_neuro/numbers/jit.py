"""Plain functions that can also be compiled.

A step function is written once, as ordinary Python on scalars and tuples. `jitable` only puts it on a list, so
importing neuron files needs no compiler. Before the first kernel is compiled, `prepare` hands the list to numba's
``register_jitable``, which leaves each function unchanged and lets compiled code call it, always inlined: a call in a
loop stops the vectoriser.

numba's disk cache sees neither an edit of a function that a kernel closes over nor of one that it calls. The cache
folder is therefore named by the hash of the sources that kernels are made of: an edit starts an empty cache.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import CellType, FunctionType
from typing import Any, TypeVar, cast

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

_tagged: dict[Callable[..., Any], None] = {}
_unregistered: list[Callable[..., Any]] = []
_preparing = threading.RLock()


def jitable(function: F) -> F:
    """Tag a scalar function as one that kernels may call; the function itself is returned unchanged."""
    _tagged[function] = None
    _unregistered.append(function)
    return function


def tagged_functions() -> tuple[Callable[..., Any], ...]:
    """Every function tagged so far, in order of definition."""
    return tuple(_tagged)


KERNEL_SOURCES = (
    "comparing/float_kernels.py",
    "neurons",
    "numbers",
    "run",
    "sim",
    "train/feedback.py",
    "train/kernels.py",
    "train/losses.py",
)
"""Files and folders of the package whose functions end up in kernels; a test holds every tagged function to it."""


def source_digest(package: Path, simulator: Path) -> str:
    """First 16 hex digits of the sha256 over `KERNEL_SOURCES`, names included.

    package : folder of hypr_neuro. simulator : folder of hypr_neuro.sim, which an editable install maps elsewhere
    """
    digest = hashlib.sha256()
    for name in KERNEL_SOURCES:
        path = simulator if name == "sim" else package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{name}/{file.name}".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of compiled kernels for exactly these sources (``HYPR_NEURO_CACHE`` moves its parent)."""
    import hypr_neuro.sim as sim  # noqa: PLR0402  (mypy knows the mapped package by this form only)

    base = os.environ.get("HYPR_NEURO_CACHE")
    if not base:
        import pooch

        base = str(pooch.os_cache("hypr-neuro"))
    return Path(base) / "kernels" / source_digest(Path(__file__).parents[1], Path(next(iter(sim.__path__))))


@lru_cache(maxsize=1)
def _set_up_compiler() -> None:
    """Name the cache folder, and let the vectoriser test more pointers for overlap before it gives up (8 by default).

    The learning loops touch ten arrays at once; with the default they stay scalar, three times slower.
    """
    import llvmlite.binding
    import numba

    numba.config.CACHE_DIR = str(cache_folder())
    for option in ("--runtime-memory-check-threshold=128", "--memory-check-merge-threshold=1000"):
        llvmlite.binding.set_option("hypr-neuro", option)


def prepare() -> None:
    """Make every tagged function callable from compiled code; cheap when there is nothing new."""
    from numba.extending import register_jitable

    from hypr_neuro.numbers.lanes import register

    _set_up_compiler()
    register()
    while _unregistered:
        register_jitable(forceinline=True)(_unregistered.pop())


def compile_kernel(function: F, precision: str = "float64", *, disjoint: bool = False) -> F:
    """Compile `function` (often a closure over step functions): cached on disk, running without the GIL.

    precision : of float literals; "float32" computes in 32 bits all the way, see `single_precision`
    disjoint : the caller promises that no array which the kernel writes overlaps another argument. Without the
        promise the compiler has to test every pair of arrays before it may vectorise, or gives up
    """
    import numba

    # blocks of samples make their kernels on threads: none may compile before all it calls is registered
    with _preparing:
        if precision == "float32":
            function = single_precision(function)
        prepare()
    options: dict[str, Any] = {"pipeline_class": _disjoint_arguments()} if disjoint else {}
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    compiled._cache._cache_file.__class__ = _cache_file()
    return cast(F, compiled)


@lru_cache(maxsize=1)
def _cache_file() -> type[Any]:
    """numba's cache file, but machine code is stored under a name made of what it is.

    numba numbers the files of one function. Two processes that compile it for two models at the same time choose the
    same number, and the next process runs the code of the wrong one. Here they can only lose an entry of the index,
    which costs compiling once more.
    """
    from numba.core.caching import IndexDataCacheFile

    class NamedByKey(IndexDataCacheFile):  # type: ignore[misc]  # numba's class has no types
        def save(self, key: Any, data: Any) -> None:
            name = f"{self._index_name.removesuffix('.nbi')}.{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.nbc"
            self._save_data(name, data)
            overloads = self._load_index()
            overloads[key] = name
            self._save_index(overloads)

    return NamedByKey


@lru_cache(maxsize=1)
def _disjoint_arguments() -> type[Any]:
    """numba's compiler, marking array arguments as `noalias`."""
    from numba.core.compiler import Compiler

    class Disjoint(Compiler):  # type: ignore[misc]  # numba's class has no types
        def define_pipelines(self) -> Any:
            self.state.flags.noalias = True
            return super().define_pipelines()

    return Disjoint


_singles: dict[Callable[..., Any], Callable[..., Any]] = {}


def single_precision(function: F) -> F:
    """The function with every float literal in 32 bits, the tagged functions that it calls likewise.

    To numba a literal is a 64-bit number, and float32 · float64 is float64: without this, kernels on float32 arrays
    would compute in 64 bits, with half the vector lanes. The twin of a tagged function is stored in its module, so
    that the disk cache names it by reference.
    """
    if function in _singles:
        return cast(F, _singles[function])
    code = function.__code__.replace(co_consts=tuple(_narrow(c) for c in function.__code__.co_consts))
    used = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    names = function.__globals__ | {name: _twin(value) for name, value in used.items()}
    cells = tuple(CellType(_twin(cell.cell_contents)) for cell in function.__closure__ or ())
    twin = FunctionType(code, names, function.__name__, function.__defaults__, cells)
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    if function in _tagged:
        twin.__qualname__ = twin.__name__ = f"{function.__name__}__float32"
        setattr(sys.modules[function.__module__], twin.__name__, twin)
        _unregistered.append(twin)
    _singles[function] = twin
    return cast(F, twin)


def _twin(value: Any) -> Any:
    return single_precision(value) if isinstance(value, FunctionType) and value in _tagged else _narrow(value)


def _narrow(literal: Any) -> Any:
    if isinstance(literal, tuple):
        return tuple(_narrow(entry) for entry in literal)
    return np.float32(literal) if type(literal) is float else literal
