"""Errors of the readout: from its outputs and the label of a step to the signals that its neurons learn from.

One file an error, found by its file name: a module of this package with an `ERROR` is one.
"""

from __future__ import annotations

from hypr_neuro.numbers.registry import load_records
from hypr_neuro.sim.learning.errors.base import OutputError

ERRORS: dict[str, OutputError] = load_records(__name__, __path__, "ERROR", OutputError)
"""By name."""
