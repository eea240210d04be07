"""Five potassium ions outside, each of which moves the potential by 40 mV: statistical mechanics on the lattice."""

import math

import numpy as np
import pytest
from lattice_patch import THERMAL
from membrane_patch import make_patch

from mc.analysis.statistics import block_average
from mc.simulation import simulate

INSIDE, OUTSIDE = 674, 5
AREA, LENGTH, OUTSIDE_LENGTH = 400.0, 20.0, 8.0


def mean_outside(capacitance):
    """Return the mean number of ions outside at equilibrium.

    With k having come in, there are V_in^(I + k) V_out^(O - k)/((I + k)! (O - k)!) ways to place them, and k^2 e^2/2C
    of energy on the membrane.
    """
    came_in = np.arange(-60, OUTSIDE + 1)
    weights = np.array(
        [
            k * math.log(LENGTH / OUTSIDE_LENGTH)
            - math.lgamma(INSIDE + k + 1)
            - math.lgamma(OUTSIDE - k + 1)
            - k**2 / (2.0 * capacitance * THERMAL)
            for k in came_in.tolist()
        ]
    )
    shares = np.exp(weights - weights.max())
    return float((shares / shares.sum()) @ (OUTSIDE - came_in))


@pytest.mark.slow
@pytest.mark.parametrize(("time_step", "duration"), [(10.0, 1e6), (150.0, 2e6)])
def test_few_ions_rest_where_statistical_mechanics_says(tmp_path, time_step, duration):
    """7.36 of them outside on average; 5 sigma of 0.02, and 0.05 for the diffuse layers, which take 1 mV.

    In steps of a twentieth of the charging time, and of most of it, in which ions cross one by one.
    Fluxes at the drop before each crossing, rather than at the mean of before and after, make it 7.59.
    """
    scenario = make_patch(
        engine="lattice",
        inside={"K": 140.0, "Cl": 10.0},
        outside={"K": 2.6, "Na": 147.4, "Cl": 150.0},
        channels=[{"name": "K leak", "count": 10, "permeability": {"K": 0.037}}],
        area=AREA,
        length=LENGTH,
        outside_length=OUTSIDE_LENGTH,
        grid={"grid_spacing": 2.0},
        duration=duration,
        time_step=time_step,
        interval=400.0 if time_step < 100.0 else 3.0 * time_step,
    )
    recording = simulate(scenario, tmp_path, seed=1, threads=1)
    outside = recording["ions_outside.K"]
    assert outside[0] == OUTSIDE
    estimate = block_average(outside[100:])
    expected = mean_outside(recording.membrane_capacitance)
    assert expected == pytest.approx(7.36, abs=0.01)
    assert estimate.standard_error < 0.03
    assert abs(estimate.mean - expected) < 5.0 * estimate.standard_error + 0.05, estimate
    assert abs(estimate.mean - 7.59) > 5.0 * estimate.standard_error
