"""Every neuron has its record, and a missing one is named with the file to write."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import model_records
import numpy as np
import pytest
from model_records import FOLDER, ModelRecord, assert_fires, draw_by_records, inside, missing, record_of

from hypr_neuro.errors import MismatchError
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import Param
from hypr_neuro.testing import integer
from hypr_neuro.testing.networks import random_network


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


SPIKING = [name for name, model in MODELS.items() if model.has_float and not model.readout]


@pytest.mark.parametrize("name", SPIKING)
def test_a_neuron_fires_in_what_tests_draw(name: str) -> None:
    """Alone, with default parameters, driven as its record says; and in a random network."""
    model = MODELS[name]
    p = model.with_coefficients(tuple(q.default for q in model.params))
    s, z, spikes = (0.0,) * model.d, 0.0, 0
    for i in (np.random.default_rng(9).normal(0.3, 1.0, 400) * record_of(name).drive).tolist():
        s, z = model.float_step(s, z, (i,) * model.currents, p)
        spikes += z > 0
    assert_fires(name, spikes / 400, 0.01, 0.9)
    if model.currents == 1:
        random_network(name, 1)


def test_a_neuron_that_is_silent_or_always_on_is_named_with_what_to_set() -> None:
    told = r"^neuron 'lif' {} in tests, seed 3, rule: between 0\.1 and 0\.9; set drive in tests/models/lif\.py, .* 0\.4"
    for share, what in ((0.0, "never fires"), (0.95, "fires in 0.950 of the steps")):
        with pytest.raises(pytest.fail.Exception, match=told.format(what)):
            assert_fires("lif", share, 0.1, 0.9, ", seed 3")
    assert_fires("lif", 0.5, 0.1, 0.9)


def test_a_random_network_that_stays_silent_names_its_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = [replace(p, default=1e9) if p.name == "vth" else p for p in MODELS["lif"].params]
    monkeypatch.setitem(MODELS, "lif", replace(MODELS["lif"], params=tuple(deaf)))
    with pytest.raises(
        MismatchError, match=r"^neuron 'lif' never fires in tests: layers\.0 of .* give its parameters defaults"
    ):
        random_network("lif", 1)


@pytest.mark.parametrize(
    ("default", "low", "high"), [(0.9, 0.0, 1.0), (-0.9, -1.0, 0.0), (5.0, 4.9, 1e6), (0.5, 0.4, 0.6)]
)
def test_drawn_parameters_stay_inside_the_range(default: float, low: float, high: float) -> None:
    p, shares = Param("keep", "1", default, low, high, trainable=True), np.random.default_rng(1).uniform(0.7, 1.3, 500)
    drawn = inside(p, shares * default, 0.7, 1.3)
    assert low < drawn.min() < default < drawn.max() < high
    assert np.array_equal(np.sign(drawn - default), np.sign(shares * default - default))


def test_draws_that_fit_are_not_moved_and_a_default_at_an_end_stays_there() -> None:
    values = 0.5 * np.random.default_rng(1).uniform(0.7, 1.3, 500)
    assert np.array_equal(inside(Param("roomy", "1", 0.5, 0.0, 1.0), values, 0.7, 1.3), values)
    assert np.array_equal(inside(Param("end", "1", 1.0, 0.0, 1.0), 2 * values, 0.7, 1.3), np.minimum(2 * values, 1.0))
    assert np.array_equal(inside(Param("open", "1", 0.0, -1.0, 1.0), values, 0.7, 1.3), values)


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
    guide = (FOLDER.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [field.name for field in fields(ModelRecord) if f"`{field.name}`" not in guide] == []
