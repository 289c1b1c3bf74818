"""Names that options take: shown in the help, and checked as the command line is read, before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import typer


def files_of(package: str, attribute: str = "") -> tuple[str, ...]:
    """Return the names of a package's files that define a record, or of its folders; they are read, not imported.

    Parameters
    ----------
    package
        Dotted name; the packages above it are imported, and hold nothing.
    attribute
        Name that the record has in each file; "" for all folders.
    """
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    found = list(iter_modules(folders))
    if not attribute:
        return tuple(sorted(info.name for info in found if info.ispkg))
    names = sorted(info.name for info in found)
    defines = re.compile(rf"^{attribute}\b[^=\n]*=", re.MULTILINE)
    return tuple(name for name in names if any(_defines(Path(folder), name, defines) for folder in folders))


def _defines(folder: Path, name: str, pattern: re.Pattern[str]) -> bool:
    paths = (folder / f"{name}.py", folder / name / "__init__.py")
    return any(path.is_file() and bool(pattern.search(path.read_text(encoding="utf-8"))) for path in paths)


LONGEST = 50
"""Characters of names that stand beside an option; longer ones stand in its text."""

ARITHMETICS = ("float", "fixed", "quantized")
DEVICES = files_of("hypr_neuro.devices", "DEVICE")
ENCODERS = ("rate", "latency", "thermometer", "scan", "level_crossing")
FEEDBACKS = ("symmetric", "random")
INTEGRATORS = ("euler", "exact")
METHODS = ("max", "percentile", "mse", "accuracy")
LOSSES = (
    "per_step_cross_entropy",
    "last_step",
    "squared_error",
    "perceptron",
    "mean_cross_entropy",
    "sum_of_softmax",
)
OPTIMIZERS = ("adam", "rmsprop", "sgd")
ORDERS = ("current_first", "membrane_first")
PARTS = ("train", "validation", "test")
RESETS = ("zero", "subtract", "zero_delayed", "subtract_delayed")
RESONATORS = ("brf", "rf_threshold", "alif_reset")
ROUNDINGS = ("nearest", "stochastic")
RULES = files_of("hypr_neuro.train.rules", "RULE")
SCHEDULES = ("linear", "cosine", "constant")
TARGETS = files_of("hypr_neuro.compilers")
UPDATES = files_of("hypr_neuro.sim.learning.updates", "RULE")
UPDATE_UNITS = ("sample", "step")


def choice(names: Sequence[str], *flags: str, **more: Any) -> Any:
    """Return an option that takes one of the names, or several where its type is a list.

    `flags` and `more` are those of `typer.Option`. An unknown name is refused with the one that is most like it.
    """
    shown = "|".join(names)
    if len(shown) > LONGEST:
        shown, more["help"] = "NAME", f"{more['help'].rstrip('.')}: {', '.join(names)}."
    return typer.Option(*flags, metavar=shown, callback=_among(names), **more)


def _among(names: Sequence[str]) -> Callable[[Any], Any]:
    # a device may be somewhere else: "grpc://host:port"
    known = (lambda name: name.partition("://")[0]) if set(DEVICES) <= set(names) else str

    def check(value: Any) -> Any:
        from hypr_neuro.errors import among

        for name in value if isinstance(value, list | tuple) else [value]:
            if name is not None and known(name) not in names:
                raise typer.BadParameter(among(name, names))
        return value

    return check
