"""Spoken digits, synthetic: formants of English and German digits in a simple cochlea. Generated, no recordings.

They are like the Spiking Heidelberg Digits (`heidelberg`) in classes and form, and no replacement of them: no voice was
recorded, and accuracies on them say nothing of accuracies there.

A word is a chain of phonemes (`phonemes`). Each has three formants, how loud they are, a band of hiss, a duration. A
sample draws a speaker (length of the vocal tract, so all formants; habits of each formant and duration), a tempo, a
start, a loudness, and noise of the room. Formants and loudness glide from phoneme to phoneme. The cochlea has channels
from 100 Hz to 8 kHz, evenly by logarithm; in each the energy E of the formants and of the hiss that lie near is
compressed, and the channel gets used to it:

    a = √E,   p_t = hottest · (a_t - m_t / 2),   m_t = m_{t-1} + (a_{t-1} - m_{t-1}) / τ
    spike with probability 1 - (1 - p_t) (1 - background)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hypr_neuro.data.checks import check_whole
from hypr_neuro.data.phonemes import PHONEMES, WORDS
from hypr_neuro.data.sequence import SequenceData, split_of_generated
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

LOWEST, HIGHEST = 100.0, 8000.0
"""Frequencies of the first and the last channel, Hz."""
WIDTH = 0.13
"""Standard deviation of a formant over channels, in natural logarithms of frequency."""
SECONDS = 1.0
GLIDE = 0.04
"""Seconds over which formants go from one phoneme to the next."""
ADAPTATION = 0.06
"""Time constant τ of a channel's adaptation, s."""
HOTTEST, AT_STEP = 0.5, 0.004
"""Probability of a spike at energy 1 before adaptation, in a step of so many seconds."""


def load_spoken_digits(
    folder: str | Path | None = None,
    *,
    steps: int = 100,
    channels: int = 70,
    samples: int = 2500,
    noise: float = 1.0,
    seed: int = 0,
) -> SequenceData:
    """Return one second of binary cochlear channels a sample, int8, one word of 20 each; the words take turns.

    A sample depends on the options, the seed and its index alone, and has a speaker of its own. The last 20 % are for
    test.

    Parameters
    ----------
    folder
        Not used; every loader takes one.
    steps
        Bins of the second, 10 or more; the default is 100 of 10 ms, 250 is what `shd` has.
    channels
        Of the cochlea, 8 or more; 140 is what `shd` has.
    samples
        Number of words, 5 or more.
    noise
        Spread of speakers, tempo and habits, and noise of the room, as a multiple of their defaults; with 0 samples of
        a word differ by the draw of their spikes alone.
    seed
        Draws all of it, 0 or more.
    """
    check_whole("spoken_digits", 10, steps=steps)
    check_whole("spoken_digits", 8, channels=channels)
    check_whole("spoken_digits", 5, samples=samples)
    check_whole("spoken_digits", 0, seed=seed)
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise <= 3:
        raise InputError(f"data 'spoken_digits': noise = {noise!r}, rule: a number from 0 to 3")
    y = np.arange(samples) % len(WORDS)
    x = np.zeros((samples, steps, channels), np.int8)
    for i, word in enumerate(y):
        x[i] = spoken(WORDS[word], steps, channels, noise, np.random.default_rng([seed, i]))
    return SequenceData("spoken_digits", x, y, split_of_generated(samples, seed), len(WORDS))


def spoken(word: str, steps: int, channels: int, noise: float, rng: np.random.Generator) -> Array:
    """Return the spikes (steps, channels) of a word's phonemes, as one speaker says it once."""
    said = _said(word, steps, noise, rng)
    at = np.linspace(np.log(LOWEST), np.log(HIGHEST), channels)
    energy = np.zeros((steps, channels))
    for k, share in enumerate((1.0, 0.6, 0.35)):
        energy += share * said.voice[:, None] * _band(at, said.formants[:, k], WIDTH)
    energy += said.hiss[:, None] * _band(at, said.hiss_at, 3.0 * WIDTH)
    loudness = np.exp(0.3 * noise * rng.standard_normal())
    background = min(0.01 * noise * rng.exponential(), 0.5)
    rate = _adapted(np.sqrt(loudness * energy))
    seconds = SECONDS / steps
    silent = ((1.0 - np.minimum(HOTTEST * rate, 0.95)) * (1.0 - background)) ** (seconds / AT_STEP)
    return (rng.random((steps, channels)) >= silent).astype(np.int8)


@dataclass(frozen=True)
class Said:
    """A word as one speaker says it: formants in Hz (steps, 3), loudness of voice and hiss, the hiss's Hz (steps,)."""

    formants: Array
    voice: Array
    hiss: Array
    hiss_at: Array


def _said(word: str, steps: int, noise: float, rng: np.random.Generator) -> Said:
    """Draw speaker, tempo and start of a word; its tracks glide between phonemes and are silent around the word."""
    parts = [PHONEMES[name] for name in word.split()]
    # a tract a tenth shorter has formants a tenth higher
    tract = np.exp(0.12 * noise * rng.standard_normal())
    habits = tract * np.exp(0.05 * noise * rng.standard_normal((len(parts), 3)))
    strength = np.exp(0.2 * noise * rng.standard_normal((len(parts), 2)))
    which, inside = _spans(np.array([p.seconds for p in parts]), steps, noise, rng)
    voice = np.array([p.voice for p in parts]) * strength[:, 0]
    hiss = np.array([p.hiss for p in parts]) * strength[:, 1]
    return Said(
        formants=_glide((np.array([p.formants for p in parts]) * habits)[which]),
        voice=_glide((voice[which] * inside)[:, None])[:, 0],
        hiss=_glide((hiss[which] * inside)[:, None])[:, 0],
        hiss_at=_glide((np.array([p.hiss_at for p in parts]) * tract)[which][:, None])[:, 0],
    )


def _spans(seconds: Array, steps: int, noise: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return which phoneme each step is of, and whether it lies inside the word."""
    tempo = np.exp(0.2 * noise * rng.standard_normal())
    lengths = seconds * tempo * np.exp(0.2 * noise * rng.standard_normal(len(seconds)))
    # neither the longest word nor the slowest speaker is cut off
    lengths *= min(1.0, 0.9 * SECONDS / lengths.sum())
    start = 0.05 * SECONDS + min(noise, 1.0) * (0.95 * SECONDS - lengths.sum()) * rng.random()
    ends = start + np.cumsum(lengths)
    time = (np.arange(steps) + 0.5) * SECONDS / steps
    return np.minimum(np.searchsorted(ends, time), len(seconds) - 1), (time >= start) & (time < ends[-1])


def _glide(track: Array) -> Array:
    """Return the mean of a track (steps, n) over `GLIDE` around each step, less of it at the ends."""
    half = round(0.5 * GLIDE / SECONDS * len(track))
    sums = np.concatenate([np.zeros((1, track.shape[1])), np.cumsum(track, axis=0)])
    first, last = (np.clip(np.arange(len(track)) + k, 0, len(track)) for k in (-half, half + 1))
    mean: Array = (sums[last] - sums[first]) / (last - first)[:, None]
    return mean


def _band(at: Array, frequency: Array, width: float) -> Array:
    """Return how much each channel takes of a frequency in Hz: (steps, channels), Gaussian in its logarithm."""
    taken: Array = np.exp(-0.5 * ((at - np.log(frequency)[:, None]) / width) ** 2)
    return taken


def _adapted(sound: Array) -> Array:
    """Return the sound (steps, channels) less half of what a channel got used to, 0 or more."""
    used, share = np.zeros(sound.shape[1]), min(1.0, SECONDS / len(sound) / ADAPTATION)
    rate = np.empty_like(sound)
    for t, now in enumerate(sound):
        rate[t] = now - 0.5 * used
        used += share * (now - used)
    return np.maximum(rate, 0.0)
