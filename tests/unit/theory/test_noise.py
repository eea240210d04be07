import math

import numpy as np
import pytest
from scipy.integrate import quad

from mc import constants, theory


def test_capacitance_noise_of_a_small_patch():
    # 0.01 um2 at 1 uF/cm2 is 1e-16 F; sqrt(kT/C) in SI.
    capacitance = 1e-16 / 1.602176634e-19 * 1e-3
    expected = np.sqrt(1.380649e-23 * 310.15 / 1e-16) * 1e3
    assert theory.capacitance_noise(capacitance, 310.15) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(6.5, abs=0.05)
    assert theory.elementary_voltage_step(capacitance) == pytest.approx(1.602176634, rel=1e-12)


def test_charging_time():
    np.testing.assert_array_equal(theory.charging_time(6.0, [2.0, 0.0]), [3.0, np.inf])


def test_shot_noise_counts_the_charge_of_a_crossing_and_no_direction():
    assert theory.shot_noise_spectrum(-0.5, 2.0) == 2.0


def test_lorentzian_integrates_to_the_variance():
    total, _ = quad(lambda frequency: theory.lorentzian(frequency, 7.0, 0.4), 0.0, np.inf)
    assert total == pytest.approx(7.0)
    assert theory.lorentzian(1 / (2 * np.pi * 0.4), 7.0, 0.4) == pytest.approx(2.0 * 7.0 * 0.4)


def test_noise_refuses_a_patch_without_capacitance():
    with pytest.raises(ValueError, match="capacitance must be above zero, found 0"):
        theory.capacitance_noise(0.0, 300.0)
    with pytest.raises(ValueError, match="conductance must not be negative"):
        theory.charging_time(1.0, -1.0)


def test_crossings_at_equilibrium_make_the_noise_of_the_capacitor():
    """p c each way between equal solutions, whose conductance is p c/(kT/e)."""
    temperature, rate, capacitance = 310.15, 3.0, 0.6
    thermal = constants.thermal_potential(temperature)
    measured = theory.crossing_noise(2.0 * rate, capacitance, rate / thermal)
    assert measured == pytest.approx(theory.capacitance_noise(capacitance, temperature) ** 2, rel=1e-12)
    # Far from it, with one way alone, it is another: half of q i/(C g).
    assert theory.crossing_noise(rate, capacitance, 1.0) == pytest.approx(rate / (2.0 * capacitance))


@pytest.mark.parametrize("lag", [0.0, 1.7])
def test_noise_of_gates_is_their_lorentzian_through_the_filter_of_the_membrane(lag):
    current, variance, gates, conductance, membrane = 0.3, 7.0, 3.0, 0.4, 2.0

    def spectrum(frequency):
        filtered = 1.0 + (2.0 * math.pi * frequency * membrane) ** 2
        of_gates = theory.lorentzian(frequency, current**2 * variance, gates)
        return of_gates / conductance**2 / filtered

    expected = quad(lambda f: spectrum(f) * math.cos(2.0 * math.pi * f * lag), 0.0, 200.0, limit=2000)[0]
    measured = theory.gating_noise(lag, current, variance, gates, conductance, membrane)
    assert measured == pytest.approx(expected, rel=1e-6)


def test_noise_of_gates_is_smooth_where_both_times_are_equal():
    lag = np.array([0.0, 1.0, 4.0])
    equal, nearly = (theory.gating_noise(lag, 1.0, 1.0, 2.0, 1.0, membrane) for membrane in (2.0, 2.0 + 1e-9))
    np.testing.assert_allclose(equal, nearly, rtol=1e-8)
    np.testing.assert_allclose(equal, 0.5 * np.exp(-lag / 2.0) * (1.0 + lag / 2.0), rtol=1e-12)
