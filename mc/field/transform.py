"""The Hartley transform along periodic axes: real numbers in, real numbers out, its own inverse but for a factor.

H[k] = sum_j x[j] cas(2 pi j k / n), where cas = cos + sin (Bracewell 1983, J. Opt. Soc. Am. 73:1832). Any even
operator on a periodic axis, such as a Laplacian, is as diagonal in this basis as in Fourier's, with the same values
at k and n - k; there is no need of complex numbers, nor of a second transform for the way back.

Some columns ("lanes") are transformed at a time, side by side in memory, as the vectors of all that is done to them.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from mc.compilation import internal
from mc.field.vectors import array_argument, load, place_in, repeat, store

LANES = 4
"""Columns transformed together: two buffers of 512 x 4 numbers stay in the nearest cache, where those of 8 do not."""

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_ALIGNMENT = 8
"""Bytes; of a single number."""


def twiddles(n: int) -> np.ndarray:
    """Return cos and sin of 2 pi j/n for j < n, shape (2, n); `n` is a power of two."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"The transform needs a power of two, not {n}.")
    angles = 2.0 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)])


def _load(builder: Any, array: Any, place: Any) -> Any:
    return load(builder, _VECTOR, place_in(builder, array, place), _ALIGNMENT)


def _store(builder: Any, vector: Any, array: Any, place: Any) -> None:
    store(builder, vector, place_in(builder, array, place), _ALIGNMENT)


@intrinsic
def split(typing_context, source, first, second, target, total, difference):
    """Write sum and difference of two vectors; all but the arrays are places in them."""
    place = types.int64
    signature = types.void(source, place, place, target, place, place)

    def generate(context, builder, signature, arguments):
        source, target = (array_argument(context, builder, signature, arguments, which) for which in (0, 3))
        one, other = (_load(builder, source, arguments[which]) for which in (1, 2))
        _store(builder, builder.fadd(one, other), target, arguments[4])
        _store(builder, builder.fsub(one, other), target, arguments[5])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def split_and_turn(typing_context, source, places, target, targets, cosine, sine):
    """Write sums and turned differences of two pairs of vectors, (1, 2) and (3, 4), that are each other's partners.

    `places`: of the four; `targets`: of the sum and the difference of each pair. The first difference d becomes
    cosine d + sine d', and that of its partner, d', whose angle is pi less, sine d - cosine d'.
    """
    signature = types.void(source, places, target, targets, types.float64, types.float64)

    def generate(context, builder, signature, arguments):
        source, target = (array_argument(context, builder, signature, arguments, which) for which in (0, 2))
        one, other, partner, its_other = (
            _load(builder, source, builder.extract_value(arguments[1], which)) for which in range(4)
        )
        cosine, sine = (repeat(builder, _VECTOR, number) for number in arguments[4:])
        difference, its_difference = builder.fsub(one, other), builder.fsub(partner, its_other)
        results = (
            builder.fadd(one, other),
            builder.fadd(builder.fmul(cosine, difference), builder.fmul(sine, its_difference)),
            builder.fadd(partner, its_other),
            builder.fsub(builder.fmul(sine, difference), builder.fmul(cosine, its_difference)),
        )
        for which, result in enumerate(results):
            _store(builder, result, target, builder.extract_value(arguments[3], which))
        return context.get_dummy_value()

    return signature, generate


@internal
def split_row(source, target, row, half, width):
    """Split a row whose difference is not turned: the first, and the one in the middle, its own partner."""
    for q in range(0, width, LANES):
        first, total = row * width + q, 2 * row * width + q
        split(source, first, first + half * width, target, total, total + width)


@internal
def transform_halves(source, target, length, width, turn):
    """Split each sequence of `length` rows of `width` numbers into two of half the length, interleaved.

    The even-numbered results are the transform of the sums of both halves, the odd-numbered ones that of their
    differences, turned: the decimation in frequency, in the order of Stockham, which needs no bit reversal.
    """
    half = length // 2
    stride = turn.shape[1] // length
    split_row(source, target, 0, half, width)
    if half > 1:
        split_row(source, target, half // 2, half, width)
    for row in range(1, (half + 1) // 2):
        cosine, sine = turn[0, row * stride], turn[1, row * stride]
        for q in range(0, width, LANES):
            first, partner = row * width + q, (half - row) * width + q
            total, its_total = 2 * row * width + q, 2 * (half - row) * width + q
            split_and_turn(
                source,
                (first, first + half * width, partner, partner + half * width),
                target,
                (total, total + width, its_total, its_total + width),
                cosine,
                sine,
            )


@internal
def transform_axis(values, other, n, width, turn):
    """Transform `n` rows of `width` numbers; return True if the result is in `other` rather than in `values`.

    `turn`: `twiddles` of n.
    """
    source, target = values, other
    length = n
    swapped = False
    while length > 1:
        transform_halves(source, target, length, width, turn)
        source, target = target, source
        swapped = not swapped
        length //= 2
        width *= 2
    return swapped
