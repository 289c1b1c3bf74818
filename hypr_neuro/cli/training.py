"""What `hypr-neuro train` does in each arithmetic, and what it prints of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.cli.console import RichConsole
from hypr_neuro.cli.options import check_channels, check_not_read, get_profile, profile_arguments

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.graph.network import Network
    from hypr_neuro.train.quantized import QuantizationAware
    from hypr_neuro.train.run import Epoch

PROFILE = "loihi2"


def quantized_options_of(
    arithmetic: str, chip_options: Mapping[str, Any], quantized_options: Mapping[str, Any]
) -> dict[str, QuantizationAware]:
    """Return what `train` is told of the chip whose integers run, nothing where none do."""
    if arithmetic != "quantized":
        return {}
    from hypr_neuro.quantizing.width_plan import as_plan
    from hypr_neuro.train.quantized import QuantizationAware

    given = {key: value for key, value in quantized_options.items() if value is not None}
    plan = as_plan(given["plan"]) if "plan" in given else None
    chip = get_profile(chip_options["profile"] or PROFILE, chip_options["override"], plan)
    return {"quantized": QuantizationAware(chip, **given | ({} if plan is None else {"plan": plan.applied()}))}


def start_network(path: Path, out: Path, sequences: SequenceData) -> tuple[Network, dict[str, str]]:
    """Return the float network of a file, whose channels are those of the data, and what is printed of its origin."""
    from hypr_neuro.cli.networks import refused
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.exchange.nir.stands_for import float_network
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    given, origin = load(path), dict[str, str]()
    if isinstance(given, QuantizedNetwork):
        origin["from"] = f"the float network that the integers of '{path}' stand for"
        given = float_network(given)
    if not isinstance(given, Network):
        raise refused(path, given, "floats, or integers for a profile")
    check_not_read(out / "network.h5", path)
    check_channels(sequences, given.inputs)
    return given, origin


def train_float(
    folder: RunFolder,
    sequences: SequenceData,
    settings: Mapping[str, Any],
    seed: int,
    json: bool,
    start: Network | None,
) -> tuple[dict[str, Any], int]:
    """Train in float; return what is printed, and how many epochs ran."""
    from hypr_neuro.data.checks import holds_fractions, integers_by
    from hypr_neuro.workflow import stages
    from hypr_neuro.workflow.tasks import task_for

    task = task_for(sequences)
    others = ("spec", "epochs", "from", "freeze", "profile", "override")
    training = {key: value for key, value in settings.items() if value is not None and key not in others}
    epochs, ran = settings["epochs"] or task.epochs, 0

    def on_epoch(e: Epoch) -> None:
        nonlocal ran
        ran += 1
        advance(e.epoch + 1, epochs, f"loss {e.loss:.3f}, validation {_figure(e, sequences)}")

    with RichConsole(quiet=json).progress("train") as advance:
        stages.train_stage(
            folder,
            sequences,
            task,
            seed=seed,
            epochs=settings["epochs"],
            spec=settings["spec"],
            start=start,
            training=training,
            freeze=settings["freeze"] or (),
            on_epoch=on_epoch,
        )
    training_section = folder.read("training")
    facts = {"epochs": len(training_section["epochs"]), "best epoch": training_section["best"]}
    facts |= {"network": str(folder.file("network.h5"))}
    if holds_fractions(sequences.x):
        option = integers_by(sequences)
        facts["input"] = f"fractions, which the float network alone takes; for a chip train with {option}"
    chip: QuantizationAware | None = training.get("quantized")
    if chip is not None:
        flags = [f"--{key.replace('_', '-')}={getattr(value, 'file', value)}" for key, value in chip.options.items()]
        words = [profile_arguments(settings["profile"] or PROFILE, settings["override"]), shlex.join(flags)]
        facts["quantize with"] = " ".join(filter(None, words))
    if sequences.regression:
        return _errors(folder.read("squared_error"), "float" if chip is None else "integer") | facts, ran
    accuracy = folder.read("accuracy")
    scores = _scores(accuracy["float"], accuracy["float_labelled"])
    if chip is not None:
        scores = _scores(accuracy["integer"], accuracy["integer_labelled"]) | {"float accuracy": accuracy["float"]}
    return scores | facts, ran


def train_fixed(
    out: Path, sequences: SequenceData, settings: Mapping[str, Any], seed: int, json: bool
) -> tuple[RunFolder, dict[str, Any], int]:
    """Train in integers; return the run folder, made once all is known to fit, what is printed, and epochs that ran."""
    from dataclasses import replace

    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.workflow.stages_fixed import train_fixed_stage
    from hypr_neuro.workflow.tasks import for_width, task_for

    task, chip = task_for(sequences), get_profile(settings["profile"] or PROFILE, settings["override"])
    options = replace(
        for_width(task.fixed, chip), **{k: settings[k] for k in ("rate", "decay") if settings[k] is not None}
    )
    folder = RunFolder(out)
    with RichConsole(quiet=json).progress("train in integers") as advance:
        trained = train_fixed_stage(
            folder,
            sequences,
            task,
            chip,
            seed=seed,
            spec=settings["spec"],
            epochs=settings["epochs"],
            options=options,
            on_sample=lambda done, total: advance(done, total, "samples of an epoch"),
        )
    last = folder.read("training")["epochs"][-1]
    if sequences.regression:
        scores = _errors(folder.read("squared_error"), "integer") | {
            "squared error at the start": trained.before.squared_error,
            "squared error while learning": last["online_squared_error"],
        }
    else:
        scores = _scores(trained.after.accuracy, trained.after.labelled) | {
            "accuracy at the start": trained.before.accuracy,
            "accuracy while learning": last["online_accuracy"],
        }
    facts = scores | {
        "epochs": last["epoch"] + 1,
        "changes of weights": last["weights_changed"],
        "weights saturated": last["weights_saturated"],
        "clips": last["clips"],
        "start": str(folder.file("quantized.h5")),
        "network": str(folder.file("learned.h5")),
        "nir": str(folder.file("learned.nir")),
    }
    return folder, facts, trained.ran


def _errors(section: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the squared error on the test part, that of always answering the mean, and R2."""
    return {
        "test squared error": section[key],
        "error of the mean answer": section["mean"],
        "R2": section[f"{key}_r2"],
    }


def _scores(accuracy: float, labelled: float) -> dict[str, Any]:
    """Return the test accuracy, and that over labelled steps where it differs."""
    return {"test accuracy": accuracy} | ({} if accuracy == labelled else {"over labelled steps": labelled})


def _figure(epoch: Epoch, data: SequenceData) -> str:
    """Return the validation figure of an epoch as text."""
    return f"squared error {-epoch.validation:.4f}" if data.regression else f"{epoch.validation:.1%}"
