"""What `simulate` says and writes of a network's answers, and the data that it asks for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.cli.options import ENCODE, check_channels

if TYPE_CHECKING:
    from hypr_neuro.cli.run_data import DataSource
    from hypr_neuro.data import SequenceData
    from hypr_neuro.exchange.loading import AnyNetwork
    from hypr_neuro.numbers.arrays import Array

LISTED = 20
"""Samples whose answers a table lists."""


def sequences_of(source: DataSource, net: AnyNetwork, network: Path) -> tuple[SequenceData, bool]:
    """Return the data to run, and whether they have labels; what their answers are, the network's folder tells."""
    from hypr_neuro.data.fit import check_fit
    from hypr_neuro.data.unlabelled import is_unlabelled, unlabelled_sequences
    from hypr_neuro.files.run_folder import RunFolder

    path = Path(source.folder or ".") / source.name
    outputs = sum(p.size for p in net.populations if p.name in net.outputs)
    content = _recorded(path, net) if source.name.endswith(".nir") else None
    if content is None and not (source.name.endswith(".npz") and is_unlabelled(path)):
        data = source.load()
        check_fit(net.inputs, outputs, data)
        return data, True
    known = RunFolder(network.parent, create=False).read("data") if (network.parent / "results").is_dir() else None
    told: dict[str, Any] = known if isinstance(known, dict) else {}
    options = dict(text.split("=", 1) for text in source.options)
    data = unlabelled_sequences(
        path,
        outputs,
        encode=options.get(ENCODE),
        encoder=getattr(net, "encoder", None),
        per_step=told.get("labels") == "per step",
        regression="targets" in told,
        content=content,
    )
    check_channels(data, net.inputs)
    print(f"data: '{path}' has no labels, so there is nothing to score", file=sys.stderr)
    return data, False


def _recorded(path: Path, net: AnyNetwork) -> dict[str, Array]:
    """Return the input in a file of NIR's data format; events in steps of the network's dt."""
    from hypr_neuro.exchange.nir.data_read import read_input

    return {"x": read_input(path, dt=getattr(net, "dt", None))}


def path_of(predictions: Path | None, network: Path, data: SequenceData, *, labelled: bool) -> Path | None:
    """Return the file for answers: the one that is given; without labels one beside the network.

    Raise InputError if that cannot be written.
    """
    from hypr_neuro.files.store import require_writable

    if predictions or labelled:
        return predictions
    beside = network.parent / f"{data.name}_predictions.csv"
    require_writable(beside)
    return beside


def told_of(answers: Array, data: SequenceData, *, as_json: bool) -> dict[str, Any]:
    """Return the answers themselves for JSON, and for a table those of the first samples or how often each class."""
    import numpy as np

    if as_json:
        return {"predictions": answers.tolist()}
    if data.regression:
        return {"predictions": [np.round(a, 4).tolist() for a in answers[:LISTED]]} if answers.ndim == 2 else {}
    counts = np.bincount(answers.reshape(-1), minlength=data.classes)
    facts: dict[str, Any] = {"answers by class": {f"class {c}": int(n) for c, n in enumerate(counts) if n}}
    if answers.ndim == 1:
        facts["predictions"] = " ".join(map(str, answers[:LISTED])) + (" …" if len(answers) > LISTED else "")
    return facts


def write_predictions(path: Path, answers: Array) -> None:
    """Write answers as an .npz (key "predictions"), or as a table of commas: one row a sample, or a sample and step."""
    import io

    import numpy as np

    from hypr_neuro.files.store import write_atomically, write_text

    if path.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, predictions=answers)
        write_atomically(path, lambda temporary: _write(temporary, buffer.getvalue()))
        return
    real = answers.dtype.kind == "f"
    columns = [f"target_{i}" for i in range(answers.shape[-1])] if real else ["prediction"]
    places = answers.shape[:-1] if real else answers.shape
    lines = [",".join([*("sample", "step")[: len(places)], *columns])]
    for place in np.ndindex(places):
        values = answers[place] if real else [answers[place]]
        lines.append(",".join([*map(str, place), *(f"{v:.9g}" if real else str(v) for v in values)]))
    write_text(path, "\n".join(lines) + "\n")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
