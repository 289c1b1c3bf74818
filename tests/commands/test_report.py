"""The report: complete, incomplete and hostile results, one page without outside resources, equal bytes."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.report import render_page, write_report
from hypr_neuro.report.values import clean, percent, points, show

Results = dict[str, Any]
VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "<script>alert('&')</script>\"'`$x_{$ {{7*7}} --> ]]> \x00\ud800 _ 脳"


# ---- sample results, made up but shaped like a run on the digits


def sample_results() -> Results:
    """Results with every section, from a fixed generator."""
    rng = np.random.default_rng(7)
    return {
        "title": "digits on loihi2",
        "command": "hypr-neuro demo --data digits --profile loihi2 --seed 0",
        "seed": 0,
        "created": "2026-11-02 10:21:45",
        "versions": {"hypr-neuro": "0.1.0", "python": "3.10.13", "numpy": "1.26.4", "lava-nc": "0.10.0"},
        "seconds": {"train": 31.42, "quantize": 0.61, "simulate": 2.2, "learn scratch": 48.0},
        "data": {
            "name": "digits",
            "train": 1293,
            "validation": 144,
            "test": 360,
            "steps": 64,
            "channels": 64,
            "classes": 10,
            "encoder": {"method": "latency", "seed": 0},
            "note": "8 × 8 images, scikit-learn",
        },
        "network": {
            "dt": 0.001,
            "layers": [
                {
                    "name": "layers.0",
                    "neuron": "brf",
                    "size": 64,
                    "inputs": 64,
                    "recurrent": True,
                    "bias": True,
                    "weights": 8192,
                },
                {
                    "name": "readout",
                    "neuron": "li",
                    "size": 10,
                    "inputs": 64,
                    "recurrent": False,
                    "bias": False,
                    "weights": 640,
                },
            ],
        },
        "profile": {"name": "loihi2", "description": "Intel Loihi 2", "facts": sample_facts()},
        "training": {"rule": "hypr", "best": 12, "epochs": sample_epochs(rng)},
        "accuracy": {
            "float": 0.9194,
            "float_labelled": 0.9194,
            "integer": 0.9167,
            "integer_labelled": 0.9167,
            "baselines": {"logistic regression on event counts": 0.9028},
            "difference_points": -0.27,
            "agreement": 0.9917,
        },
        "nir": {"file": "network.nir", "equal": True, "approximations": ["layers.0: brf as the nearest LIF"]},
        "quantization": sample_quantization(),
        "placement": sample_placement(),
        "lava": {
            "equal": True,
            "samples": 2,
            "steps": 132,
            "compared": "spikes and states of every layer",
            "seconds": 3.2,
        },
        "learning": {
            "scratch": sample_study(rng, 0.1028, 0.87, None),
            "fine_tuning": sample_study(rng, 0.7125, 0.905, 0.9167),
        },
        "raster": sample_raster(rng),
        "commands": [
            "hypr-neuro train --data digits --seed 0 --out runs/demo",
            "hypr-neuro export runs/demo/network.h5 --out runs/demo/network.nir",
            "hypr-neuro quantize runs/demo/network.nir --data digits --profile loihi2 --out runs/demo",
        ],
    }


def sample_facts() -> list[Results]:
    return [
        {
            "name": "precision.weight_bits",
            "value": 8,
            "unit": "bit",
            "source": "Davies et al. 2018; https://example.org/a",
        },
        {"name": "precision.state_rounding", "value": "nearest", "unit": "-", "source": "chosen"},
        {"name": "core.neurons", "value": 1024, "unit": "neuron", "source": "nengo-loihi 1.1"},
        {"name": "energy.neuron_update", "value": 72.8, "unit": "pJ", "source": "SANA-FE's table"},
    ]


def sample_epochs(rng: np.random.Generator) -> list[Results]:
    return [
        {
            "epoch": i,
            "rate": 0.01 * (1 - i / 15),
            "loss": 2.1 * math.exp(-i / 4) + 0.2 + 0.03 * rng.random(),
            "validation": 0.93 - 0.4 * math.exp(-i / 3) + 0.01 * rng.random(),
        }
        for i in range(15)
    ]


def sample_quantization() -> Results:
    record = [
        {
            "layer": layer,
            "name": name,
            "low": -0.713,
            "high": 0.688,
            "scale": 4096.0,
            "integer_low": -117,
            "integer_high": 113,
            "rounding": "nearest, ties to even",
            "clipped": 0,
            "count": 4096,
            "sqnr": sqnr,
            "rule": "8-bit mantissa, exponent −5",
        }
        for layer, name, sqnr in (
            ("layers.0", "input", 41.2),
            ("layers.0", "recurrent", 40.6),
            ("layers.0", "omega", 72.123),
            ("layers.0", "threshold", None),
            ("readout", "input", 43.9),
        )
    ]
    return {
        "record": record,
        "events": {"layers.0": {"u saturated": 0, "v saturated": 17}, "readout": {"v saturated": 0}},
        "spike_agreement": {"layers.0": 0.9983},
        "rates": {"layers.0": {"float": 0.1312, "integer": 0.1308}},
    }


def sample_placement() -> Results:
    limits = {"neuron_limit": 1024, "memory_limit": 1048576, "in_axon_limit": 4096, "out_axon_limit": 4096}
    return {
        "fits": True,
        "learning": True,
        "cores_used": 2,
        "cores": 120,
        "spikes_between_cores_per_step": 8.37,
        "energy_per_sample_nj": 812.5,
        "time_per_sample_us": 141.4,
        "estimate_note": "estimate for inference after SANA-FE's table; learning not included",
        "per_core": [
            {
                "core": 0,
                "layer": "layers.0",
                "neurons": 64,
                "synapses": 8256,
                "memory_bits": 953472,
                "in_axons": 129,
                "out_axons": 128,
                "learning_bits": 825600,
                **limits,
            },
            {
                "core": 1,
                "layer": "readout",
                "neurons": 10,
                "synapses": 640,
                "memory_bits": 63488,
                "in_axons": 64,
                "out_axons": 0,
                "learning_bits": 51200,
                **limits,
            },
        ],
    }


def sample_study(rng: np.random.Generator, start: float, end: float, reference: float | None) -> Results:
    def accuracy(epoch: int, more: float = 0.0) -> float:
        return end - (end - start) * math.exp(-1.4 * epoch) + (more + 0.006 * float(rng.random()) if epoch else 0.0)

    epochs = [
        {
            "epoch": i,
            "device_accuracy": accuracy(i),
            "float_accuracy": accuracy(i, 0.006),
            "online_accuracy": math.nan if i == 0 else accuracy(i, -0.05),
            "weight_distance": 0.004 * i,
            "cosine": {
                "layers.0.input": 0.9991 - 0.0002 * i,
                "layers.0.recurrent": 0.9984 - 0.0004 * i,
                "layers.0.bias": 0.9988,
                "readout.input": 0.99995,
            },
            "norm_ratio": {"layers.0.input": 1.003, "layers.0.recurrent": 0.998, "readout.input": 1.0},
            "spike_agreement": {"layers.0": 0.998 - 0.0003 * i},
            "weights_saturated": 3 * i,
            "clips": {"layers.0 eligibilities": 4 * i, "readout error": 0},
        }
        for i in range(6)
    ]
    study: Results = {
        "what": "from random weights and neuron parameters",
        "start_accuracy": start,
        "epochs": epochs,
        "updates": 6465,
        "rule": "HYPR eligibilities, batch 1, update after every sample",
    }
    if reference is not None:
        study |= {
            "what": "10% of the weights set to 0, input channels 21 and 7 swapped",
            "reference_accuracy": reference,
            "regained": 0.943,
            "float_regained": 0.961,
        }
    return study


def sample_raster(rng: np.random.Generator, steps: int = 64, neurons: int = 64) -> Results:
    period = rng.integers(5, 14, neurons)
    real = [[t, n] for t in range(3, steps) for n in range(neurons) if (t + 3 * n) % period[n] == 0]
    keep = rng.random(len(real)) > 0.02
    fixed = [[t if k else t + 1, n] for (t, n), k in zip(real, keep, strict=True)]
    return {
        "layer": "layers.0",
        "sample": 0,
        "steps": steps,
        "neurons": neurons,
        "float": real,
        "integer": fixed,
        "label": "3",
        "predicted_float": "3",
        "predicted_integer": "3",
    }


# ---- reading the page


class Page(HTMLParser):
    """Tags, attributes, ids and text of a page; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def page_text(results: Results) -> str:
    """Visible text with single spaces."""
    return " ".join(" ".join(Page(render_page(clean(results))).text).replace("\u202f", " ").split())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of the full sample results, which writing leaves as they are."""
    results = sample_results()
    before = json.dumps(results)
    paths = write_report(results, tmp_path_factory.mktemp("run") / "new" / "report")
    assert json.dumps(results) == before
    return paths


@pytest.fixture(scope="module")
def full_page(report: tuple[Path, Path]) -> str:
    return report[0].read_text(encoding="utf-8")


# ---- tests


def test_json_holds_the_numbers_with_null_for_nan(report: tuple[Path, Path]) -> None:
    page, numbers = report
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json"]
    results, read = sample_results(), json.loads(numbers.read_text(encoding="utf-8"))
    for study in ("scratch", "fine_tuning"):
        assert math.isnan(results["learning"][study]["epochs"][0].pop("online_accuracy"))
        assert read["learning"][study]["epochs"][0].pop("online_accuracy") is None
    assert read == results


def test_full_results_fill_every_section(full_page: str) -> None:
    page = Page(full_page)
    text = " ".join(" ".join(page.text).replace("\u202f", " ").split())
    for said in (
        "91.9 %",
        "91.7 %",
        "−0.3 points",
        "2 of 120 cores",
        "132 steps",
        "above baseline",
        "kept",
        "fits",
        "equal",
        "keeps up",
        "recovers",
        "94 %",
        "64 recurrent BRF neurons and a readout of 10",
        "exact",
        "116.4 KiB of 128.0 KiB",
        "8-bit mantissa, exponent −5",
        "v saturated",
        "Davies et al. 2018",
        "1.26.4",
        "hypr-neuro train --data digits",
        "layers.0 eligibilities 60",
    ):
        assert said in text, said
    assert "Not part of this run" not in text
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 8
    assert all(a["role"] == "img" and len(a["aria-label"]) > 30 for a in drawings)
    assert sum(tag == "figcaption" for tag, _ in page.tags) == len(drawings)


def test_page_needs_nothing_from_outside(full_page: str) -> None:
    page = Page(full_page)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert all(value.startswith("#") for name in ("src", "href", "xlink:href") for value in page.attributes(name))
    addresses = re.findall(r"https?://[^<\s]*", full_page)
    assert addresses == ["https://example.org/a"], "text of a source, and no link"
    assert not re.search(r"@import|url\((?!#)", full_page)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_ids_are_unique_and_references_lead_somewhere(full_page: str) -> None:
    page = Page(full_page)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    used = [value[1:] for value in page.attributes("href")] + re.findall(r"url\(#([^)]*)\)", full_page)
    used += [name for value in page.attributes("aria-labelledby") for name in value.split()]
    assert set(used) <= set(ids)


def test_figures_follow_the_page_colours(full_page: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", full_page, re.DOTALL))
    left = set(re.findall(r"#[0-9a-f]{6}\b", drawings)) - {"#ffffff", "#000000"}
    assert not left, f"{left}: name the colour in drawing.ROLES"
    roles = set(re.findall(r"var\((--fig-[a-z-]+)\)", drawings))
    css = full_page[: full_page.index("</style>")]
    assert all(css.count(f"{role}:") == 2 for role in roles), "a colour for light and one for dark"


def test_same_results_give_the_same_bytes(
    report: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)  # a user's own settings change nothing
    again = write_report(sample_results(), tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in report]
    assert matplotlib.rcParams["font.size"] == 30


def test_minimal_results(tmp_path: Path) -> None:
    page, numbers = write_report({"title": "x"}, tmp_path)
    text = page_text({"title": "x"})
    assert json.loads(numbers.read_text()) == {"title": "x"}
    assert text.count("Not part of this run.") >= 12
    assert "<svg" not in page.read_text(encoding="utf-8")
    assert page_text({}).startswith("Report of a run")


@pytest.mark.parametrize(
    "name", ["data", "training", "accuracy", "quantization", "placement", "lava", "learning", "raster"]
)
def test_skipped_section_shows_its_reason(name: str) -> None:
    results = {"title": "x", name: {"skipped": "Lava exists for Python 3.10 only"}}
    assert "Skipped: Lava exists for Python 3.10 only" in page_text(results)


def test_one_skipped_study_leaves_the_other() -> None:
    learning = {"scratch": {"skipped": "the network was imported"}, "fine_tuning": {"regained": 0.9, "updates": 17}}
    text = page_text({"learning": learning})
    assert "Skipped: the network was imported" in text
    assert "recovers" in text
    assert "Updates 17" in text


def poison(value: Any, junk: Any) -> Any:
    """The same structure with every leaf replaced."""
    if isinstance(value, dict):
        return {key: poison(item, junk) for key, item in value.items()}
    if isinstance(value, list):
        return [poison(item, junk) for item in value[:3]]
    return copy.deepcopy(junk)


JUNK = [None, math.nan, math.inf, HOSTILE, [], {}, True, -1, 10**400, 1e308, 1e-320]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:8])
def test_junk_in_any_place_is_shown_and_never_crashes(junk: Any) -> None:
    results = sample_results()
    Page(render_page(clean(poison(results, junk))))
    Page(render_page(clean(dict.fromkeys(results, junk))))


@pytest.mark.parametrize("name", ["training", "placement", "raster", "learning", "quantization", "accuracy"])
def test_junk_inside_a_section_never_crashes(name: str) -> None:
    for junk in (HOSTILE, 3, [[]], [None, 1], {"a": {}}):
        Page(render_page(clean({name: dict.fromkeys(sample_results()[name], junk)})))


def test_hostile_text_is_escaped(tmp_path: Path) -> None:
    results = sample_results()
    results = poison(results, HOSTILE) | {"training": results["training"], "commands": [HOSTILE], "title": HOSTILE}
    results["data"] = {HOSTILE: HOSTILE, "name": HOSTILE, "encoder": {HOSTILE: HOSTILE}}
    placement = sample_placement()
    placement["per_core"][0]["layer"] = HOSTILE
    study = sample_study(np.random.default_rng(0), 0.1, 0.9, None)
    study["epochs"] = [row | {"cosine": {HOSTILE: 0.9, "_hidden": 0.8}} for row in study["epochs"]]
    results |= {"placement": placement, "learning": {"scratch": study}}
    page = Page(write_report(results, tmp_path)[0].read_text(encoding="utf-8"))
    assert not any(tag == "script" for tag, _ in page.tags)
    assert "7*7" in "".join(page.text)
    assert "$x_{$" in "".join(page.text), "no formula is read into a label"


def test_no_scripts_run_even_if_one_got_in(full_page: str) -> None:
    policy = [a["content"] for tag, a in Page(full_page).tags if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_unwritable_folder_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_report({"title": "x"}, tmp_path / "file" / "report")
    (tmp_path / "taken" / "report.json").mkdir(parents=True)
    with pytest.raises(InputError, match=r"report\.json"):
        write_report({"title": "x"}, tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["report.json"]


def test_results_have_to_be_a_dict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="results = list"):
        write_report([1], tmp_path)
    assert not list(tmp_path.iterdir())


def test_numpy_values_become_plain(tmp_path: Path) -> None:
    results = {"title": Path("x"), "accuracy": {"float": np.float32(0.5)}, "raster": {"float": np.zeros((1, 2), int)}}
    read = json.loads(write_report(results, tmp_path)[1].read_text())
    assert read == {"title": "x", "accuracy": {"float": 0.5}, "raster": {"float": [[0, 0]]}}


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
    tiles = re.findall(r'<span class="verdict">.*?</span> ([^<]*)</span>', render_page(clean(results)))
    assert verdict in tiles


def test_more_regained_than_lost_is_said_so() -> None:
    study = after(0.606, 0.731) | {"reference_accuracy": 0.647, "regained": 3.0}
    said = "wins back all of the points lost and more: 73.1 %, before the disturbance 64.7 %"
    assert said in page_text({"learning": {"fine_tuning": study}})


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
