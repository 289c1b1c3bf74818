"""Accuracy against weight bits: rounding a float network afterwards, and training it further along the chip's integers.

Rounded to the exponents of the largest weights, rounded to those of least squared error, and quantization-aware.

    python examples/quantization_aware.py FOLDER            ECG; FOLDER holds QTDB_train.mat, QTDB_test.mat
    python examples/quantization_aware.py FOLDER --quick    one epoch of two widths on few samples
    python examples/quantization_aware.py FOLDER --data braille --epochs 8
    python examples/quantization_aware.py FOLDER --data braille --bits 4 8 --splits        seed n tests on split n
    python examples/quantization_aware.py FOLDER --data braille --plan plan.yaml --splits    widths of single tensors
    python examples/quantization_aware.py FOLDER --network network.h5      a network of yours
    python examples/quantization_aware.py --draw ecg.jsonl braille.jsonl --figure widths.png

Without --network a float network is trained for each seed. Every network goes on for some epochs of quantization-aware
training at each width, at a rate that was chosen on validation. Rows go to --results, one a line; a run goes on there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypr_neuro as hn
from hypr_neuro.comparing.statistics import interval
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import BRAILLE_NETWORKS, Task, task_for

WIDTHS = (1, 2, 3, 4, 5, 6, 8, 16)
SIDES = {"rounded": "rounded", "least": "rounded, least error", "aware": "quantization-aware"}
COLORS = ("#d55e00", "#b8588f", "#0072b2")
PLAN = "plan"
FLOAT_EPOCHS, EPOCHS, RATE = 20, 4, 0.01


def _task(data: hn.SequenceData) -> Task:
    """Return the settings of the data; of Braille those of a network that trains in seconds."""
    if data.name != "braille":
        return task_for(data)
    task = BRAILLE_NETWORKS["brf"]
    layers = [layer | {"size": 64} for layer in task.network["layers"]]
    return replace(task, network=task.network | {"layers": layers}, augment={})


def rows_of(
    given: argparse.Namespace, data: hn.SequenceData, done: set[tuple[int, int | str]]
) -> Iterator[dict[str, Any]]:
    """Yield seed, weight bits and accuracies, of what is not done yet."""
    few = given.quick
    asked: tuple[int | str, ...] = (PLAN,) if given.plan else (3, 8) if few else tuple(given.bits)
    task = _task(data)
    training = task.training if given.network is None else {}  # the task's loss suits its own network
    for seed in range(1 if few else given.seeds):
        widths = [bits for bits in asked if (seed, bits) not in done]
        if not widths:
            continue
        if given.splits:
            data = hn.load_data(given.data, given.folder, repeat=seed)
            data = data.few(24) if few else data
        if given.network is not None:
            start = hn.Network.load(given.network)
        else:
            start, _ = fit(data, task, seed=seed, epochs=1 if few else FLOAT_EPOCHS)
        told = {f"float {part}": hn.evaluate(start, data, part).accuracy for part in ("validation", "test")}
        for bits in widths:
            width = {"precision.weight_levels": "binary"} if bits == 1 else {"precision.weight_bits": bits}
            chip, net = hn.load_profile(given.profile, {} if given.plan else width), start.copy()
            hn.train(
                net,
                data,
                quantized=hn.QuantizationAware(chip, plan=given.plan),
                epochs=1 if few else given.epochs,
                batch_size=task.batch_size,
                rate=given.rate,
                seed=seed,
                **training,
            )
            row = {"data": data.name, "seed": seed, "bits": bits, **told}
            for side, one in (("rounded", start), ("least", start), ("aware", net)):
                method = "mse" if side == "least" else "max"
                qnet = hn.quantize(one, chip, calibration=data, calibration_method=method, plan=given.plan)
                row |= {f"{side} {part}": hn.evaluate(qnet, data, part).accuracy for part in ("validation", "test")}
            yield row


def told(rows: list[dict[str, Any]], part: str) -> Iterator[str]:
    """Yield the lines of a table of means over seeds with their 95 % intervals."""
    yield f"| weight bits | {' | '.join(SIDES.values())} |"
    yield "|---|" + "---|" * len(SIDES)
    for bits in sorted({row["bits"] for row in rows}, key=lambda bits: (isinstance(bits, str), bits)):
        cells = []
        for side in SIDES:
            found = interval([100.0 * row[f"{side} {part}"] for row in rows if row["bits"] == bits])
            half = (found.high - found.low) / 2
            cells.append(f"{found.mean:.1f}" + (f" ± {half:.1f}" if half > 0.05 else ""))
        yield f"| {bits} | {' | '.join(cells)} |"


def draw(files: list[Path], path: Path) -> None:
    """Draw accuracy on test data against weight bits, a panel a file, seeds as dots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(files), 3.2), layout="constrained")
    for axes, file in zip(figure.subplots(1, len(files), squeeze=False)[0], files, strict=True):
        rows = read(file)
        widths = sorted({row["bits"] for row in rows})
        for (side, label), color in zip(SIDES.items(), COLORS, strict=True):
            of_width = [[100.0 * r[f"{side} test"] for r in rows if r["bits"] == bits] for bits in widths]
            axes.plot(range(len(widths)), [sum(v) / len(v) for v in of_width], color=color, label=label)
            for place, values in enumerate(of_width):
                axes.plot([place] * len(values), values, ".", color=color, alpha=0.6)
        real = [100.0 * row["float test"] for row in rows]
        axes.axhline(sum(real) / len(real), color="#5a6675", linestyle="--", linewidth=1.0, label="float")
        axes.set(
            xticks=range(len(widths)), xticklabels=widths, xlabel="weight bits", title=rows[0]["data"], ylim=(0, 100)
        )
        axes.grid(color="#e2e7ed")
        axes.set_axisbelow(True)
    first = figure.axes[0]
    first.set_ylabel("accuracy on test data, %")
    first.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=130)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none of one that is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main(words: list[str]) -> None:
    """Measure and print a table, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--data", default="ecg")
    parser.add_argument("--network", type=Path)
    parser.add_argument("--profile", default="loihi2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--splits", action="store_true")
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--bits", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--draw", type=Path, nargs="+")
    parser.add_argument("--figure", type=Path, default=Path("quantization_aware.png"))
    given = parser.parse_args(words)
    if given.draw:
        draw(given.draw, given.figure)
        return
    if given.folder is None:
        sys.exit(__doc__)
    data = hn.load_data(given.data, given.folder)
    if given.quick:
        data = data.few(24)
    rows = [] if given.results is None else read(given.results)
    for row in rows_of(given, data, {(row["seed"], row["bits"]) for row in rows}):
        rows.append(row)
        print(json.dumps(row), flush=True)
        if given.results is not None:
            with given.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
    print(*told(rows, "test"), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
