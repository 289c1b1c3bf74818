"""The name of a compiled kernel: a digest of all that its machine code is made of.

numba's own disk cache looks at a kernel's file and at its closure; it sees no edit of a function that the kernel calls.
Here a kernel is named by the digest of the code that it reaches: its own and that of every function which it names in
closure cells, globals, tuples or modules, and of those that they name; the values of the constants which these read;
the extensions of the compiler; versions, processor and compiler options. Code is read as the interpreter runs it, not
from the file: comments, docstrings and line numbers do not count, and a file that is edited while the process runs
cannot name code that the process does not have. An edit of one neuron changes the names of that neuron's kernels only.

A name without a place in the digest is an error, never left out: an old kernel that goes on running is the worst case.
"""

from __future__ import annotations

import dis
import enum
import hashlib
import inspect
import platform
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

LIBRARIES = ("numpy", "numba", "llvmlite")
"""Packages of which the version stands for the code."""
_DOCSTRING_FLAG = 0x4000000  # of code objects, from Python 3.13 on


def kernel_digest(kernel: Any, options: Any, extensions: tuple[ModuleType, ...], known: Callable[[Any], bool]) -> str:
    """Return the sha256, in hex, over all that a kernel's machine code is made of, types and processor apart.

    Parameters
    ----------
    kernel
        A function.
    options
        Values that the compiler is called with.
    extensions
        Modules that teach the compiler, of which every function counts.
    known
        Whether compiled code may call a function; another one, given to numba elsewhere, cannot be digested.

    Raises
    ------
    TypeError
        Where the kernel names something whose code or value is not known.
    """
    digest = _Digest(known, kernel)
    digest.add((_surroundings(), options, *(_module_code(module) for module in extensions)))
    digest.add(kernel)
    return digest.hexdigest()


def _surroundings() -> tuple[Any, ...]:
    """Return versions, and what the environment sets for the compiler."""
    import llvmlite
    import numba

    settings = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "ENABLE_AVX")
    versions = platform.python_version(), np.__version__, numba.__version__, llvmlite.__version__
    return (*versions, *(str(getattr(numba.config, name, None)) for name in settings))


@lru_cache
def _module_code(module: ModuleType) -> tuple[str, ...]:
    """Return the code of every function and method of a module, and its plain constants."""

    def parts(names: dict[str, Any]) -> Iterator[str]:
        for name, value in sorted(names.items()):
            inner = inspect.unwrap(value) if callable(value) else value
            if isinstance(inner, type) and inner.__module__ == module.__name__:
                yield from parts(dict(vars(inner)))
            elif isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
                yield f"{name} {inner.__defaults__!r} {inner.__kwdefaults__!r} {_code_text(inner.__code__)}"
            elif type(inner) in (bool, int, float, str, tuple) and not name.startswith("__"):
                yield f"{name} {inner!r}"

    return tuple(parts(dict(vars(module))))


@lru_cache(maxsize=4096)
def _code_text(code: CodeType) -> str:
    """Write a code object as text: what it does, without where it stands and without its docstring."""
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_DOCSTRING_FLAG
    variables = code.co_varnames, code.co_cellvars, code.co_freevars
    text = [repr((code.co_name, counts, variables, getattr(code, "co_exceptiontable", b"")))]
    for step in dis.get_instructions(code):
        constant = step.opcode in dis.hasconst
        operand = _constant_text(step.argval) if constant else f"{step.arg} {step.argval!r}"
        text.append(f"{step.opname} {operand}")
    return "\n".join(text)


def _constant_text(value: Any) -> str:
    if isinstance(value, CodeType):
        return f"code[{_code_text(value)}]"
    if isinstance(value, (tuple, frozenset)):
        entries = [_constant_text(entry) for entry in value]
        ordered = sorted(entries) if isinstance(value, frozenset) else entries
        return f"{type(value).__name__}({', '.join(ordered)})"
    if isinstance(value, np.generic):
        return f"{value.dtype.str} {value.tobytes().hex()}"
    return f"{type(value).__name__} {value!r}"


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


@lru_cache(maxsize=4096)
def _names(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return globals that a code object reads, and every name in it, attributes too; those of code inside included."""
    steps = [step for inner in _nested(code) for step in dis.get_instructions(inner)]
    read = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return tuple(sorted(read)), tuple(sorted({name for inner in _nested(code) for name in inner.co_names}))


class _Digest:
    """A sha256 over values and the functions reached from them, each function once."""

    def __init__(self, known: Callable[[Any], bool], kernel: Any) -> None:
        self._hash, self._known, self._kernel = hashlib.sha256(), known, kernel
        self._seen: dict[tuple[int, str], int] = {}

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def _put(self, *texts: str) -> None:
        """Add every text with its length before it: no two lists of texts give the same bytes."""
        for text in texts:
            part = text.encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:" % len(part) + part)

    def add(self, value: Any, names: tuple[str, ...] = ()) -> None:
        """Count a value; `names`: the attributes that may be read of it, should it be a module."""
        if value is None or value is Ellipsis or type(value) in (bool, int, float, complex, str, bytes):
            self._put(type(value).__name__, repr(value))
        elif isinstance(value, (np.generic, np.ndarray)):
            self._add_numbers(value)
        elif isinstance(value, (tuple, list, dict, set, frozenset)):
            self._add_entries(value, names)
        elif isinstance(value, enum.Enum):
            self.add((type(value).__qualname__, value.name, value.value))
        elif isinstance(value, CodeType):
            self._put("code", _code_text(value))
        elif value is self._kernel or (isinstance(value, FunctionType) and not _of_library(value.__module__)):
            self._add_function(value)
        elif hasattr(value, "py_func") and _of_library(type(value).__module__):
            pipeline = value._compiler.pipeline_class.__qualname__
            self._put("compiled", pipeline, repr(sorted(value.targetoptions.items(), key=str)))
            self._add_function(value.py_func, inside=True)
        elif isinstance(value, ModuleType):
            self._add_module(value, names)
        elif (name := _name_in_library(value)) is not None:
            self._put("library", name)
        elif isinstance(value, type) and (issubclass(value, enum.Enum) or hasattr(value, "_fields")):
            self._add_class(value)
        else:
            subject = f"{value!r} of {type(value)}, whose value no digest can name"
            raise TypeError(self._fault(subject, "use numbers, text, arrays, tuples or tagged functions instead"))

    def _fault(self, subject: str, remedy: str) -> str:
        kernel = f"{self._kernel.__module__}.{self._kernel.__qualname__}"
        return f"the kernel {kernel} names {subject}: its machine code could not be told from another's; {remedy}"

    def _again(self, value: Any, name: str = "") -> bool:
        """Tell whether a function, or a module's attribute, was counted before; its place among those stands for it."""
        key = id(value), name
        if key in self._seen:
            self._put("again", str(self._seen[key]))
            return True
        self._seen[key] = len(self._seen)
        return False

    def _add_numbers(self, value: Any) -> None:
        if value.dtype.hasobject:
            raise TypeError(self._fault("an array of objects", "use an array of numbers"))
        layout = (value.shape, value.strides, value.flags.writeable) if isinstance(value, np.ndarray) else ()
        self._put(type(value).__name__, repr(value.dtype.descr), repr(layout))
        self._hash.update(value.tobytes())

    def _add_entries(self, value: Any, names: tuple[str, ...]) -> None:
        kind = type(value)
        self._put("entries", kind.__module__, kind.__qualname__, repr(getattr(kind, "_fields", ())), str(len(value)))
        if isinstance(value, (set, frozenset)):
            value = sorted(value, key=lambda entry: (type(entry).__name__, repr(entry)))
        for entry in value.items() if isinstance(value, dict) else value:
            self.add(entry, names)

    def _add_function(self, function: FunctionType, *, inside: bool = False) -> None:
        if not inside and function is not self._kernel and not self._known(function):
            subject = f"the function {function.__module__}.{function.__qualname__}, which is not tagged"
            raise TypeError(self._fault(subject, "put @jitable before it"))
        if self._again(function):
            return
        code = function.__code__
        self._put("function", function.__module__, function.__qualname__, _code_text(code))
        self.add((function.__defaults__, function.__kwdefaults__))
        read, names = _names(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._put("cell", name)
            self.add(cell.cell_contents, names)
        for name in read:
            self._put("global", name)
            if name in function.__globals__:
                self.add(function.__globals__[name], names)

    def _add_module(self, module: ModuleType, names: tuple[str, ...]) -> None:
        self._put("module", module.__name__)
        if _of_library(module.__name__) or module.__name__ in ("math", "cmath", "operator"):
            return
        for name in names:  # each function reads others
            if hasattr(module, name) and not self._again(module, name):
                self._put("attribute", name)
                self.add(getattr(module, name), names)

    def _add_class(self, value: Any) -> None:
        self._put("class", value.__module__, value.__qualname__)
        members = {m.name: m.value for m in value} if issubclass(value, enum.Enum) else value._fields
        self.add(members)


def _of_library(module: str | None) -> bool:
    return (module or "").split(".")[0] in LIBRARIES


def _name_in_library(value: Any) -> str | None:
    """Return the name of what the interpreter or a library defines (builtin, type, ufunc, numba type), else None."""
    if isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        return f"{value.__module__}.{value.__qualname__}" if owner is None or isinstance(owner, ModuleType) else None
    if isinstance(value, type):
        listed = value.__module__ == "builtins" or _of_library(value.__module__)
        return f"{value.__module__}.{value.__qualname__}" if listed else None
    if isinstance(value, np.dtype):
        return None if value.hasobject else f"dtype {value.descr!r}"
    kind = type(value)
    if _of_library(kind.__module__) or (isinstance(value, FunctionType) and _of_library(value.__module__)):
        return f"{kind.__qualname__} {getattr(value, '__module__', '')} {getattr(value, '__qualname__', str(value))}"
    return None
