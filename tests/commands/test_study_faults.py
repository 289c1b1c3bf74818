"""Study files that are wrong are refused in one line that says what and how; the schema takes those that are right."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import called
from study_cases import two_classes
from study_faults import bad, cut, good

from hypr_neuro.studies.schema import study_schema
from hypr_neuro.studies.spec import parse_study

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 1400
REMEDY = ("rule: ", "did you mean", "known: ", "is missing", "not valid YAML", "unknown key", "does not exist; ")
REMEDY += ("docs/studies.md says",)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def test_the_good_file_is_good(data: Path) -> None:
    assert said(yaml.safe_dump(good(data)).encode(), data) == ""


def said(content: bytes, data: Path) -> str:
    """What is said of a study file beside its data; "" where it is taken."""
    file, out = data.parent / "study.yaml", data.parent / "out"
    file.write_bytes(content)
    before = sorted(data.parent.iterdir())
    done = called("study", "run", file, "--out", out, "--dry-run")
    assert sorted(data.parent.iterdir()) == before, "something was written"
    if done.returncode == 0:
        return ""
    assert done.returncode == 2, done.stderr
    assert not done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("hypr-neuro: error: ")
    return done.stderr


def test_wrong_files_are_refused_by_file_key_value_and_rule(data: Path) -> None:
    files = list(bad(data, seed=16, drawn=30))
    assert len(files) > 250
    poor = []
    for name, content in files:
        line = said(content, data)
        names_it = f"study '{data.parent / 'study.yaml'}'" in line
        if not (names_it and any(remedy in line for remedy in REMEDY) and len(line) < LONGEST):
            poor.append((name, line))
    assert poor == []


def test_files_that_were_damaged_are_taken_or_refused_in_one_line(data: Path) -> None:
    lines = [said(content, data) for content in cut(data, seed=16, drawn=80)]
    assert 20 < sum(map(bool, lines)) < 80


def test_an_unknown_field_is_told_with_the_nearest_and_where_all_are_listed(data: Path) -> None:
    line = said(yaml.safe_dump(good(data) | {"vary": {"weigt_bits": [2, 4]}}).encode(), data)
    assert line.endswith(
        "field: unknown 'weigt_bits' (did you mean 'weight_bits'?); docs/studies.md says what can vary, "
        "`hypr-neuro study schema` lists it\n"
    )


# --- the schema


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Validate by those words of JSON Schema that the schema uses; others are an error."""
    words = dict(schema)
    for word in ("title", "description", "default", "$schema", "$defs"):
        words.pop(word, None)
    checks: dict[str, Any] = {
        "$ref": lambda w: fits(value, root["$defs"][w.rpartition("/")[2]], root),
        "anyOf": lambda w: any(fits(value, one, root) for one in w),
        "type": lambda w: is_kind(value, w),
        "enum": lambda w: value in w,
        "minimum": lambda w: value >= w,
        "maximum": lambda w: value <= w,
        "maxLength": lambda w: len(value) <= w,
        "minItems": lambda w: len(value) >= w,
        "maxItems": lambda w: len(value) <= w,
        "minProperties": lambda w: len(value) >= w,
        "maxProperties": lambda w: len(value) <= w,
        "pattern": lambda w: re.search(w, value) is not None,
        "items": lambda w: all(fits(one, w, root) for one in value),
        "required": lambda w: all(key in value for key in w),
        "propertyNames": lambda w: all(fits(key, w, root) for key in value),
        "properties": lambda w: all(fits(value[key], one, root) for key, one in w.items() if key in value),
        "patternProperties": lambda w: all(
            fits(one, of, root) for pattern, of in w.items() for key, one in value.items() if re.search(pattern, key)
        ),
        "additionalProperties": lambda w: (
            w is True or all(w is not False and fits(one, w, root) for key, one in value.items() if not stated(key))
        ),
    }

    def stated(key: str) -> bool:
        patterns = schema.get("patternProperties", {})
        return key in schema.get("properties", {}) or any(re.search(pattern, key) for pattern in patterns)

    kind = words.pop("type", None)
    return (kind is None or is_kind(value, kind)) and all(checks[word](stated) for word, stated in words.items())


def is_kind(value: Any, kind: str) -> bool:
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int}
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in ("integer", "number"):
        return number and (kind == "number" or float(value).is_integer())
    return isinstance(value, kinds[kind])


def documented() -> list[dict[str, Any]]:
    """Study files of the documentation and of the examples."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/studies.md").read_text(), re.DOTALL)
    files = [file.read_text() for file in sorted((ROOT / "examples").glob("**/*.yaml"))]
    found = [yaml.safe_load(text) for text in (*blocks, *files)]
    return [one for one in found if isinstance(one, dict) and "vary" in one and "run" in one]


def test_the_schema_takes_the_documented_files_and_refuses_others(data: Path) -> None:
    done = called("study", "schema")
    schema = json.loads(done.stdout)
    assert schema == study_schema()
    assert documented()
    for study in [good(data), *documented()]:
        parse_study(study, "study")
        assert fits(study, schema, schema), study
    for change in (
        {"seed": 3},
        {"seeds": "three"},
        {"vary": {"weigt_bits": [2]}},
        {"vary": {"weight_bits": {"none": {}}}},
        {"vary": {"terms": {"none": 3}}},
        {"set": {"weigt_bits": 2}},
        {"vary": {"weight_bits": {"from": 2, "until": 8}}},
        {"run": "lern"},
    ):
        assert not fits(good(data) | change, schema, schema), change
    keys = schema["properties"]
    names = keys["set"]["propertyNames"]["anyOf"][0]["enum"]
    assert {"weight_bits", "precision.weight_bits", "learn.rate", "training.rate", "profile"} <= set(names)
    assert list(keys["vary"]["properties"]) == names
    assert "rate" not in names, "it stands for several"
