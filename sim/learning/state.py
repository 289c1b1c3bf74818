"""All that a learner depends on, to a file and back: what follows is the same, bit for bit, wherever the cut was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.synapses import Weights
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import OUTPUT_DECAY, QuantizedNetwork
from hypr_neuro.sim.learning.error_function import ErrorFunction
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.regularizer import Regularizer, regularizer_name
from hypr_neuro.sim.learning.targets import Targets

KIND = "hypr-neuro learner state"
TARGETS = ("labels", "scores", "told errors", "errors told", "rewards")
"""Arrays of targets of steps that the readout has not seen; the first two alone where there are only labels."""


def save_learner(learner: Learner, path: str | Path) -> None:
    """Write weights, neuron parameters, states, eligibilities, gradients, what is under way, averages and counters."""
    save_arrays(path, KIND, *learner_state(learner))


def learner_state(learner: Learner) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the same as plain data and arrays, which are the learner's own."""
    arrays = {name: np.asarray(array) for name, array in _arrays(learner).items()}
    if not learner.pending_targets.plain:
        arrays |= dict(zip(TARGETS, learner.pending_targets.arrays(), strict=True))
    return _meta(learner), arrays


def restore_learner(learner: Learner, path: str | Path) -> None:
    """Go on where `save_learner` was called.

    learner : of the same network (its weights and neuron parameters may have changed) and options

    Raises FileFormatError for a damaged file, InputError for one of another network or of other options; the learner
    then stays as it is.
    """
    set_learner_state(learner, *load_arrays(path, KIND), f"file '{path}'")


def set_learner_state(learner: Learner, meta: dict[str, Any], saved: dict[str, Array], where: str) -> None:
    """Do so from what `learner_state` gave; `where` names the source in errors."""
    for part, value in _identity(learner).items():
        if meta.get(part) != value:
            raise InputError(
                f"{where}: its {part} differ from this learner's; rule: a state fits the network "
                "and options that it was saved from"
            )
    mine = _arrays(learner)
    for name, array in mine.items():
        if name not in saved or saved[name].shape != array.shape or saved[name].dtype != array.dtype:
            raise FileFormatError(f"{where}: '{name}' is missing or has another shape; save the state again")
    try:
        counters = {key: int(meta[key]) for key in ("updates", "steps", "samples", "time")}
        slots, events = [int(v) for v in meta["slots"]], {k: int(meta["events"][k]) for k in learner.past_events}
        total = None if meta["total"] is None else int(meta["total"])
        if len(slots) != len(learner.layers) or any(
            not 0 <= s < max(layer.delay, 1) for s, layer in zip(slots, learner.layers, strict=True)
        ):
            raise ValueError(f"slots {slots}")
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{where}: {type(error).__name__} {error}; save the state again") from error
    for name, array in mine.items():
        array[...] = saved[name]
    for layer, slot in zip(learner.layers, slots, strict=True):
        layer.slot = slot
    for i, p in enumerate(learner.simulator.populations):
        p.sent.tail = saved[f"sim/{i}/sent"]
    learner.simulator.input.tail = saved["sim/input"]
    learner.pending_targets = Targets(*(saved[name] for name in TARGETS if name in saved))
    learner.simulator.time, learner.total, learner.past_events = counters["time"], total, events
    learner.updater.updates, learner.steps, learner.samples = (counters[k] for k in ("updates", "steps", "samples"))
    learner.plan.signal_scales.take(learner.shifts.tolist())
    learner.take_over(everything=True)


def restored_learner(
    qnet: QuantizedNetwork,
    options: LearnOptions,
    regularizer: Regularizer | None,
    error_function: ErrorFunction | None,
    before_update: Callable[[Learner], None] | None,
    meta: dict[str, Any],
    arrays: dict[str, Array],
) -> Learner:
    """Return a learner that goes on where the one was whose state this is."""
    learner = Learner(qnet, options, regularizer, error_function)
    learner.before_update = before_update
    set_learner_state(learner, meta, arrays, "learner")
    return learner


def _identity(learner: Learner) -> dict[str, Any]:
    identity = {
        "network": structure_digest(learner.qnet),
        "options": json.loads(json.dumps(learner.options.described())),
    }
    name = None if learner.regularization is None else regularizer_name(learner.regularization.regularizer)
    return identity | {"regularizer": name, "error function": regularizer_name(learner.error_function)}


def _meta(learner: Learner) -> dict[str, Any]:
    return _identity(learner) | {
        "updates": learner.updates,
        "steps": learner.steps,
        "samples": learner.samples,
        "time": learner.simulator.time,
        "total": learner.total,
        "slots": [layer.slot for layer in learner.layers],
        "events": learner.past_events,
    }


def structure_digest(qnet: QuantizedNetwork) -> str:
    """Hash what learning leaves as it is.

    That is models, shapes, exponents, scales, constants, ψ tables, profile, which connections are frozen and the decay
    of an output's trace.
    """
    digest = hashlib.sha256(json.dumps(qnet.profile.dump(), sort_keys=True).encode())
    for part in _parts_of_chain(qnet) if qnet.is_chain else _parts_of_graph(qnet):
        digest.update(part)
    frozen = [i for i, c in enumerate(qnet.connections) if not c.trainable]
    if frozen or qnet.output_decay != OUTPUT_DECAY:  # what says nothing leaves the digests of version 0.1 as they are
        digest.update(repr((frozen, qnet.output_decay)).encode())
    return digest.hexdigest()


def _parts_of_chain(qnet: QuantizedNetwork) -> Iterator[bytes]:
    for layer in qnet.layers:
        shapes = [(c.mantissa.shape, c.exponent) for c in layer.connections().values()]
        yield repr((layer.model.name, shapes, layer.bias_axon, layer.state_scale, layer.current_scale)).encode()
        yield layer.constants.tobytes() + layer.psi_table.tobytes()


def _parts_of_graph(qnet: QuantizedNetwork) -> Iterator[bytes]:
    yield repr((qnet.inputs, qnet.outputs)).encode()
    for c in qnet.connections:
        yield repr((c.source, c.target, c.mantissa.shape, c.exponent, c.bias_axon, c.current, c.message_bits)).encode()
        if c.message_shift is not None:
            yield repr(c.message_shift).encode()
        yield from _places(c.mantissa)
        yield from _numbers(c.delays)
    for p in qnet.populations:
        yield repr((p.name, p.model.name, p.state_scale, p.current_scale)).encode()
        yield p.constants.tobytes() + p.psi_table.tobytes()


def _places(weights: Weights | Convolution) -> Iterator[bytes]:
    """Yield which neurons the weights connect."""
    if isinstance(weights, Convolution):
        geometry = (weights.image, weights.taps, weights.groups, weights.channels_first, weights.pool)
        yield repr((weights.kernel.shape, *geometry)).encode()
    elif not isinstance(weights, np.ndarray):
        yield np.asarray(weights.indices, np.int64).tobytes()
        yield np.asarray(weights.indptr, np.int64).tobytes()


def _numbers(delays: int | Weights) -> Iterator[bytes]:
    stored: Any = delays
    yield np.asarray(stored.data if hasattr(delays, "indptr") else stored, np.int64).tobytes()


def _arrays(learner: Learner) -> dict[str, Array]:
    """Return every array by name; not copies, but for what has been sent."""
    arrays = {f"weights/{name}": array for name, array in learner.qnet.weights().items()}
    for i, layer in enumerate(learner.layers):
        arrays[f"parameters/{i}"] = layer.neurons.per_neuron
        arrays |= {f"layer/{i}/{name}": array for name, array in layer.state().items()}
    arrays |= {f"update/{name}": array for name, array in learner.updater.state()}
    if learner.regularization is not None:
        arrays |= {f"regularizer/{name}": array for name, array in learner.regularization.state()}
    arrays |= {f"queue/{i}": queue for i, queue in enumerate(learner.queues)}
    arrays |= {f"early/{i}": queue for i, queue in learner.early.items()}
    arrays |= {f"sim/{name}": array for name, array in learner.simulator.running_state().items()}
    arrays |= {f"cells/{name}": array for name, array in learner.simulator.cell_state().items()}
    return arrays | {
        "labels": learner.pending_targets.label,
        "scores": learner.pending_targets.scored,
        "shifts": learner.shifts,
        "signal clips": learner.signal_clips,
    }
