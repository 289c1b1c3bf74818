"""A program of its own that runs networks under Lava and lets them learn, for the device 'lava'.

    python -m hypr_neuro.compilers.lava.worker FOLDER

Reads one JSON order a line from standard input, {"network": file, "x": file, "record": [names], "out": folder}, and
answers with JSON lines: {"done": steps, "all": steps} while it runs, then {"events": {...}} or {"error": text}.
{"learn": file, "options": {...}} makes a network that learns, whose own files lie in FOLDER/learning; then
{"steps": file, "out": file} lets it go on for the rows of an .npz (x, told, control, see `learning.live`).

It leads a process group of its own, Lava's processes in it. When standard input ends, whatever the reason, FOLDER is
removed and the whole group ends.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hypr_neuro.compilers.lava.learning.live import LiveNetwork
from hypr_neuro.compilers.lava.run import run_network
from hypr_neuro.errors import HyprError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

LEARNING = "learning"
"""Folder of the files of a network that learns."""


def main(folder: str) -> None:
    """Answer orders until standard input ends."""
    answers = _answers()
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(orders, folder), daemon=True).start()
    _say(answers, {"ready": os.getpid()})
    worker = _Worker(Path(folder), answers)
    while True:
        order = orders.get()
        try:
            _say(answers, {"events": worker.carry_out(order)})
        except HyprError as error:
            _say(answers, {"error": str(error)})
        except Exception as error:
            traceback.print_exc()
            _say(answers, {"error": f"Lava: {type(error).__name__}: {error}"})


def _answers() -> TextIO:
    """Return standard output for answers alone: what Lava prints goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


class _Worker:
    """Carries out orders."""

    def __init__(self, folder: Path, answers: TextIO) -> None:
        self.folder, self.answers = folder, answers
        self.learning: LiveNetwork | None = None

    def carry_out(self, order: dict[str, Any]) -> dict[str, list[int]]:
        """Do what an order says; return the events of a run."""
        if "learn" in order:
            self._begin(order)
        elif "steps" in order:
            self._go_on(order)
        else:
            x = np.load(order["x"], allow_pickle=False)
            qnet = QuantizedNetwork.load(order["network"])
            return run_network(qnet, x, order["record"], Path(order["out"]), self._done)
        return {}

    def _done(self, steps: int, total: int) -> None:
        _say(self.answers, {"done": steps, "all": total})

    def _begin(self, order: dict[str, Any]) -> None:
        folder = self.folder / LEARNING
        folder.mkdir(exist_ok=True)
        options = LearnOptions.from_described(order["options"])
        qnet = QuantizedNetwork.load(order["learn"])
        self.learning = LiveNetwork(qnet, options, folder, lambda: self._done(0, 1))

    def _go_on(self, order: dict[str, Any]) -> None:
        assert self.learning is not None
        with np.load(order["steps"], allow_pickle=False) as given:
            x, told, control = (given[name] for name in ("x", "told", "control"))
        np.save(order["out"], self.learning.run(x, told, control, self._done))


def _listen(orders: queue.Queue[dict[str, Any]], folder: str) -> None:
    """Hand on the orders; at the end of standard input, end everything.

    Reads the descriptor itself: a lock that `sys.stdin` holds while it waits would be copied into Lava's forks.
    """
    rest = b""
    while part := os.read(0, 65536):
        *orders_read, rest = (rest + part).split(b"\n")
        for text in orders_read:
            orders.put(json.loads(text))
    shutil.rmtree(folder, ignore_errors=True)
    end_group()


def end_group() -> None:
    """End this process and, if it leads its group, every process of the group.

    SIGTERM, because the process that tracks shared memory ignores it: it sees the others end and frees what they left.
    """
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
