"""Words as chains of phonemes, and phonemes as formants and hiss: typical values of an adult speaker, rounded.

Formants of vowels are near those that Peterson & Barney 1952, doi 10.1121/1.1906875, measured of men; the others are of
textbooks' size, chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass

ENGLISH = ("z I r O U", "w A n", "t u", "T r i", "f O r", "f a I v", "s I k s", "s E v @ n", "E I t", "n a I n")
GERMAN = ("n U l", "a I n s", "t s v a I", "d r a I", "f i r", "f y n f", "z E k s", "z i b @ n", "a x t", "n O y n")
WORDS = (*ENGLISH, *GERMAN)
"""Zero to nine, null to neun, as phonemes: class 0 to 19."""


@dataclass(frozen=True)
class Phoneme:
    """Formants in Hz and how loud they are together, hiss around a frequency in Hz, seconds."""

    formants: tuple[float, float, float]
    voice: float
    hiss: float
    hiss_at: float
    seconds: float


PHONEMES = {
    "i": Phoneme((290, 2250, 2950), 1.0, 0.0, 4000, 0.14),
    "I": Phoneme((400, 1950, 2550), 1.0, 0.0, 4000, 0.09),
    "E": Phoneme((540, 1800, 2480), 1.0, 0.0, 4000, 0.11),
    "a": Phoneme((720, 1250, 2500), 1.0, 0.0, 4000, 0.13),
    "A": Phoneme((640, 1190, 2390), 1.0, 0.0, 4000, 0.13),
    "O": Phoneme((560, 860, 2410), 1.0, 0.0, 4000, 0.13),
    "U": Phoneme((440, 1020, 2240), 1.0, 0.0, 4000, 0.10),
    "u": Phoneme((310, 880, 2240), 1.0, 0.0, 4000, 0.17),
    "y": Phoneme((310, 1750, 2150), 1.0, 0.0, 4000, 0.12),
    "@": Phoneme((500, 1450, 2450), 0.7, 0.0, 4000, 0.07),
    "r": Phoneme((420, 1250, 1650), 0.7, 0.0, 4000, 0.07),
    "l": Phoneme((360, 1100, 2600), 0.7, 0.0, 4000, 0.09),
    "n": Phoneme((280, 1450, 2350), 0.5, 0.0, 4000, 0.09),
    "w": Phoneme((300, 650, 2200), 0.6, 0.0, 4000, 0.07),
    "v": Phoneme((300, 1150, 2300), 0.4, 0.2, 4500, 0.06),
    "z": Phoneme((300, 1550, 2500), 0.3, 0.5, 5500, 0.08),
    "b": Phoneme((250, 900, 2200), 0.3, 0.1, 1000, 0.05),
    "d": Phoneme((250, 1700, 2600), 0.3, 0.3, 3800, 0.05),
    "s": Phoneme((300, 1550, 2500), 0.0, 0.9, 5800, 0.11),
    "f": Phoneme((300, 1150, 2300), 0.0, 0.35, 4300, 0.09),
    "T": Phoneme((300, 1350, 2500), 0.0, 0.35, 5000, 0.09),
    "x": Phoneme((500, 1300, 2400), 0.0, 0.5, 1900, 0.09),
    "t": Phoneme((300, 1700, 2600), 0.0, 0.7, 4200, 0.05),
    "k": Phoneme((300, 1800, 2400), 0.0, 0.5, 2300, 0.06),
}
