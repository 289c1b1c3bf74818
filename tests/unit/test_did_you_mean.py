"""An unknown name is told with the known one that is most like it, wherever a user gives one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hypr_neuro as hn
from hypr_neuro.devices import open_device
from hypr_neuro.errors import HyprError
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import random_quantized

SPEC = {"inputs": 3, "outputs": 2, "layers": [{"neuron": "lif", "size": 3}]}
LAYER = {"neuron": "lif", "size": 3}


def profile_of(old: str, new: str) -> Callable[[Path], object]:
    def load(folder: Path) -> object:
        path = folder / "chip.yaml"
        path.write_text(f"name: chip\ndescription: a chip\nextends: loihi2\n{old}: {new}\n", encoding="utf-8")
        return hn.load_profile(path)

    return load


def spec_file(folder: Path) -> object:
    path = folder / "net.yaml"
    path.write_text("inputs: 3\noutputs: 2\nlayers: [{neuron: lif, siz: 3}]\n", encoding="utf-8")
    return hn.Network.build(path)


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "layer key": (
        lambda _: hn.Network.build(SPEC | {"layers": [LAYER | {"recurent": True}]}),
        "'layers.0.recurent' = True: unknown key; check its spelling and place (did you mean 'recurrent'?), known: ",
    ),
    "readout key": (lambda _: hn.Network.build(SPEC | {"readout": {"tua": 3}}), "(did you mean 'tau'?), known: neuron"),
    "a missing key, misspelt": (
        lambda _: hn.Network.build({"inputs": 3, "output": 2, "layers": [LAYER]}),
        "key 'output' = 2: unknown key; check its spelling and place (did you mean 'outputs'?)",
    ),
    "YAML file": (
        spec_file,
        "'layers.0.siz' = 3: unknown key; check its spelling and place (did you mean 'size'?)",
    ),
    "section of a profile": (profile_of("learnin", "{}"), "(did you mean 'learning'?), known: name, description, "),
    "number of a profile": (
        profile_of("precision", "{weight_bit: {value: 8, unit: bit, source: here}}"),
        "key 'precision.weight_bit' = ",
    ),
    "number of a profile, hint": (
        profile_of("precision", "{weight_bit: {value: 8, unit: bit, source: here}}"),
        "(did you mean 'weight_bits'?), known: ",
    ),
    "layer to learn": (
        lambda _: LearnOptions(layers=("readuot",)).check(random_quantized("lif", 1, "loihi2")),
        "unknown layer 'readuot' (did you mean 'readout'?), known: ",
    ),
    "parameter to learn": (
        lambda _: LearnOptions(parameters=("layers.0.omga",)).check(random_quantized("brf", 1, "loihi2")),
        "parameters: 'layers.0.omga' does not learn (did you mean 'layers.0.omega'?), known: ",
    ),
    "update rule": (
        lambda _: LearnOptions(rule="factord"),
        "'factord' (did you mean 'factored'?), known: ",
    ),
    "argument of learn": (
        lambda _: hn.learn(random_quantized("lif", 1, "loihi2"), hn.load_data("cue", samples=20), epoch=1),
        "learn: unknown option 'epoch' (did you mean 'epochs'?), known: epochs, options, ",
    ),
    "field of learn": (
        lambda _: hn.learn(random_quantized("lif", 1, "loihi2"), hn.load_data("cue", samples=20), rat=1.0),
        "learn: unknown option 'rat' (did you mean 'rate'?), known: ",
    ),
    "device": (lambda _: open_device("lavaa"), "unknown device 'lavaa' (did you mean 'lava'?), known: "),
    "option of a data set": (
        lambda _: hn.load_data("cue", dealy=3),
        "data 'cue': unknown option 'dealy' (did you mean 'delay'?), known: ",
    ),
    "option of a target": (
        lambda folder: hn.compile(random_quantized("lif", 1, "loihi2"), target="netx", out=folder, alway_on="refuse"),
        "target 'netx' has no option 'alway_on' (did you mean 'always_on'?), known: ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_name_that_is_most_like_it_is_told(case: str, tmp_path: Path) -> None:
    call, message = CASES[case]
    with pytest.raises(HyprError) as caught:
        call(tmp_path)
    assert message in str(caught.value)
