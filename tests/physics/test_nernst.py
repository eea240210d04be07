"""A membrane that only potassium crosses comes to rest at the Nernst potential, with the noise of its capacitance."""

import numpy as np
import pytest
from membrane_patch import BODY_TEMPERATURE

from mc import theory
from mc.analysis.potential import reversal_potentials
from mc.analysis.statistics import variance_estimate
from mc.comparison import compare_potential
from mc.constants import VACUUM_PERMITTIVITY, water_permittivity

EQUILIBRATION = 500.0
"""ns; the membrane charges with a time constant of 30 ns."""

CHANNELS = {5.0: 520, 20.0: 200, 60.0: 100}
"""By the concentration outside: the same slope conductance at rest, p c_in c_out ln(c_in/c_out)/(c_in - c_out)."""


def rest(simulate_patch, seed, outside, duration, time_step=1.0, interval=20.0):
    """Run a patch with 140 mM of potassium inside and `outside` mM outside."""
    return simulate_patch(
        seed,
        inside={"K": 140.0, "Cl": 10.0},
        outside={"K": outside, "Na": 150.0 - outside, "Cl": 120.0},
        channels=[{"name": "K", "count": CHANNELS[outside], "permeability": {"K": 0.037}}],
        duration=duration,
        time_step=time_step,
        interval=interval,
    )


@pytest.fixture(scope="module")
def resting_patch(simulate_patch):
    return rest(simulate_patch, seed=1, outside=20.0, duration=20_000.0)


def test_the_potential_is_nernsts(resting_patch):
    """Standard error about 0.5 mV; 5 sigma, a false alarm in 6e-7 of all seeds."""
    difference = compare_potential(resting_patch, EQUILIBRATION).difference
    assert difference.standard_error < 0.8
    assert abs(difference.mean) < 5.0 * difference.standard_error, difference


def test_a_wrong_sign_or_valence_would_be_noticed(resting_patch):
    comparison = compare_potential(resting_patch, EQUILIBRATION)
    measured = comparison.membrane_potential
    nernst = reversal_potentials(resting_patch, comparison.window.records)["K"]
    for wrong in (-nernst, nernst / 2, 0.0):
        assert abs(measured.mean - wrong) > 20.0 * measured.standard_error


def test_every_crossing_outward_is_balanced_by_one_inward(resting_patch):
    """Both one-way fluxes are equal at equilibrium: they differ by charge that stays on the membrane, 6 sigma."""
    first = np.searchsorted(resting_patch.time, EQUILIBRATION)
    outward = np.diff(resting_patch["crossings_outward.K.K"][[first, -1]])[0]
    inward = np.diff(resting_patch["crossings_inward.K.K"][[first, -1]])[0]
    assert outward > 2000
    fluctuation = 6.0 * comparison_noise(resting_patch) * resting_patch.membrane_capacitance
    assert abs(outward - inward) < fluctuation < 0.05 * outward


def comparison_noise(recording):
    """Return the standard deviation in mV of a difference of two moments of an equilibrated membrane."""
    return np.sqrt(2.0) * theory.capacitance_noise(recording.membrane_capacitance, recording.temperature)


def expected_electrode_variance(recording):
    """Return the variance of the potential that electrodes read over kT/C, where the time step resolves the baths.

    Between the face and its bulk electrode lies water whose field fluctuates as a capacitor's does: eps A/length,
    where the length counts fully up to where the bulk begins, and by a third in the bulk that is averaged over.
    """
    permittivity = VACUUM_PERMITTIVITY * water_permittivity(BODY_TEMPERATURE)
    capacitance = recording.attributes["capacitance"]
    length = recording.attributes["inside_length"]
    bulk_from = 5.0 * theory.debye_length(280.0, 1, BODY_TEMPERATURE)
    return 1.0 + 2.0 * (bulk_from + (length - bulk_from) / 3.0) * capacitance / permittivity


def test_the_noise_is_that_of_the_capacitance(resting_patch):
    """var(Q)/C^2 = kT/C, 2.3 % less for the diffuse layers in series; 5 sigma and within 20 % (10 % in sd).

    What electrodes read fluctuates more, by the thermal noise of the baths between: at 1 ns, several
    dielectric relaxation times, the semi-implicit step damps that to a part of the true one.
    """
    first = np.searchsorted(resting_patch.time, EQUILIBRATION)
    noise = theory.capacitance_noise(resting_patch.membrane_capacitance, resting_patch.temperature) ** 2
    charge = variance_estimate(resting_patch["charge_separation_potential"][first:])
    assert abs(charge.mean - 0.977 * noise) < 5.0 * charge.standard_error
    assert charge.mean == pytest.approx(noise, rel=0.2)
    electrodes = variance_estimate(resting_patch["membrane_potential"][first:])
    assert electrodes.mean > charge.mean
    assert (
        electrodes.mean < expected_electrode_variance(resting_patch) * noise + 5.0 * electrodes.standard_error
    )


@pytest.mark.slow
@pytest.mark.parametrize("outside", [5.0, 20.0, 60.0])
@pytest.mark.parametrize("time_step", [0.1, 0.5, 1.0])
def test_nernst_to_half_a_millivolt(simulate_patch, time_step, outside):
    """Standard error at most 0.5 mV and within 3 of them; the noise of the charge within 10 % of sqrt(kT/C).

    Seeds are fixed, so that the verdict does not change; by chance 0.02 of the nine would lie outside.
    """
    recording = rest(simulate_patch, 2, outside, duration=45_000.0, time_step=time_step)
    difference = compare_potential(recording, EQUILIBRATION).difference
    assert difference.standard_error <= 0.5
    assert abs(difference.mean) < 3.0 * difference.standard_error, difference
    first = np.searchsorted(recording.time, EQUILIBRATION)
    noise = theory.capacitance_noise(recording.membrane_capacitance, recording.temperature)
    deviation = np.sqrt(variance_estimate(recording["charge_separation_potential"][first:]).mean)
    assert deviation == pytest.approx(noise, rel=0.1)
