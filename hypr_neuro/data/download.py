"""Public files: found in a folder or downloaded into it once; they count only with the published checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.faults import REMEDIES, told
from hypr_neuro.files.store import make_folder


@dataclass(frozen=True)
class PublicFile:
    """A file as published: its name, address and md5 in hexadecimal; the data set's docstring says by whom."""

    name: str
    url: str
    md5: str


def data_folder(data: str, folder: str | Path | None) -> Path:
    """Return the folder given, which must exist, or the user's cache folder for hypr-neuro."""
    import pooch

    if folder is None:
        return make_folder(Path(pooch.os_cache("hypr-neuro")))
    if not Path(folder).is_dir():
        raise InputError(f"data '{data}': folder '{folder}' does not exist; create it, or give none to use the cache")
    return Path(folder)


def fetch(data: str, file: PublicFile, folder: Path) -> Path:
    """Return the path of the file in `folder`; download it if it is not there.

    Raises
    ------
    FileFormatError
        If the file in `folder` has another md5 than published.
    InputError
        If the download fails or gives another md5; nothing is left in the folder then.
    """
    import pooch

    path = folder / file.name
    remedy = f"get {file.url} yourself and put it there"
    if path.is_file():
        digest = pooch.file_hash(str(path), alg="md5")
        if digest != file.md5:
            raise FileFormatError(
                f"data '{data}': file '{path}' has md5 {digest}, published is {file.md5}; "
                f"delete it to have it downloaded again, or {remedy}"
            )
        return path
    try:
        pooch.retrieve(file.url, f"md5:{file.md5}", fname=file.name, path=folder)
    except Exception as error:  # requests, urllib3 and pooch raise many types; nothing is left in the folder
        if isinstance(error, OSError) and error.errno in REMEDIES:  # a fault of the disk, not of the connection
            raise InputError(f"data '{data}': cannot write '{path}': {told(error)}") from error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"data '{data}': '{path}' cannot be downloaded: {reason}; {remedy}") from error
    return path
