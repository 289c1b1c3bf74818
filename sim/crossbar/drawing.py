"""Random numbers of analog cells, from a counter: seed, event, tensor, cell (`numbers.fixed_point.draw32`).

A standard normal number of a word x of 32 bits is that of Box and Muller,

    √(-2 ln u) cos(2π v),    u = (x + 1/2) / 2^32,    v = (mix32(x ^ c) + 1/2) / 2^32

at most 6.7 in magnitude. It depends on the word alone, whatever ran before and on whichever thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import draw32, mix32
from hypr_neuro.numbers.jit import jitable
from hypr_neuro.sim.learning.counter import CELL_TENSORS, DRAWS_OF_A_CROSSBAR

PROGRAM, RELAX, DRIFT, DEFECT, STUCK_AT, SPREAD, PULSE, READ = range(8)
"""What is drawn for the cells of a connection: the numbers of its tensors, from its first one on."""


def tensor_of(place: int, draw: int) -> int:
    """Return the third word of the counter for one draw of a connection, by its place in the network."""
    return CELL_TENSORS + DRAWS_OF_A_CROSSBAR * place + draw


@jitable
def uniform_of(word: Any) -> Any:
    """Return a number between 0 and 1 of a word of 32 bits, never one of both."""
    return (word + 0.5) / 4294967296.0


@jitable
def normal_of(word: Any) -> Any:
    """Return a standard normal number of a word of 32 bits."""
    angle = 6.283185307179586 * uniform_of(mix32(word ^ 1540483477))
    return np.sqrt(-2.0 * np.log(uniform_of(word))) * np.cos(angle)


@cache
def _kernel(normal: bool) -> Callable[..., None]:
    """Make the kernel (seed, events, tensor, where, out): one number for each cell, its number the last word."""

    def kernel(seed: Any, events: Any, tensor: Any, where: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            if where[i]:
                word = draw32(seed, events[i], tensor, i)
                out[i] = normal_of(word) if normal else uniform_of(word)

    return compile_kernel(kernel)


@cache
def _word_kernel() -> Callable[..., None]:
    """Make the kernel (seed, event, tensor, out) of whole words."""

    def kernel(seed: Any, event: Any, tensor: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            out[i] = draw32(seed, event, tensor, i)

    return compile_kernel(kernel)


@cache
def _step_kernel() -> Callable[..., None]:
    """Make the kernel (seed, sample, tensor, time, out) of one word a step."""

    def kernel(seed: Any, sample: Any, tensor: Any, time: Any, out: Any) -> None:
        for t in range(out.shape[0]):
            out[t] = draw32(seed, sample, tensor, time + t)

    return compile_kernel(kernel)


def words_of_steps(seed: int, sample: int, tensor: int, time: int, steps: int) -> Array:
    """Draw a word of 32 bits for each step from `time` on."""
    out = np.empty(steps, np.int64)
    _step_kernel()(seed, sample, tensor, time, out)
    return out


def normals(seed: int, events: Array | int, tensor: int, shape: tuple[int, ...], where: Array | bool = True) -> Array:
    """Draw standard normal numbers for cells; events : one for all, or one for each cell. Others than `where` get 0."""
    return _drawn(True, seed, events, tensor, shape, where)


def uniforms(seed: int, events: Array | int, tensor: int, shape: tuple[int, ...]) -> Array:
    """Draw numbers from 0 to 1 for cells."""
    return _drawn(False, seed, events, tensor, shape, True)


def words(seed: int, event: int, tensor: int, count: int) -> Array:
    """Draw so many words of 32 bits."""
    out = np.empty(count, np.int64)
    _word_kernel()(seed, event, tensor, out)
    return out


def _drawn(
    normal: bool, seed: int, events: Array | int, tensor: int, shape: tuple[int, ...], where: Array | bool
) -> Array:
    out = np.zeros(int(np.prod(shape)), np.float64)
    by_cell = np.ascontiguousarray(np.broadcast_to(np.asarray(events, np.int64), shape)).reshape(-1)
    chosen = np.ascontiguousarray(np.broadcast_to(np.asarray(where, np.bool_), shape)).reshape(-1)
    _kernel(normal)(seed, by_cell, tensor, chosen, out)
    return out.reshape(shape)
