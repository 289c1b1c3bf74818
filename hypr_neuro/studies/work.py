"""What one trial does, on whichever machine: start network, integers, learning, figures as plain numbers."""

from __future__ import annotations

import math
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, reduce
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from hypr_neuro.comparing.compare import ComparedEpoch, compare
from hypr_neuro.comparing.disturbance import disturb
from hypr_neuro.comparing.inference import compare_inference
from hypr_neuro.data.doubts import of_learning, of_learning_error, of_score, of_squared_error
from hypr_neuro.data.score import Score, majority, mean_error
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import DoesNotFitError, HyprError, HyprWarning
from hypr_neuro.graph.network import Network
from hypr_neuro.graph.spec import parse_spec
from hypr_neuro.numbers.checks import require_number, whole
from hypr_neuro.placement.estimate import estimate_network
from hypr_neuro.placement.place import place
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.profiles.rules import check_names
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.quantizing.width_plan import rule_names
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.search_rate import search_rate
from hypr_neuro.studies.fields import LEARN, NETWORK, PROFILE, QUANTIZE, TRAINING, of_section, with_entry
from hypr_neuro.studies.spec import Study
from hypr_neuro.studies.store import code_digest
from hypr_neuro.train.loop import evaluate
from hypr_neuro.train.optimizers import make_optimizer
from hypr_neuro.workflow.stages import build, fit
from hypr_neuro.workflow.stages_fixed import integer_start
from hypr_neuro.workflow.stages_learning import from_scratch
from hypr_neuro.workflow.stages_learning import spec_of as built_from
from hypr_neuro.workflow.tasks import Task, for_width, task_for

REFUSED = "refused"
"""Key of a result that says why there are no figures: a setting that the tool refuses, which no repetition changes."""
WARNED = "warnings"
SAMPLES = 32
"""Samples whose activity energy and time are estimated from."""


@dataclass(frozen=True)
class Job:
    """A trial as a worker gets it: the study, all settings by full name, the seed, the profile that they name.

    Without a profile it is read where the trial runs, and without the digest of the program's sources any will do.
    """

    study: Study
    settings: dict[str, Any]
    seed: int
    chip: Profile | None = None
    code: str = ""

    @classmethod
    def of(
        cls,
        study: Study,
        settings: Mapping[str, Any],
        seed: int,
        chips: Mapping[str, Profile] | None = None,
        code: str = "",
    ) -> Job:
        """Return a trial with all values that it sets, see `Study.stated`, and its profile out of these by name."""
        chosen = study.stated(settings)
        return cls(study, chosen, seed, (chips or {}).get(chosen.get(PROFILE, study.profile)), code)

    def training(self) -> dict[str, Any]:
        """Return what its start network depends on, beside data and seed."""
        return {s: of_section(self.settings, s) for s in (NETWORK, TRAINING)}


class Start(NamedTuple):
    """A start network, or the reason why there is none, and the seconds of its training."""

    network: Network | str
    seconds: float


class Outcome(NamedTuple):
    """What a trial gave, the seconds that it took, and those of its start network's training."""

    figures: dict[str, Any]
    seconds: float
    training: float


def start_network(job: Job, data: SequenceData) -> Network | str:
    """Build and train the float network of a trial; return the reason where that is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HyprWarning)
            return _trained(job, data)
    except HyprError as error:
        return " ".join(str(error).split())


def spec_of(job: Job, data: SequenceData) -> Any:
    """Return the specification of a trial's network."""
    given = job.study.network
    spec: Any = given if isinstance(given, dict) else task_for(data).spec(data)
    return reduce(lambda made, entry: with_entry(made, *entry), of_section(job.settings, NETWORK).items(), spec)


def _trained(job: Job, data: SequenceData) -> Network:
    spec = spec_of(job, data)
    if job.study.start == "integers":
        return build(spec, data, job.seed, 0.0)
    net, _ = fit(data, task_for(data), seed=job.seed, spec=spec, progress=False, **of_section(job.settings, TRAINING))
    return net


def chip_of(job: Job) -> Profile:
    """Return the profile of a trial, with the numbers that it changes."""
    numbers = of_section(job.settings, PROFILE)
    name = numbers.pop(PROFILE, job.study.profile)
    return overridden(job.chip or load_profile(name), numbers)


def reason_against(job: Job, data: SequenceData, net: Network | None) -> str:
    """Say why a trial will be refused, as far as that is known before it runs; "" where nothing is known."""
    try:
        profile = chip_of(job)
        if job.study.run != "quantize":
            _options(job, data, profile)
        if net is None:
            parse_spec(spec_of(job, data))
            _check_training(of_section(job.settings, TRAINING))
        if profile.rules:
            named = net or Network.build(spec_of(job, data), seed=job.seed)
            check_names(profile, [p.name for p in named.populations], rule_names(named))
    except HyprError as error:
        return " ".join(str(error).split())
    except TypeError as error:
        return str(error)
    return ""


def _check_training(options: Mapping[str, Any]) -> None:
    """Raise InputError for options of training that are none whatever the network is."""
    for name in ("epochs", "batch_size"):
        whole(f"training.{name}", options.get(name, 1), 1)
    make_optimizer(options.get("optimizer", "adam"), options.get("rate", 1.0))


def run_trial(job: Job, data: SequenceData, net: Network | str) -> dict[str, Any]:
    """Return the figures of a trial as plain data, the same on every machine.

    Settings that are refused give `REFUSED` with the reason; warnings stand under `WARNED`.
    """
    if isinstance(net, str):
        return {REFUSED: net}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", HyprWarning)
        try:
            figures = RUNS[job.study.run](job, data, net)
        except HyprError as error:
            return {REFUSED: " ".join(str(error).split())}
    lines = [" ".join(str(w.message).split()) for w in told if issubclass(w.category, HyprWarning)]
    lines += doubts(job, data, figures)
    return _plain(figures) | ({WARNED: list(dict.fromkeys(lines))} if lines else {})


def doubts(job: Job, data: SequenceData, figures: Mapping[str, Any]) -> list[str]:
    """Return what makes a trial's score worthless: it is that of chance, or learning made it worse."""
    samples = data.part(job.study.part)
    lines = []
    for side in ("", "float "):
        if (accuracy := figures.get(f"{side}accuracy")) is not None:
            lines += [f"{side}{line}" for line in of_score(accuracy, majority(samples), len(samples))]
        elif (error := figures.get(f"{side}squared error")) is not None:
            lines += [f"{side}{line}" for line in of_squared_error(error, mean_error(samples), len(samples))]
    for score, fallen in (("accuracy", of_learning), ("squared error", of_learning_error)):
        if f"start {score}" in figures:
            lines += fallen(figures[f"start {score}"], figures[score])
    return lines


@cache
def own_code() -> str:
    """Return the digest of the sources with which this process runs, as far as nobody edits them meanwhile."""
    return code_digest()


def _require_same_code(job: Job) -> None:
    """Raise HyprError where a trial is of other sources: its result would be kept under their digest."""
    if job.code and job.code != own_code():
        raise HyprError(
            f"the worker on {platform.node()} has hypr-neuro {version('hypr-neuro')} with other sources than the "
            "command, rule: the same; install the same version there, and start the worker anew"
        )


def timed_start(job: Job, data: SequenceData) -> Start:
    """Return the start network of a trial and the seconds of its training."""
    _require_same_code(job)
    started = time.perf_counter()
    net = start_network(job, data)
    return Start(net, time.perf_counter() - started)


def timed_trial(job: Job, data: SequenceData, start: Start) -> Outcome:
    """Return the figures of a trial and the seconds that it took."""
    _require_same_code(job)
    started = time.perf_counter()
    figures = run_trial(job, data, start.network)
    return Outcome(figures, time.perf_counter() - started, start.seconds)


def _quantized(job: Job, data: SequenceData, net: Network) -> dict[str, Any]:
    """Return the figures of integers beside float."""
    qnet = quantize(net, chip_of(job), calibration=data, seed=job.seed, **of_section(job.settings, QUANTIZE))
    return _inference(job, data, net, qnet) | _rounding(qnet) | _room(job, qnet, data, learning=False)


def _learned(job: Job, given: SequenceData, trained: Network) -> dict[str, Any]:
    """Return the figures before and after learning on the chip; of float those of the trained network, undisturbed."""
    net, qnet, data, options, epochs = _start(job, given, trained)
    with warnings.catch_warnings():
        # of the start: what learning leaves is told, and outputs that begin at 0 say nothing yet
        warnings.simplefilter("ignore", HyprWarning)
        before = _scores(job, data, net, qnet, "start ")
    run = learn(qnet, data, epochs=epochs, options=options, progress=False)
    after = _inference(job, data, net, run.qnet)
    if job.study.start != "trained":
        # the float side of that is as damaged, or as untrained, as the start was
        after = {name: value for name, value in after.items() if "float" not in name and name != "agreement"}
        if job.study.start != "integers":
            after |= _on_both_parts(job, given, trained, "float ")
    last = run.epochs[-1]
    counts = {"weights saturated": last.weights_saturated, "clips": sum(last.clips.values()), "rate": options.rate}
    return before | after | counts | _rounding(qnet) | _room(job, run.qnet, data, learning=options)


def _compared(job: Job, data: SequenceData, net: Network) -> dict[str, Any]:
    """Return the figures of learning on the chip with the float rule beside it."""
    net, qnet, data, options, epochs = _start(job, data, net)
    comparison = compare(net, qnet, data, epochs=epochs, options=options, part=job.study.part, progress=False)
    first, last = comparison.epochs[0], comparison.epochs[-1]
    cosines = [c for c in last.cosine.values() if not math.isnan(c)]
    figures = (
        _sides(first, "start ")
        | _sides(last, "")
        | {
            "gap": comparison.gap,
            "least cosine": min(cosines, default=math.nan),
            "mean cosine": float(np.mean(cosines)) if cosines else math.nan,
            "weight distance": last.weight_distance,
            "weights saturated": last.weights_saturated,
            "clips": sum(last.clips.values()),
            "rate": options.rate,
        }
    )
    if other := _other_part(job, data):
        figures |= _named(evaluate(comparison.device, data, other, learned=False), f"{other} ")
        figures |= _named(evaluate(comparison.float_net, data, other, learned=False), f"{other} float ")
    return figures | _rounding(qnet) | _room(job, comparison.device, data, learning=options)


RUNS: dict[str, Callable[[Job, SequenceData, Network], dict[str, Any]]] = {
    "quantize": _quantized,
    "learn": _learned,
    "compare": _compared,
}


def _start(
    job: Job, data: SequenceData, net: Network
) -> tuple[Network, QuantizedNetwork, SequenceData, LearnOptions, int]:
    """Return float and integer network from which learning starts, the data, options and epochs."""
    profile, start = chip_of(job), job.study.start
    options, epochs, has_rate = _options(job, data, profile)
    if start == "scratch":
        return *from_scratch(net, profile, data, job.seed + 1), data, options, epochs
    if start == "integers":
        return *integer_start(data, task_for(data), profile, job.seed, built_from(net)), data, options, epochs
    qnet = quantize(net, profile, calibration=data, seed=job.seed, **of_section(job.settings, QUANTIZE))
    if start == "disturbed":
        qnet, data, _ = disturb(qnet, data, seed=job.seed)
    elif not has_rate:
        options = replace(options, rate=search_rate(qnet, data, options).rate)
    return net, qnet, data, options, epochs


def _options(job: Job, data: SequenceData, profile: Profile) -> tuple[LearnOptions, int, bool]:
    """Return options of learning, epochs, and whether the study states the rate."""
    base, usual = _stated(task_for(data), job.study.start)
    chosen = of_section(job.settings, LEARN)
    # YAML has no tuples
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()}
    epochs = given.pop("epochs", usual)
    base = for_width(base, profile)
    require_number("learn.rate", given.get("rate", base.rate))
    return replace(base, seed=job.seed, **given), whole("learn.epochs", epochs, 1), "rate" in given


def _stated(task: Task, start: str) -> tuple[LearnOptions, int]:
    """Return the options and epochs of learning that a task states for a start."""
    known = {"scratch": (task.scratch, task.scratch_epochs), "integers": (task.fixed, task.fixed_epochs)}
    return known.get(start, (task.fine_tuning, task.fine_tuning_epochs))


def _scores(job: Job, data: SequenceData, net: Network, qnet: QuantizedNetwork, prefix: str) -> dict[str, Any]:
    scores = compare_inference(net, qnet, data, job.study.part)
    return _named(scores.integer_score, prefix)


def _inference(job: Job, data: SequenceData, net: Network, qnet: QuantizedNetwork) -> dict[str, Any]:
    """Return scores on the study's part, on the other one where there is one, and what overflowed."""
    scores = compare_inference(net, qnet, data, job.study.part)
    figures = _named(scores.integer_score, "") | _named(scores.float_score, "float ")
    figures |= {"agreement": scores.agreement, "saturations": sum(sum(e.values()) for e in scores.events.values())}
    if other := _other_part(job, data):
        scores = compare_inference(net, qnet, data, other)
        figures |= _named(scores.integer_score, f"{other} ") | _named(scores.float_score, f"{other} float ")
    return figures


def _other_part(job: Job, data: SequenceData) -> str:
    """Return the one of validation and test that settings are not chosen on, "" where the data have none."""
    other = "test" if job.study.part == "validation" else "validation"
    return other if np.any(data.split == other) else ""


def _on_both_parts(job: Job, data: SequenceData, net: Network, prefix: str) -> dict[str, Any]:
    """Return the scores of a float network on the study's part and on the other one."""
    figures = _named(evaluate(net, data, job.study.part, learned=False), prefix)
    if other := _other_part(job, data):
        figures |= _named(evaluate(net, data, other, learned=False), f"{other} {prefix}")
    return figures


def _sides(epoch: ComparedEpoch, prefix: str) -> dict[str, Any]:
    """Return the scores of device and float rule after an epoch."""
    if epoch.device_squared_error is None:
        return {f"{prefix}accuracy": epoch.device_accuracy, f"{prefix}float accuracy": epoch.float_accuracy}
    errors = epoch.device_squared_error, epoch.float_squared_error
    return dict(zip((f"{prefix}squared error", f"{prefix}float squared error"), errors, strict=True))


def _named(score: Score, prefix: str) -> dict[str, Any]:
    if score.squared_error is None:
        return {f"{prefix}accuracy": score.accuracy}
    return {f"{prefix}squared error": score.squared_error}


def _rounding(qnet: QuantizedNetwork) -> dict[str, Any]:
    """Return how many numbers rounding clipped, and made 0."""
    return {
        "clipped": sum(entry["clipped"] for entry in qnet.record),
        "zeroed": sum(entry.get("zeroed", 0) for entry in qnet.record),
    }


def _room(job: Job, qnet: QuantizedNetwork, data: SequenceData, learning: bool | LearnOptions) -> dict[str, Any]:
    """Return what the chip gives for it: cores, memory, and of a sample energy and time; None where that is unknown."""
    names = ("cores", "memory bits", "energy nJ", "time us", "learning energy nJ")
    try:
        cores = place(qnet, learning=learning).cores
    except DoesNotFitError:
        return dict.fromkeys(names)
    cost = estimate_network(qnet, data.part(job.study.part).x[:SAMPLES], learning=learning)
    added = None if cost.learning is None else cost.learning.energy_nj
    memory = sum(c.memory_bits for c in cores)  # what learning keeps is in it
    values = len({c.core for c in cores}), memory, cost.energy_nj, cost.time_us, added
    return dict(zip(names, values, strict=True))


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return Python's numbers, None for NaN, which JSON lacks."""
    plain: dict[str, Any] = {}
    for name, value in figures.items():
        number = value.item() if isinstance(value, np.generic) else value
        plain[name] = None if isinstance(number, float) and math.isnan(number) else number
    return plain
