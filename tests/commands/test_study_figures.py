"""Figures of a study: which is drawn of what, what each says, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from matplotlib.figure import Figure

from hypr_neuro.errors import InputError
from hypr_neuro.report.drawing import drawing
from hypr_neuro.studies.plot import MOST_LETTERS, picture_of, plotted

BITS, TRACE, KIND = "precision.weight_bits", "learning.eligibility_bits", "quantize.rounding"
FIELDS = [BITS, TRACE, KIND]


def rows_over(*fields: str) -> list[dict[str, Any]]:
    """Accuracy 0.1 a weight bit and 0.01 a bit of the trace, 0.05 less where rounding is stochastic."""
    return [
        {BITS: b, TRACE: t, KIND: kind, "accuracy": 0.1 * b + 0.01 * t - (0.05 if kind == "stochastic" else 0)}
        | {"accuracy sd": 0.01, "float accuracy": 0.9, "memory bits": 100 * b + 10 * t}
        for b in (2, 4, 6)
        for t in (8, 12, 16)
        for kind in ("nearest", "stochastic")
        if (TRACE in fields or t == 8) and (KIND in fields or kind == "nearest")
    ]


def drawn(fields: list[str], kind: str | None = None, **more: Any) -> tuple[Any, Any]:
    """The picture, and the axes on which it was drawn."""
    picture = picture_of(rows_over(*fields), fields, kind, **more)
    axes = Figure().add_subplot()
    picture.draw(axes)
    return picture, axes


@pytest.mark.parametrize(
    ("fields", "kind", "name"),
    [
        ([BITS], None, "curve"),
        ([BITS, KIND], None, "curve"),
        ([BITS, TRACE], None, "map"),
        ([BITS, TRACE], "curve", "curve"),
        (FIELDS, None, "pareto"),
        (FIELDS, "sensitivity", "sensitivity"),
    ],
)
def test_what_is_drawn_by_default_and_when_asked(fields: list[str], kind: str | None, name: str) -> None:
    picture, _ = drawn(fields, kind)
    assert picture.name == name
    assert picture.title
    assert picture.caption.endswith(".")


def test_a_curve_holds_means_and_spread() -> None:
    picture, axes = drawn([BITS])
    line = axes.containers[0].lines[0]
    assert list(line.get_xdata()) == [2, 4, 6]
    assert list(line.get_ydata()) == pytest.approx([28, 48, 68])
    assert "standard deviation over seeds" in picture.caption


def test_a_map_holds_the_best_or_the_mean_of_the_other_fields() -> None:
    picture, axes = drawn(FIELDS, "map", over=[BITS, TRACE])
    assert [text.get_text() for text in axes.texts][:3] == ["28.0", "48.0", "68.0"]
    assert "Of the other fields the best row is shown." in picture.caption
    picture, axes = drawn(FIELDS, "map", over=[BITS, TRACE], others="mean")
    assert [text.get_text() for text in axes.texts][:3] == ["25.5", "45.5", "65.5"]
    assert "mean over the rows of the other fields" in picture.caption
    file = plotted(rows_over(*FIELDS), FIELDS, "three", "svg", "map", over=[TRACE, BITS], others="mean").decode()
    assert "mean over the rows of the other fields" in file


def test_a_cell_without_a_row_stays_empty() -> None:
    rows = [row for row in rows_over(BITS, TRACE) if (row[BITS], row[TRACE]) != (4, 12)]
    picture = picture_of(rows, [BITS, TRACE])
    axes = Figure().add_subplot()
    picture.draw(axes)
    assert len(axes.texts) == 8
    assert "Empty cells have no figure." in picture.caption


def test_the_front_names_its_settings_and_rings_the_knee() -> None:
    rows: list[dict[str, Any]] = [
        {BITS: b, "memory bits": m, "accuracy": a}
        for b, m, a in ((2, 100, 0.5), (4, 200, 0.9), (8, 500, 0.95), (7, 600, 0.7))
    ]
    picture = picture_of(rows, [BITS], "pareto")
    axes = Figure().add_subplot()
    legend = picture.draw(axes)
    assert [name for name, _ in legend] == ["other rows", "front", "knee"]
    assert sorted(text.get_text() for text in axes.texts) == ["2", "4", "8"]
    assert list(legend[2][1].get_xydata()[0]) == pytest.approx([200, 90])
    assert "weight bits 4." in picture.caption


def test_sensitivity_is_drawn_from_a_row() -> None:
    picture, axes = drawn(FIELDS, "sensitivity", start={BITS: 4, TRACE: 8, KIND: "nearest"})
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "weight bits 4 → 2",
        "weight bits 4 → 6",
        "eligibility bits 8 → 12",
        "rounding nearest → stochastic",
    ]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([-20, 20, 4, -5])
    assert "measured from weight bits 4, eligibility bits 8, rounding nearest with accuracy 48.0%" in picture.caption


def test_importance_is_drawn_as_bars() -> None:
    pytest.importorskip("optuna")
    _, axes = drawn(FIELDS, "importance")
    assert axes.get_yticklabels()[0].get_text() == "weight bits"
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(100)


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("pie", {}, "kind 'pie', known: curve, map, pareto, importance, sensitivity"),
        ("curve", {"over": ["bits"]}, "over 'bits'"),
        ("curve", {}, "rule: over one or two of them; say which with --over"),
        ("map", {"over": [BITS]}, f"a map over {BITS}, rule: over two of them"),
        ("map", {"over": [BITS, KIND], "others": "worst"}, "others 'worst', known: best, mean"),
        ("pareto", {"objectives": ["cores", "accuracy"]}, "objective 'cores'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(kind: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        picture_of(rows_over(*FIELDS), FIELDS, kind, **more)


def test_chips_are_told_by_name_and_no_line_joins_them() -> None:
    chips = ["loihi2", "/a/long/way/to/my_chip.yaml", "spinnaker2", "cortex_m4", "/a/long/way/to/other_chip.yaml"]
    rows = [
        {"profile": chip, "accuracy": 0.5 + i / 10, "float accuracy": 0.9 + i / 100} for i, chip in enumerate(chips)
    ]
    axes = Figure().add_subplot()
    picture_of(rows, ["profile"]).draw(axes)
    ticks = axes.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == [chip.rpartition("/")[2] for chip in chips]
    assert {tick.get_rotation() for tick in ticks} == {25.0}
    assert [line.get_linestyle() for line in axes.lines] == ["None", "None"]


def test_a_map_names_what_float_reaches_where_that_is_one_number() -> None:
    rows = rows_over(BITS, TRACE)
    assert picture_of(rows, [BITS, TRACE]).note == "accuracy, %; float 90 %"
    rows[0]["float accuracy"] = 0.8
    assert picture_of(rows, [BITS, TRACE]).note == "accuracy, %"


def test_a_large_map_has_a_scale_and_no_image() -> None:
    rows: list[dict[str, Any]] = [{BITS: b, TRACE: t, "accuracy": b * t / 400} for b in range(20) for t in range(20)]
    picture = picture_of(rows, [BITS, TRACE])
    axes = Figure().add_subplot()
    picture.draw(axes)
    assert not axes.texts
    shown = drawing("map", picture.draw, picture.caption).svg
    assert "<image" not in shown
    assert "accuracy, %" in shown


def test_sensitivity_without_neighbours_says_so() -> None:
    rows: list[dict[str, Any]] = [{BITS: b, TRACE: b * b, "accuracy": b / 10} for b in (1, 2, 3)]
    with pytest.raises(InputError, match=r"no row that differs in one field alone has figures \(not tried\)"):
        picture_of(rows, [BITS, TRACE], "sensitivity")


def test_a_long_front_names_its_knee_and_ends_alone() -> None:
    rows: list[dict[str, Any]] = [{BITS: b, "memory bits": 100 * b, "accuracy": 1 - 2.0**-b} for b in range(1, 13)]
    picture = picture_of(rows, [BITS], "pareto")
    axes = Figure().add_subplot()
    picture.draw(axes)
    # of bits b the distance is near 1 - (b - 1)/11 - 2^(1 - b): 0.568 of 3, 0.602 of 4, 0.574 of 5
    assert sorted(int(text.get_text()) for text in axes.texts) == [1, 4, 12]


def test_of_the_other_fields_the_best_row_is_shown_wherever_it_stands() -> None:
    _, axes = drawn(FIELDS, "map", over=[BITS, TRACE])
    picture = picture_of(rows_over(*FIELDS)[::-1], FIELDS, "map", over=[BITS, TRACE])
    again = Figure().add_subplot()
    picture.draw(again)
    assert [text.get_text() for text in again.texts] == [text.get_text() for text in axes.texts]


def test_curves_over_names_stand_beside_one_another() -> None:
    rows = [{"terms": name, BITS: bits, "accuracy": 0.5} for name in ("none", "all") for bits in (2, 4)]
    axes = Figure().add_subplot()
    picture_of(rows, ["terms", BITS], "curve").draw(axes)
    places = [[float(x) for x in container.lines[0].get_xdata()] for container in axes.containers]
    assert places == [[-0.125, 0.875], [0.125, 1.125]]
    assert list(axes.get_xticks()) == [0, 1]


def test_one_field_of_words_names_its_axis_and_its_bars_alone() -> None:
    rows = [{"terms": name, "accuracy": a} for name, a in (("none", 0.9), ("reading", 0.8), ("drift", 0.85))]
    axes = Figure().add_subplot()
    picture_of(rows, ["terms"], "sensitivity").draw(axes)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["reading", "drift"]
    assert axes.get_ylabel() == "terms"


def test_a_long_title_is_broken_into_lines() -> None:
    title = " ".join(["a title that says a lot"] * 5)
    svg = plotted(rows_over(BITS), [BITS], title, "svg").decode()
    lines = [text.strip() for text in re.findall(r">([^<]*)<", svg) if text.strip() and text.strip() in title]
    assert " ".join(lines) == title
    assert all(len(line) <= MOST_LETTERS for line in lines)
