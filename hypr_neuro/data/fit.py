"""Whether data fit a network: channels its inputs, classes or targets its outputs."""

from __future__ import annotations

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError

REMEDY = "give the data that it was trained on (--data, --data-dir)"


def check_channels(inputs: int, data: SequenceData) -> None:
    """Raise InputError unless a network of so many input channels takes the data."""
    if data.channels != inputs:
        again = "" if data.encoder is None else ", or train it again on these data as they are encoded"
        raise InputError(
            f"data '{data.name}' has {data.channels} channels, the network {inputs} inputs; {REMEDY}{again}"
        )


def check_outputs(outputs: int, data: SequenceData) -> None:
    """Raise InputError unless so many outputs can answer: one for each class at least, or one for each target."""
    if data.classes > outputs or (data.regression and data.classes < outputs):
        kind = "targets" if data.regression else "classes"
        raise InputError(f"data '{data.name}' has {data.classes} {kind}, the network {outputs} outputs; {REMEDY}")


def check_fit(inputs: int, outputs: int, data: SequenceData) -> None:
    """Raise InputError unless data fit a network of so many inputs and outputs."""
    check_channels(inputs, data)
    check_outputs(outputs, data)
