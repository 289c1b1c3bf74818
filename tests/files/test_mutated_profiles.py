"""Two hundred mutated profiles, of all that come with hypr-neuro: each is refused with file, key, rule and remedy.

A mutation knows what it must be told: the key that it touched, the rule that it broke, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import called

from hypr_neuro.errors import InputError
from hypr_neuro.profiles.faults import FILE, profile_faults
from hypr_neuro.profiles.profile import Profile, load_profile, profile_names, unit_of

pytestmark = pytest.mark.once

MUTANTS = 200
SECTIONS = ("time", "precision", "learning", "core", "chip", "runs", "energy")
NEEDED = ("time", "precision", "learning")
RANGES = {
    "precision.weight_bits": (2, 16),
    "precision.weight_exponent_min": (-32, 0),
    "precision.weight_exponent_max": (0, 32),
    "precision.state_bits": (8, 32),
    "precision.coefficient_bits": (12, 17),
    "precision.decay_bits": (4, 12),
    "precision.threshold_bits": (2, 32),
    "time.error_latency": (0, 64),
    "learning.eligibility_bits": (4, 32),
    "learning.eligibility_fraction": (0, 24),
    "learning.psi_bits": (2, 16),
    "learning.error_bits": (2, 16),
    "learning.signal_bits": (4, 24),
    "learning.accumulator_bits": (8, 32),
}
CHOICES = {
    "time.connection_delay": "0 or 1",
    "precision.threshold_shift": "6",
    "precision.state_rounding": "'floor', 'zero' or 'nearest'",
    "precision.overflow": "'lava' or 'hardware'",
    "learning.ability": "'native', 'microcode', 'arm', 'embedded' or 'none'",
    "learning.eligibility_rounding": "'floor', 'zero' or 'nearest'",
    "learning.eligibility_alignment": "'none' or 'delayed'",
}
PARTS = "a number has value, unit and source; this one is missing"
SIZES = ("sram", "stack", "flash", "ram")

Rng = np.random.Generator


@dataclass(frozen=True)
class Mutant:
    """Files by name, of which "chip.yaml" is the profile, and what must be told of it."""

    files: dict[str, bytes]
    key: str
    rule: str
    remedy: str


def text(data: Any) -> bytes:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000).encode()


def one(data: Any, key: str, rule: str, remedy: str) -> Mutant:
    return Mutant({"chip.yaml": text(data)}, key, rule, remedy)


def numbers(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(section, key) for section in SECTIONS for key in data.get(section, {})]


def picked(rng: Rng, items: Any) -> Any:
    listed = sorted(items)
    return listed[int(rng.integers(len(listed)))]


# ---------------------------------------------------------------- mutations


def wrong_unit(rng: Rng, data: dict[str, Any]) -> Mutant:
    section, key = picked(rng, numbers(data))
    right = unit_of(key)
    data[section][key]["unit"] = picked(rng, {"byte", "ms", "mm", "bits", "pj"} - {right})
    return one(data, f"{section}.{key}", f"'{right}', in which the number is read", "write the number in this unit")


def wrong_type(rng: Rng, data: dict[str, Any]) -> Mutant:
    plain = {
        (section, key): data[section][key]["value"]
        for section, key in numbers(data)
        if f"{section}.{key}" not in CHOICES and key not in SIZES
    }
    section, key = picked(rng, [place for place, value in plain.items() if isinstance(value, (int, float))])
    kind = type(plain[section, key])
    rule = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
    data[section][key]["value"] = picked(rng, ["many", "8,5", "ten"])
    return one(data, f"{section}.{key}.value", rule, "write the value so")


def out_of_range(rng: Rng, data: dict[str, Any]) -> Mutant:
    key = picked(rng, RANGES)
    section, name = key.split(".")
    low, high = RANGES[key]
    above = bool(rng.integers(2))
    data[section][name]["value"] = high + int(rng.integers(1, 9)) if above else low - int(rng.integers(1, 9))
    return one(data, f"{key}.value", f"at most {high}" if above else f"at least {low}", "choose a value in range")


def other_choice(rng: Rng, data: dict[str, Any]) -> Mutant:
    key = picked(rng, CHOICES)
    section, name = key.split(".")
    data[section][name]["value"] = picked_any(rng, ["mabye", "nothing", 17])
    return one(data, f"{key}.value", CHOICES[key], "write one of these")


def missing_part(rng: Rng, data: dict[str, Any]) -> Mutant:
    section, key = picked(rng, numbers(data))
    part = picked(rng, ["value", "unit", "source"])
    del data[section][key][part]
    return one(
        data, f"{section}.{key}.{part}", "a number has value, unit and source; this one is missing", f"add its {part}"
    )


def empty_source(rng: Rng, data: dict[str, Any]) -> Mutant:
    section, key = picked(rng, numbers(data))
    part = picked(rng, ["unit", "source"])
    data[section][key][part] = ""
    return one(data, f"{section}.{key}.{part}", "a text that is not empty", "write the value so")


def misspelt(rng: Rng, data: dict[str, Any]) -> Mutant:
    section, key = picked(rng, [place for place in numbers(data) if len(place[1]) > 6])
    at = int(rng.integers(1, len(key) - 2))
    wrong = key[:at] + key[at + 1] + key[at] + key[at + 2 :] if key[at] != key[at + 1] else key[:at] + key[at + 1 :]
    data[section][wrong] = data[section].pop(key)
    return one(data, f"{section}.{wrong}", f"a known key (did you mean '{key}'?)", "correct its spelling")


def swapped_sections(rng: Rng, data: dict[str, Any]) -> Mutant:
    section, key = picked(rng, numbers(data))
    fields = {name: list(Profile.model_fields[name].annotation.model_fields) for name in SECTIONS}  # type: ignore[union-attr]
    other = picked(rng, [name for name in SECTIONS if name != section and key not in fields[name]])
    data.setdefault(other, {})[key] = data[section].pop(key)
    near = get_close_matches(key, fields[other], n=1)
    remedy = "correct its spelling" if near else "take it out, or put it in its section"
    return one(data, f"{other}.{key}", "a known key", remedy)


def bare_number(rng: Rng, data: dict[str, Any]) -> Mutant:
    section, key = picked(rng, numbers(data))
    data[section][key] = data[section][key]["value"]
    remedy = "write it so; a number in a section never stands alone"
    return one(data, f"{section}.{key}", "a mapping {value: …, unit: …, source: …}", remedy)


def bare_section(rng: Rng, data: dict[str, Any]) -> Mutant:
    section = picked(rng, SECTIONS)
    data[section] = picked_any(rng, [4, "none", [1, 2]])
    return one(data, section, "a mapping", "write it so; a number in a section never stands alone")


def picked_any(rng: Rng, items: list[Any]) -> Any:
    return items[int(rng.integers(len(items)))]


def missing_key(rng: Rng, data: dict[str, Any]) -> Mutant:
    needed = ["name", "description", *NEEDED, *(key for key in (*RANGES, *CHOICES) if "alignment" not in key)]
    place = picked(rng, needed)
    section, _, name = place.partition(".")
    if name:
        del data[section][name]
    else:
        del data[section]
    return one(data, place, "is needed and missing", "add it, or begin with extends: and a profile that has it")


NEURONS = {"lif_rset": "lif_reset", "bfr": "brf", "se_adlfi": "se_adlif", "cuba_ll": "cuba_li"}


def unknown_neuron(rng: Rng, data: dict[str, Any]) -> Mutant:
    wrong = picked(rng, NEURONS)
    data.setdefault("runs", {})["models"] = {"value": ["li", wrong], "unit": "-", "source": "test"}
    rule = f"unknown neuron '{wrong}' (did you mean '{NEURONS[wrong]}'?)"
    return one(data, "runs.models.value.1", rule, "write one of these")


def damaged(rng: Rng, data: dict[str, Any]) -> Mutant:
    lines = text(data).decode().splitlines()
    at = int(rng.integers(1, len(lines)))
    broken = picked(rng, ["a: [1, 2", "\tb: 3", "c: {value: 8", "d: }", "e: !!python/object/apply:os.system [ls]"])
    content = "\n".join([*lines[:at], broken, *lines[at:]]).encode()
    return Mutant({"chip.yaml": content}, FILE, "not valid YAML", "close what is open on this line or before it")


def twice(rng: Rng, data: dict[str, Any]) -> Mutant:
    section = picked(rng, SECTIONS[:3])
    content = text(data) + f"{section}: {{}}\n".encode()
    return Mutant({"chip.yaml": content}, FILE, f"key '{section}' stands there twice, rule: once", "leave one of them")


def circular(rng: Rng, data: dict[str, Any]) -> Mutant:
    names = ["chip.yaml", *(f"base{i}.yaml" for i in range(int(rng.integers(0, 4))))]
    after = dict(zip(names, [*names[1:], names[0]], strict=True))
    files = {name: text({"extends": base, "name": "x"}) for name, base in after.items()}
    files["chip.yaml"] = text(data | {"extends": after["chip.yaml"]})
    return Mutant(files, FILE, "'extends' goes in a circle", "let one of these files extend another profile, or none")


def unknown_base(rng: Rng, data: dict[str, Any]) -> Mutant:
    base = picked(rng, profile_names())
    wrong = base[:-1] + "_"
    near = get_close_matches(wrong, profile_names(), n=1)[0]
    rule = f"key 'extends': unknown profile '{wrong}' (did you mean '{near}'?)"
    return one(data | {"extends": wrong}, FILE, rule, "write a known name, or the path of a .yaml file")


def no_text(rng: Rng, data: dict[str, Any]) -> Mutant:
    content = bytearray(text(data))
    content.insert(int(rng.integers(len(content))), 0xFF)
    return Mutant(
        {"chip.yaml": bytes(content)}, FILE, "no UTF-8, rule: text in UTF-8", "save the file as text in UTF-8"
    )


def no_mapping(rng: Rng, data: dict[str, Any]) -> Mutant:
    content = text([data]) if rng.integers(2) else b"chip\n"
    return Mutant(
        {"chip.yaml": content}, FILE, "a mapping is expected, found", "write keys and values, such as name: mine"
    )


MUTATIONS: tuple[Callable[[Rng, dict[str, Any]], Mutant], ...] = (
    wrong_unit,
    wrong_type,
    out_of_range,
    other_choice,
    missing_part,
    empty_source,
    misspelt,
    swapped_sections,
    bare_number,
    bare_section,
    missing_key,
    unknown_neuron,
    damaged,
    twice,
    circular,
    unknown_base,
    no_text,
    no_mapping,
)


def mutant(i: int) -> Mutant:
    """The i-th mutant: each mutation in turn, of each profile in turn, the same in every run."""
    rng = np.random.default_rng([20261130, i])
    names = profile_names()
    return MUTATIONS[i % len(MUTATIONS)](rng, load_profile(names[(i // len(MUTATIONS) + i) % len(names)]).dump())


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "chip.yaml"


# ---------------------------------------------------------------- tests


@pytest.mark.parametrize("name", profile_names())
def test_what_is_not_mutated_has_no_fault(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"chip.yaml": text(load_profile(name).dump())})
    assert profile_faults(path) == []
    assert load_profile(path).dump() == load_profile(name).dump()


@pytest.mark.parametrize("i", range(MUTANTS), ids=lambda i: f"{i}-{MUTATIONS[i % len(MUTATIONS)].__name__}")
def test_a_mutant_is_refused_with_file_key_rule_and_remedy(i: int, tmp_path: Path) -> None:
    wanted = mutant(i)
    path = written(tmp_path, wanted.files)
    faults = profile_faults(path)
    (fault,) = [f for f in faults if f.key == wanted.key]
    assert wanted.rule in fault.rule
    assert fault.remedy.startswith(wanted.remedy)
    assert fault.file == str(path)
    assert "\n" not in fault.line
    assert all(part in fault.line for part in (str(path), wanted.rule, wanted.remedy))
    with pytest.raises(InputError) as raised:
        load_profile(path)
    line = str(raised.value)
    assert str(path) in line
    assert "\n" not in line
    assert wanted.key == FILE or any(f"key '{f.key}'" in line for f in faults)


def test_mutants_differ_and_are_of_all_profiles() -> None:
    all_files = [mutant(i).files["chip.yaml"] for i in range(MUTANTS)]
    assert len(set(all_files)) > 0.95 * MUTANTS
    for name in profile_names():
        assert sum(f"name: {name}\n".encode() in content for content in all_files) >= 8


@pytest.mark.parametrize("i", range(0, MUTANTS, 23))
def test_the_program_says_the_same_and_ends_with_2(i: int, tmp_path: Path) -> None:
    path = written(tmp_path, mutant(i).files)
    done = called("profiles", "validate", path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"hypr-neuro: error: {fault.line}" for fault in profile_faults(path)]
    shown = called("profiles", "show", path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.count("\n") == 1
