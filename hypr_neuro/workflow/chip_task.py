"""A task on a chip that does not have its neurons: layers of LIF, as the chip has them, where it has a readout.

The demonstration's networks are trained for their data; a chip that states which neurons it has
(`runs.models`) and has no such neuron gets as many layers of `lif`, no larger than it holds: currents and membranes
forget and reset as they do there. What cannot run is refused before anything is trained.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.network import Network
from hypr_neuro.placement.whole_chip import check_sizes
from hypr_neuro.profiles.profile import Profile, load_profile, profile_names, told_value
from hypr_neuro.quantizing.abilities import RESETS, SETTLED, require_runs
from hypr_neuro.workflow.tasks import Task

NEURON, READOUT = "lif", "li"
MEMBRANE_DECAYS = [0.02, 0.3]
"""Of a step, drawn for each neuron: memory of 50 to 3 steps."""


def task_on(task: Task, data: SequenceData, chip: Profile) -> tuple[Task, str]:
    """Return the task with a network that the chip can run, and what was put in its place; "" for nothing.

    Raises
    ------
    DoesNotFitError
        For a chip that has no readout, and a network too large for it in any form, naming what to choose.
    """
    told, spec = "", task.spec(data)
    models = None if chip.runs.models is None else chip.runs.models.value
    missing = [] if models is None else [n for n in _neurons(spec) if n not in models]
    if READOUT in missing or (missing and NEURON not in (models or ())):
        raise DoesNotFitError(_refusal(missing, chip))
    if missing:
        task = _of_lif(task, chip)
        spec = task.spec(data)
        sizes = ", ".join(str(layer["size"]) for layer in spec["layers"])
        told = (
            f"Network: '{NEURON}' ({sizes}) in place of '{missing[0]}', which '{chip.name}' does not have "
            f"(runs.models: {told_value(models)})"
        )
    net = Network.build(spec, seed=0)
    check_sizes(net, chip)
    if missing:
        require_runs(net, chip)
    return task, told


def _neurons(spec: dict[str, Any]) -> list[str]:
    return [layer["neuron"] for layer in spec["layers"]] + [spec.get("readout", {}).get("neuron", READOUT)]


def _refusal(missing: list[str], chip: Profile) -> str:
    """Tell what the demonstration needs and the chip does not have, and which chips do."""
    models = chip.runs.models
    has = "" if models is None else told_value(models.value)
    others = [name for name in profile_names() if _answers(load_profile(name))]
    return (
        f"demonstration: its network ends in a readout '{READOUT}' and profile '{chip.name}' has none (runs.models: "
        f"{has}); train a network whose outputs spike and take it through quantize, place and simulate, or choose "
        f"--profile {', '.join(others)}"
        if READOUT in missing
        else f"demonstration: neuron '{missing[0]}', rule: {has} (profile '{chip.name}', runs.models); choose "
        f"--profile {', '.join(others)}"
    )


def _answers(chip: Profile) -> bool:
    models = chip.runs.models
    return models is None or {NEURON, READOUT} <= set(models.value)


def _of_lif(task: Task, chip: Profile) -> Task:
    """Return the task with layers of LIF as the chip has them, and parameters held that it settles."""
    held = settled_parameters(chip)
    params = {"du": 1.0, "dv": MEMBRANE_DECAYS} | lif_parameters(chip)
    recurrent = _says(chip, "recurrence") is not False
    layers = [
        layer
        | {
            "neuron": NEURON,
            "size": _size(layer["size"], len(task.network["layers"]), chip),
            "recurrent": recurrent and layer.get("recurrent", True),
            "bias": "bias" not in held,
            "params": params,
        }
        for layer in task.network["layers"]
    ]
    readout = dict(task.network.get("readout", {}))
    if "bias" in held:
        readout["bias"] = False
    return replace(task, network=task.network | {"layers": layers, "readout": readout}, held=held)


def settled_parameters(chip: Profile) -> tuple[str, ...]:
    """Name the parameters of LIF neurons that a chip settles."""
    return tuple(name for name, (key, _, _) in SETTLED.items() if _says(chip, key) is False)


def lif_parameters(chip: Profile) -> dict[str, Any]:
    """Return those parameters of LIF neurons that a chip settles, with the values that they have there."""
    settled = {name: SETTLED[name][1] for name in settled_parameters(chip)}
    return settled | {"subtract": RESETS[_says(chip, "reset") or "subtract"]}


def _says(chip: Profile, key: str) -> Any:
    quantity = getattr(chip.runs, key)
    return None if quantity is None else quantity.value


def _size(wanted: int, layers: int, chip: Profile) -> int:
    """Return the size of one of so many layers: what the task has, or what the chip holds of it."""
    limits = [wanted]
    for key, share in (("hidden", layers), ("hidden_fan_out", min(layers, 2))):
        quantity = getattr(chip.chip, key)
        limits += [] if quantity is None else [quantity.value // share]
    fan_in = chip.core.fan_in
    return max(min(limits if fan_in is None else [*limits, fan_in.value // 2]), 1)
