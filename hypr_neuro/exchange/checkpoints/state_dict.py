"""State dicts of PyTorch (.pt, .pth), as torch.save writes them: the dict itself, or one under 'model_state_dict'.

They are read with `weights_only=True`: tensors and plain values, no code of the file is run. Where PyTorch is absent
`torch_archive` reads them in the same way.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError, MissingPackageError
from hypr_neuro.exchange.checkpoints.content import Content, check_file, check_size
from hypr_neuro.exchange.checkpoints.torch_archive import read_archive
from hypr_neuro.numbers.arrays import Array

MODEL = "model_state_dict"
OF_TRAINING = ("optimizer", "optimiser", "scheduler")
"""What the name of a dict of the training's own state contains."""


def read_state_dict(path: Path) -> Content:
    """Return all tensors of the model; what else the file holds is named in `left_out`, or refused by name.

    Raises
    ------
    MissingPackageError
        Without torch, for a file of PyTorch before 1.6.
    FileFormatError
        For a damaged file and one that needs pickle.
    """
    check_file(path)
    loaded = _load(path)
    if not isinstance(loaded, Mapping):
        raise InputError(f"checkpoint '{path}' holds a {type(loaded).__name__}, rule: a dict of tensors by name")
    return content_of(path, loaded)


def content_of(path: Path, loaded: Mapping[Any, Any]) -> Content:
    """Return the `Content` of what torch.load gave; tensors are anything with `detach`."""
    content = Content(path, "torch", {})
    state = loaded
    if MODEL in loaded:
        state = loaded[MODEL]
        if not isinstance(state, Mapping):
            raise InputError(f"checkpoint '{path}': '{MODEL}' is a {type(state).__name__}, rule: a dict of tensors")
        for name, value in loaded.items():
            if name != MODEL:
                _leave_out(content, str(name), value)
    total = 0
    for name, value in state.items():
        if name == "epoch":
            content.keep_epoch(_plain(value))
            continue
        if not isinstance(name, str) or not hasattr(value, "detach"):
            raise InputError(
                f"checkpoint '{path}': '{name}' is a {type(value).__name__}, rule: tensors by name; save "
                "model.state_dict(), or a dict that has it under 'model_state_dict'"
            )
        # as float64, before memory is taken: a tensor may be a large view of one number
        total += 8 * int(value.numel())
        check_size(path, name, total)
        content.arrays[name] = _numbers(path, name, value)
    return content


def _leave_out(content: Content, name: str, value: Any) -> None:
    """Note what lies beside the model's state dict: state of the training, and single values; refuse anything else."""
    if name == "epoch":
        content.keep_epoch(_plain(value))
    elif isinstance(value, Mapping) and any(part in name.lower() for part in OF_TRAINING):
        content.left_out[name] = "state of the training"
    elif value is None or isinstance(value, (bool, int, float, str)):
        content.left_out[name] = f"{value!r}, a single value"
    else:
        raise InputError(
            f"checkpoint '{content.path}': '{name}' beside '{MODEL}' is a {type(value).__name__}, rule: state of the "
            f"optimizer or scheduler, or a single value; save '{MODEL}' alone"
        )


def _plain(value: Any) -> Any:
    """Return the number in a tensor of one; anything else as it is."""
    return value.item() if hasattr(value, "detach") and value.numel() == 1 else value


def _numbers(path: Path, name: str, tensor: Any) -> Array:
    """Return the tensor in float64, which is exact for every float type of torch."""
    try:
        if tensor.is_complex() or tensor.is_sparse or tensor.is_quantized:
            raise TypeError("complex, sparse or quantized")
        return np.array(tensor.detach().cpu().double().numpy(), dtype=np.float64)
    except (TypeError, RuntimeError) as error:
        raise InputError(f"checkpoint '{path}': '{name}' is no dense tensor of real numbers: {error}") from error


def _load(path: Path) -> Any:
    """Return what torch.load gives, without running code of the file."""
    is_archive = zipfile.is_zipfile(path)
    if is_archive:
        _check_archive(path)
    try:
        torch = import_module("torch")
    except ImportError as error:
        if is_archive:
            return read_archive(path)
        raise MissingPackageError(
            f"checkpoint '{path}' is no archive of torch.save, and any other form is read with PyTorch: pip install "
            "torch, or save its arrays with numpy.savez where PyTorch is installed, names as they are"
        ) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types on damaged files
        # its messages run over several lines and advise weights_only=False
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if type(error).__name__ == "UnpicklingError":
            raise FileFormatError(
                f"checkpoint '{path}' is damaged, or needs pickle and would run code of the file; rule: tensors by "
                "name, as torch.save(model.state_dict(), path) writes them"
            ) from error
        raise FileFormatError(f"checkpoint '{path}' is damaged or no file of torch.save: {first}") from error


def _check_archive(path: Path) -> None:
    """Check unpacked sizes first: torch would unpack a compressed record of any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_size(path, "all records together", sum(member.file_size for member in archive.infolist()))
    # zipfile answers a version or compression that it does not know, also one of a damaged byte, by NotImplementedError
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise FileFormatError(f"checkpoint '{path}' is damaged: {error}") from error
