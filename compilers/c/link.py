"""The program behind a link: what `hn_link.c` is built of, its digest, and how it is built."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from hypr_neuro.compilers.c import build, write_program
from hypr_neuro.compilers.c.learning.learn import HEADER, SOURCE, write_learning
from hypr_neuro.files.store import write_text
from hypr_neuro.sim.learning.options import LearnOptions

FILES = ("hn_link.c", "hn_link.h", "cortex_m4/uart.c")
DIGEST_FILE = "hn_link_digest.h"
NETWORK_SOURCE = "network.c"
START = re.compile(r"^static const struct hn_learned start = \{.*?^\};$", re.MULTILINE | re.DOTALL)
RATES = re.compile(r"^    hn_learn_rate\(\d+, \d+\);$", re.MULTILINE)
"""Those of `hn_learn_reset`; whoever learns sets his own."""
ROOM = 1024
"""Of a program for a board of the user's, where no other is asked for."""
TEMPLATES = Path(__file__).with_name("templates")


def write_link(folder: Path, *, learns: bool) -> list[str]:
    """Write what answers requests, beside what `write_program` or `write_learning` wrote; return the names."""
    for name in FILES:
        write_text(folder / name, (TEMPLATES / name).read_text(encoding="utf-8"))
    digest = program_digest(folder, learns=learns)
    numbers = ", ".join(f"0x{byte:02x}" for byte in digest)
    about = "/* Of what the program computes, without what it learns: the other side knows it by this. */"
    write_text(folder / DIGEST_FILE, f"{about}\n#define HN_LINK_DIGEST {{{numbers}}}\n")
    return [*FILES, DIGEST_FILE]


def program_digest(folder: Path, *, learns: bool) -> bytes:
    """Return 16 bytes of what the program of a folder computes; of one that learns all but what learning changes."""
    names = (HEADER, SOURCE) if learns else ("network.h", NETWORK_SOURCE)
    text = "".join((folder / name).read_text(encoding="utf-8") for name in names)
    return hashlib.sha256(RATES.sub("", START.sub("", text)).encode()).digest()[:16]


def write_linked(network: Any, options: LearnOptions | None, folder: Path) -> bytes:
    """Write a program that answers requests, one that learns where there are options; return its digest.

    Raises
    ------
    InputError
        For what C cannot compute.
    """
    if options is None:
        write_program(network, folder)
    else:
        write_learning(network, options, folder)
    write_link(folder, learns=options is not None)
    return program_digest(folder, learns=options is not None)


def build_linked(folder: Path, toolchain: build.Toolchain, *, learns: bool, room: int) -> Path:
    """Build the program of a folder of `write_linked`; return its path.

    room : largest body of a request and of an answer, in bytes
    """
    source, defines = (
        (SOURCE, ["-DHN_LINK_LEARN", "-DHN_LEARN_COUNTS"])
        if learns
        else (
            NETWORK_SOURCE,
            ["-DHN_LINK_NETWORK", "-DHN_EVENTS"],
        )
    )
    out = folder.resolve() / f"link_{toolchain.name}"
    if toolchain is build.CORTEX_M4:
        board = ["-nostdlib", "-T", "cortex_m4/mps2_an386.ld", "cortex_m4/startup.c", "cortex_m4/uart.c"]
        linked = [*board, "hn_link.c", source, "-lgcc"]
    else:
        linked = ["hn_link.c", source, "host_io.c"]
    build.compile_c(toolchain, [*defines, f"-DHN_LINK_ROOM={room}u", "-o", out, *linked], folder)
    return out
