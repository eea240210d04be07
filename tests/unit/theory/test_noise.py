import numpy as np
import pytest
from scipy.integrate import quad

from mc import theory


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
