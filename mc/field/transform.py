"""The Hartley transform along periodic axes: real numbers in, real numbers out, its own inverse but for a factor.

H[k] = sum_j x[j] cas(2 pi j k / n), where cas = cos + sin (Bracewell 1983, J. Opt. Soc. Am. 73:1832). Any even
operator on a periodic axis, such as a Laplacian, is as diagonal in this basis as in Fourier's, with the same values
at k and n - k; there is no need of complex numbers, nor of a second transform for the way back.

Some columns ("lanes") are transformed at a time, side by side in memory, as the vectors of all that is done to them.
"""

import numpy as np

from mc.compilation import compiled, internal
from mc.field.vectors import (
    LANES,
    load,
    load_rows,
    load_square,
    scale,
    store,
    store_rows,
    store_square,
    transpose,
)


def twiddles(n: int) -> np.ndarray:
    """Return cos and sin of 2 pi j/n for j < n, shape (2, n), float64; `n` is a power of two."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"The transform needs a power of two, not {n}.")
    angles = 2.0 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)])


# --- rows side by side ---


@internal
def interleave(source, places, first, moved, factor, target, place):
    """Put LANES numbers of each of LANES rows side by side as lanes, each number times a factor.

    The numbers of a row begin in the source `moved` after its place, the places being those from the `first` on;
    `place`: where in the target the lanes begin. The factor is of the target's kind.
    """
    store_square(transpose(scale(load_rows(source, places, first, moved), factor)), target, place)


@internal
def separate(source, place, target, places, first, moved):
    """Take LANES numbers of each of LANES rows out of the lanes, the inverse of `interleave`."""
    store_rows(transpose(load_square(source, place)), target, places, first, moved)


# --- the transform ---


@compiled
def turn_differences(cosine, sine, difference, its_difference):
    """Return a difference d and that of its partner, d', turned: cosine d + sine d' and sine d - cosine d'.

    The angle of the partner is pi less.
    """
    return cosine * difference + sine * its_difference, sine * difference - cosine * its_difference


@internal
def split_alone(source, first, apart, target, total, width, swaps, cosine, sine):
    """Split four vectors, the first and those `apart` from each other after it, twice: all are partners.

    Where the angle by which the differences of the first halving are turned is 0, `swaps`: then the second one is its
    own partner, and what `turn_differences` gives is minus it.
    """
    one, two = load(source, first), load(source, first + apart)
    three, four = load(source, first + 2 * apart), load(source, first + 3 * apart)
    even, odd = one + three, two + four
    turned, its_turned = turn_differences(cosine, sine, one - three, two - four)
    store(even + odd, target, total)
    store(turned + its_turned, target, total + (3 * width if swaps else width))
    store(even - odd, target, total + 2 * width)
    store(turned - its_turned, target, total + (width if swaps else 3 * width))


@internal
def split_with_partner(source, first, partner, apart, target, total, its_total, width, turns):
    """Split four vectors, the first and those `apart` from each other after it, and their partners, twice.

    `turns`: cosine and sine of the angle of the first halving, and those of the second, which is twice as large.
    """
    cosine, sine, cosine_of_double, sine_of_double = turns
    one, two = load(source, first), load(source, first + apart)
    three, four = load(source, first + 2 * apart), load(source, first + 3 * apart)
    its_one, its_two = load(source, partner), load(source, partner + apart)
    its_three, its_four = load(source, partner + 2 * apart), load(source, partner + 3 * apart)

    # The sums of the first halving.
    even, odd, its_even, its_odd = one + three, two + four, its_one + its_three, its_two + its_four
    difference, its_difference = turn_differences(
        cosine_of_double, sine_of_double, even - odd, its_even - its_odd
    )
    store(even + odd, target, total)
    store(difference, target, total + 2 * width)
    store(its_even + its_odd, target, its_total)
    store(its_difference, target, its_total + 2 * width)

    # Its differences. If q rows are apart, the partner of row j is 2q - j, and that of j + q is q - j. The row j + q
    # is turned by a quarter more: of what `turn_differences` gives, the first is its partner and the second minus it.
    even, its_odd = turn_differences(cosine, sine, one - three, its_two - its_four)
    its_even, minus_odd = turn_differences(cosine, sine, two - four, its_one - its_three)
    difference, its_difference = turn_differences(
        cosine_of_double, sine_of_double, even + minus_odd, its_even - its_odd
    )
    store(even - minus_odd, target, total + width)
    store(difference, target, total + 3 * width)
    store(its_even + its_odd, target, its_total + width)
    store(its_difference, target, its_total + 3 * width)


@internal
def transform_halves(source, target, width):
    """Transform columns of two rows of `width` numbers: write their sum and their difference."""
    for q in range(0, width, LANES):
        one, other = load(source, q), load(source, q + width)
        store(one + other, target, q)
        store(one - other, target, q + width)


@internal
def transform_quarters(source, target, length, width, turn):
    """Split each sequence of `length` rows of `width` numbers into four of a quarter of the length, interleaved.

    That is halving twice. The even-numbered results are the transform of the sums of both halves, the odd-numbered
    ones that of their differences, turned: the decimation in frequency, in the order of Stockham, which needs no bit
    reversal. Halving twice in one pass reads and writes half as often.
    """
    quarter = length // 4
    stride = turn.shape[1] // length
    apart = quarter * width
    for q in range(0, width, LANES):
        split_alone(source, q, apart, target, q, width, True, turn[0, 0], turn[1, 0])
    if quarter > 1:
        row = quarter // 2
        for q in range(0, width, LANES):
            split_alone(
                source,
                row * width + q,
                apart,
                target,
                4 * row * width + q,
                width,
                False,
                turn[0, row * stride],
                turn[1, row * stride],
            )
    for row in range(1, (quarter + 1) // 2):
        turns = (
            turn[0, row * stride],
            turn[1, row * stride],
            turn[0, 2 * row * stride],
            turn[1, 2 * row * stride],
        )
        for q in range(0, width, LANES):
            split_with_partner(
                source,
                row * width + q,
                (quarter - row) * width + q,
                apart,
                target,
                4 * row * width + q,
                4 * (quarter - row) * width + q,
                width,
                turns,
            )


@internal
def transform_axis(values, other, n, width, turn):
    """Transform `n` rows of `width` numbers; return True if the result is in `other` rather than in `values`.

    `turn`: `twiddles` of n.
    """
    source, target = values, other
    length = n
    swapped = False
    while length > 2:
        transform_quarters(source, target, length, width, turn)
        source, target = target, source
        swapped = not swapped
        length //= 4
        width *= 4
    if length == 2:
        transform_halves(source, target, width)
        swapped = not swapped
    return swapped
