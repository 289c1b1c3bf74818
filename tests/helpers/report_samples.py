"""Results of a run on the digits, made up, and what a test reads of the report's page."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from typing import Any

import numpy as np

from hypr_neuro.report import render_page
from hypr_neuro.report.values import clean

Results = dict[str, Any]


VOID = {"meta", "br", "hr", "img", "input", "link"}


# ---- sample results, made up but shaped like a run on the digits


def sample_widths() -> Results:
    """Three tensors with what they lose in fewer bits."""
    steps = {
        ("layers.0.input", "weight_bits"): [(8, 0.0, 0.0, 0), (6, 0.21, 0.1, 16384), (4, 1.5, 0.4, 32768)],
        ("readout.input", "weight_bits"): [(8, 0.0, 0.0, 0), (6, -0.14, 0.12, 1280)],
        ("layers.0", "state_bits"): [(24, 0.0, 0.0, 0), (22, 0.0, 0.05, 128), (20, 0.7, 0.3, 256)],
    }
    chosen = {("layers.0.input", 6), ("readout.input", 6), ("layers.0", 22)}
    tensors = [
        {"tensor": name, "key": key, "bits": bits, "loss": loss, "standard_error": error, "saved_bits": saved}
        | {"chosen": (name, bits) in chosen}
        for (name, key), of in steps.items()
        for bits, loss, error, saved in of
    ]
    return {
        "plan": {"measured": {"samples": 144, "part": "validation", "within": 0.5}},
        "tensors": tensors,
        "summary": ["together: 0.31 ± 0.15 points lost of 91.67 %", "memory: 10 of 13 KiB (77 %)"],
        "doubts": ["144 samples tell a loss to ± 0.60 points, more than the 0.5 that may be lost"],
    }


def sample_results() -> Results:
    """Results with every section, from a fixed generator."""
    rng = np.random.default_rng(7)
    return {
        "title": "digits on loihi2",
        "command": "hypr-neuro demo --data digits --profile loihi2 --seed 0",
        "seed": 0,
        "created": "2026-11-02 10:21:45",
        "versions": {"hypr-neuro": "0.1.0", "python": "3.10.13", "numpy": "1.26.4", "lava-nc": "0.10.0"},
        "seconds": {"train": 31.42, "quantize": 0.61, "simulate": 2.2, "learn scratch": 48.0},
        "data": {
            "name": "digits",
            "train": 1293,
            "validation": 144,
            "test": 360,
            "steps": 64,
            "channels": 64,
            "classes": 10,
            "encoder": {"method": "latency", "seed": 0},
            "note": "8 × 8 images, scikit-learn",
        },
        "network": {
            "dt": 0.001,
            "layers": [
                {
                    "name": "layers.0",
                    "neuron": "brf",
                    "size": 64,
                    "inputs": 64,
                    "recurrent": True,
                    "bias": True,
                    "weights": 8192,
                },
                {
                    "name": "readout",
                    "neuron": "li",
                    "size": 10,
                    "inputs": 64,
                    "recurrent": False,
                    "bias": False,
                    "weights": 640,
                },
            ],
        },
        "profile": {"name": "loihi2", "description": "Intel Loihi 2", "facts": sample_facts()},
        "training": {"rule": "hypr", "best": 12, "epochs": sample_epochs(rng)},
        "accuracy": {
            "float": 0.9194,
            "float_labelled": 0.9194,
            "integer": 0.9167,
            "integer_labelled": 0.9167,
            "baselines": {"logistic regression on event counts": 0.9028},
            "difference_points": -0.27,
            "agreement": 0.9917,
        },
        "nir": {"file": "network.nir", "equal": True, "approximations": ["layers.0: brf as the nearest LIF"]},
        "quantization": sample_quantization(),
        "placement": sample_placement(),
        "widths": sample_widths(),
        "lava": {
            "equal": True,
            "samples": 2,
            "steps": 132,
            "compared": "spikes and states of every layer",
            "seconds": 3.2,
        },
        "learning": {
            "scratch": sample_study(rng, 0.1028, 0.87, None),
            "fine_tuning": sample_study(rng, 0.7125, 0.905, 0.9167),
        },
        "raster": sample_raster(rng),
        "commands": [
            "hypr-neuro train --data digits --seed 0 --out runs/demo",
            "hypr-neuro export runs/demo/network.h5 --out runs/demo/network.nir",
            "hypr-neuro quantize runs/demo/network.nir --data digits --profile loihi2 --out runs/demo",
        ],
    }


def sample_facts() -> list[Results]:
    return [
        {
            "name": "precision.weight_bits",
            "value": 8,
            "unit": "bit",
            "source": "Davies et al. 2018; https://example.org/a",
        },
        {"name": "precision.state_rounding", "value": "nearest", "unit": "-", "source": "chosen"},
        {"name": "core.neurons", "value": 1024, "unit": "neuron", "source": "nengo-loihi 1.1"},
        {"name": "energy.neuron_update", "value": 72.8, "unit": "pJ", "source": "SANA-FE's table"},
    ]


def sample_epochs(rng: np.random.Generator) -> list[Results]:
    return [
        {
            "epoch": i,
            "rate": 0.01 * (1 - i / 15),
            "loss": 2.1 * math.exp(-i / 4) + 0.2 + 0.03 * rng.random(),
            "validation": 0.93 - 0.4 * math.exp(-i / 3) + 0.01 * rng.random(),
        }
        for i in range(15)
    ]


def sample_quantization() -> Results:
    record = [
        {
            "layer": layer,
            "name": name,
            "low": -0.713,
            "high": 0.688,
            "scale": 4096.0,
            "integer_low": -117,
            "integer_high": 113,
            "rounding": "nearest, ties to even",
            "clipped": 0,
            "count": 4096,
            "sqnr": sqnr,
            "rule": "8-bit mantissa, exponent −5",
        }
        for layer, name, sqnr in (
            ("layers.0", "input", 41.2),
            ("layers.0", "recurrent", 40.6),
            ("layers.0", "omega", 72.123),
            ("layers.0", "threshold", None),
            ("readout", "input", 43.9),
        )
    ]
    return {
        "record": record,
        "events": {"layers.0": {"u saturated": 0, "v saturated": 17}, "readout": {"v saturated": 0}},
        "spike_agreement": {"layers.0": 0.9983},
        "rates": {"layers.0": {"float": 0.1312, "integer": 0.1308}},
    }


def sample_placement() -> Results:
    limits = {"neuron_limit": 1024, "memory_limit": 1048576, "in_axon_limit": 4096, "out_axon_limit": 4096}
    return {
        "fits": True,
        "learning": True,
        "cores_used": 2,
        "cores": 120,
        "spikes_between_cores_per_step": 8.37,
        "energy_per_sample_nj": 812.5,
        "time_per_sample_us": 141.4,
        "estimate_note": "estimate for inference after SANA-FE's table; learning not included",
        "per_core": [
            {
                "core": 0,
                "layer": "layers.0",
                "neurons": 64,
                "synapses": 8256,
                "memory_bits": 953472,
                "in_axons": 129,
                "out_axons": 128,
                "learning_bits": 825600,
                **limits,
            },
            {
                "core": 1,
                "layer": "readout",
                "neurons": 10,
                "synapses": 640,
                "memory_bits": 63488,
                "in_axons": 64,
                "out_axons": 0,
                "learning_bits": 51200,
                **limits,
            },
        ],
    }


def sample_study(rng: np.random.Generator, start: float, end: float, reference: float | None) -> Results:
    def accuracy(epoch: int, more: float = 0.0) -> float:
        return end - (end - start) * math.exp(-1.4 * epoch) + (more + 0.006 * float(rng.random()) if epoch else 0.0)

    epochs = [
        {
            "epoch": i,
            "device_accuracy": accuracy(i),
            "float_accuracy": accuracy(i, 0.006),
            "online_accuracy": math.nan if i == 0 else accuracy(i, -0.05),
            "weight_distance": 0.004 * i,
            "cosine": {
                "layers.0.input": 0.9991 - 0.0002 * i,
                "layers.0.recurrent": 0.9984 - 0.0004 * i,
                "layers.0.bias": 0.9988,
                "readout.input": 0.99995,
            },
            "norm_ratio": {"layers.0.input": 1.003, "layers.0.recurrent": 0.998, "readout.input": 1.0},
            "spike_agreement": {"layers.0": 0.998 - 0.0003 * i},
            "weights_saturated": 3 * i,
            "clips": {"layers.0 eligibilities": 4 * i, "readout error": 0},
        }
        for i in range(6)
    ]
    study: Results = {
        "what": "from random weights and neuron parameters",
        "start_accuracy": start,
        "epochs": epochs,
        "updates": 6465,
        "rule": "HYPR eligibilities, batch 1, update after every sample",
    }
    if reference is not None:
        study |= {
            "what": "10% of the weights set to 0, input channels 21 and 7 swapped",
            "reference_accuracy": reference,
            "regained": 0.943,
            "float_regained": 0.961,
        }
    return study


def sample_raster(rng: np.random.Generator, steps: int = 64, neurons: int = 64) -> Results:
    period = rng.integers(5, 14, neurons)
    real = [[t, n] for t in range(3, steps) for n in range(neurons) if (t + 3 * n) % period[n] == 0]
    keep = rng.random(len(real)) > 0.02
    fixed = [[t if k else t + 1, n] for (t, n), k in zip(real, keep, strict=True)]
    return {
        "layer": "layers.0",
        "sample": 0,
        "steps": steps,
        "neurons": neurons,
        "float": real,
        "integer": fixed,
        "label": "3",
        "predicted_float": "3",
        "predicted_integer": "3",
    }


# ---- reading the page


class Page(HTMLParser):
    """Tags, attributes, ids and text of a page; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def page_text(results: Results) -> str:
    """Visible text with single spaces."""
    return " ".join(" ".join(Page(render_page(clean(results))).text).replace("\u202f", " ").split())
