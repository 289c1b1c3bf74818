"""One module a target format, found by its name: it defines ``emit(network, folder, …) -> names of the files``.

A module may also say

    PACKAGES         installed packages whose versions belong into the manifest
    TAKES_INTEGER    True where any network of integers will do, beside a `QuantizedNetwork`
    with_programs    function (network, placement, learning options or None) that returns the placement with what its
                     programs take of the chip's memory, see `place_network`

and `emit` may take options by name (``placement`` among them, which then gets that of `compile_network`) and return
`Emitted`, names and whatever else the manifest should tell.

A compiled folder holds what the target needs and ``manifest.json``: hashes of the inputs, versions, profile, what
`emit` tells, and the sha256 of every file as `emit` wrote it. Calls for one folder wait for each other (where the
platform and the file system have flock), so that files and manifest belong together.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from typing import Any, TypeGuard

from hypr_neuro.errors import InputError, among
from hypr_neuro.files.faults import told
from hypr_neuro.files.kinds import COMPILED, require_kind
from hypr_neuro.files.store import content_digest, make_folder, write_atomically, write_text
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.placement.place import Placement, learning_plan, place
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.sim.learning.options import LearnOptions

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Emitted:
    """What a target wrote.

    Attributes
    ----------
    names
        Of the files.
    facts
        For the manifest, plain data by key.
    """

    names: list[str]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Artifact:
    """A compiled network: its folder and what `manifest.json` there says."""

    folder: Path
    manifest: dict[str, Any]

    def table(self) -> Shown:
        """Return the files, with the beginning of their sha256."""
        profile = self.manifest["profile"]
        of = "" if profile is None else f" for profile '{profile}'"
        files = self.manifest["files"]
        title = f"Artifact: target {self.manifest['target']}{of}, {len(files)} files in '{self.folder}'"
        return Shown(
            f"{title}; all else is in its .manifest", ("file", "sha256"), [(n, d[:12]) for n, d in files.items()]
        )

    __repr__ = as_text
    _repr_html_ = as_html


def targets() -> list[str]:
    """Return the names of the target formats."""
    return sorted(info.name for info in iter_modules(__path__) if info.ispkg)


def compile_network(
    network: HasInteger | IntegerNetwork,
    placement: Placement | None = None,
    *,
    target: str,
    out: str | Path,
    **options: Any,
) -> Artifact:
    """Write `network` in the format of `target` into the folder `out`, which is created if need be.

    The manifest is written last: a folder with a manifest is complete. On a disk without room for all files nothing is
    written, and what the folder held stays as it was. Files of an earlier call, by the manifest found
    in the folder, are removed where this one does not write them and their sha256 is unchanged, and so are folders that
    are empty then; files that were added or changed since stay.

    Parameters
    ----------
    network
        Quantized for a profile that lists the target, or an `IntegerNetwork`, which has no profile.
    placement
        Where the layers lie on the chip, for targets that need it; stored in the manifest.
    target
        Of `targets`.
    out
        The folder.
    options
        Those of the target's `emit`; stored in the manifest where they are plain data.

    Raises
    ------
    InputError
        For an unknown target or option, a target that the profile does not list, a network that the target cannot
        express, or a folder that holds a run or a study.
    """
    require_path("out", out, "the folder to write")
    require_kind(Path(out), COMPILED)
    known = targets()
    if target not in known:
        raise InputError(f"unknown target {among(target, known)}")
    module = import_module(f"{__name__}.{target}")
    profile = _checked_profile(network, target, module)
    _check_options(module.emit, target, options)
    if "placement" in inspect.signature(module.emit).parameters:
        options["placement"] = placement
    with TemporaryDirectory(prefix="hypr-neuro-") as workspace:
        emitted = module.emit(network, Path(workspace), **options)
        if not isinstance(emitted, Emitted):
            emitted = Emitted(list(emitted))
        # of what was made here: should others write into `out`, too, their files do not pass for this network's
        digests = {name: _sha256(Path(workspace) / name) for name in sorted(emitted.names)}
        given = {"placement": None if placement is None else placement.as_dict()}
        described = _described(network, target, module, profile, options)
        manifest = given | emitted.facts | described | {"files": digests}
        write_text(Path(workspace) / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        with _made(Path(out)) as folder, _locked(folder), _staged(Path(workspace), folder, digests) as stage:
            _move(stage, folder, digests)
    return Artifact(folder, manifest)


def place_network(
    qnet: QuantizedNetwork, profile: Profile | str | Path | None = None, *, learning: bool | LearnOptions = False
) -> Placement:
    """Assign every neuron to a core, and measure the program where the chip runs one.

    `placement.place` keeps to the limits that the profile states. Where it states the memory of a processor that runs a
    program (chip.flash, chip.ram, core.sram), the program is made as `compile_network` makes it, compiled and held
    against it; `Placement.programs` tells what it takes, or why no compiler measured it.

    Parameters, result and errors are those of `placement.place.place`; `DoesNotFitError` is raised for a program that a
    processor has no room for, too.
    """
    placement = place(qnet, profile, learning=learning)
    chip = qnet.profile if profile is None else load_profile(profile)
    there = replace(qnet, profile=chip)
    plan = learning_plan(qnet, chip, learning)
    for target in chip.compilers:
        if target not in targets():
            continue
        module = import_module(f"{__name__}.{target}")
        if hasattr(module, "with_programs"):
            placement = module.with_programs(there, placement, None if plan is None else plan.options)
    return placement


def _described(
    network: HasInteger | IntegerNetwork, target: str, module: Any, profile: Profile | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what a manifest says of any target."""
    return {
        "target": target,
        "profile": None if profile is None else profile.name,
        "options": {key: value for key, value in options.items() if isinstance(value, (str, int, float, bool))},
        "inputs": {
            "network": network_digest(network),
            "profile": None if profile is None else content_digest(_json(profile.dump()), {}),
        },
        "versions": _versions(getattr(module, "PACKAGES", ())),
    }


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder alone among calls of `compile_network` for it; not alone where there is no flock.

    The folder itself is locked, which leaves no file behind and ends with the process, however that ends.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = None
    try:
        # a folder that cannot be read, a file system without locks: the call goes on without
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if handle is not None:
            # by name: a process forked meanwhile holds the handle, too
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Create the folder; where what follows fails, one that is new and empty is removed again."""
    new = not folder.exists()
    make_folder(folder)
    try:
        yield folder
    except BaseException:
        if new:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _staged(workspace: Path, folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield a folder inside `folder` with copies of the files and the manifest: renaming them takes no more room."""
    name = ""
    try:
        with TemporaryDirectory(prefix=".hypr-neuro-", dir=folder) as stage:
            for name in (*names, MANIFEST):
                (Path(stage) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(workspace / name, Path(stage) / name)
            yield Path(stage)
    except OSError as error:
        raise InputError(f"cannot write '{folder / name}': {told(error)}; nothing was written") from error


def _move(stage: Path, folder: Path, names: Collection[str]) -> None:
    """Move files of these names, then the manifest; the old one goes first, and files of an earlier call after it."""
    earlier = _earlier(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    _remove(folder, {name: digest for name, digest in earlier.items() if name not in names})
    for name in (*names, MANIFEST):
        make_folder((folder / name).parent)
        write_atomically(folder / name, partial(_moved, stage / name))


def _moved(source: Path, target: Path) -> None:
    """Move a file to where another may be."""
    shutil.move(str(source), target)


def _earlier(folder: Path) -> dict[str, str]:
    """Return sha256 by name of the files that the manifest in `folder` names; none without a manifest of ours."""
    try:
        digests = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(name): str(digest) for name, digest in digests.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _remove(folder: Path, files: dict[str, str]) -> None:
    """Remove the files whose sha256 is the given one, and folders inside `folder` that are empty then."""
    root = folder.resolve()
    for name, digest in files.items():
        path = root / name
        # a manifest is text that anyone can write: nothing outside of the folder, nothing through a link
        if path.resolve() != path or root not in path.parents or not path.is_file() or _sha256(path) != digest:
            continue
        with suppress(OSError):
            path.unlink()
            for parent in path.parents:
                if parent == root:
                    break
                parent.rmdir()  # ends with an error at the first that holds something


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checked_profile(network: Any, target: str, module: Any) -> Profile | None:
    """Return the profile of the network, which has to list the target; None for a network without one."""
    if not isinstance(network, QuantizedNetwork):
        as_integer(network)
        if not _takes_integer(module):
            raise InputError(
                f"target '{target}' takes a QuantizedNetwork (hn.quantize), which has a profile, and this "
                f"{type(network).__name__} has none; targets that take it: {', '.join(_without_profile())}"
            )
    profile: Profile | None = getattr(network, "profile", None)
    if profile is not None and target not in profile.compilers:
        raise InputError(
            f"profile '{profile.name}' takes {', '.join(profile.compilers) or 'no target format'} "
            f"(compilers), not '{target}'; choose another target or profile"
        )
    return profile


def _in_layers(network: Any) -> TypeGuard[QuantizedNetwork]:
    """Tell whether the network is quantized and a chain of layers."""
    return isinstance(network, QuantizedNetwork) and network.is_chain


def _takes_integer(module: Any) -> bool:
    return bool(getattr(module, "TAKES_INTEGER", False))


def _without_profile() -> list[str]:
    """Return targets that take any network of integers."""
    return [name for name in targets() if _takes_integer(import_module(f"{__name__}.{name}"))]


def _check_options(emit: Any, target: str, options: dict[str, Any]) -> None:
    """Raise InputError for an option that `emit` does not take by name."""
    known = [name for name in list(inspect.signature(emit).parameters)[2:] if name != "placement"]
    for name in options:
        if name not in known:
            raise InputError(f"target '{target}' has no option {among(name, known or ['none'])}")


def network_digest(network: HasInteger | IntegerNetwork) -> str:
    """Return sha256 over everything that decides how the network computes: models, exponents, profile, all integers."""
    if not _in_layers(network):
        return as_integer(network)[0].digest()
    layers: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for i, layer in enumerate(network.layers):
        arrays |= {f"{i}/{key}": connection.mantissa for key, connection in layer.connections().items()}
        arrays |= {f"{i}/{key}": getattr(layer, key) for key in ("per_neuron", "constants", "psi_table")}
        exponents = {key: connection.exponent for key, connection in layer.connections().items()}
        layers.append({"neuron": layer.model.name, "exponents": exponents, "bias_axon": layer.bias_axon})
    return content_digest(_json({"layers": layers, "profile": network.profile.dump()}), arrays)


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def _versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Versions of Python and of the packages that matter, None for one that is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("hypr-neuro", "numpy", *packages):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions
