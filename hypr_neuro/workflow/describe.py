"""Plain data on networks, chips and data sets, as commands print it and reports show it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile


def describe_data(data: SequenceData) -> dict[str, Any]:
    """Return the sizes of the data as plain numbers."""
    sizes = {part: int(np.sum(data.split == part)) for part in ("train", "validation", "test")}
    return {
        "name": data.name,
        **sizes,
        "steps": data.steps,
        "channels": data.channels,
        "targets" if data.regression else "classes": data.classes,
        "labels": "per step" if data.per_step else "per sample",
        "encoder": data.encoder,
        "events_per_sample": sum(float(np.abs(x).sum()) for x in data.x) / len(data),
    }


def describe_network(net: Network) -> dict[str, Any]:
    """Return layers and sizes as plain data."""
    layers = [
        {
            "name": net.name(i),
            "neuron": layer.model.name,
            "size": layer.size,
            "inputs": layer.inputs,
            "recurrent": layer.recurrent is not None,
            "bias": layer.bias is not None or "bias" in layer.trainable,
            "weights": layer.weight.size + (layer.recurrent.size if layer.recurrent is not None else 0),
        }
        for i, layer in enumerate(net.layers)
    ]
    return {"dt": net.dt, "layers": layers}


def describe_profile(profile: Profile) -> dict[str, Any]:
    """Return every number of a profile with unit and source."""
    facts = []
    for group, fields in profile.dump().items():
        if isinstance(fields, dict):
            facts += [{"name": f"{group}.{key}", **q} for key, q in fields.items()]
    return {"name": profile.name, "description": profile.description, "facts": facts}
