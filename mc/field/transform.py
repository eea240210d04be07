"""The Hartley transform along periodic axes: real numbers in, real numbers out, its own inverse but for a factor.

H[k] = sum_j x[j] cas(2 pi j k / n), where cas = cos + sin (Bracewell 1983, J. Opt. Soc. Am. 73:1832). Any even
operator on a periodic axis, such as a Laplacian, is as diagonal in this basis as in Fourier's, with the same values
at k and n - k; there is no need of complex numbers, nor of a second transform for the way back.

Many columns ("lanes") are transformed at a time, side by side in memory: every loop runs over adjacent numbers.
"""

import numpy as np

from mc.compilation import internal

LANES = 8
"""Columns transformed together: a buffer of 512 x 8 numbers stays in the nearest cache."""


def twiddles(n: int) -> np.ndarray:
    """Return cos and sin of 2 pi j/n for j < n, shape (2, n); `n` is a power of two."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"The transform needs a power of two, not {n}.")
    angles = 2.0 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)])


@internal
def add_and_subtract(first, second, total, difference):
    """Write sum and difference of two rows."""
    for q in range(first.size):
        total[q] = first[q] + second[q]
        difference[q] = first[q] - second[q]


@internal
def rotate(first, second, cosine, sine, rotated):
    """Write cosine * first + sine * second, row by row."""
    for q in range(first.size):
        rotated[q] = cosine * first[q] + sine * second[q]


@internal
def transform_halves(source, target, differences, length, width, turn):
    """Split each sequence of `length` rows of `width` numbers into two of half the length, interleaved.

    The even-numbered results are the transform of the sums of both halves, the odd-numbered ones that of their
    differences, turned: the decimation in frequency, in the order of Stockham, which needs no bit reversal.
    """
    half = length // 2
    stride = turn.shape[1] // length
    for j in range(half):
        add_and_subtract(
            source[j * width : (j + 1) * width],
            source[(j + half) * width : (j + half + 1) * width],
            target[2 * j * width : (2 * j + 1) * width],
            differences[j * width : (j + 1) * width],
        )
    for j in range(half):
        # At j = 0 the sine is zero, and any row will do as its partner.
        partner = half - j if j > 0 else 0
        rotate(
            differences[j * width : (j + 1) * width],
            differences[partner * width : (partner + 1) * width],
            turn[0, j * stride],
            turn[1, j * stride],
            target[(2 * j + 1) * width : (2 * j + 2) * width],
        )


@internal
def transform_axis(values, other, differences, n, width, turn):
    """Transform `n` rows of `width` numbers; return True if the result is in `other` rather than in `values`.

    `turn`: `twiddles` of n.
    """
    source, target = values, other
    length = n
    swapped = False
    while length > 1:
        transform_halves(source, target, differences, length, width, turn)
        source, target = target, source
        swapped = not swapped
        length //= 2
        width *= 2
    return swapped
