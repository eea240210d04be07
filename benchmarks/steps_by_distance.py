"""What longer steps for the ions far from the membrane would gain, and what they would do to the density at the seam.

    python benchmarks/steps_by_distance.py [--time-step 1] [--bath 50] [--concentration 150]

Far ions make one step of n dt while near ions make n of dt. With increments of the same law over n dt both kinds of
ions keep a uniform density whenever their clocks agree. In between, near ions have spread by some of their steps and
far ones by all or none of theirs, and the density around the seam is not uniform. The blocks of ions take turns, so
that their mean drift is right at any time: what the field sees is then the mean over the n phases of a turn.

For each n and each moment of the turn at which far ions make their step: the gain in time if a step of an ion costs
what it costs now, the largest excess of the density of K, and the potential of the charge between Na and Cl at the
seam, which spread at different rates, before they screen it. The closed form is held against random walks.
"""

import argparse
import math

import numpy as np
from scipy.special import ndtr

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR, VACUUM_PERMITTIVITY, water_permittivity

DIFFUSION_COEFFICIENTS = {"K": 2.53, "Na": 1.77, "Cl": 2.64}
"""nm2/ns at 37 degC."""
TEMPERATURE = 310.15
WALKERS = 4_000_000
REACH = 20.0
"""nm to either side of the seam that are looked at."""


def spread(distances: np.ndarray, variance: float) -> np.ndarray:
    """Return the density that was 1 beyond a seam at zero and 0 before it, after it has spread by a variance."""
    if variance == 0.0:
        return (distances >= 0.0).astype(float)
    return np.asarray(ndtr(distances / math.sqrt(variance)))


def excess(distances: np.ndarray, variance: float, n: int, moment: int) -> np.ndarray:
    """Return the mean excess of the density over a turn; positive distances are far from the membrane.

    `variance`: 2 D dt; far ions step before the near ions' step number `moment` of the turn.
    """
    phases = [
        spread(distances, variance * (n if phase >= moment else 0)) - spread(distances, variance * phase)
        for phase in range(n)
    ]
    return np.mean(phases, axis=0)


def walk(edges: np.ndarray, variance: float, n: int, moment: int) -> np.ndarray:
    """Return what `excess` gives, between edges, from walkers placed uniformly over twice that stretch."""
    random = np.random.default_rng(1)
    start = random.uniform(2 * edges[0], 2 * edges[-1], WALKERS)
    is_far = start >= 0.0
    expected = WALKERS * np.diff(edges) / (4 * edges[-1])
    far_step = random.normal(0.0, math.sqrt(n * variance), WALKERS)
    near, total = start.copy(), np.zeros(edges.size - 1)
    for phase in range(n):
        far = start + far_step if phase >= moment else start
        total += np.histogram(np.where(is_far, far, near), edges)[0] / expected - 1.0
        near += random.normal(0.0, math.sqrt(variance), WALKERS)
    return total / n


def main() -> None:
    """Print a line for each length of the long step and each moment of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-step", type=float, default=1.0, help="ns, of the near ions")
    parser.add_argument("--bath", type=float, default=50.0, help="nm, the length of each bath")
    parser.add_argument("--concentration", type=float, default=150.0, help="mM, of NaCl")
    arguments = parser.parse_args()
    variances = {name: 2 * one * arguments.time_step for name, one in DIFFUSION_COEFFICIENTS.items()}
    distances, spacing = np.linspace(-REACH, REACH, 4001, retstep=True)
    density = arguments.concentration * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    permittivity = VACUUM_PERMITTIVITY * water_permittivity(TEMPERATURE)
    print(
        " n  far ions step before  gain  excess of K  potential mV  largest of 80 deviations of walks, s.e."
    )
    for n in (2, 4, 8):
        # A sum of n uniform increments goes as far as this: nearer than that a long step could meet the membrane.
        near = min(1.0, n * math.sqrt(3 * max(variances.values())) / arguments.bath)
        gain = 1.0 / (near + (1.0 - near) / n)
        for moment in range(n):
            charge = density * (
                excess(distances, variances["Na"], n, moment) - excess(distances, variances["Cl"], n, moment)
            )
            field = np.cumsum(charge) * spacing / permittivity
            potential = np.abs(np.cumsum(field) * spacing).max()
            of_k = np.abs(excess(distances, variances["K"], n, moment)).max()
            edges = np.linspace(-REACH, REACH, 81)
            # Over a cell, which at the seam itself is not even.
            fine = np.linspace(-REACH, REACH, 8001)
            by_cell = excess((fine[1:] + fine[:-1]) / 2, variances["K"], n, moment).reshape(80, -1)
            standard_error = 1.0 / math.sqrt(WALKERS * (edges[1] - edges[0]) / (4 * REACH))
            off = np.abs(walk(edges, variances["K"], n, moment) - by_cell.mean(axis=1)).max()
            off /= standard_error
            print(f"{n:2d} {moment:20d} {gain:6.2f} {of_k:12.3f} {potential:13.1f} {off:13.1f}")


if __name__ == "__main__":
    main()
