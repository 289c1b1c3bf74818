"""Studies: what a file may say, trials and their folders, the table, and that nothing is lost whatever is killed."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.comparing.disturbance import disturb
from hypr_neuro.errors import InputError
from hypr_neuro.studies.choose import choose, profile_of
from hypr_neuro.studies.coordinator import StudyPlan, prepare, run
from hypr_neuro.studies.fields import field_names, full_name, with_entry
from hypr_neuro.studies.plot import plotted
from hypr_neuro.studies.spec import Study, load_study, parse_study
from hypr_neuro.studies.table import as_csv, rows_of
from hypr_neuro.studies.trials import combinations, trials_of
from hypr_neuro.studies.work import Job, chip_of

CLASSES, CHANNELS = 2, 6
NETWORK = {"inputs": CHANNELS, "outputs": CLASSES, "layers": [{"neuron": "lif", "size": 5}]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that fire on different channels."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 24), ("validation", 8), ("test", 8)):
        y = np.arange(count) % CLASSES
        share = np.where(np.arange(CHANNELS) % CLASSES == y[:, None], 0.5, 0.05)
        arrays |= {f"x_{part}": (rng.random((count, 20, CHANNELS)) < share[:, None]).astype(np.int8), f"y_{part}": y}
    path = tmp_path_factory.mktemp("study") / "two.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Workers in this process, which start at once."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as client:
        yield client


def study(data: Path, **more: Any) -> Study:
    fields = {"run": "quantize", "data": str(data), "network": NETWORK, "vary": {"weight_bits": [2, 4, 8]}}
    return parse_study(fields | {"set": {"training.epochs": 1}} | more, "study")


def ran(plan: StudyPlan, client: Any) -> list[int]:
    """Run what waits; numbers of the trials that ran."""
    plan.folder.open(plan.study)
    numbers: list[int] = []
    run(plan, client, lambda trial, figures: numbers.append(trial.number))
    return sorted(numbers)


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
        "the study has 100001 trials, rule: at most 100000; draw some with trials: N",
    ),
    "without end": ({"vary": {"weight_bits": {"from": 0, "to": 10**12}}}, "values, rule: at most 1000"),
    "error bits of no learning": ({"vary": {"error_bits": [4, 8]}}, "run: quantize learns nothing on the chip"),
    "integers of others": (
        {"run": "learn", "start": "scratch", "vary": {"rounding": ["nearest", "stochastic"]}},
        "start: scratch draws integers of its own, rule: fields quantize.… go with trained, disturbed",
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
    assert "has 6 channels and 2 classes, the network 3 inputs and 2 outputs" in said
    assert not (tmp_path / "s").exists()


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
    trials = list(trials_of(made, {}))
    assert [t.number for t in trials] == list(range(12))
    assert [t.seed for t in trials[:4]] == [0, 1, 0, 1]
    assert [t.settings["precision.weight_bits"] for t in trials[::4]] == [8, 6, 4]
    assert len({t.digest for t in trials}) == 12


def test_a_trial_keeps_its_digest_when_the_study_grows(data: Path) -> None:
    def digests(**more: Any) -> dict[str, tuple[Any, int]]:
        return {
            t.digest: (t.settings["precision.weight_bits"], t.seed)
            for t in trials_of(study(data, **more), {"data": "a"})
        }

    small, large = digests(), digests(vary={"weight_bits": [1, 2, 4, 8]}, seeds=2, title="other")
    assert small.items() <= large.items()
    for change in ({"part": "test"}, {"profile": "ideal"}, {"set": {"training.epochs": 2}}, {"run": "learn"}):
        assert not small.keys() & digests(**change).keys(), change
    assert not small.keys() & {t.digest for t in trials_of(study(data), {"data": "b"})}


def test_drawn_combinations_are_the_same_and_begin_alike(data: Path) -> None:
    vary = {"weight_bits": {"from": 2, "to": 16}, "learning.eligibility_bits": {"from": 8, "to": 24}}
    few, many = (combinations(study(data, run="learn", vary=vary, trials=n)) for n in (10, 60))
    assert many[:10] == few
    assert len({json.dumps(c) for c in many}) == 60
    assert len({c["precision.weight_bits"] for c in many}) > 10
    assert len(combinations(study(data, run="learn", vary=vary, trials=15 * 17))) == 15 * 17
    with pytest.raises(InputError, match="rule: at most 255, the combinations"):
        combinations(study(data, run="learn", vary=vary, trials=256))


# --- runs


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
    monkeypatch.setattr("hypr_neuro.studies.coordinator.code_digest", lambda: "of tomorrow")
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
    assert figures["memory bits"] == sum(core.memory_bits + core.learning_bits for core in cores)


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


def made_rows() -> list[dict[str, Any]]:
    figures = {2: (0.5, 100), 4: (0.88, 200), 6: (0.9, 300), 8: (0.891, 400)}
    rows = [{"precision.weight_bits": b, "accuracy": a, "memory bits": m} for b, (a, m) in figures.items()]
    return [
        *rows,
        {"precision.weight_bits": 99, "refused": "too wide"},
        {"precision.weight_bits": 10, "memory bits": 50},
    ]


@pytest.mark.parametrize(("within", "bits"), [(0.0, 6), (1.0, 6), (2.0, 4), (40.0, 2), (39.0, 4)])
def test_the_cheapest_that_is_good_enough(within: float, bits: int) -> None:
    chosen = choose(made_rows(), within, "memory bits")
    assert chosen.row["precision.weight_bits"] == bits
    assert chosen.best["precision.weight_bits"] == 6
    assert "of the best mean accuracy, 90.0%" in chosen.rule


def test_of_a_regression_the_least_error_counts() -> None:
    rows = [{"weight_bits": b, "squared error": e, "cores": 1} for b, e in ((2, 4.0), (4, 1.05), (8, 1.0))]
    assert choose(rows, 10.0, "weight_bits").row["weight_bits"] == 4
    assert choose(rows, 1.0, "weight_bits").row["weight_bits"] == 8
    for arguments, message in (
        ((rows, 1.0, "cors"), "cost 'cors' (did you mean 'cores'?)"),
        ((rows, float("nan"), "cores"), "within = nan, rule: 0 or more"),
        (([], 1.0, "cores"), "no row of the table has figures yet"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            choose(*arguments)


def test_the_profile_of_a_row_is_the_chip_that_was_measured(data: Path) -> None:
    made = study(data, run="learn", vary={"weight_bits": [3, 5]}, set={"learning.error_bits": 6})
    profile = profile_of(made, {"precision.weight_bits": 3})
    assert (profile.precision.weight_bits.value, profile.learning.error_bits.value) == (3, 6)


@pytest.mark.parametrize("fields", [("a.b",), ("a.b", "kind"), ("a.b", "c.d")])
def test_a_figure_is_the_same_for_the_same_rows(fields: tuple[str, ...]) -> None:
    rows = [
        {"a.b": b, "kind": kind, "c.d": d, "accuracy": (b + d) / 20, "accuracy sd": 0.01, "float accuracy": 0.9}
        for b in (2, 4, 6)
        for d, kind in enumerate(("x", "y", "z"))
        if len(fields) == 2 or d == 0
    ]
    first, again = (plotted(rows, fields, "bits", "svg") for _ in range(2))
    assert first == again
    assert plotted(rows, fields, "bits", "png").startswith(b"\x89PNG")
    text = first.decode()
    assert "bits" in text
    assert ("c.d" in fields) == ("d</text>" in text and "float" not in text)
    with pytest.raises(InputError, match="3 fields vary, rule: one or two"):
        plotted(rows, ("a.b", "c.d", "kind"), "", "svg")
    with pytest.raises(InputError, match="no row of the table has figures yet"):
        plotted([{"a.b": 2, "refused": "no"}], ("a.b",), "", "svg")


def test_a_study_from_python(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    script = f"""
import json
import hypr_neuro as hn

if __name__ == "__main__":
    what = {{"run": "quantize", "data": {str(data)!r}, "network": {NETWORK!r}, "vary": {{"weight_bits": [4, 8]}},
            "set": {{"training.epochs": 1}}}}
    first = hn.study(what, "s", workers=1)
    again = hn.study(what, "s")
    print(json.dumps([first.rows == again.rows, len(first.rows), first.choose(100.0).row["precision.weight_bits"]]))
    print(again)
"""
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert json.loads(lines[0]) == [True, 2, 4]
    assert lines[1].startswith("StudyTable: 2 rows, 's'")
    assert not done.stderr, done.stderr


# --- the command, and what kills it


def words(data: Path, out: Path) -> tuple[str, ...]:
    return (
        *("study", "run", "--data", str(data), "--vary", "weight_bits=2:11", "--set", "training.epochs=1"),
        *("--seeds", "2", "--workers", "2", "--out", str(out)),
    )


def test_the_command_runs_lists_and_tells(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    small = ("study", "run", "--data", data, "--vary", "weight_bits=4,8", "--set", "training.epochs=1", "--out", out)
    assert len(answer(*small, "--dry-run")["trials"]) == 2
    assert not out.exists()
    rows = answer(*small)
    assert [row["precision.weight_bits"] for row in rows] == [4, 8]
    done = called(*small)
    assert "nothing to do: all 2 trials" in done.stderr
    assert answer("study", "status", out)["finished"] == 2
    assert answer("study", "table", out, "--csv", tmp_path / "t.csv") == rows
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3
    best = answer("study", "best", out, "--within", "100", "--write", tmp_path / "chip.yaml")
    assert best["settings"] == {"precision.weight_bits": 4}
    assert hn.load_profile(tmp_path / "chip.yaml").precision.weight_bits.value == 4
    figure = answer("study", "plot", out)["figure"]
    assert Path(figure).read_bytes().startswith(b"\x89PNG")
    assert "ends in .png or .svg" in refusal("study", "plot", out, "--write", tmp_path / "f.pdf")
    assert answer("study", "rerun", out, "1") == rows
    assert "trial 2, rule: 0..1" in refusal("study", "rerun", out, "2")
    assert load_study(out / "study.yaml").vary == {"precision.weight_bits": [4, 8]}


def started(data: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hypr_neuro", *words(data, out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def children(pid: int) -> list[int]:
    """Processes that descend from one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.sub(r"^.*\) . ", "", (entry / "stat").read_text()).split()[0])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found += [int(entry.name), *children(int(entry.name))]
    return found


def finished(out: Path) -> set[str]:
    return {path.parent.name for path in out.glob("trials/*/result.json")}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_whatever_is_killed_the_table_is_the_same(data: Path, tmp_path: Path) -> None:
    """Coordinator, workers, or both, at random moments; finished trials stay as they are."""
    whole = tmp_path / "whole"
    answer(*words(data, whole))
    out, rng = tmp_path / "s", random.Random(3)
    kept: dict[str, float] = {}
    for who in ("coordinator", "workers", "both"):
        process = started(data, out)
        deadline = time.monotonic() + 60
        while len(finished(out)) <= len(kept) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        below = children(process.pid)
        targets = {"coordinator": [process.pid], "workers": below, "both": [process.pid, *below]}[who]
        for pid in targets:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if who == "workers":
            process.wait(timeout=120)
        else:
            process.wait(timeout=20)
            for pid in below:  # they end by themselves, when the coordinator is gone
                ended = time.monotonic() + 40
                while Path(f"/proc/{pid}").exists() and time.monotonic() < ended:
                    time.sleep(0.1)
                assert not Path(f"/proc/{pid}").exists(), f"process {pid} outlives its coordinator"
        times = {name: (out / "trials" / name / "result.json").stat().st_mtime_ns for name in finished(out)}
        assert kept.items() <= times.items(), "a finished trial ran again"
        kept = times
    table = answer(*words(data, out))
    assert json.dumps(table) == json.dumps(answer("study", "table", whole))
    assert {p.name for p in (out / "trials").iterdir()} == {p.name for p in (whole / "trials").iterdir()}
    for path in sorted(whole.glob("trials/*/result.json")):
        assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_a_trial_that_cannot_be_kept_is_said(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data), tmp_path / "s")
    plan.folder.open(plan.study)
    blocked = plan.folder.trial(plan.trials[1])
    blocked.write_text("a file where the folder of a trial would be")
    with pytest.raises(InputError, match=f"cannot create folder '{blocked}'"):
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
