"""State dicts in the archives that torch.save writes (PyTorch 1.6 and later), read where PyTorch is absent.

An archive holds a pickle and one record of numbers for each storage. The pickle is read instruction by instruction, and
never given to Python's unpickler: a name in it is a name, and those of tensors and ordered dicts stand for functions of
this file. Any other name ends the reading. A tensor is a view of its record, inside of which it has to lie.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from pickletools import genops
from typing import Any, Literal

import numpy as np

from hypr_neuro.errors import FileFormatError
from hypr_neuro.numbers.arrays import Array

STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
"""numpy's type of each kind; the 16 bits of a bfloat16 are the upper half of a float32."""
ORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}


class StoredTensor:
    """A tensor of the file: what `state_dict.content_of` asks of one of PyTorch."""

    is_sparse = is_quantized = False

    def __init__(self, values: Array, half: bool) -> None:
        self._values, self._half = values, half

    def detach(self) -> StoredTensor:
        """Return itself; there is nothing to detach, copy or convert before `numpy`."""
        return self

    cpu = double = detach

    def numel(self) -> int:
        """Count its numbers."""
        return int(self._values.size)

    def is_complex(self) -> bool:
        """Tell that it is not."""
        return False

    def numpy(self) -> Array:
        """Return its numbers as float64."""
        if self._half:
            words = self._values.astype(np.uint32) << 16
            return np.asarray(words.view(np.float32), dtype=np.float64)
        return np.asarray(self._values, dtype=np.float64)

    def item(self) -> float:
        """Return the number of a tensor of one."""
        return float(self.numpy().reshape(-1)[0])


def read_archive(path: Path) -> Any:
    """Return what the archive holds, its tensors as `StoredTensor`.

    Raise FileFormatError for a damaged archive and for one whose pickle calls anything else than tensors need.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(path, archive).load()
    except FileFormatError:
        raise
    except Exception as error:  # damaged pickles and archives raise many types
        raise FileFormatError(f"checkpoint '{path}' is damaged or no file of torch.save: {error}") from error


class _Archive:
    """The records of an archive, and the values that its pickle describes."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        names = archive.namelist()
        found = [name for name in names if name.endswith("/data.pkl")]
        if len(found) != 1:
            raise FileFormatError(f"checkpoint '{path}' is damaged or no file of torch.save: it has no data.pkl")
        self.path, self.archive, self.folder = path, archive, found[0].removesuffix("data.pkl")
        order = f"{self.folder}byteorder"
        self.order = ORDERS[archive.read(order).strip() if order in names else b"little"]
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.described = archive.read(found[0])

    def load(self) -> Any:
        """Return the value on top of the stack at the end."""
        for opcode, argument, _ in genops(self.described):
            if opcode.name not in IGNORED:
                self._step(opcode.name, argument)
        return self.stack[-1]

    def _step(self, name: str, argument: Any) -> None:
        """Do what an instruction says."""
        stack = self.stack
        if name in PUSHED:
            stack.append(argument)
        elif name in MADE:
            stack.append(MADE[name]())
        elif name in TUPLES:
            stack.append(tuple(self._popped(TUPLES[name])))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "GLOBAL":
            stack.append(self._named(argument))
        elif name == "BINPERSID":
            stack.append(self._storage(*stack.pop()))
        else:
            self._gather(name)

    def _gather(self, name: str) -> None:
        """Put the last values of the stack into one; raise FileFormatError for an unknown instruction."""
        stack = self.stack
        if name == "TUPLE":
            stack.append(tuple(self._above_mark()))
        elif name in ("SETITEM", "SETITEMS"):
            items = self._popped(2) if name == "SETITEM" else self._above_mark()
            stack[-1].update(zip(self._keys(items[::2]), items[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            items = self._popped(1) if name == "APPEND" else self._above_mark()
            stack[-1].extend(items)
        elif name == "REDUCE":
            function, arguments = self._popped(2)
            stack.append(CALLS[function](*arguments))
        elif name == "BUILD":  # attributes of a dict, such as its version, are no part of it
            stack.pop()
        else:
            raise FileFormatError(f"checkpoint '{self.path}' is damaged or no state dict: its pickle has {name}")

    def _keys(self, keys: list[Any]) -> list[Any]:
        """Return the keys of a dict; FileFormatError for others than text and numbers, whose hashes may never end."""
        for key in keys:
            if not isinstance(key, (str, int)):
                raise FileFormatError(f"checkpoint '{self.path}': a dict has a {type(key).__name__} as key, rule: text")
        return keys

    def _popped(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _above_mark(self) -> list[Any]:
        place = max(i for i, value in enumerate(self.stack) if value is MARK)
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _named(self, name: str) -> str:
        """Return the name, of a storage its kind; raise FileFormatError for what tensors do not need."""
        module, _, kind = name.partition(" ")
        if module == "torch" and kind in STORAGES:
            return kind
        if name not in CALLS:
            raise FileFormatError(
                f"checkpoint '{self.path}' is damaged, or needs pickle and would run code of the file "
                f"({name.replace(' ', '.')}); rule: tensors by name, as torch.save(model.state_dict(), path) writes "
                "them"
            )
        return name

    def _storage(self, _: str, kind: str, key: str, device: str, count: int) -> tuple[Array, bool]:
        """Return the numbers of a storage and whether they are bfloat16."""
        data = self.archive.read(f"{self.folder}data/{key}")
        values = np.frombuffer(data, np.dtype(STORAGES[kind]).newbyteorder(self.order))
        if len(values) < count:
            raise ValueError(f"storage {key} on {device} has {len(values)} numbers, rule: {count}")
        return values[:count], kind == "BFloat16Storage"


def _tensor(storage: tuple[Array, bool], offset: int, size: Any, stride: Any, *_: Any) -> StoredTensor:
    """Return the view of a storage that a tensor is; raise ValueError for one that leaves it."""
    (values, half), shape, steps = storage, tuple(size), tuple(stride)
    if len(shape) != len(steps) or min((offset, *shape, *steps)) < 0:
        raise ValueError(f"a tensor of shape {shape} with strides {steps}")
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if 0 not in shape and last >= len(values):
        raise ValueError(f"a tensor of shape {shape} with strides {steps} leaves its {len(values)} numbers")
    start = values[min(offset, len(values)) :]
    strides = tuple(step * values.itemsize for step in steps)
    return StoredTensor(np.lib.stride_tricks.as_strided(start, shape, strides, writeable=False), half)


def _parameter(tensor: StoredTensor, *_: Any) -> StoredTensor:
    return tensor


def _ordered(items: Any = ()) -> dict[Any, Any]:
    """Return a dict, which keeps its order; of keys that are text, since others may have a hash that never ends."""
    pairs = [tuple(item) for item in items]
    if any(len(pair) != 2 or not isinstance(pair[0], str) for pair in pairs):
        raise ValueError("an OrderedDict of others than pairs of text and value")
    return dict(pairs)


CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _ordered,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
"""What a pickle may call, by the name that it has there."""
MARK = object()
IGNORED = ("PROTO", "FRAME", "STOP")
PUSHED = ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
MADE: dict[str, Callable[[], Any]] = {
    "MARK": lambda: MARK,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""Instructions of a pickle: without effect here, constants, empty values, and tuples of the last values."""
