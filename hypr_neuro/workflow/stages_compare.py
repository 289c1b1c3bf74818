"""Stages of a comparison beyond one device and one seed: devices side by side, and the gap by cause."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypr_neuro.comparing.gap import split_gap
from hypr_neuro.comparing.gap_split import GapSplits
from hypr_neuro.comparing.side_by_side import SideBySide, compare_devices
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.placement.estimate import estimate_network
from hypr_neuro.placement.place import place
from hypr_neuro.progress import Advance
from hypr_neuro.workflow.stages_learning import LearningStart
from hypr_neuro.workflow.tasks import Task

KEPT = "compared"
"""Folder of finished runs in a run folder."""


def devices_stage(
    folder: RunFolder,
    start: LearningStart,
    task: Task,
    *,
    devices: Sequence[str],
    epochs: int,
    seeds: int,
    fresh: bool,
    on_run: Advance | None = None,
) -> SideBySide:
    """Let devices learn side by side; write section "devices".

    Parameters
    ----------
    folder
        Run folder, where finished runs are kept.
    start
        Of all sides.
    task
        Whose rate and batch the column of ordinary training takes; a tenth of the rate where training goes on.
    devices, epochs, seeds
        As of `compare_devices`.
    fresh
        Whether weights were drawn anew.
    on_run
        Called with (runs done, runs, name).
    """
    started = time.perf_counter()
    adam = {"rate": task.rate if fresh else task.rate / 10, "batch_size": task.batch_size} | task.training
    found = compare_devices(
        start.net,
        start.qnet,
        start.data,
        devices=devices,
        epochs=epochs,
        options=start.options,
        seeds=seeds,
        adam=adam,
        folder=kept(folder),
        on_run=on_run,
    )
    told = {"what": start.description, "adam": ", ".join(f"{k} {v}" for k, v in adam.items())}
    folder.write("devices", told | found.as_dict() | {"cost": _cost(found, start)})
    folder.merge("seconds", {"devices side by side": time.perf_counter() - started})
    return found


def _cost(found: SideBySide, start: LearningStart) -> dict[str, Any]:
    """Return what a sample costs on the chip by its profile's figures: an estimate, "unknown" where it has none."""
    assert found.learned is not None
    try:
        placement = place(found.learned, learning=start.options)
        estimate = estimate_network(found.learned, start.data, learning=start.options)
    except (InputError, DoesNotFitError) as error:
        return {"estimate_note": f"no estimate: {error}"}
    memory = {
        "memory_bits": sum(core.memory_bits for core in placement.cores),
        "of_it_learning_bits": sum(core.learning_bits for core in placement.cores),
    }
    return memory | estimate.figures()


def causes_stage(
    folder: RunFolder, start: LearningStart, *, epochs: int, seeds: int, on_run: Advance | None = None
) -> GapSplits:
    """Split the gap to float by cause; write section "causes"; arguments as of `devices_stage`."""
    started = time.perf_counter()
    splits = split_gap(
        start.net,
        start.qnet,
        start.data,
        epochs=epochs,
        options=start.options,
        seeds=seeds,
        folder=kept(folder) / "causes",
        on_run=on_run,
    )
    folder.write("causes", {"what": start.description} | splits.as_dict())
    folder.merge("seconds", {"gap by cause": time.perf_counter() - started})
    return splits


def kept(folder: RunFolder) -> Path:
    """Return the folder of finished runs."""
    return folder.file(KEPT)
