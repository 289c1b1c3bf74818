"""Whose turn it is: nobody is held up for what he or another did long ago, and nobody fills the queue."""

from __future__ import annotations

import threading
import time

import pytest

from hypr_neuro.serving.turns import MOST, QueuedError, Turns


def test_who_comes_late_does_not_hold_up_who_worked_alone_before() -> None:
    turns = Turns(seconds=0.1)
    with turns.of("first"):
        pass
    turns.used["first"] = turns.debt["first"] = 1000.0  # long alone
    ended, calls = threading.Event(), {"first": 0, "late": 0}

    def client(name: str) -> None:
        while not ended.is_set():
            with turns.of(name):
                time.sleep(0.01)
            calls[name] += 1

    threads = [threading.Thread(target=client, args=(name,)) for name in calls]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    ended.set()
    for thread in threads:
        thread.join()
    assert min(calls.values()) > max(calls.values()) / 4, calls
    assert turns.used["late"] < 10


def test_one_client_cannot_fill_the_queue() -> None:
    turns = Turns(patience=5.0)
    with turns.of("busy"):
        threads = [threading.Thread(target=_call, args=(turns, "many")) for _ in range(MOST)]
        for thread in threads:
            thread.start()
        while turns.waiting.get("many", 0) < MOST:
            time.sleep(0.01)
        with pytest.raises(QueuedError, match="wait already"), turns.of("many"):
            pass
    for thread in threads:
        thread.join()


def test_a_queue_that_is_closed_sends_all_back() -> None:
    turns = Turns(patience=60.0)
    with turns.of("busy"):
        thread = threading.Thread(target=_call, args=(turns, "other"))
        thread.start()
        while not turns.waiting:
            time.sleep(0.01)
        turns.close()
        thread.join(5)
    assert not thread.is_alive()
    with pytest.raises(QueuedError), turns.of("other"):
        pass


def _call(turns: Turns, client: str) -> None:
    try:
        with turns.of(client):
            pass
    except QueuedError:
        pass
