"""Whose turn it is: one client at a time has the device; of those who wait, who has used it least goes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hypr_neuro.errors import HyprError

MOST = 16
"""Calls of one client that wait here; more are sent back at once, so that they leave room for others' calls."""
GRACE = 0.2
"""Seconds that the device waits for the next call of the client whose turn it is, while others wait."""


class QueuedError(HyprError):
    """The device is another's for now; ask again."""


class Turns:
    """A fair queue for one device.

    Who has used it least goes first; who was away is set level with those who stayed, or he would hold them up for as
    long as they had worked without him.

    Parameters
    ----------
    seconds
        Length of a turn while others wait.
    patience
        Seconds that a call waits here before it is sent back to ask again.

    Attributes
    ----------
    used
        Seconds of device time by client.
    debt
        The same for comparing clients, level with the others' for those who were away.
    """

    def __init__(self, seconds: float = 30.0, patience: float = 20.0) -> None:
        self.seconds, self.patience = seconds, patience
        self.used: dict[str, float] = {}
        self.debt: dict[str, float] = {}
        self.level, self.closed = 0.0, False
        self.waiting: dict[str, int] = {}
        self.owner, self.busy, self.began, self.last = "", False, 0.0, 0.0
        self.changed = threading.Condition()

    @contextmanager
    def of(self, client: str) -> Iterator[None]:
        """Hold the device for one call of a client; raise QueuedError when that takes too long."""
        with self.changed:
            self._wait(client)
            self.busy = True
        began = time.monotonic()
        try:
            yield
        finally:
            with self.changed:
                self.last = time.monotonic()
                for seconds in (self.used, self.debt):
                    seconds[client] = seconds.get(client, 0.0) + self.last - began
                self.busy = False
                self.changed.notify_all()

    def _wait(self, client: str) -> None:
        until = time.monotonic() + self.patience
        if self.waiting.get(client, 0) >= MOST:
            raise QueuedError(f"{MOST} calls of this client wait already")
        if client not in self.waiting and client != self.owner:
            here = [self.debt[c] for c in (*self.waiting, self.owner) if c in self.debt]
            self.level = max(self.level, min(here, default=0.0))
            self.debt[client] = max(self.debt.get(client, 0.0), self.level)
        self.waiting[client] = self.waiting.get(client, 0) + 1
        try:
            while not self._may(client):
                left = until - time.monotonic()
                if left <= 0 or self.closed:
                    raise QueuedError("the device is another's for now")
                self.changed.wait(min(left, GRACE / 4))
        finally:
            self.waiting[client] -= 1
            if not self.waiting[client]:
                del self.waiting[client]
            self.changed.notify_all()

    def _may(self, client: str) -> bool:
        """Take the device for a client if it is free and his turn."""
        if self.busy or self.closed:
            return False
        now = time.monotonic()
        others = [c for c in self.waiting if c != client]
        if self.owner == client and (not others or now - self.began < self.seconds):
            return True
        if self.owner not in ("", client) and now - self.last < GRACE and now - self.began < self.seconds:
            return False
        rivals = [c for c in others if c != self.owner or now - self.began < self.seconds]
        if any(self.debt[c] < self.debt[client] for c in rivals):
            return False
        self.owner, self.began = client, now
        return True

    def close(self) -> None:
        """Send back all that wait, and all that come."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def leave(self, client: str) -> None:
        """Let a client's turn end."""
        with self.changed:
            if self.owner == client:
                self.owner = ""
            if client not in self.waiting and "/" in client:  # a name that the server made does not come again
                for seconds in (self.used, self.debt):
                    seconds.pop(client, None)
            self.changed.notify_all()
