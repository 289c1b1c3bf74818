"""`hypr-neuro profiles`: its actions, old spellings, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import answer, called, refusal

from hypr_neuro.profiles.differences import differences
from hypr_neuro.profiles.faults import profile_faults
from hypr_neuro.profiles.profile import Profile, load_profile, profile_names
from hypr_neuro.workflow.describe import describe_profile

pytestmark = pytest.mark.once

FAULTY = """\
extends: loihi2
name: mine
speed: 3
precision:
  weight_bits: {value: 99, unit: byte, source: "here"}
  wieght_bits: {value: 4, unit: bit, source: "here"}
  overflow: {value: maybe, unit: "-", source: "here"}
core:
  neurons: 64
  fan_in: {value: 3}
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FAULTY, encoding="utf-8")
    return path


def test_new_and_old_spellings_give_the_same() -> None:
    assert called("profiles").stdout == called("profiles", "list").stdout
    assert called("profiles", "xylo").stdout == called("profiles", "show", "xylo").stdout
    assert called("profiles", "--schema").stdout == called("profiles", "schema").stdout
    assert set(answer("profiles", "list", run=called)) == set(profile_names())
    assert answer("profiles", "show", "reckon", run=called) == describe_profile(load_profile("reckon"))
    assert {"runs", "chip"} <= answer("profiles", "schema", run=called)["properties"].keys()


@pytest.mark.parametrize("name", profile_names())
def test_tables_fit_80_columns(name: str) -> None:
    for words in (("show", name), ("diff", name, "loihi2"), ("diff", "xylo", name)):
        lines = called("profiles", *words).stdout.splitlines()
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("first", profile_names())
@pytest.mark.parametrize("second", ["loihi2", "xylo", "dynapcnn"])
def test_differences_are_those_of_the_numbers(first: str, second: str) -> None:
    """And putting them over the first profile gives the second one's numbers."""
    told = answer("profiles", "diff", first, second, run=called)
    one, other = load_profile(first).dump(), load_profile(second).dump()
    for number in (*told["numbers"], *told["sources"]):
        section, key = number["key"].split(".")
        assert one.get(section, {}).get(key) == number["first"]
        assert number["first"] != number["second"]
        one.setdefault(section, {}).pop(key, None)
        if number["second"] is not None:
            one[section][key] = number["second"]
    for section in ("time", "precision", "learning", "core", "chip", "runs", "energy"):
        assert one.get(section, {}) == other.get(section, {})
    assert (len(told["numbers"]) == 0) == (first == second)


def test_a_table_of_differences_has_both_values_and_sources() -> None:
    text = " ".join(called("profiles", "diff", "loihi1", "loihi2").stdout.split())
    numbers, sources = differences(load_profile("loihi1"), load_profile("loihi2"))
    assert f"loihi1 and loihi2: {len(numbers)} keys differ, {len(sources)} by their source alone" in text
    assert "chip.cores loihi1 128 core Davies et al. 2018 loihi2 120 core Lava 0.10.0's constants" in text
    assert "core.delay loihi1 not stated loihi2 62 step lava-dl" in text
    assert "ideal and ideal: 0 keys differ" in called("profiles", "diff", "ideal", "ideal").stdout


def test_changes_are_those_of_the_second_profile() -> None:
    words = ("profiles", "diff", "ideal", "ideal", "--override", "precision.weight_bits=4")
    (number,) = answer(*words, run=called)["numbers"]
    assert (number["first"]["value"], number["second"]["value"]) == (16, 4)


def test_all_faults_of_a_file_are_said_at_once(faulty: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("extends: xylo\nname: good\n", encoding="utf-8")
    done = called("profiles", "validate", faulty, good)
    assert done.returncode == 2
    assert done.stdout == f"{good}: a profile without faults\n"
    lines = done.stderr.splitlines()
    start = f"hypr-neuro: error: profile '{faulty}': key "
    assert all(line.startswith(start) for line in lines)
    assert {line.removeprefix(start) for line in lines} == {
        f"'speed' = 3, rule: a known key, of {', '.join(Profile.model_fields)}; take it out, or put it in its section",
        "'precision.weight_bits.value' = 99, rule: at most 16; choose a value in range",
        "'precision.weight_bits' = unit 'byte', rule: 'bit', in which the number is read; write the number in this "
        "unit",
        "'precision.wieght_bits' = {'value': 4, 'unit': 'bit', 'source': 'here'}, rule: a known key (did you mean "
        "'weight_bits'?); correct its spelling",
        "'precision.overflow.value' = 'maybe', rule: 'lava' or 'hardware'; write one of these",
        "'core.neurons' = 64, rule: a mapping {value: …, unit: …, source: …}; write it so; a number in a section never "
        "stands alone",
        "'core.fan_in.unit', rule: a number has value, unit and source; this one is missing; add its unit",
        "'core.fan_in.source', rule: a number has value, unit and source; this one is missing; add its source",
    }


def test_faults_as_json(faulty: Path) -> None:
    done = called("profiles", "validate", faulty, "loihi2", "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)["faults"]
    assert told["loihi2"] == []
    assert told[str(faulty)] == [fault.as_dict() for fault in profile_faults(faulty)]
    assert len(told[str(faulty)]) == 8


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_have_no_faults(name: str) -> None:
    assert profile_faults(name) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("diff", "loihi2"), "profiles diff loihi2: 1 name, rule: 2 for diff"),
        (("diff", "loihi1", "loihi2", "xylo"), "3 names, rule: 2 for diff"),
        (("validate",), "profiles validate: 0 names, rule: at least 1 for validate"),
        (("show",), "0 names, rule: 1 for show"),
        (("list", "loihi2"), "1 name, rule: 0 for list"),
        (("shwo", "loihi2"), "profiles shwo loihi2 (did you mean 'show'?): 2 names, rule: 1 for show"),
        (("lohi2",), "unknown profile 'lohi2' (did you mean 'loihi2'?), known: "),
        (("diff", "loihi2", "xyl"), "unknown profile 'xyl' (did you mean 'xylo'?), known: "),
    ],
)
def test_too_few_names_and_unknown_ones_are_refused(words: tuple[str, ...], told: str) -> None:
    assert told in refusal("profiles", *words, run=called)
