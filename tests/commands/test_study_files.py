"""What a study file may say, and which trials it has."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, program, refusal
from study_cases import NETWORK, study, two_classes

import hypr_neuro as hn
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.studies.fields import field_names, full_name, with_entry
from hypr_neuro.studies.plan import check, prepare
from hypr_neuro.studies.spec import Study, load_study
from hypr_neuro.studies.store import StudyFolder
from hypr_neuro.studies.trials import Trial, combinations, trials_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


# --- what is varied


def test_names_are_those_of_the_calls() -> None:
    assert full_name("weight_bits") == "precision.weight_bits"
    assert full_name("rounding") == "quantize.rounding"
    assert full_name("network.layers.0.size") == "network.layers.0.size"
    assert {"training.epochs", "training.rule"} <= set(field_names()["training"])
    assert {"learn.rule", "learn.momentum", "learn.epochs"} <= set(field_names()["learn"])
    for name in (name for names in field_names().values() for name in names):
        assert full_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weigt_bits", "unknown 'weigt_bits' (did you mean 'weight_bits'?)"),
        ("precision.weigt_bits", "(did you mean 'precision.weight_bits'?)"),
        ("rate", "stands for training.rate and learn.rate, rule: one; write it in full"),
        ("", "unknown ''"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        full_name(name)


def test_an_entry_of_a_network_is_changed_where_it_stands() -> None:
    changed = with_entry(NETWORK, "layers.0.size", 9)
    assert changed == NETWORK | {"layers": [{"neuron": "lif", "size": 9}]}
    assert NETWORK["layers"] == [{"neuron": "lif", "size": 5}]
    assert with_entry(NETWORK, "readout.tau", 3.0)["readout"] == {"tau": 3.0}
    for path, message in (("layers.3.size", "a place in a list of 1"), ("inputs.x", "an entry of what has none")):
        with pytest.raises(InputError, match=message):
            with_entry(NETWORK, path, 1)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no run": ({"run": None}, "key 'run' = None"),
    "other run": ({"run": "lern"}, "key 'run' = 'lern'"),
    "nothing varies": ({"vary": {}}, "key 'vary' = {}"),
    "no values": ({"vary": {"weight_bits": []}}, "weight_bits"),
    "unknown key": ({"seed": 3}, "unknown key; check its spelling and place (did you mean 'seeds'?)"),
    "unknown field": ({"vary": {"weightbits": [2]}}, "(did you mean 'weight_bits'?)"),
    "twice": ({"vary": {"weight_bits": [2], "precision.weight_bits": [4]}}, "stands there twice, rule: once"),
    "in both": ({"set": {"weight_bits": 4}}, "stands under vary and under set, rule: under one of them"),
    "the same value": ({"vary": {"weight_bits": [2, 2]}}, "has a value twice, rule: each once"),
    "no seeds": ({"seeds": 0}, "key 'seeds' = 0"),
    "half a seed": ({"seeds": 1.5}, "key 'seeds' = 1.5"),
    "no trials": ({"trials": 0}, "key 'trials' = 0"),
    "steps of 0": ({"vary": {"weight_bits": {"from": 2, "to": 8, "step": 0}}}, "step"),
    "steps without an end": ({"vary": {"weight_bits": {"from": 2}}}, "to"),
    "too many": ({"vary": {"weight_bits": {"from": 0, "to": 100000}}}, "100001 values, rule: at most 1000"),
    "a start of no learning": ({"start": "scratch"}, "run: quantize learns nothing on the chip"),
    "a rate of no learning": ({"set": {"learn.rate": 0.1}}, "run: quantize learns nothing on the chip"),
    "too many trials": (
        {"run": "learn", "vary": {f: {"from": 1, "to": 1000} for f in ("weight_bits", "error_bits", "psi_bits")}},
        "the study has 1000000000 trials, rule: at most 100000; draw some with trials: N",
    ),
    "without end": ({"vary": {"weight_bits": {"from": 0, "to": 10**12}}}, "values, rule: at most 1000"),
    "error bits of no learning": ({"vary": {"error_bits": [4, 8]}}, "run: quantize learns nothing on the chip"),
    "integers of others": (
        {"run": "learn", "start": "scratch", "vary": {"rounding": ["nearest", "stochastic"]}},
        "start: scratch draws integers of its own, rule: fields quantize.… go with trained, disturbed",
    ),
    "a training of integers": (
        {"run": "learn", "start": "integers", "set": {"training.epochs": 3}},
        "start: integers trains no float network, rule: fields training.… go with trained, disturbed, scratch",
    ),
    "rounding of drawn integers": (
        {"run": "learn", "start": "integers", "vary": {"rounding": ["nearest", "stochastic"]}},
        "start: integers draws integers of its own, rule: fields quantize.… go with trained, disturbed",
    ),
    "training of a file": ({"network": "n.h5"}, "network is a file, whose network is trained already"),
    "another part": ({"part": "train"}, "key 'part' = 'train'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_study_is_refused_by_key_value_and_rule(fault: str, data: Path) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(InputError, match=re.escape(message)):
        study(data, **change)


def test_numbers_as_they_are_written(data: Path) -> None:
    made = study(data, run="learn", vary={"learn.rate": ["1e-3", "1.5E+2", 0.5]}, set={"quantize.rounding": "nearest"})
    assert made.values() == {"learn.rate": [1e-3, 150.0, 0.5]}


def test_paths_start_from_the_file(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    shutil.copy(data, tmp_path / "sub" / "d.npz")
    (tmp_path / "sub" / "chip.yaml").write_text("extends: loihi2\nname: mine\ndescription: of a user\n")
    text = "run: quantize\ndata: d.npz\nset: {weight_bits: 4}\nvary: {profile: [chip.yaml, ideal]}\n"
    (tmp_path / "sub" / "s.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    made = load_study("sub/s.yaml")
    assert made.data == str(tmp_path / "sub" / "d.npz")
    assert made.values() == {"profile": [str(tmp_path / "sub" / "chip.yaml"), "ideal"]}


def test_what_no_trial_could_do_is_said_before_any_runs(data: Path, tmp_path: Path) -> None:
    words = ("study", "run", "--data", data, "--out", tmp_path / "s")
    for more, message in (
        (("--vary", "weight_bits=a,b"), "every trial would be refused, the first because:"),
        (("--vary", "network.layers.0.size=-1,0"), "every trial would be refused, the first because:"),
        (("--run", "learn", "--vary", "learn.rate=abc"), "every trial would be refused, the first because:"),
        (("--run", "learn", "--vary", "weight_bits=4", "--set", "learn.epochs=0"), "learn.epochs = 0, rule: a whole"),
        (("--vary", "profile=loihi2,loihi9"), "unknown profile 'loihi9' (did you mean 'loihi"),
        (("--vary", "profile=none.yaml"), "none.yaml"),
    ):
        assert message in refusal(*words, *more, run=called), more
    real = tmp_path / "real.npz"
    np.savez(real, **{k: (v / 2 if k.startswith("x") else v) for k, v in np.load(data).items()})
    assert "fractions" in refusal("study", "run", "--data", real, "--vary", "weight_bits=4", run=called)
    other = hn.Network.build(NETWORK | {"inputs": 3}, seed=0)
    other.save(tmp_path / "n.h5")
    said = refusal(*words, "--network", tmp_path / "n.h5", "--vary", "weight_bits=4", run=called)
    assert "has 6 channels, the network 3 inputs" in said
    assert not (tmp_path / "s").exists()


def test_a_part_that_the_data_lack_is_refused(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = hn.load_data(str(data))
    others = replace(loaded, split=np.where(loaded.split == "test", "train", loaded.split))
    monkeypatch.setattr("hypr_neuro.studies.plan.load_data", lambda *given, **options: others)
    with pytest.raises(InputError, match="part = test, of which data 'two' has no sample; give the other part"):
        prepare(study(data, part="test"), tmp_path / "s")


def test_a_file_is_refused_in_one_line(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "s.yaml"
    for text, message in (
        ("run: [", "not valid YAML"),
        ("- 1", "rule: a mapping with run, data and vary"),
        ("run: quantize\ndata: nothing\nvary: {weight_bits: [2]}\n", "unknown data 'nothing'"),
        (f"run: quantize\ndata: {data}\nnetwork: no.h5\nvary: {{weight_bits: [2]}}\n", "no.h5' does not exist"),
    ):
        file.write_text(text)
        assert message in refusal("study", "run", file, "--out", tmp_path / "out", run=called)
    assert not (tmp_path / "out").exists()
    assert "unknown action 'rum' (did you mean 'run'?)" in refusal("study", "rum", run=called)
    assert "holds no study" in refusal("study", "table", tmp_path, run=called)
    assert "rule: NAME=FROM:TO" in refusal("study", "run", "--data", data, "--vary", "weight_bits", run=called)


# --- trials


def test_every_combination_with_every_seed_in_order(data: Path) -> None:
    made = study(
        data, vary={"weight_bits": {"from": 8, "to": 4, "step": 2}, "rounding": ["nearest", "stochastic"]}, seeds=2
    )
    trials = list(trials_of(made, combinations(made), {}))
    assert [t.number for t in trials] == list(range(12))
    assert [t.seed for t in trials[:4]] == [0, 1, 0, 1]
    assert [t.settings["precision.weight_bits"] for t in trials[::4]] == [8, 6, 4]
    assert len({t.digest for t in trials}) == 12


def _trials(made: Study, content: str) -> Iterator[Trial]:
    return trials_of(made, combinations(made), {"data": content})


def test_a_trial_keeps_its_digest_when_the_study_grows(data: Path) -> None:
    def digests(**more: Any) -> dict[str, tuple[Any, int]]:
        return {t.digest: (t.settings["precision.weight_bits"], t.seed) for t in _trials(study(data, **more), "a")}

    small, large = digests(), digests(vary={"weight_bits": [1, 2, 4, 8]}, seeds=2, title="other")
    assert small.items() <= large.items()
    for change in ({"part": "test"}, {"profile": "ideal"}, {"set": {"training.epochs": 2}}, {"run": "learn"}):
        assert not small.keys() & digests(**change).keys(), change
    assert not small.keys() & {t.digest for t in _trials(study(data), "b")}


def test_drawn_combinations_are_the_same_and_begin_alike(data: Path) -> None:
    vary = {"weight_bits": {"from": 2, "to": 16}, "learning.eligibility_bits": {"from": 8, "to": 24}}
    few, many = (combinations(study(data, run="learn", vary=vary, trials=n)) for n in (10, 60))
    assert many[:10] == few
    assert len({json.dumps(c) for c in many}) == 60
    assert len({c["precision.weight_bits"] for c in many}) > 10
    assert len(combinations(study(data, run="learn", vary=vary, trials=15 * 17))) == 15 * 17
    with pytest.raises(InputError, match="rule: at most 255, the combinations"):
        combinations(study(data, run="learn", vary=vary, trials=256))


def test_a_study_runs_without_the_word(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"run: quantize\ndata: {data}\nvary: {{weight_bits: [2, 4]}}\n")
    listed = answer("study", file, "--dry-run")
    assert listed == answer("study", "run", file, "--dry-run")
    assert [trial["precision.weight_bits"] for trial in listed["trials"]] == [2, 4]
    assert answer("study", "--data", data, "--vary", "weight_bits=2,4", "--dry-run")["trials"] == listed["trials"]
    adding = ("study", "--data", "adding", "--vary", "weight_bits=4", "--dry-run")
    assert "fractions" in refusal(*adding, run=called)
    assert len(answer(*adding, "--data-option", "levels=16", "--data-option", "samples=40")["trials"]) == 1
    assert "unknown action 'rnu'" in refusal("study", "rnu", file, run=called)


def test_a_folder_of_another_kind_is_refused(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "results").mkdir(parents=True)
    told = refusal("study", "--data", data, "--vary", "weight_bits=4", "--out", run, run=called)
    assert f"'{run}' holds a run (results), rule: a study; choose another folder" in told
    assert [path.name for path in run.iterdir()] == ["results"]
    words = ("study", "--data", data, "--vary", "weight_bits=4", "--out", tmp_path / "s", "--csv")
    assert "ends in .csv" in refusal(*words, tmp_path / "t.txt", run=called)
    assert "does not exist" in refusal(*words, tmp_path / "nowhere" / "t.csv", run=called)
    assert not (tmp_path / "s").exists()


def test_one_process_at_a_time_runs_a_study(data: Path, tmp_path: Path) -> None:
    words = ("study", "--data", data, "--vary", "weight_bits=4", "--set", "training.epochs=1", "--out", tmp_path / "s")
    with StudyFolder(tmp_path / "s").alone():
        assert f"study '{tmp_path / 's'}' runs in another process ({os.getpid()})" in refusal(*words, run=called)
        assert [path.name for path in (tmp_path / "s").iterdir()] == ["lock"]
    assert len(answer(*words)) == 1
    # a process that was killed holds nothing
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / "s")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert f"({holder.pid})" in refusal(*words, run=called)
    holder.kill()
    holder.communicate()
    assert len(answer(*words)) == 1


HOLDS = """
import sys, time
from pathlib import Path
from hypr_neuro.files.lock import alone_in
with alone_in(Path(sys.argv[1]), "study"):
    print(flush=True)
    time.sleep(60)
"""


def test_trials_that_a_study_no_longer_shows_are_told(data: Path, tmp_path: Path) -> None:
    words = ("study", "--data", data, "--set", "training.epochs=1", "--out", tmp_path / "s", "--vary")
    assert len(answer(*words, "weight_bits=4,8")) == 2
    other = program(*words, "state_bits=16")
    assert other.returncode == 0
    assert "of other values (vary): 2; they stay, this study does not show them" in other.stderr
    again = program(*words, "weight_bits=4,8,6")
    assert "of other values (vary): 1; they stay" in again.stderr
    assert "of other values" not in program(*words, "weight_bits=4,8,6").stderr


def test_what_is_given_twice_or_lies_elsewhere_is_told(data: Path, tmp_path: Path) -> None:
    twice = ("study", "--data", data, "--vary", "weight_bits=8", "--vary", "weight_bits=7")
    assert "--vary weight_bits is given twice, rule: once; list its values" in refusal(*twice, run=called)
    (tmp_path / "s.txt").write_text("run: quantize\n")
    assert "rule: a study file ends in .yaml" in refusal("study", tmp_path / "s.txt", run=called)
    words = ("study", "--data", data, "--set", "training.epochs=1", "--out", tmp_path / "s", "--vary", "weight_bits=4")
    # the folder stands for the study in it
    assert answer(*words) == answer("study", "run", tmp_path / "s")


def test_a_study_of_refused_trials_alone_fails(data: Path, tmp_path: Path) -> None:
    words = ("study", "--data", data, "--out", tmp_path / "s", "--vary", "quantize.rounding=flor,nerest")
    done = program(*words)
    assert done.returncode == 2
    assert "every trial was refused, for the reasons in the table" in done.stderr


def test_seeds_that_draw_nothing_are_told(data: Path, tmp_path: Path) -> None:
    hn.Network.build(NETWORK, seed=0).save(tmp_path / "n.h5")
    made = study(data, network=str(tmp_path / "n.h5"), set={}, seeds=3)
    with pytest.warns(HyprWarning, match="seeds = 3: a trained network that is rounded to nearest is the same"):
        check(prepare(made, tmp_path / "s"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(prepare(study(data, network=made.network, set={"rounding": "stochastic"}, seeds=3), tmp_path / "s"))
