"""Trials of a study, their folders and its table."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import called, refusal
from study_cases import NETWORK, ran, study, two_classes

import hypr_neuro as hn
from hypr_neuro.comparing.disturbance import disturb
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.studies.coordinator import run
from hypr_neuro.studies.plan import prepare
from hypr_neuro.studies.progress import progress_of
from hypr_neuro.studies.store import code_digest
from hypr_neuro.studies.table import as_csv, rows_of
from hypr_neuro.studies.work import Job, chip_of, run_trial, start_network, timed_start, timed_trial


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def test_a_finished_study_has_nothing_to_do_and_a_lost_trial_runs_again(
    data: Path, client: Any, tmp_path: Path
) -> None:
    plan = prepare(study(data, seeds=2), tmp_path / "s")
    assert ran(plan, client) == list(range(6))
    table = as_csv(rows_of(plan))
    again = prepare(study(data, seeds=2), tmp_path / "s")
    assert ran(again, client) == []
    shutil.rmtree(plan.folder.trial(plan.trials[3]))
    (plan.folder.trial(plan.trials[5]) / "result.json").write_text("{")
    assert ran(again, client) == [3, 5]
    assert as_csv(rows_of(again)) == table
    larger = prepare(study(data, seeds=3), tmp_path / "s")
    assert ran(larger, client) == [2, 5, 8]


def test_results_of_an_earlier_program_are_shown_and_said(
    data: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare(study(data, seeds=2), tmp_path / "s")
    ran(plan, client)
    rows = rows_of(plan)
    for name in ("plan.code_digest", "work.own_code"):
        monkeypatch.setattr(f"hypr_neuro.studies.{name}", lambda: "of tomorrow")
    later = prepare(study(data, seeds=2), tmp_path / "s")
    assert len(later.waiting()) == 6
    assert rows_of(later) == [{**row, "earlier": 2} for row in rows]
    shutil.rmtree(plan.folder.trial(plan.trials[0]))
    assert [row.get("earlier") for row in rows_of(later)] == [1, 2, 2]
    assert ran(later, client) == list(range(6))
    assert rows_of(later) == rows


@pytest.mark.filterwarnings("ignore:.* became 0:hypr_neuro.errors.HyprWarning")
def test_the_table_has_what_the_calls_give(data: Path, client: Any, tmp_path: Path) -> None:
    network = hn.Network.build(NETWORK, seed=4)
    loaded = hn.load_data(str(data))
    hn.scale_to_rate(network, loaded.part("train").x, 0.1)
    network.save(tmp_path / "n.h5")
    made = study(data, network=str(tmp_path / "n.h5"), set={})
    plan = prepare(made, tmp_path / "s")
    ran(plan, client)
    rows = rows_of(plan)
    assert [row["precision.weight_bits"] for row in rows] == [2, 4, 8]
    for row in rows:
        assert "refused" not in row, row
        profile = hn.load_profile("loihi2", {"precision.weight_bits": row["precision.weight_bits"]})
        qnet = hn.quantize(network, profile, calibration=loaded)
        part = loaded.part("validation")
        answers = hn.simulate(qnet, part.x).readout.astype(np.int64).sum(axis=1).argmax(axis=1)
        assert row["accuracy"] == (answers == part.y).mean()
        assert row["zeroed"] == sum(entry["zeroed"] for entry in qnet.record)
        assert row["memory bits"] == sum(core.memory_bits for core in hn.place(qnet).cores)
        cost = hn.estimate(qnet, part.x[:32], learning=False)
        assert (row["energy nJ"], row["time us"]) == (cost.energy_nj, cost.time_us) != (None, None)
        assert row["seeds"] == 1
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [float(row["accuracy"]) for row in read] == [row["accuracy"] for row in rows]


@pytest.mark.parametrize(
    "more",
    [
        {"run": "learn", "start": "scratch"},
        {"run": "learn", "start": "disturbed", "set": {"training.epochs": 1, "learn.epochs": 1}},
        {"run": "learn", "vary": {"learn.rate": [0.05, 0.5], "learn.rule": ["sgd", "factored"]}},
        {"run": "compare", "vary": {"learning.error_bits": [4, 8]}},
        {"vary": {"profile": ["loihi2", "ideal", "spinnaker2"]}},
        {"vary": {"network.layers.0.size": [3, 6], "training.rule": ["hypr", "eprop"]}},
    ],
    ids=lambda more: "-".join(map(str, more.values()))[:40],
)
def test_every_kind_of_study(more: dict[str, Any], data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data, **more), tmp_path / "s")
    assert ran(plan, client) == [t.number for t in plan.trials]
    for row in rows_of(plan):
        assert "refused" not in row, row
        assert 0 <= row["accuracy"] <= 1
        assert row["cores"] >= 1
        if plan.study.run != "quantize":
            assert 0 <= row["start accuracy"] <= 1


def test_a_worker_with_other_sources_gives_nothing(
    data: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare(study(data), tmp_path / "s")
    monkeypatch.setattr("hypr_neuro.studies.work.own_code", lambda: "of yesterday")
    with pytest.raises(HyprError, match=r"3 of 3 trials did not finish, first: .* with other sources than the command"):
        ran(plan, client)
    assert len(plan.waiting()) == 3
    monkeypatch.undo()
    assert ran(plan, client) == [0, 1, 2]


def test_an_edited_profile_is_another_chip(data: Path, client: Any, tmp_path: Path) -> None:
    chip = tmp_path / "chip.yaml"
    made = study(data, profile=str(chip), vary={"learn.epochs": [1]}, run="learn", start="scratch")
    plans = []
    for bits in (8, 2):
        weights = f"precision:\n  weight_bits: {{value: {bits}, unit: bit, source: me}}\n"
        chip.write_text(f"extends: loihi2\nname: mine\ndescription: of a user\n{weights}")
        plans.append(prepare(made, tmp_path / "s"))
        assert ran(plans[-1], client) == [0]
    wide, narrow = (rows_of(plan)[0]["memory bits"] for plan in plans)
    assert wide > narrow


def test_workers_get_the_profile_as_it_was_when_the_study_began(data: Path, client: Any, tmp_path: Path) -> None:
    """Its file may change meanwhile, or not be there where the trials run."""
    chip, text = tmp_path / "chip.yaml", "extends: loihi2\nname: mine\ndescription: of a user\n"
    rows = []
    changes = {"here": lambda: None, "gone": chip.unlink, "other": lambda: chip.write_text("name: [")}
    for name, change in changes.items():
        chip.write_text(f"{text}precision:\n  weight_bits: {{value: 3, unit: bit, source: me}}\n")
        vary = {"profile": [str(chip), "ideal"]}
        plan = prepare(study(data, vary=vary), tmp_path / name)
        change()
        assert ran(plan, client) == [0, 1]
        rows.append(rows_of(plan))
    assert rows[0] == rows[1] == rows[2]
    assert not any("refused" in row for row in rows[0])


def test_start_networks_that_are_refused_are_rows(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data, vary={"training.optimizer": ["adam", "nope"]}), tmp_path / "s")
    assert ran(plan, client) == [0, 1]
    good, bad = rows_of(plan)
    assert "accuracy" in good
    assert "unknown optimizer 'nope'" in bad["refused"]
    assert ran(plan, client) == []


def test_lists_of_options_are_taken(data: Path, client: Any, tmp_path: Path) -> None:
    constant = {"training.epochs": 1, "learn.layers": ["readout"], "learn.rate": 0.1}
    plan = prepare(study(data, vary={"weight_bits": [8]}, run="learn", set=constant), tmp_path / "s")
    ran(plan, client)
    assert "accuracy" in rows_of(plan)[0]


def test_results_that_are_none_run_again(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data), tmp_path / "s")
    ran(plan, client)
    rows = rows_of(plan)
    files = [plan.folder.trial(t) / "result.json" for t in plan.trials]
    content = json.loads(files[0].read_text())
    files[0].write_text(json.dumps(content | {"figures": {"accuracy": float("nan")}}))
    files[1].write_text("[" * 100_000)
    files[2].write_text(json.dumps(content | {"figures": {}, "digest": plan.trials[2].digest}))
    assert plan.folder.unreadable(plan.trials) == files
    assert ran(plan, client) == [0, 1, 2]
    shutil.copy(files[0], files[1])
    assert ran(plan, client) == [1], "the result of another trial"
    assert rows_of(plan) == rows


def test_each_seed_has_its_own_draws(data: Path, client: Any, tmp_path: Path) -> None:
    """Of a trained network, so that damage, stochastic rounding and order of samples are all that differs."""
    net = hn.Network.build(NETWORK, seed=1)
    hn.scale_to_rate(net, hn.load_data(str(data)).part("train").x, 0.1)
    net.save(tmp_path / "n.h5")
    common = {"network": str(tmp_path / "n.h5"), "seeds": 2}
    rounding = {"set": {"quantize.rounding": "stochastic"}, "vary": {"weight_bits": [3]}}
    learning = {"run": "learn", "start": "disturbed", "set": {"learn.rate": 0.2}, "vary": {"weight_bits": [8]}}
    for i, more in enumerate((rounding, learning)):
        plan = prepare(study(data, **common, **more), tmp_path / f"s{i}")
        ran(plan, client)
        first, second = (plan.folder.result(t) for t in plan.trials)
        assert first != second, more
    job = Job.of(study(data, **common, **learning), {"precision.weight_bits": 8}, 1)
    loaded, figures = hn.load_data(str(data)), plan.folder.result(plan.trials[1])
    qnet, changed, _ = disturb(hn.quantize(net, chip_of(job), calibration=loaded, seed=1), loaded, seed=1)
    options = hn.LearnOptions(rate=0.2, decay=0.5, seed=1)
    learned, part = hn.learn(qnet, changed, epochs=3, options=options).qnet, changed.part("validation")
    answers = hn.simulate(learned, part.x).readout.astype(np.int64).sum(axis=1).argmax(axis=1)
    assert figures is not None
    assert figures["accuracy"] == (answers == part.y).mean()
    cores = hn.place(qnet, learning=options).cores
    assert figures["memory bits"] == sum(core.memory_bits for core in cores)


def test_settings_that_are_refused_stand_in_the_table(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data, vary={"weight_bits": [8, 77]}), tmp_path / "s")
    ran(plan, client)
    good, bad = rows_of(plan)
    assert "accuracy" in good
    assert "weight_bits" in bad["refused"]
    assert ran(plan, client) == [], "refused is finished, too"


def test_another_study_does_not_mix_into_a_folder(data: Path, client: Any, tmp_path: Path) -> None:
    ran(prepare(study(data), tmp_path / "s"), client)
    with pytest.raises(
        InputError, match="holds a study with part = 'validation', this one has 'test'; give another folder"
    ):
        prepare(study(data, part="test"), tmp_path / "s").folder.open(study(data, part="test"))


def test_a_trial_that_cannot_be_kept_is_said(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data), tmp_path / "s")
    plan.folder.open(plan.study)
    blocked = plan.folder.trial(plan.trials[1])
    blocked.write_text("a file where the folder of a trial would be")
    with pytest.raises(InputError, match=f"'{blocked}' stands where the folder of trial 1 belongs; move it away"):
        run(plan, client, lambda *told: None)
    blocked.unlink()
    assert 1 in ran(plan, client)
    assert len(rows_of(plan)) == 3


def test_thousands_of_finished_trials_are_told_quickly(data: Path, tmp_path: Path) -> None:
    """Not a timed test: that the files are read once, and nothing is computed."""
    vary = {"weight_bits": {"from": 2, "to": 16}, "learning.eligibility_bits": {"from": 8, "to": 32}}
    plan = prepare(study(data, run="learn", vary=vary, seeds=2), tmp_path / "s")
    plan.folder.open(plan.study)
    for trial in plan.trials:
        plan.folder.keep(trial, {"accuracy": (trial.number % 7) / 7}, 0.1)
    assert plan.waiting() == []
    assert len(rows_of(plan)) == 15 * 25


def test_each_seed_and_training_has_a_start_network_that_is_trained_once(
    data: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vary = {"training.epochs": [1, 2], "weight_bits": [8, 9]}
    plan = prepare(study(data, vary=vary, set={}, seeds=2), tmp_path / "s")
    calls: list[object] = []
    submit = client.submit

    def counted(call: Any, *args: Any, **more: Any) -> Any:
        calls.append(call)
        return submit(call, *args, **more)

    monkeypatch.setattr(client, "submit", counted)
    # one trial at a time, so that networks are kept for those that are handed out later
    for name in ("AHEAD", "LEAST_AHEAD"):
        monkeypatch.setattr(f"hypr_neuro.studies.coordinator.{name}", 1)
    ran(plan, client)
    assert (calls.count(timed_start), calls.count(timed_trial)) == (4, 8)
    loaded, nets = hn.load_data(str(data)), []
    for trial in plan.trials:
        nets.append(start_network(plan.job(trial), loaded))
        assert plan.folder.result(trial) == run_trial(plan.job(trial), loaded, nets[-1])
    digests = [net.digest() for net in nets if isinstance(net, hn.Network)]
    assert digests[0] == digests[2]
    assert len(set(digests)) == 4


def test_other_contents_are_other_trials(data: Path, tmp_path: Path) -> None:
    """Of data, of a network's file and of its specification, of a profile that is set for all."""
    copy, net, chip = tmp_path / "two.npz", tmp_path / "n.h5", tmp_path / "chip.yaml"
    arrays = dict(np.load(data))

    def first(**more: Any) -> str:
        return prepare(study(copy, **more), tmp_path / "s").trials[0].digest

    digests: list[list[str]] = []
    for i in range(2):
        np.savez(copy, **(arrays | ({"x_test": 1 - arrays["x_test"]} if i else {})))
        hn.Network.build(NETWORK, seed=i).save(net)
        chip.write_text(f"extends: loihi2\nname: mine\ndescription: of user {i}\n")
        found = [first()]
        np.savez(copy, **arrays)
        found.append(first(network=NETWORK | {"layers": [{"neuron": "lif", "size": 4 + i}]}))
        digests.append([*found, first(network=str(net), set={}), first(set={"profile": str(chip)})])
    assert [one == other for one, other in zip(*digests, strict=True)] == [False] * 4


def test_of_earlier_results_the_newest_is_shown(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(3):
        monkeypatch.setattr("hypr_neuro.studies.plan.code_digest", lambda day=day: str(day))
        plan = prepare(study(data, vary={"weight_bits": [8]}), tmp_path / "s")
        if day < 2:
            plan.folder.keep(plan.trials[0], {"accuracy": day / 4}, 0.1)
            file = plan.folder.trial(plan.trials[0]) / "result.json"
            os.utime(file, (1000 * (2 - day), 1000 * (2 - day)))
    assert [row["accuracy"] for row in rows_of(plan)] == [0.0]
    os.utime(file, (5000, 5000))
    assert [row["accuracy"] for row in rows_of(plan)] == [0.25]
    assert progress_of(plan).earlier == 1
    plan.folder.open(plan.study)
    for words in (("table",), ("best", "--least", "weight_bits"), ("plot", "--write", tmp_path / "f.svg")):
        told = called("study", words[0], tmp_path / "s", *words[1:])
        assert told.stderr.startswith("1 of 1 results are of other sources of the program"), told
    held = plan.folder.earlier(plan.trials)
    assert "--dry-run, rule: with run" in refusal("study", "rerun", tmp_path / "s", "0", "--dry-run", run=called)
    assert plan.folder.earlier(plan.trials) == held


def test_the_digest_of_the_sources_is_of_all_of_them_and_not_of_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(installed: bool) -> Path:
        root = tmp_path / str(installed)
        inside = {name: root / ("hypr_neuro/" if installed else "") / name for name in ("sim", "compilers")}
        chips = root / ("hypr_neuro/" if installed else "") / "hardware_profiles"
        for file in (
            root / "hypr_neuro" / "a.py",
            inside["sim"] / "b.py",
            inside["compilers"] / "c.py",
            chips / "d.yaml",
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(file.name)
        places = {"hypr_neuro": root / "hypr_neuro", "hypr_neuro.hardware_profiles": chips}
        places |= {f"hypr_neuro.{name}": folder for name, folder in inside.items()}
        monkeypatch.setattr("hypr_neuro.studies.store.files", places.__getitem__)
        return root

    digests = [code_digest() for installed in (True, False) if written(installed)]
    assert digests[0] == digests[1]
    files = sorted(file for file in (tmp_path / "False").rglob("*") if file.is_file())
    assert len(files) == 4
    for file in files:
        file.write_text("changed")
        assert code_digest() not in digests, file
        digests.append(code_digest())
