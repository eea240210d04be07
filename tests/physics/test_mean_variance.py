"""The fluctuations of a current tell the current of one channel and the number of channels, which nothing else told.

Twelve channels open one after the other when the potential is stepped up, and shut when it is stepped down, 240
times. Bounds are five standard errors: a false alarm in 6e-7 of all seeds.
"""

import numpy as np
import pytest

from mc import theory
from mc.analysis import currents, fluctuations
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND

SIGMAS = 5.0
N_CHANNELS, N_SWEEPS = 12, 240
PERMEABILITY = 0.3
"""nm3/ns of one channel, eight times that of 20 pS: within a bin more than one ion crosses."""
SHUT, OPEN = 700.0, 1800.0
"""ns at -90 and at +30 mV."""
GATING = {
    "states": ["closed", "open"],
    "open": ["open"],
    "rates": {
        "closed->open": {"kind": "HHSigmoidRate", "rate": 1e-3, "midpoint": -30.0, "scale": 4.0},
        "open->closed": {"kind": "HHSigmoidRate", "rate": 0.02, "midpoint": -60.0, "scale": -4.0},
    },
}
PERIOD = SHUT + OPEN
STARTS = PERIOD * np.arange(N_SWEEPS) + SHUT


@pytest.fixture(scope="module")
def recording(simulate_patch):
    steps = []
    for start in STARTS:
        steps += [
            {"start": start - SHUT, "stop": start, "potential": -90.0},
            {"start": start, "stop": start + OPEN, "potential": 30.0},
        ]
    return simulate_patch(
        1,
        inside={"K": 140.0},
        outside={"K": 5.0, "Na": 135.0},
        channels=[{"name": "K", "count": N_CHANNELS, "permeability": {"K": PERMEABILITY}, "gating": GATING}],
        area=1000.0,
        length=8.0,
        duration=PERIOD * N_SWEEPS,
        interval=10.0,
        grid={"boundary": "bath"},
        protocol={"voltage": steps},
    )


@pytest.mark.slow
def test_unit_current_and_number_follow_from_the_variance(recording):
    charge = currents.crossing_charge(recording)
    sweeps = fluctuations.cut_sweeps(recording.time, charge, STARTS, OPEN, records_per_bin=2)
    fit = fluctuations.fit_nonstationary_variance(sweeps.current, sweeps.counting_variance)
    is_late = recording.time % PERIOD > SHUT + OPEN / 2
    unit_current = PICOAMPERES_PER_CHARGE_PER_NANOSECOND * theory.ghk_current(
        PERMEABILITY,
        recording["bulk_concentration_inside.K"][is_late].mean(),
        recording["bulk_concentration_outside.K"][is_late].mean(),
        1,
        recording["membrane_potential"][is_late].mean(),
        recording.temperature,
    )
    assert fit.open_probability[0] < 0.1
    assert fit.open_probability[-1] > 0.7
    assert fit.unit_current_error < 0.15 * unit_current
    assert abs(fit.unit_current - unit_current) < SIGMAS * fit.unit_current_error
    error = fit.n_channels_error / fit.n_channels**2
    assert abs(1 / fit.n_channels - 1 / N_CHANNELS) < SIGMAS * error
    # The variance of counting single ions, left in, would be taken for that of larger channels.
    wrong = fluctuations.fit_nonstationary_variance(sweeps.current)
    assert abs(wrong.unit_current - unit_current) > SIGMAS * fit.unit_current_error
