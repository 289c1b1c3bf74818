"""Learning rules that are no path sets: noise, updates inside a sequence, regulariser, reward, errors of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_rules import (
    EVERY,
    HOMEOSTATIC,
    STEPS,
    DirectFeedback,
    assert_close,
    assert_equal,
    data_of,
    node_perturbation,
    problem,
    some_means,
)

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.loop import train
from hypr_neuro.train.losses import RatePenalty
from hypr_neuro.train.rules import get_rule
from hypr_neuro.train.rules.base import Penalty, Rule
from hypr_neuro.train.stream import stream_gradients

Array = Any
# --- what every hook has to keep


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("chunk", [1, 7])
def test_sub_sequences_do_not_change_the_result(rule: Rule, chunk: int) -> None:
    net, x, y, mask = problem()
    options = {"rule": rule, "means": some_means(rule, net), "seed": 5, "sample": 40}
    whole, loss = gradients(net, x, y, mask, **options)
    cut, again = gradients(net, x, y, mask, chunk=chunk, **options)
    assert_close(whole, cut, 1e-9)
    assert again == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)
def test_blocks_and_threads_do_not_change_a_bit(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, y, mask = problem()
    options = {"rule": rule, "means": some_means(rule, net), "seed": 5, "dtype": np.float32}
    found = []
    for size, cores in ((1, 2), (1 << 60, 1), (1 << 60, 5)):
        monkeypatch.setattr("hypr_neuro.run.forward.BLOCK_BYTES", size)
        monkeypatch.setattr("hypr_neuro.run.forward.threads", lambda cores=cores: cores)
        found.append(gradients(net, x, y, mask, **options))
    for other, loss in found[1:]:
        assert loss == found[0][1]
        assert_equal(found[0][0], other)


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)
def test_a_stream_gives_the_same(rule: Rule) -> None:
    net, x, y, mask = problem()
    options = {"rule": rule, "means": some_means(rule, net), "seed": 5, "dtype": np.float64}
    expected, loss = gradients(net, x, y, mask, **options)
    parts = [(x[:, a:b], y[:, a:b], mask[:, a:b]) for a, b in ((0, 5), (5, 6), (6, STEPS))]
    found, again = stream_gradients(net, parts, **options)
    assert_close(expected, found, 1e-9)
    assert again == pytest.approx(loss, rel=1e-10)
    if rule.name != "noisy":
        with pytest.raises(InputError, match="this loss, penalty or rule needs two passes"):
            stream_gradients(net, iter(parts), **options)


class Interrupted(Exception):
    """Raised by a run that is cut short."""


def stop_after(epochs: int) -> Callable[[Any], None]:
    def on_epoch(entry: Any) -> None:
        if entry.epoch + 1 == epochs:
            raise Interrupted

    return on_epoch


RUNS = {name: {"rule": rule} for name, rule in EVERY.items()} | {
    "inside a sequence": {"update_every": 5},
    "homeostasis inside a sequence": {"rule": HOMEOSTATIC, "update_every": 5},
    "noise inside a sequence": {"rule": replace(EVERY["noise"], update_every=7)},
}


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_an_interrupted_run_ends_with_the_same_bits(options: dict[str, Any], tmp_path: Path) -> None:
    net, data = data_of()
    undisturbed, resumed, plain = net.copy(), net.copy(), net.copy()
    options = options | {"epochs": 3, "batch_size": 3, "seed": 2, "rate": 0.02}
    train(undisturbed, data, **options)
    with pytest.raises(Interrupted):
        train(resumed, data, checkpoint=tmp_path, on_epoch=stop_after(1), **options)
    resumed = net.copy()
    train(resumed, data, checkpoint=tmp_path, **options)
    assert_equal(undisturbed.arrays(), resumed.arrays())
    train(plain, data, **(options | {"rule": "hypr", "update_every": None}))
    assert any(
        not np.array_equal(a, b) for a, b in zip(plain.arrays().values(), undisturbed.arrays().values(), strict=True)
    )


def test_a_checkpoint_of_another_setting_of_the_rule_is_refused(tmp_path: Path) -> None:
    net, data = data_of()
    train(net.copy(), data, rule=HOMEOSTATIC, epochs=1, checkpoint=tmp_path)
    with pytest.raises(FileFormatError, match=r"another run \(rule differ\)"):
        train(net.copy(), data, rule=replace(HOMEOSTATIC, target=0.2), epochs=1, checkpoint=tmp_path)


# --- records


class Bad(Rule):
    """A rule whose hooks answer something else."""

    def noise(self, net: Network) -> list[float]:
        return [-1.0] * len(net.layers)


class BadError(Rule):
    def error(self, local: Any) -> Array:
        return local.error[:, :, :1]


class BadReward(Rule):
    def reward(self, loss: Array, means: Any) -> Array:
        return loss[:1]


class BadPenalty(Rule):
    def regularizer(self, values: Any, means: Any) -> Penalty:
        return Penalty(0.0, {"layers.0.weights": np.zeros(1)})


WRONG = {
    "noise": (Bad("bad", "here"), "rule 'bad': noise .*, rule: one finite standard deviation"),
    "error": (BadError("bad", "here"), r"rule 'bad': its error for layers.0 has shape .*, rule: \(steps, samples,"),
    "reward": (BadReward("bad", "here"), "rule 'bad': its reward is .*, rule: a finite number for each sample"),
    "regularizer": (BadPenalty("bad", "here"), "rule 'bad': its regularizer gives 'layers.0.weights' of shape"),
}


@pytest.mark.parametrize(("rule", "message"), WRONG.values(), ids=WRONG)
def test_what_a_hook_answers_is_checked(rule: Rule, message: str) -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match=message):
        gradients(net, x, y, rule=rule)


class Answers(Rule):
    """A rule whose regulariser and noise are set by a test."""

    def regularizer(self, values: Any, means: Any) -> Any:
        return ANSWERS["regularizer"](values, means)


class Deviations(Rule):
    def noise(self, net: Network) -> Any:
        return ANSWERS["noise"]


class Signals(Rule):
    def reward(self, loss: Array, means: Any) -> Any:
        return ANSWERS["reward"](loss, means)

    def error(self, local: Any) -> Any:
        return ANSWERS["error"](local)


ANSWERS: dict[str, Any] = {}


def ones(local: Any) -> Array:
    return np.ones(local.output.shape)


def sized(value: Any) -> Callable[[Any, Any], Penalty]:
    """A regulariser that gives this gradient of the first layer's weights, in their shape."""
    return lambda values, means: Penalty(0.0, {"layers.0.weight": np.full_like(values["layers.0.weight"], value, None)})


def written(values: Any, means: Any) -> Penalty:
    values["layers.0.weight"] *= 0.0
    return Penalty(0.0)


def moved(values: Any, means: Any) -> Penalty:
    means["loss"] += 1.0
    return Penalty(0.0)


def added(local: Any) -> Array:
    signal = local.error
    signal += 1.0
    return ones(local)


REGULARIZERS = {
    "nothing": (lambda v, m: None, r"gives NoneType, rule: a Penalty\(value, gradient, by_rate\)"),
    "a tuple": (lambda v, m: (0.0, {}), "gives tuple, rule: a Penalty"),
    "text": (lambda v, m: Penalty("1"), "gives the value '1', rule: one finite number"),
    "several values": (lambda v, m: Penalty(np.zeros(2)), "gives the value array.*, rule: one finite number"),
    "no finite value": (lambda v, m: Penalty(float("nan")), "gives the value nan, rule: one finite number"),
    "a list": (lambda v, m: Penalty(0.0, [1.0]), r"gives gradient = \[1.0\], rule: arrays by name"),
    "complex": (
        lambda v, m: Penalty(0.0, {"layers.0.weight": 1j * v["layers.0.weight"]}),
        "gives gradient 'layers.0.weight' complex128 .* rule: finite real numbers",
    ),
    "not finite": (sized(np.inf), "gives gradient 'layers.0.weight' float64 that is not all finite"),
    "rates": (
        lambda v, m: Penalty(0.0, {}, {"layers.0": [np.nan] * 5}),
        "gives by_rate 'layers.0' float64 that is not",
    ),
    "weights written": (written, "its regularizer writes to an array that it was given, rule: values and means are"),
    "means written": (moved, "its regularizer writes to an array that it was given"),
}


@pytest.mark.parametrize(("answer", "message"), REGULARIZERS.values(), ids=REGULARIZERS)
def test_what_a_regularizer_answers_is_checked(answer: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, y, _ = problem()
    rule, before = Answers("answers", "here"), net.copy()
    means = rule.start(net)
    monkeypatch.setitem(ANSWERS, "regularizer", answer)
    with pytest.raises(InputError, match=f"rule 'answers': its regularizer.*{message.removeprefix('its regularizer')}"):
        gradients(net, x, y, rule=rule, means=means)
    assert_equal(before.arrays(), net.arrays())
    assert means["loss"] == 0


def test_a_regularizer_may_give_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, y, _ = problem()
    found = []
    for make in (np.array, list):
        monkeypatch.setitem(
            ANSWERS, "regularizer", lambda v, m, make=make: Penalty(0.5, {}, {"layers.0": make([2] * 5)})
        )
        found.append(gradients(net, x, y, rule=Answers("answers", "here")))
    assert found[0][1] == found[1][1]
    assert_equal(found[0][0], found[1][0])


@pytest.mark.parametrize(
    "answer", [None, 0.1, "none", ["a", "b", "c"], [0.1, [0.1], 0.1], [0.1, 0.1], [0.1, np.nan, 0.1]]
)
def test_noise_of_another_form_is_named(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, y, _ = problem()
    monkeypatch.setitem(ANSWERS, "noise", answer)
    with pytest.raises(
        InputError, match=r"rule 'noisy': noise .*, rule: one finite standard deviation, 0 or larger, for"
    ):
        gradients(net, x, y, rule=Deviations("noisy", "here"))


SIGNALS = {
    "reward text": ("reward", lambda loss, means: ["good"] * len(loss), "its reward is <U4 of shape"),
    "reward complex": ("reward", lambda loss, means: 1j * loss, "its reward is complex128 of shape"),
    "reward nothing": ("reward", lambda loss, means: None, r"its reward is object of shape \(\)"),
    "error complex": (
        "error",
        lambda local: 1j * ones(local),
        "its error for layers.0 has shape .*, complex128, rule: ",
    ),
    "error not finite": (
        "error",
        lambda local: np.nan * ones(local),
        "its error for layers.0 holds a number that is not",
    ),
    "error written": ("error", added, "its error writes to an array that it was given, rule: what it sees"),
}


@pytest.mark.parametrize(("hook", "answer", "message"), SIGNALS.values(), ids=SIGNALS)
def test_rewards_and_errors_are_finite_numbers(
    hook: str, answer: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x, y, _ = problem()
    monkeypatch.setitem(ANSWERS, "reward", lambda loss, means: loss)
    monkeypatch.setitem(ANSWERS, "error", ones)
    rule = Signals("signals", "here")
    gradients(net, x, y, rule=rule)
    monkeypatch.setitem(ANSWERS, hook, answer)
    with pytest.raises(InputError, match=f"rule 'signals': {message}"):
        gradients(net, x, y, rule=rule)


def test_a_value_error_of_the_hook_itself_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(values: Any, means: Any) -> Any:
        raise ValueError("my own")

    net, x, y, _ = problem()
    monkeypatch.setitem(ANSWERS, "regularizer", fails)
    with pytest.raises(ValueError, match=r"^my own$"):
        gradients(net, x, y, rule=Answers("answers", "here"))


IGNORED = {
    "random feedback": (
        {"feedback": "random"},
        "feedback = 'random' with rule 'hypr', rule: 'symmetric', as errors go ov",
    ),
    "matrices": (
        {"rule": "bptt", "feedback": [np.zeros((5, 3)), np.zeros((3, 3))]},
        "feedback = matrices with rule 'bptt', rule: 'symmetric'",
    ),
    "random feedback, a hook": (
        {"rule": Signals("signals", "here"), "feedback": "random"},
        "feedback = 'random' with rule 'signals', rule: 'symmetric', as its hook 'error'",
    ),
    "updates inside": (
        {"rule": {"name": "hypr", "update_every": 5}},
        "rule 'hypr' with update_every = 5, rule: None, as",
    ),
    "feedback weights of another hypr": (
        {"rule": Signals("hypr", "here"), "feedback_weights": [np.zeros((3, 5)), np.zeros((3, 3))]},
        "feedback_weights with rule 'hypr', which has a hook 'error', rule: 'hypr' only",
    ),
    "half a seed": ({"seed": 1.5}, "seed = 1.5, rule: a whole number"),
    "half a sample": ({"sample": 0.5}, "sample = 0.5, rule: a whole number"),
    "a long seed": (
        {"rule": EVERY["noise"], "seed": 1 << 70},
        "seed = 1180591620717411303424, rule: a number of 64 bits",
    ),
}


@pytest.mark.parametrize(("options", "message"), IGNORED.values(), ids=IGNORED)
def test_options_that_would_change_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    net, x, y, mask = problem()
    with pytest.raises(InputError, match=message):
        gradients(net, x, y, **options)
    if "feedback_weights" not in options:
        with pytest.raises(InputError, match=message if options.get("rule") != "bptt" else "rule 'bptt'"):
            stream_gradients(net, [(x, y, mask)], **options)


def test_a_graph_refuses_a_rule_that_updates_inside_a_sequence() -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match="rule 'hypr' with update_every = 5, rule: None"):
        gradients(net, x, y, rule={"name": "hypr", "update_every": 5})


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (DirectFeedback, {"recurrent": True}, "a hook 'error' goes with none of error_feedback, recurrent, above"),
        (DirectFeedback, {"error_feedback": True}, "a hook 'error' goes with none of error_feedback"),
        (Rule, {"eligibility": "current"}, "eligibility 'current' keeps no path and needs the hook 'error'"),
        (Rule, {"eligibility": "synapse"}, "eligibility = 'synapse', rule: 'spike' or 'current'"),
        (Rule, {"above": True, "update_every": 3}, "update_every = 3 goes with none of recurrent, above"),
        (Rule, {"decay": 1.0}, "decay = 1.0, rule: 0 <= decay < 1"),
        (Rule, {"decay": "x"}, "decay = 'x', rule: a number"),
        (Rule, {"update_every": "3"}, "update_every = '3', rule: a whole number, at least 1"),
        (Rule, {"update_every": 0}, "update_every = 0, rule: a whole number, at least 1"),
    ],
)
def test_records_that_contradict_themselves_are_refused(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"rule 'mixed': {message}"):
        kind("mixed", "none", **options)


def test_settings_of_a_rule_are_given_by_name() -> None:
    assert get_rule({"name": "hypr", "update_every": 9}).update_every == 9
    assert get_rule(HOMEOSTATIC) is HOMEOSTATIC
    with pytest.raises(InputError, match=r"rule 'hypr': unknown setting 'own_spike'.*, known: update_every, decay"):
        get_rule({"name": "hypr", "own_spike": True})


def test_means_of_a_rule_that_keeps_none_are_refused() -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match="means with rule 'hypr', rule: it keeps none"):
        gradients(net, x, y, means={})


def test_a_penalty_on_rates_does_not_meet_currents() -> None:
    net, x, y, _ = problem()
    with pytest.raises(InputError, match="penalty with rule 'node_perturbation'"):
        gradients(net, x, y, rule=node_perturbation(0.1, 0.1, 0.1), penalty=RatePenalty(0.1, 1.0))
