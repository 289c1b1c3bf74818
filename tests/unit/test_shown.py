"""What objects print, in a terminal and in a notebook, and the bars of long calls."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.progress import progress_bar
from hypr_neuro.shown import LARGEST, Shown, as_html, as_text, percent
from hypr_neuro.testing.networks import random_network, random_spikes

Array = Any


def data() -> SequenceData:
    x = random_spikes(0, 24, 12, 4)
    y = np.arange(24) % 3
    return SequenceData("bars <b>", x, y, np.array((["train"] * 4 + ["validation", "test"]) * 4), 3)


def network() -> hn.Network:
    return random_network("lif", 0, hidden=(5, 4))


def quantized() -> hn.QuantizedNetwork:
    return hn.quantize(network(), "loihi2", calibration=data())


def compiled() -> Any:
    """What a compiler wrote; its folder is gone."""
    with TemporaryDirectory() as folder:
        return hn.compile(quantized(), target="c", out=folder)


THINGS: dict[str, Callable[[], Any]] = {
    "SequenceData": data,
    "Network": network,
    "QuantizedNetwork": quantized,
    "IntegerNetwork": lambda: quantized().integer(),
    "Trace": lambda: hn.simulate(quantized(), data().x),
    "Simulator": lambda: hn.Simulator(quantized()),
    "Placement": lambda: hn.place(quantized(), learning=True),
    "Artifact": compiled,
    "Profile": lambda: hn.load_profile("loihi2"),
    "History": lambda: hn.train(network(), data(), epochs=2),
    "LearnRun": lambda: hn.learn(quantized(), data(), rate=0.2, epochs=2),
    "Comparison": lambda: hn.compare(network(), quantized(), data(), options=hn.LearnOptions(rate=0.2)),
}


@pytest.mark.parametrize("kind", THINGS)
@pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")
def test_it_prints_one_screen_in_terminals_and_notebooks(kind: str) -> None:
    thing = THINGS[kind]()
    text = repr(thing)
    lines = text.splitlines()
    assert text.startswith(kind)
    assert len(lines) <= 24
    assert all(len(line) <= 160 for line in lines)
    assert "array(" not in text
    if kind != "Simulator":
        assert thing._repr_html_().count("<div>") == 1
        assert "<b>" not in thing._repr_html_()


def test_what_a_network_prints() -> None:
    text = repr(hn.Network.build({"inputs": 3, "outputs": 2, "layers": [{"neuron": "lif", "size": 1000}]}, seed=0))
    assert text.splitlines() == [
        "Network: 3 inputs, 1,002 neurons in 2 populations, 3 connections of 1,005,000",
        "weights; output readout; 0.001 s a step",
        "  population  neuron  neurons  receives         weights",
        "  layers.0    lif       1,000  input, itself  1,003,000",
        "  readout     li            2  layers.0           2,000",
    ]


def test_what_a_placement_and_a_compiled_network_print() -> None:
    placement = hn.place(quantized())
    title, headings, *rows = repr(placement).splitlines()
    assert title == "Placement: 3 of 120 cores of 'loihi2', without learning"
    assert headings.split()[:3] == ["core", "population", "neurons"]
    assert [row.split()[:3] for row in rows] == [["0", "layers.0", "5"], ["1", "layers.1", "4"], ["2", "readout", "3"]]
    artifact = compiled()
    assert "Artifact: target c for profile 'loihi2', " in repr(artifact)
    assert f"network.c                {artifact.manifest['files']['network.c'][:12]}" in repr(artifact)


class Long:
    """Rows of two columns."""

    def __init__(self, count: int) -> None:
        self.count = count

    def table(self) -> Shown:
        return Shown("Long", ("name", "value"), [(f"r{i}", f"{i}") for i in range(self.count)])


@pytest.mark.parametrize("count", [0, 1, LARGEST, LARGEST + 1, 1000])
def test_first_and_last_rows_of_many(count: int) -> None:
    lines = as_text(Long(count)).splitlines()
    shown = [line.split()[0] for line in lines[2:] if "…" not in line]
    assert len(lines) == (1 if count == 0 else 2 + min(count, LARGEST))
    if count > LARGEST:
        assert f"… {count - len(shown)} more" in lines[16]
        assert shown[0] == "r0"
        assert shown[-1] == f"r{count - 1}"
    assert as_html(Long(count)).count("<tr>") == (0 if count == 0 else 1 + min(count, LARGEST))


def test_html_is_escaped_and_rows_fit_their_headings() -> None:
    thing = SimpleNamespace(table=lambda: Shown("<i>", ("&",), [("<script>",)]))
    assert as_html(thing) == (
        "<div><p>&lt;i&gt;</p><table><thead><tr><th>&amp;</th></tr></thead>"
        "<tbody><tr><td>&lt;script&gt;</td></tr></tbody></table></div>"
    )
    with pytest.raises(ValueError, match="2 cells under 1"):
        Shown("x", ("a",), [("b", "c")])
    assert (percent(0.5), percent(float("nan"))) == ("50.0%", "–")


CALLS: dict[str, Callable[..., Any]] = {
    "train": lambda **options: hn.train(network(), data(), epochs=2, **options),
    "learn": lambda **options: hn.learn(quantized(), data(), options=hn.LearnOptions(rate=0.2), epochs=2, **options),
    "compare": lambda **options: hn.compare(
        network(), quantized(), data(), options=hn.LearnOptions(rate=0.2), epochs=2, **options
    ),
}
ENDS = {"train": "2/2", "learn": "32/32", "compare": "32/32"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")
def test_a_terminal_has_a_bar_and_a_pipe_none(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    for stream, options, shown in (
        (Terminal(), {}, True),
        (Terminal(), {"progress": False}, False),
        (Terminal(), {"on_epoch": lambda *figures: None}, False),
        (Terminal(), {"on_epoch": lambda *figures: None, "progress": True}, True),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"progress": True}, True),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        CALLS[call](**options)
        text = stream.getvalue()
        assert (call in text and ENDS[call] in text) == shown, text
        assert shown or not text


class Cell:
    """What IPython gives for a cell's output."""

    def __init__(self, first: str) -> None:
        self.pictures = [first]

    def update(self, picture: str) -> None:
        self.pictures.append(picture)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")
def test_a_notebook_has_one_in_its_cell(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Cell] = []

    def display(picture: str, *, display_id: bool) -> Cell:
        made.append(Cell(picture))
        return made[-1]

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(HTML=str, display=display))
    CALLS[call]()
    (cell,) = made
    done, total = ENDS[call].split("/")
    assert cell.pictures[-1].startswith(f'{call} <progress value="{done}" max="{total}"></progress> {done}/{total}')
    CALLS[call](progress=False)
    assert len(made) == 1


def test_a_call_that_fails_leaves_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(RuntimeError), progress_bar("train"):
        raise RuntimeError
    assert stream.getvalue().endswith("\x1b[2K")
