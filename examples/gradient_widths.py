"""How many bits learning needs: gradients in integers against float's along the same spikes, over the widths.

    python examples/gradient_widths.py            about a minute
    python examples/gradient_widths.py --quick    a few seconds, one model, few widths

For each neuron model a network of two recurrent hidden layers with random weights, firing at a few percent. A number
is the smallest gradient cosine of its connections, mean over samples, at one width while all others stay as profile
loihi2 has them.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from hypr_neuro.comparing.probes import probe
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.train.initial import scale_to_rate

MODELS: dict[str, dict[str, Any]] = {
    "lif": {"dv": [0.03, 0.2]},
    "alif": {"tau_u": [10, 30], "tau_a": [60, 200]},
    "se_adlif": {"tau_u": [5, 25], "tau_w": [60, 300], "a": [0, 1], "b": [0, 1]},
    "brf": {"omega": [5, 10], "b_offset": [0.1, 1]},
}
# a name and, for each width of the study, the fields of the profile that it sets
STUDIES: dict[str, tuple[str, list[int]]] = {
    "coefficients (coefficient_bits) and eligibilities (eligibility_fraction = 4 less)": ("both", [12, 13, 14, 15, 16]),
    "eligibilities (eligibility_fraction)": ("eligibility_fraction", [2, 4, 6, 8, 10, 12]),
    "ψ (psi_bits)": ("psi_bits", [3, 4, 5, 6, 8, 16]),
    "error (error_bits)": ("error_bits", [2, 3, 4, 6, 8, 16]),
    "learning signals (signal_bits)": ("signal_bits", [6, 8, 10, 12, 14, 16, 24]),
}
SAMPLES, STEPS, INPUTS, CLASSES = 2, 150, 12, 4


def data(seed: int) -> SequenceData:
    """Random spikes at 15 %."""
    rng = np.random.default_rng(seed)
    x = (rng.random((SAMPLES, STEPS, INPUTS)) < 0.15).astype(np.int8)
    return SequenceData("noise", x, rng.integers(0, CLASSES, SAMPLES), np.array(["train"] * SAMPLES), CLASSES)


def network(model: str, layers: int, given: SequenceData) -> Network:
    """Random weights, scaled so that every hidden layer fires."""
    hidden = {"neuron": model, "size": 16, "recurrent": True, "params": MODELS[model]}
    net = Network.build({"inputs": INPUTS, "outputs": CLASSES, "layers": [hidden] * layers}, seed=1)
    scale_to_rate(net, given.x, 0.03)
    return net


def with_width(profile: Profile, field: str, bits: int) -> Profile:
    """The profile with one width changed; "both" stands for those of coefficients and eligibilities."""
    plain = profile.dump()
    value = {"value": bits, "unit": "bit", "source": "study"}
    if field == "both":
        plain["precision"]["coefficient_bits"] = value
        plain["learning"]["eligibility_fraction"] = value | {"value": bits - 4}
    else:
        plain["learning"][field] = value
    return parse_profile(plain, "study")


def least_cosine(net: Network, profile: Profile, given: SequenceData) -> float:
    """Smallest cosine of any connection."""
    qnet = quantize(net, profile, calibration=given)
    return min(probe(net, qnet, given, forms=("along",)).cosine.values())


def main(quick: bool) -> None:
    """Print one table for the profiles as they are and one for each width."""
    given, models = data(1), ["brf"] if quick else list(MODELS)
    print(f"{'profiles as they are':24}" + "".join(f"{m:>12}" for m in models))
    for name in ("loihi2",) if quick else ("loihi1", "loihi2", "ideal"):
        for layers in (1,) if quick else (1, 2):
            found = [least_cosine(network(m, layers, given), load_profile(name), given) for m in models]
            print(f"{name}, {layers} hidden      "[:24].ljust(24) + "".join(f"{c:12.5f}" for c in found), flush=True)
    nets, base = {m: network(m, 2, given) for m in models}, load_profile("loihi2")
    for title, (field, widths) in STUDIES.items():
        print(f"\n{title}\n{'bits':24}" + "".join(f"{m:>12}" for m in models))
        for bits in widths[-2:] if quick else widths:
            found = [least_cosine(nets[m], with_width(base, field, bits), given) for m in models]
            print(f"{bits:<24}" + "".join(f"{c:12.5f}" for c in found), flush=True)


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
