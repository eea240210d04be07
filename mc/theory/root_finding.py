"""The one root finder of the theory: increasing functions, many at once."""

from collections.abc import Callable

import numpy as np

_LARGEST_EXPONENT = 100
"""Roots are sought up to 2**100, far beyond any potential in units of kT/e."""


def root_of_increasing(function: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Return x of the given shape where each element of the increasing `function(x)` passes zero.

    The bracket is doubled until the sign changes and then halved until it is as narrow as rounding allows.
    A function that stays negative has its root at +inf, one that stays positive at -inf; one that is zero
    everywhere, or not a number, has none: nan.
    """
    low = np.full(shape, -1.0)
    high = np.full(shape, 1.0)
    for _ in range(_LARGEST_EXPONENT):
        lacks_low, lacks_high = ~(function(low) < 0.0), ~(function(high) > 0.0)
        if not np.any(lacks_low | lacks_high):
            break
        low = np.where(lacks_low, 2.0 * low, low)
        high = np.where(lacks_high, 2.0 * high, high)

    while np.any(high - low > 4.0 * np.finfo(float).eps * np.maximum(1.0, np.abs(low))):
        middle = 0.5 * (low + high)
        is_above = function(middle) > 0.0
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    root = 0.5 * (low + high)
    root = np.where(lacks_low, -np.inf, np.where(lacks_high, np.inf, root))
    return np.where(lacks_low & lacks_high, np.nan, root)
