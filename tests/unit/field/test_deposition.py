import numpy as np
import pytest
from numba import njit

from mc.field import deposition
from mc.field.deposition import COUNT_SHIFT, HISTOGRAMS, PARKED, WEIGHT_ONE, Sums

SPACING = 0.25
STRIDE = 42  # 40 cells of a bath of 10 nm, one for the far wall itself, one for ions in no bath
INVERSE_SPACING = np.float32(1.0 / SPACING)


def make_sums(n_species=2):
    shape = (n_species, 2 * STRIDE)
    return Sums(np.zeros(shape, np.int64), np.zeros(shape, np.int64), INVERSE_SPACING, STRIDE)


def random_positions(n, seed=1):
    random = np.random.default_rng(seed)
    return (random.uniform(1e-6, 10.0, n) * random.choice([-1, 1], n)).astype(np.float32)


@njit
def deposit_block(positions, cells, weights, histograms, counts, weight_sums, inverse_spacing, stride):
    deposition.find_cells_and_weights(positions, cells, weights, inverse_spacing, stride)
    deposition.deposit(cells, weights, histograms)
    deposition.add_histograms(histograms, counts, weight_sums)


def deposit_all(positions, species, sums):
    histograms = np.zeros((HISTOGRAMS, 2 * STRIDE), np.uint64)
    cells, weights = (np.zeros(positions.size, np.uint32) for _ in range(2))
    deposit_block(
        positions, cells, weights, histograms, sums.counts[species], sums.weight_sums[species], *sums[2:]
    )
    assert not histograms.any()


@pytest.mark.parametrize(
    ("x", "cell"),
    [(-0.1, 0), (-0.3, 1), (-9.9, 39), (0.1, STRIDE), (0.3, STRIDE + 1), (10.0, STRIDE + 40)],
)
def test_find_cell_counts_away_from_the_membrane_on_either_side(x, cell):
    assert deposition.find_cell(np.float32(x), INVERSE_SPACING, STRIDE) == cell


def test_ions_in_no_bath_are_in_the_last_cell():
    assert deposition.find_cell(PARKED, INVERSE_SPACING, STRIDE) == 2 * STRIDE - 1
    assert deposition.find_cell(-PARKED, INVERSE_SPACING, STRIDE) == STRIDE - 1


@pytest.mark.parametrize(("x", "share"), [(0.05, 0.2), (-0.05, 0.2), (0.125, 0.5), (-0.45, 0.8)])
def test_weigh_gives_the_share_of_the_far_node(x, share):
    assert deposition.weigh(np.float32(x), INVERSE_SPACING) == pytest.approx(share * WEIGHT_ONE, abs=1)


@pytest.mark.parametrize("n", [1, 3, 4, 1000, 2047])
def test_deposit_counts_every_ion_once_and_sums_their_weights(n):
    positions, sums = random_positions(n), make_sums()
    deposit_all(positions, 1, sums)
    cells = np.array([deposition.find_cell(x, INVERSE_SPACING, STRIDE) for x in positions])
    weights = np.array([deposition.weigh(x, INVERSE_SPACING) for x in positions], dtype=np.int64)
    np.testing.assert_array_equal(sums.counts[1], np.bincount(cells, minlength=2 * STRIDE))
    np.testing.assert_array_equal(sums.weight_sums[1], np.bincount(cells, weights, 2 * STRIDE).astype(int))
    assert not sums.counts[0].any()


def test_the_parts_of_a_histogram_entry_cannot_run_into_each_other():
    """As many ions as a histogram ever sees at once, all with the largest weight, in one cell."""
    most = 2**20
    assert most * WEIGHT_ONE < 1 << COUNT_SHIFT
    sums = make_sums()
    positions = np.full(2048, np.nextafter(np.float32(SPACING), np.float32(0)), np.float32)
    deposit_all(positions, 0, sums)
    assert sums.counts[0, STRIDE] == 2048
    assert sums.weight_sums[0, STRIDE] == 2048 * WEIGHT_ONE


def test_withdrawing_every_ion_leaves_exactly_nothing():
    positions, sums = random_positions(500), make_sums()
    deposit_all(positions, 0, sums)
    for x in positions:
        deposition.withdraw.py_func(x, 0, sums)
    assert not sums.counts.any()
    assert not sums.weight_sums.any()


def test_restore_puts_back_what_withdraw_took_and_does_what_deposit_does():
    positions, sums, by_hand = random_positions(300, seed=2), make_sums(), make_sums()
    deposit_all(positions, 1, sums)
    for x in positions:
        deposition.restore.py_func(x, 1, by_hand)
    np.testing.assert_array_equal(by_hand.counts, sums.counts)
    np.testing.assert_array_equal(by_hand.weight_sums, sums.weight_sums)
