"""Bounds for any input hold in every run, for every neuron; where they are exact, one less is broken."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bounded_networks import INTEGER, run_case

import hypr_neuro as hn
from hypr_neuro.bounds.network import bits_of, network_bounds
from hypr_neuro.bounds.population import population_bounds
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons import VARIANTS
from hypr_neuro.neurons.cuba_li_loihi import VARIANT as CUBA_LI_LOIHI
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.testing.integer import any_population

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = 60
"""Random networks; `tools/bound_networks.py` tries many."""
RANGES = ((-3000, 1000), (-(1 << 20), 1 << 20))


@pytest.mark.parametrize("name", INTEGER)
def test_no_neuron_leaves_its_bounds(name: str) -> None:
    """Each model of the registry, on random currents and on those that hold or turn at an end, small and large."""
    for seed, (low, high) in enumerate(RANGES):
        rng = np.random.default_rng(seed)
        p = any_population(rng, "p", name, 3)
        ends = np.full(p.size, float(low)), np.full(p.size, float(high))
        b = population_bounds(p, [ends] * p.model.currents)
        for turn in (1, 3, 17, 60, 1000):
            state, z, events = [(0,) * p.model.d] * p.size, [0] * p.size, 0
            for step in range(150):
                held = high if step // turn % 2 == 0 else low
                for i in range(p.size):
                    current = held if turn > 1 else int(rng.integers(low, high, endpoint=True))
                    own = (*map(int, p.per_neuron[:, i]), *map(int, p.constants))
                    state[i], z[i], flags = p.model.fixed_step(state[i], z[i], (current,) * p.model.currents, own)
                    events |= flags
                    inside = [lo <= v <= hi for lo, v, hi in zip(b.lo[:, i], state[i], b.hi[:, i], strict=True)]
                    assert all(inside), (seed, turn, step, i, state[i], b.lo[:, i], b.hi[:, i])
            assert not (events and b.sound.all()), (seed, turn, events)


def test_variants_are_covered() -> None:
    """The integers of other record names run on the same rules."""
    for name, model in VARIANTS.items():
        p = None
        if model is CUBA_LI_LOIHI:
            p = Population.of("p", name, 2, du1=4096, dv=400, bias=3, lava=0, k=15, scale_log2=6)
        elif name == "lif_narrow":
            p = Population.of("p", name, 2, **lif_parameters(4095, 400, 100, overflow="hardware"), up=0, bits=16)
        assert p is not None, f"variant '{name}': no parameters here; add them"
        ends = np.full(2, -50.0), np.full(2, 90.0)
        assert population_bounds(p, [ends]).sound.all(), name


def test_no_network_leaves_its_bounds() -> None:
    """Random networks with random and adversarial inputs; where nothing can overflow no counter rises."""
    broken, spare = list[str](), Counter[int]()
    for seed in range(NETWORKS):
        case = run_case(seed)
        broken += case.broken
        spare.update(bits for _, _, bits in case.spare)
    assert not broken, "\n".join(broken[:5])
    assert min(spare) >= 0
    assert spare[0] > 0.2 * spare.total()


def test_many_networks_go_on_where_they_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tool adds to its file what is missing, a line that was cut off included."""
    tool = runpy.run_path(str(ROOT / "tools" / "bound_networks.py"))
    file = tmp_path / "bounds.jsonl"
    for networks in (2, 3):
        monkeypatch.setattr("sys.argv", ["bound_networks.py", "--networks", str(networks), "--out", str(file)])
        assert tool["main"]() == 0
        lines = file.read_text().splitlines()
        assert len(lines) == networks
        assert [json.loads(line)["spare"] for line in lines] == [
            [list(state) for state in run_case(seed).spare] for seed in range(networks)
        ]
        file.write_text("\n".join([*lines[:1], lines[1][:20]]))
    assert "3 networks, 0 bounds broken; 22 states" in capsys.readouterr().out


def alone(model: str, weight: int, **values: int) -> IntegerNetwork:
    """One neuron of a model behind one input channel."""
    p = Population.of("p", model, 1, **values)
    return IntegerNetwork(1, (p,), (Synapses(INPUT, "p", np.array([[weight]])),), 0)


TIGHT = {
    "li": alone("li", 100, kappa=20000, gain=12768, k=15, i_shift=4, bits=24, rounding=2),
    "li, floored": alone("li", -77, kappa=17000, gain=15768, k=15, i_shift=6, bits=24, rounding=0),
    "cuba_li": alone("cuba_li", 90, keep_u=12000, dv=16000, bias=-5, k=15, f=10, i_shift=3, bits=24, rounding=2),
    "lif u": alone("lif", 60, **lif_parameters(1900, 2200, 50000, 7)),
}


@pytest.mark.parametrize("name", TIGHT)
def test_a_bound_made_smaller_by_one_is_broken(name: str) -> None:
    """A neuron that keeps its sign reaches its bound, so no smaller one holds."""
    network = TIGHT[name]
    b = network_bounds(network).populations["p"]
    states = b.population.model.state_names[: 1 if name == "lif u" else None]
    x = np.ones((1, 200, 1), np.int64)
    trace = hn.simulate(network, x, states)
    for i, state in enumerate(states):
        values = trace.states["p"][state]
        lo, hi = b.lo[i, 0], b.hi[i, 0]
        largest = hi if abs(hi) >= abs(lo) else lo
        assert (values == largest).any(), (state, values.min(), values.max(), lo, hi)


def test_a_turning_neuron_comes_near_its_bound() -> None:
    """Inputs in step with a resonator reach more than nine tenths of what is proved."""
    k = 15
    values = {"wd": 1311, "cd": -700, "theta": 1 << 23, "dlt": 10486, "f": 18, "k": k, "i_shift": 0, "bits": 31}
    network = alone("rf_threshold", 1000, **values, rounding=2, psi_shift=14)
    found = hn.check(network)
    (u,) = [b for b in found.bounds if b.quantity == "u"]
    assert u.verdict == "cannot overflow"
    for seen, bound in ((u.seen_high, u.high), (u.seen_low, u.low)):
        assert seen is not None
        assert bound is not None
        assert 0.9 * abs(bound) < abs(seen) <= abs(bound)


def test_what_the_rules_do_not_cover_is_refused_by_name() -> None:
    def remainder(s, z_prev, I, p):
        return (s[0] % 7 + I[0], s[1], s[2]), 0, 0

    p = any_population(np.random.default_rng(0), "p", "lif_refractory", 2)
    object.__setattr__(p, "model", replace(p.model, fixed_step=remainder))
    with pytest.raises(InputError, match=r"population 'p' \(lif_refractory\): .*%.*rule: "):
        population_bounds(p, [(np.zeros(2), np.ones(2))])


def test_bits_hold_what_they_are_of() -> None:
    ends = np.array([0.0, -1.0, -128.0, 0.0, -129.0, -np.inf]), np.array([0.0, 0.0, 127.0, 128.0, 5.0, 0.0])
    assert bits_of(*ends).tolist() == [1, 1, 8, 9, 9, -1]
