"""`hypr-neuro check`: verdicts, inputs that overflow when they are run, exit codes, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters

pytestmark = pytest.mark.once

VERDICTS = {"cannot overflow", "overflows", "not proved"}


def leaky(weight: int, exponent: int = 0) -> IntegerNetwork:
    """One readout behind two channels, a leak of an eighth."""
    p = Population.of("out", "cuba_li", 1, keep_u=0, dv=4096, bias=0, k=15, f=8, i_shift=0, bits=16, rounding=2)
    weights = np.array([[weight, -weight]])
    return IntegerNetwork(2, (p,), (Synapses(INPUT, "out", weights, exponent=exponent),), 0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A file of a readout whose state, 8 times 100 · 2^6, leaves its 16 bits."""
    path = tmp_path / "integer.h5"
    leaky(100, 6).save(path)
    return path


def test_what_cannot_overflow_is_proved() -> None:
    found = hn.check(leaky(100))
    assert found.safe
    (v,) = [b for b in found.bounds if b.quantity == "v"]
    assert (v.high, v.seen_high, v.proved, v.declared) == (
        797,
        797,
        11,
        16,
    )
    assert "cannot overflow" in repr(found)


def test_an_overflow_is_shown_by_an_input_that_counts_it() -> None:
    network = leaky(100, 6)
    found = hn.check(network)
    (v,) = [b for b in found.bounds if b.quantity == "v"]
    assert (v.verdict, v.proved) == ("overflows", 17)
    assert v.example is not None
    example = found.examples[v.example]
    assert hn.simulate(network, example.x[None]).events["out"]["v saturated"] == example.count > 0


def test_a_sum_past_its_accumulator_is_shown() -> None:
    found = hn.check(leaky(100), accumulator_bits=7)
    (total,) = [b for b in found.bounds if b.quantity == "sum"]
    assert (total.verdict, total.proved, total.declared) == ("overflows", 8, 7)
    assert total.example is not None
    assert np.array_equal(found.examples[total.example].x, [[1, 0]])


def test_wider_inputs_widen_bounds() -> None:
    narrow, wide = hn.check(leaky(10)), hn.check(leaky(10), inputs=(-3, 5))
    assert [b.high for b in wide.bounds if b.quantity == "current"] == [80]
    assert wide.inputs == (-3, 5)
    assert all(a.proved < b.proved for a, b in zip(narrow.bounds, wide.bounds, strict=True) if a.quantity == "v")
    held = hn.check(leaky(10), data=np.array([[[4, 0], [0, 2]]]))
    assert held.inputs == (0, 4)


def test_a_file_gives_a_table_and_json(saved: Path) -> None:
    done = called("check", saved)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if str(saved) not in line), done.stdout
    for text in ("number", "proved", "verdict", "overflows", "out.v (1 neurons): input 1 overflows it; 17 bits"):
        assert text in done.stdout
    told = answer("check", saved, run=called)
    assert told["safe"] is False
    assert {b["verdict"] for b in told["bounds"]} <= VERDICTS


def test_strict_has_an_exit_code(saved: Path, tmp_path: Path) -> None:
    assert called("check", saved, "--strict").returncode == 2
    leaky(100).save(tmp_path / "safe.h5")
    done = called("check", tmp_path / "safe.h5", "--strict")
    assert done.returncode == 0
    assert "can overflow, whatever the input" in done.stdout


@pytest.mark.filterwarnings("ignore:.*saturated in:hypr_neuro.errors.HyprWarning")
def test_inputs_that_overflow_are_written_and_run(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "overflows.npz"
    assert called("check", saved, "--examples", path).returncode == 0
    told = answer("simulate", saved, "--data", path, "--predictions", tmp_path / "p.csv", run=called)
    assert told["saturations_and_wraps"]["out"]["v_saturated"] > 0


def test_a_quantized_network_is_checked_with_data_and_learning(run: Path, data: Path) -> None:
    told = answer("check", run / "quantized.h5", "--data", data, "--learn", "--steps", "10", run=called)
    quantities = {b["quantity"] for b in told["bounds"]}
    assert {"sum", "current", "eligibility", "effect", "gradient", "Jacobian entries"} <= quantities
    assert all(b["seen_bits"] is None or b["proved"] is None or b["seen_bits"] <= b["proved"] for b in told["bounds"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--inputs", "1"), "--inputs 1, rule: LOW:HIGH"),
        (("--inputs", "2:1"), "--inputs 2:1, rule: LOW:HIGH"),
        (("--inputs", "0:999999999"), r"inputs = 0..999999999, rule: at most"),
        (("--accumulator-bits", "99"), "accumulator_bits = 99, rule: 2 to 32"),
        (("--examples", "x.csv"), "--examples x.csv, rule: the name of a file that ends in .npz"),
        (("--encode", "rate"), "give --data, too"),
        (("--learn",), "learning: of a QuantizedNetwork"),
        (("--steps", "5"), "--steps 5 is of gradients, which --learn bounds"),
    ],
)
def test_bad_options_are_refused(saved: Path, options: tuple[str, ...], text: str) -> None:
    assert text in refusal("check", saved, *options, run=called)


def test_floats_and_other_files_are_refused(run: Path, tmp_path: Path) -> None:
    line = refusal("check", run / "network.h5", run=called)
    assert "holds a float network, rule: an integer network; `hypr-neuro quantize" in line
    (tmp_path / "no.h5").write_bytes(b"no")
    refusal("check", tmp_path / "no.h5", run=called)
    refusal("check", tmp_path / "missing.h5", run=called)


def test_a_network_of_others_is_checked(shared_data: Path) -> None:
    """The NIR paper's recurrent Braille network."""
    file = shared_data / "nir_paper" / "03_rnn" / "braille_noDelay_bias_zero.nir"
    net = hn.import_nir(file, dt=1e-4, reset="zero").graph
    qnet = hn.quantize(net, "loihi2", calibration={p.name: 8.0 for p in net.populations})
    found = hn.check(qnet)
    assert {b.verdict for b in found.bounds if b.quantity in ("sum", "current")} == {"cannot overflow"}
    seen = [(b.seen_bits, b.proved) for b in found.bounds if b.seen_bits is not None and b.proved is not None]
    assert seen
    assert all(few <= most for few, most in seen)


def test_a_neuron_that_never_leaves_the_rules_of_loihi_is_proved_in_both_modes() -> None:
    for overflow in ("lava", "hardware"):
        p = Population.of("p", "lif", 1, **lif_parameters(2000, 1000, 500, overflow=overflow))
        network = IntegerNetwork(1, (p,), (Synapses(INPUT, "p", np.array([[40]])),))
        found = hn.check(network)
        assert found.safe, found
