"""A device with faults around any other: what is loaded, shown and held is what the faults make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypr_neuro.devices import Device, DeviceBase, Prepared, make_device
from hypr_neuro.devices.device import Progress
from hypr_neuro.devices.linked import LinkedDevice
from hypr_neuro.devices.prepared import with_weights
from hypr_neuro.errors import InputError
from hypr_neuro.faults.events import jittered
from hypr_neuro.faults.kinds import KINDS, Faults
from hypr_neuro.faults.learner import FaultyLearner
from hypr_neuro.faults.neurons import broken_neurons, with_broken
from hypr_neuro.faults.weights import faulty_weights, widths_of
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.chip_learner import ChipLearner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.traces.trace import Trace

RUN = 0
"""Number under which faults of a run are drawn, which is not a sample of learning."""
FUNCTIONS = "faults act on samples and weights from outside, they call nothing while it learns; leave them out"


LOSSES = "what a brown-out goes back to is lost with an interruption; learn in one go"


class FaultyDevice(DeviceBase):
    """Runs and learns on another device, with faults.

    Parameters
    ----------
    inner : DeviceBase
        The device, not open.
    faults : Faults
        What is wrong with it.
    """

    def __init__(self, inner: DeviceBase, faults: Faults) -> None:
        super().__init__(inner.place)
        self.inner, self.faults = inner, faults
        self.has_crossbars = inner.has_crossbars
        self.name = inner.name  # it is the device that it stands for

    @property
    def missing(self) -> dict[str, str]:  # type: ignore[override]  # what the device lacks, which may be known once open
        """What the device inside lacks, and functions of the user's."""
        lacks = {**self.inner.missing, "functions": self.inner.missing.get("functions", FUNCTIONS)}
        return lacks | ({"resume": LOSSES} if self.faults.brownout else {})

    def open(self) -> None:
        """Open the device inside; InputError for faults of a link that it has not."""
        if self.faults.on_link and not self.inner.has_link:
            raise _no_link(self.name, self.faults)
        if self.faults.on_link:
            self.inner.link_faults = self.faults.of_messages
        self.inner.open()
        super().open()

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> Prepared:
        if not isinstance(network, QuantizedNetwork):
            raise InputError(
                "faults in a network of integers without a profile, rule: one with the widths of a chip; give it a "
                "profile with hn.quantize(network, profile)"
            )
        return self.inner.prepare(with_broken(network, broken_neurons(network, self.faults)), options)

    def _load(self, prepared: Prepared) -> None:
        self.inner.load(prepared.made)

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        faults = self.faults
        if faults.jitter:
            x = np.stack([jittered(np.asarray(sample), faults.jitter, faults.seed, i) for i, sample in enumerate(x)])
        if not faults.in_weights:
            return self.inner.run(x, record, on_block)
        held = self.inner.read()["weights"]
        changed = faulty_weights(held, faults, RUN, widths_of(prepared.quantized))
        if self._beyond_learning(changed):
            return self._run_beside(changed, x, record, on_block)
        self.inner.write(changed)
        try:
            return self.inner.run(x, record, on_block)
        finally:
            # a run leaves nothing behind
            self.inner.write({name: held[name] for name in changed})

    def _beyond_learning(self, changed: Mapping[str, Array]) -> bool:
        """Tell whether weights change that are part of a program which learns; it cannot be given others."""
        learning = self._learning
        own = isinstance(self.inner, LinkedDevice) and not self.inner.address
        return own and isinstance(learning, FaultyLearner) and not set(changed) <= set(learning.learning)

    def _run_beside(
        self, changed: Mapping[str, Array], x: Array, record: Sequence[str], on_block: Progress | None
    ) -> Trace:
        """Run with other weights in a program of their own; what learns stays as it is."""
        beside = make_device(self.name)
        if self.faults.on_link:
            beside.link_faults = self.faults.of_messages
        with beside:
            beside.load(with_weights(self.inner._current("run").network, changed))
            return beside.run(x, record, on_block)

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> ChipLearner:
        assert prepared.options is not None

        def begin() -> ChipLearner:
            """Start the device with what was loaded, as after its power comes back."""
            again = self.inner.prepare(prepared.made.network, prepared.options)
            self.inner.load(again)
            return self.inner.learner()

        broken = broken_neurons(prepared.quantized, self.faults)
        return FaultyLearner(qnet, prepared.options, self.faults, self.inner.learner(), broken, begin)

    def read(self) -> dict[str, Any]:
        """Return the integers that the device inside holds."""
        self._held("read")
        return self.inner.read()

    def write(self, weights: Any) -> None:
        """Put other weights in place of those that the device inside holds."""
        loaded = self._held("write")
        with_weights(loaded.network, {name: np.asarray(a) for name, a in weights.items()})
        self.inner.write(weights)

    def close(self) -> None:
        """Close the device inside; closing twice does nothing."""
        super().close()
        self.inner.close()


def _no_link(name: str, faults: Faults) -> InputError:
    return InputError(
        f"fault {faults.on_link[0]} on device '{name}', rule: a device behind a link (c, board, serial, grpc); choose "
        "one of these, or another fault"
    )


def with_faults(name: str, faults: Faults, **options: Any) -> Device:
    """Open the device of that name with faults; without any, the device itself."""
    inner = make_device(name, **options)
    device = FaultyDevice(inner, faults) if faults.any else inner
    device.open()
    return device


def faulty_network(qnet: QuantizedNetwork, faults: Faults) -> QuantizedNetwork:
    """Return a copy as the faults leave it before it learns: broken neurons, weights that have changed once."""
    broken = with_broken(qnet, broken_neurons(qnet, faults)).copy()
    for name, weights in faulty_weights(broken.weights(), faults, RUN, widths_of(qnet)).items():
        broken.weights()[name][...] = weights
    return broken


def check_faults(name: str, faults: Faults, *, learns: bool = True) -> None:
    """Raise InputError for faults that this device cannot have, where it `learns`; nothing is opened."""
    device = make_device(name)
    if faults.on_link and not device.has_link:
        raise _no_link(name, faults)
    if not learns:
        return
    needs = {"weight_flips": "inspect", "drift": "inspect", "brownout": "resume"}
    for fault, capability in needs.items():
        if getattr(faults, fault) and capability in device.missing:
            raise InputError(
                f"fault {fault} ({KINDS[fault].meaning}) on device '{name}', which lacks '{capability}': "
                f"{device.missing[capability]}"
            )
