"""`hypr-neuro widths`: what single tensors lose, the cheapest plan that holds, interruption, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import answer, called, refusal
from mixed_widths import data_that_can_be_learned

import hypr_neuro as hn
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.quantizing.width_plan import as_plan
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.studies.width_choice import cheapest, choose, widths_of
from hypr_neuro.studies.width_sensitivity import NarrowedTensor, Step, measure, tensors_of
from hypr_neuro.studies.width_trials import PairedLoss, WidthTrials, loss_of, memory_of, sample_figures
from hypr_neuro.studies.widths import find_widths

pytestmark = pytest.mark.once

DATA = data_that_can_be_learned()
FEW = pytest.mark.filterwarnings("ignore:30 samples tell a loss")
MSE = {"calibration_method": "mse"}


@pytest.fixture(scope="module")
def net() -> hn.Network:
    spec = {"inputs": 4, "outputs": 3, "layers": [{"neuron": "lif", "size": 10}]}
    made = hn.Network.build(spec, seed=0)
    hn.scale_to_rate(made, DATA.part("train").x, 0.2)
    hn.train(made, DATA, epochs=8, rate=0.03, batch_size=6, progress=False)
    assert hn.evaluate(made, DATA).accuracy > 0.9
    return made


@pytest.fixture(scope="module")
def files(net: hn.Network, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("widths")
    net.save(folder / "network.h5")
    arrays = {f"{what}_{part}": getattr(DATA.part(part), what) for what in "xy" for part in np.unique(DATA.split)}
    np.savez(folder / "data.npz", **arrays)
    return folder / "network.h5", folder / "data.npz"


@FEW
def test_the_plan_holds_and_quantize_takes_it(files: tuple[Path, Path], tmp_path: Path) -> None:
    network, data = files
    found = answer("widths", network, "--data", data, "--within", "3", "--out", tmp_path, run=called)
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    measured = plan["measured"]
    assert measured["loss"] <= 3
    assert measured["memory_bits"] < measured["memory_bits_before"]
    assert {row["key"] for row in found["tensors"]} == {"weight_bits", "state_bits"}
    assert called("report", tmp_path).returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Widths of single tensors" in page
    assert "Loss over bits of states" in page
    assert all(row["tensor"] in page for row in found["tensors"])
    arguments = ("quantize", network, "--data", data, "--plan", tmp_path / "plan.yaml", "--out", tmp_path / "q")
    answer(*arguments, run=called)
    qnet = hn.QuantizedNetwork.load(tmp_path / "q" / "quantized.h5")
    for name, c in zip(qnet.connection_names(), qnet.connections, strict=True):
        assert qnet.weight_bits(c) == plan["rules"].get(name, {}).get("weight_bits", 8), name
    # the integers are those that were scored
    samples = hn.load_data(str(data)).part("validation")
    base = hn.quantize(hn.Network.load(network), "loihi2", calibration=hn.load_data(str(data)), **MSE)
    figures = [sample_figures(hn.simulate(q, samples.x).readout, samples) for q in (base, qnet)]
    assert round(loss_of(*figures).points, 4) == measured["loss"]
    assert memory_of(qnet).bits() == measured["memory_bits"]
    assert memory_of(qnet).placed == sum(c["memory_bits"] for c in hn.place(qnet).by_connection())


@FEW
def test_an_interrupted_search_goes_on_with_the_same_numbers(net: hn.Network, tmp_path: Path) -> None:
    whole = find_widths(net, DATA, "loihi2", tensors=("weight_bits",), within=2)
    file = tmp_path / "widths.json"

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        find_widths(net, DATA, "loihi2", tensors=("weight_bits",), within=2, file=file, on_trial=stop)
    kept = json.loads(file.read_text())["trials"]
    assert len(kept) == 5
    seen: list[int] = []
    found = find_widths(
        net, DATA, "loihi2", tensors=("weight_bits",), within=2, file=file, on_trial=lambda done, _: seen.append(done)
    )
    assert found.as_dict() == whole.as_dict()
    after = json.loads(file.read_text())["trials"]
    assert {key: after[key] for key in kept} == kept
    again = WidthTrials(net, DATA, hn.load_profile("loihi2"), options=MSE, file=file)
    again.figures({})
    assert (again.ran, again.reused) == (0, 1), "what the file holds does not run again"


def test_a_file_of_another_network_is_not_taken(net: hn.Network, tmp_path: Path) -> None:
    file = tmp_path / "widths.json"
    chip = hn.load_profile("loihi2")
    WidthTrials(net, DATA, chip, options=MSE, file=file).figures({})
    for other in (
        WidthTrials(net, DATA, chip, options={"calibration_method": "max"}, file=file),
        WidthTrials(net, DATA, hn.load_profile("loihi2", {"precision.weight_bits": 6}), options=MSE, file=file),
    ):
        other.figures({})
        assert other.ran == 1
    file.write_text("{")
    with pytest.raises(HyprError, match=r"widths\.json.*remove it"):
        WidthTrials(net, DATA, chip, options=MSE, file=file)


def test_too_few_samples_for_so_small_a_loss_are_told(net: hn.Network) -> None:
    found = find_widths(net, DATA, "loihi2", tensors=())
    assert found.doubts() == []
    unsure = replace(found, chosen=replace(found.chosen, loss=PairedLoss(0.1, 0.9)))
    (told,) = unsure.doubts()
    assert "30 samples tell a loss to ± 0.90 points, more than the 0.5 that may be lost" in told


def test_losses_are_of_pairs() -> None:
    """What all samples share cancels: the error of the mean difference, not of two means."""
    rng = np.random.default_rng(0)
    before = rng.uniform(0, 1, 400)
    after = before - 0.02 + rng.normal(0, 0.01, 400)
    loss = loss_of(before, after)
    assert abs(loss.points - 2) < 0.2
    assert abs(loss.error - 100 * 0.01 / np.sqrt(400)) < 0.01
    assert str(PairedLoss(1.0, 0.25)) == "1.00 ± 0.25"


def test_the_integer_program_finds_the_cheapest() -> None:
    """Beside all choices, of random losses and savings."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        steps = {
            NarrowedTensor(f"t{i}", "weight_bits"): [Step(8, PairedLoss(0.0, 0.0), 0)]
            + [Step(7 - k, PairedLoss(float(rng.uniform(-0.2, 1)), 0.1), int(rng.integers(1, 100))) for k in range(3)]
            for i in range(4)
        }
        within = float(rng.uniform(0, 1.5))
        choice = cheapest(steps, within)

        def total(places: Any, steps: Any = steps) -> tuple[float, int]:
            chosen = [of[k] for of, k in zip(steps.values(), places, strict=True)]
            return sum(max(s.loss.points, 0.0) for s in chosen), sum(s.saved for s in chosen)

        best = max(total(p)[1] for p in np.ndindex(4, 4, 4, 4) if total(p)[0] <= within + 1e-9)
        lost, saved = total([choice[t] for t in steps])
        assert saved == best
        assert lost <= within + 1e-6


def test_a_choice_that_loses_too_much_together_is_repaired(net: hn.Network) -> None:
    trials = WidthTrials(net, DATA, hn.load_profile("loihi2"), options=MSE)
    steps = measure(trials, tensors_of(trials, ("weight_bits",)))
    # as if nothing alone lost anything, so that the first choice is the narrowest of all
    blind = {t: [Step(s.bits, PairedLoss(0.0, 0.0), s.saved) for s in of] for t, of in steps.items()}
    chosen = choose(trials, blind, 2.0)
    assert chosen.repaired > 0
    assert trials.loss(widths_of(blind, chosen.choice), {}).points <= 2.0


def test_widths_of_learning_are_scored_after_learning(net: hn.Network) -> None:
    options = LearnOptions(rate=0.5)
    trials = WidthTrials(net, DATA, hn.load_profile("loihi2"), options=MSE, learning=options)
    narrow = {("layers.0", "eligibility_bits"): 4}
    learned = hn.learn(trials.integers(narrow), DATA, epochs=1, options=options).qnet
    samples = DATA.part("validation")
    wanted = sample_figures(hn.simulate(learned, samples.x).readout, samples)
    assert np.array_equal(trials.figures(narrow), wanted)
    without = WidthTrials(net, DATA, hn.load_profile("loihi2"), options=MSE)
    assert without.loss(narrow, {}).points == 0, "without learning eligibilities change nothing"
    assert trials.memory(narrow).placed < trials.memory({}).placed
    assert without.memory(narrow).placed == without.memory({}).placed


def test_what_is_refused(files: tuple[Path, Path], net: hn.Network, tmp_path: Path) -> None:
    network, data = files
    out = ("--data", data, "--out", tmp_path)
    assert "give the rate at which it learns (--rate)" in refusal(
        "widths", network, "--tensor", "eligibility_bits", *out, run=called
    )
    assert "--within" in refusal("widths", network, "--within", "-1", *out, run=called)
    plan = tmp_path / "plan.yaml"
    plan.write_text("plan: 1\nrules: {layers.3: {weight_bits: 4}}\n")
    told = refusal("quantize", network, "--plan", plan, *out, run=called)
    assert "rules.layers.3: no population or connection" in told
    assert "readout" in told
    with pytest.raises(InputError, match=r"'accuracy', rule for widths: max, percentile or mse"):
        find_widths(net, DATA, "loihi2", options={"calibration_method": "accuracy"})
    with pytest.raises(InputError, match=r"cost = 'size', rule: placed or numbers"):
        find_widths(net, DATA, "loihi2", cost="size")
    assert as_plan({"readout": {"weight_bits": 4}}).changes() == {"precision.weight_bits@readout": 4}
