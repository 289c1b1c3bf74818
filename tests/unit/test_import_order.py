"""Imports point one way, some packages are imported in one place only, and nothing runs code from files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]

# A row imports rows above it; names of one row do not import each other.
ORDER = (
    ("errors", "renamed", "shown"),
    ("numbers",),
    ("files", "progress"),
    ("neurons",),
    ("graph",),
    ("data", "run", "profiles", "hardware_profiles"),
    ("quantizing",),
    ("traces",),
    ("exchange",),
    ("sim",),
    ("placement", "train", "bounds"),
    ("compilers",),
    ("link",),
    ("remote",),
    ("devices",),
    ("faults",),
    ("serving",),
    ("comparing",),
    ("report",),
    ("testing", "workflow"),
    ("studies",),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}

# (component, imported): the reason
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("profiles", "hardware_profiles"): "the YAML files lie there, as data",
    ("profiles", "sim"): "the errors that a profile may name are names of files; nothing of them is called",
}
MAPPED = {"sim", "compilers", "hardware_profiles"}  # folders of the repository, installed inside hypr_neuro
UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve"}
UNSAFE_YAML = {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}


def module_name(path: Path) -> str:
    """Dotted name under which a file of the repository is imported; '' for scripts and tests."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] in MAPPED:
        parts.insert(0, "hypr_neuro")
    if parts[0] != "hypr_neuro":
        return ""
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def package_files() -> list[Path]:
    return python_files("hypr_neuro", *sorted(MAPPED))


def all_files() -> list[Path]:
    return package_files() + python_files("tests", "tools", "examples", "benchmarks", "docs")


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST, with_types: bool) -> Iterator[ast.AST]:
    """Every node below; without `with_types`, the bodies of ``if TYPE_CHECKING`` are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and not with_types and is_type_checking(child.test):
            for statement in child.orelse:
                yield statement
                yield from walk(statement, with_types)
            continue
        yield child
        yield from walk(child, with_types)


def imports(tree: ast.AST, module: str, is_package: bool, with_types: bool = True) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, at any depth; ``from a import b`` gives a.b."""
    for node in walk(tree, with_types):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                up = node.level - is_package
                base = ".".join([*parents[: len(parents) - up], *([base] if base else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "import_module",
            "__import__",
            "files",
        ):
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def order_faults(source: str, module: str, is_package: bool = False) -> list[str]:
    """Imports of one module of the package that point the wrong way."""
    own = module.split(".")[1]
    faults = []
    for line, name in imports(ast.parse(source), module, is_package, with_types=False):
        if name.split(".")[0] != "hypr_neuro":
            continue
        other = name.split(".")[1] if "." in name else ""
        if other == own or (own, other) in EXCEPTIONS:
            continue
        if other not in RANK:
            faults.append(f"line {line}: {name}: inside the package, import from the module that defines the name")
        elif RANK[other] >= RANK[own]:
            faults.append(f"line {line}: {own} imports {other}, which stands beside or above it: move the shared part")
    return faults


def unsafe_calls(source: str) -> list[str]:
    """Uses of eval, of pickle in any form and of yaml loaders other than safe_load."""
    tree = ast.parse(source)
    faults = [
        f"line {line}: {name}: write HDF5, JSON or NPZ instead"
        for line, name in imports(tree, "", False)
        if name.split(".")[0] in UNSAFE_MODULES
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("eval", "builtins.eval"):
                faults.append(f"line {node.lineno}: eval: parse the text instead")
            if called.removeprefix("yaml.") in UNSAFE_YAML and called.startswith("yaml."):
                faults.append(f"line {node.lineno}: {called}: use yaml.safe_load")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            faults.append(f"line {node.value.lineno}: allow_pickle: store plain arrays")
    return faults


def listed(path: Path, faults: list[str]) -> list[str]:
    return [f"{path.relative_to(ROOT)}, {fault}" for fault in faults]


def test_every_component_has_a_rank() -> None:
    unknown = {name.split(".")[1] for name in map(module_name, package_files()) if "." in name} - RANK.keys()
    assert not unknown, f"{sorted(unknown)}: put the name into ORDER of {Path(__file__).name}, where it belongs"


def test_imports_point_one_way() -> None:
    faults = []
    for path in package_files():
        module = module_name(path)
        if "." in module and module.split(".")[1] in RANK:
            faults += listed(path, order_faults(path.read_text(), module, path.name == "__init__.py"))
    assert not faults, "\n".join(faults)


def test_lava_is_imported_in_one_folder_only() -> None:
    faults = []
    for path in package_files() + python_files("tools", "examples", "benchmarks"):
        if ROOT / "compilers" / "lava" in path.parents or path == ROOT / "benchmarks" / "lava_network.py":
            continue
        found = imports(ast.parse(path.read_text()), module_name(path), path.name == "__init__.py")
        faults += listed(path, [f"line {line}: {name}" for line, name in found if name.split(".")[0] == "lava"])
    assert not faults, "Lava is imported in compilers/lava/ alone:\n" + "\n".join(faults)


def test_mapped_folders_are_imported_as_parts_of_the_package() -> None:
    faults = []
    for path in all_files():
        found = imports(ast.parse(path.read_text()), module_name(path), path.name == "__init__.py")
        faults += listed(path, [f"line {line}: {name}" for line, name in found if name.split(".")[0] in MAPPED])
    assert not faults, "import hypr_neuro.<name>; the bare name loads a second copy:\n" + "\n".join(faults)


def test_no_file_can_run_code() -> None:
    faults = [fault for path in all_files() for fault in listed(path, unsafe_calls(path.read_text()))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("module", "source", "faulty"),
    [
        ("hypr_neuro.graph.network", "from hypr_neuro.neurons import get_model", False),
        ("hypr_neuro.graph.network", "from hypr_neuro.quantizing import quantize", True),
        ("hypr_neuro.graph.network", "def f():\n    import hypr_neuro.sim.engine", True),
        (
            "hypr_neuro.graph.spec",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hypr_neuro.cli",
            False,
        ),
        ("hypr_neuro.graph.network", "from hypr_neuro import Network", True),
        ("hypr_neuro.graph.network", "from ..train import loop", True),
        ("hypr_neuro.graph.network", "import importlib\nimportlib.import_module('hypr_neuro.cli')", True),
        ("hypr_neuro.placement.place", "from hypr_neuro.train import loop", True),
        ("hypr_neuro.train.loop", "from . import losses\nfrom ..sim import engine", False),
        ("hypr_neuro.numbers.jit", "import hypr_neuro.sim as sim", True),
    ],
)
def test_wrong_imports_are_found(module: str, source: str, faulty: bool) -> None:
    assert bool(order_faults(source, module)) == faulty


@pytest.mark.parametrize(
    ("source", "faulty"),
    [
        ("eval('1')", True),
        ("model.eval()", False),
        ("from pickle import loads", True),
        ("yaml.load(file)", True),
        ("yaml.safe_load(file)", False),
        ("np.load(file, allow_pickle=True)", True),
        ("np.load(file, allow_pickle=False)", False),
    ],
)
def test_unsafe_calls_are_found(source: str, faulty: bool) -> None:
    assert bool(unsafe_calls(source)) == faulty
