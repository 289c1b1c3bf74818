"""Learning that was interrupted goes on as if undisturbed, and options are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from learning_cases import labelled, network

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learn import LearnEpoch, learn
from hypr_neuro.testing.networks import (
    assert_equal_traces,
    integer_models,
    random_quantized,
    varied,
)


class Interrupted(Exception):
    """Stands for a killed process."""


def stop_after(epoch: int):
    def on_epoch(entry: LearnEpoch, qnet: QuantizedNetwork) -> None:
        if entry.epoch == epoch:
            raise Interrupted

    return on_epoch


def data_for(qnet: QuantizedNetwork, seed: int, samples: int = 6) -> SequenceData:
    x, label, scored = labelled(seed, qnet, samples)
    return SequenceData("random", x, label, np.full(samples, "train"), qnet.output_size, scored)


@pytest.mark.parametrize("model", integer_models())
def test_learning_resumed_from_a_checkpoint_ends_as_if_undisturbed(model: str, tmp_path: Path) -> None:
    qnet = network(model, 6, "two layers")
    data = data_for(qnet, 6)
    undisturbed = learn(qnet, data, epochs=3, rate=1.0, decay=0.9, seed=6)
    with pytest.raises(Interrupted):
        learn(qnet, data, epochs=3, rate=1.0, decay=0.9, seed=6, checkpoint=tmp_path, on_epoch=stop_after(1))
    resumed = learn(qnet, data, epochs=3, rate=1.0, decay=0.9, seed=6, checkpoint=tmp_path)
    assert resumed.epochs == undisturbed.epochs
    for name, weights in undisturbed.qnet.weights().items():
        assert_equal_traces(
            weights, resumed.qnet.weights()[name], seed=6, layer=name, what="weights", axes=("neuron", "synapse")
        )
    assert not np.array_equal(resumed.qnet.weights()["readout.input"], qnet.weights()["readout.input"])


def test_learning_cut_inside_an_epoch_goes_on_from_its_last_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hypr_neuro.sim.learning.learn.SAVE_SECONDS", 0.0)
    qnet = network("brf", 6, "two layers")
    data, seen = data_for(qnet, 6), []
    undisturbed = learn(qnet, data, epochs=2, rate=1.0, seed=6, parameters=("all",))

    def stop_at(number: int):
        def on_sample(done: int, total: int) -> None:
            seen.append(done)
            if len(seen) == number:
                raise Interrupted

        return on_sample

    with pytest.raises(Interrupted):
        learn(qnet, data, epochs=2, rate=1.0, seed=6, parameters=("all",), checkpoint=tmp_path, on_sample=stop_at(9))
    resumed = learn(
        qnet,
        data,
        epochs=2,
        rate=1.0,
        seed=6,
        parameters=("all",),
        checkpoint=tmp_path,
        on_sample=lambda done, total: seen.append(done),
    )
    assert seen == [1, 2, 3, 4, 5, 6, 1, 2, 3, 3, 4, 5, 6], "the ninth sample was not saved and is run again"
    assert resumed.epochs == undisturbed.epochs
    for name, weights in undisturbed.qnet.weights().items():
        assert np.array_equal(weights, resumed.qnet.weights()[name]), name


def test_a_checkpoint_whose_state_was_exchanged_is_refused(tmp_path: Path) -> None:
    qnet = network("lif", 6, "feed-forward")
    for folder, samples in (("one", 6), ("other", 5)):
        learn(qnet, data_for(qnet, 6, samples), rate=1.0, checkpoint=tmp_path / folder)
    (state,) = (tmp_path / "one").glob("*.learner.h5")
    (other,) = (tmp_path / "other").glob("*.learner.h5")
    state.write_bytes(other.read_bytes())
    with pytest.raises(FileFormatError, match="is missing or another; two runs may have shared the folder"):
        learn(qnet, data_for(qnet, 6), epochs=2, rate=1.0, checkpoint=tmp_path / "one")


def test_a_learning_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    qnet = network("lif", 6, "feed-forward")
    data = data_for(qnet, 6)
    learn(qnet, data, rate=1.0, checkpoint=tmp_path)
    with pytest.raises(FileFormatError, match=r"learning\.h5' is of another run"):
        learn(qnet, data, rate=0.5, checkpoint=tmp_path)


@pytest.mark.parametrize("other", ["data", "weights", "profile", "connections"])
def test_a_learning_checkpoint_of_another_start_is_refused(other: str, tmp_path: Path) -> None:
    qnet = network("lif", 6, "recurrent")
    data = data_for(qnet, 6)
    start = {
        "weights": network("lif", 7, "recurrent"),
        "connections": network("lif", 6, "feed-forward"),
        "profile": random_quantized("lif", 6, "ideal"),
    }.get(other, qnet)
    learn(start, data_for(qnet, 7) if other == "data" else data, rate=1.0, checkpoint=tmp_path)
    with pytest.raises(FileFormatError, match=r"learning\.h5' is of another run"):
        learn(qnet, data, rate=1.0, epochs=2, checkpoint=tmp_path)


def test_learning_leaves_the_network_that_was_given_alone() -> None:
    qnet = network("lif", 6, "feed-forward")
    before = {name: weights.copy() for name, weights in qnet.weights().items()}
    learn(qnet, data_for(qnet, 6), rate=1.0)
    assert all(np.array_equal(weights, before[name]) for name, weights in qnet.weights().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0.0}, "rate = 0.0"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"decay": 1.5}, "decay = 1.5"),
        ({"limit": 0}, "limit = 0"),
        ({"average_shift": 21}, "average_shift = 21"),
        ({"seed": -1}, "seed = -1"),
        ({"layers": ("layers.9",)}, "unknown layer 'layers.9'.*, known: layers.0, readout"),
        ({"speed": 1}, "unknown option .speed. .*, known: epochs"),
        ({"epochs": 0}, "epochs = 0"),
    ],
)
def test_bad_learning_options_are_named(options: dict[str, object], message: str) -> None:
    qnet = network("lif", 6, "feed-forward")
    with pytest.raises(InputError, match=message):
        learn(qnet, data_for(qnet, 6), **options)


def test_a_profile_that_cannot_learn_is_refused() -> None:
    qnet = random_quantized("lif", 6, varied("ideal", learning__ability="none"))
    with pytest.raises(InputError, match="profile 'ideal' cannot learn"):
        learn(qnet, data_for(qnet, 6))
