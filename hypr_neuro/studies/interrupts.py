"""Ctrl-C while processes start and stop: it takes effect afterwards, and reaches the coordinator alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends; then it is raised as ever.

    Threads and processes that are started meanwhile never get it: a terminal sends it to all that runs in it, and
    workers would each tell of it.
    """
    # its start unblocks the signal in the thread that starts it, where workers are to inherit that it is blocked
    resource_tracker.ensure_running()
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    # a thread that was there before can still be given the signal, for which Python calls the handler in the main one
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number)) if main else None
    inherited = (
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    )
    try:
        yield
    finally:
        if inherited is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, inherited)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
    if came:
        signal.raise_signal(signal.SIGINT)
