"""Every neuron has its record, and a missing one is named with the file to write."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import model_records
import numpy as np
import pytest
from model_records import FOLDER, ModelRecord, draw_by_records, missing, record_of

from hypr_neuro.neurons import MODELS
from hypr_neuro.testing import integer


@pytest.mark.parametrize("name", MODELS)
def test_a_record_says_what_tests_need_of_its_model(name: str) -> None:
    assert missing(name) == []


@pytest.mark.parametrize("name", MODELS)
def test_a_record_names_parameters_of_its_model(name: str) -> None:
    record, known = record_of(name), set(MODELS[name].param_names)
    named = {*(record.steep or {}), *record.overflowing, *record.ranges, *record.cosines, *record.read_back}
    named |= {key for values in record.cases.values() for key in values}
    assert named <= known
    if record.tolerance is not None:
        defaults = {p.name: p.default for p in MODELS[name].params}
        assert len(record.tolerance.param_units(defaults)) == len(MODELS[name].trainable)
    if record.learned is not None:
        assert len(record.learned.rounded) == len(MODELS[name].trainable)


def test_every_record_is_of_a_model() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(MODELS)


def test_a_missing_record_is_named_with_the_file_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_records, "FOLDER", tmp_path)
    (tmp_path / "empty.py").write_text("")
    for name in ("newer", "empty"):
        with pytest.raises(
            pytest.fail.Exception, match=rf"no record of neuron '{name}': write tests/models/{name}\.py"
        ):
            record_of(name)


def test_random_networks_have_neurons_of_integers_alone_by_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_records, "FOLDER", tmp_path)
    monkeypatch.setitem(MODELS, "newer", replace(MODELS["rf"], name="newer"))
    monkeypatch.setattr(integer, "DRAW", dict(integer.DRAW))
    (tmp_path / "newer.py").write_text((FOLDER / "rf.py").read_text(encoding="utf-8"), encoding="utf-8")
    before = dict(integer.DRAW)
    draw_by_records()
    assert integer.DRAW.keys() - before.keys() == {"newer"}
    assert all(integer.DRAW[name] is draw for name, draw in before.items())
    drawn = integer.any_population(np.random.default_rng(0), "p", "newer", 3)
    assert (drawn.model.name, drawn.size) == ("newer", 3)


def test_every_field_of_a_record_is_described() -> None:
    text = ModelRecord.__doc__ or ""
    assert [field.name for field in fields(ModelRecord) if f"    {field.name} :" not in text] == []
