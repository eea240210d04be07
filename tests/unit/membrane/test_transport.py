import numpy as np
import pytest

from mc.membrane import transport
from mc.membrane.gating import LAW
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
