"""Scores of readouts: squared error of targets by sample and by step, with masks; the figure that training follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.score import Score, predict, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError


def targets(y: np.ndarray, mask: np.ndarray | None = None, steps: int = 6) -> SequenceData:
    return SequenceData("d", np.zeros((len(y), steps, 1)), y, np.full(len(y), "test"), y.shape[-1], mask)


def test_targets_of_a_sample_meet_the_mean_readout_of_its_scored_steps(rng: np.random.Generator) -> None:
    output, y, mask = rng.random((5, 6, 2), np.float32), rng.random((5, 2)), rng.random((5, 6)) < 0.5
    mask[:, 0] = True
    wanted = np.array([output[i, mask[i]].mean(axis=0) for i in range(5)])
    assert np.allclose(predict(output, targets(y, mask)), wanted)
    assert score_readout(output, targets(y, mask)).squared_error == pytest.approx(np.mean((wanted - y) ** 2))
    assert score_readout(output, targets(y)).squared_error == pytest.approx(np.mean((output.mean(axis=1) - y) ** 2))


def test_targets_of_a_step_meet_the_readout_of_that_step(rng: np.random.Generator) -> None:
    output, y, mask = rng.random((5, 6, 2)), rng.random((5, 6, 2)), rng.random((5, 6)) < 0.5
    mask[0, 0] = True
    score = score_readout(output, targets(y, mask))
    assert score.squared_error == pytest.approx(np.mean((output - y)[mask] ** 2))
    assert score_readout(output, targets(y)).squared_error == pytest.approx(np.mean((output - y) ** 2))
    assert np.isnan([score.accuracy, score.labelled]).all()


def test_steps_and_samples_that_are_not_scored_do_not_count() -> None:
    output = np.full((3, 6, 1), np.nan)
    output[:, 2] = 0.5
    mask = np.zeros((3, 6), bool)
    mask[:2, 2] = True
    data = targets(np.array([[0.0], [1.0], [9.0]]), mask)
    assert score_readout(output, data).squared_error == 0.25


@pytest.mark.parametrize("function", [score_readout, predict])
def test_outputs_that_cannot_answer_are_refused(function: Any) -> None:
    """Nothing is cut off or broadcast: outputs as many as targets, and no fewer than classes."""
    output = np.ones((2, 6, 2))
    for count in (1, 3):
        with pytest.raises(InputError, match=f"^data 'd' has {count} targets, the network 2 outputs; give the data"):
            function(output, targets(np.ones((2, count))))
    classes = SequenceData("c", np.zeros((2, 6, 1)), np.array([0, 1]), np.full(2, "test"), 3)
    with pytest.raises(InputError, match=r"^data 'c' has 3 classes, the network 2 outputs; give the data"):
        function(output, classes)
    assert np.array_equal(predict(output, replace(classes, classes=2)), [0, 0])


def test_the_figure_is_higher_for_the_better_network(rng: np.random.Generator) -> None:
    y = rng.random((4, 1))
    near, far = (score_readout(np.broadcast_to(y[:, None] + d, (4, 6, 1)), targets(y)) for d in (0.1, -0.2))
    assert near.figure == pytest.approx(-0.01)
    assert near.figure > far.figure
    assert Score(0.75, 0.5).figure == 0.75
    assert Score(0.75, 0.5).squared_error is None


def test_outputs_at_0_are_said_once_something_was_learned() -> None:
    """Weights that lead to outputs start at 0: before the first update that is no fault."""
    data = SequenceData("made", np.ones((3, 4, 2), np.int8), np.arange(3), np.full(3, "test"), 3)
    silent = np.zeros((3, 4, 3))
    with pytest.warns(UserWarning, match=r"no output moved from 0 in 3 sample\(s\)"):
        after = score_readout(silent, data)
    assert score_readout(silent, data, learned=False) == after
