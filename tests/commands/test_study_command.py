"""`hypr-neuro study` and `hn.study`: what the command and the call give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import answer, called, refusal
from study_cases import NETWORK, two_classes

import hypr_neuro as hn
from hypr_neuro.studies.spec import load_study


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("study"))


def test_a_study_from_python(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    script = f"""
import json
import hypr_neuro as hn

if __name__ == "__main__":
    what = {{"run": "quantize", "data": {str(data)!r}, "network": {NETWORK!r}, "vary": {{"weight_bits": [4, 8]}},
            "set": {{"training.epochs": 1}}}}
    first = hn.study(what, "s", workers=1)
    again = hn.study(what, "s")
    print(json.dumps([first.rows == again.rows, len(first.rows), first.choose(100.0).row["precision.weight_bits"]]))
    print(again)
"""
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert json.loads(lines[0]) == [True, 2, 4]
    assert lines[1].startswith("StudyTable: 2 rows, 's'")
    assert not done.stderr, done.stderr


def test_the_command_runs_lists_and_tells(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    small = ("study", "run", "--data", data, "--vary", "weight_bits=4,8", "--set", "training.epochs=1", "--out", out)
    assert len(answer(*small, "--dry-run")["trials"]) == 2
    assert not out.exists()
    rows = answer(*small)
    assert [row["precision.weight_bits"] for row in rows] == [4, 8]
    done = called(*small)
    assert "nothing to do: all 2 trials" in done.stderr
    assert answer("study", "status", out)["finished"] == 2
    assert answer("study", "table", out, "--csv", tmp_path / "t.csv") == rows
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3
    assert answer("study", "table", out, "--write", tmp_path / "t.html") == rows
    assert "<table data-sorted>" in (tmp_path / "t.html").read_text()
    assert "ends in .html, .csv or .json" in refusal("study", "table", out, "--write", tmp_path / "t.txt")
    best = answer("study", "best", out, "--within", "100", "--write", tmp_path / "chip.yaml")
    assert best["settings"] == {"precision.weight_bits": 4}
    assert hn.load_profile(tmp_path / "chip.yaml").precision.weight_bits.value == 4
    figure = answer("study", "plot", out)["figure"]
    assert Path(figure).read_bytes().startswith(b"\x89PNG")
    assert "ends in .png or .svg" in refusal("study", "plot", out, "--write", tmp_path / "f.pdf")
    assert answer("study", "rerun", out, "1", "--limit", "1", "--storage", f"sqlite:///{tmp_path}/s.db") == rows
    assert (tmp_path / "s.db").is_file()
    assert "--tls" in refusal("study", "rerun", out, "1", "--tls", tmp_path, run=called)
    assert "trial 2, rule: 0..1" in refusal("study", "rerun", out, "2")
    assert load_study(out / "study.yaml").vary == {"precision.weight_bits": [4, 8]}
