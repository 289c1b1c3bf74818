"""Every example runs, in its short form."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NEEDS_DATA = {
    "braille_shifted_sensor": "braille",
    "devices_side_by_side": "ecg",
    "ecg_on_chip": "ecg",
    "firmware_ecg": "ecg",
    "gap_by_cause": "ecg",
    "quantization_aware": "ecg",
    "train_braille": "braille",
    "train_ecg": "ecg",
}


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_example_runs(name: str, request: pytest.FixtureRequest) -> None:
    arguments = ["--quick"]
    if name in NEEDS_DATA:
        arguments.insert(0, str(request.getfixturevalue("shared_data") / NEEDS_DATA[name]))
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d\.\d", done.stdout), done.stdout
