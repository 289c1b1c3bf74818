"""The encoder of a network's data in C, where it is made of integers: what a sensor gives becomes spikes on the device.

level_crossing   of integer signals and an integer threshold, as `data.encode.level_crossing` of the same integers
thermometer      of integers from 0 to `top`, as `data.encode.thermometer` of value / top
scan             likewise, row by row

The others are refused: `rate` draws numpy's random numbers; `latency` rounds halves as floats fall.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.graph.encoder import check_encoder, known_options

FILE = "encoder.h"
LEVELS = 4
"""Of a thermometer that says none, as in `data.encode`."""
HEAD = """/* The encoder of the data that the network was trained on: {title}. Integers in, the input of a step out. */
#ifndef HN_ENCODER_H
#define HN_ENCODER_H

#include "network.h"

{body}
#endif
"""
LEVEL_CROSSING = """enum { HN_SIGNALS = HN_INPUTS / 2 };

/* The levels at which the signals were when they last sent an event. */
struct hn_level_crossing {
    int32_t level[HN_SIGNALS];
};

/* Starts with the first values of a recording, which send no event. */
static inline void hn_level_crossing_begin(struct hn_level_crossing *encoder, const int32_t value[HN_SIGNALS]) {
    for (uint32_t i = 0; i < HN_SIGNALS; i++) {
        encoder->level[i] = value[i];
    }
}

/* One step: events up, then events down. threshold : in the unit of the values, whose distances fit 31 bits */
static inline void hn_level_crossing_step(struct hn_level_crossing *encoder, const int32_t value[HN_SIGNALS],
                                          int32_t threshold, int32_t input[HN_INPUTS]) {
    for (uint32_t i = 0; i < HN_SIGNALS; i++) {
        const int32_t moved = value[i] - encoder->level[i];
        const int32_t up = moved >= threshold, down = -moved >= threshold;
        encoder->level[i] += threshold * (up - down);
        input[i] = up;
        input[HN_SIGNALS + i] = down;
    }
}
"""
THERMOMETER = """enum {{ HN_LEVELS = {levels}, HN_FEATURES = HN_INPUTS / HN_LEVELS }};

/* The input of a step. value : 0 to top, up to 2^24 */
static inline void hn_thermometer(const int32_t value[HN_FEATURES], int32_t top, int32_t input[HN_INPUTS]) {{
    for (int32_t i = 0; i < (int32_t)HN_FEATURES; i++) {{
        for (int32_t j = 0; j < HN_LEVELS; j++) {{
            input[i * HN_LEVELS + j] = (int64_t)2 * HN_LEVELS * value[i] > (int64_t)(2 * j + 1) * top;
        }}
    }}
}}
"""
SCAN = """
enum {{ HN_ROWS = {rows}, HN_HOLD = {hold}, HN_ENCODED_STEPS = HN_ROWS * HN_HOLD }};

/* The input of step 0 to HN_ENCODED_STEPS - 1 of an image. value : [HN_ROWS][HN_FEATURES], 0 to top */
static inline void hn_scan(const int32_t *value, int32_t top, int32_t step, int32_t input[HN_INPUTS]) {{
    hn_thermometer(value + step / HN_HOLD * (int32_t)HN_FEATURES, top, input);
}}
"""
REFUSED = {
    "rate": "its spikes are drawn from numpy's random numbers; draw your own on the device",
    "latency": "it rounds halves as floats fall; encode on the host",
}


def _level_crossing(encoder: Mapping[str, Any]) -> str:
    return LEVEL_CROSSING


def _thermometer(encoder: Mapping[str, Any]) -> str:
    return THERMOMETER.format(levels=int(encoder.get("levels", LEVELS)))


def _scan(encoder: Mapping[str, Any]) -> str:
    return _thermometer(encoder) + SCAN.format(rows=int(encoder["rows"]), hold=int(encoder.get("hold", 8)))


WRITTEN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "level_crossing": _level_crossing,
    "thermometer": _thermometer,
    "scan": _scan,
}
"""What writes an encoder's functions, by its name in `data.encode`."""


def encoder_header(network: Any) -> str | None:
    """Write encoder.h for a network that remembers an encoder of integers, None for others."""
    encoder = _encoder_of(network)
    write = WRITTEN.get(str(encoder.get("method")))
    if write is None:
        return None
    title = ", ".join(f"{key} {value}" for key, value in known_options(encoder).items())
    return HEAD.format(title=title, body=write(encoder))


def _encoder_of(network: Any) -> Mapping[str, Any]:
    """Return what a network remembers of its encoder; InputError where that is none, or not one of its input."""
    encoder: Mapping[str, Any] | None = getattr(network, "encoder", None)
    check_encoder(encoder)
    encoder = encoder or {}
    method = str(encoder.get("method"))
    channels = {"level_crossing": 2}.get(method, encoder.get("levels", LEVELS))
    if method in WRITTEN and network.inputs % channels:
        raise InputError(
            f"encoder '{method}': {network.inputs} inputs, rule: a multiple of {channels}, the channels of one value; "
            "set network.encoder to that of its data, or to None"
        )
    return encoder


def encoder_facts(network: Any) -> dict[str, Any]:
    """Return what the manifest says of the encoder: its file, or why there is none."""
    encoder = _encoder_of(network)
    method = str(encoder.get("method"))
    if method in WRITTEN:
        return {"method": method, "file": FILE}
    reason = REFUSED.get(method, "the network remembers no encoder; its input is what the data hold")
    return {"method": encoder.get("method"), "file": None, "reason": reason}
