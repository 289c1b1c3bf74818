"""A compiled folder that shows what it can by itself: samples, their answers, the encoder, instructions of a step."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import called
from needed import needs_gcc, needs_make, needs_qemu

import hypr_neuro as hn
from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.encoder import encoder_header
from hypr_neuro.data.score import predict, score_answers
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.sim.learning.from_data import told_of
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import as_rate
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, random_spikes, varied

pytestmark = pytest.mark.once

Array = Any
SAMPLES, STEPS = 6, 20


def labelled(qnet: hn.QuantizedNetwork, per_step: bool, seed: int = 0) -> SequenceData:
    rng = np.random.default_rng(seed)
    x = random_spikes(seed, SAMPLES, STEPS, qnet.inputs).astype(np.int8)
    y = rng.integers(0, qnet.output_size, (SAMPLES, STEPS) if per_step else SAMPLES)
    mask = rng.random((SAMPLES, STEPS)) < 0.5
    mask[:, -1] = True
    return SequenceData("drawn", x, y, np.array(["test"] * SAMPLES), qnet.output_size, mask)


def made(folder: Path, target: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """`make`, with nothing on standard input unless there is a text."""
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
    return subprocess.run(["make", "-s", target], cwd=folder, capture_output=True, text=True, check=False, **given)


@needs_gcc
@needs_make
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("kind", ["chain", "graph", "no delay"])
def test_make_run_answers_as_the_simulator(kind: str, per_step: bool, tmp_path: Path) -> None:
    profile = varied("ideal" if kind == "no delay" else "loihi2")
    qnet = random_learning_graph(2, profile) if kind == "graph" else random_quantized("lif", 3, profile, hidden=(5, 4))
    data = labelled(qnet, per_step)
    artifact = compile_network(qnet, target="c", out=tmp_path, samples=data, learn=hn.LearnOptions())
    answers = predict(hn.simulate(qnet, data.x).readout, data)
    right = answers == data.y
    done = made(tmp_path, "run")
    assert (done.returncode, done.stderr) == (0, "")
    rows = done.stdout.splitlines()
    counted = right[data.mask] if per_step else right
    assert rows[-1] == f"{counted.sum()} of {counted.size} right"
    assert artifact.manifest["samples"] == {
        "data": "drawn",
        "samples": SAMPLES,
        "answers": counted.size,
        "right": counted.sum(),
    }
    for i, row in enumerate(rows[:-1]):
        if per_step:
            assert row == f"sample {i}: {right[i][data.mask[i]].sum()} of {data.mask[i].sum()} right"
        else:
            assert row == f"sample {i}: answer {answers[i]} label {data.y[i]} {'right' if right[i] else 'wrong'}"
    # samples of one's own go in as before, and those that were written are what main.c reads
    printed = made(tmp_path, "run", (tmp_path / "samples.txt").read_text()).stdout
    outputs = build.outputs(printed, [STEPS + qnet.tail] * SAMPLES)
    readout = hn.simulate(qnet, data.x).readout
    assert all(np.array_equal(found[qnet.tail :], readout[i]) for i, found in enumerate(outputs))
    learned = made(tmp_path, "learn")
    assert learned.returncode == 0
    assert learned.stdout == made(tmp_path, "learn", (tmp_path / "labelled.txt").read_text()).stdout


@needs_gcc
@needs_make
def test_make_without_samples_says_so_and_ends(tmp_path: Path) -> None:
    compile_network(random_quantized("lif", 0, "loihi2"), target="c", out=tmp_path, learn=hn.LearnOptions())
    for target, file in (("run", "samples.txt"), ("learn", "labelled.txt")):
        done = made(tmp_path, target)
        assert done.returncode == 2
        assert f"no samples: give {file} on standard input (make -s {target} < {file})" in done.stderr


@needs_gcc
@needs_make
def test_make_says_that_it_waits_for_a_pipe(tmp_path: Path) -> None:
    """A pipe that is open and empty: the line comes before the pipe ends."""
    compile_network(random_quantized("lif", 0, "loihi2"), target="c", out=tmp_path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(["make", "-s", "run"], cwd=tmp_path, text=True, **pipes) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "samples are read from a pipe on standard input, until it ends\n"
        assert waiting.poll() is None
        rest, said = waiting.communicate("")
    assert (waiting.returncode, rest, said) == (0, "", "")


def targets_of(qnet: hn.QuantizedNetwork, per_step: bool) -> SequenceData:
    data = labelled(qnet, per_step)
    shape = (SAMPLES, STEPS, qnet.output_size) if per_step else (SAMPLES, qnet.output_size)
    return replace(data, y=np.random.default_rng(1).normal(0, 1, shape), classes=qnet.output_size)


@needs_gcc
@needs_make
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("profile", ["loihi2", "ideal"])
def test_outputs_of_a_regression_stand_beside_their_targets(profile: str, per_step: bool, tmp_path: Path) -> None:
    qnet = random_quantized("lif", 3, profile, hidden=(5, 4))
    data = targets_of(qnet, per_step)
    # without saying so, a program that learns does so from the targets
    artifact = compile_network(qnet, target="c", out=tmp_path, samples=data, learn=hn.LearnOptions(rate=0.5))
    done = made(tmp_path, "run")
    assert (done.returncode, done.stderr) == (0, "")
    *rows, last = done.stdout.splitlines()
    real = predict(qnet.for_score(hn.simulate(qnet, data.x).readout, regression=True), data)
    assert np.abs(real).max() > 0.01, "a network that says nothing"
    if per_step:
        at = np.argwhere(data.mask)
        names = [f"sample {i}, step {t}: " for i, t in at]
        wanted = [(real[i, t], data.y[i, t]) for i, t in at]
    else:
        names, wanted = [f"sample {i}: " for i in range(SAMPLES)], list(zip(real, data.y, strict=True))
    assert last == f"{len(names)} answers"
    for row, name, (output, target) in zip(rows, names, wanted, strict=True):
        assert row.startswith(f"{name}output ")
        said, beside = row.removeprefix(f"{name}output ").split("target ")
        np.testing.assert_allclose([float(v) for v in said.split()], output, rtol=0, atol=0.5001e-4)
        step = 0.5 / qnet.population("readout").state_scale
        np.testing.assert_allclose([float(v) for v in beside.split()], target, rtol=0, atol=0.5001e-4 + step)
    assert artifact.manifest["samples"] == {
        "data": "drawn",
        "samples": SAMPLES,
        "squared error": score_answers(real, data).squared_error,
    }
    assert artifact.manifest["learn"]["targets"] == "values"
    learned = made(tmp_path, "learn")
    assert (learned.returncode, learned.stderr) == (0, "")
    assert learned.stdout == made(tmp_path, "learn", (tmp_path / "labelled.txt").read_text()).stdout
    chip = Learner(qnet.copy(), hn.LearnOptions(rate=0.5, targets="values"))
    rates = as_rate(0.5), as_rate(1.0)
    for i in range(SAMPLES):
        sample = data.take(np.array([i]))
        told = told_of(chip.plan, sample)
        chip.sample(sample.x[0].astype(np.int64), told.pop("label"), data.mask[i], *rates, **told)
    line = learned.stdout.splitlines()[-1].split()
    weights = [w for name, w in chip.qnet.weights().items()]
    assert sorted(map(int, line)) == sorted(np.concatenate([w.ravel() for w in weights]).tolist())


@needs_gcc
@needs_make
def test_a_network_of_a_regression_learns_from_its_targets_on_the_command_line(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "c"
    words = ("--data", "adding", "--set", "levels=16", "--set", "steps=20")
    assert called("train", *words, "--epochs", "1", "--out", run).returncode == 0
    assert called("quantize", run / "network.h5").returncode == 0
    done = called("compile", run / "quantized.h5", "--learn", "rate=0.2", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"learn: targets=values, as '{run}' was made with a regression" in done.stderr
    assert "hn_learn_step_with_target" in (out / "learn.h").read_text()
    asked = ("--learn", "rate=0.2", "--learn", "targets=values", "--samples", "5", "--out", out)
    done = called("compile", run / "quantized.h5", *asked, "--json")
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert manifest["samples"]["samples"] == 5
    assert made(out, "run").stdout.splitlines()[-1] == "5 answers"
    assert made(out, "learn").returncode == 0
    labels = called("compile", run / "quantized.h5", "--learn", "targets=labels", "--out", tmp_path / "labels")
    assert "hn_learn_step(" in (tmp_path / "labels" / "learn.h").read_text(), labels.stderr


@needs_make
@pytest.mark.parametrize("target", ["learn", "emulate-learn"])
def test_make_learn_without_a_network_that_learns_says_so_in_one_line(target: str, tmp_path: Path) -> None:
    compile_network(random_quantized("lif", 0, "loihi2"), target="c", out=tmp_path)
    done = made(tmp_path, target)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no learn.c here: hypr-neuro compile ... --learn rate=0.2 writes a network that learns" in line


@needs_qemu
@needs_make
def test_the_board_answers_and_its_instructions_are_counted(tmp_path: Path) -> None:
    qnet = random_quantized("brf", 1, "cortex_m4")
    data = labelled(qnet, per_step=False)
    artifact = compile_network(qnet, target="c", out=tmp_path, samples=data)
    assert made(tmp_path, "emulate").stdout == made(tmp_path, "run").stdout
    told = artifact.manifest["instructions a step"]
    assert told["value"] == build.instructions_per_step(tmp_path, list(data.x[:4]), qnet.tail)
    assert "counted by qemu-system-arm, mean of 4 sample(s)" in told["how"]
    without = compile_network(qnet, target="c", out=tmp_path).manifest
    assert without["instructions a step"] == {
        "value": None,
        "reason": "counted on samples; compile with samples (--samples N)",
    }
    assert not (tmp_path / "answers.c").exists()
    assert set(without["tools"]) == {"make", "gcc", "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"}


@needs_gcc
@needs_make
def test_the_command_writes_test_samples_of_the_networks_data(tmp_path: Path) -> None:
    folder, out = tmp_path / "run", tmp_path / "c"
    assert called("train", "--data", "digits", "--epochs", "5", "--out", folder).returncode == 0
    assert called("quantize", folder / "network.h5").returncode == 0
    done = called("compile", folder / "quantized.h5", "--samples", "12", "--out", out, "--json")
    manifest = json.loads(done.stdout)
    last = made(out, "run").stdout.splitlines()[-1]
    assert last == f"{manifest['samples']['right']} of 12 right"
    assert manifest["samples"]["right"] > 4
    assert manifest["encoder"] == {"method": "scan", "file": "encoder.h"}
    refused = called("compile", folder / "quantized.h5", "--data", "digits", "--out", out)
    assert "give --samples N, too" in refused.stderr
    assert refused.returncode == 2


def test_samples_that_c_cannot_answer_are_refused(tmp_path: Path) -> None:
    qnet = random_quantized("lif", 0, "loihi2")
    data = labelled(qnet, per_step=False)
    real = targets_of(qnet, per_step=False)
    with pytest.raises(InputError, match="samples of a regression and integers without scales"):
        compile_network(qnet.integer(), target="c", out=tmp_path, samples=real)
    more = SequenceData("more", data.x, np.zeros((SAMPLES, 7)), data.split, 7)
    with pytest.raises(InputError, match=f"data 'more' has 7 targets, the network {qnet.output_size} outputs"):
        compile_network(qnet, target="c", out=tmp_path, samples=more)
    with pytest.raises(InputError, match="samples and learn with targets = 'errors'"):
        compile_network(qnet, target="c", out=tmp_path, samples=real, learn=hn.LearnOptions(targets="errors"))
    with pytest.raises(InputError, match="targets = 'values', but data 'drawn' has classes; leave targets out"):
        compile_network(qnet, target="c", out=tmp_path, samples=data, learn=hn.LearnOptions(targets="values"))
    with pytest.raises(InputError, match="samples and learn with targets = 'errors'"):
        compile_network(qnet, target="c", out=tmp_path, samples=data, learn=hn.LearnOptions(targets="errors"))
    fractions = SequenceData("halves", data.x / 2, data.y, data.split, 3)
    with pytest.raises(InputError, match="data 'halves': x holds fractions"):
        compile_network(qnet, target="c", out=tmp_path, samples=fractions)


class WithEncoder:
    """A network of which only the encoder is looked at."""

    def __init__(self, inputs: int, **encoder: Any) -> None:
        self.inputs, self.encoder = inputs, encoder


def library(folder: Path, inputs: int, **encoder: Any) -> Any:
    """Return encoder.h as a loaded library; its functions are static, so that a file makes them known."""
    text = encoder_header(WithEncoder(inputs, **encoder))
    assert text is not None
    (folder / "network.h").write_text(f"#include <stdint.h>\n#define HN_INPUTS {inputs}\n")
    known = re.sub(r"static inline ", "", text)
    (folder / "encoder.c").write_text(known)
    build.compile_c(
        build.Toolchain("library", "gcc", "size", ("-O1", "-shared", "-fPIC")), ["encoder.c", "-o", "e.so"], folder
    )
    return ctypes.CDLL(str(folder / "e.so"))


def pointer(values: Array) -> Any:
    return np.ascontiguousarray(values, np.int32).ctypes.data_as(ctypes.POINTER(ctypes.c_int32))


@needs_gcc
@pytest.mark.parametrize("threshold", [1, 7])
def test_level_crossing_in_c_is_that_of_python(threshold: int, tmp_path: Path) -> None:
    signal = np.cumsum(np.random.default_rng(0).integers(-9, 10, (80, 3)), axis=0)
    wanted = hn.encode(signal[None], "level_crossing", threshold=threshold)[0]
    c, level, row = (
        library(tmp_path, 6, method="level_crossing", threshold=threshold),
        np.zeros(3, np.int32),
        np.zeros(6, np.int32),
    )
    c.hn_level_crossing_begin(pointer(level), pointer(signal[0]))
    assert wanted.any()
    for value, events in zip(signal, wanted, strict=True):
        c.hn_level_crossing_step(pointer(level), pointer(value), threshold, pointer(row))
        assert np.array_equal(row, events)


@needs_gcc
@pytest.mark.parametrize("levels", [1, 4, 7])
@pytest.mark.parametrize("top", [1, 14, 16, 255])
def test_thermometer_and_scan_in_c_are_those_of_python(levels: int, top: int, tmp_path: Path) -> None:
    """Also where a value lies on a level."""
    image = np.random.default_rng(1).integers(0, top + 1, (5, 40))
    wanted = hn.encode(image.reshape(1, -1) / top, "scan", rows=5, hold=3, levels=levels)[0]
    c, row = (
        library(tmp_path, 40 * levels, method="scan", rows=5, hold=3, levels=levels),
        np.zeros(40 * levels, np.int32),
    )
    for step, spikes in enumerate(wanted):
        c.hn_scan(pointer(image), top, step, pointer(row))
        assert np.array_equal(row, spikes)


@pytest.mark.parametrize(
    ("method", "reason"), [("rate", "drawn from numpy's random numbers"), ("latency", "rounds halves as floats fall")]
)
def test_encoders_that_are_not_of_integers_are_refused_with_a_reason(method: str, reason: str, tmp_path: Path) -> None:
    from dataclasses import replace

    qnet = replace(random_quantized("lif", 0, "loihi2"), encoder={"method": method})
    told = compile_network(qnet, target="c", out=tmp_path).manifest["encoder"]
    assert told["file"] is None
    assert reason in told["reason"]
    assert not (tmp_path / "encoder.h").exists()
