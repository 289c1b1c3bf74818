"""Labelled sets of values, widths of single tensors, and one field at a time: what a study may say and gives."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, refusal
from study_cases import ran, study, two_classes

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.studies.choose import profile_of
from hypr_neuro.studies.columns import short
from hypr_neuro.studies.fields import full_name
from hypr_neuro.studies.plan import check, prepare
from hypr_neuro.studies.results import results_of
from hypr_neuro.studies.search import Search
from hypr_neuro.studies.spec import load_study
from hypr_neuro.studies.trials import combinations
from hypr_neuro.studies.work import start_network

BITS, RULE = "precision.weight_bits", "precision.weight_bits@readout"
TERMS: dict[str, Any] = {
    "wide": {},
    "narrow": {"weight_bits": 3, "quantize.rounding": "stochastic"},
    "own_chip": {"profile": "spinnaker2"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


# --- labelled sets


def test_a_label_sets_several_values_together(data: Path, tmp_path: Path) -> None:
    made = study(data, vary={"kind": TERMS, "state_bits": [20, 24]}, set={"weight_bits": 6, "training.epochs": 1})
    assert made.values() == {"kind": ["wide", "narrow", "own_chip"], "precision.state_bits": [20, 24]}
    assert [chosen["kind"] for chosen in combinations(made)] == [label for label in TERMS for _ in range(2)]
    narrow = {"training.epochs": 1, BITS: 3, "quantize.rounding": "stochastic", "precision.state_bits": 24}
    assert made.stated({"kind": "narrow", "precision.state_bits": 24}) == narrow
    assert made.stated({"kind": "wide", "precision.state_bits": 24})[BITS] == 6
    plan = prepare(made, tmp_path / "s")
    assert set(plan.profiles) == {"loihi2", "spinnaker2"}
    chips = {plan.job(t).settings["precision.state_bits"]: plan.job(t).chip for t in plan.trials[4:]}
    assert [chip.name for chip in chips.values() if chip is not None] == ["spinnaker2", "spinnaker2"]


def test_the_table_has_what_the_calls_give(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data, vary={"kind": TERMS}), tmp_path / "s")
    assert ran(plan, client) == [0, 1, 2]
    rows = {row["kind"]: row for row in results_of(plan).rows}
    samples = hn.load_data(str(data))
    net = start_network(plan.job(plan.trials[0]), samples)
    assert isinstance(net, hn.Network)
    chips = {"wide": "loihi2", "narrow": hn.load_profile("loihi2", {BITS: 3}), "own_chip": "spinnaker2"}
    for label, chip in chips.items():
        how = {"rounding": "stochastic"} if label == "narrow" else {}
        qnet = hn.quantize(net, chip, calibration=samples, seed=0, **how)
        wanted = hn.evaluate(qnet, samples, "validation", learned=False).accuracy
        assert rows[label]["accuracy"] == wanted
        assert rows[label]["zeroed"] == sum(entry.get("zeroed", 0) for entry in qnet.record)
        assert profile_of(plan.study, rows[label]).name == hn.load_profile(chip).name
    assert rows["narrow"]["zeroed"] > rows["wide"]["zeroed"]
    table = called("study", "table", tmp_path / "s").stdout
    assert all(label in table for label in TERMS)


def test_a_study_that_was_written_reads_the_same(data: Path, tmp_path: Path) -> None:
    made = study(data, vary={"kind": TERMS, "weight_bits@readout": [4, None]} | {"state_bits": [20]}, set={})
    prepare(made, tmp_path / "s").folder.open(made)
    assert load_study(tmp_path / "s" / "study.yaml") == made


def test_another_word_for_the_same_is_the_same_trial_and_other_values_are_another(data: Path, tmp_path: Path) -> None:
    def digests(**terms: Any) -> list[str]:
        return [t.digest for t in prepare(study(data, vary={"kind": terms}), tmp_path / "s").trials]

    held = digests(one={"weight_bits": 4}, other={"weight_bits": 6})
    assert digests(uno={"weight_bits": 4}, other={"weight_bits": 6}) == held
    assert digests(one={"weight_bits": 5}, other={"weight_bits": 6})[0] not in held


@pytest.mark.parametrize("other", [{"vary": {"kind": {"one": {"weight_bits": 5}}}}, {"set": {"state_bits": 20}}])
def test_results_of_other_values_are_none_of_earlier_sources(
    other: dict[str, Any], data: Path, client: Any, tmp_path: Path
) -> None:
    first = {"vary": {"kind": {"one": {"weight_bits": 4}}}, "set": {"training.epochs": 1}}
    ran(prepare(study(data, **first), tmp_path / "s"), client)
    later = prepare(study(data, **(first | other)), tmp_path / "s")
    assert results_of(later).rows == []


FAULTS: dict[str, tuple[Any, str]] = {
    "a field's name": ({"weight_bits": {"a": {}}}, "'weight_bits' is a field of its own, rule: another word"),
    "a name of two fields": ({"rate": {"a": {}}}, "'rate' is a field of its own"),
    "a column's name": ({"accuracy": {"a": {}}}, "'accuracy' is a column of the table"),
    "no word": ({"my terms": {"a": {}}}, "rule: a word of letters, digits, _ and -"),
    "a misspelt field": ({"weigt_bits": [4]}, "did you mean 'weight_bits'?"),
    "a misspelt field in a label": ({"kind": {"a": {"weigt_bits": 4}}}, "did you mean 'weight_bits'?"),
    "a label that is no text": ({"kind": {False: {}}}, "label False, rule: a text of 1 to 60 letters; in quotes"),
    "values that are no mapping": ({"kind": {"a": {}, "b": 3}}, "key 'vary.kind.b' = 3, rule: values by field"),
    "an empty one": ({"kind": {"a": {}, "b": None}}, "{} for none"),
    "a value that is none": ({"kind": {"a": {"weight_bits": float("inf")}}}, "= inf, rule: a finite number"),
    "twice in a label": ({"kind": {"a": {"weight_bits": 4, BITS: 6}}}, f"'{BITS}' stands there twice, rule: once"),
    "the same twice": ({"kind": {"a": {}, "b": {}}}, "'a' and 'b' set the same, rule: each something else"),
    "what is set anyway": ({"kind": {"a": {}, "b": {"training.epochs": 1}}}, "'a' and 'b' set the same"),
    "a field in two labels": (
        {"kind": {"a": {"weight_bits": 4}}, "other": {"b": {"weight_bits": 6}}},
        f"'{BITS}' stands under 'kind' and under 'other', rule: under one",
    ),
    "a field beside a label": (
        {"kind": {"a": {"weight_bits": 4}}, "weight_bits": [6]},
        f"'{BITS}' stands under 'kind' and under '{BITS}', rule: under one",
    ),
    "learning where nothing learns": ({"kind": {"a": {"learn.rate": 0.1}}}, "run: quantize learns nothing"),
    "a plan that is a file": ({"kind": {"a": {}, "b": {"plan": "plan.yaml"}}}, "quantize.plan is a file"),
    "a plan that is a file among values": ({"plan": ["plan.yaml", None]}, "quantize.plan is a file"),
    "a span": ({"kind": {"form": 2, "to": 8}}, "key 'vary.kind.form' = 2: unknown key (did you mean 'from'?)"),
    "no number of rules": ({"error_bits@readout": [4]}, "unknown 'error_bits'"),
    "no name of a rule": ({"weight_bits@": [4]}, "rule: the name of a population or connection behind @"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_hold_together_is_refused(fault: str, data: Path) -> None:
    vary, message = FAULTS[fault]
    with pytest.raises(InputError, match=re.escape(message)) as found:
        study(data, vary=vary)
    assert "\n" not in str(found.value)


def test_a_search_draws_labels_as_words(data: Path) -> None:
    pytest.importorskip("optuna")
    search = Search(study(data, vary={"kind": TERMS}, sampler="tpe", trials=6), ["max"])
    asked = search.ask(6)
    assert {chosen["kind"] for chosen in asked} <= set(TERMS)
    search.tell([[float(chosen["kind"] == "narrow")] for chosen in asked])


def test_the_schema_takes_labels_under_names_of_ones_own() -> None:
    schema = json.loads(called("study", "schema").stdout)
    vary, labels = schema["properties"]["vary"], {"additionalProperties": True, "type": "object"}
    assert vary["additionalProperties"]["additionalProperties"] == labels
    for values in (vary["properties"]["weight_bits"], vary["properties"][BITS], vary["patternProperties"]["@"]):
        assert [one.get("type", one.get("$ref")) for one in values["anyOf"]] == ["#/$defs/Span", "array"]
    assert "kind" not in vary["properties"]


# --- widths of single tensors


def test_a_width_of_a_single_tensor_varies(data: Path, client: Any, tmp_path: Path) -> None:
    assert full_name("weight_bits@readout") == RULE
    assert full_name("state_bits@layers.*") == "precision.state_bits@layers.*"
    assert full_name("learning.eligibility_bits@a -> b") == "learning.eligibility_bits@a -> b"
    assert short(RULE) == "weight bits of readout"
    plan = prepare(study(data, vary={"weight_bits@readout": [None, 3]}), tmp_path / "s")
    check(plan)
    ran(plan, client)
    by_plan = {"as it is": {}, "mixed": {"quantize.plan": {"readout": {"weight_bits": 3}}}}
    other = prepare(study(data, vary={"widths": by_plan}), tmp_path / "p")
    ran(other, client)
    figures = [[{**row, RULE: 0, "widths": 0} for row in results_of(one).rows] for one in (plan, other)]
    assert figures[0] == figures[1]
    samples = hn.load_data(str(data))
    net = start_network(plan.job(plan.trials[0]), samples)
    assert isinstance(net, hn.Network)
    for row, rules in zip(results_of(plan).rows, ({}, {"readout": {"weight_bits": 3}}), strict=True):
        qnet = hn.quantize(net, "loihi2", calibration=samples, seed=0, plan=rules)
        assert row["zeroed"] == sum(entry.get("zeroed", 0) for entry in qnet.record)
        assert row["accuracy"] == hn.evaluate(qnet, samples, "validation", learned=False).accuracy
    best = answer("study", "best", tmp_path / "s", "--within", 100, "--least", "weight_bits@readout", run=called)
    assert best["settings"][RULE] == 3
    words = ("study", "plot", tmp_path / "s", "--over", "weight_bits@readout", "--write", tmp_path / "f.svg")
    assert called(*words).returncode == 0


def test_a_tensor_that_is_none_is_told_before_anything_runs(data: Path, tmp_path: Path) -> None:
    words = ("study", "run", "--data", data, "--vary", "weight_bits@lairs.0=4", "--out", tmp_path / "s")
    told = refusal(*words, run=called)
    assert "rules.lairs.0: no population or connection of this network has that name, known: layers.0" in told
    assert not list((tmp_path / "s").glob("trials/*"))


# --- one field at a time


def one_at_a_time(data: Path, **more: Any) -> Any:
    vary = {
        "weight_bits": [8, 4, 2],
        "state_bits": [24, 16],
        "kind": {"near": {}, "random": {"rounding": "stochastic"}},
    }
    return study(data, **({"vary": vary, "sampler": "one_at_a_time", "seeds": 3} | more))


def test_the_first_values_and_every_other_one_by_itself(data: Path) -> None:
    made = one_at_a_time(data)
    base = {BITS: 8, "precision.state_bits": 24, "kind": "near"}
    others: list[dict[str, Any]] = [{BITS: 4}, {BITS: 2}, {"precision.state_bits": 16}, {"kind": "random"}]
    assert combinations(made) == [base, *(base | one for one in others)]
    assert made.count == len(combinations(made)) == 5


def test_other_ways_to_say_how_many_are_refused(data: Path) -> None:
    with pytest.raises(InputError, match="sampler: one_at_a_time with trials: 3"):
        one_at_a_time(data, trials=3)
    with pytest.raises(InputError, match="fractions without end"):
        one_at_a_time(data, vary={"training.rate": {"from": 0.1, "to": 0.5}})


def test_losses_are_paired_seed_by_seed(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(one_at_a_time(data, run="quantize"), tmp_path / "s")
    ran(plan, client)
    results = results_of(plan)
    base, *others = results.rows
    assert base["accuracy loss"] == base["accuracy loss sd"] == base["test accuracy loss"] == 0.0
    for number, row in enumerate(others, 1):
        for figure in ("accuracy", "test accuracy"):
            before = [results.trials[seed][figure] for seed in range(3)]
            after = [results.trials[3 * number + seed][figure] for seed in range(3)]
            losses = [b - a for b, a in zip(before, after, strict=True)]
            assert math.isclose(row[f"{figure} loss"], statistics.mean(losses), abs_tol=1e-12)
            assert math.isclose(row[f"{figure} loss sd"], statistics.stdev(losses), abs_tol=1e-12)
    assert any(row["accuracy loss"] != 0 for row in others)
    changes = results.sensitivity(results.start()).changes
    assert [change.value for change in changes] == [4, 2, 16, "random"]
    for change, row in zip(changes, others, strict=True):
        assert change.difference is not None
        assert math.isclose(change.difference, -row["accuracy loss"], abs_tol=1e-12)
    figure = tmp_path / "f.svg"
    assert called("study", "plot", tmp_path / "s", "--write", figure).returncode == 0
    assert "What one field changes" in figure.read_text(encoding="utf-8")
    assert " loss " in called("study", "table", tmp_path / "s", "--write", tmp_path / "t.html").stdout
    assert "accuracy loss" in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_a_grid_has_no_losses(data: Path, client: Any, tmp_path: Path) -> None:
    plan = prepare(study(data), tmp_path / "s")
    ran(plan, client)
    assert not any(name.endswith("loss") for row in results_of(plan).rows for name in row)


# --- going on


@pytest.mark.once
def test_a_study_that_was_killed_ends_with_the_same_table(data: Path, client: Any, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        f"run: quantize\ndata: {data}\nsampler: one_at_a_time\nseeds: 3\nset: {{training.epochs: 1}}\n"
        "vary:\n  kind: {wide: {}, narrow: {weight_bits: 3, rounding: stochastic}, own: {profile: spinnaker2}}\n"
        "  weight_bits@layers.0: [8, 4, 2]\n"
    )
    whole = prepare(load_study(file), tmp_path / "whole")
    ran(whole, client)
    words = ("study", "run", str(file), "--workers", "1", "--out", str(tmp_path / "killed"), "--json")
    process = subprocess.Popen([sys.executable, "-m", "hypr_neuro", *words], start_new_session=True)
    until = time.monotonic() + 120
    while len(kept := list(tmp_path.glob("killed/trials/*/result.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    assert kept
    held = {path: path.stat().st_mtime_ns for path in tmp_path.glob("killed/trials/*/result.json")}
    assert answer(*words[:-1]) == json.loads(json.dumps(results_of(whole).rows))
    assert {path: path.stat().st_mtime_ns for path in held} == held, "a finished trial ran again"
