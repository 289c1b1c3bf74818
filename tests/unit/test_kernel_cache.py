"""Compiled kernels are cached for exactly the functions they are made of, and compute in one precision."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum
from fractions import Fraction
from functools import partial
from math import exp, log
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np
import pytest

import hypr_neuro
from hypr_neuro import sim
from hypr_neuro.neurons import MODELS
from hypr_neuro.numbers import kernel_cache, lanes, surrogates
from hypr_neuro.numbers.compiling import compile_kernel, prepare
from hypr_neuro.numbers.jit import jitable, single_precision, tagged_functions
from hypr_neuro.numbers.kernel_cache import cache_folder, kernel_digest, prune
from hypr_neuro.run.forward import s_stage
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.kernels import p_stage
from hypr_neuro.train.rules import RULES

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
    environment = os.environ | {"PYTHONPATH": str(folder), "HYPR_NEURO_CACHE": str(folder / "cache"),
                                "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    done = subprocess.run([sys.executable, str(folder / "script.py")], cwd=folder, env=environment, text=True,
                          capture_output=True, check=False, timeout=300)  # fmt: skip
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


# --- what a digest counts


def kernel_of(value: Any) -> Callable:
    def kernel(x):
        return x, value

    return kernel


def digest(function: Callable, options: Any = (), modules: tuple[ModuleType, ...] = ()) -> str:
    return kernel_digest(
        function, options, modules, lambda f: f in tagged_functions() or f.__module__ == lanes.__name__
    )


@jitable
def scaled(x: Any, by: int = 2) -> Any:
    return x * by


@jitable
def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


@jitable
def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


class Colour(IntEnum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    a: int
    b: int


PLAIN = [
    None,
    1,
    2,
    True,
    1.0,
    0.0,
    -0.0,
    "1",
    "a",
    b"a",
    (1, 2),
    (1, (2,)),
    [1, 2],
    ("12",),
    (),
    Pair(1, 2),
    Pair(2, 1),
]
KEYED = [{"a": 1}, {"a": 2}, {"b": 1}, {1, 2}, {1, 3}, Colour.RED, Colour.BLUE]
TYPES = [np.int32, np.uintp, np.dtype("i4"), np.dtype("i8"), numba.int32, numba.int64, Colour, Pair, float]
SCALARS = [np.int32(1), np.int64(1), np.float32(1)]
ARRAYS = [
    np.arange(3),
    np.arange(1, 4),
    np.arange(3, dtype=np.int32),
    np.repeat(np.arange(3), 2)[::2],
    np.arange(6).reshape(2, 3),
    np.arange(6).reshape(3, 2),
    np.arange(6).reshape(2, 3, order="F"),
]
FUNCTIONS_OF_LIBRARIES = [np.zeros, np.add, min, max, log, exp, np, math]
OWN_FUNCTIONS = [lanes.lane16, lanes.lane32, scaled, even, odd, surrogates.exp_neg]
VALUES = [*PLAIN, *KEYED, *TYPES, *SCALARS, *ARRAYS, *FUNCTIONS_OF_LIBRARIES, *OWN_FUNCTIONS]


def compiled_functions() -> list[Any]:
    plain, disjoint = compile_kernel(scaled), compile_kernel(scaled, disjoint=True)
    return [single_precision(surrogates.exp_neg), plain, disjoint, numba.njit(scaled)]


def test_each_value_gives_a_digest_of_its_own() -> None:
    known = {*tagged_functions(), single_precision(surrogates.exp_neg), lanes.lane16, lanes.lane32}
    values = VALUES + compiled_functions()
    found = [kernel_digest(kernel_of(value), (), (), known.__contains__) for value in values]
    assert found == [kernel_digest(kernel_of(value), (), (), known.__contains__) for value in values]
    same = [(values[i], values[j]) for j in range(len(found)) for i in range(j) if found[i] == found[j]]
    assert not same


def test_a_set_counts_without_its_order() -> None:
    assert digest(kernel_of({"a", "b"})) == digest(kernel_of({"b", "a"}))


@pytest.mark.parametrize("value", [object(), np.array([None]), Fraction(1, 2), partial(scaled, by=3), [].append, Path])
def test_what_has_no_digest_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"kernel_of.<locals>.kernel names .*could not be told from another's; use "):
        digest(kernel_of(value))


def test_a_function_that_is_not_tagged_is_refused() -> None:
    with pytest.raises(TypeError, match=r"names the function .*kernel_of, which is not tagged.*put @jitable before it"):
        digest(kernel_of((1, kernel_of)))


def variant(text: str, **names: Any) -> str:
    """Digest of the function f of this source."""
    space = {"__name__": "variant", "scaled": scaled, "np": np, **names}
    exec(text, space)
    return digest(space["f"])


BASE = "def f(x, n=1):\n    y = scaled(x) + A\n    return [y * 2 + i for i in range(n)]"


@pytest.mark.parametrize(
    ("old", "new"),
    [("* 2", "* 3"), ("* 2", "* 2.0"), ("n=1", "n=2"), ("n=1", "*, n=1"), ("+ i", "- i"), ("range", "list"), ("A", "B"),
     ("scaled(x)", "x"), ("scaled(x)", "scaled(x, 2)")],
)  # fmt: skip
def test_an_edit_inside_changes_the_digest(old: str, new: str) -> None:
    assert old in BASE
    assert variant(BASE.replace(old, new), A=1, B=1) != variant(BASE, A=1, B=1)


def test_globals_count_where_they_are_read() -> None:
    assert variant(BASE, A=1) != variant(BASE, A=2)
    assert variant(BASE, A=1, B=1) == variant(BASE, A=1, B=2)
    inside = "def f(x):\n    def g(y):\n        return y + A\n    return g(x)"
    assert variant(inside, A=1) != variant(inside, A=2)


def test_attributes_of_modules_count() -> None:
    def module(step: int) -> ModuleType:
        made = ModuleType("parts")
        made.__dict__.update(STEP=step, UNUSED=step)
        return made

    text = "def f(x):\n    return x + parts.{}"
    assert variant(text.format("STEP"), parts=module(1)) != variant(text.format("STEP"), parts=module(2))
    assert variant(text.format("OTHER"), parts=module(1)) == variant(text.format("OTHER"), parts=module(2))


def test_every_reader_of_a_module_counts() -> None:
    def with_step(step: int) -> str:
        parts = ModuleType("parts")
        parts.__dict__.update(FIRST=0, STEP=step)
        space = {"__name__": "variant", "parts": parts}
        exec("def stepped(x):\n    return x + parts.STEP", space)
        return variant("def f(x):\n    return parts.FIRST + stepped(x)", parts=parts, stepped=jitable(space["stepped"]))

    assert with_step(1) != with_step(2)


@pytest.mark.parametrize(
    "text",
    [BASE.replace("    y =", "    'A docstring.'\n    y ="), "# a comment\n\n" + BASE, BASE.replace("n=1", "n: int=1")],
)
def test_comments_docstrings_and_annotations_do_not_count(text: str) -> None:
    assert text != BASE
    assert variant("from __future__ import annotations\n" + text, A=1) == variant(
        "from __future__ import annotations\n" + BASE, A=1
    )


def test_a_text_that_is_docstring_and_value_counts() -> None:
    text = "def f(x):\n    'one'\n    return 'one'"
    assert variant(text) != variant(text.replace("one", "two"))


def test_options_versions_and_extensions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    base = digest(kernel_of(1))
    assert digest(kernel_of(1), ("disjoint",)) != base
    assert digest(kernel_of(1), (), (lanes,)) != base
    for where, name in ((numba, "__version__"), (np, "__version__"), (llvmlite, "__version__"), (numba.config, "OPT")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, "another")
            assert digest(kernel_of(1)) != base
    assert digest(kernel_of(1)) == base


# --- files


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path / "file"))
    assert made(3)(2) == 6


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


# --- 32 bits all the way

SCALAR = ("exp_neg", "slayer", "double_gaussian")
FUNCTIONS = [pytest.param(getattr(surrogates, name), None, id=name) for name in SCALAR] + [
    pytest.param(getattr(model, kind), name, id=f"{name}.{kind}")
    for name, model in MODELS.items()
    for kind in ("float_step", "float_psi_arg", "float_jacobian", "float_spike_jacobian")
    if model.has_float and getattr(model, kind) is not None
]


def arguments(function: Callable, model: str | None, number: Any) -> list[Any]:
    """numba types of the function's arguments, every number a `number`."""
    record = MODELS.get(model or "")
    counts = {} if record is None else {
        "s": record.d, "s_prev": record.d, "I": 1, "p": record.float_count,
    }  # fmt: skip
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return [numba.types.UniTuple(number, counts[name]) if name in counts else number for name in names]


def numbers(of: Any) -> Iterator[Any]:
    """The types of the numbers in a tuple of tuples."""
    if isinstance(of, numba.types.BaseTuple):
        for entry in of:
            yield from numbers(entry)
    else:
        yield of


def compiled(function: Callable, model: str | None, number: Any) -> tuple[set[Any], str]:
    """Types that the function returns, and what numba found of its variables."""
    prepare()
    kernel = numba.njit(error_model="numpy")(function)
    kernel.compile(tuple(arguments(function, model, number)))
    (found,) = kernel.overloads.values()
    return set(numbers(found.signature.return_type)), str(found.type_annotation)


@pytest.mark.parametrize(("function", "model"), FUNCTIONS)
def test_a_twin_computes_in_32_bits(function: Callable, model: str | None) -> None:
    returned, annotation = compiled(single_precision(function), model, numba.float32)
    assert returned == {numba.float32}
    assert "float64" not in annotation


def test_the_function_itself_would_compute_in_64_bits() -> None:
    """What the twins are for, and that the test above can tell."""
    assert compiled(surrogates.exp_neg, None, numba.float32)[0] == {numba.float64}
    assert numba.float64 in compiled(MODELS["alif"].float_jacobian, "alif", numba.float32)[0]


@pytest.mark.parametrize("model", spiking_models())
def test_kernels_compute_in_the_precision_of_their_arrays(model: str) -> None:
    net, x, y = random_network(model, 1), random_spikes(1, 2, 8, 4), np.zeros(2, int)
    for dtype, other in ((np.float32, "float64"), (np.float64, "float32")):
        precision = np.dtype(dtype).name
        for name, rule in RULES.items():
            gradients(net, x, y, rule=name, dtype=dtype)
            paths = rule.own_spike, rule.recurrent
            kernels = [s_stage(model, precision), p_stage(model, precision, *paths, rule.error_feedback),
                       s_stage("li", precision), p_stage("li", precision, *paths, False)]  # fmt: skip
            for kernel in kernels:
                assert kernel.overloads
                for found in kernel.overloads.values():
                    assert other not in str(found.type_annotation)
                    assert precision in str(found.type_annotation)


def test_a_twin_is_made_once() -> None:
    before = len(tagged_functions())
    for function in (surrogates.exp_neg, surrogates.slayer, MODELS["brf"].float_jacobian):
        twin = single_precision(function)
        assert twin is single_precision(function)
        assert twin is not function
        assert twin.__qualname__ == twin.__name__ == f"{function.__name__}__float32"
        assert not any(type(c) is np.float32 for c in function.__code__.co_consts), "the function itself is unchanged"
        assert not any(type(c) is float for c in twin.__code__.co_consts)
    called = single_precision(surrogates.slayer).__globals__["exp_neg"]
    assert called is single_precision(surrogates.exp_neg)
    assert len(tagged_functions()) == before


def test_a_twin_narrows_float_literals_alone() -> None:
    def function(x: Any, inner: Callable = abs) -> Any:
        return x + 0.1, 3, True, "text", (0.2, (0.3, 4)), inner(x), called(x), plain(x)

    def plain(x: Any) -> Any:
        return 0.5

    called = surrogates.exp_neg
    x, *others = single_precision(function)(np.float32(1.0))
    assert type(x) is np.float32
    assert others[:3] == [3, True, "text"]
    assert [type(v) for v in (others[3][0], *others[3][1])] == [np.float32, np.float32, int]
    assert others[3] == (np.float32(0.2), (np.float32(0.3), 4))
    assert type(others[5]) is np.float32, "a tagged function is replaced where it is called"
    assert type(others[6]) is float, "any other is not"


def values_of(precision: str, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp_neg of each y by a compiled kernel, and by Python on numpy numbers."""
    function = surrogates.exp_neg

    def kernel(y, out):
        for i in range(len(y)):
            out[i] = function(y[i])

    out = np.empty_like(y)
    compile_kernel(kernel, precision)(y, out)
    plain = single_precision(function) if precision == "float32" else function
    return out, np.array([plain(value) for value in y], y.dtype)


@pytest.mark.parametrize(
    ("precision", "up_to", "largest"),
    [("float64", 10, 1e-14), ("float64", 30, 2e-12), ("float32", 10, 4e-6), ("float32", 30, 1.5e-5)],
)
def test_the_error_of_exp_neg(precision: str, up_to: float, largest: float) -> None:
    """The relative error grows with y: by the series' missing term in 64 bits, by rounding in 32."""
    y = np.linspace(0.0, up_to, 4001).astype(precision)
    found, plain = values_of(precision, y)
    assert found.dtype == precision
    assert np.array_equal(found, plain), "compiled or not, the same bits"
    exact = np.array([exp(-float(value)) for value in y])
    error = np.abs(found.astype(np.float64) / exact - 1.0).max()
    assert largest / 3 < error < largest
    assert found[0] == 1.0


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_exp_neg_counts_large_arguments_as_64(precision: str) -> None:
    found, _ = values_of(precision, np.array([64.0, 64.5, 1e30, np.inf, 63.0], precision))
    assert np.all(found[:4] == found[0])
    assert 0.0 < found[0] < found[4]


TWICE = """
import json
import numpy as np
from hypr_neuro.run.forward import LayerArrays, s_stage
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
