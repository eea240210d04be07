"""Five potassium ions outside, each of which moves the potential by 40 mV: statistical mechanics, Kramers's rate."""

import math

import numpy as np
import pytest
from lattice_patch import THERMAL
from membrane_patch import make_patch

from mc.analysis.statistics import block_average
from mc.simulation import simulate

INSIDE, OUTSIDE = 674, 5
AREA, LENGTH, OUTSIDE_LENGTH = 400.0, 20.0, 8.0


CHANNELS, PERMEABILITY = 10, 0.037
CAME_IN = np.arange(-60, OUTSIDE + 1)
"""Ions that may have come in since the start, when the membrane was not charged."""


def shares_of_time(capacitance):
    """Return for how much of the time so many ions have come in at equilibrium.

    With k having come in, there are V_in^(I + k) V_out^(O - k)/((I + k)! (O - k)!) ways to place them, and k^2 e^2/2C
    of energy on the membrane.
    """
    weights = np.array(
        [
            k * math.log(LENGTH / OUTSIDE_LENGTH)
            - math.lgamma(INSIDE + k + 1)
            - math.lgamma(OUTSIDE - k + 1)
            - k**2 / (2.0 * capacitance * THERMAL)
            for k in CAME_IN.tolist()
        ]
    )
    shares = np.exp(weights - weights.max())
    return shares / shares.sum()


def mean_outside(capacitance):
    """Return the mean number of ions outside at equilibrium."""
    return float(shares_of_time(capacitance) @ (OUTSIDE - CAME_IN))


def mean_rate_outward(capacitance, follows=True):
    """Return how many ions cross outward in a ns at equilibrium, by Kramers's rate in each state.

    p c over the mean of exp(energy) on the way f, where -u f + u_1 f^2/2 is the energy over kT of an ion that the
    membrane follows, u_1 = e/(C kT/e). Without that, a half of u_1 is taken from u all the way.
    """
    one = 1.0 / (capacitance * THERMAL)
    way = np.linspace(0.0, 1.0, 1001)
    u = CAME_IN[:, np.newaxis] * one
    energies = -u * way + 0.5 * one * (way**2 if follows else way)
    velocities = CHANNELS * PERMEABILITY / np.trapezoid(np.exp(energies), way, axis=1)
    return float(shares_of_time(capacitance) @ (velocities * (INSIDE + CAME_IN) / (AREA * LENGTH)))


def run(folder, engine, time_step, width):
    """Return a recording of the five; pores are fast, so that hardly an ion is in one at a time.

    `width`: of the membrane in two dimensions, nm, None in one.
    """
    scenario = make_patch(
        engine=engine,
        inside={"K": 140.0, "Cl": 10.0},
        outside={"K": 2.6, "Na": 147.4, "Cl": 150.0},
        channels=[
            {
                "name": "K leak",
                "count": CHANNELS,
                "permeability": {"K": PERMEABILITY},
                "pore": {"diffusion_coefficient": 10.0},
            }
        ],
        area=AREA,
        length=LENGTH,
        outside_length=OUTSIDE_LENGTH,
        grid={"grid_spacing": 2.0} if engine == "lattice" else {},
        width=width,
        duration=2e6,
        time_step=time_step,
        interval=400.0 if time_step < 100.0 else 3.0 * time_step,
    )
    return simulate(scenario, folder, seed=1, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "time_step", "width"),
    [("lattice", 10.0, None), ("lattice", 150.0, None), ("brownian", 1.0, None), ("brownian", 1.0, 20.0)],
)
def test_few_ions_rest_where_statistical_mechanics_says(tmp_path, engine, time_step, width):
    """7.36 of them outside on average; 5 sigma of 0.02, and 0.05 for the diffuse layers, which take 1 mV.

    The lattice in steps of a twentieth of the charging time, and of most of it, in which ions cross one by one;
    single ions in steps in which they cross a whole pore. Fluxes at the drop before each crossing, rather than at
    the mean of before and after, make it 7.59; single ions in the field before their step 7.54.
    """
    recording = run(tmp_path, engine, time_step, width)
    outside = recording["ions_outside.K"]
    assert outside[0] == OUTSIDE
    estimate = block_average(outside[100:])
    expected = mean_outside(recording.membrane_capacitance)
    assert expected == pytest.approx(7.36, abs=0.01)
    assert estimate.standard_error < 0.03
    assert abs(estimate.mean - expected) < 5.0 * estimate.standard_error + 0.05, estimate
    assert abs(estimate.mean - 7.59) > 5.0 * estimate.standard_error
    crossed = block_average(np.diff(recording["crossings_outward.K leak.K"][100:]))
    interval = recording.time[1] - recording.time[0]
    rate, error = crossed.mean / interval, crossed.standard_error / interval
    expected_rate = mean_rate_outward(recording.membrane_capacitance)
    assert error < 0.02 * rate
    # One in a hundred for what the diffuse layers, and an ion in 80 pores, do.
    assert abs(rate - expected_rate) < 5.0 * error + 0.01 * expected_rate, (rate, error, expected_rate)
    blind = mean_rate_outward(recording.membrane_capacitance, follows=False)
    assert abs(rate - blind) > 5.0 * error + 0.01 * expected_rate
