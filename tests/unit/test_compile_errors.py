"""Step functions that the compiler cannot take: one line with function, file, line, construct and reason."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.neurons import MODELS
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.run.forward import readout

STEP = "def float_step(s, z_prev, I, p):\n    {code}\n    return (s[0] + I[0],), 0.0\n"
PLACED = {
    "format": ("x = f'{s[0]:.3f}'", "format spec in f-strings not supported yet"),
    "numpy": ("x = np.einsum('i->', np.array(s))", "unsupported NumPy function 'numpy.einsum'"),
    "count": ("a, b, c = p", "wrong tuple length for p: .*expected 3, got 1"),
    "types": ("x = s[0] + 'a'", r"No implementation of function .*add.* found for signature: add\(float64, "),
}
"""Code, and the reason that stands behind its place."""
UNPLACED = {
    "context": ("with open('x') as file:\n        pass", r"The 'with .*' construct is not supported"),
    "name": ("x = np.nothing(s[0])", "module 'numpy' has no attribute 'nothing'"),
}
"""Code of which the compiler does not say where it is."""


def step_of(folder: Path, code: str) -> Any:
    """Return a step function of a file that holds this code in line 4."""
    path = folder / "sick.py"
    path.write_text("import numpy as np\n\n" + STEP.format(code=code), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("sick", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return jitable(module.float_step)


def kernel_of(step: Any) -> Any:
    def kernel(x: Any) -> Any:
        return step((x[0],), x[1], (x[2],), (x[3],))[0][0]

    return compile_kernel(kernel)


def refusal(folder: Path, code: str) -> str:
    with pytest.raises(InputError) as caught:
        kernel_of(step_of(folder, code))(np.ones(4))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("calls abs, sqrt, min, max and tagged functions (CONTRIBUTING.md)")
    return str(caught.value)


@pytest.mark.parametrize("case", PLACED)
def test_function_line_construct_and_reason_are_named(case: str, tmp_path: Path) -> None:
    code, reason = PLACED[case]
    found = refusal(tmp_path, code)
    assert found.startswith(f"float_step ({tmp_path / 'sick.py'}:4), `{code}`: ")
    assert re.search(reason, found), found


@pytest.mark.parametrize("case", UNPLACED)
def test_without_a_place_the_kernels_own_functions_are_named(case: str, tmp_path: Path) -> None:
    code, reason = UNPLACED[case]
    found = refusal(tmp_path, code)
    assert found.startswith(f"one of float_step ({tmp_path / 'sick.py'}): ")
    assert re.search(reason, found), found


def test_a_function_that_is_not_tagged_is_named() -> None:
    def helper(x: Any) -> Any:
        return x

    def step(s: Any, z_prev: Any, I: Any, p: Any) -> Any:
        return (helper(s[0]),), 0.0

    with pytest.raises(InputError, match=r"names the function .*helper, which is not tagged: .*put @jitable before it"):
        kernel_of(jitable(step))


def test_a_network_of_such_a_neuron_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32, too, where the compiler sees a twin of the function."""
    sick = replace(MODELS["lif"], name="sick", float_step=step_of(tmp_path, "a, b = p"))
    monkeypatch.setitem(MODELS, "sick", sick)
    net = hn.Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": "sick", "size": 3}]}, 0)
    for dtype in (np.float32, np.float64):
        with pytest.raises(InputError, match=r"^float_step \(.*sick\.py:4\), `a, b = p`: .*expected 2, got "):
            readout(net, np.ones((1, 5, 2)), dtype=dtype)


def test_an_error_of_a_kernel_that_runs_is_its_own(tmp_path: Path) -> None:
    assert kernel_of(step_of(tmp_path, "x = 1.0"))(np.ones(4)) == 2.0
