"""The folder of a compiled program: its manifest tells it whole, whoever else writes there, whatever happens."""

from __future__ import annotations

import errno
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any

import pytest
from small_network import small

from hypr_neuro import compilers
from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.errors import InputError
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import random_quantized


def files_of(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_what_an_earlier_target_wrote_is_removed(tmp_path: Path) -> None:
    qnet, folder = random_quantized("lif", 0, "loihi2"), tmp_path / "out"
    first = compile_network(qnet, target="c", out=folder, learn=LearnOptions(rate=0.3)).manifest["files"]
    assert {"learn.c", "cortex_m4/startup.c"} <= set(first)
    (folder / "hn_io.h").write_text("/* changed */\n")
    (folder / "mine.c").write_text("/* added */\n")
    second = compile_network(qnet, target="lava", out=folder).manifest["files"]
    assert files_of(folder) == {*second, "manifest.json", "hn_io.h", "mine.c"}
    assert not (folder / "cortex_m4").exists()
    compile_network(qnet, target="c", out=folder)
    assert "network.h5" not in files_of(folder)
    # what the manifest does not name belongs to someone else
    (folder / "cortex_m4" / "own.ld").write_text("")
    compile_network(qnet, target="lava", out=folder)
    assert files_of(folder) == {*second, "manifest.json", "mine.c", "cortex_m4/own.ld"}


def test_a_manifest_removes_nothing_outside_its_folder(tmp_path: Path) -> None:
    qnet, folder, outside = random_quantized("lif", 0, "loihi2"), tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    compile_network(qnet, target="lava", out=folder)
    (outside / "kept").write_text("")
    (folder / "link").symlink_to(outside)
    empty = hashlib.sha256(b"").hexdigest()
    names = dict.fromkeys(("../outside/kept", "link/kept", str(outside / "kept"), "link"), empty)
    for content in ("[]", "no JSON", json.dumps({"files": names})):
        (folder / "manifest.json").write_text(content)
        compile_network(qnet, target="c", out=folder)
        assert (outside / "kept").exists()
        assert (folder / "link").is_symlink()


def inconsistent(folder: Path) -> list[str]:
    """Files whose sha256 is another than the manifest says."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    return [
        name for name, digest in files.items() if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def test_calls_for_one_folder_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl", reason="no flock on this platform")
    barrier, order = Barrier(2, timeout=60), []

    def slowly(path: Path, write: Any) -> None:
        order.append(get_ident())
        time.sleep(0.01)
        write_atomically(path, write)

    write_atomically = compilers.write_atomically
    monkeypatch.setattr(compilers, "write_atomically", slowly)
    # the last that is done before files are moved
    monkeypatch.setattr(build, "memory", lambda folder: {"waited": barrier.wait() >= 0})
    networks = small(), small(exponent=1)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            order.clear()
            jobs = [pool.submit(compile_network, network, target="c", out=tmp_path / "out") for network in networks]
            found = [job.result().manifest for job in jobs]
            assert sum(a != b for a, b in pairwise(order)) == 1, "files of two calls alternate"
            kept = json.loads((tmp_path / "out" / "manifest.json").read_text())
            assert kept in found
            assert inconsistent(tmp_path / "out") == []
            assert files_of(tmp_path / "out") == {*kept["files"], "manifest.json"}


def test_a_manifest_tells_what_was_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others who write into the folder meanwhile, on a file system without locks, can be found out."""
    whole = compile_network(small(), target="c", out=tmp_path / "whole").manifest["files"]

    def interfere(path: Path, write: Any) -> None:
        write_atomically(path, write)
        if path.name == "network.c":
            path.write_text("/* of another network */\n")

    write_atomically = compilers.write_atomically
    monkeypatch.setattr(compilers, "write_atomically", interfere)
    assert compile_network(small(), target="c", out=tmp_path / "mixed").manifest["files"] == whole
    assert inconsistent(tmp_path / "whole") == []
    assert inconsistent(tmp_path / "mixed") == ["network.c"]


def test_an_interrupted_compile_leaves_no_manifest_and_can_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_network(small(), target="c", out=tmp_path / "out")
    whole = files_of(tmp_path / "out")

    def interrupted(path: Path, write: Any) -> None:
        if path.name == "network.c":
            raise KeyboardInterrupt
        write_atomically(path, write)

    write_atomically = compilers.write_atomically
    with monkeypatch.context() as patched:
        patched.setattr(compilers, "write_atomically", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compile_network(small(), target="c", out=tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists(), "the folder would count as complete"
    compile_network(small(), target="c", out=tmp_path / "out")
    assert files_of(tmp_path / "out") == whole
    assert inconsistent(tmp_path / "out") == []


@pytest.mark.parametrize("earlier", [False, True])
def test_a_disk_that_is_full_leaves_everything_as_it_was(
    earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten files seven had room."""
    if earlier:
        compile_network(small(), target="c", out=tmp_path / "out")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    copied: list[str] = []

    def full(source: Any, target: Any) -> None:
        copied.append(str(target))
        if len(copied) > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr("hypr_neuro.compilers.shutil.copyfile", full)
    with pytest.raises(InputError, match=r"cannot write '.*': No space left on device; make room there, .*nothing was"):
        compile_network(small(exponent=1), target="c", out=tmp_path / "out")
    assert len(copied) == 8
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "out").exists() == earlier
