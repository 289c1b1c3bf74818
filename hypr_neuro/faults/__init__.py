"""Faults that a device can be given, to see what they cost: broken neurons, flipped bits, drift, jitter, a bad link."""

from hypr_neuro.faults.device import FaultyDevice, with_faults
from hypr_neuro.faults.kinds import KINDS, Faults, parse_faults

__all__ = ["KINDS", "Faults", "FaultyDevice", "parse_faults", "with_faults"]
