import numpy as np
import pytest

from mc.engines.brownian import pumping
from mc.field import deposition
from mc.field.deposition import Sums
from mc.membrane import transport
from mc.membrane.gating import LAW
from mc.membrane.transport import PUMP, PUMP_MOVE, PumpMoves, Pumps

SODIUM, POTASSIUM = 0, 1
STRIDE, LENGTHS = 42, np.array([10.0, 5.0])


@pytest.fixture(autouse=True)
def in_python(monkeypatch):
    """Let kernels that only kernels call be called from Python."""
    for name in (
        "find_ions",
        "find_nearest",
        "take_out",
        "put_in",
        "cycle_rates",
        "integrate_rate",
        "ions_taken",
    ):
        monkeypatch.setattr(pumping, name, getattr(pumping, name).py_func)
    for name in ("withdraw", "restore"):
        monkeypatch.setattr(deposition, name, getattr(deposition, name).py_func)


def make_pumps():
    """Return one pump of 3 Na out and 2 K in that turns 2 times a ns at most."""
    stoichiometry = np.zeros((1, 2, 2), np.int64)
    stoichiometry[0, SODIUM, 0], stoichiometry[0, POTASSIUM, 1] = 3, 2
    laws = np.zeros(1, LAW).view(np.recarray)
    laws.rate, laws.scale = 1.0, 1.0
    return Pumps(
        each=np.zeros(1, PUMP).view(np.recarray),
        turnover=np.array([2.0]),
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


def make_moves():
    return PumpMoves(np.zeros(1, np.int64), np.zeros(100, PUMP_MOVE).view(np.recarray))


def deposit(positions, first_ion):
    sums = Sums(
        np.zeros((2, 2 * STRIDE), np.int64), np.zeros((2, 2 * STRIDE), np.int64), np.float32(4.0), STRIDE
    )
    for species in range(2):
        for x in positions[first_ion[species] : first_ion[species + 1]]:
            deposition.restore(x, species, sums)
    return sums


def turn(positions, first_ion):
    pumps, moves, sums = make_pumps(), make_moves(), deposit(positions, first_ion)
    turned = pumping.turn.py_func(pumps, 0, 0, 0, 41, positions, first_ion, LENGTHS, sums, moves)
    return turned, pumps, moves, sums


def test_a_cycle_takes_the_nearest_ions_to_the_other_side_at_their_distance():
    positions = np.array([-1.0, -9.0, -0.5, -3.0, 0.2, 4.0, 1.0, 2.0, -0.1], np.float32)
    first_ion = np.array([0, 5, 9])
    turned, pumps, moves, sums = turn(positions, first_ion)
    assert turned
    np.testing.assert_allclose(positions, [1.0, -9.0, 0.5, 3.0, 0.2, 4.0, -1.0, -2.0, -0.1])
    assert pumps.cycles[0, 0] == 1
    rows = moves.rows[: moves.n[0]]
    assert list(rows.ion) == [2, 0, 3, 6, 7]
    assert list(rows.species) == [SODIUM] * 3 + [POTASSIUM] * 2
    assert list(rows.direction) == [1, 1, 1, -1, -1]
    assert set(rows.step) == {42}
    assert set(rows.cycle) == {0}
    fresh = deposit(positions, first_ion)
    np.testing.assert_array_equal(sums.counts, fresh.counts)
    np.testing.assert_array_equal(sums.weight_sums, fresh.weight_sums)


@pytest.mark.parametrize(
    "positions",
    [
        [-1.0, -2.0, 3.0, 1.0, 2.0],  # two sodium ions inside
        [-1.0, -2.0, -3.0, 1.0, -2.0],  # one potassium ion outside
        [-1.0, -2.0, -3.0, 1.0, 1e6],  # one outside, one in a pore
    ],
)
def test_no_cycle_where_an_ion_is_missing_and_nothing_moves(positions):
    positions = np.array(positions, np.float32)
    before = positions.copy()
    turned, pumps, moves, _ = turn(positions, np.array([0, 3, 5]))
    assert not turned
    np.testing.assert_array_equal(positions, before)
    assert pumps.cycles[0, 0] == moves.n[0] == 0


def test_an_ion_from_deep_in_the_longer_bath_stays_within_the_shorter_one():
    positions = np.array([-8.0, -9.0, -7.0, 1.0, 2.0], np.float32)
    turned, *_ = turn(positions, np.array([0, 3, 5]))
    assert turned
    np.testing.assert_allclose(positions[:3], 5.0)


def test_pumps_sense_the_ions_within_reach_and_no_others():
    """Within 5 nm of 100 nm2 are 500 nm3: one ion at 0.01 of them per nm3 and mM is 0.2 mM."""
    positions = np.array([-1.0, -4.9, -5.1, 4.0, 1.0, 1e6], np.float32)
    sums, concentrations = deposit(positions, np.array([0, 4, 6])), np.zeros((2, 2))
    pumping.local_concentrations.py_func(sums, LENGTHS, 100.0, 0.01, concentrations)
    np.testing.assert_allclose(concentrations, [[0.4, 0.2], [0.0, 0.2]])
