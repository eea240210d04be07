"""Counter-based random numbers: every draw is a pure function of (seed, stream, entity, step).

No generator has a state, so results are the same bits for any number of threads and after a restart. The
generator is Threefry-2x32 with 13 rounds (Salmon, Moraes, Dror & Shaw 2011, SC'11, "Parallel random numbers: as
easy as 1, 2, 3"), which passes BigCrush. A stream is a purpose (diffusion, entry, gating, ...): each has a key of
its own, derived from the seed, so that no two purposes ever share a number.
"""

import math

import numpy as np
from numba import uint32, uint64

from mc.compilation import compiled, internal

(
    PLACEMENT,
    INITIAL_STATE,
    DIFFUSION,
    ENTRY,
    PORE_WALK,
    PORE_ENDS,
    WAITING,
    TRANSITION,
    PUMP_WAITING,
    PLACEMENT_OF_CHANNELS,
    PLACEMENT_OF_PUMPS,
    PLACEMENT_ALONG,
    EXIT,
    RESERVOIR_NUMBER,
    RESERVOIR_PLACE,
    _RETIRED_15,
    _RETIRED_16,
    PUMP_DIRECTION,
    BLOCK,
    BLOCK_OF_PUMPS,
) = range(20)
"""The streams; new ones come last, for their numbers are in the results."""

(
    VOXEL_DIFFUSION,
    VOXEL_DIFFUSION_ALONG,
    VOXEL_CROSSING,
    VOXEL_DRIFT,
    VOXEL_DRIFT_ALONG,
) = range(64, 69)
"""The streams of counts in voxels; for gates, pumps and reservoirs those above serve as well."""

_PARITY = uint32(0x1BD11BDA)
_TO_UNIT = 1.0 / 4294967296.0


@compiled
def _rotate_left(word, shift):
    return uint32(uint32(word << uint32(shift)) | uint32(word >> uint32(32 - shift)))


@compiled
def _mix(x, y, rotation):
    """Return one round: add, rotate, exclusive or."""
    x = uint32(x + y)
    return x, uint32(_rotate_left(y, rotation) ^ x)


@compiled
def _mix_four(x, y, first, second, third, fourth):
    """Return four rounds."""
    x, y = _mix(x, y, first)
    x, y = _mix(x, y, second)
    x, y = _mix(x, y, third)
    return _mix(x, y, fourth)


@compiled
def threefry(counter_0, counter_1, key_0, key_1):
    """Return two independent 32-bit words for a counter of two words under a key of two words.

    Threefry-2x32, 13 rounds (Salmon et al. 2011, table 2 and section 4.2): the key is added after every four.
    """
    key_2 = uint32(_PARITY ^ uint32(key_0 ^ key_1))
    x = uint32(counter_0 + key_0)
    y = uint32(counter_1 + key_1)
    x, y = _mix_four(x, y, 13, 15, 26, 6)
    x = uint32(x + key_1)
    y = uint32(y + uint32(key_2 + uint32(1)))
    x, y = _mix_four(x, y, 17, 29, 16, 24)
    x = uint32(x + key_2)
    y = uint32(y + uint32(key_0 + uint32(2)))
    x, y = _mix_four(x, y, 13, 15, 26, 6)
    x = uint32(x + key_0)
    y = uint32(y + uint32(key_1 + uint32(3)))
    return _mix(x, y, 17)


@compiled
def stream_key(seed, stream):
    """Return the key (two 32-bit words, as an array of shape (2,)) of a stream under a 64-bit seed."""
    low = uint32(uint64(seed) & uint64(0xFFFFFFFF))
    high = uint32(uint64(seed) >> uint64(32))
    key_0, key_1 = threefry(uint32(stream), uint32(0), low, high)
    key = np.empty(2, dtype=np.uint32)
    key[0] = key_0
    key[1] = key_1
    return key


@compiled
def as_uniform(word):
    """Return a random word as a number in the open interval (0, 1)."""
    return (word + 0.5) * _TO_UNIT


@compiled
def uniform(key, entity, step):
    """Return one number in the open interval (0, 1)."""
    word, _ = threefry(uint32(entity), uint32(step), key[0], key[1])
    return as_uniform(word)


@compiled
def uniforms(key, n, step):
    """Return the `uniform` of the entities 0 to n - 1, shape (n,)."""
    draws = np.empty(n)
    for entity in range(n):
        draws[entity] = uniform(key, entity, step)
    return draws


@compiled
def uniform_pair(key, entity, step):
    """Return two independent numbers in the open interval (0, 1)."""
    word_0, word_1 = threefry(uint32(entity), uint32(step), key[0], key[1])
    return as_uniform(word_0), as_uniform(word_1)


@internal
def draw_pairs(entities, step, key, words_0, words_1):
    """Write the words of the `uniform_pair` of each entity, uint32: all together they cost a tenth."""
    for k in range(entities.size):
        words_0[k], words_1[k] = threefry(entities[k], step, key[0], key[1])


@compiled
def exponential(key, entity, step):
    """Return one number of the exponential distribution with mean 1."""
    return -math.log(uniform(key, entity, step))


@compiled
def normal_pair(key, entity, step):
    """Return two independent standard normal numbers (Box & Muller 1958)."""
    first, second = uniform_pair(key, entity, step)
    radius = math.sqrt(-2.0 * math.log(first))
    angle = 2.0 * math.pi * second
    return radius * math.cos(angle), radius * math.sin(angle)
