"""Which populations learning signals can reach, and which connections can learn on a chip.

Signals come from the outputs, back over forward connections. A population that they reach to learn or to pass them on
needs an integer Jacobian; others run as they are, whatever their neurons.
"""

from __future__ import annotations

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.quantizing.network import QuantizedNetwork


def reached_populations(qnet: QuantizedNetwork) -> list[bool]:
    """Tell for each population whether a way over forward connections leads to an output."""
    reached: dict[str, bool] = {}
    for p in reversed(qnet.populations):
        targets = [c.target for c in qnet.connections if c.source == p.name]
        reached[p.name] = p.name in qnet.outputs or any(
            reached.get(q, False) for q in targets if qnet.clock.forward(p.name, q)
        )
    return [reached[p.name] for p in qnet.populations]


def signalled_populations(qnet: QuantizedNetwork) -> tuple[str, ...]:
    """Return the populations that can learn: they and all between them and the outputs have an integer Jacobian."""
    reached = dict(zip((p.name for p in qnet.populations), reached_populations(qnet), strict=True))
    able: dict[str, bool] = {}
    for p in reversed(qnet.populations):
        forward = [c.target for c in qnet.connections if c.source == p.name and qnet.clock.forward(p.name, c.target)]
        above = [able[q] for q in forward if reached[q]]
        able[p.name] = reached[p.name] and p.model.learns_on_chip and all(above)
    return tuple(p.name for p in qnet.populations if able[p.name])


def learnable_connections(qnet: QuantizedNetwork) -> tuple[str, ...]:
    """Return the names of the connections that can learn: not frozen, no convolution, to a population that can."""
    able = signalled_populations(qnet)
    return tuple(
        name
        for name, c in zip(qnet.connection_names(), qnet.connections, strict=True)
        if c.trainable and c.target in able and not isinstance(c.mantissa, Convolution) and c.entries().size
    )
