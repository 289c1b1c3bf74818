"""The engine of a chain of layers: whole layers in one kernel, events in place of zeros, buffers used again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import FloatType, LayerArrays, give_workspace, run_forward, take_workspace
from hypr_neuro.train.engine import LayerEngine
from hypr_neuro.train.feedback import project
from hypr_neuro.train.integer_forward import IntegerRun
from hypr_neuro.train.noise import layer_noise

if TYPE_CHECKING:
    from hypr_neuro.train.setup import Setup


class ChainArrays:
    """A chain's numbers as kernels take them."""

    def __init__(self, net: Network, dtype: FloatType) -> None:
        self.layers = tuple(LayerArrays(layer, dtype) for layer in net.layers)

    def engine(self, setup: Setup, samples: int, first: int) -> ChainEngine:
        """Make the engine of a block of samples."""
        return ChainEngine(self.layers, setup, samples, first)


class ChainEngine:
    """A block of samples of a chain; methods as of `setup.Engine`, layers by their place."""

    def __init__(self, arrays: Sequence[LayerArrays], setup: Setup, samples: int, first: int) -> None:
        self.setup, self.time = setup, 0
        self.key, self.workspace = take_workspace(arrays, samples)
        fixed = setup.feedback_weights
        self.layers = [
            LayerEngine(
                layer,
                samples,
                setup.rule,
                leak=setup.leak,
                delay=setup.delays[i],
                feedback_weights=fixed[i - 1] if i and fixed else None,
                noise=layer_noise(setup, i, samples, first),
                buffers=self.workspace[i],
            )
            for i, layer in enumerate(arrays)
        ]
        self.integers = self._integers()

    def _integers(self) -> IntegerRun | None:
        """Return what runs in place of the float layers."""
        forward = self.setup.forward
        return None if forward is None else IntegerRun(forward, self.layers[0].batch, self.setup.dtype, self.workspace)

    def run(self, x: Array, integers: Array | None = None) -> Array:
        """Run one sub-sequence; return the readout (λ, batch, outputs)."""
        if self.integers is not None:
            return self._take(self.integers, x, integers)
        for layer in self.layers:
            if layer.noise is not None:
                layer.noise.time = self.time
        self.time += len(x)
        return run_forward(self.layers, x)

    def _take(self, run: IntegerRun, x: Array, integers: Array | None) -> Array:
        """Let the integers run one sub-sequence, and hold what each layer did."""
        assert integers is not None
        run.advance(integers, len(x))
        self.time += len(x)
        events = None
        for i, layer in enumerate(self.layers):
            done = run.steps(i)
            x = layer.take(x, events, done.current, done.states, done.outputs)
            events = layer.events
        return x

    def sent(self, place: int) -> Array:
        """Return the outputs (λ, batch·n) of a layer."""
        return self.layers[place].outputs[1:]

    def noise(self, place: int) -> Array | None:
        """Return the noise (λ, batch·n) on a layer's currents."""
        layer = self.layers[place]
        return None if layer.noise is None else layer.drawn

    def learn(self, error: Array, rates: Mapping[int, Array], given: Mapping[int, Array] | None, *, last: bool) -> None:
        """Take learning signals, from the readout down."""
        signal = error.reshape(len(error), -1)
        for i in reversed(range(len(self.layers))):
            layer, below = self.layers[i], None
            if given is not None:
                layer.backward(given[i], None)
            elif i > 0:
                below = self._first_signal(i - 1, len(error), rates)
                if self.setup.rule.error_feedback:
                    layer.backward(signal, None)
                    project(error, self.setup.ways[i - 1].matrix, below)
                else:
                    layer.backward(signal, below)
                signal = below
            else:
                layer.backward(signal, None)
            if not last:
                layer.carry_eligibilities()

    def _first_signal(self, place: int, steps: int, rates: Mapping[int, Array]) -> Array:
        layer = self.layers[place]
        signal = layer.buffer("signal", steps, layer.output.size)
        signal[...] = rates.get(place, 0.0)
        return signal

    def finish(self) -> None:
        """Do nothing: no signal comes later than its step."""

    def restart(self) -> None:
        """Go back to the first step."""
        self.time, self.integers = 0, self._integers()
        for layer in self.layers:
            layer.state[...], layer.output[...] = 0.0, 0.0

    def take_over(self, setup: Setup) -> None:
        """Go on with other weights."""
        self.setup = setup
        assert isinstance(setup.arrays, ChainArrays)
        for layer, arrays in zip(self.layers, setup.arrays.layers, strict=True):
            layer.take_over(arrays)

    def gradients(self) -> Iterator[tuple[str, Iterable[Array]]]:
        """Yield names and the gradients of each sample."""
        for i, engine in enumerate(self.layers):
            sums, name, batch = engine.gradient, self.setup.net.name(i), engine.batch
            arrays = {"weight": sums.weight.swapaxes(1, 2), "recurrent": sums.recurrent.swapaxes(1, 2)}
            arrays |= {"bias": sums.bias.reshape(batch, -1)}
            of_params = sums.param.reshape(len(sums.param), batch, engine.n)
            arrays |= dict(zip(engine.layer.model.trainable, of_params, strict=True))
            yield from ((f"{name}.{key}", arrays[key]) for key, _ in engine.layer.arrays())

    def close(self) -> None:
        """Give the buffers back."""
        give_workspace(self.key, self.workspace)
