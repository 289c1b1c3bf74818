"""Generated pages are fresh, commands in the README exist, and public names are what they say."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.main import get_command

import hypr_neuro as hn
from hypr_neuro.cli import app
from hypr_neuro.numbers.surrogates import slayer

ROOT = Path(__file__).resolve().parents[2]
GENERATED = runpy.run_path(str(ROOT / "tools" / "make_docs.py"))["PAGES"]


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_page_is_fresh(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == GENERATED[name](), "run: python tools/make_docs.py"


def test_commands_of_the_readme_and_docs_exist() -> None:
    known = {command.name for command in app.registered_commands}
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        used = set(re.findall(r"(?:^    |`|bin/)hypr-neuro ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert used <= known, (page.name, used - known)


def _commands(text: str) -> list[list[str]]:
    """Return the words of every line of a page that is a command of hypr-neuro, up to what the shell does with it."""
    found = []
    for line in re.findall(r"^    (hypr-neuro .*)$", text.replace("\\\n", " "), re.MULTILINE):
        words = shlex.split(line, comments=True)
        ends = [words.index(end) for end in ("|", ">", "&&", ";") if end in words]
        found.append(words[1 : min(ends, default=len(words))])
    return found


def test_commands_of_the_pages_have_options_that_exist() -> None:
    root: Any = get_command(app)  # of typer's own copy of click, or of click itself
    with pytest.raises(Exception, match="no-such-option"):
        root.commands["check"].make_context("check", ["quantized.h5", "--no-such-option"])
    checked = 0
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for name, *words in filter(None, _commands(page.read_text(encoding="utf-8"))):
            if name in root.commands:
                try:
                    root.commands[name].make_context(name, words)
                except typer.Exit:  # of --help
                    pass
                except Exception as error:
                    pytest.fail(f"{page.name}: hypr-neuro {name} {shlex.join(words)}: {error}")
                checked += 1
    assert checked > 100


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


WITH_EXAMPLES = [
    "bounds.md",
    "c.md",
    "data.md",
    "learning.md",
    "learning_memory.md",
    "placement.md",
    "quantization_aware.md",
]
WITH_EXAMPLES += ["simulator.md", "training.md"]


@pytest.mark.once
@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_examples_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)


def test_public_names_can_be_loaded_in_any_order() -> None:
    names = [n for n in hn.__all__ if n != "__version__"]
    for order in (names, names[::-1]):
        lines = ["import hypr_neuro as hn", *(f"assert callable(hn.{n}), {n!r}" for n in order)]
        done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = hn.no_such_name


def test_the_version_stands_in_pyproject_alone() -> None:
    stated = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated == [hn.__version__]
    assert stated[0] not in (ROOT / "hypr_neuro" / "__init__.py").read_text(encoding="utf-8")


def test_importing_the_package_loads_no_heavy_package() -> None:
    heavy = "numba matplotlib sklearn scipy lava nir h5py numpy pydantic"
    code = f"import sys, hypr_neuro, hypr_neuro.cli; print(*[m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_neuron_that_contributing_shows_works(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    path = tmp_path / "leaky.py"
    path.write_text(code.group(1), encoding="utf-8")
    model = runpy.run_path(str(path))["MODEL"]
    params = {"kappa": np.full(1, 0.9)}
    fixed = model.to_fixed(params, hn.load_profile("loihi2").fixed_format(state_range=2.0, weight_range=1.0))
    p = (int(fixed.per_neuron["kappa"][0]), *(fixed.constants[name] for name in model.fixed_constants))
    v = 0
    for _ in range(30):
        (v,), z, _ = model.fixed_step((v,), 0, (round(0.15 * fixed.current_scale),), p)
        psi = fixed.psi_table[model.psi_index((0,), (v,), p)] / 2**15
        real = v / fixed.state_scale
        assert psi == pytest.approx(slayer(real - 1.0), abs=0.02)
        assert z == int(real > 1.0)
    drive = round(0.15 * fixed.current_scale) / fixed.current_scale
    assert real == pytest.approx(drive / (1 - 0.9) * (1 - 0.9**30), abs=1e-4)


def section_of(title: str) -> str:
    """The first code block of a section of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {title}\n.*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


def small_data() -> tuple[hn.Network, hn.SequenceData]:
    """A network that fires, and some samples."""
    rng = np.random.default_rng(0)
    net = hn.Network.build({"inputs": 4, "outputs": 3, "layers": [{"neuron": "lif", "size": 6}]}, seed=0)
    x, split = (rng.random((8, 40, 4)) < 0.3).astype(np.int8), np.array(["train"] * 8)
    hn.scale_to_rate(net, x, 0.05)
    return net, hn.SequenceData("toy", x, rng.integers(0, 3, 8), split, 3)


def test_the_learning_rule_that_contributing_shows_is_found_and_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hypr_neuro.numbers.registry import load_records
    from hypr_neuro.train import rules
    from hypr_neuro.train.rules.base import Rule

    (tmp_path / "homeostasis.py").write_text(section_of("Add a learning rule"), encoding="utf-8")
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    found = load_records(rules.__name__, rules.__path__, "RULE", Rule)
    monkeypatch.setattr(rules, "RULES", found)
    net, data = small_data()
    rates = []
    for target in (0.0, 0.5):
        trained = net.copy()
        rule = {"name": "homeostasis", "target": target, "strength": 30.0}
        hn.train(trained, data, rule=rule, epochs=30, rate=0.02)
        rates.append(float(hn.float_trace(trained, data.x, ("spikes",)).spikes["layers.0"].mean()))
    assert rates[0] < 0.5 * rates[1], rates
    del sys.modules["hypr_neuro.train.rules.homeostasis"]


def test_the_data_set_that_contributing_shows_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = import_module("hypr_neuro.data")
    (tmp_path / "rates.py").write_text(section_of("Add a data set"), encoding="utf-8")
    monkeypatch.setattr(data, "__path__", [*data.__path__, str(tmp_path)])
    monkeypatch.setattr(data, "LOADERS", data._load())
    found = hn.load_data("rates", samples=50)
    assert found.x.shape == (50, 100, 8)
    assert set(found.split) == {"train", "validation", "test"}
    halves = found.x[:, :, :4].mean(axis=(1, 2)) > found.x[:, :, 4:].mean(axis=(1, 2))
    assert np.array_equal(halves, found.y == 0)
    with pytest.raises(hn.HyprError, match=r"data 'rates': unknown option 'sample'.*, known: samples, seed"):
        hn.load_data("rates", sample=50)
    del sys.modules["hypr_neuro.data.rates"]


def test_the_loss_that_contributing_shows_is_the_one_it_derives() -> None:
    namespace: dict[str, object] = {}
    exec(compile(section_of("Add a loss"), "CONTRIBUTING.md", "exec"), namespace)
    net, data = small_data()
    gradient, loss = hn.gradients(net, data.x, data.y, loss=namespace["hinge"], rule="bptt")
    moved = net.copy()
    moved.layers[-1].weight[1, 2] += 1e-6
    after = hn.gradients(moved, data.x, data.y, loss=namespace["hinge"], rule="bptt")[1]
    assert (after - loss) / 1e-6 == pytest.approx(gradient["readout.weight"][1, 2], rel=1e-3)
    history = hn.train(net, data, loss=namespace["hinge"], epochs=20, rate=0.05)
    assert history.epochs[-1].loss < 0.9 * history.epochs[0].loss


def test_every_known_limit_names_a_test_that_is_there() -> None:
    rows = [line for line in (ROOT / "docs" / "limits.md").read_text().splitlines() if line.startswith("| ")][1:]
    named = [re.search(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows]
    assert len(rows) >= 10
    for row, test in zip(rows, named, strict=True):
        assert test is not None, row
        assert f"\ndef {test[2]}(" in (ROOT / test[1]).read_text(), row
