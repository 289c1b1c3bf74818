"""Verdicts, figures and numbers of the report."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from report_samples import (
    Results,
    page_text,
    sample_placement,
    sample_quantization,
    sample_results,
)

from hypr_neuro.report import render_page
from hypr_neuro.report.figures import learning
from hypr_neuro.report.raster import narrow_raster, raster
from hypr_neuro.report.summary import sentences, tiles
from hypr_neuro.report.values import clean, percent, points, show


def after(start: float, device: float, floating: float | None = None) -> Results:
    """A study of one epoch."""
    return {"start_accuracy": start, "epochs": [{"device_accuracy": device, "float_accuracy": floating}]}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"accuracy": {"float": 0.86}}, "above baseline"),
        ({"accuracy": {"float": 0.9, "integer": 0.895}}, "kept"),
        ({"accuracy": {"float": 0.9, "integer": 0.89}}, "kept"),
        ({"accuracy": {"float": 0.9, "integer": 0.88}}, "small loss"),
        ({"accuracy": {"float": 0.9, "integer": 0.5}}, "large loss"),
        ({"accuracy": {"float": 0.8}}, "below baseline"),
        ({"accuracy": {"baselines": {}, "float": 0.12}}, "near chance"),
        ({"placement": {"fits": False}}, "does not fit"),
        ({"lava": {"equal": False}}, "differs"),
        ({"learning": {"fine_tuning": {"regained": 0.8}}}, "recovers"),
        ({"learning": {"fine_tuning": {"regained": 0.5}}}, "recovers in part"),
        ({"learning": {"fine_tuning": {"regained": 0.1}}}, "does not recover"),
        ({"learning": {"fine_tuning": after(0.9, 0.905)}}, "no loss"),
        ({"learning": {"fine_tuning": after(0.9, 0.905) | {"reference_accuracy": 0.91}}}, "recovers in part"),
        ({"learning": {"scratch": after(0.1, 0.8, 0.82)}}, "keeps up"),
        ({"learning": {"scratch": after(0.1, 0.8, 0.85)}}, "a little behind"),
        ({"learning": {"scratch": after(0.1, 0.8, 0.9)}}, "behind"),
        ({"learning": {"scratch": after(0.1, 0.8)}}, "learns"),
        ({"learning": {"scratch": after(0.1, 0.1, 0.1)}}, "does not learn"),
    ],
)
def test_verdicts_follow_the_numbers(change: Results, verdict: str) -> None:
    results: Results = {"data": {"classes": 10}, "accuracy": {"baselines": {"guess": 0.85}}}
    for section, values in change.items():
        results[section] = results.get(section, {}) | values
    found = re.findall(r'<span class="verdict">.*?</span> ([^<]*)</span>', render_page(clean(results)))
    assert verdict in found


FIGURES = [(0.731, "+12.5", "recovers"), (0.5, "−10.6", "does not recover")]


@pytest.mark.parametrize(("last", "figure", "verdict"), FIGURES)
def test_shares_outside_0_to_1_are_told_in_points(last: float, figure: str, verdict: str) -> None:
    share = (last - 0.606) / (0.647 - 0.606)
    study = after(0.606, last) | {"reference_accuracy": 0.647, "regained": share}
    results = {"learning": {"fine_tuning": study}}
    (tile,) = [t for t in tiles(results) if t.label == "Fine-tuning on the chip"]
    assert (tile.figure.split()[0], tile.verdict) == (figure, verdict)
    assert "64.7" in tile.detail
    assert ("loses another 10.6 points" in " ".join(sentences(results))) == (last == 0.5)


def test_more_regained_than_lost_is_said_so() -> None:
    study = after(0.606, 0.731) | {"reference_accuracy": 0.647, "regained": 3.0}
    said = "wins back all of the points lost and more: 73.1 %, before the disturbance 64.7 %"
    assert said in page_text({"learning": {"fine_tuning": study}})


def test_what_is_won_back_is_told_in_points() -> None:
    study = after(0.6, 0.75) | {"reference_accuracy": 0.8, "float_regained": 0.5}
    results = {"learning": {"fine_tuning": study}}
    (tile,) = tiles(results)
    assert (tile.figure, tile.verdict) == ("+15.0 points", "recovers in part")
    assert tile.detail.startswith("of 20.0 lost to a disturbance")
    text = page_text(results)
    assert "wins back 15.0 of the 20.0 points lost (10.0 in float)" in text
    assert "Points lost 20.0 Won back on the chip +15.0 points Won back in float +10.0 points" in text.replace(
        "\u202f", " "
    )
    assert "75 %" not in text.replace("75.0", "")


def test_names_of_levels_stand_in_the_legend() -> None:
    """In the axes a curve would cross them."""
    epochs = [{"epoch": i, "device_accuracy": 0.6 + 0.19 * i, "float_accuracy": 0.6 + 0.2 * i} for i in range(2)]
    study = {"start_accuracy": 0.6, "epochs": epochs, "reference_accuracy": 0.8}
    drawn = learning("fine_tuning", study, 0.5)
    assert drawn is not None
    root = ElementTree.fromstring(str(drawn.svg))
    legend = [g for g in root.iter("g") if "legend" in g.get("id", "")]
    axes = [g for g in root.iter("g") if "-axes_" in g.get("id", "")]
    named = "undisturbed, 80.0\u202f%"
    assert any(named in text for g in legend for text in g.itertext())
    assert not any("undisturbed" in text for g in axes for text in g.itertext())


@pytest.mark.parametrize(
    ("steps", "wide", "narrow"), [(64, 1, 0), (160, 1, 0), (256, 1, 2), (1300, 4, 10), (9000, 10, 10)]
)
def test_long_rasters_stand_in_rows(steps: int, wide: int, narrow: int) -> None:
    spikes = [[step, step % 20] for step in range(0, steps, 3)]
    section = {"layer": "layers.0", "steps": steps, "neurons": 20, "float": spikes, "integer": spikes[1:]}
    for drawn, rows, row in ((raster(section), wide, 400), (narrow_raster(section), narrow, 130)):
        assert (drawn is not None) == (rows > 0)
        if drawn is not None:
            axes = [g for g in ElementTree.fromstring(str(drawn.svg)).iter("g") if "-axes_" in g.get("id", "")]
            assert len(axes) == rows
            assert ("Only the first" in drawn.caption) == (steps > 10 * row)
            ticks = [len(re.findall("M ", path.get("d", ""))) for g in axes for path in g.iter("path")]
            assert sum(count for count in ticks if count > 1) >= min(len(spikes), 10 * row // 3) - rows


def test_one_rounding_for_all_takes_no_column() -> None:
    record = sample_quantization()["record"]
    assert "Rounding in every row: nearest, ties to even" in page_text({"quantization": {"record": record}})
    record[0]["rounding"] = "toward zero"
    text = page_text({"quantization": {"record": record}})
    assert "Rounding in every row" not in text
    assert "toward zero" in text


def test_long_raster_is_cut_and_says_so() -> None:
    spikes = [[step, neuron] for step in range(1300) for neuron in range(20)]
    text = page_text(
        {"raster": {"layer": "layers.0", "steps": 1300, "neurons": 20, "float": spikes, "integer": spikes}}
    )
    assert "Only the first 600 steps are drawn" in text


def test_layers_that_share_a_core_are_one_row() -> None:
    hidden = sample_placement()["per_core"][0] | {"core": 0, "layer": "layers.0", "neurons": 50, "neuron_limit": 64}
    readout = hidden | {"layer": "readout", "neurons": 3}
    text = page_text({"placement": {"fits": True, "per_core": [hidden, readout]}})
    assert "0 layers.0, readout 53 of 64" in text


def test_many_cores_show_the_fullest() -> None:
    core = sample_placement()["per_core"][0]
    cores = [core | {"core": i, "neurons": i} for i in range(120)]
    assert "The 12 fullest of 120 cores" in page_text({"placement": {"fits": True, "per_core": cores}})


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "", "–"),
        (math.nan, "pct", "–"),
        ("", "", "–"),
        (True, "", "yes"),
        (1234, "", "1234"),
        (1048576, "", "1\u202f048\u202f576"),
        (-0.5, "", "−0.5"),
        (0.123456, "", "0.1235"),
        (1.5e-7, "", "1.5e−07"),
        (4096.0, "", "4096"),
        (4096.4, "", "4096"),
        (0.0, "", "0"),
        (None, "sqnr", "exact"),
        (math.nan, "sqnr", "–"),
        (0.99995, "fine", "0.99995"),
        (0.5, "pct", "50.0\u202f%"),
        ("loihi2", "pct", "loihi2"),
        ([1, 2], "", "1, 2"),
        ({"a": 1}, "", "a 1"),
        (math.inf, "", "very large"),
        (-(10**400), "", "very small"),
        (2.5e20, "", "2.5e+20"),
    ],
)
def test_numbers_as_text(value: Any, kind: str, text: str) -> None:
    assert show(value, kind) == text


def test_rounding_never_claims_perfection() -> None:
    assert percent(0.9999) == "99.99\u202f%"
    assert percent(1.0) == "100.0\u202f%"
    assert points(-0.04) == "0.0\u202fpoints"


def test_a_network_with_a_skip_shows_its_connections_and_what_each_gradient_is_of() -> None:
    results = sample_results()
    facts = {"neuron": "lif", "size": 8, "recurrent": False, "bias": True, "weights": 64}
    results["network"] = {
        "dt": 0.001,
        "layers": [
            {"name": "hidden", "inputs": 8, "from": ["input"], "output": False, **facts},
            {"name": "out", "inputs": 16, "from": ["hidden", "input"], "output": True, **facts},
        ],
        "connections": [
            {"name": "input -> out", "weights": 12, "form": "sparse", "delay": 3, "leads": "forward"},
            {"name": "out -> hidden", "weights": 64, "form": "dense", "delay": 0, "leads": "back"},
        ],
    }
    results["quantization"]["notes"] = ["out -> hidden: arrives 1 step(s) later than in float"]
    results["training"] = {"skipped": "imported"}
    study = results["learning"]["fine_tuning"]
    del study["reference_accuracy"]
    last = study["epochs"][-1]
    last["bptt_cosine"] = {"layers.0.input": 0.8123}
    last["hypr_cosine"] = {"layers.0.input": 0.9345}
    study |= {"connections": {"layers.0.input": "12 sparse weights, delay 3"}, "notes": ["no time in float"]}
    text = page_text(results)
    for said in (
        "A network of 8 LIF neurons and 8 LIF neurons runs on digits",
        "input -> out sparse 12 3 forward",
        "out -> hidden dense 64 0 back",
        "hidden, input",
        "out -> hidden: arrives 1 step(s) later than in float.",
        "12 sparse weights, delay 3",
        "0.9345 0.8123",
        "no time in float.",
        "Equal spikes of float and integers with the chip's weights",
    ):
        assert said in text, said
    assert "after a disturbance" in page_text(sample_results())
    assert "Fine-tuning after a disturbance" not in text
    assert "Delay in steps" not in page_text(sample_results())


def test_many_populations_are_counted_in_words() -> None:
    results = sample_results()
    layer = results["network"]["layers"][0]
    results["network"]["layers"] = [layer | {"name": f"p{i}"} for i in range(9)]
    assert "A network of 9 populations with 576 neurons was trained on digits" in page_text(results)
