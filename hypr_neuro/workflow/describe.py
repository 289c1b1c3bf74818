"""Plain data on networks, chips and data sets, as commands print it and reports show it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.profiles.quantity import Quantity


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
    """Return populations and connections as plain data; "inputs" of a population come from others, or from outside."""
    connections = []
    for name, c in zip(net.connection_names(), net.connections, strict=True):
        weights: Any = c.weights
        form = "convolution" if isinstance(weights, Convolution) else "dense" if c.dense else "sparse"
        facts = {"name": name, "weights": c.stored().size, "form": form, "delay": c.delay}
        facts |= {} if c.trainable else {"frozen": True}
        connections.append(facts | {"leads": "forward" if net.forward(c) else "back"})
    return {"dt": net.dt, "layers": [_population(net, p) for p in net.populations], "connections": connections}


def _population(net: Network, p: FloatPopulation) -> dict[str, Any]:
    incoming = net.incoming(p.name)
    sources = {c.source: c.shape[1] for c in incoming if c.source != p.name}
    return {
        "name": p.name,
        "neuron": p.model.name,
        "size": p.size,
        "inputs": sum(sources.values()),
        "from": list(sources),
        "recurrent": any(c.source == p.name for c in incoming),
        "bias": bool(p.biases) or "bias" in p.trainable,
        "weights": sum(c.stored().size for c in incoming),
        "output": p.name in net.outputs,
    }


def _source(q: dict[str, Any]) -> str:
    """Return a number's source, with the chip that it is of where that is another one."""
    return Quantity.model_validate(q).told_source


def describe_profile(profile: Profile) -> dict[str, Any]:
    """Return every number of a profile with unit and source."""
    facts = []
    for group, fields in profile.dump().items():
        if isinstance(fields, dict) and group != "rules":
            facts += [{"name": f"{group}.{key}", **q, "source": _source(q)} for key, q in fields.items()]
    for name, rule in profile.rules.items():
        for key, number in rule.numbers().items():
            plain = number.model_dump(mode="json", exclude_none=True)
            facts.append({"name": f"{key}@{name}", **plain, "source": number.told_source})
    return {"name": profile.name, "description": profile.description, "facts": facts}
