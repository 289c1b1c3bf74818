"""The studies in examples/studies: each can be run, is documented, and says what it asks."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from braille_like import braille_like
from commands import answer, called
from study_cases import CHANNELS, CLASSES, NETWORK, two_classes

import hypr_neuro as hn
from hypr_neuro.profiles.profile import profile_names
from hypr_neuro.studies.plan import StudyPlan, prepare
from hypr_neuro.studies.results import results_of
from hypr_neuro.studies.spec import load_study
from hypr_neuro.studies.work import REFUSED, run_trial, start_network

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
CHIPS = [file for file in FILES if "\nextends:" in file.read_text(encoding="utf-8")]
STUDIES = [file for file in FILES if file not in CHIPS]
SMALL = ("training.epochs=1", "learn.epochs=1", "network.layers.0.size=4")
OF_DATA = {"digits": None, "spoken_digits": None, "ecg": "ecg", "braille": "braille"}
"""Folder of shared data by data set, None for what comes with the program."""


def name_of(file: Path) -> str:
    return file.stem


def words_of(file: Path, request: pytest.FixtureRequest, folder: Path) -> tuple[object, ...]:
    """Return the options that say where data and networks lie that do not come with the program."""
    study = load_study(file)
    data, words = OF_DATA[study.data], list[object]()
    if data is not None:
        words += ["--data-dir", request.getfixturevalue("shared_data") / data]
    if isinstance(study.network, str):
        words += ["--network", imported(folder, inputs=12, outputs=7)]
    return tuple(words)


def imported(folder: Path, inputs: int, outputs: int) -> Path:
    """Return the file of a small network that was imported from NIR."""
    file = folder / "small.nir"
    nir.write(file, braille_like(inputs, 5, outputs))
    answer("import", file, "--dt", 1e-4, "--reset", "zero", "--out", folder / "n", run=called)
    return folder / "n" / "network.h5"


def in_small(file: Path, folder: Path) -> StudyPlan:
    """Return the study on small data and networks, with one seed."""
    study = load_study(file)
    changed: dict[str, Any] = {"data": str(two_classes(folder)), "data_dir": None, "seeds": 1}
    if isinstance(study.network, str):
        changed |= {"network": str(imported(folder, CHANNELS, CLASSES))}
    else:
        small = {"training.epochs": 1} | ({"learn.epochs": 1} if study.run != "quantize" else {})
        changed |= {"network": {**NETWORK, "layers": [{"neuron": "brf", "size": 4}]}}
        changed |= {"set": {**study.set, **small, "network.layers.0.size": 4}}
    return prepare(study.model_copy(update=changed), folder / "s")


@pytest.mark.parametrize("file", STUDIES, ids=name_of)
def test_every_combination_is_listed(file: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    study = load_study(file)
    words = words_of(file, request, tmp_path)
    listed = answer("study", "run", file, "--dry-run", "--out", tmp_path / "s", *words, run=called)
    values = study.values()
    assert listed["would_run"] == len(listed["trials"]) == study.seeds * study.count
    if study.base is None:
        assert study.count == prod(map(len, values.values()))
    for name, wanted in values.items():
        assert sorted(map(str, {trial[name] for trial in listed["trials"]})) == sorted(map(str, wanted))


@pytest.mark.once
@pytest.mark.parametrize("name", ["pcm_noise_terms", "reram", "sensitivity", "nir_mixed_widths", "chips"])
def test_every_combination_gives_figures_or_says_why_not(name: str, tmp_path: Path) -> None:
    plan = in_small(FOLDER / f"{name}.yaml", tmp_path)
    data, found = plan.data, {}
    net = plan.network or start_network(plan.job(plan.trials[0]), data)
    trials = plan.trials if name != "nir_mixed_widths" else plan.trials[::9]
    for trial in trials:
        plan.folder.keep(trial, run_trial(plan.job(trial), data, net), 0.1)
        found[tuple(trial.settings.values())] = plan.folder.result(trial)
    refused = {settings: figures[REFUSED] for settings, figures in found.items() if figures and REFUSED in figures}
    for settings, figures in found.items():
        assert figures is not None
        assert settings in refused or 0 <= figures["accuracy"] <= 1
    if name != "chips":
        assert not refused
        if plan.study.base is not None:
            losses = [row["accuracy loss"] for row in results_of(plan).rows]
            assert losses[0] == 0.0
            assert len(losses) == len(trials)
        return
    told = {Path(str(chip)).stem: reason for (chip,), reason in refused.items()}
    assert "learning.ability: none" in told["no_learning"]
    assert told.keys() & {"xylo", "dynapcnn", "speck"} == {"xylo", "dynapcnn", "speck"}
    assert not told.keys() & {"loihi2", "pcm_crossbar", "reram", "own_chip"}
    for chip, reason in told.items():
        assert chip in reason
        assert "\n" not in reason


@pytest.mark.parametrize("file", STUDIES, ids=name_of)
def test_it_says_what_it_asks_and_the_docs_have_the_answer(file: Path) -> None:
    study = load_study(file)
    assert study.title
    assert study.seeds >= 3
    assert study.part == "validation"
    assert "?" in file.read_text(encoding="utf-8").split("\ntitle:")[0]
    assert f"examples/studies/{file.name}" in (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")


def test_chips_stand_side_by_side() -> None:
    compared = load_study(FOLDER / "chips.yaml").values()["profile"]
    assert set(profile_names()) < set(compared)
    assert {str(file) for file in CHIPS} & set(map(str, compared))
    for name in [*compared, *CHIPS]:
        assert hn.load_profile(str(name)).name


@pytest.mark.once
def test_one_runs(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    words = ("study", "run", FOLDER / "weight_and_eligibility_bits.yaml", "--trials", 2, "--seeds", 1, "--workers", 1)
    rows = answer(*words, "--out", tmp_path / "s", *(word for one in SMALL for word in ("--set", one)))
    assert len(rows) == 2
    for row in rows:
        assert {"start accuracy", "accuracy", "test accuracy", "float accuracy", "memory bits"} <= set(row)
        assert 0 <= row["accuracy"] <= 1


@pytest.mark.once
def test_the_protocol_of_integer_online_learning_runs(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    words = ("study", "run", FOLDER / "integer_online_learning.yaml", "--seeds", 1, "--workers", 1)
    words += ("--set", "learn.epochs=1", "--set", "network.layers.0.size=4", "--out", tmp_path / "s")
    small = ("samples=50", "steps=10", "channels=8")
    rows = answer(*words, *(word for one in small for word in ("--data-option", one)))
    assert [Path(row["profile"]).stem for row in rows] == ["weights_8", "weights_8_shadow_16", "weights_12_shadow_16"]
    alone, narrow, wide = rows
    assert {"accuracy", "float accuracy", "test accuracy", "test float accuracy", "gap"} <= set(alone)
    # the float rule has no widths: what starts from the same integers ends at the same numbers
    assert alone["float accuracy"] == narrow["float accuracy"]
    assert alone["memory bits"] < narrow["memory bits"]
    assert wide["rate"] == 16 * narrow["rate"]


def test_the_protocol_takes_recordings(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {f"y_{part}": np.arange(54, dtype=np.uint8) % 27 for part in ("train", "test")}
    content |= {f"x_{part}": rng.integers(0, 256, (54, 315, 3), np.uint8) for part in ("train", "test")}
    np.savez(tmp_path / "braille_mn_315x24.npz", **content)
    source = ("--data", "braille27", "--data-dir", tmp_path, "--data-option", "steps=63")
    listed = answer(
        "study",
        "run",
        FOLDER / "integer_online_learning.yaml",
        "--dry-run",
        "--out",
        tmp_path / "s",
        *source,
        run=called,
    )
    assert listed["would_run"] == 9
