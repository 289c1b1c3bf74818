"""Run all stages in one go: data, training, NIR, integers, cores, simulator, Lava, learning on the chip, report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from hypr_neuro.data import SequenceData
from hypr_neuro.data.checks import require_integers, require_two_classes
from hypr_neuro.data.doubts import warn_of
from hypr_neuro.errors import InputError
from hypr_neuro.files.run_folder import FINISHED, RunFolder
from hypr_neuro.graph.network import Network
from hypr_neuro.placement.cost import UNKNOWN
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.report import write_report
from hypr_neuro.shown import percent_or_error
from hypr_neuro.workflow import finished, notes, stages, stages_learning
from hypr_neuro.workflow.chip_task import task_on
from hypr_neuro.workflow.tasks import Task, for_width, lost_bits, task_for

Advance = Callable[[int, int, str], None]


class Console(Protocol):
    """Where the demo says what it does; the command line has one with progress bars."""

    def say(self, text: str) -> None:
        """Show one line of text."""

    def progress(self, label: str) -> AbstractContextManager[Advance]:
        """Show a bar; the context gives advance(done, total, text)."""
        ...


def run_demo(
    data: SequenceData,
    out: Path,
    console: Console,
    *,
    profile: str | Profile = "loihi2",
    seed: int = 0,
    epochs: int | None = None,
    data_arguments: str = "",
    profile_arguments: str = "",
) -> dict[str, Any]:
    """Run every stage on `data`; return the results that report.json holds.

    A stage that was interrupted goes on. Of a demonstration that is finished nothing is made again; with more epochs
    training goes on, and all that comes after it is made anew.

    Parameters
    ----------
    data
        Sequences of spikes or graded integers.
    out
        Run folder, created if need be.
    console
        Takes what the demo says.
    profile
        The chip's profile, its name or its file.
    seed
        Of everything random.
    epochs
        Of float training, None for the task's.
    data_arguments, profile_arguments
        Options of the command line that name `data` and `profile`, for the commands in the report.

    Raises
    ------
    HyprError
        For whatever is wrong with data, profile or folder.
    """
    require_integers(data)
    require_two_classes(data)
    chip = load_profile(profile)
    folder = RunFolder(out)
    task, told = task_on(task_for(data), data, chip)
    total_epochs = epochs or task.epochs
    made_with = finished.made_with(data, chip, seed, total_epochs)
    if finished.holds(folder, made_with):
        console.say(
            f"nothing to do: '{out}' holds this demonstration; delete it, or choose another folder, to repeat it"
        )
        return folder.results()
    console.say(
        f"Data '{data.name}': {len(data)} sequences of {data.steps} steps, {data.channels} channels, "
        f"{data.classes} {'targets' if data.regression else 'classes'}"
    )
    if told:
        console.say(told)
    with console.progress("train float network (HYPR)") as advance:
        trained = stages.train_stage(
            folder,
            data,
            task,
            seed=seed,
            epochs=epochs,
            on_epoch=lambda e: advance(
                e.epoch + 1,
                total_epochs,
                f"loss {e.loss:.3f}, validation "
                + percent_or_error(e.validation, -e.validation if data.regression else None),
            ),
        )
    # only now: a folder that holds another run is refused by training, and must stay as it is
    shorter = f" --epochs {epochs}" if epochs else ""
    chosen = profile_arguments or f"--profile {shlex.quote(chip.name)}"
    command = f"hypr-neuro demo {data_arguments} {chosen} --seed {seed}{shorter} --out {shlex.quote(str(out))}"
    notes.note_run(folder, f"{data.name} on {chip.name}", command, seed)
    notes.note_data(folder, data)
    net = stages.nir_stage(folder, trained)
    console.say("NIR: written, read back, equal")
    qnet = stages.quantize_stage(folder, net, chip, data)
    cores = stages.place_stage(folder, qnet, data)
    console.say(f"Integers for '{chip.name}': {_placed(cores)}")
    console.say(_scores_in_words(stages.simulate_stage(folder, net, qnet, data)))
    lava = stages.lava_stage(folder, qnet, data, task.simulate_in_lava)
    console.say(
        "Lava: left out, " + lava["skipped"]
        if "skipped" in lava
        else f"Lava: {lava['steps']} steps, spikes and states equal"
    )
    _learn(folder, console, net, qnet, data, task, seed)
    folder.write("commands", repeat_commands(out, chosen, seed, data_arguments, total_epochs))
    results = folder.results()
    write_report(results, folder.path)
    folder.write(FINISHED, made_with)
    return results


def _placed(section: dict[str, Any]) -> str:
    """Tell of a placement in a line."""
    if section["fits"] is False:
        return f"placement left out, {section['reason']}"
    cores = f"{section['cores_used']} of {section['cores']} cores"
    if section["fits"] == UNKNOWN:
        cores += ", whether they hold it is unknown: the profile states no limit of them"
    elif section["learning"]:
        cores += ", learning memory included"
    return cores + (f". {section['reason']}" if section.get("reason") else "")


def _learn(
    folder: RunFolder, console: Console, net: Network, qnet: QuantizedNetwork, data: SequenceData, task: Task, seed: int
) -> None:
    """Learn from scratch and after a disturbance, each with the float rule beside it; say why where a chip cannot."""
    try:
        task.scratch.check(qnet)
    except InputError as error:
        folder.merge("learning", {kind: {"skipped": str(error)} for kind in ("scratch", "fine_tuning")})
        console.say(f"On chip: left out, {error}")
        return
    test = data.part("test")
    runs = (
        ("scratch", "from scratch", task.scratch, task.scratch_epochs),
        ("fine_tuning", "after a disturbance", task.fine_tuning, task.fine_tuning_epochs),
    )
    for kind, description, options, epochs in runs:
        with console.progress(f"learn on chip {description}") as advance:
            comparison = stages_learning.compare_stage(
                folder,
                kind,
                net,
                qnet,
                data,
                seed=seed,
                damage=kind == "fine_tuning",
                find_rate=bool(lost_bits(qnet.profile)),  # for which tasks state no rate
                epochs=epochs,
                options=for_width(options, qnet.profile),
                on_sample=_samples(advance, epochs),
            )
        first, last = comparison.epochs[0], comparison.epochs[-1]
        before, after = (percent_or_error(e.device_accuracy, e.device_squared_error) for e in (first, last))
        beside = percent_or_error(last.float_accuracy, last.float_squared_error)
        what = "squared error " if data.regression else ""
        console.say(f"On chip {description}: {what}{before} before, {after} after; float rule beside it {beside}")
        warn_of(f"on chip {description}: {told}" for told in stages_learning.doubts_of_comparison(comparison, test))


def _scores_in_words(scores: Mapping[str, Any]) -> str:
    """Return the scores of float and integers on the test part."""
    if "mean" in scores:
        return (
            f"Test squared error: float {scores['float']:.4g}, integer {scores['integer']:.4g}; always answering the "
            f"mean target {scores['mean']:.4g}"
        )
    return (
        f"Test accuracy: float {scores['float']:.1%}, integer {scores['integer']:.1%} "
        f"({scores['difference_points']:+.1f} points)"
    )


def _samples(advance: Advance, epochs: int) -> Callable[[int, int], None]:
    """Return a callback that reports progress over all epochs from counts that start anew in each."""
    count = [0]

    def report(done: int, total: int) -> None:
        count[0] += 1
        advance(count[0], total * epochs, "")

    return report


def repeat_commands(out: Path, profile_arguments: str, seed: int, data_arguments: str, epochs: int) -> list[str]:
    """Return the demo's stages as single commands."""
    data, run = data_arguments or "--data digits", shlex.quote(str(out))
    return [
        f"hypr-neuro train {data} --seed {seed} --epochs {epochs} --out {run}",
        f"hypr-neuro export {run}/network.h5 --out {run}/network.nir",
        f"hypr-neuro quantize {run}/network.nir {data} {profile_arguments} --out {run}",
        f"hypr-neuro place {run}/quantized.h5 --out {run}",
        f"hypr-neuro simulate {run}/quantized.h5 {data} --network {run}/network.h5 --out {run}",
        f"hypr-neuro compare {run}/network.h5 {run}/quantized.h5 {data} --seed {seed} --scratch --out {run}",
        f"hypr-neuro compare {run}/network.h5 {run}/quantized.h5 {data} --seed {seed} --disturb --out {run}",
        f"hypr-neuro report {run}",
    ]
