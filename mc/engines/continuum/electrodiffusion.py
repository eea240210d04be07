"""The one law of ions between two places: along an edge of the grid, and through an open channel.

Between places with the concentrations c and c', over which the reduced potential falls by u = z (phi - phi')/(kT/e),
flow conductance * B(-u) c one way and conductance * B(u) c' the other, B(x) = x/(exp(x) - 1). Along an edge, with
D times area over distance, this is the flux of Scharfetter & Gummel (1969, IEEE Trans. Electron Devices 16:64), which
is positive and keeps Boltzmann's law exactly; through a channel, with its permeability, that of Goldman (1943) and
Hodgkin & Katz (1949). Both are the solution for an ion that drifts and diffuses in an even field.
"""

import numpy as np
from numpy.typing import NDArray

LARGEST_EXPONENT = 600.0


def goldman_factor(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return u/(1 - exp(-u)), and 1 at u = 0: of the flow down the potential; that against it is this minus u."""
    u = np.maximum(u, -LARGEST_EXPONENT)
    is_small = np.abs(u) < 1e-4
    ratio = u / -np.expm1(-np.where(is_small, 1.0, u))
    return np.where(is_small, 1.0 + u / 2.0 + u**2 / 12.0, ratio)


def goldman_slope(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivative of `goldman_factor`."""
    u = np.maximum(u, -LARGEST_EXPONENT)
    is_small = np.abs(u) < 1e-3
    ratio = (1.0 - goldman_factor(u) + u) / -np.expm1(-np.where(is_small, 1.0, u))
    return np.where(is_small, 0.5 + u / 6.0 - u**3 / 180.0, ratio)
