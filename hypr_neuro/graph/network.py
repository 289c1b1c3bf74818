"""The float network: populations of neurons and the connections between them, any way round.

Time. A connection delivers what its source sent `lag` steps before:

    lag = delay         from the input or from a population that stands earlier in the order
    lag = delay + 1     from the target itself or a later population

    I_t = Σ_connections W s_{t - lag} + Σ_{k ≤ t} bias_k

Many networks are a chain of layers (`Network.chain_fault` says what one is): they are built from a specification, run
and train in an engine of their own, and have their arrays named by layer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.files.store import content_digest
from hypr_neuro.graph.chain import chain_fault, chain_layers, chain_parts
from hypr_neuro.graph.clock import INPUT, Clock, layer_name
from hypr_neuro.graph.draw import drawn_layers
from hypr_neuro.graph.encoder import check_encoder
from hypr_neuro.graph.ends import check_ends
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.kinds import require_positive
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network_file import contents, load_network, save_contents
from hypr_neuro.graph.spec import NetworkSpec, parse_spec
from hypr_neuro.graph.tables import network_table
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import whole
from hypr_neuro.renamed import renamed_names, warn_renamed
from hypr_neuro.shown import Shown, as_html, as_text

__getattr__ = renamed_names(__name__, {"FloatGraph": "Network"})


@dataclass(eq=False, repr=False)
class Network:
    """Populations in the order in which a step computes them, and the connections between them.

    Numbers may change at any time. What a network is made of is settled when it is made: `dataclasses.replace` makes
    another one.

    Attributes
    ----------
    inputs
        Channels of the input.
    populations, connections
        The graph.
    dt
        Seconds a step.
    outputs
        Populations whose outputs, side by side, are the network's.
    input_shape
        Shape of the channels in C order.
    notes
        Plain data that travels with the network, such as the choices of an import; "spec" is what `build` was given.
    encoder
        How samples became spikes, stored with the network (see `hypr_neuro.data.encode`).
    """

    inputs: int
    populations: tuple[FloatPopulation, ...]
    connections: tuple[FloatSynapses, ...]
    dt: float
    outputs: tuple[str, ...]
    input_shape: tuple[int, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.populations, self.connections = tuple(self.populations), tuple(self.connections)
        self.outputs, self.input_shape = tuple(self.outputs), self.input_shape or (self.inputs,)
        names = [p.name for p in self.populations]
        if not names or len(set(names)) != len(names) or INPUT in names:
            raise InputError(f"populations {names}, rule: at least one, names differ and none is '{INPUT}'")
        if self.inputs < 1 or min(self.input_shape) < 1 or prod(self.input_shape) != self.inputs:
            raise InputError(f"inputs = {self.inputs}, input_shape = {self.input_shape}, rule: as many, at least one")
        require_positive("dt", self.dt, "seconds a step")
        check_encoder(self.encoder)
        self._index = {name: i for i, name in enumerate(names)}
        if not self.outputs or any(name not in self._index for name in self.outputs):
            raise InputError(f"outputs {self.outputs}, rule: populations of the graph, known: {', '.join(names)}")
        for c in self.connections:
            check_ends(c, self.inputs, self.populations)
        # in float, connections take no time of their own
        self.clock = Clock(tuple(names), tuple((c.source, c.target) for c in self.connections), connection_delay=0)

    @classmethod
    def build(cls, spec: NetworkSpec | dict[str, Any] | str | Path, seed: int = 0) -> Network:
        """Draw weights, uniform in ±√(6/(fan_in + fan_out)), fan_in = inputs (+ neurons), biases 0.

        Connections that the specification names under `frozen` stay as they are drawn, see `freeze`.
        """
        parsed, seed = parse_spec(spec), whole("seed", seed, 0)
        layers, dt, notes = drawn_layers(parsed, seed)
        net = cls.from_layers(layers, dt, notes=notes)
        net.freeze(*parsed.frozen)
        return net

    @classmethod
    def from_layers(
        cls,
        layers: Sequence[Layer],
        dt: float = 1e-3,
        encoder: dict[str, Any] | None = None,
        notes: dict[str, Any] | None = None,
    ) -> Network:
        """Return a chain of layers from input to output, whose numbers are copied; the last is a readout.

        Raise InputError for layers that do not follow each other.
        """
        populations, connections = chain_parts(layers)
        outputs = (populations[-1].name,)
        return cls(layers[0].inputs, populations, connections, dt, outputs, (), dict(notes or {}), encoder)

    @cached_property
    def chain_fault(self) -> str:
        """What keeps the network from being a chain of layers, in words; "" if it is one.

        A chain is one or more populations that spike and a readout as the only output. Each hears the one before it,
        the first one the input, and all but the readout may hear themselves: dense weights, no delay, all on the only
        current of the model. Constant currents act from step 0, of models that have no bias of their own.
        """
        return chain_fault(self)

    @property
    def is_chain(self) -> bool:
        """Whether the network is a chain of layers, see `chain_fault`."""
        return not self.chain_fault

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of a chain; what is set in them is set here. Raise InputError for any other network."""
        if fault := self.chain_fault:
            raise InputError(
                f"{fault}, rule: a chain of layers; net.populations and net.connections hold any network, which "
                "hn.train, hn.gradients, hn.run_float, hn.float_trace, hn.quantize and hn.write_nir take"
            )
        return chain_layers(self)

    def name(self, index: int) -> str:
        """Return the name of a population in `arrays`: 'layers.0', …, 'readout' in a chain, else its own."""
        return layer_name(index, len(self.populations)) if self.is_chain else self.populations[index].name

    def population(self, name: str) -> FloatPopulation:
        """Return the population of that name."""
        if name not in self._index:
            raise InputError(f"unknown population {among(name, self._index)}")
        return self.populations[self._index[name]]

    def incoming(self, target: str) -> list[FloatSynapses]:
        """Return the connections to a population."""
        return [c for c in self.connections if c.target == target]

    def forward(self, c: FloatSynapses) -> bool:
        """Tell whether the connection comes from the input or from an earlier population."""
        return self.clock.forward(c.source, c.target)

    def lag(self, c: FloatSynapses) -> int:
        """Count the steps from sending to arriving."""
        return self.clock.lag(c.source, c.target, c.delay)

    def connection_names(self) -> list[str]:
        """Name each connection, 'a -> b', the second one of the same ends 'a -> b (2)'."""
        seen: dict[str, int] = {}
        names = []
        for c in self.connections:
            seen[c.name] = seen.get(c.name, 0) + 1
            names.append(c.name if seen[c.name] == 1 else f"{c.name} ({seen[c.name]})")
        return names

    def freeze(self, *names: str) -> None:
        """Keep training, in float and on a chip, from changing the weights of these connections.

        Currents and neuron parameters go on learning: `trainable` of a population has the latter.

        Parameters
        ----------
        *names
            A connection by its name in `connection_names`, 'a -> b', of a chain also by the name that it has on a chip,
            'layers.0.input' or 'layers.0.recurrent'; a population, for all connections to it.

        Raises
        ------
        InputError
            For an unknown name; nothing is frozen then.
        """
        chosen = [self._named(name) for name in names]
        for c in (c for group in chosen for c in group):
            c.trainable = False

    def _named(self, name: str) -> list[FloatSynapses]:
        """Return the connections that a name stands for."""
        by_name = {key: [c] for key, c in zip(self.connection_names(), self.connections, strict=True)}
        if self.is_chain:
            for c in self.connections:
                layer = self.name(self._index[c.target])
                by_name[f"{layer}.{'recurrent' if c.source == c.target else 'input'}"] = [c]
        for i, p in enumerate(self.populations):
            by_name |= {p.name: self.incoming(p.name), self.name(i): self.incoming(p.name)}
        if name not in by_name:
            raise InputError(f"unknown connection {among(name, by_name)}")
        return by_name[name]

    def arrays(self, *, frozen: bool = False) -> dict[str, Array]:
        """Return every trainable array by name, with `frozen` also the weights that training leaves; not copies.

        Those of a chain are named by layer, such as 'layers.0.weight' or 'readout.tau'. In any other network weights
        have the name of their connection (of CSR the stored ones), constant currents and trainable parameters that of
        their population and their own, 'a.bias', 'a.tau'.
        """
        if self.is_chain:
            layers = enumerate(self.layers)
            return {f"{self.name(i)}.{key}": a for i, layer in layers for key, a in layer.arrays(frozen=frozen)}
        return self.graph_arrays(frozen=frozen)

    def graph_arrays(self, *, frozen: bool = False) -> dict[str, Array]:
        """Return what `arrays` does of a network that is no chain."""
        named = zip(self.connection_names(), self.connections, strict=True)
        result = {name: c.stored() for name, c in named if frozen or c.trainable}
        for p in self.populations:
            result |= {p.bias_name(first): bias for first, bias in p.biases.items()}
            result |= {f"{p.name}.{name}": p.params[name] for name in p.trainable}
        return result

    def check(self) -> None:
        """Raise InputError, naming the entry, if a weight is not finite or a parameter out of range."""
        if self.is_chain:
            for layer in self.layers:
                layer.check()
            return
        for name, array in self.graph_arrays(frozen=True).items():
            if not np.all(np.isfinite(array)):
                raise InputError(f"{name} holds a number that is not finite, rule: weights are finite")
        for p in self.populations:
            p.check()

    @property
    def output_size(self) -> int:
        """Number of outputs: the neurons of all output populations."""
        return sum(self.population(name).size for name in self.outputs)

    def table(self) -> Shown:
        """Return the populations with what they receive."""
        connections = [(c, c.weights) for c in self.connections]
        more = f"; {self.dt:g} s a step"
        return network_table("Network", self.inputs, self.populations, connections, self.outputs, more)

    __repr__ = as_text
    _repr_html_ = as_html

    def copy(self) -> Network:
        """Return a network with its own arrays."""
        populations = tuple(replace(p) for p in self.populations)
        connections = tuple(replace(c) for c in self.connections)
        return replace(self, populations=populations, connections=connections, notes=dict(self.notes))

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file that `load` reads back equal."""
        save_contents(path, self)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read a file of `save`, also of version 0.1; FileFormatError for a damaged file or one of another kind."""
        return load_network(path, cls)

    def digest(self) -> str:
        """Return sha256 over everything that decides what the network computes."""
        if self.is_chain:
            arrays: dict[str, Array] = {}
            for i, layer in enumerate(self.layers):
                parts = {"weight": layer.weight, "recurrent": layer.recurrent, "bias": layer.bias, **layer.params}
                name = f"{self.name(i)}.{layer.model.name}"
                arrays |= {f"{name}.{k}": a for k, a in parts.items() if a is not None}
            return content_digest("", arrays)
        meta, arrays = contents(self)
        decides = {k: v for k, v in meta.items() if k not in ("notes", "encoder")}
        for kind in ("populations", "synapses"):
            decides[kind] = [{k: v for k, v in entry.items() if k != "trainable"} for entry in meta[kind]]
        return content_digest(json.dumps(decides, sort_keys=True), arrays)

    # --- names of FloatGraph, the graphs of version 0.1

    @property
    def synapses(self) -> tuple[FloatSynapses, ...]:
        """Deprecated name of `connections`."""
        warn_renamed("FloatGraph.synapses", "Network.connections")
        return self.connections

    @property
    def size(self) -> int:
        """Deprecated name of `output_size`."""
        warn_renamed("FloatGraph.size", "Network.output_size")
        return self.output_size

    @classmethod
    def from_network(cls, net: Network) -> Network:
        """Return a copy of a network; deprecated, since every call takes the network itself."""
        warn_renamed("FloatGraph.from_network(net)", "net.copy()")
        return net.copy()
