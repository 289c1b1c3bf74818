"""Text that would like to be a program: names and descriptions change no code, encoders are refused by name."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from needed import needs_gcc

import hypr_neuro as hn
from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c.encoder import encoder_header
from hypr_neuro.compilers.c.link import DIGEST_FILE
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import random_network, random_quantized

LEAVES = "**// int evil(void) { return 1; } /**"
HOSTILE = (LEAVES, "??/\n*/ int evil; /*", '"; import os #\\', "$(shell touch evil)\n\tevil: {evil}")
ENCODERS: dict[str, tuple[Any, str]] = {
    "no rows": ({"method": "scan"}, "no 'rows'"),
    "no row": ({"method": "scan", "rows": 0}, "rows = 0, rule: a whole number, 1"),
    "levels of text": ({"method": "thermometer", "levels": "abc"}, "levels = 'abc', rule: a whole number"),
    "levels below 1": ({"method": "thermometer", "levels": -4}, "levels = -4, rule: a whole number"),
    "levels of true": ({"method": "thermometer", "levels": True}, "levels = True, rule: a whole number"),
    "very long": ({"method": "scan", "rows": 8, "hold": 1 << 40}, "hold = 1099511627776, rule: a whole number"),
    "a list": ({"method": ["a"]}, r"method = \['a'\], rule: a name"),
    "a text": ("scan", "encoder = 'scan', rule: None or a mapping"),
    "threshold of text": ({"method": "level_crossing", "threshold": LEAVES}, "rule: a finite number"),
    "no number": ({"method": "level_crossing", "threshold": float("nan")}, "threshold = nan, rule: a finite number"),
    "no scale": ({"method": "affine", "offset": 1}, "no 'scale'"),
}


def hostile(qnet: QuantizedNetwork, text: str) -> QuantizedNetwork:
    """Return the network with the text in every name, and in the name and the description of its profile."""
    names = {p.name: f"{p.name} {text}" for p in qnet.populations}
    return replace(
        qnet,
        populations=tuple(replace(p, name=names[p.name]) for p in qnet.populations),
        connections=tuple(
            replace(c, source=names.get(c.source, c.source), target=names[c.target]) for c in qnet.connections
        ),
        outputs=tuple(names[name] for name in qnet.outputs),
        profile=qnet.profile.model_copy(update={"description": text, "name": text}),
        encoder={**(qnet.encoder or {}), text: text},
        notes=[text],
    )


def program(qnet: QuantizedNetwork, folder: Path, target: str = "c", **options: Any) -> dict[str, bytes]:
    """Return what the written C is to a compiler, by file, without comments; and Makefile and Python as they are."""
    compile_network(qnet, target=target, out=folder, **options)
    if target == "c":
        (folder / "encoder.c").write_text('#include "encoder.h"\n', encoding="utf-8")
    command = ["gcc", "-std=c99", "-O0", "-w", "-E", "-P", "-I."]
    if (folder / DIGEST_FILE).exists():  # a number of all that the files say, their comments too
        (folder / DIGEST_FILE).write_text("#define HN_LINK_DIGEST {0}\n", encoding="utf-8")
    found = {}
    for path in sorted(folder.glob("*.c")):
        done = subprocess.run([*command, path.name], cwd=folder, capture_output=True, check=True)
        subprocess.run(["gcc", "-std=c99", "-w", "-c", path.name, "-o", "checked.o"], cwd=folder, check=True)
        found[path.name] = done.stdout
    return found | {p.name: p.read_bytes() for p in folder.iterdir() if p.name == "Makefile" or p.suffix == ".py"}


@needs_gcc
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_names_and_descriptions_are_no_code(text: str, tmp_path: Path) -> None:
    qnet = replace(random_quantized("lif", 0, "loihi2"), encoder={"method": "thermometer", "levels": 1})
    other, learn = hostile(qnet, text), LearnOptions(parameters=("all",))
    other.save(tmp_path / "q.h5")
    loaded = hn.load(tmp_path / "q.h5")
    assert isinstance(loaded, QuantizedNetwork)
    wanted = program(qnet, tmp_path / "plain", learn=learn)
    found = program(loaded, tmp_path / "hostile", learn=learn)
    assert {"network.c", "learn.c", "encoder.c", "Makefile"} <= set(wanted)
    assert found.keys() == wanted.keys()
    for name, code in wanted.items():
        assert found[name] == code, name


@needs_gcc
@pytest.mark.parametrize(("target", "profile"), [("lava", "loihi2"), ("spinnaker2", "spinnaker2")])
def test_names_are_no_code_of_other_targets(target: str, profile: str, tmp_path: Path) -> None:
    qnet = random_quantized("lif", 0, profile)
    wanted = program(qnet, tmp_path / "plain", target)
    assert any(name.endswith((".c", ".py")) for name in wanted)
    for i, text in enumerate(HOSTILE):
        found = program(hostile(qnet, text), tmp_path / str(i), target)
        assert found == wanted, text


@pytest.mark.parametrize("case", ENCODERS)
def test_encoders_are_refused_by_name(case: str, tmp_path: Path) -> None:
    encoder, rule = ENCODERS[case]
    qnet = random_quantized("lif", 0, "loihi2")
    qnet.encoder = encoder
    for refused in (lambda: encoder_header(qnet), lambda: compile_network(qnet, target="c", out=tmp_path / "c")):
        with pytest.raises(InputError, match=rule):
            refused()
    with pytest.raises(InputError, match=rule):
        replace(qnet, encoder=encoder)
    qnet.save(tmp_path / "q.h5")
    with pytest.raises(FileFormatError, match=rule):
        hn.load(tmp_path / "q.h5")


def test_an_encoder_of_other_inputs_is_refused(tmp_path: Path) -> None:
    qnet = random_quantized("lif", 0, "loihi2")
    levels = qnet.inputs + 1
    qnet.encoder = {"method": "thermometer", "levels": levels}
    with pytest.raises(InputError, match=rf"{qnet.inputs} inputs, rule: a multiple of {levels}"):
        compile_network(qnet, target="c", out=tmp_path)
    qnet.encoder = None
    compile_network(qnet, target="c", out=tmp_path)


def test_a_float_network_holds_to_the_same(tmp_path: Path) -> None:
    net = random_network("lif", 0)
    net.encoder = {"method": "scan", "rows": 0}
    net.save(tmp_path / "net.h5")
    with pytest.raises(FileFormatError, match="rows = 0, rule: a whole number"):
        hn.load(tmp_path / "net.h5")
