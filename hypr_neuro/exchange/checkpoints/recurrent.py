"""One recurrent layer and a leaky readout, as the programs of Higuchi et al. 2024 and Yin et al. 2021 save them.

H hidden neurons, C inputs, K outputs; names with dots or, in an .npz, with underscores in their place:

    hidden.linear.weight              (H, C + H)  columns of the inputs, then those of the layer's own previous spikes
    hidden.omega, hidden.b_offset     (H,)        BRF and RF: angular frequency and damping, by their absolute values
    hidden.tau_mem, hidden.tau_adp    (H,)        ALIF: time constants of membrane and adaptation in steps, likewise
    out.linear.weight                 (K, H)
    out.tau_mem                       (K,)        time constant of the readout in steps, likewise
    hidden.linear.mask                (H, C + H)  optional, all ones: nothing is pruned

An array of any other name is refused, and so is one that is missing, of another shape, or not finite. BRF and RF have
the same arrays: BRF is taken unless RF is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array

WEIGHT, MASK = "hidden.linear.weight", "hidden.linear.mask"
OUT_WEIGHT, OUT_TAU = "out.linear.weight", "out.tau_mem"
SHARED = (WEIGHT, OUT_WEIGHT, OUT_TAU)
READOUT = "o_t = κ o_{t-1} + (1 - κ) W_out z_t,  κ = e^{-1/|out.tau_mem|}"


@dataclass(frozen=True)
class Kind:
    """One hidden neuron: its model, where the model's parameters come from, its constants and equations in the source.

    Attributes
    ----------
    neuron
        Name of the model.
    arrays
        Parameter of the model by the array's name.
    constants
        Parameters that the file does not hold.
    absolute
        Whether the array is taken by its absolute value here, not in the model's own equations.
    equations
        As the source computes them.
    caution
        What the file cannot tell, or "".
    """

    neuron: str
    arrays: dict[str, str]
    constants: dict[str, float]
    absolute: bool
    equations: tuple[str, ...]
    caution: str = ""


KINDS = (
    Kind(
        "brf",
        {"hidden.omega": "omega", "hidden.b_offset": "b_offset"},
        {"delta": 0.01, "gamma": 0.9, "theta": 1.0},
        False,
        (
            "b_t = p(ω) - |b_offset| - q_{t-1},  p(ω) = (-1 + √(1 - (δω)²)) / δ,  ω = |omega|",
            "u_t = u_{t-1} + δ (b_t u_{t-1} - ω v_{t-1} + I_t)",
            "v_t = v_{t-1} + δ (ω u_{t-1} + b_t v_{t-1})",
            "z_t = Θ(u_t - 1 - q_{t-1}),  q_t = 0.9 q_{t-1} + z_t,  δ = 0.01",
        ),
        "RF networks of the same program have the same arrays, and neither q nor p(ω); this reads the file as BRF, "
        'neuron="rf_threshold" (--neuron rf_threshold) as RF',
    ),
    Kind(
        "rf_threshold",
        {"hidden.omega": "omega", "hidden.b_offset": "b_offset"},
        {"delta": 0.01, "theta": 1.0},
        False,
        (
            "b = -|b_offset|,  ω = |omega|",
            "u_t = u_{t-1} + δ (b u_{t-1} - ω v_{t-1} + I_t)",
            "v_t = v_{t-1} + δ (ω u_{t-1} + b v_{t-1})",
            "z_t = Θ(u_t - 1),  δ = 0.01",
        ),
        "BRF networks of the same program have the same arrays; this reads the file as RF, as asked",
    ),
    Kind(
        "alif_reset",
        {"hidden.tau_mem": "tau_u", "hidden.tau_adp": "tau_a"},
        {"b0": 0.01, "beta": 1.8},
        True,
        (
            "a_t = ρ a_{t-1} + (1 - ρ) z_{t-1},  ρ = e^{-1/|tau_adp|},  θ_t = 0.01 + 1.8 a_t",
            "u' = α u_{t-1} + (1 - α) I_t,  α = e^{-1/|tau_mem|}",
            "z_t = Θ(u' - θ_t),  u_t = u' - z_t θ_t  (the state u here is u')",
        ),
    ),
)


def network(content: Content, neuron: str | None, dt: float) -> tuple[Network, Kind]:
    """Return the network of these arrays; raise InputError naming the file, the array and the rule."""
    arrays = _dotted(content)
    kind = _kind(content, arrays, neuron)
    _check_names(content, arrays, kind)
    size, inputs = _sizes(content, arrays, kind)
    _check_mask(content, arrays)
    weight = arrays[WEIGHT]
    params = {param: np.abs(arrays[name]) if kind.absolute else arrays[name] for name, param in kind.arrays.items()}
    fixed = {name: np.full(size, value) for name, value in kind.constants.items()}
    trained, tau = tuple(kind.arrays.values()), np.abs(arrays[OUT_TAU])
    try:
        hidden = Layer(get_model(kind.neuron), weight[:, :inputs], weight[:, inputs:], None, params | fixed, trained)
        readout = Layer(get_model("li"), arrays[OUT_WEIGHT], None, None, {"tau": tau}, ("tau",))
        return Network.from_layers([hidden, readout], dt), kind
    except InputError as error:
        raise InputError(f"checkpoint '{content.path}': {error}") from error


def _dotted(content: Content) -> dict[str, Array]:
    """Return float64 arrays by their names with dots; those of unknown names keep them."""
    known = {name.replace(".", "_"): name for name in (*SHARED, MASK, *(a for kind in KINDS for a in kind.arrays))}
    by_name: dict[str, Array] = {}
    for name, array in content.arrays.items():
        dotted = known.get(name, name)
        if dotted in by_name:
            raise InputError(f"checkpoint '{content.path}': '{dotted}' is there twice, with dots and with underscores")
        with np.errstate(over="ignore"):  # a longer float beyond float64 becomes inf, refused with the shapes
            by_name[dotted] = array.astype(np.float64)
    return by_name


def _kind(content: Content, arrays: dict[str, Array], neuron: str | None) -> Kind:
    """Return the neuron whose arrays the file holds, or the one asked for."""
    known = {kind.neuron: kind for kind in KINDS}
    if neuron is not None and neuron not in known:
        raise InputError(f"neuron = '{neuron}', rule: {' or '.join(known)}, the neurons that checkpoints are read as")
    matching = [kind for kind in KINDS if any(name in arrays for name in kind.arrays)]
    forms = {tuple(kind.arrays) for kind in matching}
    if neuron is not None:
        if len(forms) == 1 and known[neuron] not in matching:
            raise InputError(
                f"checkpoint '{content.path}': {', '.join(matching[0].arrays)} are those of "
                f"{' and '.join(repr(kind.neuron) for kind in matching)}, and neuron = '{neuron}' was passed, which "
                f"has {', '.join(known[neuron].arrays)}; leave neuron out"
            )
        return known[neuron]
    if len(forms) != 1:
        wanted = "; ".join(f"{', '.join(kind.arrays)} for {kind.neuron}" for kind in KINDS)
        count = "two neurons" if matching else "no known neuron"
        raise InputError(
            f"checkpoint '{content.path}': parameters of {count}, rule: {wanted}; found: "
            f"{', '.join(content.arrays) or 'no arrays'}"
        )
    return matching[0]


def _check_names(content: Content, arrays: dict[str, Array], kind: Kind) -> None:
    """Raise InputError for an array that is unknown or missing."""
    needed = (*SHARED, *kind.arrays)
    for name, array in arrays.items():
        if name not in needed and name != MASK:
            raise InputError(
                f"checkpoint '{content.path}': unknown array '{name}' of shape {array.shape}, known for {kind.neuron}: "
                f"{', '.join(needed)}, {MASK}; if the network does without it, drop it from the file"
            )
    for name in needed:
        if name not in arrays:
            raise InputError(f"checkpoint '{content.path}': array '{name}' is missing, found: {', '.join(arrays)}")


def _sizes(content: Content, arrays: dict[str, Array], kind: Kind) -> tuple[int, int]:
    """Return (H, C); all shapes and all numbers are checked."""
    weight = arrays[WEIGHT]
    size, columns = weight.shape if weight.ndim == 2 else (0, 0)
    if not 0 < size < columns:
        raise InputError(
            f"checkpoint '{content.path}': '{WEIGHT}' of shape {weight.shape}, rule: (H, C + H) for H neurons and C "
            "inputs, both positive"
        )
    outputs = len(np.atleast_1d(arrays[OUT_TAU]))
    shapes = dict.fromkeys(kind.arrays, (size,)) | {OUT_WEIGHT: (outputs, size), OUT_TAU: (outputs,)}
    if MASK in arrays:
        shapes[MASK] = weight.shape
    for name, shape in shapes.items():
        if arrays[name].shape != shape or 0 in shape:
            raise InputError(
                f"checkpoint '{content.path}': '{name}' of shape {arrays[name].shape}, rule: {shape} for {size} hidden "
                f"neurons ('{WEIGHT}') and {outputs} outputs ('{OUT_TAU}')"
            )
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise InputError(
                f"checkpoint '{content.path}': '{name}'{list(index)} = {array[index]}, rule: finite numbers"
            )
    return size, columns - size


def _check_mask(content: Content, arrays: dict[str, Array]) -> None:
    """Drop a mask of ones, which says nothing; raise InputError for any other, which would change the weights."""
    if MASK not in arrays:
        return
    pruned = int(np.count_nonzero(arrays[MASK] != 1.0))
    if pruned:
        raise InputError(
            f"checkpoint '{content.path}': '{MASK}' differs from 1 in {pruned} entries, rule: all ones; multiply "
            f"'{WEIGHT}' by it and drop it"
        )
    content.left_out[MASK] = "all ones, nothing is pruned"
