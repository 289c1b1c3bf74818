"""Kernels of a user whose cache folder cannot be written are kept among the temporary files, and one line says so."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from hypr_neuro.errors import HyprWarning
from hypr_neuro.numbers import kernel_cache
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.kernel_cache import spare_folder


def made() -> Callable[[int], int]:
    def kernel(x):
        return x * 5 + 1

    return compile_kernel(kernel)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, and a cache folder that cannot be made, since a file has its name."""
    (tmp_path / "home").write_text("")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HYPR_NEURO_CACHE", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    kernel_cache.reason_against.cache_clear()
    return tmp_path / "temporary"


def test_kernels_go_to_the_spare_folder_and_are_found_there(temporary: Path) -> None:
    first = made()
    with pytest.warns(HyprWarning, match=r"compiled kernels: folder .*home.* HYPR_NEURO_CACHE") as told:
        assert first(2) == 11
    assert first(2.0) == 11.0, "without a second warning, which would be an error here"
    assert len(told) == 1
    assert len(list(temporary.rglob("*.nbc"))) == 2
    again = made()
    assert again(2) == 11
    assert not again.stats.cache_misses  # type: ignore[attr-defined]


@pytest.mark.skipif(os.name == "nt", reason="rights of folders are those of POSIX")
@pytest.mark.parametrize("fault", ["others may write", "a link", "a file"])
def test_a_spare_folder_that_others_could_fill_is_not_used(fault: str, temporary: Path, tmp_path: Path) -> None:
    folder = temporary / f"hypr-neuro-{os.getuid()}"
    if fault == "others may write":
        folder.mkdir()
        folder.chmod(0o777)
    elif fault == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.write_text("")
    assert spare_folder() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", HyprWarning)
        assert made()(2) == 11
    assert not list(tmp_path.rglob("*.nbc"))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="/proc is a folder in which nobody can write")
def test_a_process_without_a_home_says_one_line_and_goes_on(tmp_path: Path) -> None:
    script = "from hypr_neuro.numbers.compiling import compile_kernel\n\ndef kernel(x):\n    return x + 1\n\n"
    (tmp_path / "script.py").write_text(script + "print(compile_kernel(kernel)(1))\n")
    nowhere = {"HOME": "/proc/nohome", "TMPDIR": str(tmp_path), "HYPR_NEURO_CACHE": "/proc/nohome"}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, check=False, env=os.environ | nowhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\n"
    assert done.stderr.count("HyprWarning") == 1
    assert list(tmp_path.rglob("*.nbc"))
