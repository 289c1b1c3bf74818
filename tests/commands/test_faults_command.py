"""`hypr-neuro faults`: table, figure, section of the report; interruption; what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from commands import answer, called

from hypr_neuro.faults import sweep as sweep_module
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.graph.network import Network
from hypr_neuro.report import write_report
from hypr_neuro.testing.networks import random_quantized


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("faults")
    qnet = random_quantized("brf", 0, "loihi2", hidden=(10,))
    qnet.save(folder / "quantized.h5")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    rate = 0.1 + 0.5 * (np.arange(4)[None, None] == y[:, None, None])
    x = (rng.random((60, 30, 4)) < rate).astype(np.int8)
    part = {"train": slice(0, 36), "validation": slice(36, 42), "test": slice(42, 60)}
    arrays = {f"{what}_{name}": {"x": x, "y": y}[what][cut] for what in "xy" for name, cut in part.items()}
    np.savez(folder / "data.npz", **arrays)
    return folder / "quantized.h5", folder / "data.npz"


Made = tuple[Path, Path]
FAST = ("--rate", "0.5", "--seeds", "2")


def swept(made: Made, out: Path, *more: str | Path) -> Any:
    network, data = made
    arguments = ("faults", network, "--data", data, "--fault", "weight_flips=0.001,0.1", *FAST, "--out", out)
    return answer(*arguments, *more, run=called)


def test_accuracy_falls_with_the_fault(made: Made, tmp_path: Path) -> None:
    found = swept(made, tmp_path)
    assert [row["value"] for row in found["rows"]] == [0.0, 0.001, 0.1]
    assert [row["seeds"] for row in found["rows"]] == [2, 2, 2]
    points = {(p["value"], p["seed"]): p for p in found["points"]}
    whole = points[0.0, 0]["accuracy"]
    assert whole == points[0.0, 1]["accuracy"], "without a fault both seeds run the same"
    learned = answer(
        "learn", made[0], "--data", made[1], "--rate", "0.5", "--decay", "1", "--out", tmp_path / "l", run=called
    )
    assert points[0.0, 0]["accuracy"] == learned["accuracy_before"]
    assert points[0.0, 0]["learned_accuracy"] == learned["accuracy_after"], "0 is learning without a fault"
    faulty = answer(
        "learn", made[0], "--data", made[1], "--rate", "0.5", "--decay", "1", "--fault", "weight_flips=0.1",
        "--out", tmp_path / "f", run=called,
    )  # fmt: skip
    assert points[0.1, 0]["learned_accuracy"] == faulty["accuracy_after"]
    assert faulty["faults"] == {"weight_flips": 0.1}
    mean = np.mean([points[0.1, seed]["learned_accuracy"] for seed in (0, 1)])
    assert found["rows"][2]["after"] == pytest.approx(mean, abs=1e-12)


def test_the_figure_and_the_report_show_it(made: Made, tmp_path: Path) -> None:
    found = swept(made, tmp_path)
    dead = ("faults", made[0], "--data", made[1], "--fault", "dead=0.5", "--epochs", "0", "--seeds", "1")
    assert answer(*dead, "--out", tmp_path, run=called)["rows"][1]["after"] is None
    figure = Path(found["figure"])
    root = ElementTree.fromstring(figure.read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in figure.read_text(encoding="utf-8")
    assert "weight_flips" in figure.read_text(encoding="utf-8")
    page, numbers = write_report(RunFolder(tmp_path).results(), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Faults of the device" in text
    assert 'id="fault-weight_flips-' in text
    assert "share of the spiking neurons that never fire" in text
    assert "One seed is no result" in text
    assert "mathdefault" not in text, "ticks are plain text"
    assert set(json.loads(numbers.read_text(encoding="utf-8"))["faults"]) == {"weight_flips", "dead"}


def test_an_interrupted_sweep_goes_on(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = swept(made, tmp_path / "whole")
    measured = sweep_module._measured
    left = [3]

    def stopped(*arguments: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return measured(*arguments)

    monkeypatch.setattr(sweep_module, "_measured", stopped)
    network, data = made
    arguments = (
        "faults",
        network,
        "--data",
        data,
        "--fault",
        "weight_flips=0.001,0.1",
        *FAST,
        "--out",
        tmp_path / "cut",
    )
    done = called(*arguments)
    assert done.returncode == 130
    assert "the same command goes on" in done.stderr
    assert len(list((tmp_path / "cut" / "faults").glob("*.json"))) == 3
    left[0] = 3  # the three that are there are not measured again
    again = answer(*arguments, run=called)
    assert again["points"] == whole["points"]


def test_a_point_of_another_run_is_measured_again(made: Made, tmp_path: Path) -> None:
    first = swept(made, tmp_path)
    other = swept(made, tmp_path, "--epochs", "2")
    assert other["points"] != first["points"]
    assert swept(made, tmp_path)["points"] == first["points"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--fault", "dead=0.1"), None),
        (
            ("--fault", "dead=0.1", "--fault", "jitter=1,2"),
            "rule: one value a kind; `hypr-neuro faults` compares several",
        ),
        (("--fault", "drop=0.1"), "fault drop on device 'sim', rule: a device behind a link"),
        (("--fault", "nothing=1"), "unknown fault 'nothing'"),
        (("--fault", "dead=1.5"), "fault dead = 1.5, rule: a probability from 0 to 1"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(made: Made, tmp_path: Path, more: Any, words: str | None) -> None:
    network, data = made
    done = called("faults", network, "--data", data, *more, *FAST, "--epochs", "0", "--out", tmp_path / "out")
    assert done.returncode == (0 if words is None else 2), done.stderr
    if words is not None:
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_a_faulty_float_network_is_refused(tmp_path: Path) -> None:
    net = Network.build({"inputs": 4, "outputs": 3, "layers": [{"neuron": "lif", "size": 5}]}, 0)
    net.save(tmp_path / "network.h5")
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 5, 4), np.int8))
    done = called("simulate", tmp_path / "network.h5", "--data", tmp_path / "x.npz", "--fault", "dead=0.1")
    assert done.returncode == 2
    assert "--fault dead 0.1, rule: none in float; quantize the network first" in done.stderr
