"""A convolution as a map of a connection: its kernel, not the matrix that it makes.

    out[o, y] = Σ_{c, k} w[o, c, k] · in[c, y · stride - before + k · dilation]

with y and k over all axes of the image and in = 0 outside of it: a correlation, as PyTorch computes it. With g groups,
output channels of group i (out / g in a row) see input channels of group i, and c counts inside the group. A pooling in
front sums the input over windows first. `tocsr` writes all of it out for whoever reads matrices alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

Lengths = tuple[int, ...]
MAX_SYNAPSES = 1 << 27
"""1 GB written out, 4 GB while it is written; those of PilotNet have 11 million together."""


@dataclass(frozen=True)
class Taps:
    """How a kernel lies over an image; one entry an axis.

    Attributes
    ----------
    kernel, stride, dilation
        As in PyTorch.
    before, after
        Zeros on either side of the image.
    """

    kernel: Lengths
    stride: Lengths
    before: Lengths
    after: Lengths
    dilation: Lengths

    def outputs(self, image: Lengths) -> Lengths:
        """Return lengths of the output; below 1 where the kernel does not fit."""
        axes = zip(image, self.kernel, self.stride, self.before, self.after, self.dilation, strict=True)
        return tuple((n + low + high - d * (k - 1) - 1) // s + 1 for n, k, s, low, high, d in axes)

    def places(self, image: Lengths) -> list[tuple[Array, Array]]:
        """Return for each entry of the kernel the places (C order) of outputs that it serves, and of what they see."""
        return [self._places(image, self.outputs(image), tap) for tap in np.ndindex(*self.kernel)]

    def _places(self, image: Lengths, outputs: Lengths, tap: Lengths) -> tuple[Array, Array]:
        place = seen = np.zeros(1, dtype=np.int32)
        axes = zip(image, outputs, tap, self.stride, self.before, self.dilation, strict=True)
        for length, count, k, stride, before, dilation in axes:
            at = np.arange(count) * stride - before + k * dilation
            inside = np.flatnonzero((at >= 0) & (at < length))
            place = (place[:, None] * count + inside).ravel().astype(np.int32)
            seen = (seen[:, None] * length + at[inside]).ravel().astype(np.int32)
        return place, seen

    def check(self, where: str, image: Lengths) -> None:
        """Raise InputError for lengths that do not go with the image, or a kernel that does not fit into it."""
        lows = {"kernel": 1, "stride": 1, "before": 0, "after": 0, "dilation": 1}
        for name, low in lows.items():
            lengths = getattr(self, name)
            if len(lengths) != len(image) or min(lengths, default=low) < low:
                raise InputError(f"{where}: {name} = {lengths}, rule: {len(image)} whole numbers, at least {low}")
        if min(self.outputs(image), default=1) < 1:
            raise InputError(f"{where}: {self.kernel} over an image {image}, rule: fits at least once")


class Footprint(NamedTuple):
    """What each place of the input reaches, the same for all channels.

    Attributes
    ----------
    starts : (places + 1,) int64
        Where the entries of each place of the input start.
    place, tap : (entries,) int64
        Place of the output, number of the kernel's entry.
    """

    starts: Array
    place: Array
    tap: Array


@dataclass(frozen=True, eq=False, repr=False)
class Convolution:
    """A kernel and how it moves over an image: a matrix (post, pre) of few numbers, with scipy's words for it.

    Attributes
    ----------
    kernel : (out, in / groups, *kernel)
        Weights, a copy.
    image
        Lengths of the input's axes.
    taps
        How the kernel lies over the image, over that of the sums where there is a pooling.
    groups
        Groups of input and of output channels that belong together.
    channels_first
        Whether neurons are in C order of (channel, *axes) or of (*axes, channel).
    pool
        Windows over each channel of the image whose sums the kernel sees; None for the image itself.
    """

    kernel: Array
    image: Lengths
    taps: Taps
    groups: int = 1
    channels_first: bool = True
    pool: Taps | None = None

    def __post_init__(self) -> None:
        """Check that all parts fit together."""
        kernel = np.array(self.kernel, order="C")
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "image", tuple(int(n) for n in self.image))
        axes = len(self.image)
        if not axes or min(self.image) < 1:
            raise InputError(f"convolution over an image {self.image}, rule: at least one axis, lengths of at least 1")
        if kernel.ndim != 2 + axes or 0 in kernel.shape or kernel.shape[2:] != self.taps.kernel:
            raise InputError(
                f"convolution: kernel of shape {kernel.shape} over an image {self.image}, rule: (out, in / groups) and "
                f"{self.taps.kernel}, all positive"
            )
        if self.groups < 1 or kernel.shape[0] % self.groups:
            raise InputError(
                f"convolution: groups = {self.groups}, rule: divides the {kernel.shape[0]} output channels"
            )
        if self.pool is not None:
            self.pool.check("pooling", self.image)
        self.taps.check("convolution", self.seen)

    def __repr__(self) -> str:
        return f"Convolution(kernel {self.kernel.shape} over {self.image}, groups {self.groups})"

    @property
    def seen(self) -> Lengths:
        """Lengths of what the kernel lies over: the image, or the sums of the pooling."""
        return self.image if self.pool is None else self.pool.outputs(self.image)

    @property
    def outputs(self) -> Lengths:
        """Lengths of the output's axes."""
        return self.taps.outputs(self.seen)

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return int(self.kernel.shape[1]) * self.groups

    @property
    def shape(self) -> tuple[int, int]:
        """(post, pre)."""
        return int(self.kernel.shape[0]) * prod(self.outputs), self.channels * prod(self.image)

    @property
    def ndim(self) -> int:
        """Of a matrix."""
        return 2

    @property
    def dtype(self) -> Any:
        """Of the kernel."""
        return self.kernel.dtype

    @property
    def data(self) -> Array:
        """Stored weights, each one time, (entries,); not a copy."""
        return self.kernel.reshape(-1)

    def with_data(self, data: Array) -> Convolution:
        """Return the same convolution of other weights, in the order of `data`."""
        return replace(self, kernel=np.asarray(data).reshape(self.kernel.shape))

    def copy(self) -> Convolution:
        """Return it with a kernel of its own."""
        return replace(self)

    def astype(self, dtype: Any) -> Convolution:
        """Return it with a kernel of that type."""
        return replace(self, kernel=self.kernel.astype(dtype))

    @property
    def nnz(self) -> int:
        """Synapses that it stands for, those of kernel entries that are 0 left out."""
        return int(self.fan_in.sum())

    @property
    def fan_in(self) -> Array:
        """Synapses of each target neuron (post,), those of kernel entries that are 0 left out."""
        return self._pattern().apply(np.ones(self.shape[1], np.int64))

    @property
    def fan_out(self) -> Array:
        """Synapses of each source neuron (pre,), counted likewise."""
        return self._pattern().transpose_apply(np.ones(self.shape[0], np.int64))

    def _pattern(self) -> Convolution:
        return self.with_data(self.kernel != 0)

    def magnitudes(self) -> Array:
        """Return Σ_j |w_ij| (post,), integers in 64 bits; where windows of a pooling overlap, a bound of it."""
        wide = self.kernel.astype(np.int64) if self.kernel.dtype.kind in "iu" else self.kernel
        return self.with_data(np.abs(wide)).apply(np.ones(self.shape[1], wide.dtype))

    def by_channel(self) -> Array:
        """Return the kernel as (channels, taps, out / groups): what an input channel brings, a row for each entry."""
        out, per_group = self.kernel.shape[:2]
        by_group = self.kernel.reshape(self.groups, out // self.groups, per_group, -1)
        return by_group.transpose(0, 2, 3, 1).reshape(self.channels, -1, out // self.groups)

    def from_channels(self, by_channel: Array) -> Array:
        """Return numbers (channels, taps, out / groups) in the order of `data`, (entries,)."""
        taps, reached = by_channel.shape[1:]
        by_group = by_channel.reshape(self.groups, -1, taps, reached)
        return by_group.transpose(0, 3, 1, 2).reshape(-1)

    def senders(self) -> tuple[Array, Array]:
        """Return place and channel of each neuron of the input, int64."""
        return places_of(prod(self.image), self.channels, self.channels_first)

    # --- products

    def apply(self, x: Array) -> Array:
        """Return W x for x (…, pre): (…, post), integers in 64 bits."""
        seen, weight = self._window_sums(self._images(x)), self._by_tap()
        out = np.zeros((*seen.shape[:2], weight.shape[2], prod(self.outputs)), np.result_type(seen, weight))
        for entry, (place, at) in zip(weight, self.taps.places(self.seen), strict=True):
            out[..., place] += entry @ seen[..., at]
        return self._numbered(out).reshape(*np.shape(x)[:-1], -1)

    def transpose_apply(self, g: Array) -> Array:
        """Return Wᵀ g for g (…, post): (…, pre)."""
        given, weight = self._by_group(g, self.kernel.shape[0], prod(self.outputs)), self._by_tap()
        seen = np.zeros((*given.shape[:2], weight.shape[3], prod(self.seen)), np.result_type(given, weight))
        for entry, (place, at) in zip(weight, self.taps.places(self.seen), strict=True):
            seen[..., at] += entry.swapaxes(1, 2) @ given[..., place]
        if self.pool is not None:
            images = np.zeros((*seen.shape[:-1], prod(self.image)), seen.dtype)
            for place, at in self.pool.places(self.image):
                images[..., at] += seen[..., place]
            seen = images
        return self._numbered(seen).reshape(*np.shape(g)[:-1], -1)

    def gradient(self, g: Array, x: Array) -> Array:
        """Return Σ ∂(g · W x) / ∂kernel over all leading axes of g (…, post) and x (…, pre), shaped like the kernel."""
        given = self._by_group(g, self.kernel.shape[0], prod(self.outputs))
        seen = self._window_sums(self._images(x))
        per_tap = [
            np.einsum("bgop,bgcp->goc", given[..., place], seen[..., at]) for place, at in self.taps.places(self.seen)
        ]
        return np.asarray(np.stack(per_tap, axis=-1).reshape(self.kernel.shape))

    def _by_tap(self) -> Array:
        """Return the kernel as (tap, group, out / groups, in / groups)."""
        kernel: Array = self.kernel.astype(np.int64) if self.kernel.dtype.kind in "iub" else self.kernel
        out, per_group = kernel.shape[:2]
        return np.moveaxis(kernel.reshape(self.groups, out // self.groups, per_group, -1), -1, 0)

    def _images(self, x: Array) -> Array:
        return self._by_group(x, self.channels, prod(self.image))

    def _by_group(self, x: Array, channels: int, places: int) -> Array:
        """Return neurons (…, n) as (samples, group, channel, place)."""
        flat: Array = np.asarray(x)
        flat = flat.astype(np.int64) if flat.dtype.kind in "iub" else flat
        if self.channels_first:
            return flat.reshape(-1, self.groups, channels // self.groups, places)
        return (
            flat.reshape(-1, places, channels).swapaxes(1, 2).reshape(-1, self.groups, channels // self.groups, places)
        )

    def _numbered(self, x: Array) -> Array:
        """Return (samples, group, channel, place) as neurons (samples, n)."""
        image: Array = x.reshape(len(x), -1, x.shape[-1])
        return (image if self.channels_first else image.swapaxes(1, 2)).reshape(len(x), -1)

    def _window_sums(self, images: Array) -> Array:
        if self.pool is None:
            return images
        sums = np.zeros((*images.shape[:-1], prod(self.seen)), images.dtype)
        for place, at in self.pool.places(self.image):
            sums[..., place] += images[..., at]
        return sums

    # --- the matrix

    def tocsr(self) -> Any:
        """Write it out as scipy CSR (post, pre) of the kernel's type, zeros left out; raise above MAX_SYNAPSES."""
        from scipy.sparse import csr_array

        synapses = prod(self.outputs) * self.kernel.size
        if synapses > MAX_SYNAPSES:
            raise InputError(f"written out, the convolution has {synapses} synapses, rule: at most {MAX_SYNAPSES}")
        if self.pool is None:
            return _written_out(self.kernel, self.image, self.taps, self.groups, self.channels_first)
        ones = np.ones((self.channels, 1, *self.pool.kernel), self.dtype)
        sums = _written_out(ones, self.image, self.pool, self.channels, self.channels_first)
        after = _written_out(self.kernel, self.seen, self.taps, self.groups, self.channels_first)
        return csr_array(after @ sums)

    def toarray(self) -> Array:
        """Write it out as a dense matrix (post, pre)."""
        return np.asarray(self.tocsr().toarray())

    @cached_property
    def footprint(self) -> Footprint:
        """What each place of the input reaches."""
        pairs = [(at, place, np.full(len(at), tap)) for tap, (place, at) in enumerate(self.taps.places(self.seen))]
        source, place, tap = (np.concatenate(part).astype(np.int64) for part in zip(*pairs, strict=True))
        if self.pool is not None:
            # each place of the image stands for every window that it lies in
            windows = self.pool.places(self.image)
            window, origin = (np.concatenate(part).astype(np.int64) for part in zip(*windows, strict=True))
            by_window = np.argsort(source, kind="stable")
            counts = np.bincount(source, minlength=prod(self.seen))
            first = np.cumsum(counts) - counts
            repeated = counts[window]
            within = np.arange(repeated.sum()) - np.repeat(np.cumsum(repeated) - repeated, repeated)
            chosen = by_window[np.repeat(first[window], repeated) + within]
            source, place, tap = np.repeat(origin, repeated), place[chosen], tap[chosen]
        order = np.argsort(source, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=prod(self.image)))])
        return Footprint(starts.astype(np.int64), place[order], tap[order])

    # --- files

    def described(self) -> dict[str, Any]:
        """Return all but the kernel as plain data, from which `of_description` makes it again."""
        taps = {name: None if t is None else vars(t) for name, t in (("taps", self.taps), ("pool", self.pool))}
        return {"image": self.image, "groups": self.groups, "channels_first": self.channels_first, **taps}

    @classmethod
    def of_description(cls, kernel: Array, entry: Mapping[str, Any]) -> Convolution:
        """Make the convolution of what `described` returned, read from JSON or not."""
        taps = [
            None if t is None else Taps(**{name: tuple(map(int, lengths)) for name, lengths in t.items()})
            for t in (entry["taps"], entry["pool"])
        ]
        if taps[0] is None:
            raise InputError("convolution without taps, rule: kernel, stride, before, after, dilation")
        return cls(kernel, tuple(entry["image"]), taps[0], entry["groups"], entry["channels_first"], taps[1])


def places_of(places: int, channels: int, channels_first: bool) -> tuple[Array, Array]:
    """Return place and channel of each neuron of an image, int64."""
    number = np.arange(places * channels)
    return (number % places, number // places) if channels_first else (number // channels, number % channels)


def _written_out(weight: Array, image: Lengths, taps: Taps, groups: int, channels_first: bool) -> Any:
    """Return a convolution as scipy CSR (outputs, inputs), zeros left out."""
    from scipy.sparse import coo_array

    outputs = prod(taps.outputs(image))
    out, per_group = weight.shape[:2]
    channels = per_group * groups
    number_out = _numbering(out, outputs, channels_first)
    number_in = _numbering(channels, prod(image), channels_first)
    o = np.arange(out, dtype=np.int32)[:, None]
    c = o // (out // groups) * per_group + np.arange(per_group, dtype=np.int32)
    o, c = np.broadcast_arrays(o, c)
    parts = []
    for entry, (place, seen) in zip(
        np.moveaxis(weight.reshape(out, per_group, -1), -1, 0), taps.places(image), strict=True
    ):
        stored = entry != 0
        rows, columns = number_out(place[:, None], o[stored]), number_in(seen[:, None], c[stored])
        values = np.broadcast_to(entry[stored], rows.shape)
        parts.append((values.ravel(), rows.ravel(), columns.ravel()))
    data, row, column = (np.concatenate(p) for p in zip(*parts, strict=True))
    return coo_array((data, (row, column)), shape=(out * outputs, channels * prod(image))).tocsr()


def _numbering(channels: int, places: int, channels_first: bool) -> Any:
    """Return what gives the number of a neuron from its place and its channel."""
    return (lambda place, c: c * places + place) if channels_first else (lambda place, c: place * channels + c)
