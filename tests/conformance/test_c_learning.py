"""Learning in generated C: outputs of every step, weights and neuron parameters after every update and all that updates
remember equal the definition's and the simulator's, bit for bit."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_gcc, needs_qemu

from hypr_neuro.compilers.c.build import CORTEX_M4, SANITIZERS, Toolchain
from hypr_neuro.compilers.c.learning.build import build_learning, run_learning
from hypr_neuro.compilers.c.learning.learn import write_learning
from hypr_neuro.compilers.c.learning.library import LIBRARY, LearnLibrary
from hypr_neuro.compilers.c.learning.limits import input_limit
from hypr_neuro.compilers.c.learning.memory import label
from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.neurons.base import no_integer_form
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.errors.base import OutputError
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.sim.learning.updates import UPDATES
from hypr_neuro.sim.learning.updates.base import StateArray, UpdateRule
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.testing.networks import assert_equal_traces, integer_models, random_network, random_spikes, varied

Array = Any


STEPS, RATE, PARAMETER_RATE = 30, 60000, 200000


LARGE_RATE = 1 << 23


QUICK = replace(LIBRARY, flags=("-O1", *LIBRARY.flags[1:]))


LEARNING = [name for name in integer_models() if MODELS[name].psi_index is not None]


@dataclass(frozen=True)
class Case:
    """A network and how it learns. profile : its name and the fields that differ. options : of LearnOptions"""

    hidden: tuple[int, ...] = (4, 3)
    chip: str = "loihi2"
    recurrent: bool = True
    bias: bool = True
    inputs: int = 4
    readout: str = "li"
    profile: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rate: int = RATE

    def network(self, model: str, seed: int) -> QuantizedNetwork:
        chip = varied(self.chip, **self.profile)
        net = random_network(
            model, seed, hidden=self.hidden, recurrent=self.recurrent, bias=self.bias, inputs=self.inputs
        )
        if self.readout != "li":
            readout, old = get_model(self.readout), net.layers[-1]
            params = {p.name: np.full(old.size, p.default) for p in readout.params}
            last = Layer(readout, old.weight, None, None, params, readout.trainable)
            net = Network.from_layers([*net.layers[:-1], last], net.dt, net.encoder, net.notes)
        return quantize(net, chip, calibration=random_spikes(seed, 4, 60, net.inputs))


DELAYED = {"learning__eligibility_alignment": "delayed", "time__error_latency": 3}


CASES = {
    "factored, all": Case(options={"parameters": ("all",)}),
    "layer, momentum, residual, random feedback": Case(
        (4, 3, 3),
        profile={"learning__residual_bits": 8, "learning__momentum_bits": 24},
        options={"momentum": 2, "rule": "layer", "feedback": "random"},
    ),
    "sgd, no delay of spikes, every third sample": Case(
        (4, 3),
        "ideal",
        bias=False,
        options={"rule": "sgd", "update_every": 3, "parameters": ("all",)},
        rate=LARGE_RATE,
    ),
    "sign, delayed eligibilities, every seventh step": Case(
        profile=DELAYED,
        options={"rule": "sign", "update_every": 7, "update_on": "step", "parameters": ("all",), "limit": 1},
    ),
    "narrow, linear error": Case(
        profile={
            "learning__eligibility_bits": 10,
            "learning__accumulator_bits": 10,
            "learning__signal_bits": 6,
            "learning__eligibility_rounding": "floor",
            "precision__state_rounding": "zero",
            "learning__error": "linear",
            "time__error_latency": 9,
        },
        options={"parameters": ("all",)},
    ),
    "coarse, sign error, delayed, no delay of spikes": Case(
        (4, 3),
        "ideal",
        recurrent=False,
        profile=DELAYED
        | {
            "learning__error_bits": 4,
            "learning__psi_bits": 4,
            "learning__eligibility_fraction": 5,
            "learning__eligibility_rounding": "zero",
            "precision__weight_bits": 6,
            "precision__state_rounding": "floor",
            "precision__coefficient_bits": 12,
            "learning__error": "sign",
        },
        options={"parameters": ("all",)},
    ),
    "largest residual and momentum, some layers": Case(
        (4, 3, 3),
        profile=DELAYED
        | {
            "learning__residual_bits": 16,
            "learning__momentum_bits": 32,
            "precision__weight_bits": 5,
        },
        options={"momentum": 3, "layers": ("layers.1",), "parameters": ("layers.1." + "{0}",)},
    ),
    "shadow of 16 bits, weights of 12": Case(
        (5,), profile={"learning__residual_bits": 4, "precision__weight_bits": 12}
    ),
    "a readout of two states": Case((5,), readout="cuba_li", options={"parameters": ("all",)}),
    "sums of 32 bits only": Case((5,), inputs=24),
    "the readout": Case((5,), options={"layers": ("readout",), "parameters": ("readout.tau",), "rule": "layer"}),
}


def learn_options(case: Case, model: str, seed: int) -> LearnOptions:
    """The case's options; {0} stands for the first parameter of the model that learns, none where none does."""
    options, learns = dict(case.options), MODELS[model].learned is not None
    if "parameters" in options:
        names = [name for name in options["parameters"] if learns or "{0}" not in name]
        options["parameters"] = tuple(name.format(*MODELS[model].trainable[:1]) for name in names)
    return LearnOptions(seed=seed, **options)


def kept(chip: LearnLibrary) -> Iterator[tuple[str, Array]]:
    """Weights, neuron integers and what updates remember, by the names of `reference_kept`."""
    for i, numbers in enumerate(chip.plan.layers):
        if numbers.learns:
            split = numbers.layer.input.mantissa.shape[1]
            weights = chip.arrays[f"weight_{i}"]
            parts = {"input": weights[:, :split], "recurrent": weights[:, split:]}
            yield from ((f"{numbers.name}.{key}", parts[key]) for key in numbers.layer.connections())
        if numbers.parameters:
            yield f"{numbers.name} neurons", chip.arrays[f"neuron_{i}"]
    for t in chip.plan.tensors:
        for key, array in chip.arrays.items():
            if key.endswith(f"_{label(t)}"):
                yield f"{t.name} {key.removesuffix(f'_{label(t)}')}", array


def reference_kept(learner: LearningReference) -> dict[str, Array]:
    """By the names of `kept`."""
    found: dict[str, Array] = {}
    for layer in learner.layers:
        if layer.learns:
            found |= {c.name: c.tensor() for c in layer.incoming}
        if layer.parameters:
            found[f"{layer.name} neurons"] = layer.neurons.per_neuron
    for name, averages in learner.averages.items():
        found |= {f"{name} {key}": np.array(values) for key, values in averages.items()}
    for what in ("momentum", "residual"):
        found |= {f"{name} {what}": np.array(values) for name, values in getattr(learner, what).items()}
    return found


def assert_kept(slow: LearningReference, fast: LearnLibrary, when: str, seed: int) -> None:
    wanted, found = reference_kept(slow), dict(kept(fast))
    assert set(wanted) == set(found)
    for name, array in wanted.items():
        assert_equal_traces(
            array,
            found[name].astype(np.int64),
            seed=seed,
            layer=name,
            what=f"after {when}",
            axes=tuple("ab"[: array.ndim]),
        )
    assert fast.arrays["updates"].tolist() == [slow.updates]


def labelled(seed: int, qnet: QuantizedNetwork, samples: int, steps: int = STEPS) -> tuple[Array, Array, Array]:
    """x (sample, T, channel), label (sample, T), scored (sample, T)."""
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, samples, steps, qnet.inputs).astype(np.int32)
    return x, rng.integers(0, qnet.output_size, (samples, steps)), rng.random((samples, steps)) < 0.8


@needs_gcc
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", LEARNING)
def test_c_learns_as_defined(model: str, case: str, tmp_path: Path) -> None:
    seed = 11
    qnet, options = CASES[case].network(model, seed), learn_options(CASES[case], model, seed)
    x, label, scored = labelled(seed, qnet, 3)
    fast, slow = LearnLibrary(qnet, options, tmp_path, QUICK), LearningReference(qnet.copy(), options)
    start = {name: array.copy() for name, array in reference_kept(slow).items()}
    for i in range(3):
        sample = x[i] * (i + 1), label[i], scored[i], CASES[case].rate, PARAMETER_RATE
        wanted = np.array(slow.sample(*sample))
        assert_equal_traces(
            wanted, fast.sample(*sample), seed=seed, layer="readout", what=f"sample {i}", axes=("step", "neuron")
        )
        assert_kept(slow, fast, f"sample {i}", seed)
    assert slow.clips() == fast.clips()
    learned = {name: array for name, array in reference_kept(slow).items() if name.endswith((".input", ".recurrent"))}
    changed = [name for name, array in learned.items() if not np.array_equal(array, start[name])]
    assert len(changed) >= max(len(learned) - (2 if "narrow" in case else 1), 1), changed
    assert "narrow" not in case or sum(slow.clips().values()) > 1000


STREAM = Case(
    profile=DELAYED | {"learning__momentum_bits": 20, "learning__residual_bits": 6},
    options={"update_every": 11, "update_on": "step", "momentum": 2, "parameters": ("all",)},
)


@needs_gcc
@pytest.mark.parametrize("model", LEARNING)
def test_streams_and_samples_follow_each_other(model: str, tmp_path: Path) -> None:
    """Each starts from zero states, gradients that wait and the count of steps stay; then a stream goes on."""
    qnet, options = STREAM.network(model, 22), learn_options(STREAM, model, 22)
    x, label, scored = labelled(22, qnet, 4, 25)
    fast, slow = LearnLibrary(qnet, options, tmp_path, QUICK), LearningReference(qnet.copy(), options)
    for i, kind in enumerate(("stream", "sample", "stream", "stream")):
        if kind == "stream" and i < 3:
            fast.begin()
        part = x[i], label[i], scored[i], RATE, PARAMETER_RATE
        assert np.array_equal(np.array(getattr(slow, kind)(*part)), getattr(fast, kind)(*part)), f"{kind} {i}"
        assert_kept(slow, fast, f"{kind} {i}", 22)
    assert slow.updates > 5
    assert slow.clips() == fast.clips()


@needs_gcc
def test_what_was_learned_runs_without_learning_and_is_taken_back_by_a_reset(tmp_path: Path) -> None:
    case = CASES["factored, all"]
    qnet, options = case.network("brf", 12), learn_options(case, "brf", 12)
    x, label, scored = labelled(12, qnet, 3)
    chip, slow = LearnLibrary(qnet, options, tmp_path, QUICK), LearningReference(qnet.copy(), options)
    first = []
    for i in range(3):
        first.append(chip.sample(x[i], label[i], scored[i], RATE, PARAMETER_RATE))
        slow.sample(x[i], label[i], scored[i], RATE, PARAMETER_RATE)
    # a sample that has ended does so once
    assert chip.c.hn_learn_tail() == 0
    runs = [simulate_reference(q, x[:1])[-1]["states"][:, 0, 0] for q in (qnet, slow.qnet)]
    assert not np.array_equal(*runs)
    learned = {name: array.copy() for name, array in kept(chip)}
    assert np.array_equal(chip.infer(x[0]), runs[1])
    assert all(np.array_equal(learned[name], array) for name, array in kept(chip))
    chip.c.hn_learn_reset()
    assert np.array_equal(chip.infer(x[0]), runs[0])
    for i in range(3):
        assert np.array_equal(chip.sample(x[i], label[i], scored[i], RATE, PARAMETER_RATE), first[i])
    assert all(np.array_equal(learned[name], array) for name, array in kept(chip))


@needs_gcc
def test_copies_of_the_three_structs_go_on_from_there(tmp_path: Path) -> None:
    qnet, options = STREAM.network("se_adlif", 23), learn_options(STREAM, "se_adlif", 23)
    x, label, scored = (array[0] for array in labelled(23, qnet, 1, 60))
    chip = LearnLibrary(qnet, options, tmp_path, QUICK)
    chip.stream(x[:25], label[:25], scored[:25], RATE, PARAMETER_RATE)
    copies = [bytes(raw) for raw in chip.raw]
    rest = x[25:], label[25:], scored[25:], RATE, PARAMETER_RATE
    wanted, after = chip.stream(*rest), [bytes(raw) for raw in chip.raw]
    assert after != copies
    for now in (25, (1 << 30) - 5):
        chip.c.hn_learn_reset()
        chip.sample(x, label, scored, RATE)
        for raw, copy in zip(chip.raw, copies, strict=True):
            ctypes.memmove(raw, copy, len(copy))
        # a stream does not notice that its count of steps stands still from 2^30 on
        chip.arrays["now"][...] = now
        assert np.array_equal(chip.stream(*rest), wanted)
        chip.arrays["now"][...] = 60
        assert [bytes(raw) for raw in chip.raw] == after


PROGRAMS = [
    pytest.param("lif", "factored, all", SANITIZERS, marks=needs_gcc, id="lif, sanitizers"),
    pytest.param(
        "brf", "layer, momentum, residual, random feedback", SANITIZERS, marks=needs_gcc, id="brf, sanitizers"
    ),
    pytest.param(
        "alif", "coarse, sign error, delayed, no delay of spikes", SANITIZERS, marks=needs_gcc, id="alif, sanitizers"
    ),
    pytest.param(
        "se_adlif",
        "sign, delayed eligibilities, every seventh step",
        SANITIZERS,
        marks=needs_gcc,
        id="se_adlif, sanitizers",
    ),
    pytest.param("brf", "factored, all", CORTEX_M4, marks=needs_qemu, id="brf, Cortex-M4"),
    pytest.param("se_adlif", "narrow, linear error", CORTEX_M4, marks=needs_qemu, id="se_adlif, Cortex-M4"),
]


@pytest.mark.once
@pytest.mark.parametrize(("model", "case", "toolchain"), PROGRAMS)
def test_programs_learn_as_defined(model: str, case: str, toolchain: Toolchain, tmp_path: Path) -> None:
    """The program of text under AddressSanitizer and UndefinedBehaviorSanitizer, and on an emulated Cortex-M4.

    The last sample holds the largest values that an input may have.
    """
    options = replace(learn_options(CASES[case], model, 13), rate=1.0, parameter_rate=3.0)
    qnet = CASES[case].network(model, 13)
    x, label, scored = labelled(13, qnet, 4)
    write_learning(qnet, options, tmp_path)
    plan = LearningPlan(qnet, options)
    limit = input_limit(plan)
    x[-1] *= np.where(np.arange(STEPS) % 2 == 0, limit, -limit)[:, None].astype(np.int32)
    samples = list(zip(x, label, scored, strict=True))
    found = run_learning(build_learning(tmp_path, toolchain), plan, samples)
    slow = LearningReference(qnet.copy(), options)
    for sample, (outputs, learned) in zip(samples, found, strict=True):
        assert np.array_equal(np.array(slow.sample(*sample, as_rate(1.0), as_rate(3.0))), outputs)
        for i, layer in enumerate(slow.layers):
            weights = np.hstack([c.tensor() for c in layer.incoming])
            assert not layer.learns or np.array_equal(weights, learned[f"weight_{i}"])
            assert not layer.parameters or np.array_equal(layer.neurons.per_neuron, learned[f"neuron_{i}"])
    assert slow.updates >= 4


def halved(gradient: Any, state: Any, rate: Any, limit: Any, average_shift: Any, step: Any) -> None:
    """Half the rate against the sign of gradients above the largest of the update before, in their row."""
    largest, times = state
    n, m = gradient.shape
    now = np.zeros(n, np.int64)
    for i in range(n):
        for j in range(m):
            size = gradient[i, j] if gradient[i, j] > 0 else -gradient[i, j]
            now[i] = max(now[i], size)
            if size > largest[i]:
                step[i, j] = (rate >> 1) * (1 * (gradient[i, j] > 0) - 1 * (gradient[i, j] < 0))
                times[i, j] += 1
        largest[i] = now[i]


def kept_by_halved(n: int, m: int, accumulator_bits: int) -> dict[str, StateArray]:
    return {"largest": StateArray((n,), accumulator_bits - 1), "times": StateArray((n, m), 63)}


def no_real_form(*given: Any) -> Array:
    raise AssertionError("no float network learns here")


def assert_samples_alike(fast: LearnLibrary, slow: LearningReference, x: Any, label: Any, scored: Any) -> None:
    """Every readout, and all that is kept after each sample."""
    for i in range(len(x)):
        sample = x[i], label[i], scored[i], RATE, PARAMETER_RATE
        assert np.array_equal(np.array(slow.sample(*sample)), fast.sample(*sample))
        found = dict(kept(fast))
        for name, array in reference_kept(slow).items():
            assert np.array_equal(array, found[name]), name


@needs_gcc
def test_an_update_rule_is_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that C has never seen: its kernel becomes C from its source."""
    rule = UpdateRule("halved", "", kept_by_halved, halved, no_real_form)
    monkeypatch.setitem(UPDATES, "halved", rule)
    case = Case(options={"rule": "halved", "parameters": ("all",)})
    qnet, options = case.network("brf", 14), learn_options(case, "brf", 14)
    x, label, scored = labelled(14, qnet, 4)
    fast, slow = LearnLibrary(qnet, options, tmp_path, QUICK), LearningReference(qnet.copy(), options)
    assert_samples_alike(fast, slow, x, label, scored)
    assert all(any(np.any(state[key]) for state in slow.averages.values()) for key in ("largest", "times"))


def winner_and_label(output: Any, label: Any, table: Any, fraction: Any, bits: Any, error: Any) -> None:
    """Only the winner and the label learn, where they differ."""
    best = 0
    for k in range(output.shape[0]):
        if output[k] > output[best]:
            best = k
    if best != label:
        error[best] = (1 << (bits - 1)) - 1
        error[label] = -((1 << (bits - 1)) - 1)


@needs_gcc
def test_an_error_that_leaves_entries_out_leaves_them_at_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ERRORS, "softmax", OutputError("softmax", "", winner_and_label, no_real_form))
    case = Case(
        profile={"learning__error": "softmax"}, options={"rule": "sign", "update_on": "step", "update_every": 5}
    )
    qnet, options = case.network("lif", 14), learn_options(case, "lif", 14)
    x, label, scored = labelled(14, qnet, 4)
    fast, slow = LearnLibrary(qnet, options, tmp_path, QUICK), LearningReference(qnet.copy(), options)
    assert_samples_alike(fast, slow, x, label, scored)


def test_networks_that_cannot_learn_are_refused(tmp_path: Path) -> None:
    qnet = Case().network("lif", 15)
    with pytest.raises(InputError, match=r"IntegerNetwork, rule: a quantized network"):
        write_learning(qnet.integer(), LearnOptions(), tmp_path)
    with pytest.raises(InputError, match=r"unknown layer 'layers.7'"):
        write_learning(qnet, LearnOptions(layers=("layers.7",)), tmp_path)
    model = replace(qnet.layers[1].model, fixed_jacobian=no_integer_form, psi_index=None, learned=None)
    qnet = qnet.with_layers({1: replace(qnet.layers[1], model=model)})
    with pytest.raises(InputError, match=r"layers.1: neuron 'lif' has no integer Jacobian"):
        write_learning(qnet, LearnOptions(), tmp_path)
    assert not list(tmp_path.iterdir())


@needs_gcc
def test_the_library_takes_no_number_that_c_would_cut_off(tmp_path: Path) -> None:
    qnet = Case().network("lif", 15)
    chip, limit = LearnLibrary(qnet, LearnOptions(), tmp_path, QUICK), input_limit(LearningPlan(qnet, LearnOptions()))
    x, label, scored = np.zeros((3, qnet.inputs), np.int64), np.zeros(3, np.int64), np.ones(3, bool)
    large = x.copy()
    large[1, 0] = -limit - 1
    for call in (chip.sample, chip.stream):
        with pytest.raises(InputError, match=rf"magnitudes up to {limit + 1}, rule: at most {limit} "):
            call(large, label, scored, RATE)
        with pytest.raises(InputError, match=r"rate = 4294967297, rule: an integer .* 0 to 134217728"):
            call(x, label, scored, (1 << 32) + 1)
        with pytest.raises(InputError, match=r"parameter_rate = -1, rule"):
            call(x, label, scored, RATE, -1)
        with pytest.raises(InputError, match=rf"labels 0 to {1 << 32}, rule: 0 to {qnet.output_size - 1} where scored"):
            call(x, label + np.array([0, 0, 1 << 32]), scored, RATE)
        with pytest.raises(InputError, match=rf"x of shape \(3, {qnet.inputs - 1}\), rule: \(steps, {qnet.inputs}\)"):
            call(x[:, 1:], label, scored, RATE)
    with pytest.raises(InputError, match=r"magnitudes up to"):
        chip.step(large[1], 0, True)
    with pytest.raises(InputError, match=r"magnitudes up to"):
        chip.infer(large)
    # what does not count may be any label; and nothing that was refused left a trace
    first = chip.sample(x + 1, np.array([0, -1, 1 << 40]), np.array([True, False, False]), RATE)
    slow = LearningReference(qnet.copy(), LearnOptions())
    assert np.array_equal(first, slow.sample(x + 1, [0, 0, 0], [True, False, False], RATE))
