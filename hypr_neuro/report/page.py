"""The report of a run: one self-contained HTML page, and the same numbers as JSON beside it.

`write_report` takes the results of a run as plain dicts, lists, numbers and strings. Every part is optional: one that
is missing, or is ``{"skipped": reason}``, is shown with its reason. The page opens with a summary in plain language; it
needs no network and no scripts, and equal results give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hypr_neuro.errors import InputError
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.report.doubts import doubts_of
from hypr_neuro.report.regression import error_rows
from hypr_neuro.report.summary import (
    MARKS,
    chance_level,
    integer_difference,
    regained_share,
    sentences,
    tiles,
)
from hypr_neuro.report.tables import (
    accuracy_rows,
    activity_rows,
    agreement_rows,
    clip_totals,
    complexity_rows,
    connection_rows,
    core_rows,
    epoch_rows,
    event_rows,
    gradient_rows,
    operation_rows,
    program_rows,
    record_rows,
    structure_rows,
)
from hypr_neuro.report.values import (
    Data,
    Part,
    clean,
    common,
    finite,
    lookup,
    number,
    pairs,
    part,
    points,
    quantity,
    rows,
    show,
    texts,
)

if TYPE_CHECKING:
    from hypr_neuro.report.drawing import Drawing

HTML_NAME, JSON_NAME = "report.html", "report.json"
SECTIONS = ("data", "network", "profile", "training", "accuracy", "nir", "quantization", "placement", "lava", "raster")
STUDIES = {"scratch": "From random weights", "fine_tuning": "Fine-tuning"}


def write_report(results: Data, folder: Path) -> tuple[Path, Path]:
    """Write report.html and report.json into `folder`, which is created; return their paths.

    Both are rendered before either is written, and each is written whole or not at all.

    Parameters
    ----------
    results
        Sections of a run by name, as `RunFolder.results` gives them.
    folder
        Run folder.

    Raises
    ------
    InputError
        If `results` is no dict or the folder is not writable.
    """
    if not isinstance(results, Mapping):
        raise InputError(f"results = {type(results).__name__}, rule: a dict of sections; pass the dict of a run")
    cleaned = clean(results)
    page, text = render_page(cleaned), render_json(cleaned)
    folder = make_folder(Path(folder))
    paths = folder / HTML_NAME, folder / JSON_NAME
    write_text(paths[1], text)
    write_text(paths[0], page)
    return paths


def render_json(results: Data) -> str:
    """Return the results as JSON; NaN and infinity, which JSON lacks, become null."""
    return json.dumps(finite(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def render_page(results: Data) -> str:
    """Return the HTML page of cleaned results."""
    import jinja2
    from markupsafe import Markup

    template_folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "rows": rows, "pairs": pairs, "texts": texts, "quantity": quantity}
    environment.tests["number"] = lambda value: number(value) is not None
    css = Markup((template_folder / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("report.html.j2").render(css=css, **context(results))


def context(results: Data) -> Data:
    """Return everything that the template reads."""
    from hypr_neuro.report.comparison import causes_section, devices_section
    from hypr_neuro.report.faults import fault_sections
    from hypr_neuro.report.widths import widths_section

    parts, studies = {name: part(results.get(name)) for name in SECTIONS}, _studies(results)
    return {
        "results": results,
        "title": show(results.get("title") or "Report of a run"),
        "connections": structure_rows(parts["network"].data),
        "several_outputs": len([p for p in rows(parts["network"].data.get("layers")) if p.get("output") is True]) > 1,
        "tiles": tiles(results),
        "marks": MARKS,
        "sentences": sentences(results),
        "doubts": doubts_of(results),
        "parts": parts,
        "difference": points(integer_difference(results)),
        "accuracy_rows": accuracy_rows(parts["accuracy"].data),
        "error_rows": error_rows(results),
        "record": record_rows(parts["quantization"].data),
        "rounding": common(rows(parts["quantization"].data.get("record")), "rounding"),
        "activity": activity_rows(parts["quantization"].data),
        "events": event_rows(parts["quantization"].data.get("events")),
        "cores": core_rows(parts["placement"].data),
        "placed_connections": connection_rows(parts["placement"].data),
        "programs": program_rows(parts["placement"].data),
        "operations": operation_rows(parts["placement"].data),
        "complexity": complexity_rows(parts["placement"].data),
        "studies": studies,
        "faults": fault_sections(results),
        "widths": widths_section(results),
        "devices": devices_section(results),
        "causes": causes_section(results),
        "sections": _sections(results, parts, studies),
        "figures": _figures(results, parts),
    }


def _studies(results: Data) -> list[Data]:
    """Return both learning studies with their tables; a reason given for all of learning holds for each."""
    learning = results.get("learning")
    all_learning = part(learning)
    studies = []
    for key, title in STUDIES.items():
        study = all_learning if all_learning.reason else part(lookup(learning, key))
        if study.reason and not study.skipped:
            continue
        studies.append(
            {
                "key": key,
                "title": f"{title} after a disturbance" if "reference_accuracy" in study.data else title,
                "data": study.data,
                "reason": study.reason,
                "points": _points_of(study.data),
                "epochs": epoch_rows(study.data),
                "gradients": gradient_rows(study.data),
                "agreement": agreement_rows(study.data),
                "clips": clip_totals(study.data),
            }
        )
    return studies


def _points_of(study: Data) -> Data:
    """Return the points that a disturbance cost and those that learning won back, on the chip and in float."""
    before, start = number(study.get("reference_accuracy")), number(study.get("start_accuracy"))
    lost = None if before is None or start is None else 100 * (before - start)
    shares = {"device": regained_share(study), "float": number(study.get("float_regained"))}
    won = {name: None if share is None or lost is None else share * lost for name, share in shares.items()}
    return {"lost": show(lost) if lost is None else f"{lost:.1f}".replace("-", "−")} | {
        name: points(value) for name, value in won.items()
    }


LINKS = (
    ("data", "Data"),
    ("network", "Network"),
    ("training", "Training"),
    ("accuracy", "Accuracy"),
    ("quantization", "Integers"),
    ("raster", "Spikes"),
    ("placement", "Placement"),
    ("widths", "Widths"),
    ("lava", "Lava"),
    ("nir", "NIR"),
    ("learning", "Learning"),
    ("devices", "Devices"),
    ("causes", "Causes"),
    ("faults", "Faults"),
    ("profile", "Profile"),
    ("repeat", "Repeat"),
)


def _sections(results: Data, parts: dict[str, Part], studies: list[Data]) -> list[tuple[str, str]]:
    """Return id and title of the sections that the page has."""
    from hypr_neuro.report.comparison import causes_section, devices_section
    from hypr_neuro.report.faults import fault_sections
    from hypr_neuro.report.widths import widths_section

    errors = bool(error_rows(results))
    there = {name for name, section in parts.items() if not section.reason or section.skipped}
    there |= {"faults"} if fault_sections(results) else set()
    there |= {"widths"} if widths_section(results) else set()
    there |= {"devices"} if devices_section(results) else set()
    there |= {"causes"} if causes_section(results) else set()
    there |= {"repeat"} | ({"learning"} if studies else set()) | ({"accuracy"} if errors else set())
    titles = dict(LINKS) | ({"accuracy": "Squared error"} if errors else {})
    return [(name, title) for name, title in titles.items() if name in there]


def _figures(results: Data, parts: dict[str, Part]) -> dict[str, Drawing]:
    """Return the drawings by name; one without data is left out."""
    from hypr_neuro.report import figures, raster
    from hypr_neuro.report.comparison import causes_figure
    from hypr_neuro.report.core_map import core_map
    from hypr_neuro.report.faults import fault_figure
    from hypr_neuro.report.widths import widths_figure, widths_section

    drawn: list[tuple[str, Drawing | None]] = [
        ("loss", figures.training_loss(parts["training"].data)),
        ("validation", figures.validation(parts["training"].data)),
        ("raster", raster.raster(parts["raster"].data)),
        ("raster_narrow", raster.narrow_raster(parts["raster"].data)),
        ("cores", figures.cores(parts["placement"].data)),
        ("core_map", core_map(parts["placement"].data)),
    ]
    for study in _studies(results):
        drawn.append((f"learning_{study['key']}", figures.learning(study["key"], study["data"], chance_level(results))))
        drawn.append((f"cosine_{study['key']}", figures.cosine(study["key"], study["data"])))
    drawn += [(f"fault_{kind}", fault_figure(kind, part(entry).data)) for kind, entry in pairs(results.get("faults"))]
    drawn += [(f"widths_{kind}", widths_figure(results, kind)) for kind in widths_section(results).get("kinds", [])]
    drawn += [(f"causes_{figure}", causes_figure(results, figure)) for figure in ("score", "distance")]
    return dict(_present(drawn))


def _present(drawn: Iterable[tuple[str, Drawing | None]]) -> Iterable[tuple[str, Drawing]]:
    """Return the drawings that have data."""
    return ((name, drawing) for name, drawing in drawn if drawing is not None)
