import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq

from mc import constants, theory

BODY_TEMPERATURE = 310.15
THERMAL = constants.thermal_potential(BODY_TEMPERATURE)
INSIDE = {"K": 140.0, "Na": 12.0, "Cl": 10.0, "Ca": 1e-4}
OUTSIDE = {"K": 5.0, "Na": 145.0, "Cl": 115.0, "Ca": 1.8}
VALENCE = {"K": 1, "Na": 1, "Cl": -1, "Ca": 2}
PERMEABILITY = {"K": 1.0, "Na": 0.04, "Cl": 0.45}


def exact_one_way_fluxes(permeability, inside, outside, valence, potential, temperature):
    """Both one-way fluxes, straight from the formula, with digits enough for the smallest potentials."""
    with mpmath.workdps(350):
        thermal = mpmath.mpf(constants.BOLTZMANN_POTENTIAL_PER_KELVIN) * temperature
        scale = permeability * mpmath.mpf(constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)
        u = valence * mpmath.mpf(potential) / thermal
        if u == 0:
            return scale * inside, scale * outside
        return scale * inside * u / (1 - mpmath.exp(-u)), scale * outside * u / (mpmath.exp(u) - 1)


@pytest.mark.parametrize("valence", [-2, -1, 1, 2, 3])
def test_nernst_potential_is_the_logarithm_of_the_ratio(valence):
    generator = np.random.default_rng(11)
    for inside, outside in 10.0 ** generator.uniform(-6, 3, (50, 2)):
        with mpmath.workdps(50):
            expected = mpmath.mpf(THERMAL) / valence * mpmath.log(mpmath.mpf(outside) / mpmath.mpf(inside))
        measured = theory.nernst_potential(valence, inside, outside, BODY_TEMPERATURE)
        assert measured == pytest.approx(float(expected), rel=1e-12, abs=1e-12)


def test_nernst_potential_of_a_mammalian_neuron():
    potentials = theory.nernst_potential(VALENCE, INSIDE, OUTSIDE, BODY_TEMPERATURE)
    assert potentials == pytest.approx({"K": -89.06, "Na": 66.60, "Cl": -65.28, "Ca": 130.94}, abs=0.005)


@pytest.mark.parametrize(("valence", "sign"), [(1, -1), (2, -1), (-1, 1)])
def test_nernst_potential_with_one_empty_side_is_infinite(valence, sign):
    assert theory.nernst_potential(valence, 10.0, 0.0, BODY_TEMPERATURE) == sign * np.inf
    assert theory.nernst_potential(valence, 0.0, 10.0, BODY_TEMPERATURE) == -sign * np.inf
    assert np.isnan(theory.nernst_potential(valence, 0.0, 0.0, BODY_TEMPERATURE))
    assert theory.nernst_potential({"X": valence}, {"X": 10.0}, {}, BODY_TEMPERATURE)["X"] == sign * np.inf


def test_nernst_potential_broadcasts():
    potentials = theory.nernst_potential([[1], [-1]], [1.0, 2.0, 4.0], 2.0, BODY_TEMPERATURE)
    assert potentials.shape == (2, 3)
    assert potentials[1] == pytest.approx(-potentials[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1.0, 1.0, 300.0), "valence must not be zero"),
        ((1, -1.0, 1.0, 300.0), "inside concentration must not be negative, found -1"),
        ((1, 1.0, -2.0, 300.0), "outside concentration must not be negative, found -2"),
        ((1, 1.0, 1.0, 0.0), "temperature must be above 0 K, found 0"),
        (({}, {"K": 1.0}, {"K": 1.0}, 300.0), "no valence given for K"),
    ],
)
def test_nernst_potential_refuses_what_has_no_meaning(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.nernst_potential(*arguments)


def test_ghk_potential_equals_the_closed_form_for_monovalent_ions():
    generator = np.random.default_rng(12)
    permeability = generator.uniform(0, 1, (3, 200))
    inside, outside = 10.0 ** generator.uniform(-3, 3, (2, 3, 200))
    flows_in = permeability[:2] * outside[:2]
    flows_out = permeability[:2] * inside[:2]
    numerator = flows_in.sum(axis=0) + permeability[2] * inside[2]
    denominator = flows_out.sum(axis=0) + permeability[2] * outside[2]
    expected = THERMAL * np.log(numerator / denominator)
    measured = theory.ghk_potential(permeability, inside, outside, [1, 1, -1], BODY_TEMPERATURE)
    np.testing.assert_allclose(measured, expected, rtol=1e-11, atol=1e-11)


def test_ghk_potential_of_any_valences_equals_an_independent_root():
    generator = np.random.default_rng(13)
    for _ in range(30):
        valence = generator.choice([-3, -2, -1, 1, 2, 3, 4], 4)
        permeability = generator.uniform(0, 1, 4)
        inside, outside = 10.0 ** generator.uniform(-4, 3, (2, 4))
        extra_current = float(generator.normal(0.0, 0.01))

        def total_current(potential):
            fluxes = [
                np.subtract(*exact_one_way_fluxes(p, c_in, c_out, int(z), potential, BODY_TEMPERATURE))
                * int(z)
                for p, c_in, c_out, z in zip(permeability, inside, outside, valence, strict=True)  # noqa: B023
            ]
            return float(sum(fluxes) + extra_current)  # noqa: B023

        expected = brentq(total_current, -5000.0, 5000.0, xtol=1e-11, rtol=1e-14)
        measured = theory.ghk_potential(
            permeability, inside, outside, valence, BODY_TEMPERATURE, current=extra_current
        )
        assert measured == pytest.approx(expected, abs=1e-9, rel=1e-9)


def test_ghk_potential_of_one_ion_is_its_nernst_potential():
    for name in INSIDE:
        measured = theory.ghk_potential({name: 0.3}, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE)
        expected = theory.nernst_potential(VALENCE[name], INSIDE[name], OUTSIDE[name], BODY_TEMPERATURE)
        assert measured == pytest.approx(expected, abs=1e-10)


def test_ghk_potential_leaves_no_net_current_with_calcium_and_a_pump():
    permeability = {"K": 14.8, "Na": 0.16, "Cl": 0.5, "Ca": 0.01}
    pump_current = 2e-3
    potential = theory.ghk_potential(
        permeability, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE, current=pump_current
    )
    without_pump = theory.ghk_potential(permeability, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE)
    currents = theory.ghk_current(permeability, INSIDE, OUTSIDE, VALENCE, potential, BODY_TEMPERATURE)
    assert sum(currents.values()) == pytest.approx(-pump_current, rel=1e-9)
    assert potential < without_pump


def test_ghk_potential_takes_arrays_and_dicts_alike():
    names = list(PERMEABILITY)
    outside = {name: OUTSIDE[name] * np.array([1.0, 2.0, 3.0]) for name in names}
    by_dict = theory.ghk_potential(PERMEABILITY, INSIDE, outside, VALENCE, BODY_TEMPERATURE)
    by_array = theory.ghk_potential(
        [PERMEABILITY[name] for name in names],
        [INSIDE[name] for name in names],
        np.stack([outside[name] for name in names]),
        [VALENCE[name] for name in names],
        BODY_TEMPERATURE,
    )
    assert by_dict.shape == (3,)
    np.testing.assert_array_equal(by_dict, by_array)
    alone = theory.ghk_potential(PERMEABILITY, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE)
    assert by_dict[0] == pytest.approx(alone, abs=1e-10)


@pytest.mark.parametrize(
    ("inside", "outside", "valence", "expected"),
    [
        ({"K": 140.0}, {}, {"K": 1}, -np.inf),
        ({}, {"Ca": 2.0}, {"Ca": 2}, np.inf),
        ({"Cl": 10.0}, {}, {"Cl": -1}, np.inf),
        ({"K": 140.0}, {"Cl": 10.0}, {"K": 1, "Cl": -1}, -np.inf),
    ],
)
def test_ghk_potential_is_infinite_where_current_can_flow_one_way_only(inside, outside, valence, expected):
    permeability = dict.fromkeys(valence, 1.0)
    assert theory.ghk_potential(permeability, inside, outside, valence, BODY_TEMPERATURE) == expected


def test_ghk_potential_is_finite_where_a_pump_opposes_a_one_way_ion():
    balance = theory.ghk_potential(
        {"K": 1.0}, {"K": 0.0}, {"K": 5.0}, VALENCE, BODY_TEMPERATURE, current=1e-3
    )
    inward = theory.ghk_current(1.0, 0.0, 5.0, 1, balance, BODY_TEMPERATURE)
    assert inward == pytest.approx(-1e-3, rel=1e-9)


def test_ghk_potential_is_no_number_without_ions_or_permeability_in_one_element():
    potentials = theory.ghk_potential([[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]], [[1.0, 0.0, 1.0]], [1], 300.0)
    assert potentials[0] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(potentials[1:]).all()


@pytest.mark.parametrize(
    ("permeability", "message"),
    [
        ({"K": 0.0, "Na": 0.0}, "no permeability is above zero"),
        ({}, "no permeability given for K"),
        ({"K": -1.0}, "permeability must not be negative, found -1"),
        ({"k": 1.0}, "no concentration given for k, neither inside nor outside"),
    ],
)
def test_ghk_potential_refuses_what_has_no_meaning(permeability, message):
    with pytest.raises(ValueError, match=message):
        theory.ghk_potential(permeability, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE)


@pytest.mark.parametrize("valence", [-2, -1, 1, 2])
@pytest.mark.parametrize("potential", [-1000.0, -70.0, -1e-3, -1e-9, 0.0, 1e-300, 1e-6, 50.0, 1000.0])
def test_ghk_flux_equals_its_formula(valence, potential):
    arguments = (0.037, 140.0, 5.0, valence, potential, BODY_TEMPERATURE)
    outward, inward = exact_one_way_fluxes(*arguments)
    fluxes = theory.ghk_flux(*arguments)
    assert fluxes.outward == pytest.approx(float(outward), rel=1e-12)
    assert fluxes.inward == pytest.approx(float(inward), rel=1e-12)
    assert fluxes.net == fluxes.outward - fluxes.inward
    assert theory.ghk_current(*arguments) == valence * fluxes.net


def test_ghk_flux_at_huge_potentials_is_a_drift_without_overflow():
    with np.errstate(all="raise"):
        fluxes = theory.ghk_flux(1.0, 100.0, 100.0, 1, np.array([-1e6, 1e6]), BODY_TEMPERATURE)
    drift = 100.0 * constants.IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * 1e6 / THERMAL
    np.testing.assert_allclose(fluxes.outward, [0.0, drift])
    np.testing.assert_allclose(fluxes.inward, [drift, 0.0])


def test_inside_positive_drives_cations_outward_and_anions_inward():
    assert theory.ghk_flux(1.0, 100.0, 100.0, 1, 50.0, BODY_TEMPERATURE).net > 0
    assert theory.ghk_flux(1.0, 100.0, 100.0, -1, 50.0, BODY_TEMPERATURE).net < 0


def test_ghk_flux_of_dicts_is_by_species():
    fluxes = theory.ghk_flux(PERMEABILITY, INSIDE, OUTSIDE, VALENCE, -70.0, BODY_TEMPERATURE)
    assert list(fluxes.net) == list(PERMEABILITY)
    alone = theory.ghk_flux(0.45, 10.0, 115.0, -1, -70.0, BODY_TEMPERATURE)
    assert (fluxes.outward["Cl"], fluxes.inward["Cl"], fluxes.net["Cl"]) == alone


@pytest.mark.parametrize("valence", [-1, 1, 2])
def test_ussing_flux_ratio_is_the_ratio_of_the_one_way_fluxes(valence):
    potentials = np.array([-120.0, -10.0, 0.0, 80.0])
    fluxes = theory.ghk_flux(0.1, 30.0, 7.0, valence, potentials, BODY_TEMPERATURE)
    ratio = theory.ussing_flux_ratio(30.0, 7.0, valence, potentials, BODY_TEMPERATURE)
    np.testing.assert_allclose(ratio, fluxes.outward / fluxes.inward, rtol=1e-12)


def test_mullins_noda_is_the_root_with_a_pump_that_balances_both_leaks():
    permeability = {"K": 10.0, "Na": 0.4}
    potential = theory.mullins_noda_potential(permeability, INSIDE, OUTSIDE, BODY_TEMPERATURE)
    leaks = theory.ghk_flux(permeability, INSIDE, OUTSIDE, VALENCE, potential, BODY_TEMPERATURE).net
    assert leaks["Na"] / leaks["K"] == pytest.approx(-1.5, rel=1e-9)
    with_pump = theory.ghk_potential(
        permeability, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE, current=-leaks["K"] - leaks["Na"]
    )
    assert with_pump == pytest.approx(potential, abs=1e-9)


def test_mullins_noda_with_a_neutral_pump_is_ghk():
    arguments = ([10.0, 0.4], [140.0, 12.0], [5.0, 145.0])
    neutral = theory.mullins_noda_potential(*arguments, BODY_TEMPERATURE, ratio=1.0)
    assert neutral == pytest.approx(theory.ghk_potential(*arguments, [1, 1], BODY_TEMPERATURE), abs=1e-10)
    assert theory.mullins_noda_potential(*arguments, BODY_TEMPERATURE) < neutral


@pytest.mark.parametrize("valence", [1, 2])
@pytest.mark.parametrize("fixed_charge", [-500.0, -1e-6, 0.0, 3.0, 1e6])
def test_donnan_potential_of_one_salt_is_its_closed_form(valence, fixed_charge):
    measured = theory.donnan_potential([80.0, 80.0], [valence, -valence], fixed_charge, BODY_TEMPERATURE)
    expected = THERMAL / valence * np.arcsinh(fixed_charge / (2.0 * valence * 80.0))
    assert measured == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_donnan_potential_neutralises_the_inside_for_any_valences():
    bath = {"K": 5.0, "Na": 145.0, "Ca": 2.0, "Cl": 154.0}
    fixed_charge = np.array([-150.0, -20.0, 40.0])
    potential = theory.donnan_potential(bath, VALENCE, fixed_charge, BODY_TEMPERATURE)
    charge = sum(VALENCE[s] * c * np.exp(-VALENCE[s] * potential / THERMAL) for s, c in bath.items())
    np.testing.assert_allclose(charge, -fixed_charge, rtol=1e-11)
    assert np.sign(potential).tolist() == [-1, -1, 1]


def test_donnan_potential_is_infinite_without_the_counter_ions():
    assert theory.donnan_potential([10.0, 0.0], [-1, 1], -5.0, BODY_TEMPERATURE) == -np.inf


def test_currents_and_temperatures_may_be_arrays_that_the_species_are_not():
    arguments = (PERMEABILITY, INSIDE, OUTSIDE, VALENCE)
    currents = np.array([0.0, 0.01])
    potentials = theory.ghk_potential(*arguments, BODY_TEMPERATURE, current=currents)
    alone = [theory.ghk_potential(*arguments, BODY_TEMPERATURE, current=current) for current in currents]
    np.testing.assert_allclose(potentials, alone, rtol=1e-12)
    by_temperature = theory.ghk_potential(*arguments, [BODY_TEMPERATURE, 2 * BODY_TEMPERATURE])
    assert by_temperature[1] == pytest.approx(2 * by_temperature[0])


# --- transporters ---

EXCHANGER = ({"Ca": 1}, {"Na": 3})
VALENCES = {"Na": 1, "Ca": 2, "K": 1, "Cl": -1}


def rates(outward, inward, inside, outside, potential, half=5.0, opposite=2.0):
    names = [*outward, *inward]
    return theory.transporter_rates(
        1.0,
        outward,
        inward,
        dict.fromkeys(names, half),
        dict.fromkeys(names, opposite),
        inside,
        outside,
        VALENCES,
        potential,
        BODY_TEMPERATURE,
    )


@pytest.mark.parametrize("potential", [-80.0, 0.0, 40.0])
@pytest.mark.parametrize(
    ("outward", "inward"),
    [EXCHANGER, ({"K": 1, "Cl": 1}, {}), ({}, {"Na": 1, "K": 1, "Cl": 2}), ({"K": 1}, {})],
)
def test_the_ratio_of_a_transporters_rates_is_that_of_its_free_energy(outward, inward, potential):
    """From electrochemical potentials kT ln c + z e V, summed over the ions of a cycle."""
    inside = {"Na": 12.0, "Ca": 2e-4, "K": 140.0, "Cl": 9.0}
    outside = {"Na": 145.0, "Ca": 1.8, "K": 5.0, "Cl": 115.0}
    thermal = constants.thermal_potential(BODY_TEMPERATURE)

    def energy(name):
        return np.log(inside[name] / outside[name]) + VALENCES[name] * potential / thermal

    gained = sum(n * energy(name) for name, n in outward.items()) - sum(
        n * energy(name) for name, n in inward.items()
    )
    forward, backward = rates(outward, inward, inside, outside, potential)
    assert np.log(forward / backward) == pytest.approx(gained, rel=1e-9)


def test_an_exchanger_reverses_at_three_times_sodium_minus_twice_calcium():
    inside, outside = {"Na": 12.0, "Ca": 2e-4}, {"Na": 145.0, "Ca": 1.8}
    reversal = theory.transporter_reversal_potential(*EXCHANGER, inside, outside, VALENCES, BODY_TEMPERATURE)
    sodium, calcium = (
        theory.nernst_potential(VALENCES[name], inside[name], outside[name], BODY_TEMPERATURE)
        for name in ("Na", "Ca")
    )
    assert reversal == pytest.approx(3 * sodium - 2 * calcium)
    forward, backward = rates(*EXCHANGER, inside, outside, reversal)
    assert forward == pytest.approx(backward, rel=1e-9)
    forward, backward = rates(*EXCHANGER, inside, outside, reversal - 10.0)
    assert forward > backward


def test_a_neutral_cotransporter_has_no_reversal_potential():
    inside = outside = {"K": 1.0, "Cl": 1.0}
    with pytest.raises(ValueError, match="no net charge"):
        theory.transporter_reversal_potential(
            {"K": 1, "Cl": 1}, {}, inside, outside, VALENCES, BODY_TEMPERATURE
        )
