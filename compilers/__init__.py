"""One module a target format, found by its name: it defines ``emit(qnet, folder) -> names of the files``.

A compiled folder holds what the target needs and ``manifest.json``: hashes of the inputs, versions, profile, and the
sha256 of every file.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.place import Placement
from hypr_neuro.quantize import QuantizedNetwork
from hypr_neuro.store import content_digest, make_folder, write_text

Array = NDArray[Any]
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A compiled network: its folder and what `manifest.json` there says."""

    folder: Path
    manifest: dict[str, Any]


def targets() -> list[str]:
    """Names of the target formats."""
    return sorted(info.name for info in iter_modules(__path__))


def compile_network(
    qnet: QuantizedNetwork, placement: Placement | None = None, *, target: str, out: str | Path
) -> Artifact:
    """Write `qnet` in the format of `target` into the folder `out`, which is created if need be.

    placement : where the layers lie on the chip, for targets that need it; kept in the manifest

    The manifest is written last: a folder with a manifest is complete. Raises InputError for an unknown target, one
    that the profile does not list, or a network that the target cannot express.
    """
    known = targets()
    if target not in known:
        raise InputError(f"unknown target '{target}', known: {', '.join(known)}")
    profile = qnet.profile
    if target not in profile.compilers:
        raise InputError(f"profile '{profile.name}' takes {', '.join(profile.compilers) or 'no target format'} "
                         f"(compilers), not '{target}'; choose another target or profile")  # fmt: skip
    module = import_module(f"{__name__}.{target}")
    folder = make_folder(Path(out))
    (folder / MANIFEST).unlink(missing_ok=True)
    names = module.emit(qnet, folder)
    manifest = {
        "target": target,
        "profile": profile.name,
        "placement": None if placement is None else placement.as_dict(),
        "inputs": {"network": network_digest(qnet), "profile": content_digest(_json(profile.dump()), {})},
        "versions": _versions(module.PACKAGES),
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)},
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return Artifact(folder, manifest)


def network_digest(qnet: QuantizedNetwork) -> str:
    """sha256 over everything that decides how the network computes: models, exponents, profile, all integers."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for i, layer in enumerate(qnet.layers):
        arrays |= {f"{i}/{key}": connection.mantissa for key, connection in layer.connections().items()}
        arrays |= {f"{i}/{key}": getattr(layer, key) for key in ("per_neuron", "constants", "psi_table")}
        exponents = {key: connection.exponent for key, connection in layer.connections().items()}
        layers.append({"neuron": layer.model.name, "exponents": exponents, "bias_axon": layer.bias_axon})
    return content_digest(_json({"layers": layers, "profile": qnet.profile.dump()}), arrays)


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def _versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Versions of Python and of the packages that matter, None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("hypr-neuro", "numpy", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
