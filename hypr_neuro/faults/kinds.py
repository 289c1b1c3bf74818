"""Kinds of faults, how often or how strong they are, and the words ``kind=value`` that name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import isfinite

from hypr_neuro.errors import InputError, among
from hypr_neuro.link.faults import MessageFaults

PROBABILITY, AMOUNT, COUNT = "a probability from 0 to 1", "a number from 0 to 1000", "a whole number from 0 on"
LARGEST_AMOUNT = 1000.0
WHEN = "before a run, and before each sample while it learns"


@dataclass(frozen=True)
class FaultKind:
    """What a fault is, and which values it takes."""

    meaning: str
    rule: str
    link: bool = False


KINDS = {
    "weight_flips": FaultKind(f"each bit of each weight flips with this probability {WHEN}", PROBABILITY),
    "drift": FaultKind(f"each weight loses this share of itself {WHEN}", PROBABILITY),
    "dead": FaultKind("share of the spiking neurons that never fire", PROBABILITY),
    "stuck": FaultKind(
        "share of the spiking neurons that fire in every step in which their reset lets them", PROBABILITY
    ),
    "jitter": FaultKind("standard deviation, in steps, by which each input event is early or late", AMOUNT),
    "brownout": FaultKind(
        "after a sample the device loses its power with this probability, and with it what it learned since it was "
        "last saved",
        PROBABILITY,
    ),
    "save_every": FaultKind("samples after which what was learned is saved against a brown-out, 0 for never", COUNT),
    "delay": FaultKind("milliseconds by which each message over the link is late, on average", AMOUNT, link=True),
    "drop": FaultKind("a message over the link is lost with this probability", PROBABILITY, link=True),
    "duplicate": FaultKind("a message arrives twice with this probability", PROBABILITY, link=True),
    "reorder": FaultKind(
        "a message arrives once more, behind the next one, with this probability", PROBABILITY, link=True
    ),
    "message_flips": FaultKind("a bit of a message flips with this probability a message", PROBABILITY, link=True),
    "cut": FaultKind(
        "the link breaks with this probability a message, and has to be made anew", PROBABILITY, link=True
    ),
}
"""All there are, by name."""


@dataclass(frozen=True)
class Faults:
    """How faulty a device is; all 0 is none.

    Attributes
    ----------
    weight_flips, drift, dead, stuck, jitter, brownout, save_every, delay, drop, duplicate, reorder, message_flips, cut
        See `KINDS`.
    seed : int
        Of what is drawn: the same seed breaks the same neurons and flips the same bits, on every device.
    """

    weight_flips: float = 0.0
    drift: float = 0.0
    dead: float = 0.0
    stuck: float = 0.0
    jitter: float = 0.0
    brownout: float = 0.0
    save_every: int = 0
    delay: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    message_flips: float = 0.0
    cut: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for f in fields(self):
            if f.name != "seed":
                _check(f.name, getattr(self, f.name))
        if self.dead + self.stuck > 1:
            raise InputError(f"faults dead = {self.dead} and stuck = {self.stuck}, rule: together at most 1")
        if self.save_every and not self.brownout:
            raise InputError(f"fault save_every = {self.save_every} without brownout, rule: both, or neither")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"seed of faults = {self.seed!r:.40}, rule: a whole number from 0 on")

    @property
    def any(self) -> bool:
        """Whether there is a fault at all."""
        return any(getattr(self, name) for name in KINDS)

    @property
    def on_link(self) -> tuple[str, ...]:
        """Names of those of the link between this program and the device."""
        return tuple(name for name, kind in KINDS.items() if kind.link and getattr(self, name))

    @property
    def of_messages(self) -> MessageFaults:
        """Those of the link by themselves."""
        return MessageFaults(**{f.name: getattr(self, f.name) for f in fields(MessageFaults)})

    @property
    def in_weights(self) -> bool:
        """Whether weights change while samples are shown."""
        return bool(self.weight_flips or self.drift)

    def described(self) -> dict[str, float]:
        """Return those that are not 0, by name."""
        return {name: getattr(self, name) for name in KINDS if getattr(self, name)}


def _check(name: str, value: float) -> None:
    rule = KINDS[name].rule
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    top = 1.0 if rule == PROBABILITY else LARGEST_AMOUNT if rule == AMOUNT else float("inf")
    if not number or not 0 <= value <= top or (rule == COUNT and value != int(value)):
        raise InputError(f"fault {name} = {value!r:.40}, rule: {rule}")


def parse_values(text: str) -> tuple[str, list[float]]:
    """Read ``kind=value,value,…``; InputError for an unknown kind and what is no number."""
    name, equals, values = text.partition("=")
    if name not in KINDS:
        raise InputError(f"--fault '{text:.60}': unknown fault {among(name, tuple(KINDS))}")
    try:
        numbers = [float(word) for word in values.split(",")] if equals else []
    except ValueError:
        numbers = []
    if not numbers:
        raise InputError(f"--fault '{text:.60}', rule: {name}=VALUE, {KINDS[name].rule}")
    for value in numbers:
        _check(name, value)
    return name, numbers


def parse_faults(texts: Iterable[str], seed: int = 0) -> Faults:
    """Make faults of words such as ``weight_flips=1e-5``, each of one value.

    Raises
    ------
    InputError
        For an unknown kind, a value out of its range, and one that is given twice.
    """
    given: dict[str, float] = {}
    for text in texts:
        name, values = parse_values(text)
        if len(values) > 1 or name in given:
            raise InputError(f"--fault '{text:.60}', rule: one value a kind; `hypr-neuro faults` compares several")
        given[name] = values[0]
    save_every = given.pop("save_every", 0)
    return Faults(**given, save_every=int(save_every), seed=seed)


def in_words(faults: Faults) -> str:
    """Tell the faults for a line of text."""
    return ", ".join(f"{name} {value:g}" for name, value in faults.described().items()) or "no fault"
