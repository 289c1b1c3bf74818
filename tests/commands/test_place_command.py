"""`hypr-neuro place` and the report name populations and connections of any network."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from commands import answer, called

import hypr_neuro as hn
from hypr_neuro.report.page import render_page
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import varied

here = partial(answer, run=called)


def test_a_graph_is_placed_and_reported(tmp_path: Path) -> None:
    qnet = random_learning_graph(3, varied("loihi2"))
    qnet.save(tmp_path / "quantized.h5")
    seen = LearningPlan(qnet).qnet  # with the traces of spiking outputs
    section = here("place", tmp_path / "quantized.h5", "--out", tmp_path)
    assert [c["connection"] for c in section["connections"]] == list(seen.connection_names())
    assert {c["layer"] for c in section["per_core"]} == {p.name for p in seen.populations}
    assert section == hn.place(qnet, learning=True).section()
    page = render_page({"placement": section})
    for name in (*seen.connection_names(), *(p.name for p in seen.populations)):
        assert name.replace(">", "&gt;") in page
    plain = here("place", tmp_path / "quantized.h5", "--no-learning")
    assert [c["connection"] for c in plain["connections"]] == list(qnet.connection_names())
    assert sum(c["learning_bits"] for c in plain["per_core"]) == 0


def test_the_tables_name_populations_and_connections(tmp_path: Path) -> None:
    qnet = random_learning_graph(3, varied("loihi2"))
    qnet.save(tmp_path / "quantized.h5")
    done = called("place", tmp_path / "quantized.h5")
    assert done.returncode == 0
    shown = "".join(done.stdout.split())
    assert "connectionsonallcores" in shown
    assert all(p.name in shown for p in qnet.populations)
