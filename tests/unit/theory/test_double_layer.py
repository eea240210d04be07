import mpmath
import numpy as np
import pytest

from mc import constants, theory

ROOM_TEMPERATURE = 298.15
THERMAL = constants.thermal_potential(ROOM_TEMPERATURE)
PERMITTIVITY = constants.VACUUM_PERMITTIVITY * constants.water_permittivity(ROOM_TEMPERATURE)


def test_debye_length_in_si_units():
    concentrations, valences = {"Na": 100.0, "Ca": 25.0, "Cl": 150.0}, {"Na": 1, "Ca": 2, "Cl": -1}
    # Straight from SI: sqrt(eps0 eps k T / (N_A e^2 sum z^2 c)) with c in mol/m3 = mM.
    strength = 100.0 + 4 * 25.0 + 150.0
    metres = np.sqrt(
        8.8541878188e-12
        * constants.water_permittivity(ROOM_TEMPERATURE)
        * 1.380649e-23
        * ROOM_TEMPERATURE
        / (6.02214076e23 * 1.602176634e-19**2 * strength)
    )
    measured = theory.debye_length(concentrations, valences, ROOM_TEMPERATURE)
    assert measured == pytest.approx(metres * 1e9, rel=1e-8)
    assert theory.debye_length([0.0], [1], ROOM_TEMPERATURE) == np.inf


def test_debye_length_of_arrays_keeps_the_further_axes():
    concentrations = np.array([[150.0, 37.5], [150.0, 37.5]])
    lengths = theory.debye_length(concentrations, [1, -1], ROOM_TEMPERATURE)
    assert lengths.shape == (2,)
    assert lengths[1] == pytest.approx(2.0 * lengths[0])


def test_dielectric_relaxation_time_is_the_debye_length_squared_over_the_diffusion_coefficient():
    arguments = ([150.0, 150.0], [1, -1])
    measured = theory.dielectric_relaxation_time(*arguments, [2.0, 2.0], ROOM_TEMPERATURE)
    assert measured == pytest.approx(theory.debye_length(*arguments, ROOM_TEMPERATURE) ** 2 / 2.0)
    potassium_chloride = theory.dielectric_relaxation_time(*arguments, [1.957, 2.032], ROOM_TEMPERATURE)
    assert potassium_chloride == pytest.approx(0.31, abs=0.005)


def test_gouy_chapman_potential_equals_its_formula():
    generator = np.random.default_rng(21)
    for _ in range(40):
        distance, surface = generator.uniform(0.0, 5.0), generator.normal(0.0, 150.0)
        concentration, valence = 10.0 ** generator.uniform(-1, 3), int(generator.integers(1, 4))
        length = theory.debye_length([concentration] * 2, [valence, -valence], ROOM_TEMPERATURE)
        with mpmath.workdps(60):
            reduced = valence * mpmath.mpf(surface) / (4 * THERMAL)
            decay = mpmath.exp(-mpmath.mpf(distance) / mpmath.mpf(length))
            expected = 4 * THERMAL / valence * mpmath.atanh(mpmath.tanh(reduced) * decay)
        measured = theory.gouy_chapman_potential(distance, surface, concentration, valence, ROOM_TEMPERATURE)
        assert measured == pytest.approx(float(expected), rel=1e-10, abs=1e-12)


def test_gouy_chapman_potential_on_the_face_is_the_surface_potential_even_at_volts():
    surface = np.array([-3000.0, -10.0, 0.0, 1e-6, 3000.0])
    measured = theory.gouy_chapman_potential(0.0, surface, 150.0, 1, ROOM_TEMPERATURE)
    np.testing.assert_allclose(measured, surface, rtol=1e-12)


def test_grahame_charge_is_the_field_of_the_gouy_chapman_layer_at_the_face():
    step = 1e-5
    potentials = theory.gouy_chapman_potential(np.array([0.0, step]), 60.0, 150.0, 1, ROOM_TEMPERATURE)
    slope = (potentials[1] - potentials[0]) / step
    charge_density = theory.grahame_charge_density(60.0, 150.0, 1, ROOM_TEMPERATURE)
    assert charge_density == pytest.approx(-PERMITTIVITY * slope, rel=1e-4)


MIXTURE, MIXTURE_VALENCES = {"K": 80.0, "Ca": 30.0, "Cl": 140.0}, {"K": 1, "Ca": 2, "Cl": -1}


def test_a_mixture_of_one_symmetric_salt_is_gouy_and_chapmans():
    salt, valences = [40.0, 40.0], [2, -2]
    surface = np.array([-120.0, -1e-5, 0.0, 3.0, 200.0])
    measured = theory.mixture_charge_density(surface, salt, valences, ROOM_TEMPERATURE)
    expected = theory.grahame_charge_density(surface, 40.0, 2, ROOM_TEMPERATURE)
    np.testing.assert_allclose(measured, expected, rtol=1e-9)
    depth = np.array([2.0, 0.0, 0.3, 5.0])
    for face in (-150.0, 4.0):
        measured = theory.mixture_potential(depth, face, salt, valences, ROOM_TEMPERATURE)
        expected = theory.gouy_chapman_potential(depth, face, 40.0, 2, ROOM_TEMPERATURE)
        np.testing.assert_allclose(measured, expected, rtol=1e-9)


@pytest.mark.parametrize("surface", [-90.0, 60.0])
def test_the_layer_of_a_mixture_solves_poisson_and_boltzmann(surface):
    """The distance at which a potential is left, by mpmath's quadrature of the inverse field, and Gauss's law."""
    charge_density = theory.mixture_charge_density(surface, MIXTURE, MIXTURE_VALENCES, ROOM_TEMPERATURE)
    with mpmath.workdps(30):

        def field(potential):
            energy = sum(
                MIXTURE[name] * (mpmath.exp(-MIXTURE_VALENCES[name] * potential / THERMAL) - 1)
                for name in MIXTURE
            )
            density = energy * constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
            return mpmath.sqrt(2 * density * THERMAL / PERMITTIVITY)

        assert charge_density == pytest.approx(
            float(np.sign(surface) * PERMITTIVITY * field(surface)), rel=1e-12
        )
        distance = mpmath.quad(lambda potential: 1 / field(potential), sorted([surface / 10, surface]))
    measured = theory.mixture_potential(float(distance), surface, MIXTURE, MIXTURE_VALENCES, ROOM_TEMPERATURE)
    assert measured == pytest.approx(surface / 10, rel=1e-9)
    assert theory.mixture_potential(
        0.0, surface, MIXTURE, MIXTURE_VALENCES, ROOM_TEMPERATURE
    ) == pytest.approx(surface)


def test_calcium_makes_the_side_that_draws_it_hold_more_charge():
    drawn, repelled = (
        abs(theory.mixture_charge_density(surface, MIXTURE, MIXTURE_VALENCES, ROOM_TEMPERATURE))
        for surface in (-50.0, 50.0)
    )
    assert drawn > 1.1 * repelled


def test_a_mixture_must_be_neutral():
    with pytest.raises(ValueError, match="the bulk must be neutral"):
        theory.mixture_charge_density(10.0, [100.0, 90.0], [1, -1], ROOM_TEMPERATURE)


def test_grahame_charge_at_small_potentials_is_that_of_the_capacitance():
    capacitance = theory.diffuse_layer_capacitance([150.0, 150.0], [1, -1], ROOM_TEMPERATURE)
    charge_density = theory.grahame_charge_density(1e-6, 150.0, 1, ROOM_TEMPERATURE)
    assert charge_density == pytest.approx(1e-6 * capacitance, rel=1e-9)


def test_slab_takes_most_of_the_potential():
    salt = {"K": 150.0, "Cl": 150.0}
    valences = {"K": 1, "Cl": -1}
    fraction = theory.series_slab_fraction(6.2415e-5, salt, salt, valences, 310.15)
    assert fraction == pytest.approx(0.977, abs=5e-4)
    assert theory.series_slab_fraction(6.2415e-5, salt, {"K": 0.0}, valences, 310.15) == 0.0


def test_double_layer_refuses_negative_concentrations():
    with pytest.raises(ValueError, match="concentration must not be negative, found -1"):
        theory.debye_length([-1.0, 1.0], [1, -1], ROOM_TEMPERATURE)
    with pytest.raises(ValueError, match="membrane capacitance must be above zero"):
        theory.series_slab_fraction(0.0, [1.0], [1.0], [1], ROOM_TEMPERATURE)
