"""Compile kernels with numba: tagged functions registered, lanes taught, machine code kept on disk.

Before the first kernel is compiled, `prepare` hands the tagged functions to numba's ``register_jitable``, which leaves
each function unchanged and lets compiled code call it, always inlined: a call in a loop stops the vectoriser.

Machine code is kept on disk under a name made of all the functions that a kernel reaches, see `kernel_digest`: an edit
compiles those kernels anew that it concerns.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any, TypeVar, cast

from hypr_neuro.errors import InputError
from hypr_neuro.numbers import jit, kernel_cache, kernel_digest, lanes
from hypr_neuro.numbers.compile_errors import tell_failures

F = TypeVar("F", bound=Callable[..., Any])

_preparing = threading.RLock()


@lru_cache(maxsize=1)
def _set_up_compiler() -> None:
    """Let the vectoriser test more pointers for overlap before it gives up (8 by default).

    The learning loops touch ten arrays at once; with the default they stay scalar, three times slower.
    """
    import llvmlite.binding

    for option in ("--runtime-memory-check-threshold=128", "--memory-check-merge-threshold=1000"):
        llvmlite.binding.set_option("hypr-neuro", option)


def prepare() -> None:
    """Make every tagged function callable from compiled code; cheap when there is nothing new."""
    from numba.extending import register_jitable

    _set_up_compiler()
    lanes.register()
    for function in jit.take_unregistered():
        register_jitable(forceinline=True, no_cfunc_wrapper=True)(function)


def compile_kernel(function: F, precision: str = "float64", *, disjoint: bool = False) -> F:
    """Compile `function` (often a closure over step functions): cached on disk, running without the GIL.

    precision : of float literals; "float32" computes in 32 bits all the way, see `jit.single_precision`
    disjoint : the caller promises that no array which the kernel writes overlaps another argument. Without the
        promise the compiler has to test every pair of arrays before it may vectorise, or gives up

    The first call raises InputError, naming function, line and construct, for code that cannot be compiled.
    """
    import numba

    # blocks of samples make their kernels on threads: none may compile before all it calls is registered
    with _preparing:
        if precision == "float32":
            function = jit.single_precision(function)
        prepare()
    # nothing calls a kernel by a pointer of C
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    pipeline = {"pipeline_class": _disjoint_arguments()} if disjoint else {}
    extensions = sys.modules[__name__], jit, kernel_digest, lanes
    named = tuple(options.items()), disjoint

    def digest() -> str:
        return kernel_digest.kernel_digest(function, named, extensions, _callable_from_kernels)

    try:
        named_by_digest = _renamed(function, digest())
    except TypeError as error:  # of a step function that calls one which is not tagged, above all
        raise InputError(str(error)) from error
    compiled: Any = numba.njit(**options, **pipeline)(named_by_digest)
    kernel_cache.attach_cache(compiled, digest)
    tell_failures(compiled, function)
    return cast(F, compiled)


def _renamed(function: Callable[..., Any], digest: str) -> Callable[..., Any]:
    """Copy the kernel under a name that, and with it its symbols in machine code, no other kernel has.

    numba numbers the functions of a process to tell their symbols apart. Kernels that different processes stored may
    have the same number, and meet in a third process: where all kernels of a stage are called alike, one could be taken
    for the other.
    """
    code, names = function.__code__, function.__globals__
    copy = FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
    copy.__qualname__ = f"{function.__qualname__}_{digest[:16]}"
    return copy


def _callable_from_kernels(function: Any) -> bool:
    """Tell whether compiled code may call the function: it is tagged, a twin of one that is, or a function of lanes."""
    return jit.is_tagged(function) or function.__module__ == lanes.__name__


@lru_cache(maxsize=1)
def _disjoint_arguments() -> type[Any]:
    """Return numba's compiler, marking array arguments as `noalias`."""
    from numba.core.compiler import Compiler

    class Disjoint(Compiler):
        def define_pipelines(self) -> Any:
            self.state.flags.noalias = True
            return super().define_pipelines()

    return Disjoint
