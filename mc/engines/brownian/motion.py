"""How ions move in the baths: overdamped Langevin steps, in blocks that stay in the first-level cache.

See `mc.field.deposition` for the signed distance that is an ion's position. No ion is ever at exactly zero, so the
sign of an ion always tells its side.

The increments are uniform with the right variance, not Gaussian: the weak order of the scheme is the same
(Kloeden & Platen 1992, chapter 14) and no ion moves farther than sqrt(6 D dt).

A block is worked on by several short loops, each over few arrays, because that is what a compiler can vectorise.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32

from mc.compilation import compiled, internal
from mc.field.deposition import larger, smaller
from mc.streams import threefry

BLOCK = 2048
"""Ions in a block."""

BEYOND = np.float32(5.0e5)
"""nm; ions farther away than this are in no bath."""

TRANSPARENT = np.float32(1.0e7)
"""nm; a mirror farther away than any ion, those in no bath included."""

NEAREST = np.float32(1.0e-6)
"""nm; the smallest distance from the membrane."""

INCREMENT_BITS = 24
"""Upper bits of a random word that make an increment; the lower 8 pre-select candidates for a pore."""


CENTRE = np.float32((1 << (INCREMENT_BITS - 1)) - 0.5)
"""The mean of all levels. It is subtracted from a float32, for a difference of two int32 has 64 bits."""


def increment_scale(diffusion_coefficients: np.ndarray, time_step: float) -> np.ndarray:
    """Return what a 24-bit integer is multiplied with to give an increment of variance 2 D dt, float32, in nm."""
    largest_increment = np.sqrt(6.0 * diffusion_coefficients * time_step)
    return (largest_increment / (1 << (INCREMENT_BITS - 1))).astype(np.float32)


class Baths(NamedTuple):
    """What an ion's move needs to know of the box, in single precision."""

    length_inside: np.float32
    length_outside: np.float32
    mirror_inside: np.float32
    """Where moves are reflected, nm: the far end, or so far away that none is."""
    mirror_outside: np.float32
    inverse_spacing: np.float32
    """1/nm, of the cells."""
    stride: int
    """Entries a side of every cell table."""


@compiled
def reflect(distance, length):
    """Return where a move to `distance` from the membrane ends: the face and the far wall are both mirrors."""
    mirrored = abs(distance)
    return larger(smaller(mirrored, abs(float32(2.0) * length - mirrored)), NEAREST)


@internal
def draw_words(words, first_pair, step, key_0, key_1):
    """Fill a block with random words: one Threefry call serves the ions at k and at k + BLOCK/2."""
    half = BLOCK // 2
    for k in range(half):
        first, second = threefry(uint32(first_pair + uint32(k)), step, key_0, key_1)
        words[k] = first
        words[k + half] = second


@compiled
def centre(word):
    """Return the upper bits of a random word as a number that is as often below zero as above."""
    return float32(int32(uint32(word >> uint32(8)))) - CENTRE


@compiled
def aim(x, displacement, increment):
    """Return how far from the membrane an ion's move would end, in nm; below zero beyond the face.

    It drifts by `displacement`, away from the membrane if positive, and then diffuses by `increment`. The face
    reflects it in between, for only what goes beyond it as it diffuses may enter a pore. The far wall need not: an
    increment is as often positive as negative, so that one reflection afterwards has the same law.
    """
    return abs(abs(x) + displacement) + increment


@compiled
def may_enter(target, word, threshold):
    """Return, as a number, whether an ion is a candidate for entering a pore.

    It is when its move would cross the face and the low byte of its random word is below the threshold of its side.
    """
    return uint32(uint32(target < float32(0.0)) & uint32(uint32(word & uint32(255)) < threshold))


@compiled
def is_beyond(x, length):
    """Return, as a number, whether an ion is beyond the far end of a bath; those in no bath are not."""
    distance = abs(x)
    return uint32(uint32(distance > length) & uint32(distance < BEYOND))


@internal
def drift_and_diffuse_block(
    positions,
    displacements,
    words,
    is_candidate,
    scale,
    length_inside,
    length_outside,
    threshold_inside,
    threshold_outside,
):
    """Move a block by its drift, then by one diffusive increment, and flag the candidates for entering a pore.

    An ion whose increment would cross the face is reflected. It is a candidate when the low byte of its random
    word is below the threshold of its side: a first, cheap draw of probability threshold/256 that spares nearly all
    ions the second, exact one. With a `scale` of 0 the ions drift only, and the flags mean nothing.
    """
    for k in range(positions.size):
        x = positions[k]
        outside = x > float32(0.0)
        length = length_outside if outside else length_inside
        threshold = threshold_outside if outside else threshold_inside
        word = words[k]
        target = aim(x, displacements[k], scale * centre(word))
        is_candidate[k] = may_enter(target, word, threshold)
        distance = reflect(target, length)
        positions[k] = distance if outside else -distance


@internal
def find_leavers(positions, is_leaving, length_inside, length_outside):
    """Flag the ions of a block that are beyond a far end; those in no bath are not."""
    for k in range(positions.size):
        x = positions[k]
        is_leaving[k] = is_beyond(x, length_outside if x > float32(0.0) else length_inside)
