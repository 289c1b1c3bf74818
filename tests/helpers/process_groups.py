"""Whether the processes of a device are gone."""

from __future__ import annotations

import os
import time
from pathlib import Path


def assert_gone(group: int, folder: Path) -> None:
    """No process of the group is alive (a dead one that nobody waited for does not count), the folder is removed."""
    until = time.monotonic() + 10
    while (alive := living(group)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive, f"still there: {alive}"
    assert not folder.exists()


def living(group: int) -> list[str]:
    if not Path("/proc/self/stat").exists():
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return []
        return [str(group)]
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
        except OSError:
            continue
        state, _, member = rest.split()[:3]
        if int(member) == group and state != "Z":
            found.append(name)
    return found
