"""Files of a learning run by the name of the population or connection that they belong to."""

from __future__ import annotations

from pathlib import Path

from hypr_neuro.sim.learning.plan import LearningPlan

KEPT, WRITTEN = ".kept.npz", ".written.npz"
"""Ends of the names of files with what a process held after a step, and with what it is to hold before the next."""


def record_paths(plan: LearningPlan, folder: Path, name: str) -> dict[str, Path]:
    """Return the file of each population and each connection; by number, as names may hold any characters."""
    paths = {layer.name: folder / f"{name}.population.{layer.index}.npy" for layer in plan.layers}
    for layer in plan.layers:
        paths |= {c.name: folder / f"{name}.connection.{c.place}.npy" for c in layer.incoming}
    return paths
