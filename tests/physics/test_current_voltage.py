"""Currents of a voltage clamp follow the GHK equation from step to step, and reverse where GHK says.

100 channels for potassium and 20 for sodium. Bounds are five standard errors: a false alarm in 6e-7 of all seeds for
each of the comparisons. The patch is large enough that one charge, the least that a clamp can move, changes its
potential by 2 mV only.
"""

import numpy as np
import pytest

from mc import theory
from mc.analysis import currents
from mc.analysis.statistics import standard_score

SIGMAS = 5.0
POTENTIALS = np.arange(-120.0, 41.0, 20.0)
STEP, SETTLING = 2000.0, 200.0
"""ns."""
INSIDE, OUTSIDE, VALENCE = np.array([140.0, 12.0]), np.array([5.0, 145.0]), np.array([1, 1])
PERMEABILITY, TEMPERATURE = np.array([4.0, 0.2]), 310.15


@pytest.fixture(scope="module")
def recording(simulate_patch):
    steps = [
        {"start": i * STEP, "stop": (i + 1) * STEP, "potential": float(potential)}
        for i, potential in enumerate(POTENTIALS)
    ]
    return simulate_patch(
        1,
        inside=dict(zip(("K", "Na"), INSIDE, strict=True)),
        outside=dict(zip(("K", "Na"), OUTSIDE, strict=True)),
        channels=[
            {"name": "K leak", "count": 100, "permeability": {"K": PERMEABILITY[0] / 100}},
            {"name": "Na leak", "count": 20, "permeability": {"Na": PERMEABILITY[1] / 20}},
        ],
        area=8000.0,
        duration=STEP * len(POTENTIALS),
        grid={"boundary": "bath"},
        protocol={"voltage": steps},
    )


@pytest.fixture(scope="module")
def windows(recording):
    return currents.clamp_windows(recording, SETTLING)


def test_every_step_is_a_window_near_its_command(recording, windows):
    """The electrodes read within one charge of the command, 2 mV, and half a millivolt of diffuse layers."""
    assert [window.start for window in windows] == [i * STEP + SETTLING + 20.0 * (i > 0) for i in range(9)]
    np.testing.assert_allclose([window.potential for window in windows], POTENTIALS, atol=2.5)


@pytest.mark.parametrize(("channel", "ion"), [("K leak", "K"), ("Na leak", "Na"), (None, None)])
def test_each_ion_carries_its_ghk_current(recording, windows, channel, ion):
    charge = currents.crossing_charge(recording, channel, ion)
    curve = currents.measure_current_voltage(recording.time, charge.net, windows)
    expected = currents.predict_current(recording, windows, ion)
    assert np.all(np.abs(standard_score(curve.current, expected, curve.standard_error)) < SIGMAS)
    # All steps together tell an error of a tenth.
    of_all = (curve.current * expected / curve.standard_error**2).sum()
    information = (expected**2 / curve.standard_error**2).sum()
    assert abs(of_all / information - 1.0) < SIGMAS / np.sqrt(information)
    if channel != "Na leak":
        assert abs(of_all / information - 1.1) > SIGMAS / np.sqrt(information)


def test_a_clamp_supplies_what_is_displaced_charge_by_charge(recording):
    """What is on the membrane stays within half a charge of the command, so the two differ by one at most."""
    difference = recording["injected_charge"] - currents.displaced_charge(recording)
    for first, last in currents.held_spans(recording["command_potential"]):
        assert np.ptp(difference[first + 1 : last + 1]) <= 1.0 + 1e-9
    crossed = currents.crossing_charge(recording).net
    in_pores = sum(recording[f"ions_in_pores.{name}"] for name in ("K", "Na"))
    assert np.all(np.abs(currents.displaced_charge(recording) - crossed) <= in_pores)
    assert np.abs(crossed).max() > 1000


def test_the_current_reverses_at_the_ghk_potential(recording, windows):
    charge = currents.displaced_charge(recording)
    curve = currents.measure_current_voltage(recording.time, charge, windows)
    expected = theory.ghk_potential(PERMEABILITY, INSIDE, OUTSIDE, VALENCE, TEMPERATURE)
    fit = currents.fit_ghk(curve, INSIDE, OUTSIDE, VALENCE, TEMPERATURE)
    assert fit.reversal.standard_error < 2.0
    assert abs(fit.reversal.potential - expected) < SIGMAS * fit.reversal.standard_error
    assert np.all(np.abs(standard_score(fit.permeability, PERMEABILITY, fit.permeability_error)) < SIGMAS)
    parabola = currents.fit_reversal(curve)
    assert abs(parabola.potential - expected) < SIGMAS * parabola.standard_error
    # Without sodium it would be that of potassium alone.
    nernst = theory.nernst_potential(1, INSIDE[0], OUTSIDE[0], TEMPERATURE)
    assert abs(fit.reversal.potential - nernst) > SIGMAS * fit.reversal.standard_error
