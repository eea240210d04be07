"""A voltage clamp that moves whole charges makes each ion in a pore climb the potential of its own charge.

Alone in its pore an ion meets the barrier (e/C) f^2/2 for the share f < 1/2 of its way, and the mirror image of it
beyond, where the amplifier has answered with a charge of its own. The one-way fluxes are then those of Goldman,
Hodgkin and Katz divided by the mean of exp(barrier/(kT/e)); other ions that are in pores at the same time can only
blur the barrier. A drop that is held whatever the charge has no barrier: the negative twin.

The number of crossings is a Poisson number, for pores are nearly always empty. Bounds are five standard errors: a
false alarm in 6e-7 of all seeds.
"""

import numpy as np
import pytest

from mc.constants import BOLTZMANN_POTENTIAL_PER_KELVIN, IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR

SIGMAS = 5.0
CONCENTRATION, PERMEABILITY = 140.0, 0.1
"""mM on both sides; nm3/ns of 50 pores, which hold an ion for a seventh of the time."""
DURATION = 400_000.0


def flux_over_ghk(simulate_patch, **clamp):
    """Return the crossings both ways over those of the GHK equation at 0 mV, its standard error, and e/C in mV."""
    recording = simulate_patch(
        1,
        inside={"K": CONCENTRATION},
        outside={"K": CONCENTRATION},
        channels=[{"name": "K", "count": 50, "permeability": {"K": PERMEABILITY / 50}}],
        area=500.0,
        capacitance="0.25 uF/cm^2",
        grid={"boundary": "bath"},
        duration=DURATION,
        time_step=0.25,
        interval=100.0,
        **clamp,
    )
    crossed = sum(recording[f"crossings_{way}.K.K"][-1] for way in ("outward", "inward"))
    expected = (
        2.0 * PERMEABILITY * CONCENTRATION * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * recording.time[-1]
    )
    charge_step = 1.0 / (recording.attributes["capacitance"] * recording.attributes["area"])
    return crossed / expected, 1.0 / np.sqrt(expected), charge_step


@pytest.mark.slow
def test_a_clamp_of_whole_charges_slows_ions_down(simulate_patch):
    ratio, error, charge_step = flux_over_ghk(simulate_patch, protocol={"voltage": [{"potential": 0.0}]})
    share = (np.arange(1000) + 0.5) / 1000
    barrier = 0.5 * charge_step * np.minimum(share, 1.0 - share) ** 2
    alone = 1.0 / np.mean(np.exp(barrier / (BOLTZMANN_POTENTIAL_PER_KELVIN * 310.15)))
    assert alone == pytest.approx(0.806, abs=0.002)
    assert ratio < 1.0 - SIGMAS * error
    assert ratio > alone - SIGMAS * error


@pytest.mark.slow
def test_a_drop_that_is_held_does_not(simulate_patch):
    ratio, error, _ = flux_over_ghk(simulate_patch, clamped_potential=0.0)
    assert abs(ratio - 1.0) < SIGMAS * error
