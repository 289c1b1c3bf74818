"""Loihi's weight grids against Lava's own functions, over all values around the limits and all widths."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_lava
from scipy.sparse import csr_array, csr_matrix

from hypr_neuro.errors import InputError
from hypr_neuro.graph.loihi_weights import BIAS_EXPONENT, BIAS_MANTISSA, SIGN_MODES, bias, on_grid

LAVA: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "lava_oracle.py"))
VALUES = np.arange(-300, 301).reshape(1, -1)
BITS = list(range(1, 9))

# what Lava gives: {mode: (clipped, {num_weight_bits: weights})}
SAMPLE = (-300, -257, -256, -255, -129, -128, -127, -3, -2, -1, 0, 1, 2, 3, 127, 128, 129, 254, 255, 256, 300)
TABLE = {
    "mixed": (
        4,
        {
            8: (-256, -256, -256, -256, -130, -128, -128, -4, -2, -2, 0, 0, 2, 2, 126, 128, 128, 254, 254, 254, 254),
            6: (-256, -256, -256, -256, -136, -128, -128, -8, -8, -8, 0, 0, 0, 0, 120, 128, 128, 248, 248, 248, 248),
            1: (-256, -256, -256, -256, -256, -256, -256, -256, -256, -256, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        },
    ),
    "excitatory": (
        12,
        {
            8: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 127, 128, 129, 254, 255, 255, 255),
            6: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 124, 128, 128, 252, 252, 252, 252),
            1: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 128, 128, 128, 128, 128),
        },
    ),
    "inhibitory": (
        13,
        {
            8: (-255, -255, -255, -255, -129, -128, -127, -3, -2, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
            6: (-252, -252, -252, -252, -128, -128, -124, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
            1: (-128, -128, -128, -128, -128, -128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        },
    ),
}
TABLE["null"] = TABLE["excitatory"]


@pytest.mark.parametrize("bits", [8, 6, 1])
@pytest.mark.parametrize("mode", TABLE)
def test_stored_values_of_lava(mode: str, bits: int) -> None:
    clipped, table = TABLE[mode]
    found, count = on_grid(np.array(SAMPLE), mode, bits)
    assert found.tolist() == list(table[bits])
    assert found.dtype == np.int32
    assert count == clipped


@needs_lava
def test_every_value_and_width_as_lava(tmp_path: Path) -> None:
    theirs = LAVA["weights"](tmp_path, VALUES, list(SIGN_MODES), BITS)
    assert len(theirs) == len(SIGN_MODES) * len(BITS) * 2
    for mode in SIGN_MODES:
        for bits in BITS:
            dense, count = on_grid(VALUES, mode, bits)
            assert np.array_equal(dense, theirs[f"{mode}/{bits}/dense"]), (mode, bits)
            low, high = SIGN_MODES[mode]
            assert count == sum(not low <= v <= high for v in VALUES[0])
            sparse, count_sparse = on_grid(csr_array(VALUES), mode, bits)
            assert np.array_equal(sparse.toarray(), theirs[f"{mode}/{bits}/sparse"]), (mode, bits)
            assert count_sparse == count


@needs_lava
def test_every_bias_as_lava(tmp_path: Path) -> None:
    mantissa = np.repeat(np.arange(BIAS_MANTISSA[0], BIAS_MANTISSA[1] + 1), 8)
    exponent = np.tile(np.arange(8), mantissa.size // 8)
    assert np.array_equal(bias(mantissa, exponent), LAVA["biases"](tmp_path, mantissa, exponent))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("mode", SIGN_MODES)
def test_what_is_on_the_grid_stays(mode: str, bits: int) -> None:
    once, _ = on_grid(VALUES, mode, bits)
    again, clipped = on_grid(once, mode, bits)
    assert np.array_equal(again, once)
    assert clipped == 0
    # the most negative code of b bits in mixed mode included
    assert len(np.unique(once)) == 1 << bits


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("mode", SIGN_MODES)
def test_the_type_of_the_integers_does_not_matter(mode: str, dtype: type) -> None:
    ends = np.iinfo(dtype)
    values = np.array([ends.min, *range(max(ends.min, -300), min(ends.max, 300) + 1), ends.max], dtype)
    low, high = SIGN_MODES[mode]
    wide = [min(max(int(v), low), high) for v in values]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, clipped = on_grid(values, mode)
    assert found.tolist() == on_grid(np.array(wide), mode)[0].tolist()
    assert clipped == sum(int(v) != w for v, w in zip(values, wide, strict=True))


@pytest.mark.parametrize("form", [csr_array, csr_matrix])
def test_sparse_weights_keep_their_pattern_and_their_type(form: type) -> None:
    given = form(np.array([[300, 0, 1], [0, -300, 0]]))
    found, clipped = on_grid(given, "mixed")
    assert type(found) is form
    assert found.toarray().tolist() == [[254, 0, 0], [0, -256, 0]]
    assert found.nnz == 3, "a weight that becomes 0 stays stored, so that delays keep fitting"
    assert clipped == 2
    found.indices[0] = 2
    assert given.toarray().tolist() == [[300, 0, 1], [0, -300, 0]], "the given weights are not changed"


def test_wrong_arguments_are_named() -> None:
    ones = np.ones((2, 2), int)
    with pytest.raises(InputError, match=r"sign mode 'both'.*, known: mixed, excitatory, inhibitory, null"):
        on_grid(ones, "both")
    for width in (0, 9):
        with pytest.raises(InputError, match=rf"num_weight_bits = {width}, rule: 1\.\.8"):
            on_grid(ones, "mixed", width)
    for kind in (float, bool):
        with pytest.raises(InputError, match=r"weights of type .*, rule: integers; round them first"):
            on_grid(ones.astype(kind), "mixed")
    with pytest.raises(InputError, match="sparse weights in format 'csc', rule: CSR"):
        on_grid(csr_array(ones).tocsc(), "mixed")
    twice = csr_array((np.array([200, 200]), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    with pytest.raises(InputError, match="without repeated entries"):
        on_grid(twice, "mixed")


def test_bias_is_mantissa_and_exponent() -> None:
    assert bias([3, -4096, 4095], [0, 7, 7]).tolist() == [3, -524288, 524160]
    assert bias(5, [0, 1]).tolist() == [5, 10]
    assert bias(5, 2) == 20
    assert BIAS_EXPONENT == (0, 7)


@pytest.mark.parametrize(("mantissa", "exponent"), [(4096, 0), (-4097, 0), (1, 8), (1, -1), (1.5, 0), (1, 0.0)])
def test_a_bias_outside_loihis_range_is_named(mantissa: float, exponent: float) -> None:
    with pytest.raises(InputError, match=r"bias (mantissa|exponent) .*, rule: integers (-4096\.\.4095|0\.\.7)"):
        bias(mantissa, exponent)
