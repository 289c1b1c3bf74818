"""Every profile that comes with hypr-neuro, and those of the examples, goes through the demo and every command."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import called, refusal, small_data

from hypr_neuro.profiles.profile import load_profile, profile_names
from hypr_neuro.report.page import render_page

pytestmark = pytest.mark.once

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))
PROFILES = [*profile_names(), *map(str, EXAMPLES)]
WIDTH = 80


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few samples of an easy task: so many profiles learn it quickly enough."""
    folder = tmp_path_factory.mktemp("data")
    with np.load(small_data(folder)) as whole:
        few = {name: array[:30] if "train" in name else array[:12] for name, array in whole.items()}
    np.savez(folder / "few.npz", **few)
    return folder / "few.npz"


def answers(name: str) -> bool:
    """Whether a chip has readouts, with which the demo's network ends."""
    models = load_profile(name).runs.models
    return models is None or "li" in models.value


def clean(done: subprocess.CompletedProcess[str], *allowed: int) -> None:
    """A command ends well, or with one line of error; a raw exception would not come back from `called` at all."""
    assert done.returncode in (0, *allowed), done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("hypr-neuro: error:")]
    assert len(errors) == int(done.returncode != 0)


def test_the_examples_have_a_profile() -> None:
    assert EXAMPLES
    assert {load_profile(name).name for name in PROFILES} >= {"loihi2", "own_chip"}


@pytest.mark.parametrize("profile", [name for name in PROFILES if not answers(name)], ids=lambda name: Path(name).stem)
def test_a_chip_without_readouts_is_refused_by_name(profile: str, halves: Path, tmp_path: Path) -> None:
    """Before anything is trained, and with what to choose instead: one of those that take the demo."""
    line = refusal("demo", "--data", halves, "--profile", profile, "--out", tmp_path / "run", run=called)
    assert f"ends in a readout 'li' and profile '{profile}' has none (runs.models: lif); train a network" in line
    offered = line.partition("--profile ")[2].split(", ")
    assert set(offered) == {name for name in profile_names() if answers(name)}
    assert not (tmp_path / "run").exists()
    clean(called("profiles", "show", profile))


def test_data_too_large_for_a_chip_are_refused_before_training(tmp_path: Path) -> None:
    line = refusal("demo", "--profile", "xylo", "--out", tmp_path / "run", run=called)
    assert (
        "network: 64 input channels, limit 16 (profile 'xylo', chip.inputs); give it fewer channels, at most 16, or"
        in line
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("profile", [name for name in PROFILES if answers(name)], ids=lambda name: Path(name).stem)
def test_the_demo_and_every_command_run(profile: str, halves: Path, tmp_path: Path) -> None:
    """What a profile cannot do is left out and said in one line; nothing ends in a raw exception."""
    run, chip = tmp_path / "run", load_profile(profile)
    demo = called("demo", "--data", halves, "--profile", profile, "--epochs", "8", "--out", run)
    clean(demo)
    results = json.loads((run / "report.json").read_text())
    # one cell of seven is broken: what float learned suffers, what is learned there less
    broken = chip.analog is not None and chip.analog.corrupt.value > 0
    assert results["accuracy"]["integer"] == 1.0 or broken  # the task is easy
    learns = chip.learning.ability.value != "none"
    if learns:
        assert results["learning"]["scratch"]["epochs"][-1]["device_accuracy"] > (0.6 if broken else 0.8)
    else:
        assert f"On chip: left out, profile '{profile}' cannot learn (learning.ability: none)" in demo.stderr
    assert ("Network: 'lif'" in demo.stderr) == (chip.runs.models is not None)
    if "skipped" in results["lava"]:
        assert f"Lava: left out, {results['lava']['skipped']}" in demo.stderr
    else:
        assert results["lava"]["equal"] is True
    placement = results["placement"]
    assert placement["cores"] == ("unknown" if chip.chip.cores is None else chip.chip.cores.value)
    quantized = run / "quantized.h5"
    clean(called("place", quantized))
    clean(called("simulate", quantized, "--network", run / "network.h5"))
    refused = () if learns else (2,)
    clean(called("learn", quantized, "--rate", "0.3", "--out", tmp_path / "learned"), *refused)
    clean(called("compare", run / "network.h5", quantized, "--epochs", "1", "--out", tmp_path / "compared"), *refused)
    for target in chip.compilers:
        # a target may refuse what it cannot say, such as Lava without its package, in one line
        clean(called("compile", quantized, "--target", target, "--out", tmp_path / target), 2)
    clean(called("profiles", profile))
    clean(called("report", run))
    unknown = placement["unknown_limits"]
    page = render_page(results)
    assert all(key in page for key in unknown)


@pytest.mark.parametrize("learning", ["--learning", "--no-learning"])
def test_tables_of_a_placement_fit_80_columns(learning: str, halves: Path, tmp_path: Path) -> None:
    """And no number is broken over two lines: each core is one row."""
    from hypr_neuro.testing.graphs import random_learning_graph
    from hypr_neuro.testing.networks import random_quantized, varied

    chain = random_quantized("brf", 0, "loihi2", inputs=64, hidden=(200, 96), outputs=10)
    for name, qnet in (("chain", chain), ("graph", random_learning_graph(3, varied("loihi2")))):
        qnet.save(tmp_path / f"{name}.h5")
        for profile in ("loihi2", "loihi1", "ideal"):
            done = called("place", tmp_path / f"{name}.h5", "--profile", profile, learning)
            clean(done)
            lines = done.stdout.splitlines()
            assert max(map(len, lines)) <= WIDTH
            cores = [line for line in lines if re.match(r"\d+ +\S", line)]
            (used,) = re.findall(r"(\d+) of \S+ cores", done.stdout)
            assert len([line for line in cores if "cores of" not in line]) == int(used)
