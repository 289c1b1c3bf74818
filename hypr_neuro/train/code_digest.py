"""A digest of code that the user wrote, so that a checkpoint is not continued with another.

Code is read as the interpreter runs it: comments, docstrings and places in files do not count. Functions and classes
that it names count with it, and the values of closures, defaults and globals that it reads, as they are when training
starts; of installed libraries and of this package the names alone. Another version of Python has another digest.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from hypr_neuro.train.losses import LOSSES, Loss
from hypr_neuro.train.rules.base import Rule

LIBRARIES = {"hypr_neuro", *sys.stdlib_module_names} - {"__main__"}
"""Packages whose names stand for their code, beside those that are installed."""
RECORDS, RECORD = "hypr_neuro.train.rules.", "hypr_neuro.train.rules.base"
"""Files of this package that are the user's as well, and the one among them that is not."""
METHODS = ("__post_init__", "__init__", "__call__")
"""Methods of a class with underscores that count; the others do not compute anything."""
CODE = "code of the "
"""How the entries of a checkpoint begin that hold a digest."""


def code_digests(rule: Rule, loss: Loss) -> dict[str, str]:
    """Return what a checkpoint holds of code: nothing for a rule without hooks and a loss of this package."""
    found = {}
    if type(rule) is not Rule:
        found[f"{CODE}rule"] = digest_of(type(rule))
    if not any(loss is known for known in LOSSES.values()):
        found[f"{CODE}loss"] = digest_of([value for key, value in vars(loss).items() if key != "name"])
    return found


def digest_of(value: Any) -> str:
    """Return the sha256, in hex, over the code of a function, class or object and all that it reads."""
    digest, reader = hashlib.sha256(), _Reader(_module(value))
    for text in reader.read(value):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _module(value: Any) -> str:
    return str(getattr(value, "__module__", ""))


class _Reader:
    """Goes through what a piece of code reads, each thing once.

    start : module whose code counts even inside a library
    """

    def __init__(self, start: str) -> None:
        self.start, self.seen = start, dict[int, tuple[int, Any]]()

    def read(self, value: Any) -> Iterator[str]:
        """Yield texts that tell the value from others."""
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            yield f"{type(value).__name__} {value!r}"
        elif isinstance(value, (np.ndarray, np.generic)):
            yield f"array {value.dtype.str} {value.shape}"
            yield repr(value.tolist()) if value.dtype.hasobject else value.tobytes().hex()
        elif isinstance(value, (tuple, frozenset, CodeType)):  # constants, of which equal ones may be one object
            yield from self._new(value)
        elif id(value) in self.seen:
            yield f"again {self.seen[id(value)][0]}"
        else:
            self.seen[id(value)] = len(self.seen), value  # kept, so that no other thing gets its id
            yield from self._new(value)

    def _new(self, value: Any) -> Iterator[str]:
        if isinstance(value, CodeType):
            yield from self._code(value)
        elif isinstance(value, (list, tuple)):
            yield f"{type(value).__name__} of {len(value)}"
            yield from self._all(value)
        elif isinstance(value, (set, frozenset)):
            yield f"{type(value).__name__} {sorted(map(repr, value))}"
        elif isinstance(value, Mapping):
            yield f"mapping of {len(value)}"
            for key in value:
                yield from self._all((key, value[key]))
        elif isinstance(value, ModuleType):
            yield f"module {value.__name__}"
        elif isinstance(getattr(value, "__wrapped__", None), FunctionType):  # decorated, or a loss that is checked
            yield from self.read(value.__wrapped__)
        elif isinstance(getattr(value, "py_func", None), FunctionType):  # compiled by numba
            yield from self.read(value.py_func)
        elif self._foreign(value):
            name: str = getattr(value, "__qualname__", type(value).__qualname__)
            yield f"{_module(value)}.{name}"
        else:
            yield from self._own(value)

    def _own(self, value: Any) -> Iterator[str]:
        """Yield what the user's functions, classes and objects are made of."""
        if isinstance(value, FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield f"class {value.__name__}"
            yield from self._all(value.__bases__)
            fields = getattr(value, "__dataclass_fields__", {})
            for name, entry in sorted(vars(value).items()):
                made = name == "__init__" and "__dataclass_params__" in vars(value)
                if name not in fields and not made and (name in METHODS or not name.startswith("__")):
                    yield name
                    yield from self.read(entry)
        elif isinstance(value, (classmethod, staticmethod, MethodType)):
            yield str(type(value).__name__)
            yield from self._all((value.__func__, getattr(value, "__self__", None)))
        elif isinstance(value, property):
            yield from self._all((value.fget, value.fset))
        elif isinstance(value, partial):
            yield from self._all((value.func, value.args, value.keywords))
        else:
            yield from self._all((type(value), vars(value) if hasattr(value, "__dict__") else None))

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield from self._all((function.__code__, function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                yield from self.read(cell.cell_contents)
            except ValueError:  # not filled yet
                yield "empty cell"
        names = _names(function.__code__)
        for name in names:
            if name in function.__globals__:
                yield name
                read = function.__globals__[name]
                yield from self.read(read)
                if isinstance(read, ModuleType) and not self._foreign_name(read.__name__):
                    for inner in names:
                        if inner in vars(read):
                            yield from self.read(vars(read)[inner])

    def _code(self, code: CodeType) -> Iterator[str]:
        arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
        yield repr((code.co_name, arguments, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
        yield f"{code.co_code.hex()} {getattr(code, 'co_exceptiontable', b'').hex()}"
        yield from self._all(code.co_consts[int(_documented(code)) :])

    def _all(self, values: Any) -> Iterator[str]:
        for value in values:
            yield from self.read(value)

    def _foreign(self, value: Any) -> bool:
        """Tell whether a value's name stands for it: one of a library, or compiled outside Python."""
        if isinstance(value, (partial, classmethod, staticmethod, property, MethodType)):
            return False
        return self._foreign_name(_module(value if isinstance(value, (type, FunctionType)) else type(value)))

    def _foreign_name(self, module: str) -> bool:
        if module == self.start or (module.startswith(RECORDS) and module != RECORD):
            return False
        package = module.partition(".")[0]
        file = getattr(sys.modules.get(package), "__file__", None) or ""
        return package in LIBRARIES or bool({"site-packages", "dist-packages"} & set(Path(file).parts))


def _documented(code: CodeType) -> bool:
    """Tell whether the first constant is a docstring, or what stands in its place."""
    named = not code.co_name.startswith("<")  # of lambdas and comprehensions it is a constant like others
    return named and bool(code.co_consts) and (code.co_consts[0] is None or isinstance(code.co_consts[0], str))


def _names(code: CodeType) -> tuple[str, ...]:
    """Return the names that code reads, with those of code inside it, in their order."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return tuple(dict.fromkeys([*code.co_names, *(name for names in inner for name in names)]))
