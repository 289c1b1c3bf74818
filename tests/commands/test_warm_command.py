"""`hypr-neuro warm` compiles all that the usual commands run afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from commands import ENVIRONMENT, answer, called, refusal, small_data

refused = partial(refusal, run=called)
NEURON = "lif"
LOOKED_UP = """
import json, os, sys
from contextlib import redirect_stdout
looked_up = set()

def hear(event, facts):
    if event == "open" and str(facts[0]).endswith(".nbc"):
        looked_up.add(os.path.basename(str(facts[0])))

sys.addaudithook(hear)
from hypr_neuro.cli import app
from hypr_neuro.workflow.warm import STAGES, compile_stage
with redirect_stdout(sys.stderr):
    for words in json.loads(sys.argv[1]):
        if words[0] == "warm":
            for stage in STAGES:
                compile_stage(words[1], stage)
        else:
            try:
                app(words)
            except SystemExit as end:
                assert not end.code, words
print(json.dumps(sorted(looked_up)))
"""


def looked_up(*commands: list[str]) -> set[str]:
    """Files of kernels that these commands look for in the cache, by name: a name is a kernel's digest and types."""
    done = subprocess.run(
        [sys.executable, "-c", LOOKED_UP, json.dumps(commands)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.once
def test_the_usual_commands_run_no_kernel_that_warm_left_out(tmp_path: Path) -> None:
    data, run = str(small_data(tmp_path)), tmp_path / "run"
    network, integers = str(run / "network.h5"), str(run / "quantized.h5")
    there = ["--out", str(run)]
    needed = looked_up(
        ["train", "--data", data, "--layer", f"{NEURON}:12", "--epochs", "1", *there],
        ["quantize", network, "--profile", "loihi2", *there],
        ["simulate", integers, "--network", network, *there],
        ["learn", integers, "--epochs", "1", *there],
        ["compare", network, integers, "--epochs", "1", *there],
    )
    compiled = looked_up(["warm", NEURON])
    assert len(needed) > 15
    assert needed <= compiled


def test_what_is_compiled_is_not_compiled_again() -> None:
    answer("warm", "--neuron", NEURON, "--jobs", "1")
    again = answer("warm", "--neuron", NEURON, "--jobs", "1")
    assert again["kernels_compiled"] == []
    assert again["folder"]


def test_another_neuron_is_refused_with_the_names_there_are() -> None:
    line = refused("warm", "--neuron", "lif", "--neuron", "nope")
    assert "'nope'" in line
    assert "lif" in line
    assert "all" in line


def test_no_processes_are_refused() -> None:
    assert "--jobs" in refused("warm", "--jobs", "0")
