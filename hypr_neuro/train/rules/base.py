"""The record that a learning rule is: which paths of the gradient it keeps.

A spike z_t acts on the loss in the same step, through the layers above (always kept), and later on by way of

own_spike       D_{t+1} = ∂s_{t+1}/∂z_t: reset and adaptation of the neuron itself
recurrent       the recurrent weights: other neurons' currents in step t+1
above           what the layers above remember of it: their states, down to the readout's leak

Inside a neuron ∂s_t/∂s_{t-1} is always kept. A rule without `recurrent` and `above` needs no pass back through the
whole sequence: its eligibilities run forward, so sequences can be cut into sub-sequences of any length.

error_feedback  the learning signal is the readout's error times a matrix M, the layers between left out, and the
                eligibility is filtered by the readout's leak κ
"""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.errors import InputError


@dataclass(frozen=True)
class Rule:
    """See the module; `source` is the publication."""

    name: str
    source: str
    own_spike: bool = False
    recurrent: bool = False
    above: bool = False
    error_feedback: bool = False

    def __post_init__(self) -> None:
        if self.error_feedback and (self.own_spike or self.recurrent or self.above):
            raise InputError(f"rule '{self.name}': error_feedback goes with none of own_spike, recurrent, above")

    @property
    def forward(self) -> bool:
        """Its eligibilities can be carried from one sub-sequence to the next."""
        return not (self.recurrent or self.above)
