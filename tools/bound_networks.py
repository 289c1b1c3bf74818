"""Bound random networks, run them, and print what their bounds have to spare.

    .venv/bin/python tools/bound_networks.py --networks 10000 --jobs 2 --out runs/bounds.jsonl

FILE gets a line for each network; the same command goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parents[1]
LIMITS = (0, 2, 5)
WIDE = 23
EVERY = 100


class Line(TypedDict):
    """What a network did, as `tests/helpers/bounded_networks.py` says it."""

    broken: list[str]
    spare: list[tuple[str, str, int]]


def known(file: Path) -> list[Line]:
    """Return the networks of a file, a line that was cut off taken away."""
    if not file.exists():
        return []
    text = file.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        file.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]


def shares(bits: Iterable[int]) -> str:
    """Say for how much of the states how many bits are to spare."""
    counts = Counter(bits)
    total = counts.total()
    at_most = [f"at most {n}: {sum(c for b, c in counts.items() if b <= n) / total:.1%}" for n in LIMITS]
    return f"{total} states, {', '.join(at_most)}, {WIDE} and more: {_from(counts, WIDE) / total:.1%}"


def _from(counts: Counter[int], least: int) -> int:
    return sum(c for b, c in counts.items() if b >= least)


def figures(cases: list[Line]) -> str:
    """Return a line of all states and one for those of each model."""
    of = defaultdict[str, list[int]](list)
    for case in cases:
        for model, _, bits in case["spare"]:
            of[model].append(bits)
    lines = [f"{model}: {shares(bits)}" for model, bits in sorted(of.items())]
    broken = [line for case in cases for line in case["broken"]]
    everything = shares(bits for some in of.values() for bits in some)
    return "\n".join([*broken, f"{len(cases)} networks, {len(broken)} bounds broken; {everything}", *lines])


def main() -> int:
    """Run networks that FILE does not hold yet, and print the figures of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cases = known(arguments.out)
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    from bounded_networks import run_case

    with arguments.out.open("a", encoding="utf-8") as file, get_context("spawn").Pool(arguments.jobs) as pool:
        seeds = range(len(cases), arguments.networks)
        for seed, (broken, spare) in zip(seeds, pool.imap(run_case, seeds), strict=True):  # in the order of seeds
            cases.append({"broken": broken, "spare": spare})
            file.write(json.dumps(cases[-1]) + "\n")
            file.flush()
            if seed % EVERY == EVERY - 1:
                print(seed + 1, "networks,", sum(len(c["broken"]) for c in cases), "bounds broken", flush=True)
    print(figures(cases))
    return 1 if any(c["broken"] for c in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
