"""`hypr-neuro fit`: tables, JSON, and what does not go together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from commands import answer, called, refusal

here, refused = partial(answer, run=called), partial(refusal, run=called)


def test_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("fit", "--memory", "64KiB", "--inputs", "64", "--outputs", "10")
    rooms = here(*words, "--weight-bits", "4", "--weight-bits", "8", "--packed")["rooms"]
    assert [(r["weight_bits"], r["learns"]) for r in rooms] == [
        (bits, learns) for bits in (4, 8) for learns in ("all", "readout", "nothing")
    ]
    assert all(0 < r["learning_bytes"] < r["bytes"] <= 65536 for r in rooms if r["learns"] != "nothing")
    assert rooms[0]["neurons"] < rooms[1]["neurons"] < rooms[2]["neurons"]
    assert {r["learns"] for r in here(*words, "--no-learn")["rooms"]} == {"nothing"}
    assert {r["learns"] for r in here(*words, "--learn")["rooms"]} == {"all", "readout"}
    monkeypatch.setenv("COLUMNS", "80")
    printed = called(*words).stdout
    assert "Largest networks in 65,536 bytes: 64 inputs, 1 layer of brf" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_network(run: Path) -> None:
    found = here("fit", run / "quantized.h5", "--memory", "1M")
    assert found["best"] == found["choices"][0]
    assert found["best"]["fits"]
    small = here("fit", run / "quantized.h5", "--memory", str(found["best"]["bytes"] - 1))
    assert small["best"]["synapses"] < found["best"]["synapses"]
    assert "not even the network without learning fits" in " ".join(
        called("fit", run / "quantized.h5", "--memory", "10").stdout.split()
    )


def test_a_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("fit", "--profile", "reckon", "--inputs", "256", "--outputs", "16")
    rooms = here(*words)["rooms"]
    assert [(r["learns"], r["neurons"], r["cores"]) for r in rooms] == [("all", 256, 1), ("nothing", 256, 1)]
    assert [r["neurons"] for r in here("fit", "--profile", "xylo", "--inputs", "2", "--outputs", "2")["rooms"]] == [64]
    monkeypatch.setenv("COLUMNS", "80")
    printed = " ".join(called(*words, "--no-learn").stdout.split())
    assert "257 hidden neurons, limit 256 (profile 'reckon', chip.hidden)" in printed


def test_a_memory_beside_a_chip_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    printed = called("fit", "--memory", "4K", "--inputs", "3", "--outputs", "2", "--profile", "reckon").stdout
    assert "1 layer of lif" in printed
    assert "counted in bytes alone: what else limits 'reckon'" in printed
    assert "none fits" in called("fit", "--memory", "1", "--inputs", "3", "--outputs", "2").stdout


def test_what_does_not_go_together_is_named(run: Path) -> None:
    assert "--memory is missing" in refused("fit", "--inputs", "3", "--outputs", "2")
    assert "no network and no shape" in refused("fit", "--memory", "1K")
    assert "--packed: of a --memory" in refused(
        "fit", "--profile", "xylo", "--inputs", "2", "--outputs", "2", "--packed"
    )
    assert "cannot learn" in refused("fit", "--profile", "xylo", "--inputs", "2", "--outputs", "2", "--learn")
    assert "--inputs: of a shape" in refused("fit", run / "quantized.h5", "--memory", "1K", "--inputs", "3")
    assert "--weight-bits: of a shape" in refused("fit", run / "quantized.h5", "--memory", "1K", "--weight-bits", "3")
    assert "holds a float network" in refused("fit", run / "network.h5", "--memory", "1K")
    assert "memory = 'lots'" in refused("fit", run / "quantized.h5", "--memory", "lots")


def test_no_size_fits_a_chip() -> None:
    words = ("--inputs", "40", "--outputs", "10", "--no-learning")
    assert (
        "no network fits, nothing learning: network: 40 input channels"
        in called("fit", "--profile", "xylo", *words).stdout
    )
    for profile in ("odin", "dynapcnn", "speck"):
        assert "rule: 'li' among them" in refused("fit", "--profile", profile, *words)
