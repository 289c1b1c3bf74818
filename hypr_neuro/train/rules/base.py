"""The record that a learning rule is: which paths of the gradient it keeps, and hooks for what is no path.

A spike z_t acts on the loss in the same step, through the layers above (always kept), and later on by way of

own_spike       D_{t+1} = ∂s_{t+1}/∂z_t: reset and adaptation of the neuron itself
recurrent       the recurrent weights: other neurons' currents in step t+1
above           what the layers above remember of it: their states, down to the readout's leak

Inside a neuron ∂s_t/∂s_{t-1} is always kept. A rule without `recurrent` and `above` needs no pass back through the
whole sequence: its eligibilities run forward, so sequences can be cut into sub-sequences of any length.

error_feedback  the learning signal is the readout's error times a matrix M, the layers between left out, and the
                eligibility is filtered by the readout's leak κ

What is no path is a hook; a rule that needs one subclasses `Rule` and overrides it. Settings of the rule are fields
of the subclass. Five hooks, of the same names in integers (`sim.learning`):

noise           numbers added to the input currents of training, drawn from (seed, sample, layer, step, neuron)
update_every    steps after which weights change inside a sequence
regularizer     a penalty that sees weights and running means of weights, activity and loss
reward          a number for each sample, the third factor beside learning signal and eligibility
error           the learning signal of each layer, in place of the one that the loss sends down
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import optional_whole, require_number
from hypr_neuro.train.networks import spiking_places

Means = dict[str, Array]
"""Running means that a rule keeps from update to update, see `Rule.start`."""
ELIGIBILITIES = ("spike", "current")


@dataclass(frozen=True)
class Local:
    """What the hook `error` sees of one population in λ steps; arrays are time-major, not to be changed.

    Attributes
    ----------
    layer : str
        Name, of a chain "layers.0" up to "readout".
    error : ndarray
        (λ, batch, outputs) ∂L/∂o_t, o_t what losses see (of spiking outputs their trace), L the mean over the whole
        batch.
    output : ndarray
        (λ, batch, n) z_t, of a readout its state.
    noise : ndarray
        (λ, batch, n) that was added to the currents, 0 without noise; of neurons with several (λ, batch, currents, n).
    scored : ndarray
        (λ, batch), 0 where the loss does not look.
    per_step, per_sample : float
        1 / scored steps and 1 / samples of the whole batch, factors that make means of sums.
    """

    layer: str
    error: Array
    output: Array
    noise: Array
    scored: Array
    per_step: float
    per_sample: float


@dataclass(frozen=True)
class Penalty:
    """What the hook `regularizer` adds: R, its derivatives by weights, and by the neurons' rates.

    Attributes
    ----------
    value : float
        R.
    gradient : dict of ndarray
        By the names of `Network.arrays`; a missing one is 0.
    by_rate : dict of ndarray
        (n,) by the name of a hidden layer, ∂R/∂(spikes a step); as a learning signal it reaches the weights over the
        rule's eligibilities.
    """

    value: float
    gradient: dict[str, Array] = field(default_factory=dict)
    by_rate: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A learning rule: the paths of the gradient that it keeps, its settings and hooks; see the module.

    Attributes
    ----------
    name : str
        That of its file.
    source : str
        The publication.
    own_spike, recurrent, above, error_feedback : bool
        Paths, see the module.
    eligibility : str
        What a learning signal g_t meets. "spike": the spike's derivative, gradient Σ g_t (C_t ε_t + C'_t ε_{t-1}).
        "current": the current's, gradient Σ g_t pre_t, for rules that perturb currents; needs `error`.
    update_every : int or None
        Steps after which weights change inside a sequence; None: after the batch.
    decay : float
        a of the running means, x̄ ← a x̄ + (1-a) x after each update.
    """

    name: str
    source: str
    own_spike: bool = False
    recurrent: bool = False
    above: bool = False
    error_feedback: bool = False
    eligibility: str = "spike"
    update_every: int | None = None
    decay: float = 0.99

    def __post_init__(self) -> None:
        paths = self.own_spike or self.recurrent or self.above
        if self.error_feedback and paths:
            raise InputError(f"rule '{self.name}': error_feedback goes with none of own_spike, recurrent, above")
        if self.uses("error") and (self.error_feedback or not self.forward):
            raise InputError(f"rule '{self.name}': a hook 'error' goes with none of error_feedback, recurrent, above")
        if self.eligibility not in ELIGIBILITIES:
            raise InputError(f"rule '{self.name}': eligibility = '{self.eligibility}', rule: 'spike' or 'current'")
        if self.eligibility == "current" and (paths or not self.uses("error")):
            raise InputError(f"rule '{self.name}': eligibility 'current' keeps no path and needs the hook 'error'")
        every = optional_whole(f"rule '{self.name}': update_every", self.update_every, 1)
        object.__setattr__(self, "update_every", every)  # numpy's whole numbers are not for checkpoints
        require_number(f"rule '{self.name}': decay", self.decay)
        if every is not None and not self.forward:
            raise InputError(
                f"rule '{self.name}': update_every = {every} goes with none of recurrent, above: they go "
                "back through the whole sequence"
            )
        if not 0 <= self.decay < 1:
            raise InputError(f"rule '{self.name}': decay = {self.decay}, rule: 0 <= decay < 1")

    @property
    def forward(self) -> bool:
        """Tell whether its eligibilities can be carried from one sub-sequence to the next."""
        return not (self.recurrent or self.above)

    def uses(self, hook: str) -> bool:
        """Tell whether this rule overrides that hook."""
        return getattr(type(self), hook) is not getattr(Rule, hook)

    @property
    def keeps_means(self) -> bool:
        """Tell whether running means are kept: a hook sees them."""
        return self.uses("regularizer") or self.uses("reward")

    def noise(self, net: Network) -> Sequence[float]:
        """Give the standard deviation of the Gaussian noise on the currents of each population, in their order.

        Of neurons with several input currents each has numbers of its own.
        """
        raise NotImplementedError  # called only where `uses` says that a rule overrides it

    def regularizer(self, values: Mapping[str, Array], means: Means) -> Penalty:
        """Give the penalty at weights `values` (names of `Network.arrays`); it is added before the update.

        means : as `start` says. They are held: the penalty's derivatives are those at fixed means. Neither can be
        written to
        """
        raise NotImplementedError  # called only where `uses` says that a rule overrides it

    def reward(self, loss: Array, means: Means) -> Array:
        """Give for the loss of each sample (batch,) the number that its gradient is multiplied by.

        The loss of the batch is the mean of `loss`. Penalties are not multiplied.
        """
        raise NotImplementedError  # called only where `uses` says that a rule overrides it

    def error(self, local: Local) -> Array:
        """Give the learning signals (λ, batch, n) of one population: ∂L/∂z_t, or ∂L/∂I_t with eligibility "current".

        Has to act step by step and sample by sample, so that sub-sequences and blocks do not change the result; it is
        called from several threads.
        """
        raise NotImplementedError  # called only where `uses` says that a rule overrides it

    def start(self, net: Network) -> Means:
        """Give the running means before the first update.

        Every array of the network by its name, at its start value; "layers.0.rate" and so on (n,), spikes a step of
        the populations that spike and are no output; "loss" (); "updates" (), how many there were.
        """
        hidden = {f"{net.name(i)}.rate": np.zeros(net.populations[i].size) for i in spiking_places(net)}
        arrays = {name: array.copy() for name, array in net.arrays().items()}
        return arrays | hidden | {"loss": np.zeros(()), "updates": np.zeros(())}

    def move(self, means: Means, now: Means, gradient: Mapping[str, Array]) -> None:
        """Move the running means after an update: x̄ ← a x̄ + (1-a) x, rates and loss start at their first values.

        now : the network's arrays after the update, the batch's rates and loss. gradient : that was applied
        """
        first = means["updates"] == 0
        for name, value in now.items():
            seen = first and (name == "loss" or name.endswith(".rate"))
            means[name] = np.array(value if seen else means[name] + (1.0 - self.decay) * (value - means[name]))
        means["updates"] = means["updates"] + 1
