"""Exceptions of hypr-neuro.

::

    HyprError
    ├── InputError (ValueError)            a file, array or option is not what the rule asks for
    │   ├── ProfileError                   a hardware profile breaks its schema
    │   └── FileFormatError                a file is truncated, altered or of another kind
    ├── DoesNotFitError (ValueError)       a network breaks a limit of the chip
    ├── MissingPackageError (ImportError)  an optional package is needed and absent
    ├── WidthError (ArithmeticError)       an integer left the width its state declares
    └── MismatchError (AssertionError)     two executors that must agree do not

    HyprWarning (UserWarning)              a result that is worthless or doubtful, with its likely cause and remedy

Each message names the thing, its value, the rule it breaks and the remedy, in one line; the command line
prints it as it is and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 100
"""Characters of a name for which a known one is looked for that is like it."""


class HyprError(Exception):
    """Base of every error raised on purpose by hypr-neuro."""


class InputError(HyprError, ValueError):
    """A file, array or option is not what the rule asks for."""


class ProfileError(InputError):
    """A hardware profile breaks its schema."""


class FileFormatError(InputError):
    """A file is truncated, altered, or of another kind than its reader expects."""


class DoesNotFitError(HyprError, ValueError):
    """A network breaks a limit of the chip."""


class MissingPackageError(HyprError, ImportError):
    """An optional package is needed for this call and is not installed."""


class WidthError(HyprError, ArithmeticError):
    """An integer left the width that its state declares."""


class MismatchError(HyprError, AssertionError):
    """Two executors that must agree bit for bit do not."""


class HyprWarning(UserWarning):
    """A result that is worthless or doubtful; the message names the likely cause and the remedy."""


def among(name: object, known: Iterable[str], said: str = "") -> str:
    """Return "'x' (did you mean 'y'?), known: y, z" for an unknown name; `said` stands after the name."""
    return f"'{name}'{said}{like_and_known(name, known)}"


def like_and_known(name: object, known: Iterable[str]) -> str:
    """Return " (did you mean 'y'?), known: y, z" for an unknown name; "" where nothing is known."""
    names = list(known)
    return f"{like(name, names)}, known: {', '.join(names)}" if names else ""


def like(name: object, known: Iterable[str]) -> str:
    """Return " (did you mean 'y'?)" for an unknown name that a known one is like, else ""."""
    found = [] if len(str(name)) > LONGEST else get_close_matches(str(name), list(known), n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""
