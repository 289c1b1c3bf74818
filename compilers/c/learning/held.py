"""What a learning program in C holds, by the names of the network: its structs as bytes, and their arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.learning.field import STRUCTS
from hypr_neuro.compilers.c.learning.memory import event_count, fields
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.chip_learner import ELIGIBILITIES, PARAMETERS, STATES, WEIGHTS, LearnCounts
from hypr_neuro.sim.learning.plan import LearningPlan

LEARNED, MEMORY, RUN, COUNTED = 0, 1, 2, 3
"""Numbers of the regions, as in hn_link.h."""


class HeldStructs:
    """The three structs and the counts of a program, as the compiler lays them out.

    Parameters
    ----------
    plan : LearningPlan
        What the program was made of.

    Attributes
    ----------
    bytes : tuple of int
        Sizes of the regions.
    """

    def __init__(self, plan: LearningPlan) -> None:
        self.plan, self.program = plan, LearningProgram(plan)
        self._fields = fields(self.program)
        layouts = [self._layout(struct) for struct in STRUCTS]
        self._counts = self._count_layout()
        self._layouts = (*layouts, self._counts)
        self.bytes = tuple(layout.itemsize for layout in self._layouts)

    def _layout(self, struct: str) -> np.dtype[Any]:
        members = [f for f in self._fields if f.struct == struct]
        return np.dtype([(f.name, np.dtype(f.kind.removesuffix("_t")), f.shape) for f in members], align=True)

    def _count_layout(self) -> np.dtype[Any]:
        depth = len(self.plan.layers)
        parts: list[tuple[Any, ...]] = [("signals", np.uint32)]
        parts += [(name, np.uint32, (depth,)) for name in ("jacobians", "eligibilities", "accumulators")]
        parts += [(name, np.uint32) for name in ("saturated", "changed", "small", "seen")]
        parts += [(f"events_{i}", np.uint32, (event_count(layer),)) for i, layer in enumerate(self.plan.layers)]
        return np.dtype(parts, align=True)

    def place(self, name: str) -> tuple[int, int]:
        """Return offset and bytes of an array of `hn_learn_run`."""
        kind, offset = self._layouts[RUN].fields[name][:2]  # type: ignore[index]  # it has fields
        return int(offset), int(kind.itemsize)

    def arrays(self, region: int, image: bytes | bytearray) -> dict[str, Array]:
        """Return the arrays of a region, views of its bytes."""
        record = np.frombuffer(image, self._layouts[region])[0]
        return {name: record[name] for name in self._layouts[region].names or ()}

    # --- by the network's names

    def start(self) -> bytearray:
        """Return `hn_learned` as it is when the network begins to learn."""
        image = bytearray(self.bytes[LEARNED])
        learned = self.arrays(LEARNED, image)
        for kind, name, where in self._learned(learned):
            where[...] = self._value(kind, name).reshape(where.shape)
        return image

    def _value(self, kind: str, name: str) -> Array:
        if kind == PARAMETERS:
            return self.plan.qnet.population(name).per_neuron
        return self.plan.qnet.weights()[name]

    def _learned(self, arrays: Mapping[str, Array]) -> Iterator[tuple[str, str, Array]]:
        """Yield kind, name and place of all that learns in `hn_learned`."""
        for i, (inputs, layer) in enumerate(zip(self.program.inputs, self.plan.layers, strict=True)):
            if not layer.learns:
                continue
            for part in inputs.rows:
                yield WEIGHTS, part.incoming.name, arrays[f"weight_{i}"][:, part.first : part.stop]
            for each in inputs.lists:
                yield WEIGHTS, each.incoming.name, arrays[f"weight_{each.name}"]
            if layer.parameters:
                yield PARAMETERS, layer.name, arrays[f"neuron_{i}"]

    def _eligible(self, arrays: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        """Yield name and place, states last, of all eligibilities in `hn_learn_run`."""
        for i, (inputs, layer) in enumerate(zip(self.program.inputs, self.plan.layers, strict=True)):
            if not layer.learns:
                continue
            for part in inputs.rows:
                yield part.incoming.name, arrays[f"eligibility_{i}"][:, part.first : part.stop]
            for each in inputs.lists:
                yield each.incoming.name, arrays[f"eligibility_{each.name}"]
            for q, p in enumerate(layer.parameters):
                yield f"{layer.name}.{p.name}", arrays[f"parameter_eligibility_{i}"][:, q]

    def numbers(self, kind: str, image: bytes) -> dict[str, Array]:
        """Return one kind of what a `ChipLearner` reads, of the bytes of `region_of` it."""
        region = region_of(kind)
        arrays = self.arrays(region, image)
        if kind == STATES:
            names = [p.name for p in self.plan.layers]
            return {name: np.ascontiguousarray(arrays[f"state_{i}"].T, np.int32) for i, name in enumerate(names)}
        if kind == ELIGIBILITIES:
            return {name: np.moveaxis(a, -1, 0).astype(np.int32) for name, a in self._eligible(arrays)}
        found = {name: a for of, name, a in self._learned(arrays) if of == kind}
        if kind == PARAMETERS:
            return {name: a.astype(self._value(kind, name).dtype) for name, a in found.items()}
        return {name: self._stored(name, a) for name, a in found.items()}

    def _stored(self, name: str, array: Array) -> Array:
        held = self.plan.qnet.weights()[name]
        return array.astype(held.dtype).reshape(held.shape)

    def put(self, image: bytearray, kind: str, values: Mapping[str, Array]) -> None:
        """Put numbers of a kind into the bytes of `region_of` it."""
        arrays = self.arrays(region_of(kind), image)
        if kind == ELIGIBILITIES:
            for name, where in self._eligible(arrays):
                if name in values:
                    where[...] = np.moveaxis(values[name], 0, -1)
            return
        for of, name, where in self._learned(arrays):
            if of == kind and name in values:
                where[...] = values[name].reshape(where.shape)

    def counts(self, image: bytes) -> LearnCounts:
        """Return what was counted, by the names of the simulator."""
        held = self.arrays(COUNTED, image)
        clips, events = {"learning signals": int(held["signals"])}, {}
        for i, layer in enumerate(self.plan.layers):
            for kind in ("Jacobians", "eligibilities", "accumulators"):
                clips[f"{layer.name} {kind}"] = int(held[kind.lower()][i])
            for event, count in zip(layer.model.events, held[f"events_{i}"].tolist(), strict=False):
                events[f"{layer.name} {event}"] = int(count)
        steps = [int(held[name]) for name in ("saturated", "changed", "small", "seen")]
        return LearnCounts(steps[0], steps[1], steps[2], steps[3], clips, events)

    def population_events(self, before: bytes, after: bytes) -> dict[str, dict[str, int]]:
        """Return the events between two readings of the counts, by population."""
        first, last = self.arrays(COUNTED, before), self.arrays(COUNTED, after)
        return {
            layer.name: {
                event: int(count)
                for event, count in zip(
                    layer.model.events, (last[f"events_{i}"] - first[f"events_{i}"]).tolist(), strict=False
                )
            }
            for i, layer in enumerate(self.plan.layers)
        }


def region_of(kind: str) -> int:
    """Return the region in which numbers of a kind stand."""
    return RUN if kind in (STATES, ELIGIBILITIES) else LEARNED
