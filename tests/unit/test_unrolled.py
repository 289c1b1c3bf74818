"""Functions made for their size: what they compute, what of them is stable from process to process."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.numbers import unrolled
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import single_precision, tagged_functions
from hypr_neuro.numbers.unrolled import ADD, DOT, FLUSH, HEAD, LOAD, MAD, MATT, PICK, PUT, ROWS, STORE

SIZES = [(1, 1), (2, 3), (4, 6), (5, 7), (9, 2), (3, 0)]
"""States and parameters, also none of the latter."""


@pytest.mark.parametrize(("d", "m"), SIZES)
def test_products_are_those_of_matrices(d: int, m: int) -> None:
    rng = np.random.default_rng(d)
    A, P, (a, b, r), E = rng.random((d, d)), rng.random((m, d)), rng.random((3, d)), rng.random(m)
    assert DOT[d](a, b) == pytest.approx(a @ b)
    np.testing.assert_allclose(MAD[d](a, b, 0.3), a + 0.3 * b)
    np.testing.assert_allclose(MATT[d](A, r), A.T @ r)
    np.testing.assert_allclose(ROWS[m, d](P, r, E, 0.7), P @ r + 0.7 * E)
    assert FLUSH[d]((1e-31,) * d) == (0.0,) * d
    assert FLUSH[d](tuple(a)) == tuple(a)


@pytest.mark.parametrize("k", [0, 1, 5, 20])
def test_columns_are_read_and_written(k: int) -> None:
    columns = np.arange(3.0 * k).reshape(k, 3)
    assert LOAD[k](columns, 1) == tuple(columns[:, 1])
    assert PICK[k](tuple(columns), 2) == tuple(columns[:, 2])
    assert HEAD[k](np.arange(30)) == tuple(range(k))
    written, expected, values = np.zeros((k, 3)), np.zeros((k, 3)), tuple(range(5, 5 + k))
    STORE[k](written, 0, values)
    PUT[k](tuple(written), 2, values)
    ADD[k](written, 2, values)
    expected[:, 0], expected[:, 2] = values, 2 * np.array(values)
    np.testing.assert_array_equal(written, expected)


def test_compiled_and_in_single_precision_they_compute_the_same() -> None:
    load, rows, store = LOAD[5], ROWS[7, 5], STORE[7]

    def kernel(state, out):
        for i in range(state.shape[1]):
            s = load(state, i)
            store(out, i, rows((s, s, s, s, s, s, s), s, s + s, s[0]))

    state = np.random.default_rng(0).random((5, 6))
    for precision in ("float64", "float32"):
        number = np.dtype(precision).type
        out = np.zeros((7, 6), number)
        compile_kernel(kernel, precision)(state.astype(number), out)
        for j in range(7):
            expected = (state**2).sum(axis=0) + state[j % 5] * state[0]
            np.testing.assert_allclose(out[j], expected, rtol=1e-6)
    assert single_precision(FLUSH[5]) is single_precision(FLUSH[5])


def test_a_size_has_one_function_under_its_own_name_and_shows_its_source() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: MATT[11], range(64)))
    assert set(made) == {unrolled.matt11}  # made when asked for
    assert made[0] in tagged_functions()
    assert made[0].__module__ == unrolled.__name__
    assert inspect.getsource(DOT[3]) == "def dot3(a, b):\n    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]\n"
    assert inspect.getsource(ROWS[2, 12]).startswith("def rows2x12(")


KERNEL = """
import sys
import numpy as np
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.unrolled import LOAD, DOT

def make(d):
    load, dot = LOAD[d], DOT[d]
    def kernel(a):
        return dot(load(a, 0), load(a, 0))
    return compile_kernel(kernel)

for d in map(int, sys.argv[1:]):
    kernel = make(d)
    assert kernel(np.full((9, 1), 2.0)) == 4.0 * d
    print(sum(kernel.stats.cache_hits.values()), end=" ")
"""


def test_kernels_of_every_size_are_found_in_the_disk_cache(tmp_path: Path) -> None:
    (tmp_path / "sizes.py").write_text(KERNEL)

    def run(*sizes: int) -> str:
        command = [sys.executable, str(tmp_path / "sizes.py"), *map(str, sizes)]
        environment = os.environ | {"HYPR_NEURO_CACHE": str(tmp_path / "cache")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert run(5, 7) == "0 0 "
    assert run(7, 5, 9) == "1 1 0 "
