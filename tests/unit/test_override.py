"""Single numbers of a profile are changed by name, in Python and on the command line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.profiles.override import parse_overrides
from hypr_neuro.profiles.profile import profile_names

here, refused = partial(answer, run=called), partial(refusal, run=called)


@pytest.mark.parametrize("name", profile_names())
def test_a_number_is_changed_and_nothing_else(name: str) -> None:
    given = hn.load_profile(name)
    bits = 5 if given.precision.weight_bits.value != 5 else 6
    changed = hn.load_profile(name, {"precision.weight_bits": bits})
    assert changed.name == f"{name} with precision.weight_bits={bits}"
    assert changed.precision.weight_bits.value == bits
    assert changed.precision.weight_bits.unit == "bit"
    assert changed.precision.weight_bits.source == f"given in place of that of '{name}'"
    expected, found = given.dump(), changed.dump()
    del expected["precision"]["weight_bits"], found["precision"]["weight_bits"], expected["name"], found["name"]
    assert found == expected
    assert hn.load_profile(given, {}) is given


def test_limits_are_added_and_taken_away() -> None:
    changed = hn.load_profile("loihi2", {"core.neurons": 64, "core.delay": None})
    assert changed.core.neurons is not None
    assert (changed.core.neurons.value, changed.core.neurons.unit, changed.core.delay) == (64, "neuron", None)


def test_eligibilities_keep_their_range() -> None:
    given = hn.load_profile("loihi2").learning
    narrow = hn.load_profile("loihi2", {"learning.eligibility_bits": 10}).learning
    lost = given.eligibility_bits.value - 10
    assert narrow.eligibility_fraction.value == max(given.eligibility_fraction.value - lost, 0)
    both = hn.load_profile("loihi2", {"learning.eligibility_bits": 10, "learning.eligibility_fraction": 7}).learning
    assert both.eligibility_fraction.value == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision.weight_bit": 4}, r"unknown key 'precision.weight_bit' \(did you mean 'precision.weight_bits'\?\)"),
        ({"name": "x"}, "unknown key 'name'"),
        ({"precision.weight_bits": 99}, r"key 'precision.weight_bits.value' = 99, rule: at most 16"),
        ({"precision.weight_bits": "four"}, "key 'precision.weight_bits.value' = 'four'"),
        ({"precision.weight_bits": None}, "key 'precision.weight_bits' .*is missing"),
        ({"precision.state_rounding": "up"}, "key 'precision.state_rounding.value' = 'up'"),
        ({"learning.eligibility_bits": True}, "key 'learning.eligibility_bits.value'"),
    ],
)
def test_what_no_profile_can_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        hn.load_profile("loihi2", changes)


def test_texts_are_read_as_yaml_reads_values() -> None:
    assert parse_overrides(["a.b=4", "c.d=true", "e.f=floor", "g.h=null", "i.j=1.5"]) == {
        "a.b": 4,
        "c.d": True,
        "e.f": "floor",
        "g.h": None,
        "i.j": 1.5,
    }


BAD = ["weight_bits=4", "precision.weight_bits", "a.weight_bits=", "a.b=[1", "a.b.c=4", "a.b=2026-13-45"]


@pytest.mark.parametrize("text", [*BAD, "a.b=" + "[" * 3000])
def test_other_texts_are_refused(text: str) -> None:
    rule = "rule: SECTION.KEY=VALUE, such as precision.weight_bits=4"
    assert rule in refused("profiles", "loihi2", "--override", text)


def test_a_change_given_twice_is_refused() -> None:
    twice = ("--override", "precision.weight_bits=4", "--override", "precision.weight_bits=5")
    assert "override precision.weight_bits: given twice, rule: once" in refused("profiles", "loihi2", *twice)


def test_commands_that_take_a_profile_take_changes(tmp_path: Path) -> None:
    net = hn.Network.build({"inputs": 64, "outputs": 10, "layers": [{"neuron": "lif", "size": 4}]}, 0)
    net.save(tmp_path / "network.h5")
    change = ("--override", "precision.weight_bits=4")
    shown = here("profiles", "loihi2", *change)
    assert shown["name"] == "loihi2 with precision.weight_bits=4"
    made = here("quantize", tmp_path / "network.h5", "--data", "digits", *change, "--out", tmp_path)
    qnet = hn.load(made["file"])
    assert qnet.profile.precision.weight_bits.value == 4
    assert max(abs(w).max() for w in qnet.weights().values()) <= 7
    assert "only with --arithmetic fixed" in refused("train", "--data", "digits", *change, "--out", tmp_path / "t")
