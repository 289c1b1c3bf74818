"""A proxy for one TCP port that cuts connections after a number of bytes that a seed draws."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """Forwards to a port of this machine; after `faults` cuts it only forwards."""

    def __init__(self, port: int, seed: int, faults: int, most: int = 60_000) -> None:
        self.to, self.draw, self.left, self.most, self.cuts = port, random.Random(seed), faults, most, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                threading.Thread(target=self._forward, args=(here,), daemon=True).start()

    def _forward(self, here: socket.socket) -> None:
        try:
            there = socket.create_connection(("127.0.0.1", self.to), timeout=5)
        except OSError:
            here.close()
            return
        there.settimeout(None)
        budget = [self.draw.randrange(300, self.most) if self.left > 0 else -1]
        ends = ((here, there), (there, here))
        pumps = [threading.Thread(target=self._pump, args=(*end, budget), daemon=True) for end in ends]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        here.close()
        there.close()

    def _pump(self, source: socket.socket, target: socket.socket, budget: list[int]) -> None:
        with suppress(OSError):
            while data := source.recv(16_384):
                if budget[0] >= 0:
                    budget[0] -= len(data)
                    if budget[0] < 0:
                        target.sendall(data[: len(data) // 2])  # half of what was said arrives
                        self.left, self.cuts = self.left - 1, self.cuts + 1
                        break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()
