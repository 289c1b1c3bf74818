"""Learning on crossbars with the noise terms switched on one by one, beside float, wide integers and digital 4 bits.

    python examples/analog_learning.py            half an hour to an hour: both crossbars, three seeds
    python examples/analog_learning.py pcm        phase-change memory alone; or: reram
    python examples/analog_learning.py seed=2     one seed alone, of both
    python examples/analog_learning.py --quick    about a minute: few samples, few rows, one seed

A recurrent layer of 32 BRF neurons learns 900 of the handwritten digits in two epochs, weights from random numbers, and
answers the 360 of other people. With one hidden layer the rule is e-prop's: eligibilities forward in time, the errors
of each step over the readout's weights. All rows of a seed have the same start, order of samples and updates, at the
rate that the task states for weights of that width. Nothing was chosen on these answers.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import hypr_neuro as hn
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.analog import SWITCHES
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.stages_learning import from_scratch
from hypr_neuro.workflow.tasks import for_width, task_for

NEURONS, SAMPLES, EPOCHS, SEEDS = 32, 900, 2, 3
OFF = {f"analog.{name}": False for name in SWITCHES}
CELLS = {
    "pcm": ("programming_noise", "drift", "read_noise", "write_noise", "device_spread"),
    "reram": (
        "programming_noise",
        "relaxation",
        "write_noise",
        "device_spread",
        "defects",
        "eligibility_decay",
        "eligibility_noise",
    ),
}
PROFILES = {"pcm": "pcm_crossbar", "reram": "reram_neohebbian"}
ACCUMULATED = {"analog.update": "accumulated"}


def digits(samples: int) -> SequenceData:
    """The first training samples, and all of the test."""
    data = hn.load_data("digits")
    return data.take(np.concatenate([data.part_index("train")[:samples], data.part_index("test")]))


def crossbars(kind: str, quick: bool) -> Iterator[tuple[str, Profile]]:
    """Rows of one kind of cell: a name and a profile each."""
    name = PROFILES[kind]
    yield f"{kind}, no noise", load_profile(name, OFF)
    for term in CELLS[kind][-1:] if quick else CELLS[kind]:
        yield f"{kind}, {term} alone", load_profile(name, {**OFF, f"analog.{term}": True})
    if kind == "reram" and not quick:
        yield "reram, all but eligibilities", load_profile("reram")
    yield f"{kind}, all", load_profile(name)
    if not quick:
        yield f"{kind}, all, accumulated", load_profile(name, ACCUMULATED)


def digital() -> Iterator[tuple[str, Profile]]:
    """Rows without cells."""
    yield "integers, 16-bit weights", load_profile("ideal")
    yield "integers, 4-bit weights", load_profile("ideal", {"precision.weight_bits": 4})


def accuracy(net: Network, profile: Profile, data: SequenceData, seed: int, epochs: int) -> float:
    """Test accuracy after learning from random weights."""
    _, qnet = from_scratch(net, profile, data, seed + 1)
    options = for_width(task_for(data).scratch, profile)
    run = hn.learn(qnet, data, epochs=epochs, options=with_seed(options, seed), progress=False)
    return float(hn.evaluate(run.qnet, data, learned=False).accuracy)


def float_accuracy(net: Network, data: SequenceData, seed: int, epochs: int) -> float:
    """The same of the float rule: same start, samples and updates, all in real numbers."""
    profile = load_profile("ideal")
    fresh, qnet = from_scratch(net, profile, data, seed + 1)
    options = with_seed(for_width(task_for(data).scratch, profile), seed)
    compared = hn.compare(fresh, qnet, data, epochs=epochs, options=options, progress=False)
    return float(hn.evaluate(compared.float_net, data, learned=False).accuracy)


def with_seed(options: Any, seed: int) -> Any:
    from dataclasses import replace

    return replace(options, seed=seed)


def _on_chip(profile: Profile, data: SequenceData, epochs: int, net: Network, seed: int) -> float:
    return accuracy(net, profile, data, seed, epochs)


def main(arguments: list[str]) -> None:
    """Print one line a row: mean, spread and the single seeds."""
    warnings.simplefilter("ignore", HyprWarning)
    quick = "--quick" in arguments
    kinds = [kind for kind in CELLS if kind in arguments] or (["pcm"] if quick else list(CELLS))
    samples, epochs = (40, 1) if quick else (SAMPLES, EPOCHS)
    seeds = [int(a.partition("=")[2]) for a in arguments if a.startswith("seed=")] or list(range(1 if quick else SEEDS))
    data = digits(samples)
    task = task_for(data)
    spec = task.spec(data)
    spec["layers"][0]["size"] = NEURONS
    rows: dict[str, Callable[[Network, int], float]] = {}
    if "pcm" in kinds:
        rows["float rule"] = lambda net, seed: float_accuracy(net, data, seed, epochs)
    profiles = list(digital()) if "pcm" in kinds and not quick else []
    profiles += [row for kind in kinds for row in crossbars(kind, quick)]
    for name, profile in profiles:
        rows[name] = partial(_on_chip, profile, data, epochs)
    found: dict[str, list[float]] = {name: [] for name in rows}
    for seed in seeds:
        net, _ = fit(data, task, seed=seed, spec=spec, progress=False, epochs=1 if quick else 15)
        for name, row in rows.items():
            found[name].append(100.0 * row(net, seed))
            print(f"  seed {seed}: {name:34} {found[name][-1]:5.1f} %", flush=True)
    print(f"\n{'test accuracy, %':36} mean  spread  seeds")
    for name, values in found.items():
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        print(f"{name:36} {np.mean(values):4.1f}  {spread:6.1f}  " + " ".join(f"{v:.1f}" for v in values))


if __name__ == "__main__":
    main(sys.argv[1:])
