"""Commands in locales that lack some of their signs: readable text, JSON without loss, no error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hypr_neuro.cli.encodings import PLAIN, json_for

LOCALES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def run(locale: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hypr_neuro", *arguments]
    return subprocess.run(command, check=False, capture_output=True, cwd=cwd, env=os.environ | LOCALES[locale])


@pytest.mark.parametrize("locale", LOCALES)
def test_tables_are_written_with_what_the_locale_has(locale: str) -> None:
    """The sources of a profile's numbers hold signs such as µ and ×."""
    shown = run(locale, "profiles", "loihi2")
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout.decode("cp1252" if locale == "cp1252" else "ascii")
    assert "weight_bits" in text
    assert "\\u" not in text, "every sign that a profile needs has a stand-in"
    assert run(locale, "--help").returncode == 0


@pytest.mark.parametrize("locale", LOCALES)
def test_json_loses_nothing(locale: str) -> None:
    wanted = subprocess.run(
        [sys.executable, "-m", "hypr_neuro", "profiles", "loihi2", "--json"],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    found = run(locale, "profiles", "loihi2", "--json")
    assert found.returncode == 0, found.stderr
    assert found.stdout.isascii()
    assert json.loads(found.stdout) == json.loads(wanted.stdout.decode())


@pytest.mark.parametrize("locale", ["cp1252", "ascii"])
def test_errors_that_name_other_signs_stay_one_line(locale: str, tmp_path: Path) -> None:
    refused = run(locale, "simulate", "→ 網.h5", "--json", cwd=tmp_path)
    assert refused.returncode == 2
    (line,) = refused.stderr.decode("ascii").splitlines()
    assert line.startswith("hypr-neuro: error: file '-> \\u7db2.h5' does not exist")
    assert "→ 網.h5" in json.loads(refused.stdout)["error"]


def test_json_is_escaped_only_where_it_must_be() -> None:
    text = '{"ψ": "a → b 𝄞"}'
    assert json_for("utf8", text) == text
    for encoding in ("cp1252", None):
        escaped = json_for(encoding, text)
        assert escaped.isascii()
        assert json.loads(escaped) == json.loads(text)


def test_every_stand_in_is_ascii() -> None:
    assert all(len(sign) == 1 and not sign.isascii() and stand_in.isascii() for sign, stand_in in PLAIN.items())
