"""Every module name of version 0.1 still imports, warns, and gives the very module of today's name."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import hypr_neuro as hn
from hypr_neuro.renamed import PACKAGE, RENAMED, today

NEED_LAVA = ("compilers.lava.learning", "compilers.lava.integer")


IN_A_CHILD = """
import sys, warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
new = import_module(sys.argv[2])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert import_module(sys.argv[1]) is new
assert any(f"is now '{sys.argv[2]}'" in str(w.message) for w in caught), caught
"""


@pytest.mark.parametrize("old", [name for name in RENAMED if name.startswith(NEED_LAVA)])
def test_an_old_name_of_a_lava_module_is_the_module_of_today(old: str) -> None:
    """In a process of its own: Lava sets the start method of child processes, once, for the whole process."""
    if sys.version_info >= (3, 11):
        pytest.skip("needs Lava, which exists for Python 3.10 only")
    command = [sys.executable, "-c", IN_A_CHILD, f"{PACKAGE}.{old}", f"{PACKAGE}.{RENAMED[old]}"]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("old", [name for name in RENAMED if not name.startswith(NEED_LAVA)])
def test_an_old_name_is_the_module_of_today(old: str) -> None:
    new = import_module(f"{PACKAGE}.{RENAMED[old]}")
    own = (new.__name__, new.__spec__)
    sys.modules.pop(f"{PACKAGE}.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"'{PACKAGE}.{old}' is now '{new.__name__}'"):
        found = import_module(f"{PACKAGE}.{old}")
    assert found is new
    assert (new.__name__, new.__spec__) == own


def test_no_module_of_version_0_1_is_lost() -> None:
    """Against a list made then: a loop over today's table would not miss what is missing in it."""
    names = (Path(__file__).parents[1] / "golden" / "module_names_0_1.txt").read_text(encoding="utf-8").split()
    lost = [name for name in names if find_spec(today(name) or name) is None]
    assert len(names) > 200
    assert not lost


@pytest.mark.parametrize(
    ("name", "today"),
    [
        ("testing.random_network", "testing.networks"),
        ("compilers.lava.learning.check_learning", "compilers.lava.learning.network"),
    ],
)
def test_names_of_a_module_that_became_a_package_stay(name: str, today: str) -> None:
    module, _, attribute = name.rpartition(".")
    package = import_module(f"{PACKAGE}.{module}")
    with pytest.warns(DeprecationWarning, match=f"'{PACKAGE}.{name}' is now"):
        found = getattr(package, attribute)
    assert found.__module__ == f"{PACKAGE}.{today}"


def test_modules_of_a_renamed_package_come_along() -> None:
    assert today("hypr_neuro.nir_io.read") == "hypr_neuro.exchange.nir.read"
    with pytest.warns(DeprecationWarning, match="is now"):
        found = import_module("hypr_neuro.nir_io.read")
    assert found is import_module("hypr_neuro.exchange.nir.read")


def test_other_names_are_left_alone() -> None:
    assert today("hypr_neuro.nothing") is None
    assert today("numpy.core") is None
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        import_module("hypr_neuro.nothing")


def test_the_plan_of_learning_in_c_is_the_plan_of_learning() -> None:
    from hypr_neuro.sim.learning.plan import LearningPlan

    limits = import_module("hypr_neuro.compilers.c.learning.limits")
    with pytest.warns(DeprecationWarning, match=r"'Plan' is now hypr_neuro\.sim\.learning\.plan\.LearningPlan"):
        assert limits.Plan is LearningPlan
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = limits.nothing


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("compilers.c.plan", "Delivery", "DelayedWeights"),
        ("compilers.c.plan", "Dense", "DenseTable"),
        ("compilers.c.plan", "Line", "RingBuffer"),
        ("compilers.c.plan", "Sparse", "SparseTable"),
        ("compilers.lava.read_ports", "Link", "PortLink"),
        ("sim.delivery", "Rows", "DenseWeights"),
        ("sim.delivery", "Sparse", "SparseWeights"),
        ("sim.history", "Line", "SourceHistory"),
    ],
)
def test_an_old_class_name_is_the_class_of_today(module: str, old: str, new: str) -> None:
    home = import_module(f"{PACKAGE}.{module}")
    with pytest.warns(DeprecationWarning, match=f"{module}.{old}' is now '{new}'"):
        assert getattr(home, old) is getattr(home, new)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = home.nothing


@pytest.mark.parametrize("name", sorted(set(RENAMED) & set(hn.__all__)))
def test_an_old_module_name_hides_no_public_function(name: str) -> None:
    sys.modules.pop(f"{PACKAGE}.{name}", None)
    with pytest.warns(DeprecationWarning, match="is now"):
        import_module(f"{PACKAGE}.{name}")
    assert not isinstance(getattr(hn, name), ModuleType)
