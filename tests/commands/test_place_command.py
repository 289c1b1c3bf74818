"""`hypr-neuro place` and the report name populations and connections of any network."""

from __future__ import annotations

from dataclasses import replace
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
    cost = section.pop("estimate")
    assert section == hn.place(qnet, learning=True).section()
    assert cost == hn.estimate(qnet).as_dict()
    section["estimate"] = cost
    page = render_page({"placement": section})
    for name in (*seen.connection_names(), *(p.name for p in seen.populations)):
        assert name.replace(">", "&gt;") in page
    plain = here("place", tmp_path / "quantized.h5", "--no-learning")
    assert [c["connection"] for c in plain["connections"]] == list(qnet.connection_names())
    assert sum(c["learning_bits"] for c in plain["per_core"]) == 0


def test_a_network_in_which_nothing_learns_is_placed_and_the_reason_told(tmp_path: Path) -> None:
    """A chip that cannot learn, and weights that are all frozen; with --learning the reason is the error."""
    qnet = random_learning_graph(3, varied("loihi2"))
    frozen = replace(qnet, connections=tuple(replace(c, trainable=False) for c in qnet.connections))
    frozen.save(tmp_path / "frozen.h5")
    replace(qnet, profile=varied("loihi2", learning__ability="none")).save(tmp_path / "unable.h5")
    for file, reason in (
        ("frozen.h5", "no connection learns: all are convolutions"),
        ("unable.h5", "profile 'loihi2' cannot learn (learning.ability: none)"),
    ):
        given = ("place", tmp_path / file)
        section = here(*given, "--out", tmp_path)
        assert section["learning"] is False
        assert section["not_learning"].startswith(reason)
        done = called(*given)
        assert done.returncode == 0
        assert f"placed without learning: {reason}" in done.stdout
        refused = called(*given, "--learning")
        assert refused.returncode == 2
        assert reason in refused.stderr


def test_the_tables_name_populations_and_connections(tmp_path: Path) -> None:
    qnet = random_learning_graph(3, varied("loihi2"))
    qnet.save(tmp_path / "quantized.h5")
    done = called("place", tmp_path / "quantized.h5")
    assert done.returncode == 0
    shown = "".join(done.stdout.split())
    assert "connectionsonallcores" in shown
    assert all(p.name in shown for p in qnet.populations)


def test_the_map_shows_every_core_and_population(tmp_path: Path) -> None:
    qnet = random_learning_graph(3, varied("loihi2"))
    qnet.save(tmp_path / "quantized.h5")
    words = ("place", tmp_path / "quantized.h5", "--override", "core.neurons=4", "--map")
    section = here(*words, tmp_path / "cores.svg")
    drawn = (tmp_path / "cores.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert f"{section['cores_used']} of 120 cores hold neurons" in drawn
    for name in {part["layer"] for part in section["per_core"]}:
        assert name in drawn
    # a frame for every core, and what fills those that hold neurons
    assert drawn.count("<path") >= 120 + len(section["per_core"])
    refused = called(*words, tmp_path / "cores.bmp")
    assert refused.returncode == 2
    assert "rule: a name that ends in .svg; give" in refused.stderr
    assert not (tmp_path / "cores.bmp").exists()
