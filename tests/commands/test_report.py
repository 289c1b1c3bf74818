"""The report: complete, incomplete and hostile results, one page without outside resources, equal bytes."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from report_samples import (
    Page,
    page_text,
    sample_placement,
    sample_results,
    sample_study,
)

from hypr_neuro.errors import InputError
from hypr_neuro.report import render_page, write_report
from hypr_neuro.report.values import clean

HOSTILE = "<script>alert('&')</script>\"'`$x_{$ {{7*7}} --> ]]> \x00\ud800 _ 脳"


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
        "of the 20.4 points lost",
        "64 recurrent BRF neurons and a readout of 10",
        "exact",
        "116.4 KiB of 128.0 KiB",
        "8-bit mantissa, exponent −5",
        "v saturated",
        "Davies et al. 2018",
        "1.26.4",
        "hypr-neuro train --data digits",
        "layers.0 eligibilities 60",
        "Together: 0.31 ± 0.15 points lost of 91.67 %.",
        "144 samples tell a loss to ± 0.60 points",
        "readout.input weights 8 6 −0.14 ± 0.12 160 B",
    ):
        assert said in text, said
    assert "Not part of this run" not in text
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 11
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
    assert "Not part of this run" not in text
    assert "not run" not in text
    page_tags = Page(page.read_text(encoding="utf-8"))
    assert [a["id"] for tag, a in page_tags.tags if tag == "section"] == ["summary", "repeat"]
    assert page_tags.attributes("href") == ["#repeat"]
    assert "<svg" not in page.read_text(encoding="utf-8")
    assert page_text({}).startswith("Report of a run")


def test_links_lead_to_the_sections_that_there_are(full_page: str) -> None:
    page = Page(full_page)
    ids = {a["id"] for _, a in page.tags if "id" in a}
    links = [
        link for link in page.attributes("href") if not link.startswith(("#raster-", "#cores-", "#learning-", "#c"))
    ]
    assert len(links) >= 12
    assert {link[1:] for link in links} <= ids


def test_cells_name_their_column_for_narrow_screens(full_page: str) -> None:
    """Where a table is no wider than the screen, each row stands below the last, a line a cell."""
    cells = [a for tag, a in Page(full_page).tags if tag == "td" and "bar" not in a.get("class", "")]
    labels = [a["data-label"] for a in cells if "data-label" in a]
    assert {"Neuron", "Weights", "Rule"} <= set(labels)
    assert len(labels) >= 0.9 * len(cells)
    assert "content: attr(data-label)" in full_page


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
