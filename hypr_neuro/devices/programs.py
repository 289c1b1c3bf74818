"""Programs that were compiled in this process, by what they compute: the same one is not compiled twice."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.link import build_linked, write_linked
from hypr_neuro.graph.integer import IntegerNetwork, as_integer
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

KEPT = 32
"""Programs that are kept, the last used ones."""
LEAST_ROOM = {build.HOST.name: 1 << 16, build.CORTEX_M4.name: 1 << 12}
"""Bytes of a request's body; where a step with its states takes more, that."""


class BuiltProgram:
    """A compiled program; its folder goes when nobody holds it any more, and at the end of the process that built it.

    Attributes
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, _remove, path.parent, os.getpid())


_programs: OrderedDict[tuple[str, bytes], BuiltProgram] = OrderedDict()
_changing = threading.Lock()
_swept: list[bool] = []
PREFIX = "hypr-neuro-c-"
OLD = 86_400
"""Seconds."""


def built_program(
    network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None, toolchain: build.Toolchain
) -> tuple[BuiltProgram, bytes]:
    """Return the program for a network, and its digest; it is compiled unless the same one was.

    Raises
    ------
    InputError
        For what C cannot compute.
    """
    folder = new_folder()
    try:
        digest = write_linked(network, options, folder)
        key = toolchain.name, digest
        with _changing:
            known = _programs.get(key)
            if known is not None and known.path.is_file():
                _programs.move_to_end(key)
                shutil.rmtree(folder, ignore_errors=True)
                return known, digest
        room = max(LEAST_ROOM[toolchain.name], _room(network))
        program = BuiltProgram(build_linked(folder, toolchain, learns=options is not None, room=room))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    with _changing:
        _programs[key] = program
        _programs.move_to_end(key)
        while len(_programs) > KEPT:
            _programs.popitem(last=False)
    return program, digest


def new_folder() -> Path:
    """Make a folder that carries this process's number; the first call removes what killed processes left a day ago."""
    if not _swept and os.name == "posix":
        _swept.append(True)
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
            number = left.name.removeprefix(PREFIX).partition("-")[0]
            with suppress(OSError):
                # one of a container beside this one may have a number that is unknown here
                if number.isdecimal() and time.time() - left.stat().st_mtime > OLD and not _lives(int(number)):
                    shutil.rmtree(left)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _room(network: QuantizedNetwork | IntegerNetwork) -> int:
    """Return bytes of a step's input, or of all that it gives with states and traces of outputs, whichever is more."""
    integer, _ = as_integer(network)
    held = sum(p.size * (p.model.d + 2) for p in integer.populations)
    return 8 * held + 4 * (integer.inputs + integer.output_size) + 64


def _remove(folder: Path, builder: int) -> None:
    # a process that was forked holds copies, the folder is not its own
    if os.getpid() == builder:
        shutil.rmtree(folder, ignore_errors=True)
