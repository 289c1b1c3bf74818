"""Compiled kernels are cached for exactly the functions they are made of, and compute in one precision."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hypr_neuro
from hypr_neuro import sim
from hypr_neuro.numbers import kernel_cache
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.kernel_cache import cache_folder, prune

PARTS = """
from typing import NamedTuple

from hypr_neuro.numbers.fixed_point import sat
from hypr_neuro.numbers.jit import jitable

STEP = 3
UNUSED = 5

class Pair(NamedTuple):
    first: int
    second: int

class Mixed(NamedTuple):
    number: float
    count: int

@jitable
def limited(x):
    '''Within the range of eight bits.'''
    return sat(x, 8) + STEP
"""
CODE = """
import json
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.neurons import MODELS
from parts import Mixed, Pair, limited

def step_of(name):
    step = MODELS[name].fixed_step

    def kernel(s, z, I, p):
        return step(s, z, I, p)[0]

    return compile_kernel(kernel)

def of_parts(x):
    return limited(x)

def of_pair(pairs):
    return pairs[0].first

def of_mixed(mixed):
    return mixed.count

kernels = {
    "parts": (compile_kernel(of_parts), (1000,)),
    "pair": (compile_kernel(of_pair), ((Pair(first=30, second=4), 1.0),)),
    "mixed": (compile_kernel(of_mixed), (Mixed(number=0.5, count=30),)),
}
for name in ("lif", "alif"):
    model = MODELS[name]
    numbers = tuple(range(1, 1 + len(model.fixed_per_neuron) + len(model.fixed_constants)))
    kernels[name] = step_of(name), ((9,) * model.d, 1, (7,) * model.currents, numbers)
results = {name: kernel(*arguments) for name, (kernel, arguments) in kernels.items()}
compiled = [name for name, (kernel, _) in kernels.items() if kernel.stats.cache_misses]
assert all(bool(kernel.stats.cache_hits) != bool(kernel.stats.cache_misses) for kernel, _ in kernels.values())
print(json.dumps([results, compiled]))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, with the simulator where an installation has it."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(hypr_neuro.__file__).parent, tmp_path / "hypr_neuro", ignore=ignore)
    shutil.copytree(next(iter(sim.__path__)), tmp_path / "hypr_neuro" / "sim", ignore=ignore)
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "script.py").write_text(CODE)
    return tmp_path


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def run(folder: Path) -> str:
    """What the script prints with the copied package and a cache beside it."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "HYPR_NEURO_CACHE": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, str(folder / "script.py")],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def outcome(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What each kernel of the script returns, and which ones were compiled and not found in the cache."""
    results, compiled = json.loads(run(folder))
    return results, compiled


EVERY = ["parts", "pair", "mixed", "lif", "alif"]
SATURATING = ["parts", "lif", "alif"]
EDITS = [
    ("hypr_neuro/neurons/lif.py", "reset = z_prev * (vth", "reset = 2 * z_prev * (vth", ["lif"], ["lif"]),
    # two levels down; LIF's numbers here stay within the range
    ("hypr_neuro/numbers/fixed_point.py", "-top), top)", "-top), top - 1)", SATURATING, ["parts", "alif"]),
    ("parts.py", "STEP = 3", "STEP = 4", ["parts"], ["parts"]),
    # fields of arguments, of which the kernel itself names no class
    ("parts.py", "first: int\n    second: int", "second: int\n    first: int", ["pair"], []),
    ("parts.py", "number: float\n    count: int", "count: int\n    number: float", ["mixed"], []),
    # the compiler's extension, its results unchanged
    ("hypr_neuro/numbers/lanes.py", "value.type.width > bits", "value.type.width >= bits + 1", EVERY, []),
]
"""File, text, new text, the kernels that are compiled anew, and those of them that give another result."""
EDITS_OF_NOTHING = [
    ("parts.py", "UNUSED = 5", "UNUSED = 6\n# a comment that moves what follows"),
    ("parts.py", "Within the range of eight bits.", "In eight bits."),
    ("hypr_neuro/neurons/lif.py", "@jitable", "# a comment\n\n\n@jitable"),
    ("hypr_neuro/errors.py", '"""Exceptions', '"""All exceptions'),
    ("hypr_neuro/numbers/lanes.py", "import operator", "import operator  # for the table below"),
]


def test_an_edit_compiles_anew_what_it_concerns_and_nothing_else(copy: Path) -> None:
    """numba's own cache would go on with the old code: it watches the kernel's file, not those it calls."""
    before, compiled = outcome(copy)
    assert (before["parts"], compiled) == (130, EVERY)
    for file, old, new in EDITS_OF_NOTHING:
        edit(copy, file, old, new)
    assert outcome(copy) == (before, [])
    for file, old, new, concerned, changed in EDITS:
        edit(copy, file, old, new)
        after, compiled = outcome(copy)
        assert compiled == concerned, file
        assert [kernel for kernel in EVERY if after[kernel] != before[kernel]] == changed, file
        before = after


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "kernels"


# --- files


def test_kernels_are_loaded_from_a_folder_for_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError

    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    made(3)(2)
    kernel, other = made(3), made(5)
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(type(kernel._cache._cache_file), "_open_for_write", refuse)
    assert (kernel(2), other(2)) == (6, 10)
    assert kernel.stats.cache_hits
    assert len(list(tmp_path.rglob("*.nbc"))) == 1


def flipped(content: bytes) -> bytes:
    """One bit of the machine code another one: pickle reads it as before."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "cut off": lambda content: content[:100],
    "empty": lambda content: b"",
    "of something else": lambda content: b"\xff garbage" * 50,
    "with a bit flipped": flipped,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_and_stored_anew(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    made(3)(2)
    (path,) = tmp_path.rglob("*.nbc")
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    kernel, after = made(3), made(3)
    assert (kernel(2), after(2)) == (6, 6)
    assert [bool(k.stats.cache_misses) for k in (kernel, after)] == [True, False]


def test_a_damaged_file_in_a_folder_for_reading_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError

    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    made(3)(2)
    (path,) = tmp_path.rglob("*.nbc")
    path.write_bytes(b"")
    kernel = made(3)
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(type(kernel._cache._cache_file), "_open_for_write", refuse)
    assert kernel(2) == 6


def test_kernels_long_unused_and_the_oldest_of_too_many_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, day = 1e9, 86400
    for age, name in ((0, "new.nbc"), (29, "used.nbc"), (31, "unused.nbc"), (31, "old/index.nbi"), (31, "other.txt")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(10))
        os.utime(path, (now - age * day, now - age * day))
    prune(tmp_path, now)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.nbc", "other.txt", "used.nbc"]
    monkeypatch.setattr(kernel_cache, "LARGEST_CACHE", 15)
    prune(tmp_path, now)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.nbc", "other.txt"]


def test_a_kernel_that_is_loaded_counts_as_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    made(3)(2)
    (path,) = tmp_path.rglob("*.nbc")
    os.utime(path, (1e9, 1e9))
    made(3)(2)
    assert path.stat().st_mtime > 1.1e9


def test_recompiling_does_not_take_the_stored_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    kernel = made(3)
    kernel(2)
    kernel._cache.flush()
    assert not list(tmp_path.rglob("*.nbc"))


TWICE = """
import json
import numpy as np
from hypr_neuro.run.forward import LayerArrays
from hypr_neuro.run.layer_kernels import s_stage
from hypr_neuro.numbers.kernel_cache import cache_folder
from hypr_neuro.graph.network import Network
from hypr_neuro.train.engine import LayerEngine
from hypr_neuro.train.kernels import p_stage
from hypr_neuro.train.rules import get_rule

net = Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": "lif", "size": 3}], "readout": {}}, 0)
engine = LayerEngine(LayerArrays(net.layers[0], np.float32), 1, get_rule("hypr"))
engine.forward(np.ones((4, 1, 2), np.float32))
engine.backward(np.ones((4, 3), np.float32), None)
kernels = s_stage("lif", "float32"), p_stage("lif", "float32", False, False, False)
print(json.dumps({
    "hits": [sum(k.stats.cache_hits.values()) for k in kernels],
    "misses": [sum(k.stats.cache_misses.values()) for k in kernels],
    "files": sorted(str(p) for p in cache_folder().rglob("*.nb?")),
    "bias": engine.gradient.bias.tolist(),
}))
"""


def test_a_second_process_finds_the_kernels_of_the_first(copy: Path) -> None:
    (copy / "script.py").write_text(TWICE)
    first, second = (json.loads(run(copy)) for _ in range(2))
    assert (first["hits"], first["misses"]) == ([0, 0], [1, 1])
    assert (second["hits"], second["misses"]) == ([1, 1], [0, 0])
    assert second["files"] == first["files"] != []
    assert second["bias"] == first["bias"]
    assert any(second["bias"])


def made(factor: int) -> Callable[[int], int]:
    """A kernel of which there is one for each model, here each factor."""

    def kernel(x):
        return x * factor

    return compile_kernel(kernel)


def test_kernels_compiled_by_two_processes_at_once_do_not_share_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are their symbols called alike: numba would number the first kernel of each process 1."""
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path))
    for factor in (3, 5):
        assert made(factor)(2) == 2 * factor
    assert len(list(tmp_path.rglob("*.nbc"))) == 2
    for order in ((3, 5), (5, 3)):
        kernels = [made(factor) for factor in order]
        assert [kernel(2) for kernel in kernels] == [2 * factor for factor in order]
        assert all(kernel.stats.cache_hits for kernel in kernels)
        names = {found.fndesc.qualname for kernel in kernels for found in kernel.overloads.values()}
        assert len(names) == 2
