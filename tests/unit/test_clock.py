"""Times of a device, against numbers worked out by hand."""

from __future__ import annotations

from math import inf

import pytest

from hypr_neuro.graph.clock import INPUT, Clock, LearningWindow, clock_of_layers
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.testing.networks import varied


def test_layers_on_a_chip_run_behind_each_other() -> None:
    clock = clock_of_layers(3, connection_delay=1, error_latency=4, aligned=True)
    assert clock.populations == ("layers.0", "layers.1", "readout")
    assert [clock.latency(i) for i in range(3)] == [1, 2, 3]
    assert clock.tail == 3
    assert clock.run_steps(10) == 13
    # an error of step t judges what layers.1 did one step and layers.0 two steps before, and is 4 steps under way
    assert [clock.signal_lag(i) for i in range(3)] == [6, 5, 0]
    assert [clock.signal_step(i) for i in range(3)] == [1, 5, 0]
    assert [clock.waiting(i) for i in range(3)] == [6, 5, 0]
    assert [clock.signal_wait(i) for i in range(3)] == [0, 4, 0]
    assert clock.learning_steps(10) == 17
    assert [clock.window(i, 10) for i in range(3)] == [
        LearningWindow(1, 16),
        LearningWindow(2, 15),
        LearningWindow(3, 10),
    ]


def test_a_window_holds_its_steps_and_cuts_blocks() -> None:
    window = LearningWindow(2, 5)
    assert [t for t in range(-3, 12) if window.holds(t)] == [2, 3, 4, 5, 6]
    assert [window.part(start, 4) for start in (0, 2, 4, 7)] == [slice(2, 4), slice(0, 4), slice(0, 3), slice(0, 0)]
    for start in range(10):
        inside = [t for t in range(start, start + 4) if window.holds(t)]
        assert list(range(start, start + 4))[window.part(start, 4)] == inside
    endless = clock_of_layers(2, connection_delay=1, aligned=True).window(0, inf)
    assert not endless.holds(0)
    assert endless.holds(10**12)
    assert endless.part(10**12, 7) == slice(0, 7)


def test_nothing_waits_where_eligibilities_are_not_aligned() -> None:
    clock = clock_of_layers(3, connection_delay=1, error_latency=4)
    assert [clock.signal_lag(i) for i in range(3)] == [6, 5, 0]
    assert [clock.waiting(i) for i in range(3)] == [0, 0, 0]
    assert clock.learning_steps(10) == clock.run_steps(10) == 13
    assert [clock.window(i, 10) for i in range(3)] == [
        LearningWindow(1, 10),
        LearningWindow(2, 10),
        LearningWindow(3, 10),
    ]


def test_without_delays_all_is_now() -> None:
    clock = clock_of_layers(2, connection_delay=0)
    assert [clock.latency(i) for i in range(2)] == [0, 0]
    assert [clock.signal_lag(i) for i in range(2)] == [0, 0]
    assert clock.learning_steps(7) == clock.run_steps(7) == 7


@pytest.mark.parametrize("delay", [0, 1])
def test_a_graph_follows_its_longest_forward_chain(delay: int) -> None:
    """input → a → b → out, input → b, out and b back to a, a to itself."""
    ends = ((INPUT, "a"), ("a", "b"), (INPUT, "b"), ("b", "out"), ("b", "a"), ("out", "a"), ("a", "a"))
    clock = Clock(("a", "b", "out"), ends, delay)
    assert clock.latencies == {"a": delay, "b": 2 * delay, "out": 3 * delay}
    assert clock.lag(INPUT, "b", 2) == clock.lag("a", "b", 2) == 2 + delay
    assert clock.lag("b", "a", 2) == clock.lag("a", "a", 2) == 3
    # in its own time each end sees what it sees without latencies; backward what lies between them comes later
    for source, target in ends[:4]:
        on_chip = clock.lag(source, target, clock.delay_in_step(source, target, 3))
        assert on_chip - clock.shift(source, target) == 3
    assert clock.delay_in_step(INPUT, "b", 0) == delay
    assert clock.delay_in_step("out", "a", 3) == 3
    assert clock.shift("out", "a") == -2 * delay
    assert clock.forward("a", "b")
    assert not clock.forward("a", "a")


def test_profiles_state_the_rules() -> None:
    late = varied("loihi2", time__error_latency=3, learning__eligibility_alignment="delayed")
    assert late.clock(3) == clock_of_layers(3, 1, 3, aligned=True)
    assert load_profile("ideal").clock(2) == clock_of_layers(2, 0, 0)
    assert late.graph_clock(("a",), ((INPUT, "a"),)) == Clock(("a",), ((INPUT, "a"),), 1, 3, aligned=True)
