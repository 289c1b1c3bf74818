"""The description of a network that a user writes: dict, YAML file or these classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from hypr_neuro.errors import InputError, like_and_known
from hypr_neuro.files.yaml_file import load_yaml

Range = FiniteFloat | tuple[FiniteFloat, FiniteFloat]
Positive = Annotated[int, Field(gt=0, le=1_000_000)]


class LayerSpec(BaseModel):
    """One recurrent or feed-forward layer; a pair in `params` is drawn uniformly for each neuron."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    neuron: str
    size: Positive
    recurrent: bool = True
    bias: bool = True
    params: dict[str, Range] = Field(default_factory=dict)


class ReadoutSpec(BaseModel):
    """The readout, one neuron an output: any model that is a readout, with its parameters.

    Attributes
    ----------
    params
        As in `LayerSpec`.
    tau
        The same as ``params: {tau: …}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    neuron: str = "li"
    bias: bool = False
    tau: Range | None = None
    params: dict[str, Range] = Field(default_factory=dict)

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


EXPLAINED = {
    "extra_forbidden": "unknown key; check its spelling and place",
    "model_type": "a mapping is expected; in a profile a number is written {value: …, unit: …, source: …}",
    "missing": "is missing",
}
"""Plain words for pydantic's commonest findings."""


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Tell the first finding of pydantic on data of `model` as one line: key, value, rule."""
    findings = error.errors()
    # an unknown key is often the one that is missing, misspelt
    first = next((found for found in findings if found["type"] == "extra_forbidden"), findings[0])
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    message = EXPLAINED.get(first["type"], first["msg"])
    if first["type"] == "extra_forbidden":
        message += like_and_known(str(first["loc"][-1]), _keys_at(model, first["loc"][:-1]))
    if first["type"] == "value_error":  # of a check of ours, which names key and value itself
        return str(first["ctx"]["error"])
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"key '{key}' = {first.get('input')!r:.60}: {message}{others}"


def _keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
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
