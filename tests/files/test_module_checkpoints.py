"""State dicts of snnTorch, Sinabs and adaptive networks: every spike is that of the program's own equations.

The equations are written down here as the programs compute them (snnTorch 1.0, Sinabs 3.1, Yin et al. 2021).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints import import_checkpoint

Array = Any
Arrays = dict[str, Any]
INPUTS, HIDDEN, OUTPUTS, STEPS = 6, 8, 4, 80
SUBTRACT, ZERO, NONE = 0, 1, 2


def save(folder: Path, arrays: Arrays) -> Path:
    np.savez(folder / "net.npz", **{name: np.asarray(values) for name, values in arrays.items()})
    return folder / "net.npz"


def linear(rng: np.random.Generator, name: str, post: int, pre: int, factor: float) -> Arrays:
    scale = factor / np.sqrt(pre)
    weight, bias = rng.uniform(-scale, scale, (post, pre)), rng.uniform(-scale, scale, post)
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def spikes_in(seed: int) -> Array:
    return (np.random.default_rng(seed).random((3, STEPS, INPUTS)) < 0.4).astype(float)


def ran(net: hn.Network, x: Array) -> tuple[Array, Array]:
    """Hidden spikes (sample, T, n) and outputs."""
    trace = hn.float_trace(net, x, record=("spikes",), dtype=np.float64)
    return trace.spikes[net.populations[0].name].transpose(1, 0, 2), trace.readout


# ---------------------------------------------------------------- snnTorch


def snn_arrays(seed: int, reset: int, last: int = NONE, kind: str = "leaky", graded: float = 1.0) -> Arrays:
    rng = np.random.default_rng(seed)
    arrays = linear(rng, "fc1", HIDDEN, INPUTS, 3.0)
    arrays |= {
        "lif1.threshold": rng.uniform(0.4, 0.7, HIDDEN),
        "lif1.graded_spikes_factor": graded,
        "lif1.reset_mechanism_val": reset,
        "lif1.beta": rng.uniform(0.4, 1.2, HIDDEN),  # snnTorch clamps it to 1
    }
    if kind == "synaptic":
        arrays["lif1.alpha"] = 0.5
    elif kind == "recurrent":
        arrays |= linear(rng, "lif1.recurrent", HIDDEN, HIDDEN, 1.0)
    elif kind == "one to one":
        arrays |= {"lif1.V": 0.3, "lif1.recurrent.V": 0.3}
    arrays |= linear(rng, "fc2", OUTPUTS, HIDDEN, 2.0)
    own = {"threshold": 0.5, "graded_spikes_factor": 1.0, "reset_mechanism_val": last, "beta": 0.8}
    return arrays | {f"lif2.{name}": value for name, value in own.items()}


class SnnNeurons:
    """One module, as its forward() computes it."""

    def __init__(self, arrays: Arrays, name: str, delayed: bool) -> None:
        self.get = lambda key, default=None: arrays.get(f"{name}.{key}", default)
        self.mem = self.syn = self.spk = 0.0
        self.delayed = delayed
        self.recurrent = any(self.get(key) is not None for key in ("recurrent.weight", "V"))

    def step(self, current: Array) -> tuple[Array, Array]:
        vth, reset_kind = self.get("threshold"), self.get("reset_mechanism_val")
        beta, alpha = np.clip(self.get("beta"), 0, 1), self.get("alpha")
        if self.get("recurrent.weight") is not None:
            current = current + self.spk @ self.get("recurrent.weight").T if np.ndim(self.spk) else current
            current = current + self.get("recurrent.bias")
        elif self.get("V") is not None:
            current = current + self.get("V") * self.spk
        reset = np.asarray(self.mem > vth, float)
        whole = alpha is not None or self.recurrent  # Leaky alone keeps what arrives in the step of the reset
        if reset_kind == ZERO and not whole:
            self.mem = (1 - reset) * self.mem
        self.syn = current if alpha is None else alpha * self.syn + current
        self.mem = beta * self.mem + self.syn
        if reset_kind == ZERO and whole:
            self.mem = self.mem - reset * self.mem
        if reset_kind == SUBTRACT:
            self.mem = self.mem - reset * vth
        fired = np.asarray(self.mem > vth, float)
        self.spk = fired * self.get("graded_spikes_factor")
        if not self.delayed and reset_kind != NONE:
            again = fired - reset
            self.mem = self.mem - again * (vth if reset_kind == SUBTRACT else self.mem)
        return self.spk, self.mem


def snn_run(arrays: Arrays, x: Array, delayed: bool = True) -> tuple[Array, Array, Array]:
    first, second = SnnNeurons(arrays, "lif1", delayed), SnnNeurons(arrays, "lif2", delayed)
    hidden, out, mem = [], [], []
    for t in range(x.shape[1]):
        z, _ = first.step(x[:, t] @ arrays["fc1.weight"].T + arrays["fc1.bias"])
        y, m = second.step(z @ arrays["fc2.weight"].T + arrays["fc2.bias"])
        for kept, value in ((hidden, z), (out, y), (mem, m)):
            kept.append(value)
    return tuple(np.stack(part, axis=1) for part in (hidden, out, mem))


@pytest.mark.parametrize(
    ("options", "delayed"),
    [
        ({"reset": SUBTRACT}, True),
        ({"reset": ZERO}, True),
        ({"reset": NONE}, True),
        ({"reset": SUBTRACT, "graded": 1.7}, True),
        ({"reset": SUBTRACT, "kind": "recurrent", "graded": 0.6}, True),
        ({"reset": NONE, "kind": "one to one"}, True),
        ({"reset": SUBTRACT, "kind": "one to one"}, True),
        ({"reset": ZERO, "kind": "synaptic"}, False),
        ({"reset": ZERO, "kind": "synaptic"}, True),
        ({"reset": SUBTRACT, "kind": "synaptic"}, True),
        ({"reset": ZERO, "kind": "recurrent"}, True),
        ({"reset": SUBTRACT, "last": SUBTRACT}, True),
        ({"reset": ZERO, "last": ZERO}, False),
    ],
    ids=str,
)
def test_every_spike_is_snntorchs(options: dict[str, Any], delayed: bool, tmp_path: Path) -> None:
    arrays, x = snn_arrays(3, **options), spikes_in(4)
    net, summary = import_checkpoint(save(tmp_path, arrays), reset_delay=delayed)
    hidden, out, mem = snn_run(arrays, x, delayed)
    found, outputs = ran(net, x)
    assert np.array_equal(found, hidden != 0)
    assert 0.05 < (hidden != 0).mean() < 0.9
    if options.get("last", NONE) == NONE:
        assert np.abs(outputs - mem).max() < 1e-12  # the readout of the membrane
        assert net.populations[1].model.name == "cuba_li"
    else:
        assert np.array_equal(outputs, out != 0)
        assert out.any()
    assert f"reset_delay ({delayed} here" in summary.caution
    assert summary.sizes == (INPUTS, HIDDEN, OUTPUTS)
    late = delayed and (options["reset"] == SUBTRACT or (options["reset"] == ZERO and "kind" in options))
    assert net.populations[0].model.name == ("lif_reset" if late else "lif")
    assert net.populations[0].model.name in net.notes["checkpoint"]["neuron"]


def test_a_subtraction_with_the_spike_is_snntorchs_below_two_thresholds(tmp_path: Path) -> None:
    arrays, x = snn_arrays(3, SUBTRACT), spikes_in(4)
    # currents of at most a threshold, and so potentials of at most 1.6
    weight, bias = (np.abs(arrays[name]) for name in ("fc1.weight", "fc1.bias"))
    factor = arrays["lif1.threshold"] / (weight.sum(axis=1) + bias)
    arrays |= {"fc1.weight": weight * factor[:, None], "fc1.bias": bias * factor, "lif1.beta": 0.6}
    hidden, _, _ = snn_run(arrays, x, delayed=False)
    found, _ = ran(import_checkpoint(save(tmp_path, arrays), reset_delay=False)[0], x)
    assert np.array_equal(found, hidden != 0)
    assert hidden.mean() > 0.02


def test_a_linear_module_at_the_end_is_a_readout_without_memory(tmp_path: Path) -> None:
    arrays = {name: values for name, values in snn_arrays(3, SUBTRACT).items() if not name.startswith("lif2")}
    net, _ = import_checkpoint(save(tmp_path, arrays))
    hidden, outputs = ran(net, spikes_in(5))
    assert np.abs(outputs - (hidden @ arrays["fc2.weight"].T + arrays["fc2.bias"])).max() < 1e-12


# ---------------------------------------------------------------- Sinabs


def sinabs_arrays(seed: int, kind: str = "lif", last: str = "leak") -> Arrays:
    rng = np.random.default_rng(seed)
    arrays = linear(rng, "0", HIDDEN, INPUTS, 12.0)
    if kind == "alpha":
        arrays["1.alpha_mem"] = 0.9
    elif kind != "iaf":
        arrays["1.tau_mem"] = rng.uniform(3, 20, HIDDEN)
    if kind == "synaptic":
        arrays["1.tau_syn"] = 4.0
    if kind == "floor":
        arrays["1.min_v_mem"] = -0.1
    arrays |= {"1.spike_threshold": 0.8, "1.v_mem": np.zeros((5, HIDDEN))}
    if kind == "recurrent":
        arrays |= linear(rng, "1.rec_connect", HIDDEN, HIDDEN, 6.0)
    arrays |= linear(rng, "2", OUTPUTS, HIDDEN, 4.0) | {"3.tau_mem": 15.0, "3.v_mem": np.zeros(0)}
    return arrays if last == "leak" else arrays | {"3.spike_threshold": 0.3}


def sinabs_run(arrays: Arrays, x: Array, reset: str, norm: bool | None) -> tuple[Array, Array]:
    def layer(k: int, inputs: Array) -> Array:
        get = {n.removeprefix(f"{k}."): v for n, v in arrays.items() if n.startswith(f"{k}.")}
        alpha = get.get("alpha_mem", np.exp(-1 / get["tau_mem"]) if "tau_mem" in get else 1.0)
        syn = np.exp(-1 / get["tau_syn"]) if "tau_syn" in get else None
        vth = get.get("spike_threshold")
        normed = ("tau_mem" in get or "alpha_mem" in get) and (vth is not None if norm is None else norm)
        v = i = back = np.zeros(inputs[:, 0].shape)
        out = []
        for t in range(inputs.shape[1]):
            total = inputs[:, t] + back
            i = total if syn is None else syn * (i + total)
            v = alpha * v + ((1 - alpha) * i if normed else i)
            if vth is None:
                out.append(v.copy())
                continue
            z = np.asarray(v - vth >= 0, float)
            v = v - vth * z if reset == "subtract" else v * (1 - z)
            v = np.maximum(v, get.get("min_v_mem", -np.inf))
            out.append(z)
            if "rec_connect.weight" in get:
                back = z @ get["rec_connect.weight"].T + get["rec_connect.bias"]
        return np.stack(out, axis=1)

    hidden = layer(1, x @ arrays["0.weight"].T + arrays["0.bias"])
    return hidden, layer(3, hidden @ arrays["2.weight"].T + arrays["2.bias"])


@pytest.mark.parametrize("norm", [None, True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("lif", "leak"),
        ("synaptic", "leak"),
        ("alpha", "spikes"),
        ("iaf", "spikes"),
        ("recurrent", "leak"),
        ("floor", "leak"),
    ],
)
def test_every_spike_is_sinabs(kind: str, last: str, reset: str, norm: bool | None, tmp_path: Path) -> None:
    arrays, x = sinabs_arrays(6, kind, last), spikes_in(7)
    net, summary = import_checkpoint(save(tmp_path, arrays), reset=reset, norm_input=norm)
    hidden, out = sinabs_run(arrays, x, reset, norm)
    found, outputs = ran(net, x)
    assert np.array_equal(found, hidden)
    assert 0.01 < hidden.mean() < 0.99
    assert np.abs(outputs - out).max() < 1e-12
    assert summary.left_out == {"1.v_mem": "state of a run", "3.v_mem": "state of a run"}
    assert f"reset ({reset} here)" in summary.caution


# ---------------------------------------------------------------- adaptive networks


def adaptive_arrays(seed: int, layers: int) -> Arrays:
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for k in range(1, layers + 1):
        suffix, place = ("", "h") if layers == 1 else (f"_{k}", f"h{k}")
        arrays |= linear(rng, f"i2h{suffix}", HIDDEN, INPUTS if k == 1 else HIDDEN, 6.0)
        if k == 1:
            arrays |= linear(rng, f"h2h{suffix}", HIDDEN, HIDDEN, 1.0)
        arrays |= {f"tau_m_{place}": rng.uniform(3, 20, HIDDEN), f"tau_adp_{place}": rng.uniform(5, 50, HIDDEN)}
    suffix = "" if layers == 1 else f"_{layers}"
    arrays |= linear(rng, f"h2o{suffix}", OUTPUTS, HIDDEN, 2.0)
    return arrays | {"tau_m_o": rng.uniform(3, 20, OUTPUTS), "tau_adp_o": np.full(OUTPUTS, 100.0)}


def adaptive_run(arrays: Arrays, x: Array, layers: int) -> tuple[Array, Array]:
    first, inputs = None, x
    for k in range(1, layers + 1):
        suffix, place = ("", "h") if layers == 1 else (f"_{k}", f"h{k}")
        alpha, rho = (np.exp(-1 / arrays[f"tau_{name}_{place}"]) for name in ("m", "adp"))
        mem = spike = b = np.zeros((len(x), HIDDEN))
        out = []
        for t in range(x.shape[1]):
            current = inputs[:, t] @ arrays[f"i2h{suffix}.weight"].T + arrays[f"i2h{suffix}.bias"]
            if f"h2h{suffix}.weight" in arrays:
                current = current + spike @ arrays[f"h2h{suffix}.weight"].T + arrays[f"h2h{suffix}.bias"]
            b = rho * b + (1 - rho) * spike
            threshold = 0.01 + 1.8 * b
            mem = mem * alpha + (1 - alpha) * current - threshold * spike
            spike = np.asarray(mem - threshold > 0, float)
            out.append(spike)
        inputs = np.stack(out, axis=1)
        first = inputs if first is None else first
    kappa, mem, result = np.exp(-1 / arrays["tau_m_o"]), 0.0, []
    suffix = "" if layers == 1 else f"_{layers}"
    for t in range(x.shape[1]):
        mem = kappa * mem + (1 - kappa) * (inputs[:, t] @ arrays[f"h2o{suffix}.weight"].T + arrays[f"h2o{suffix}.bias"])
        result.append(mem)
    return first, np.stack(result, axis=1)


@pytest.mark.parametrize("layers", [1, 3])
def test_adaptive_networks_of_one_and_several_layers(layers: int, tmp_path: Path) -> None:
    arrays, x = adaptive_arrays(8, layers), spikes_in(9)
    net, summary = import_checkpoint(save(tmp_path, arrays), dt=1e-2)
    assert net.is_chain
    assert [p.model.name for p in net.populations] == ["alif"] * layers + ["li"]
    hidden, out = adaptive_run(arrays, x, layers)
    found, outputs = ran(net, x)
    assert np.array_equal(found, hidden)
    assert 0.05 < hidden.mean() < 0.9
    assert np.abs(outputs - out).max() < 1e-12
    assert summary.left_out == {"tau_adp_o": "of outputs that adapt; here they are leaky"}
    assert summary.sizes == (INPUTS, *[HIDDEN] * layers, OUTPUTS)


# ---------------------------------------------------------------- the rest of the way, and refusals


def test_what_was_read_quantizes_and_the_command_says_what_it_chose(tmp_path: Path) -> None:
    path = save(tmp_path, snn_arrays(3, SUBTRACT, kind="recurrent"))
    done = answer("import", path, "--out", tmp_path / "run", run=called)
    assert any("reset_delay (True here" in line for line in done["summary"])
    net = hn.Network.load(done["file"])
    x = spikes_in(4).astype(int)
    qnet = hn.quantize(net, "ideal", calibration=x)
    fixed = hn.simulate(qnet, x, record=("spikes",)).spikes["lif1"].transpose(1, 0, 2)[:, :STEPS]
    real, _ = ran(net, x)
    # a spiking network is chaotic: the first steps are equal, and rates stay near
    assert np.array_equal(fixed[:, :10], real[:, :10])
    assert abs(fixed.mean() - real.mean()) < 0.02
    line = refusal("import", path, "--norm-input", "--out", tmp_path / "x", run=called)
    assert "norm_input = True, rule for snnTorch: reset_delay; leave it out" in line


def changed(arrays: Arrays, drop: str = "", **more: Any) -> Arrays:
    kept = {name: values for name, values in arrays.items() if name != drop}
    return kept | {name.replace("__", "."): values for name, values in more.items()}


REFUSED: dict[str, tuple[Arrays, str]] = {
    "no reset": (
        snn_arrays(3, NONE, kind="synaptic"),
        r"module 'lif1': a synaptic current without reset, rule: .*give it",
    ),
    "reset number": (snn_arrays(3, 4), r"module 'lif1': 'reset_mechanism_val' = 4, rule: 0 subtract, 1 zero, 2 none"),
    "no beta": (changed(snn_arrays(3, 0), "lif1.beta"), r"module 'lif1': 'beta' is missing"),
    "convolution": (
        changed(snn_arrays(3, 0), fc1__weight=np.zeros((8, 1, 3, 3))),
        r"module 'fc1': 'weight' of shape \(8, 1, 3, 3\), the weights of a convolution.*NIR, rule",
    ),
    "sizes": (changed(snn_arrays(3, 0), fc2__weight=np.zeros((4, 7))), r"module 'fc2': .*\(4, 7\), rule: \(any, 8\)"),
    "normalised": (
        {**linear(np.random.default_rng(0), "fc1", 8, 6, 1.0), "bn.running_mean": np.zeros(8), **snn_arrays(3, 0)},
        r"module 'bn': unknown array 'running_mean' of shape \(8,\), known for these neurons: threshold",
    ),
    "two linear": (
        {**linear(np.random.default_rng(0), "fc0", 6, 6, 1.0), **snn_arrays(3, 0)},
        r"module 'fc1': follows the linear module 'fc0', rule: neurons between",
    ),
    "no linear": (
        changed(changed(snn_arrays(3, 0), "fc1.weight"), "fc1.bias"),
        r"module 'lif1': rule: neurons hear a linear module",
    ),
    "outside": (changed(snn_arrays(3, 0), scale=1.0), r"array 'scale', rule: 'module.array'"),
    "not finite": (changed(snn_arrays(3, 0), lif1__beta=np.nan), r"'lif1.beta' holds numbers that are not finite"),
    "per neuron": (changed(snn_arrays(3, 0), lif1__beta=np.ones(3)), r"'beta' of shape \(3,\), rule: one number, or"),
    "threshold": (
        changed(snn_arrays(3, 0), lif1__threshold=-1.0),
        r"module 'lif1': .*vth\[0\] = -1.0, rule: 0.0 < vth",
    ),
    "floor": (
        changed(sinabs_arrays(6), **{"1__min_v_mem": 0.5}),
        r"module '1': .*floor\[0\] = 0.5, rule",
    ),
    "leak inside": (
        changed(sinabs_arrays(6), "1.spike_threshold"),
        r"module '1': no 'spike_threshold', rule: ExpLeak ends the network",
    ),
    "sinabs unknown": (
        changed(sinabs_arrays(6), **{"1__tau_adapt": 9.0}),
        r"module '1': unknown array 'tau_adapt'.*export the network to NIR",
    ),
    "sinabs tau": (changed(sinabs_arrays(6), **{"1__tau_mem": 0.0}), r"module '1': 'tau_mem' = 0.0, rule: above 0"),
    "adaptive unknown": (changed(adaptive_arrays(8, 1), d2o__weight=np.ones((2, 8))), r"unknown array 'd2o.weight'"),
    "adaptive missing": (changed(adaptive_arrays(8, 1), "tau_m_h"), r"array 'tau_m_h' is missing, found"),
    "adaptive gap": (
        {name.replace("_3", "_4").replace("h3", "h4"): v for name, v in adaptive_arrays(8, 3).items()},
        r"layers i2h_1.weight, i2h_2.weight, i2h_4.weight, rule: i2h.weight alone, or",
    ),
    "adaptive shape": (
        changed(adaptive_arrays(8, 1), h2h__weight=np.ones((8, 7))),
        r"'h2h.weight' of shape \(8, 7\), rule",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(what: str, tmp_path: Path) -> None:
    arrays, message = REFUSED[what]
    with pytest.raises(InputError, match=message) as error:
        import_checkpoint(save(tmp_path, arrays))
    assert "net.npz" in str(error.value)


def test_choices_of_other_files_are_refused(tmp_path: Path) -> None:
    snn, adaptive = save(tmp_path, snn_arrays(3, 0)), tmp_path / "adaptive.npz"
    np.savez(adaptive, **adaptive_arrays(8, 1))
    with pytest.raises(InputError, match="neuron = 'brf', rule for snnTorch: reset_delay; leave it out"):
        import_checkpoint(snn, "brf")
    with pytest.raises(InputError, match="reset = 'zero', rule for i2h, h2h and h2o: no choice"):
        import_checkpoint(adaptive, reset="zero")
    with pytest.raises(InputError, match="reset = 'none', rule: subtract or zero"):
        import_checkpoint(save(tmp_path, sinabs_arrays(6)), reset="none")
