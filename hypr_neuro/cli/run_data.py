"""Which data a command works on: those of --data, else those that the network's run folder was made with."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.cli.options import ENCODE, data_arguments, get_data

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData

FILES = (".npz", ".nir")
"""Endings of data that are a file."""


@dataclass(frozen=True)
class DataSource:
    """A data set as the command line names it.

    Attributes
    ----------
    name
        Of the data set, or the path of an .npz file.
    folder
        That holds its files, None for none.
    options
        Texts KEY=VALUE of --set.
    seed
        That it is loaded with: of its split, and of what is drawn.
    """

    name: str
    folder: str | None = None
    options: tuple[str, ...] = ()
    seed: int = 0

    def load(self) -> SequenceData:
        """Return the data."""
        return get_data(self.name, None if self.folder is None else Path(self.folder), self.seed, list(self.options))

    def arguments(self) -> str:
        """Return the options of a command line that name it."""
        return data_arguments(self.name, None if self.folder is None else Path(self.folder), list(self.options))

    def note(self, folder: Path) -> None:
        """Keep it in a run folder, with absolute paths."""
        from hypr_neuro.files.run_folder import SOURCE, RunFolder

        name = str(Path(self.name).absolute()) if self.name.endswith(FILES) else self.name
        place = None if self.folder is None else str(Path(self.folder).absolute())
        RunFolder(folder).write(SOURCE, asdict(self) | {"name": name, "folder": place})

    def same(self, other: DataSource) -> bool:
        """Tell whether both name the same data, whatever the seed."""
        return self._place() == other._place() and self.options == other.options

    def _place(self) -> tuple[str, str | None]:
        file = str(Path(self.name).absolute()) if self.name.endswith(FILES) else self.name
        return file, None if self.folder is None else str(Path(self.folder).absolute())


def choose_data(
    name: str | None, folder: Path | None, seed: int, options: list[str] | None = None, *, network: Path | None
) -> DataSource:
    """Return the data that --data names, else those of the run folder in which `network` lies.

    An encoder alone takes the place of that of the run folder. Say on standard error which data a run folder remembers,
    and where others are given. Raise InputError where neither says any.
    """
    from hypr_neuro.errors import InputError

    known = None if network is None else remembered(network.parent)
    if name is not None:
        given = DataSource(name, None if folder is None else str(folder), tuple(options or ()), seed)
        if known is not None and network is not None and not given.same(known):
            print(f"data: {given.arguments()}; '{network.parent}' was made with {known.arguments()}", file=sys.stderr)
        return given
    encoders = [text for text in options or [] if text.startswith(f"{ENCODE}=")]
    if folder is None and known is not None and encoders and encoders == options:
        kept = [text for text in known.options if not text.startswith(f"{ENCODE}=")]
        known = replace(known, options=(*kept, *encoders))
    elif folder is not None or options:
        raise InputError("--data-dir, --set and --encode say more of a data set; give --data, too")
    if known is None or network is None:
        where = "" if network is None else f": '{network.parent}' does not say which data it was made with"
        raise InputError(f"--data is missing{where}; give a data set (`hypr-neuro data` lists them) or an .npz file")
    other = " but for the encoder" if encoders else ""
    print(f"data: {known.arguments()}, as '{network.parent}' was made with{other}", file=sys.stderr)
    return known


def remembered(folder: Path) -> DataSource | None:
    """Return what a run folder says of its data, None where there is none or it says nothing."""
    from hypr_neuro.errors import HyprError
    from hypr_neuro.files.run_folder import SOURCE, RunFolder

    try:
        stored: Any = RunFolder(folder, create=False).read(SOURCE)
        return None if stored is None else DataSource(**(stored | {"options": tuple(stored["options"])}))
    except (HyprError, TypeError, KeyError):
        return None
