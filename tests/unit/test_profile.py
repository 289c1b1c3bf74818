"""Hardware profiles: what is wrong in a file is named by file and key."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypr_neuro.errors import InputError, ProfileError
from hypr_neuro.profiles.profile import load_profile, parse_profile, profile_names, profile_schema
from hypr_neuro.profiles.quantity import unit_of


def written(folder: Path, text: str, name: str = "chip.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_load_by_their_names(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert parse_profile(profile.dump(), "dump") == profile


@pytest.mark.parametrize("name", profile_names())
def test_every_number_carries_unit_and_source(name: str) -> None:
    def numbers(node: Any, path: str) -> None:
        if isinstance(node, dict) and "value" not in node:
            for key, value in node.items():
                numbers(value, f"{path}.{key}")
        elif not isinstance(node, (str, list, tuple)):
            assert isinstance(node, dict), path
            assert node["unit"], path
            assert node["source"], path

    numbers(load_profile(name).dump(), name)


@pytest.mark.parametrize(
    ("key", "unit", "rule"),
    [
        ("precision.weight_bits", "byte", "bit"),
        ("learning.accumulator_bits", "Bit", "bit"),
        ("precision.weight_exponent_max", "bit", "log2"),
        ("time.error_latency", "ms", "step"),
        ("core.fan_in", "neuron", "synapse"),
        ("energy.synapse", "nJ", "pJ"),
        ("energy.barrier_time", "us", "ns"),
        ("learning.error", "bit", "-"),
    ],
)
def test_a_number_is_in_the_unit_in_which_it_is_read(key: str, unit: str, rule: str) -> None:
    section, name = key.split(".")
    plain = load_profile("loihi2").dump()
    quantity = plain.setdefault(section, {}).setdefault(name, {"value": 1, "source": "test"})
    quantity["unit"] = unit
    with pytest.raises(ProfileError, match=rf"key '{key}' = .*unit '{unit}', rule: '{rule}', in which the number is"):
        parse_profile(plain, "mine")
    for right in (rule, "-"):
        quantity["unit"] = right
        assert parse_profile(plain, "mine").dump()[section][name]["unit"] == right


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_say_every_unit(name: str) -> None:
    sections = [section for section in load_profile(name).dump().values() if isinstance(section, dict)]
    assert sum(len(section) for section in sections) > 20
    for section in sections:
        for key, quantity in section.items():
            assert quantity["unit"] == unit_of(key), key


def test_a_profile_overrides_single_keys_of_another(tmp_path: Path) -> None:
    bits = "precision:\n  weight_bits: {value: 6, unit: bit, source: here}\n"
    path = written(tmp_path, f"extends: loihi2\nname: mine\n{bits}")
    mine, base = load_profile(path).dump(), load_profile("loihi2").dump()
    assert mine["precision"].pop("weight_bits") == {"value": 6, "unit": "bit", "source": "here"}
    del base["precision"]["weight_bits"]
    assert mine.pop("name") == "mine"
    del base["name"]
    assert mine == base


def test_a_profile_without_a_name_has_that_of_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, "extends: loihi2\n", "narrow weights.yaml")
    assert load_profile(path).name == "narrow weights"


def test_a_profile_extends_a_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "extends: ideal\nname: base\n", "base.yaml")
    path = written(tmp_path, "extends: base.yaml\nname: top\n", "top.yaml")
    monkeypatch.chdir("/")
    assert load_profile(path).name == "top"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: loihi2\nspeed: 3\n", r"key 'speed' = 3: unknown key"),
        ("extends: loihi2\nprecision:\n  wieght_bits: {value: 8}\n", "key 'precision.wieght_bits'"),
        ("extends: loihi2\nprecision:\n  state_bits: 24\n", "key 'precision.state_bits' = 24"),
        ("extends: loihi2\nprecision:\n  weight_bits: {value: eight}\n", "key 'precision.weight_bits.value' = 'eight'"),
        ("extends: loihi2\nprecision:\n  weight_bits: {value: 99}\n", r"weight_bits.value' = 99, rule: at most 16"),
        ("extends: loihi2\nprecision:\n  weight_bits: {value: 8.5}\n", "key 'precision.weight_bits.value' = 8.5"),
        ("extends: loihi2\nprecision:\n  overflow: {value: maybe}\n", "key 'precision.overflow.value' = 'maybe'"),
        (
            "extends: loihi2\ncore:\n  fan_in: {value: 64, source: x}\n",
            "key 'core.fan_in.unit' is missing; a number is written",
        ),
        ("extends: loihi2\ncore:\n  fan_in: {value: 64, unit: '', source: x}\n", "key 'core.fan_in.unit' = ''"),
        ("extends: loihi2\nprecision:\n  weight_bits: {value: 4}\n", "key 'precision.weight_bits.source' is missing"),
        ("extends: loihi1\nenergy:\n  synapse: {value: 4, unit: pJ}\n", "key 'energy.synapse.source' is missing"),
        ("extends: loihi2\nprecision:\n  weight_bits: {value: yes, source: x}\n", "' = True, rule: a whole number"),
        ("extends: loihi2\nenergy:\n  synapse: {value: true, unit: pJ, source: x}\n", "' = True, rule: a number"),
        ("extends: loihi2\ntime: 4\n", "key 'time' = 4"),
        ("name: bare\n", r"key 'description' is missing \(and \d+ more\)"),
        ("extends: 7\n", "key 'extends' = 7, rule: a name or the path"),
        ("extends: loihi9\n", r"unknown profile 'loihi9' \(did you mean 'loihi2'\?\), known: .*ideal"),
        ("extends: gone.yaml\n", r"profile file '.*gone\.yaml' does not exist"),
        ("extends: chip.yaml\n", "'extends' goes in a circle"),
        ("- a\n- b\n", "a mapping is expected, found list"),
        ("", "a mapping is expected, found NoneType"),
        ("a: [1, 2\nb: 3\n", r"chip\.yaml', line \d: not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", r"chip\.yaml', line 1: not valid YAML"),
        ("a: \x00\n", "not valid YAML"),
    ],
)
def test_a_fault_is_named_by_file_and_key(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as raised:
        load_profile(path)
    assert "\n" not in str(raised.value)
    if "unknown profile" not in message:
        assert str(tmp_path) in str(raised.value)


def test_a_circle_of_files_is_named(tmp_path: Path) -> None:
    written(tmp_path, "extends: b.yaml\n", "a.yaml")
    written(tmp_path, "extends: a.yaml\n", "b.yaml")
    with pytest.raises(ProfileError, match=r"'extends' goes in a circle: .*a\.yaml -> .*b\.yaml -> .*a\.yaml"):
        load_profile(tmp_path / "a.yaml")


def test_a_circle_by_another_spelling_of_the_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = written(tmp_path, "extends: sub/../chip.yaml\n")
    with pytest.raises(ProfileError, match="'extends' goes in a circle"):
        load_profile(path)


@pytest.mark.parametrize("name", ["loihi", "", "../loihi2", "LOIHI2"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ProfileError, match=f"known: {', '.join(profile_names())}"):
        load_profile(name)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    known = ", ".join(profile_names())
    with pytest.raises(ProfileError, match=rf"profile file '.*none\.yaml' does not exist; known names: {known}"):
        load_profile(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(InputError, match=r"latin\.yaml' cannot be read"):
        load_profile(path)


def test_a_date_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"chip\.yaml"):
        load_profile(written(tmp_path, "name: 2001-99-99\n"))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"chip\.yaml"):
        load_profile(written(tmp_path, "a: " + "[" * 5000))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers()),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@cache
def plain_profile() -> dict[str, Any]:
    return load_profile("loihi2").dump()


@settings(deadline=None, derandomize=True, max_examples=150, database=None)
@given(data=st.data())
def test_changed_content_is_taken_or_refused_by_name(data: st.DataObject) -> None:
    content = deepcopy(plain_profile())
    node: Any = content
    for _ in range(data.draw(st.integers(0, 2))):
        inner = [key for key, value in node.items() if isinstance(value, dict)]
        if not inner:
            break
        node = node[data.draw(st.sampled_from(inner))]
    key = data.draw(st.sampled_from([*node, "other"]))
    if data.draw(st.booleans()) and key in node:
        del node[key]
    else:
        node[key] = data.draw(VALUES)
    message = refusal(content)
    assert message is None or (message.startswith("profile 'chip.yaml': key '") and "\n" not in message)


def refusal(content: dict[str, Any]) -> str | None:
    """The error that the content gives; None if it is a profile."""
    try:
        parse_profile(content, "chip.yaml")
    except ProfileError as error:
        return str(error)
    return None


def test_the_schema_names_every_section() -> None:
    schema = profile_schema()
    assert {"name", "time", "precision", "learning", "core", "chip", "energy", "extends"} <= schema["properties"].keys()
