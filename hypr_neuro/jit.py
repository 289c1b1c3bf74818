"""Plain functions that can also be compiled.

A step function is written once, as ordinary Python on scalars and tuples. `jitable` only puts it on a list, so
importing neuron files needs no compiler. Before the first kernel is compiled, `prepare` hands the list to numba's
``register_jitable``, which leaves each function unchanged and lets compiled code call it.

numba's disk cache sees neither an edit of a function that a kernel closes over nor of one that it calls. The cache
folder is therefore named by the hash of the sources that kernels are made of: an edit starts an empty cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_tagged: list[Callable[..., Any]] = []
_registered = 0


def jitable(function: F) -> F:
    """Tag a scalar function as one that kernels may call; the function itself is returned unchanged."""
    _tagged.append(function)
    return function


def tagged_functions() -> tuple[Callable[..., Any], ...]:
    """Every function tagged so far, in order of definition."""
    return tuple(_tagged)


KERNEL_SOURCES = (
    "fixed_point.py", "forward.py", "jit.py", "neurons", "sim", "surrogates.py", "train/kernels.py", "tuples.py"
)  # fmt: skip
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
    if base is None:
        import pooch

        base = str(pooch.os_cache("hypr-neuro"))
    return Path(base) / "kernels" / source_digest(Path(__file__).parent, Path(next(iter(sim.__path__))))


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
    global _registered
    from numba.extending import register_jitable

    _set_up_compiler()
    for function in _tagged[_registered:]:
        register_jitable(function)
    _registered = len(_tagged)


def compile_kernel(function: F) -> F:
    """Compile `function` (often a closure over step functions): cached on disk, running without the GIL."""
    import numba

    prepare()
    compiled: F = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
