"""The counts of `hn.complexity` are those that NeuroBench's own metrics find in the same weights and messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_quantized

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-lava-dl` has it")
workload = pytest.importorskip("neurobench.metrics.workload", reason="NeuroBench is not installed")
static = pytest.importorskip("neurobench.metrics.static", reason="NeuroBench is not installed")

Array = Any
SAMPLES, STEPS = 3, 40


def network(model: str) -> QuantizedNetwork:
    """Two layers, recurrent, a third of the weights 0."""
    qnet = random_quantized(model, 5, "loihi2", hidden=(10, 8))
    rng = np.random.default_rng(1)
    for c in qnet.connections:
        assert isinstance(c.mantissa, np.ndarray)
        columns = c.mantissa.shape[1] - int(c.bias_axon)
        c.mantissa[:, :columns] *= rng.random((c.mantissa.shape[0], columns)) < 0.67
    return qnet


def own_steps(qnet: QuantizedNetwork, x: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """What every source sends and every membrane is, (T, sample, n), in the steps in which the sample is there."""
    names = {p.name: p.model.state_names[p.model.membrane_state] for p in qnet.populations}
    record = ("spikes", *(f"{p}/{state}" for p, state in names.items()))
    trace = simulate(qnet, x, record)
    first = qnet.clock.latencies
    sent = {name: z[first[name] : first[name] + STEPS] for name, z in trace.spikes.items()}
    held = {p: trace.states[p][state][first[p] : first[p] + STEPS] for p, state in names.items()}
    return sent | {"input": x.transpose(1, 0, 2)}, held


def linear(weights: Array) -> Any:
    layer = torch.nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    layer.weight.data = torch.tensor(weights.astype(np.float32))
    return layer


def connection_hook(weights: Array, sent: Array) -> Any:
    nothing = SimpleNamespace(remove=lambda: None)
    inputs = [(torch.tensor(step.astype(np.float32)),) for step in sent]
    return SimpleNamespace(inputs=inputs, layer=linear(weights), hook=nothing, register_hook=lambda: None)


def neuron_hook(spikes: Array | None, membrane: Array) -> Any:
    after = [torch.tensor(v) for v in membrane]
    outputs = [] if spikes is None else [torch.tensor(z) for z in spikes]
    # before a step stands what the step before left
    return SimpleNamespace(
        layer=object(),
        activation_outputs=outputs,
        pre_fire_mem_potential=[after[0], *after[:-1]],
        post_fire_mem_potential=after,
    )


@pytest.mark.parametrize("model", ["lif", "brf", "se_adlif"])
@pytest.mark.parametrize("numbers", [False, True], ids=["spikes", "numbers"])
def test_counts_are_neurobenchs(model: str, numbers: bool) -> None:
    qnet = network(model)
    x = np.random.default_rng(2).integers(0, 4 if numbers else 2, (SAMPLES, STEPS, qnet.inputs))
    x[:, :, 0] = 3 if numbers else x[:, :, 0]  # NeuroBench looks at every step by itself
    sent, held = own_steps(qnet, x)
    weights = [c.mantissa[:, : c.mantissa.shape[1] - int(c.bias_axon)] for c in qnet.connections]
    model_of = SimpleNamespace(
        connection_hooks=[connection_hook(w, sent[c.source]) for w, c in zip(weights, qnet.connections, strict=True)],
        activation_hooks=[neuron_hook(sent.get(name), v) for name, v in held.items()],
        __net__=lambda: torch.nn.Sequential(*map(linear, weights)),
    )
    data = (torch.zeros(SAMPLES), None)
    operations = workload.SynapticOperations()(model_of, None, data)
    found = hn.complexity(qnet, x)
    assert found.dense_operations == operations["Dense"]
    assert found.effective_acs == pytest.approx(operations["Effective_ACs"], rel=1e-12)
    assert found.effective_macs == pytest.approx(operations["Effective_MACs"], rel=1e-12)
    assert (found.effective_macs > 0) == numbers
    assert found.membrane_updates == pytest.approx(workload.MembraneUpdates()(model_of, None, data), rel=1e-12)
    assert found.activation_sparsity == pytest.approx(workload.ActivationSparsity()(model_of, None, data), rel=1e-12)
    assert round(found.connection_sparsity, 4) == static.ConnectionSparsity()(model_of)
