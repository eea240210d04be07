"""Whole numbers at random: binomial and Poisson, at a cost that does not grow with what is counted.

Both are exact: inversion where the mean is small, transformed rejection beyond (Hörmann 1993, J. Stat. Comput. Simul.
46:101 and Insurance Math. Econ. 12:39), which takes 1.2 to 1.5 attempts however large the mean.

Numbers are counter-based: a step has a key of its own, in which an entity (a row of voxels) numbers its draws. So a
function that draws takes the number of the next draw, and returns the one after its last.
"""

import math

import numpy as np
from numba import int64, uint32, uint64

from mc.compilation import compiled
from mc.streams import threefry, uniform_pair

SMALL_MEAN = 10.0
"""Below this inversion is faster, and transformed rejection not yet valid."""

MOST_INVERTED = 100
"""A count below SMALL_MEAN in the mean exceeds this with a chance under 1e-60; sums of rounded terms could."""

STIRLING = np.array(
    [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.0207906721037650,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.0104112652619720,
        0.00925546218271273,
        0.00833056343336287,
    ]
)
"""ln k! - ((k + 1/2) ln(k + 1) - (k + 1) + ln(2 pi)/2) for k = 0 to 9 (Hörmann 1993, table 1)."""


@compiled
def make_step_key(key, step):
    """Return the key of one step: two words that are themselves random numbers of the stream `key`."""
    return threefry(uint32(step), uint32(uint64(step) >> uint64(32)), key[0], key[1])


@compiled
def fine_uniform(key, entity, draw):
    """Return one number in the open interval (0, 1) that resolves 2e-16, as rare events need it."""
    high, low = threefry(uint32(entity), uint32(draw), key[0], key[1])
    return ((high >> uint32(6)) * 67108864.0 + (low >> uint32(6)) + 0.5) / 4503599627370496.0


@compiled
def stirling_correction(k):
    """Return what Stirling's formula about k + 1 leaves of ln k!."""
    if k < 10:
        return STIRLING[int64(k)]
    inverse = 1.0 / (k + 1.0)
    square = inverse * inverse
    return (1.0 / 12.0 - (1.0 / 360.0 - square / 1260.0) * square) * inverse


@compiled
def invert_binomial(n, probability, number):
    """Return the count at which the sum of the binomial probabilities reaches `number`, uniform in (0, 1)."""
    # The chance of none, (1 - p)^n, is no less than 1 - n p.
    if number < 1.0 - n * probability:
        return int64(0)
    odds = probability / (1.0 - probability)
    term = math.exp(n * math.log1p(-probability))
    count = int64(0)
    most = min(n, MOST_INVERTED)
    while number > term and count < most:
        number -= term
        count += 1
        term *= odds * (n - count + 1) / count
    return count


@compiled
def reject_binomial(n, probability, key, entity, draw):
    """Return a binomial number of a mean of 10 or more and a probability up to 1/2, and the next draw: BTRS."""
    deviation = math.sqrt(n * probability * (1.0 - probability))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * probability
    centre = n * probability + 0.5
    quick = 0.92 - 4.2 / b
    while True:
        first, second = uniform_pair(key, entity, draw)
        draw += 1
        u = first - 0.5
        distance = 0.5 - abs(u)
        k = math.floor((2.0 * a / distance + b) * u + centre)
        if distance >= 0.07 and second <= quick:
            return int64(k), draw
        if k < 0.0 or k > n:
            continue
        odds = probability / (1.0 - probability)
        mode = math.floor((n + 1) * probability)
        scale = (2.83 + 5.1 / b) * deviation
        bound = (
            (mode + 0.5) * math.log((mode + 1.0) / (odds * (n - mode + 1.0)))
            + (n + 1.0) * math.log((n - mode + 1.0) / (n - k + 1.0))
            + (k + 0.5) * math.log(odds * (n - k + 1.0) / (k + 1.0))
            + stirling_correction(mode)
            + stirling_correction(n - mode)
            - stirling_correction(k)
            - stirling_correction(n - k)
        )
        if math.log(second * scale / (a / (distance * distance) + b)) <= bound:
            return int64(k), draw


@compiled
def binomial(n, probability, key, entity, draw):
    """Return how many of `n` happen, each by itself with a probability from 0 to 1, and the next draw."""
    if n <= 0 or probability <= 0.0:
        return int64(0), draw
    if probability >= 1.0:
        return int64(n), draw
    smaller = min(probability, 1.0 - probability)
    if n * smaller < SMALL_MEAN:
        count = invert_binomial(n, smaller, fine_uniform(key, entity, draw))
        draw += 1
    else:
        count, draw = reject_binomial(n, smaller, key, entity, draw)
    return (count if probability <= 0.5 else n - count), draw


@compiled
def poisson(mean, key, entity, draw):
    """Return a Poisson number, and the next draw: by inversion, or PTRS."""
    if mean <= 0.0:
        return int64(0), draw
    if mean < SMALL_MEAN:
        number = fine_uniform(key, entity, draw)
        term = math.exp(-mean)
        count = int64(0)
        while number > term and count < MOST_INVERTED:
            number -= term
            count += 1
            term *= mean / count
        return count, draw + 1
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    scale = 1.1239 + 1.1328 / (b - 3.4)
    quick = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        first, second = uniform_pair(key, entity, draw)
        draw += 1
        u = first - 0.5
        distance = 0.5 - abs(u)
        k = math.floor((2.0 * a / distance + b) * u + mean + 0.43)
        if distance >= 0.07 and second <= quick:
            return int64(k), draw
        if k < 0.0 or (distance < 0.013 and second > distance):
            continue
        bound = k * math.log(mean) - mean - math.lgamma(k + 1.0)
        if math.log(second * scale / (a / (distance * distance) + b)) <= bound:
            return int64(k), draw
