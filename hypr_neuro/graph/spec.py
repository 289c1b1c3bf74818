"""The description of a network that a user writes: dict, YAML file or these classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from hypr_neuro.errors import InputError, like_and_known
from hypr_neuro.files.yaml_file import load_yaml

Range = FiniteFloat | tuple[FiniteFloat, FiniteFloat]
Positive = Annotated[int, Field(gt=0, le=1_000_000)]


class LayerSpec(BaseModel):
    """One recurrent or feed-forward layer.

    Attributes
    ----------
    neuron, size, recurrent, bias
        Model, neurons, and whether they feed one another and have constant currents.
    params
        Values of parameters; a pair is drawn uniformly for each neuron.
    trainable
        Parameters that training changes; all that the model lets, where it is left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    neuron: str
    size: Positive
    recurrent: bool = True
    bias: bool = True
    params: dict[str, Range] = Field(default_factory=dict)
    trainable: list[str] | None = None


class ReadoutSpec(BaseModel):
    """The readout, one neuron an output: any model that is a readout, with its parameters.

    Attributes
    ----------
    params, trainable
        As in `LayerSpec`.
    tau
        The same as ``params: {tau: …}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    neuron: str = "li"
    bias: bool = False
    tau: Range | None = None
    params: dict[str, Range] = Field(default_factory=dict)
    trainable: list[str] | None = None

    @property
    def values(self) -> dict[str, Range]:
        """What was given of parameters; raise InputError where τ was given twice."""
        if self.tau is None:
            return dict(self.params)
        if "tau" in self.params:
            raise InputError("readout: tau stands both by itself and under params, rule: once")
        return {"tau": self.tau, **self.params}


class NetworkSpec(BaseModel):
    """A network.

    Attributes
    ----------
    inputs, outputs
        Channels.
    dt
        Seconds a step.
    layers
        From input to output.
    readout
        After them.
    frozen
        Connections whose weights training leaves as they are drawn, by the names that `Network.freeze` takes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    inputs: Positive
    outputs: Positive
    dt: FiniteFloat = Field(default=1e-3, gt=0)
    layers: list[LayerSpec] = Field(min_length=1)
    readout: ReadoutSpec = Field(default_factory=ReadoutSpec)
    frozen: list[str] = Field(default_factory=list)


RULES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type"), "a mapping"),
    "finite_number": "a finite number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_too_long": "a text of at most {max_length} characters",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}",
}
"""What is asked for, by pydantic's name of the finding."""
QUANTITY = "{value: …, unit: …, source: …}"
"""How a profile writes a number."""
PAIR = "a pair of them, [low, high]"
KINDS = ("bool", "int", "float", "str")


def rule_of(found: Mapping[str, Any]) -> str:
    """Return in plain words what a finding of pydantic asks for, "" where it has a sentence of its own."""
    context = found.get("ctx", {})
    if str(found.get("input")).lower() in ("nan", ".nan") and not found["type"].startswith(("int", "bool")):
        return RULES["finite_number"]
    if found["type"] == "model_type" and context["class_name"].startswith("Quantity["):
        return f"a mapping {QUANTITY}"
    if (rule := RULES.get(found["type"])) is not None:
        return rule.format(**{name: f"{v:g}" if isinstance(v, float) else v for name, v in context.items()})
    # of the many that no description here meets
    message = str(found["msg"])
    return message.removeprefix("Input should be ") if message.startswith("Input should be ") else ""


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Tell the first finding of pydantic on data of `model` as one line: key, value, rule."""
    findings = error.errors()
    # an unknown key is often the one that is missing, misspelt
    first = next((found for found in findings if found["type"] == "extra_forbidden"), findings[0])
    if first["type"] == "value_error":  # of a check of ours, which names key and value itself
        return str(first["ctx"]["error"])
    # of the kinds that a value may be, the one that it is nearest to says most
    beside = [found for found in findings if _union(found["loc"]) == _union(first["loc"])]
    first = max(beside, key=lambda found: (len(place_of(found["loc"])), found is first))
    place = place_of(first["loc"])
    more = len({place_of(found["loc"]) for found in findings if found not in beside})
    others = f" (and {more} more)" if more else ""
    key = f"key '{'.'.join(map(str, place)) or '(top level)':.80}'"
    if first["type"] == "missing":
        written = f"; a number is written {QUANTITY}" if place[-1] in ("value", "unit", "source") else ""
        return f"{key} is missing{written}{others}"
    told = f"{key} = {first.get('input')!r:.60}"
    if first["type"] == "extra_forbidden":
        known = like_and_known(str(place[-1]), keys_at(model, place[:-1]))
        return f"{told}: unknown key; check its spelling and place{known}{others}"
    asked = [_alternative(found) for found in beside if place_of(found["loc"]) == place]
    rules = list(dict.fromkeys(filter(None, asked)))
    return f"{told}, rule: {_either(rules)}{others}" if rules else f"{told}: {first['msg']}{others}"


def _is_kind(part: int | str) -> bool:
    """Tell whether a part of a place is pydantic's name of a kind that the value may be of, and no key."""
    return isinstance(part, str) and (part in KINDS or "[" in part)


def _union(loc: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the place of a value that may be of several kinds, the whole place where there is none."""
    kinds = [i for i, part in enumerate(loc) if _is_kind(part)]
    return tuple(loc[: kinds[0]] if kinds else loc)


def place_of(loc: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the keys that lead to a value."""
    return tuple(part for part in loc if not _is_kind(part))


def _alternative(found: Mapping[str, Any]) -> str:
    """Return one of the things that a value may be."""
    return PAIR if any(str(part).startswith("tuple[") for part in found["loc"][-1:]) else rule_of(found)


def _either(rules: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(rules[:-1]), rules[-1])))


def keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the keys that a mapping at this place of the data may have, [] where the types do not say."""
    found: Any = model
    for part in place:
        if _is_model(found):
            field = found.model_fields.get(part)
            found = None if field is None else field.annotation
        else:
            # of a list or a union what it holds: a mapping with keys of its own
            found = next((inner for inner in get_args(found) if _is_model(inner)), None)
    if not _is_model(found):
        found = next((inner for inner in get_args(found) if _is_model(inner)), None)
    return list(found.model_fields) if _is_model(found) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def parse_spec(spec: NetworkSpec | dict[str, Any] | str | Path) -> NetworkSpec:
    """Return a NetworkSpec from any of the forms a user may give; raise InputError naming the key."""
    if isinstance(spec, NetworkSpec):
        return spec
    where = "network spec"
    if isinstance(spec, (str, Path)):
        where = f"network spec '{spec}'"
        spec = load_yaml(Path(spec), "network spec")
    try:
        return NetworkSpec.model_validate(spec)
    except ValidationError as error:
        raise InputError(f"{where}: {describe(error, NetworkSpec)}") from error
