"""A study on a Dask cluster that others started, with TLS, one of whose workers is killed on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, program
from study_cases import two_classes

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the credentials, is absent"
)

TLS = ("--tls-ca-file", "ca.pem", "--tls-cert", "cert.pem", "--tls-key", "key.pem")


def make_credentials(folder: Path) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    words += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(words, check=True, cwd=folder, capture_output=True)
    shutil.copy(folder / "cert.pem", folder / "ca.pem")


@contextmanager
def started(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]], cwd=folder, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_elsewhere_of_which_one_dies_give_the_same_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((32, 20, 6)) < 0.3).astype(np.int8)
    y = np.arange(32) % 2
    parts = {"train": slice(0, 20), "validation": slice(20, 26), "test": slice(26, 32)}
    np.savez(tmp_path / "two.npz", **{f"{k}_{p}": a[s] for p, s in parts.items() for k, a in (("x", x), ("y", y))})
    make_credentials(tmp_path)
    words = ("study", "run", "--data", tmp_path / "two.npz", "--vary", "weight_bits=2:11", "--set", "training.epochs=1")
    words += ("--seeds", "2")
    own = ("--host", "127.0.0.1", *TLS)
    with started(
        tmp_path, "scheduler", "--protocol", "tls", "--port", "0", "--scheduler-file", "s.json", "--no-dashboard", *own
    ):
        until((tmp_path / "s.json").is_file, 60)
        until(lambda: (tmp_path / "s.json").read_text().endswith("}"), 10)
        address = json.loads((tmp_path / "s.json").read_text())["address"]
        assert address.startswith("tls://")
        worker = ("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", *own)
        with started(tmp_path, *worker) as first, started(tmp_path, *worker):
            out = tmp_path / "out"
            command = [sys.executable, "-m", "hypr_neuro", *map(str, words), "--out", str(out), "--json"]
            command += ["--scheduler", address, "--tls", str(tmp_path)]
            run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            until(lambda: len(list(out.glob("trials/*/result.json"))) > 1 or run.poll() is not None, 120)
            first.send_signal(signal.SIGKILL)
            table, errors = run.communicate(timeout=120)
            assert run.returncode == 0, errors.decode()
            refused = program(*words, "--out", tmp_path / "other", "--scheduler", address)
            assert refused.returncode == 2
            assert "no cluster answers at 'tls://" in refused.stderr
            assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert json.loads(table) == answer(*words, "--out", tmp_path / "here")


def test_a_cluster_that_goes_away_is_told_in_a_line(tmp_path: Path) -> None:
    out, own = tmp_path / "out", ("--host", "127.0.0.1", "--no-dashboard")
    words = ("study", "run", "--data", two_classes(tmp_path), "--vary", "weight_bits=2:16", "--seeds", "20")
    words += ("--set", "training.epochs=1", "--out", out)
    with started(tmp_path, "scheduler", "--port", "0", "--scheduler-file", "s.json", *own) as scheduler:
        until((tmp_path / "s.json").is_file, 60)
        until(lambda: (tmp_path / "s.json").read_text().endswith("}"), 10)
        address = json.loads((tmp_path / "s.json").read_text())["address"]
        command = [sys.executable, "-m", "hypr_neuro", *map(str, words), "--json", "--scheduler", address]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert run.stderr is not None
        assert f"no worker has joined the cluster at '{address}' yet; trials wait" in run.stderr.readline()
        with started(tmp_path, "worker", address, "--nthreads", "1", "--no-nanny", *own):
            until(lambda: len(list(out.glob("trials/*/result.json"))) > 1 or run.poll() is not None, 120)
            scheduler.kill()
            _, errors = run.communicate(timeout=120)
    assert run.returncode == 2
    assert errors.startswith(f"hypr-neuro: error: the cluster at '{address}' no longer answers")
    assert len(errors.splitlines()) == 1, errors
    assert 2 <= answer("study", "status", out)["finished"] < 300
