"""Crossbars of analog cells: how a profile says what their conductances do.

g = G / Gmax is the conductance of one cell over the largest. A weight is a pair of cells, w = (g+ - g-) top, where top
is the largest mantissa of the profile's weights. Numbers come from fits that somebody has published: the source of each
names the fit, where it stands, and the range in which it holds. `sim.crossbar` has the equations.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from hypr_neuro.profiles.quantity import Positive, Quantity, Section, default

Share = Quantity[Annotated[float, Field(ge=0, le=1)]]
Spread = Quantity[Annotated[float, Field(ge=0, le=4)]]
Seconds = Quantity[Annotated[float, Field(ge=0, le=1e12)]]
Duration = Quantity[Annotated[float, Field(gt=0, le=1e12)]]
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
Polynomial = Quantity[Annotated[tuple[Finite, ...], Field(min_length=1, max_length=8)]]
Line = Quantity[tuple[Finite, Finite, Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]]
Switch = Quantity[bool]
On = default(True, "-")
FITS = (
    ("relaxed", "relaxed_after"),
    ("drift_start", "drift_mean", "drift_spread"),
    ("read_scale", "read_power", "read_most", "read_window"),
    ("eligibility_time", "eligibility_spread", "eligibility_size"),
)
"""Numbers that are of one fit: all are stated or none."""
SWITCHES = (
    "programming_noise",
    "relaxation",
    "drift",
    "read_noise",
    "write_noise",
    "device_spread",
    "defects",
    "eligibility_decay",
    "eligibility_noise",
)
"""Terms that can be turned off one by one."""


class Analog(Section):
    """Cells, converters and what is random in them; switches turn single terms off.

    `rows` and `columns` are those of a tile, `dac_bits` and `adc_bits` the widths of its converters, sign included, and
    `adc_range` what the ADC's full scale stands for, in cells at Gmax; `columns_per_adc` columns share an ADC and
    `rows_per_dac` rows a DAC, unknown where a profile does not say. `levels` is how many conductances programming
    tells apart, 0 for any. `step_time` is the length of a step, `age` how long a network has been programmed when a run
    begins, `chip` the number of the chip: two chips have other cells.

    `programming` is σ in µS as a polynomial in g, constant first; `relaxed` is that after `relaxed_after`, where cells
    relax. Drift is G(t) = G ((t + t0) / t0)^-ν, t0 = `drift_start`, with ν of mean and σ clip(a ln g + b, low, high):
    `drift_mean` and `drift_spread` are (a, b, low, high). Reading has σ = G min(`read_most`, `read_scale` /
    g^`read_power`) √ln((t + w) / 2w), w = `read_window`.

    `pulse` is the smallest change of g, `write_spread` how much it differs between cells, `write_noise_size` from pulse
    to pulse. One-sided cells only grow; a pair of which one passes `refresh` is read and programmed anew. `update` says
    whether each update is given as pulses at once or added up in digital memory until a pulse is full. `stuck` is the
    share of cells that are at 0 or at Gmax, half each, `corrupt` of those at any conductance, for good.

    An eligibility loses exp(-step_time / τ) of itself in each step, τ = `eligibility_time`, which differs by
    `eligibility_spread` between synapses, and is uncertain by `eligibility_size` of what a spike adds.
    """

    model_config = ConfigDict(validate_default=True)

    rows: Positive
    columns: Positive
    dac_bits: Quantity[Annotated[int, Field(ge=1, le=24)]]
    adc_bits: Quantity[Annotated[int, Field(ge=2, le=32)]]
    adc_range: Quantity[Annotated[float, Field(gt=0, le=1 << 24)]]
    columns_per_adc: Positive | None = None
    rows_per_dac: Positive | None = None
    conductance_max: Quantity[Annotated[float, Field(gt=0, le=1e4)]]
    levels: Quantity[Annotated[int, Field(ge=0, le=65536)]]
    step_time: Duration
    age: Seconds
    chip: Quantity[Annotated[int, Field(ge=0, lt=1 << 32)]] = default(0, "-")

    programming: Polynomial
    relaxed: Polynomial | None = None
    relaxed_after: Duration | None = None
    drift_start: Duration | None = None
    drift_mean: Line | None = None
    drift_spread: Line | None = None
    read_scale: Quantity[Annotated[float, Field(ge=0, le=10)]] | None = None
    read_power: Quantity[Annotated[float, Field(ge=0, le=4)]] | None = None
    read_most: Share | None = None
    read_window: Duration | None = None

    pulse: Quantity[Annotated[float, Field(gt=0, le=1)]]
    write_noise_size: Spread
    write_spread: Spread
    one_sided: Switch
    refresh: Share | None = None
    update: Quantity[Literal["pulses", "accumulated"]] = default("pulses", "-")
    stuck: Share = default(0.0, "-")
    corrupt: Share = default(0.0, "-")

    eligibility_time: Duration | None = None
    eligibility_spread: Spread | None = None
    eligibility_size: Spread | None = None

    programming_noise: Switch = On
    relaxation: Switch = On
    drift: Switch = On
    read_noise: Switch = On
    write_noise: Switch = On
    device_spread: Switch = On
    defects: Switch = On
    eligibility_decay: Switch = On
    eligibility_noise: Switch = On

    @field_validator(*(key for fit in FITS for key in fit), mode="after")
    @classmethod
    def _of_whole_fits(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a fit of which a part is missing; the keys before this one are known."""
        key = str(info.field_name)
        fit: tuple[str, ...] = next(keys for keys in FITS if key in keys)
        before = fit[: fit.index(key)]
        other = next((k for k in before if k in info.data and (info.data[k] is None) != (value is None)), None)
        if other is not None:
            given, missing = (other, key) if value is None else (key, other)
            raise PydanticCustomError(
                "incomplete_fit",
                "{given} without {missing}, rule: all numbers of a fit or none; state {missing}, or leave {given} out",
                {"given": given, "missing": missing},
            )
        return value

    @field_validator("drift_mean", "drift_spread", mode="after")
    @classmethod
    def _in_order(cls, line: Any) -> Any:
        """Refuse a clip that ends before it begins."""
        if line is not None and line.value[2] > line.value[3]:
            raise PydanticCustomError(
                "empty_range",
                "clips to {low}..{high}, rule: low <= high; exchange the last two numbers",
                {"low": line.value[2], "high": line.value[3]},
            )
        return line

    @field_validator("refresh", mode="after")
    @classmethod
    def _with_refresh(cls, refresh: Any, info: ValidationInfo) -> Any:
        """Refuse cells that only grow and are never programmed anew."""
        one_sided = info.data.get("one_sided")
        if one_sided is not None and one_sided.value and (refresh is None or refresh.value <= 0):
            raise PydanticCustomError(
                "no_refresh",
                "one_sided cells, rule: above 0, since cells that only grow end at Gmax; state refresh, such as 0.9",
                {},
            )
        return refresh
