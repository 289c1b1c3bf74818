"""Settings that suit a data set: network, training, learning on the chip. What the command line uses by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.sim.learning.options import LARGEST_RATE, LearnOptions

STATED_BITS = 8
"""Weight bits for which tasks state ranges and rates of learning on a chip."""
FEWER = 0.75
"""Powers of two by which a rate, in weight steps, is lower for each bit less."""


def lost_bits(profile: Profile) -> int:
    """Return by how many bits a profile's weights are narrower than those for which tasks are stated."""
    return max(STATED_BITS - profile.precision.weight_bits.value, 0)


def for_width(options: LearnOptions, profile: Profile) -> LearnOptions:
    """Return a task's options for a profile: of coarser weight steps updates take fewer, of finer ones more.

    Where steps are finer a weight moves as far as with those for which tasks are stated, 2^bits times as many steps.
    """
    finer = max(profile.precision.weight_bits.value - STATED_BITS, 0)
    rate = options.rate * 2.0 ** (finer - FEWER * lost_bits(profile))
    return replace(options, rate=min(rate, LARGEST_RATE))


@dataclass(frozen=True)
class Task:
    """Settings that suit a data set.

    Attributes
    ----------
    network
        Spec without inputs and outputs.
    epochs, batch_size, rate
        Float training with Adam, falling rate.
    training
        Other options of `train`, such as the loss.
    augment
        Options of `data.augment`, empty for none.
    start_rate
        Firing rate to which start weights are scaled, 0 to leave them (see `train.initial`).
    scratch, fine_tuning
        Learning on the chip.
    scratch_epochs, fine_tuning_epochs
        Epochs of each.
    simulate_in_lava
        Samples run in Lava.
    fixed
        Training in integers alone.
    fixed_epochs
        Its epochs.
    fixed_weight_range
        Largest weights of "input", "recurrent" and "readout" connections for which its start network is made: nothing
        was trained in float that could tell.
    fixed_state_range
        Likewise, largest states of "hidden" layers and the "readout".
    held
        Neuron parameters that training leaves as they are, since a chip has them so.
    """

    network: dict[str, Any]
    epochs: int
    batch_size: int
    rate: float
    training: dict[str, Any] = field(default_factory=dict)
    augment: dict[str, Any] = field(default_factory=dict)
    start_rate: float = 0.0
    scratch: LearnOptions = field(default_factory=lambda: LearnOptions(rate=0.5, decay=0.6))
    scratch_epochs: int = 3
    fine_tuning: LearnOptions = field(default_factory=lambda: LearnOptions(rate=0.1, decay=0.5))
    fine_tuning_epochs: int = 3
    simulate_in_lava: int = 2
    fixed: LearnOptions = field(default_factory=lambda: LearnOptions(rate=0.5, decay=0.6, parameters=("all",)))
    fixed_epochs: int = 6
    fixed_weight_range: dict[str, float] = field(
        default_factory=lambda: {"input": 12.0, "recurrent": 12.0, "readout": 12.0}
    )
    fixed_state_range: dict[str, float] = field(default_factory=lambda: {"hidden": 64.0, "readout": 64.0})
    held: tuple[str, ...] = ()

    def spec(self, data: SequenceData) -> dict[str, Any]:
        """Return the network's spec for this data."""
        return {"inputs": data.channels, "outputs": data.classes} | self.network

    def spec_with(self, data: SequenceData, layers: Sequence[str], bias: bool | None) -> dict[str, Any]:
        """Return the network's spec with other layers, or the same ones with or without constant currents.

        Parameters
        ----------
        data
            Gives inputs and outputs.
        layers
            NEURON:SIZE of each, from the input on; () for the task's. Neurons that the task has keep its parameters.
        bias
            Whether layers have a constant current that learns; None as the task has them.
        """
        spec = self.spec(data)
        params = {layer["neuron"]: layer.get("params", {}) for layer in spec["layers"]}
        if layers:
            named = [_neuron_and_size(text) for text in layers]
            spec["layers"] = [{"neuron": n, "size": size, "params": params.get(n, {})} for n, size in named]
        if bias is not None:
            spec["layers"] = [layer | {"bias": bias} for layer in spec["layers"]]
        return spec


def _neuron_and_size(text: str) -> tuple[str, int]:
    """Return the two parts of NEURON:SIZE; raise InputError for another form."""
    neuron, _, size = text.partition(":")
    if not neuron or not size.isdecimal() or int(size) < 1:
        raise InputError(f"layer {text}, rule: NEURON:SIZE, such as brf:64")
    return neuron, int(size)


def _layers(
    neuron: str, sizes: list[int], params: dict[str, Any], tau: Any, *, readout_bias: bool = False
) -> dict[str, Any]:
    """Return the spec of equal recurrent layers, one for each size, and a readout."""
    layers = [{"neuron": neuron, "size": n, "recurrent": True, "bias": True, "params": params} for n in sizes]
    return {"layers": layers, "readout": {"tau": tau, "bias": readout_bias}}


def _brf(size: int, omega: list[float], tau: list[float]) -> dict[str, Any]:
    """Return the spec of one layer of BRF neurons."""
    return _layers("brf", [size], {"omega": omega, "b_offset": [0.1, 1.0]}, tau)


SE_ADLIF = {"tau_u": [5.0, 25.0], "tau_w": [60.0, 300.0], "a": [0.0, 1.0], "b": [0.0, 1.0]}
ALIF = {"tau_u": 20.0, "tau_a": 100.0}

FAST_ADAM = {"schedule": "cosine", "optimizer": {"name": "adam", "beta2": 0.99}}
"""Gradients of spiking networks change their size quickly: a shorter memory of it, and rates that end at 0."""

# network and optimizer of Higuchi et al. 2024, fewer epochs
ECG = Task(
    _brf(36, [3.0, 5.0], [15.0, 25.0]),
    epochs=100,
    batch_size=16,
    rate=0.1,
    scratch=LearnOptions(rate=0.15, decay=0.75, parameters=("all",), parameter_rate=6.0),
    scratch_epochs=8,
    fine_tuning=LearnOptions(rate=0.2, decay=0.5),
    fine_tuning_epochs=2,
    simulate_in_lava=1,
    # weights that reach 6 only fire a third as often and learn far less; frequencies have a long way to go
    fixed=LearnOptions(rate=0.3, decay=0.87, parameters=("all",), parameter_rate=6.0),
    fixed_epochs=24,
    fixed_weight_range={"input": 24.0, "recurrent": 12.0, "readout": 8.0},
    fixed_state_range={"hidden": 30.0, "readout": 12.0},
)

ECG_NETWORKS: dict[str, Task] = {
    "brf": Task(
        _layers("brf", [36], {"omega": [3.0, 5.0], "b_offset": [0.1, 1.0]}, [15.0, 25.0], readout_bias=True),
        epochs=100,
        batch_size=8,
        rate=0.03,
        training=FAST_ADAM,
    ),
    "se_adlif": Task(
        _layers("se_adlif", [64, 64], SE_ADLIF, 3.0),
        epochs=60,
        batch_size=32,
        rate=0.01,
        start_rate=0.03,
        training=FAST_ADAM,
    ),
    "alif": Task(_layers("alif", [36, 36], ALIF, 5.0), epochs=60, batch_size=16, rate=0.02, training=FAST_ADAM),
}
"""Sizes and ranges for ECG-QTDB as in Baronig et al. 2025."""

BY_SAMPLE = FAST_ADAM | {"loss": "sum_of_softmax"}
FINGERTIP = {"copies": 5, "shift": 16, "stretch": 0.1, "drop": 0.2}


def _braille(network: dict[str, Any], rate: float) -> Task:
    """Return the settings of a Braille network."""
    return Task(network, 12, 32, rate, training=BY_SAMPLE, augment=FINGERTIP, start_rate=0.03)


BRAILLE_NETWORKS: dict[str, Task] = {
    "se_adlif": _braille(_layers("se_adlif", [256], SE_ADLIF, [10.0, 20.0]), 0.005),
    "alif": _braille(_layers("alif", [128], ALIF, [10.0, 20.0]), 0.01),
    "brf": _braille(_layers("brf", [128], {"omega": [2.0, 60.0], "b_offset": [0.1, 3.0]}, [10.0, 20.0]), 0.05),
}


def _speech(size: int, epochs: int, batch_size: int) -> Task:
    """Return the settings of a network that hears words; those of integers were chosen on synthetic spoken digits."""
    return Task(
        _layers("se_adlif", [size], SE_ADLIF, [10.0, 20.0]),
        epochs,
        batch_size,
        rate=0.01,
        start_rate=0.03,
        training=BY_SAMPLE,
        fixed=LearnOptions(rate=0.2, decay=0.6),
        fixed_epochs=3,
        fixed_weight_range=dict.fromkeys(("input", "recurrent", "readout"), 6.0),
    )


TASKS: dict[str, Task] = {
    # period of ω: 2π/(δω) steps; 5..30 is 126..21 steps, the time an image takes down to a few rows
    "digits": Task(_brf(96, [5.0, 30.0], [7.0, 13.0]), epochs=25, batch_size=16, rate=0.01, scratch_epochs=2),
    "ecg": ECG,
    "braille": BRAILLE_NETWORKS["se_adlif"],
    "braille27": Task(
        _layers("brf", [64], {"omega": [2.0, 60.0], "b_offset": [0.1, 3.0]}, [10.0, 20.0]),
        epochs=12,
        batch_size=32,
        rate=0.05,
        start_rate=0.03,
        training=BY_SAMPLE,
        fixed=LearnOptions(rate=0.2, decay=0.5),
        fixed_epochs=2,
        fixed_weight_range=dict.fromkeys(("input", "recurrent", "readout"), 24.0),
    ),
    # damping so weak that the cue still rings after some thousand steps
    "cue": Task(
        _layers("brf", [32], {"omega": [1.0, 5.0], "b_offset": [0.001, 0.05]}, 5.0),
        epochs=40,
        batch_size=16,
        rate=0.02,
        start_rate=0.03,
    ),
    "adding": Task(
        _layers("se_adlif", [64], SE_ADLIF, 20.0, readout_bias=True),
        epochs=40,
        batch_size=32,
        rate=0.01,
        start_rate=0.05,
        training=FAST_ADAM,
    ),
    "smnist": Task(
        _layers("brf", [128], {"omega": [3.0, 30.0], "b_offset": [0.1, 1.0]}, 20.0),
        epochs=20,
        batch_size=64,
        rate=0.01,
        start_rate=0.03,
    ),
    "shd": _speech(128, 60, 64),
    "spoken_digits": _speech(64, 20, 32),
    "ssc": Task(
        _layers("se_adlif", [256], SE_ADLIF, [10.0, 20.0]),
        epochs=30,
        batch_size=128,
        rate=0.005,
        start_rate=0.03,
        training=BY_SAMPLE,
    ),
}

OWN_DATA = Task(_brf(64, [4.0, 30.0], [10.0, 20.0]), epochs=40, batch_size=16, rate=0.02, start_rate=0.03)


def task_for(data: SequenceData) -> Task:
    """Return the settings for a known data set, or those for a user's own sequences."""
    return TASKS.get(data.name, OWN_DATA)
