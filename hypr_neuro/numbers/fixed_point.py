"""Every rounding and overflow rule, once, by name.

All functions take and return plain integers. In Python they work on unbounded ints (so that a forgotten overflow
rule shows up as a value outside its declared width); compiled, on 64-bit ints. No neuron shifts right by itself.
"""

from __future__ import annotations

from hypr_neuro.numbers.jit import jitable

FLOOR, ZERO, NEAREST = 0, 1, 2
"""Codes of the rounding rules, for kernels: toward minus infinity, toward zero, to nearest with ties upward."""

ROUNDING = {"floor": FLOOR, "zero": ZERO, "nearest": NEAREST}


@jitable
def shr_floor(x: int, n: int) -> int:
    """x / 2^n rounded toward minus infinity: -1 stays -1 for every n."""
    return x >> n


@jitable
def shr_zero(x: int, n: int) -> int:
    """x / 2^n rounded toward zero (Loihi's decay): -1 becomes 0 for n > 0."""
    return -((-x) >> n) if x < 0 else x >> n


@jitable
def scale_zero(x: int, factor: int, n: int) -> int:
    """x · factor / 2^n rounded toward zero, 0 <= factor <= 2^n: never larger than x.

    In two halves, (h 2^n + l) factor / 2^n = h factor + l factor / 2^n, so that nothing outgrows 32 bits for n <= 15
    and |x| < 2^31: twice as many neurons fit a vector as with the 64-bit product.
    """
    magnitude = -x if x < 0 else x
    high = magnitude >> n
    scaled = high * factor + (((magnitude - (high << n)) * factor) >> n)
    return -scaled if x < 0 else scaled


@jitable
def shr_nearest(x: int, n: int) -> int:
    """x / 2^n rounded to nearest, ties toward plus infinity: n = 1 maps 1 to 1 and -1 to 0; n = 0 changes nothing."""
    return (x + ((1 << n) >> 1)) >> n


@jitable
def shr_stochastic(x: int, n: int, draw: int) -> int:
    """x / 2^n rounded up with probability equal to the dropped fraction; `draw` is uniform in at least n bits."""
    return (x + (draw & ((1 << n) - 1))) >> n


@jitable
def shr(x: int, n: int, rounding: int) -> int:
    """x / 2^n by the rule that `rounding` names: FLOOR, ZERO or NEAREST.

    Written without branches: a conditional here stops the vectoriser and costs a factor of five.
    """
    half = ((1 << n) >> 1) * (rounding == NEAREST)
    up = ((1 << n) - 1) * (rounding == ZERO) * (x < 0)
    return (x + half + up) >> n


@jitable
def shift(x: int, exponent: int) -> int:
    """x · 2^exponent; a negative exponent floors, as Lava's Dense does with its weight exponent."""
    return (x << max(exponent, 0)) >> max(-exponent, 0)


@jitable
def shift_nearest(x: int, exponent: int) -> int:
    """x · 2^exponent; a negative exponent rounds to nearest, ties toward plus infinity."""
    down = max(-exponent, 0)
    return ((x << max(exponent, 0)) + ((1 << down) >> 1)) >> down


def largest_in(bits: int) -> int:
    """Largest magnitude that `sat` leaves in so many bits. For Python alone: kernels and C have the number in `sat`."""
    return (1 << (bits - 1)) - 1


@jitable
def sat(x: int, bits: int) -> int:
    """Clamp to ±(2^(bits-1) - 1): symmetric, so the most negative code is never used."""
    top = (1 << (bits - 1)) - 1
    return min(max(x, -top), top)


@jitable
def wrap(x: int, bits: int) -> int:
    """Two's complement in `bits` bits: 2^(bits-1) becomes -2^(bits-1)."""
    half = 1 << (bits - 1)
    return ((x + half) & ((1 << bits) - 1)) - half


@jitable
def wrap24_lava(x: int) -> int:
    """Lava's 24-bit wrap: one addition of ±2^24; +2^23 stays, -2^23 becomes +2^23, and far values stay outside."""
    if x > 8388608:
        return x - 16777216
    return x + 16777216 if x <= -8388608 else x


@jitable
def mix32(x: int) -> int:
    """Finaliser of a 32-bit counter, x in [0, 2^32): x ^= x>>16; x *= 0x045d9f3b mod 2^32, twice; x ^= x>>16."""
    x = x ^ (x >> 16)
    x = (x * 73244475) & 4294967295
    x = x ^ (x >> 16)
    x = (x * 73244475) & 4294967295
    return x ^ (x >> 16)


@jitable
def draw32(seed: int, update: int, tensor: int, synapse: int) -> int:
    """32 uniform bits for one synapse at one update of one tensor, words folded in one by one."""
    x = mix32(seed & 4294967295)
    x = mix32(x ^ (update & 4294967295))
    x = mix32(x ^ (tensor & 4294967295))
    return mix32(x ^ (synapse & 4294967295))


@jitable
def isqrt(x: int) -> int:
    """Floor of the square root of x >= 0, by 32 rounds of the bitwise method; exact below 2^62."""
    root = 0
    bit = 1 << 62
    for _ in range(32):
        trial = root + bit
        root = root >> 1
        if x >= trial:
            x = x - trial
            root = root + bit
        bit = bit >> 2
    return root


@jitable
def quotient(x: int, y: int) -> int:
    """x / y rounded toward minus infinity, y > 0."""
    return x // y
