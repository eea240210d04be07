import numpy as np
import pytest

from mc import theory
from mc.membrane import transport
from mc.membrane.gating import FORMS, LAW
from mc.membrane.transport import PUMP, Pumps
from mc.streams import exponential, stream_key

SODIUM, POTASSIUM = 0, 1


def make_pumps(turnover=2.0):
    """Return one Na/K-ATPase: 3 Na out, 2 K in, half saturated at 10 and 1.5 mM."""
    stoichiometry = np.zeros((1, 2, 2), np.int64)
    stoichiometry[0, SODIUM, 0], stoichiometry[0, POTASSIUM, 1] = 3, 2
    laws = np.zeros(1, LAW).view(np.recarray)
    laws.rate, laws.scale = 1.0, 1.0
    return Pumps(
        each=np.zeros(1, PUMP).view(np.recarray),
        turnover=np.array([turnover]),
        stoichiometry=stoichiometry,
        exponents=stoichiometry.astype(float),
        half_saturation=np.array([[[10.0, 10.0], [1.5, 1.5]]]),
        laws=laws,
        is_reversible=np.zeros(1, np.bool_),
        exponent_per_potential=np.array([1.0 / 25.0]),
        cycles=np.zeros((1, 2), np.int64),
        potentials=np.zeros(1),
        concentrations=np.zeros((2, 2)),
        nearest=np.zeros((2, 2, transport.MOST_IONS), np.int64),
    )


def turnover_rate(concentrations):
    forward, backward = transport.cycle_rates.py_func(make_pumps(), 0, np.array(concentrations), -50.0)
    assert backward == 0.0
    return forward


@pytest.mark.parametrize(
    ("concentration", "ions", "expected"), [(10.0, 3, 1 / 8), (0.0, 2, 0.0), (30.0, 2, 9 / 16)]
)
def test_saturation_is_the_chance_that_all_sites_are_filled(concentration, ions, expected):
    assert transport.saturation(concentration, 10.0, ions) == pytest.approx(expected)


def test_turnover_rate_at_half_saturation_of_both_ions():
    """2/ns (1/2)^3 (1/2)^2: only sodium inside and potassium outside count."""
    assert turnover_rate([[10.0, 145.0], [140.0, 1.5]]) == pytest.approx(2.0 / 32)
    assert turnover_rate([[10.0, 0.0], [0.0, 1.5]]) == pytest.approx(2.0 / 32)


def test_turnover_rate_saturates_and_vanishes_without_ions():
    assert turnover_rate([[1e9, 0.0], [0.0, 1e9]]) == pytest.approx(2.0)
    assert turnover_rate([[0.0, 145.0], [140.0, 5.0]]) == 0.0
    assert turnover_rate([[12.0, 145.0], [140.0, 0.0]]) == 0.0


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("wanted", [1, 3, 16])
def test_find_nearest_is_what_sorting_finds(side, wanted):
    random = np.random.default_rng(4)
    positions = (random.uniform(0.1, 20.0, 200) * random.choice([-1, 1], 200)).astype(np.float32)
    positions[[60, 70]] = 1e6  # in pores
    first, last = 50, 150
    nearest = np.full(wanted, -1)
    found = transport.find_nearest.py_func(positions, first, last, side, 20.0, nearest)
    distance = positions[first:last] * (1 if side else -1)
    order = np.argsort(np.where((distance > 0) & (distance <= 20.0), distance, np.inf))
    assert found == wanted
    np.testing.assert_array_equal(nearest, first + order[:wanted])


def test_find_nearest_finds_no_more_than_there_are():
    positions = np.array([-1.0, 2.0, -0.5, 1e6, 30.0], np.float32)
    nearest = np.zeros(3, np.int64)
    assert transport.find_nearest.py_func(positions, 0, 5, 0, 20.0, nearest) == 2
    assert list(nearest[:2]) == [2, 0]
    assert transport.find_nearest.py_func(positions, 0, 5, 1, 20.0, nearest) == 1
    assert transport.find_nearest.py_func(positions, 2, 2, 0, 20.0, nearest) == 0


def test_cycles_fall_due_when_the_integrated_rate_has_used_up_the_waiting():
    pump, key = make_pumps().each[0], stream_key(1, 8)
    pump.remaining = 1.0
    assert transport.integrate_rate.py_func(pump, 0, 0.25, 3.0, key) == 0
    assert pump.remaining == pytest.approx(0.25)
    due = transport.integrate_rate.py_func(pump, 0, 0.25, 1.0 + 1e-9, key)
    assert due == 1
    assert pump.remaining == pytest.approx(exponential(key, 0, 1), abs=1e-6)


def test_the_number_of_cycles_does_not_depend_on_how_time_is_cut():
    key, counts = stream_key(2, 8), []
    for steps in (1, 10, 1000):
        pump = make_pumps().each[0]
        counts.append(
            sum(transport.integrate_rate.py_func(pump, 0, 0.5, 200.0 / steps, key) for _ in range(steps))
        )
    assert counts[0] == counts[1] == counts[2]
    assert 50 < counts[0] < 150


def test_a_pump_without_a_rate_waits():
    pump, key = make_pumps().each[0], stream_key(1, 8)
    pump.remaining = 1e-9
    assert transport.integrate_rate.py_func(pump, 0, 0.0, 1e9, key) == 0


# --- transporters ---

VALENCES = {"Na": 1, "K": 1}


def make_transporter(potassium_in=False):
    """Return an Na/K carrier: one Na out, alone or with one K in, other half saturations outside."""
    pumps = make_pumps()
    pumps.stoichiometry[:] = 0
    pumps.stoichiometry[0, SODIUM, 0] = 2
    pumps.stoichiometry[0, POTASSIUM, 1] = int(potassium_in)
    pumps.exponents[:] = pumps.stoichiometry
    pumps.half_saturation[:] = [[[10.0, 40.0], [20.0, 1.5]]]
    pumps.is_reversible[:] = True
    pumps.exponent_per_potential[:] = (2 - int(potassium_in)) / theory.species.thermal_potential(310.15)
    return pumps


@pytest.mark.parametrize("potassium_in", [False, True])
@pytest.mark.parametrize("potential", [-90.0, 0.0, 35.0])
def test_rates_of_a_transporter_are_those_of_theory(potassium_in, potential):
    concentrations = np.array([[15.0, 120.0], [110.0, 4.0]])
    inside, outside = (dict(zip(("Na", "K"), concentrations[:, side], strict=True)) for side in range(2))
    inward = {"K": 1} if potassium_in else {}
    expected = theory.transporter_rates(
        2.0,
        {"Na": 2},
        inward,
        {"Na": 10.0, "K": 1.5},
        {"Na": 40.0, "K": 20.0},
        inside,
        outside,
        VALENCES,
        potential,
        310.15,
    )
    found = transport.cycle_rates.py_func(make_transporter(potassium_in), 0, concentrations, potential)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_transporter_without_ions_on_one_side_runs_one_way():
    pumps = make_transporter()
    forward, backward = transport.cycle_rates.py_func(pumps, 0, np.array([[15.0, 0.0], [0.0, 0.0]]), 0.0)
    assert forward > 0.0
    assert backward == 0.0
    forward, backward = transport.cycle_rates.py_func(pumps, 0, np.array([[0.0, 15.0], [0.0, 0.0]]), 0.0)
    assert forward == 0.0
    assert backward > 0.0


def test_directions_are_drawn_in_proportion_to_the_rates():
    key, pump = stream_key(1, 3), np.zeros(1, PUMP).view(np.recarray)[0]
    directions = []
    for n in range(4000):
        pump.n_draws = n
        directions.append(transport.choose_direction.py_func(pump, 0, 0, 3.0, 1.0, key))
    # 3000 of 4000 with a standard deviation of 27; beyond five of them once in 2e6 seeds.
    assert abs(directions.count(transport.FORWARD) - 3000) < 5 * 27.4
    assert transport.choose_direction.py_func(pump, 0, 0, 0.0, 1.0, key) == transport.BACKWARD


def test_a_hill_number_replaces_the_ions_of_a_cycle_in_the_saturation():
    pumps = make_pumps()
    pumps.exponents[0, SODIUM, 0] = 1.5
    forward, _ = transport.cycle_rates.py_func(pumps, 0, np.array([[10.0, 0.0], [0.0, 1.5]]), 0.0)
    assert forward == pytest.approx(2.0 * 0.5**1.5 * 0.5**2)


def test_a_pump_may_depend_on_the_potential():
    pumps = make_pumps()
    pumps.laws.form, pumps.laws.midpoint, pumps.laws.scale = FORMS.index("HHSigmoidRate"), -60.0, 20.0
    full = np.array([[1e9, 0.0], [0.0, 1e9]])
    assert transport.cycle_rates.py_func(pumps, 0, full, -60.0)[0] == pytest.approx(1.0)
    assert transport.cycle_rates.py_func(pumps, 0, full, -1e6)[0] > 0.0
