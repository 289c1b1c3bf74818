"""YAML of others: bounded before anything is built from it, refused in one line that names file and line."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.files.yaml_file import LARGEST, MOST_VALUES, load_yaml

READERS: dict[str, Callable[[Path], Any]] = {
    "profile": hn.load_profile,
    "network spec": lambda path: hn.Network.build(path, 0),
}


def levels(count: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, count)]
    return "\n".join(lines)


@pytest.mark.parametrize("title", READERS)
@pytest.mark.parametrize("count", [7, 40])
def test_aliases_that_expand_are_refused_at_once(title: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "levels.yaml"
    path.write_text(levels(count))
    start = time.perf_counter()
    with pytest.raises(InputError, match=rf"{title} .*, line \d+: aliases make more than {MOST_VALUES} values of it"):
        READERS[title](path)
    assert time.perf_counter() - start < 5  # a hundredth of a second where nothing else runs; was 10 to 21 s for seven


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1, *a]", "line 1: an alias stands for itself, rule: no circle"),
        ("x: 1\na: &a {b: {c: *a}}", "line 2: an alias stands for itself"),
        ("x" * (LARGEST + 1), f"is longer than {LARGEST} bytes, rule: at most so many"),
        ("[" * 5000, "not valid YAML"),
        ("a: [1", "line 1: not valid YAML"),
        ("when: 2024-13-45", "not valid YAML"),
        ("a: !!python/object:os.system {}", "line 1: not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
    ],
)
def test_other_files_are_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="thing '.*f.yaml'.*" + message):
        load_yaml(path, "thing")


def test_aliases_that_stay_small_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("base: &b {size: 3}\none: *b\ntwo: {<<: *b, more: [1, 2]}\n")
    assert load_yaml(path, "thing") == {"base": {"size": 3}, "one": {"size": 3}, "two": {"size": 3, "more": [1, 2]}}
    path.write_text("")
    assert load_yaml(path, "thing") is None


def test_the_count_is_of_what_is_built(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(levels(5))
    assert len(load_yaml(path, "thing")["a4"]) == 9
    path.write_text(levels(6))
    assert 9**5 < MOST_VALUES < 9**6
    with pytest.raises(InputError, match="aliases make more"):
        load_yaml(path, "thing")
