import mpmath
import numpy as np
import pytest

from mc import constants, theory

ROOM_TEMPERATURE = 298.15
THERMAL = constants.thermal_potential(ROOM_TEMPERATURE)


def test_mean_square_displacement_grows_with_dimensions():
    np.testing.assert_allclose(theory.mean_square_displacement(2.0, [0.0, 3.0]), [0.0, 12.0])
    assert theory.mean_square_displacement(2.0, 3.0, dimensions=3) == 36.0


def test_step_profile_equals_its_formula():
    positions = np.linspace(-6.0, 6.0, 13)
    measured = theory.step_profile(positions, 1.5, 2.0, 100.0, 20.0)
    expected = [60.0 - 40.0 * float(mpmath.erf(x / mpmath.sqrt(12.0))) for x in positions]
    np.testing.assert_allclose(measured, expected, rtol=1e-12)


def test_step_profile_at_time_zero_is_the_step():
    np.testing.assert_array_equal(theory.step_profile([-1.0, 0.0, 1.0], 0.0, 2.0, 3.0, 1.0), [3.0, 2.0, 1.0])


def test_two_compartments_relax_at_the_rate_of_their_equation():
    permeability, inside, outside = 0.3, 20.0, 50.0
    flux_matrix = permeability * np.array([[-1 / inside, 1 / inside], [1 / outside, -1 / outside]])
    slowest = -np.linalg.eigvals(flux_matrix).min()
    assert theory.two_compartment_relaxation_rate(permeability, inside, outside) == pytest.approx(slowest)
    with pytest.raises(ValueError, match="inside length must be above zero"):
        theory.two_compartment_relaxation_rate(1.0, 0.0, 1.0)


def test_nernst_hartley_of_common_salts():
    assert theory.nernst_hartley(1.334, 2.032) == pytest.approx(1.611, abs=5e-4)
    assert theory.nernst_hartley(1.957, 2.032) == pytest.approx(1.994, abs=5e-4)
    assert theory.nernst_hartley(0.792, 2.032, valence_cation=2) == pytest.approx(1.335, abs=5e-4)


def test_liquid_junction_charges_the_dilute_side_with_the_faster_ion():
    measured = theory.liquid_junction_potential(1.334, 2.032, 100.0, 10.0, ROOM_TEMPERATURE)
    expected = (1.334 - 2.032) / (1.334 + 2.032) * THERMAL * np.log(0.1)
    assert measured == pytest.approx(expected)
    assert measured > 0


@pytest.mark.parametrize("valence", [1, 2])
def test_henderson_of_one_salt_is_the_liquid_junction_potential(valence):
    inside, outside = np.array([100.0, 10.0, 50.0]), np.array([10.0, 100.0, 50.0])
    henderson = theory.henderson_potential(
        [0.8, 2.0],
        np.stack([inside, valence * inside]),
        np.stack([outside, valence * outside]),
        [valence, -1],
        ROOM_TEMPERATURE,
    )
    junction = theory.liquid_junction_potential(0.8, 2.0, inside, outside, ROOM_TEMPERATURE, valence)
    np.testing.assert_allclose(henderson, junction, rtol=1e-12, atol=1e-12)


def test_henderson_equals_its_formula_also_near_equal_conductivities():
    diffusion = {"K": 2.0, "Na": 1.0, "Cl": 2.0}
    valence = {"K": 1, "Na": 1, "Cl": -1}
    inside = {"K": 100.0, "Cl": 100.0}
    for sodium in (200.0, 200.0 * (1 + 1e-10), 150.0, 1000.0):
        outside = {"Na": sodium, "Cl": 100.0}
        with mpmath.workdps(60):
            sums_in = 2 * mpmath.mpf(300) - 200
            sums_out = mpmath.mpf(sodium) + 200
            drive = mpmath.mpf(sodium) - 200
            slope = mpmath.log(sums_out / sums_in) / (sums_out - sums_in) if drive else 1 / sums_in
            expected = float(THERMAL * drive * slope)
        measured = theory.henderson_potential(diffusion, inside, outside, valence, ROOM_TEMPERATURE)
        assert measured == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_henderson_between_equal_conductivities_is_finite_and_not_zero():
    # Twice as much sodium, half as fast, with a divalent anion that does not diffuse: S is 200 on both sides.
    measured = theory.henderson_potential([2.0, 1.0], [100.0, 0.0], [0.0, 50.0], [1, 2], ROOM_TEMPERATURE)
    assert measured == pytest.approx(THERMAL * (100.0 - 200.0) / 200.0, rel=1e-12)
