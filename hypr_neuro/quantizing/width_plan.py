"""Plans of widths: which connection has how many bits of weights, which population how many of states and learning.

    plan: 1
    network:
      inputs: 4
      populations: {layers.0: 36, readout: 6}
      connections: [layers.0.input, layers.0.recurrent, readout.input]
    options: {calibration_method: mse}
    rules:
      layers.0.recurrent: {weight_bits: 4}
      layers.0: {eligibility_bits: 12}

A rule of a plan is a rule of the profile (`profiles.rules`), written short: its section and source are left out.
`network` says what the plan was made for and `options` how the network is converted; both may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.files.yaml_file import load_yaml
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.profiles.rules import RULE_KEYS
from hypr_neuro.quantizing.ranges import layer_connections

VERSION = 1
OPTIONS = ("weight_groups", "calibration_method", "percentile", "weight_headroom")
"""Arguments of `quantize` that a plan may give."""
SHORT = {key.split(".")[1]: key for key in RULE_KEYS}


@dataclass(frozen=True)
class WidthPlan:
    """Widths of single populations and connections.

    Attributes
    ----------
    rules
        Numbers by name or pattern, then by key ("weight_bits").
    options
        Of the conversion, see `OPTIONS`.
    network
        What it was made for, see `described`; {} for any network.
    measured
        How it came about, for the reader.
    file
        Where it was read, "" for none.
    """

    rules: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""

    def __post_init__(self) -> None:
        """Raise InputError for unknown keys; values are checked by the profile that they become part of."""
        if not isinstance(self.rules, Mapping) or not all(isinstance(name, str) for name in self.rules):
            raise InputError(
                f"plan: rules = {self.rules!r:.60}, rule: numbers by name, such as {{a: {{weight_bits: 4}}}}"
            )
        for name, numbers in self.rules.items():
            if not isinstance(numbers, Mapping) or not numbers:
                raise InputError(
                    f"plan: rules.{name} = {numbers!r:.60}, rule: numbers by key, such as {{weight_bits: 4}}"
                )
            for key in numbers:
                if key not in SHORT:
                    raise InputError(f"plan: rules.{name}: unknown key {among(str(key), list(SHORT))}")
        for key in self.options:
            if key not in OPTIONS:
                raise InputError(f"plan: options: unknown key {among(str(key), list(OPTIONS))}")

    def applied(self) -> WidthPlan:
        """Return the plan without its rules, for a profile that has them already."""
        return replace(self, rules={})

    def told(self) -> str:
        """Tell in a line what was lost when the plan was made, "" where its file does not say."""
        test, numbers = self.measured.get("test"), (int, float)
        place, found = ("test samples", test) if isinstance(test, Mapping) else ("samples", self.measured)
        loss, error = found.get("loss"), found.get("standard_error")
        if not isinstance(loss, numbers) or not isinstance(error, numbers):
            return ""
        asked = self.measured.get("within")
        limit = f", {asked:g} asked for" if isinstance(asked, numbers) else ""
        return f"plan: {loss:.2f} ± {error:.2f} points lost on {place} when it was made{limit}"

    def changes(self) -> dict[str, Any]:
        """Return what it changes of a profile, as `profiles.override` takes it."""
        return {f"{SHORT[key]}@{name}": value for name, by_key in self.rules.items() for key, value in by_key.items()}

    def check(self, net: Any) -> None:
        """Raise InputError for another network than the one that it was made for."""
        if not self.network:
            return
        here = described(net)
        for key, wanted in self.network.items():
            if key not in here or here[key] != wanted:
                raise InputError(
                    f"plan: it was made for a network whose {key} are {_told(wanted)}, this one's are "
                    f"{_told(here.get(key))}; make a plan for this network with `hypr-neuro widths`"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data as the file holds it."""
        parts = {"network": self.network, "options": self.options, "rules": self.rules, "measured": self.measured}
        plain = {name: _plain(part) for name, part in parts.items() if part or name == "rules"}
        return {"plan": VERSION, **plain}

    def save(self, path: str | Path) -> None:
        """Write the file."""
        import yaml

        from hypr_neuro.files.store import write_text

        write_text(Path(path), yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True, width=100))


def as_plan(given: WidthPlan | Mapping[str, Any] | str | Path) -> WidthPlan:
    """Return a plan: itself, that of a file, or of rules by name."""
    if isinstance(given, WidthPlan):
        return given
    if isinstance(given, Mapping):
        return WidthPlan(given)
    if not isinstance(given, (str, Path)):
        raise InputError(f"plan is a {type(given).__name__}, rule: a file, rules by name, or a WidthPlan")
    path = Path(given)
    if path.is_dir():
        raise InputError(f"plan '{path}' is a folder, rule: a file; give its plan.yaml")
    if not path.is_file():
        raise InputError(f"plan file '{path}' does not exist; `hypr-neuro widths` writes one")
    data = load_yaml(path, "plan")
    if not isinstance(data, dict) or data.get("plan") != VERSION:
        found = f"key 'plan' = {data.get('plan')!r:.40}" if isinstance(data, dict) else f"holds {data!r:.40}"
        raise InputError(
            f"plan '{path}': {found}, rule: a mapping whose key 'plan' is {VERSION}, the version of its format; "
            "`hypr-neuro widths` writes one"
        )
    known = ("plan", "network", "options", "rules", "measured")
    for key in data:
        if key not in known:
            raise InputError(f"plan '{path}': unknown key {among(str(key), list(known))}")
    parts = {key: data.get(key) or {} for key in known[1:]}
    for key, value in parts.items():
        if not isinstance(value, dict):
            raise InputError(f"plan '{path}': key '{key}' = {value!r:.60}, rule: a mapping")
    return WidthPlan(parts["rules"], parts["options"], parts["network"], parts["measured"], str(path))


def planned(
    net: Any,
    profile: Profile | str | Path,
    plan: WidthPlan | Mapping[str, Any] | str | Path | None,
    given: Mapping[str, Any],
) -> tuple[Profile, dict[str, Any]]:
    """Return the chip with the rules of a plan, and options of `quantize`: those given, where None those of the plan.

    Raises
    ------
    InputError
        For a plan of another network, or none at all; ProfileError for widths that the chip does not have.
    """
    if plan is None:
        return load_profile(profile), dict(given)
    read = as_plan(plan)
    read.check(net)
    options = {key: read.options.get(key) if value is None else value for key, value in given.items()}
    return load_profile(profile, read.changes()), options


def described(net: Network | IntegerNetwork) -> dict[str, Any]:
    """Return what tells a network from others: inputs, neurons of its populations, names of its connections."""
    return {
        "inputs": int(net.inputs),
        "populations": {p.name: int(p.size) for p in net.populations},
        "connections": [names[0] for names in rule_names(net)],
    }


def rule_names(net: Any) -> list[tuple[str, ...]]:
    """Return of each connection of a network all the names that rules know it by, the first one its own.

    Of a chain of layers "layers.0.input" and "input -> layers.0", and the population that it leads to.
    """
    if not isinstance(net, Network):
        return [(c.name, c.target) for c in net.synapses]
    by_graph = {name: layer for layer, name in layer_connections(net).items()}
    return [
        (*([by_graph[name]] if name in by_graph else []), name, c.target)
        for c, name in zip(net.connections, net.connection_names(), strict=True)
    ]


def stored_bits(own: Profile, chip: Profile) -> int | None:
    """Return the width that a connection stores, None where it is the chip's."""
    bits = own.precision.stored_weight_bits
    return None if bits == chip.precision.stored_weight_bits else bits


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} of {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
