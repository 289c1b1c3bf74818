"""Study files that are wrong, each in one way: a good one with something put in its place, and texts that are none."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

INF, NAN = float("inf"), float("nan")
ANY_WRONG: dict[str, list[Any]] = {
    "run": [None, 3, True, "Quantize", "quantise", ["learn"], {"learn": 1}, "", INF],
    "data": [None, 3, ["two.npz"], {"a": 1}, "", "no.npz", "digitz", True, -1.5, "a\0b", "x" * 5000],
    "data_dir": [3, ["."], {"a": 1}, True],
    "data_options": [3, "a", [1], {"a": [1]}, {"a": {"b": 1}}, {"nope": 3}, {1: 2}],
    "network": [3, True, [1], "no.h5", {}, {"inputs": 6}, {"layers": 3}, "two.npz"],
    "profile": [None, 3, "loihi9", "no.yaml", ["loihi2"], {"extends": "loihi2"}, "", True],
    "start": [None, "fresh", 1, True, ["scratch"]],
    "vary": [None, {}, [], 3, "weight_bits", ["weight_bits"], {"weight_bits": 4}, {"weight_bits": None}, {3: [1, 2]}],
    "vary.weight_bits": [
        *([], [[2]], [{"a": 1}], [2, 2], [INF], [NAN], [None, None], "2:8", 2.5, True, {}, list(range(2000))),
        *({"from": 2}, {"to": 8}, {"from": 2, "to": 8, "step": 0}, {"from": 2, "to": 8, "step": -1}),
        *({"from": 2, "to": 8, "by": 2}, {"from": "a", "to": 8}, {"from": 2, "to": None}, {"from": 2, "to": INF}),
        *({"from": 2, "to": 10**30}, {"from": 2, "to": 8, "step": 1.5}, {"from": NAN, "to": 2}, {"from": [2], "to": 8}),
        *({"from": True, "to": 8}, {"from": 2, "to": 8, "log": "perhaps"}, {"from": 0, "to": 8, "log": True}),
    ],
    "set": [3, "a", [1], {"weightbits": 3}, {"weight_bits": 3}, {"training.epochs": 0}, {"training.epochs": "a"}],
    "set.training.epochs": [None, -1, 1.5, INF, NAN, "a", [3], {"a": 3}, True],
    "trials": [0, -1, 1.5, "a", True, [3], {"a": 3}, NAN, INF, 10**9, 10**30, 50],
    "seeds": [0, -1, 1.5, "a", True, [3], None, NAN, INF, 1001, 10**30, "", {"a": 1}],
    "part": [None, "train", "Test", 3, ["test"], True],
    "sampler": ["Grid", 3, ["grid"], "tpe", "random", True],
    "objectives": [3, ["accuracy"], {"accuracy": "largest"}, {"accuracy": None}, "accuracy"],
    "generation": [0, 1, -3, 1.5, "a", True, None, INF],
    "title": [3, ["a"], {"a": 1}, True],
}
"""By place, what it must not be; a key of one place may itself have a dot."""
UNKNOWN = (
    "sead",
    "Seeds",
    "varies",
    "profil",
    "seed",
    "epochs",
    "weight_bits",
    "vary ",
    "x" * 300,
    "ключ",
    "__class__",
)
MISSPELT = (
    "weigt_bits",
    "precision.weight_bit",
    "precision.",
    ".weight_bits",
    "learning",
    "learn.rat",
    "",
    "rate",
    " ",
)
PUT = (b"", b":", b"- ", b"\n", b"{", b"*a", b"&a ", b"\xff", b"9")
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"   \n\n",
    "a comment": b"# nothing\n",
    "nothing": b"null\n",
    "a number": b"3\n",
    "a text": b"run\n",
    "a list": b"- run: quantize\n",
    "binary": bytes(range(256)),
    "an npz": b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
    "zeros": b"\0" * 100,
    "utf-16": "run: quantize\n".encode("utf-16"),
    "latin-1": "title: Gr\xf6\xdfe\n".encode("latin-1"),
    "a tab": b"run: quantize\nvary:\n\tweight_bits: [2]\n",
    "a key twice": b"run: quantize\nrun: learn\n",
    "a field twice": b"run: quantize\ndata: digits\nvary:\n  weight_bits: [2]\n  weight_bits: [3]\n",
    "a circle": b"run: quantize\ndata: digits\nvary: &a\n  weight_bits: *a\n",
    "no such alias": b"run: *b\n",
    "a bomb": b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    + b"".join(b"%c: &%c [%s]\n" % (i, i, b",".join([b"*%c" % (i - 1)] * 10)) for i in range(98, 107)),
    "very deep": b"run: " + b"[" * 3000 + b"]" * 3000 + b"\n",
    "deep and open": b"{" * 5000,
    "very long": b"title: " + b"a" * (1 << 21) + b"\n",
    "python's": b"run: !!python/object/apply:os.system [echo]\n",
    "another tag": b"run: !include other.yaml\n",
    "two documents": b"run: quantize\n---\nrun: learn\n",
    "a date that is none": b"run: 2024-13-45\n",
    "a quote that is open": b"run: 'quantize\n",
    "a bracket that is open": b"vary: {weight_bits: [2, 3\n",
    "keys that are lists": b"? [run]\n: quantize\n",
    "keys that are numbers": b"1: 2\n3: 4\n",
    "a merge of nothing": b"<<: 3\nrun: quantize\n",
    "json without an end": b'{"run": "quantize", "data":',
}
VALUES: dict[str, str] = {
    "a date": "seeds: 2024-01-01",
    "a time": "seeds: 12:30:45",
    "octal": "seeds: 0o17x",
    "octal, too many": "seeds: 07777",
    "hexadecimal, too many": "seeds: 0xffff",
    "with underscores, too many": "trials: 1_000_000_000",
    "yes": "seeds: yes",
    "no": "trials: no",
    "off": "part: off",
    "not a number": "seeds: .nan",
    "endless": "trials: .inf",
    "a set": "part: !!set {test}",
    "bytes": "set: {training.epochs: !!binary aGFsbG8=}",
    "a date for a field": "set: {training.epochs: 2024-01-01}",
    "a date among values": "vary: {weight_bits: [2, 2024-01-01]}",
    "a date for a title": "title: 2024-01-01",
    "a list as a key": "vary: {? [weight_bits] : [2]}",
    "a date as a key": "vary: {2024-01-01: [2]}",
}
"""Lines in place of a key's own, as YAML reads them."""


def good(data: Path) -> dict[str, Any]:
    """A study of twelve trials."""
    layer = {"neuron": "lif", "size": 5}
    return {
        "title": "bits",
        "run": "quantize",
        "data": data.name,
        "network": {"inputs": 6, "outputs": 2, "layers": [layer]},
        "profile": "loihi2",
        "vary": {"weight_bits": [2, 4, 8], "state_bits": {"from": 16, "to": 20, "step": 4}},
        "set": {"training.epochs": 1},
        "seeds": 2,
        "part": "validation",
    }


def bad(data: Path, seed: int, drawn: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of files that are wrong: all of the tables above, and so many drawn ones."""
    yield from TEXTS.items()
    for name, line in VALUES.items():
        key = line.partition(":")[0]
        rest = yaml.safe_dump({k: v for k, v in good(data).items() if k != key}, sort_keys=False)
        yield name, f"{rest}{line}\n".encode()
    for place, values in ANY_WRONG.items():
        for value in values:
            yield f"{place} = {value!r:.60}", _dumped(_put(good(data), place, value))
    for key in ("run", "data", "vary"):
        yield f"no {key}", _dumped({k: v for k, v in good(data).items() if k != key})
    for key in UNKNOWN:
        yield f"{key:.30} besides", _dumped(good(data) | {key: 1})
    for key in MISSPELT:
        yield f"'{key}' varies", _dumped(_put(good(data), "vary", {key: [1, 2]}))
    rng = random.Random(seed)
    places = [place for place in ANY_WRONG if place != "vary"]
    for number in range(drawn):
        made = good(data)
        for place in sorted(rng.sample(places, rng.randrange(2, 5))):
            made = _put(made, place, rng.choice(ANY_WRONG[place]))
        yield f"drawn {number}", _dumped(made)


def cut(data: Path, seed: int, drawn: int) -> Iterator[bytes]:
    """Yield a good file with bytes that were lost, doubled, swapped or changed: some are still good, none may crash."""
    rng, text = random.Random(seed), _dumped(good(data))
    for _ in range(drawn):
        content = bytearray(text)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(content))
            content[at : at + rng.randrange(4)] = rng.choice(
                (b"", b":", b"- ", b"\n", b"{", b"*a", b"&a ", b"\xff", b"9")
            )
        yield bytes(content)


def _put(study: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(study)
    key, dot, inner = place.partition(".")
    if dot and isinstance(made.get(key), dict):
        made[key][inner] = value
    else:
        made[key] = value
    return made


def _dumped(content: Any) -> bytes:
    return yaml.dump(content, sort_keys=False, allow_unicode=True).encode()
