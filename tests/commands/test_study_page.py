"""The page of a study: what it holds, that it is safe, and that its table sorts in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import BROWSER, in_browser, width_of
from study_results import BITS, made_results

from hypr_neuro.errors import InputError
from hypr_neuro.studies.page import page_of
from hypr_neuro.studies.results import StudyResults
from hypr_neuro.studies.table import means_of
from hypr_neuro.studies.written import write_table


class Cells(HTMLParser):
    """Texts of the cells of every table, row by row, and all tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(made_results())


def test_the_table_holds_means_and_what_each_row_is(page: str) -> None:
    heads, *rows = Cells(page).tables[0]
    assert heads == ["weight bits", "eligibility bits", "what it is", "validation accuracy", "memory bits"]
    assert len(rows) == 7
    assert rows[2] == ["4", "8", "knee", "90.0\u202f% ± 1.4", "480"]
    assert rows[3] == ["4", "16", "cheapest good enough, front", "92.0\u202f% ± 1.4", "560"]
    assert rows[5][2] == "best, front"
    assert rows[6][2] == ""
    same = page[page.index("The same in every row") : page.index('id="refused"')]
    assert re.search(r"float validation accuracy</dt><dd>95.0", same)


def test_refused_rows_have_their_reasons_escaped(page: str) -> None:
    heads, row = Cells(page).tables[1]
    assert heads == ["weight bits", "eligibility bits", "Reason"]
    assert row == ["8", "16", "no room for <b>16</b> bits"]
    assert "<b>16</b>" not in page


def test_rule_commands_seeds_and_versions(page: str) -> None:
    assert "least memory bits among rows within 1 point of the best mean accuracy, 92.5%" in page
    assert "hypr-neuro study run runs/bits/study.yaml --out runs/bits" in page
    assert "Seeds 0 to 1, the same for every combination" in page
    assert all(f"<dt>{name}</dt>" in page for name in ("hypr-neuro", "Python", "numpy"))


def test_figures_stand_in_the_page_with_captions(page: str) -> None:
    pytest.importorskip("optuna")
    drawn = re.findall(r"<figcaption><strong>(.*?)\.</strong>", page)
    assert drawn == [
        "Accuracy over weight bits and eligibility bits",
        "Pareto front of memory bits and accuracy",
        "Sensitivity, one field at a time",
        "Importance of the fields",
    ]
    ids = [attributes["id"] for _, attributes in Cells(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    colours = set(re.findall(r"#[0-9a-f]{6}\b", "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))))
    assert colours <= {"#000000", "#ffffff"}


def test_the_page_needs_nothing_from_outside_and_allows_its_script_alone(page: str) -> None:
    tags = Cells(page).tags
    assert not {tag for tag, _ in tags} & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert page == page_of(made_results())


def test_hostile_names_are_escaped() -> None:
    text = page_of(made_results("<script>alert(1)</script>", data="<img src=x>.npz"))
    assert "<script>alert" not in text
    assert "<img" not in text


def test_a_page_of_one_field_and_few_rows_says_what_it_lacks() -> None:
    whole = made_results(vary={"weight_bits": [2, 4]})
    rows = [row for row in whole.rows if row["learning.eligibility_bits"] == 8 and row[BITS] < 6]
    text = page_of(StudyResults(whole.study, whole.folder, [], rows, {"accuracy": "max"}, 4))
    assert f"'{BITS}' alone has several values" in text.replace("&#39;", "'")
    empty = page_of(StudyResults(whole.study, whole.folder, [], [], {"accuracy": "max"}, 4))
    assert empty.count("no row of the table has figures yet") == 1
    assert "4 of 4 trials are not finished" in empty


def test_a_page_of_a_regression_tells_squared_errors() -> None:
    whole = made_results()
    trials = [
        {n.replace("accuracy", "squared error"): 1 - v if n == "accuracy" else v for n, v in trial.items()}
        for trial in whole.trials
    ]
    results = StudyResults(
        whole.study, whole.folder, trials, means_of(trials, whole.fields), {"squared error": "min"}, 16
    )
    text = page_of(results, within=10.0)
    heads, *rows = Cells(text).tables[0]
    assert heads[3] == "validation squared error"
    assert [row[3] for row in rows if "best" in row[2]] == ["0.075 ± 0.0141"]
    assert "within 10 % of the least mean squared error, 0.075" in text


def test_chips_are_told_by_the_names_of_their_files() -> None:
    whole = made_results(vary={"profile": ["loihi2", "spinnaker2"]})
    chips = {"loihi2": 0.8, "/home/me/chips/own.yaml": 0.9}
    rows = [{"profile": name, "seeds": 1, "accuracy": value, "memory bits": 5} for name, value in chips.items()]
    text = page_of(StudyResults(whole.study, whole.folder, [], rows, {"accuracy": "max"}, 2))
    assert [row[0] for row in Cells(text).tables[0][1:]] == ["loihi2", "own.yaml"]
    assert "<li>profile own.yaml</li>" in text


def test_a_table_is_written_by_its_ending(tmp_path: Path) -> None:
    results = made_results()
    for ending, begin in ((".html", "<!DOCTYPE html>"), (".csv", f"{BITS},"), (".json", "[\n")):
        write_table(tmp_path / f"t{ending}", results)
        assert (tmp_path / f"t{ending}").read_text().lstrip().startswith(begin)
    assert json.loads((tmp_path / "t.json").read_text()) == results.rows
    with pytest.raises(InputError, match=r"rule: a name that ends in \.html, \.csv or \.json"):
        write_table(tmp_path / "t.pdf", results)
    assert len(list(tmp_path.iterdir())) == 3


def column(document: str, place: int) -> list[str]:
    return [row[place] for row in Cells(document).tables[0][1:]]


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_the_table_sorts_in_a_browser(page: str, tmp_path: Path) -> None:
    document = in_browser(page, tmp_path)
    heads = [attributes for tag, attributes in Cells(document).tags if tag == "th" and "aria-sort" in attributes]
    assert [head["aria-sort"] for head in heads] == ["none"] * 5
    memory = ["280", "360", "480", "560", "680", "760", "880"]
    click = "const heads = document.querySelectorAll('th[aria-sort] button'); "
    document = in_browser(page, tmp_path, f"{click}heads[4].click()")
    assert column(document, 4) == memory
    document = in_browser(page, tmp_path, f"{click}heads[4].click(); heads[4].click()")
    assert column(document, 4) == memory[::-1]
    states: list[Any] = [a.get("aria-sort") for tag, a in Cells(document).tags if tag == "th" and "aria-sort" in a]
    assert states == ["none", "none", "none", "none", "descending"]
    document = in_browser(page, tmp_path, f"{click}heads[2].click()")
    assert column(document, 2)[-1] == ""
    choose = "const s = document.querySelector('.sorting select'); s.value = '3'; s.dispatchEvent(new Event('change'))"
    assert column(in_browser(page, tmp_path, choose), 3)[0].startswith("50.0")


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_the_page_is_no_wider_than_a_telephone(page: str, tmp_path: Path) -> None:
    assert width_of(page, tmp_path, 390) <= 390


def test_of_many_rows_a_page_shows_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypr_neuro.studies.page_table.MOST_ROWS", 3)
    text = page_of(made_results())
    assert [row[:2] for row in Cells(text).tables[0][1:]] == [["6", "16"], ["4", "16"], ["8", "8"]]
    assert "4 more are in the table" in text
