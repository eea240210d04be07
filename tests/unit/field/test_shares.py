import numpy as np
import pytest
from numba import njit, set_num_threads
from plane_ions import N_ALONG, SPACING, STRIDE, WIDTH, bilinear, make_box, random_ions

from mc.compilation import entry_point
from mc.field import deposition, poisson, shares
from mc.field.deposition import PARKED
from mc.field.shares import FULL, SHARE_ONE

VALENCES = np.array([1, -1, 2])
ALIKE = np.array([2, -1, 2])
CHUNK_SPECIES = ((0, 2), (0, 2))


@pytest.fixture(autouse=True)
def threads():
    set_num_threads(2)


@pytest.fixture
def mesh():
    return make_box()


@entry_point
def deposit(x, y, mesh, apart, own, common, cells, words, table, spilled, has_spilled):
    shares.find_shares(
        x,
        y,
        mesh,
        apart,
        own,
        common,
        cells,
        words.view(np.uint32),
    )
    shares.add_shares(words, cells, mesh.row, table, spilled, has_spilled)


@entry_point
def merge(tables, valences, mesh, all_apart, scratch, sums):
    shares.merge_tables(tables, valences, mesh, all_apart, scratch, sums, None)


@entry_point
def merge_and_count(tables, valences, mesh, scratch, sums, ions_in_cells):
    shares.merge_tables(tables, valences, mesh, True, scratch, sums, ions_in_cells)


@entry_point
def add(x, y, ions, species, valences, weighed, mesh, sums):
    for k in range(x.size):
        if ions > 0:
            shares.restore(x[k], y[k], species, valences[species], weighed, mesh, sums)
        else:
            shares.withdraw(x[k], y[k], species, valences[species], weighed, mesh, sums)


def make_tables(mesh, valences=VALENCES, chunk_species=CHUNK_SPECIES, weighed=STRIDE):
    weighed = np.broadcast_to(weighed, valences.size)
    return shares.make_tables(mesh, valences, np.array(chunk_species), weighed)


def tables_of(x, y, mesh, species=0, tables=None, chunk=0, all_apart=False):
    tables = make_tables(mesh) if tables is None else tables
    deposit(
        x,
        y,
        mesh,
        shares.entries_apart(all_apart, tables.weighed[species], mesh),
        *tables.starts[species],
        np.zeros(x.size, np.uint32),
        np.zeros(x.size, np.uint64),
        tables.words[chunk],
        tables.spilled[chunk],
        tables.has_spilled[chunk],
    )
    return tables


def is_empty(tables):
    return not any(table.any() for table in (tables.words, tables.spilled, tables.has_spilled))


def merged(tables, mesh, workers=2, valences=VALENCES, all_apart=False):
    sums = shares.make_sums(mesh, 3)
    sums.weights[:], sums.charges[:], sums.counts[:] = 7, 7, 7
    scratch = shares.make_merge_scratch(mesh, 3, workers)
    merge(tables, valences, mesh, all_apart, scratch, sums)
    return sums


def deposited(x, y, mesh, species=0, workers=2):
    return merged(tables_of(x, y, mesh, species), mesh, workers)


@pytest.mark.parametrize("n", [1, 5, 2048])
def test_deposit_conserves_charge_and_its_first_moment(mesh, n):
    x, y = random_ions(n)
    charges = deposited(x, y, mesh, species=2).charges
    assert charges.sum() == 2 * n * SHARE_ONE
    outside = charges.reshape(2, STRIDE, -1)[1].sum(axis=1)
    moment = outside @ np.arange(STRIDE) * SPACING / SHARE_ONE
    # Each distance is rounded to a share: off by half of one at most, uniformly.
    assert moment == pytest.approx(2 * x[x > 0].sum(dtype=float), abs=2 * n**0.5 * SPACING / SHARE_ONE)


def test_deposit_gives_every_node_its_bilinear_share(mesh):
    x, y = random_ions(300)
    charges = deposited(x, y, mesh).charges
    random = np.random.default_rng(2)
    for _ in range(3):
        potential = random.normal(size=charges.size)
        # The potential energy of the ions is that of the nodes: ions look up and leave the same shares.
        energy = bilinear(x, y, mesh, potential).sum()
        assert charges @ potential / SHARE_ONE == pytest.approx(energy, abs=0.01)


def test_the_order_of_the_ions_and_of_the_blocks_does_not_matter(mesh):
    x, y = random_ions(2000)
    order = np.random.default_rng(3).permutation(x.size)
    whole = deposited(x, y, mesh)
    tables = tables_of(x[order[:700]], y[order[:700]], mesh)
    tables = tables_of(x[order[700:1100]], y[order[700:1100]], mesh, tables=tables)
    tables = tables_of(x[order[1100:]], y[order[1100:]], mesh, tables=tables, chunk=1)
    parts = merged(tables, mesh)
    assert is_empty(tables)
    np.testing.assert_array_equal(whole.weights, parts.weights)
    np.testing.assert_array_equal(whole.charges, parts.charges)
    assert whole.weights.sum() == 2000 * SHARE_ONE


@pytest.mark.parametrize("workers", [1, 3, 5, 200])
@pytest.mark.parametrize("weighed", [0, 4, STRIDE])
def test_the_number_of_workers_does_not_matter(mesh, workers, weighed):
    tables = make_tables(mesh, weighed=weighed)
    found = []
    for n in (workers, 2):
        tables_of(*random_ions(500), mesh, tables=tables)
        found.append(merged(tables, mesh, n))
    for sums, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize("weighed", [0, 4, STRIDE])
@pytest.mark.parametrize("all_apart", [False, True])
def test_chunks_are_asked_only_for_the_species_that_they_have(mesh, weighed, all_apart):
    ions = random_ions(100)
    expected = deposited(*ions, mesh, species=1)
    tables = make_tables(mesh, chunk_species=((0, 0), (1, 2)), weighed=weighed)
    tables_of(*ions, mesh, 1, tables, 1, all_apart)
    np.testing.assert_array_equal(merged(tables, mesh, all_apart=all_apart).charges, expected.charges)
    assert is_empty(tables)
    tables = make_tables(mesh, chunk_species=((0, 1), (2, 2)), weighed=weighed)
    tables_of(*ions, mesh, 1, tables, 1, all_apart)
    assert not merged(tables, mesh, all_apart=all_apart).charges.any()


@pytest.mark.parametrize("weighed", [(0, 0, 0), (4, 4, 4), (4, 0, 2), (0, 5, STRIDE)])
@pytest.mark.parametrize("all_apart", [False, True])
def test_species_of_a_valence_share_a_table_where_they_are_not_told_apart(mesh, weighed, all_apart):
    """Whichever of them each chunk has; what they add up to is the same."""
    x, y = random_ions(900)
    tables = make_tables(mesh, ALIKE, ((0, 1), (1, 2)), weighed)
    own = make_tables(mesh, ALIKE)
    parts = [(slice(0, 300), 0, 0), (slice(300, 500), 1, 0), (slice(500, 600), 1, 1), (slice(600, 900), 2, 1)]
    for part, species, chunk in parts:
        tables_of(x[part], y[part], mesh, species, tables, chunk, all_apart)
        tables_of(x[part], y[part], mesh, species, own)
    # The first and the last have a table in common.
    weighed = (max(weighed[0], weighed[2]), weighed[1], max(weighed[0], weighed[2]))
    apart = STRIDE if all_apart else weighed[2]
    of_last = tables.words[:, tables.starts[2, shares.OWN] :].reshape(2, 2, STRIDE + 1, -1)
    assert of_last[:, :, :apart].any() == (apart > 0)
    assert not of_last[:, :, apart:].any()
    sums = merged(tables, mesh, 2, ALIKE, all_apart)
    expected = merged(own, mesh, valences=ALIKE)
    np.testing.assert_array_equal(sums.charges, expected.charges)
    entry = np.arange(2 * STRIDE) % STRIDE
    for species in range(3):
        is_weighed = np.repeat(entry < weighed[species], mesh.n_along)
        np.testing.assert_array_equal(
            sums.weights[species], np.where(is_weighed, expected.weights[species], 7)
        )
        is_counted = entry < (STRIDE if all_apart else weighed[species])
        np.testing.assert_array_equal(sums.counts[species], np.where(is_counted, expected.counts[species], 7))
    assert is_empty(tables)


def test_ions_told_apart_are_counted(mesh):
    x, y = random_ions(700)
    x[:3] = PARKED
    counts = deposited(x, y, mesh, species=1).counts
    entry = (np.abs(x[3:]) / SPACING * SHARE_ONE + 0.5).astype(int) // SHARE_ONE
    expected = np.bincount(entry + STRIDE * (x[3:] > 0), minlength=2 * STRIDE)
    np.testing.assert_array_equal(counts, [0 * expected, expected, 0 * expected])


@pytest.mark.parametrize("n_along", [1, 2, N_ALONG])
def test_ions_added_one_by_one_are_those_of_a_block(n_along):
    mesh = make_box(n_along)
    x, y = random_ions(500)
    sums, block = shares.make_sums(mesh, 3), deposited(x, y, mesh, species=1)
    add(x, y, 1, 1, VALENCES, STRIDE, mesh, sums)
    expected = (block.weights, block.charges, block.counts)
    for one, other in zip((sums.weights, sums.charges, sums.counts), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    add(x, y, -1, 1, VALENCES, STRIDE, mesh, sums)
    assert not any(one.any() for one in sums)


def test_ions_in_no_bath_have_no_charge_at_the_nodes(mesh):
    x, y = random_ions(3 * FULL)
    tables = tables_of(np.copysign(PARKED, x), np.full_like(y, 1.0), mesh)
    assert tables.has_spilled.any()
    sums = merged(tables, mesh)
    assert not sums.weights.any()
    assert not sums.charges.any()
    assert is_empty(tables)
    add(np.copysign(PARKED, x), y, 1, 0, VALENCES, STRIDE, mesh, sums)
    assert not sums.charges.any()


def test_species_add_up_by_their_valences(mesh):
    x, y = random_ions(900)
    tables = make_tables(mesh)
    parts = [slice(0, 200), slice(200, 500), slice(500, 900)]
    for species, part in enumerate(parts):
        tables_of(x[part], y[part], mesh, species, tables)
    sums = merged(tables, mesh)
    assert list(sums.weights.sum(axis=1)) == [n * SHARE_ONE for n in (200, 300, 400)]
    alone = [deposited(x[part], y[part], mesh, 0).charges for part in parts]
    np.testing.assert_array_equal(sums.charges, alone[0] - alone[1] + 2 * alone[2])


def test_single_ions_are_weighed_as_far_from_the_membrane_as_their_species_is(mesh):
    ions = random_ions(400)
    everywhere, beside = shares.make_sums(mesh, 3), shares.make_sums(mesh, 3)
    add(*ions, 1, 0, VALENCES, STRIDE, mesh, everywhere)
    add(*ions, 1, 0, VALENCES, 5, mesh, beside)
    is_beside = np.repeat(np.arange(2 * STRIDE) % STRIDE < 5, mesh.n_along)
    np.testing.assert_array_equal(beside.weights, np.where(is_beside, everywhere.weights, 0))
    np.testing.assert_array_equal(beside.charges, everywhere.charges)


@pytest.mark.parametrize("n", [FULL - 1, FULL, FULL + 1, 20 * FULL + 5])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_a_cell_holds_more_ions_than_its_word(mesh, n, fraction):
    """Also where all are at one end of it, so that the sums in a word are as large as they can be."""
    ends = [(3 * SPACING, 4 * SPACING), (2 * WIDTH / N_ALONG, 3 * WIDTH / N_ALONG)]
    places = []
    for near, far in ends:
        place = np.float32(near + fraction * (far - near))
        places.append(np.full(n, place if fraction < 1 else np.nextafter(place, np.float32(0)), np.float32))
    tables = tables_of(*places, mesh, species=2)
    assert tables.has_spilled.any() == (n >= FULL)
    sums, alone = merged(tables, mesh), deposited(places[0][:1], places[1][:1], mesh, species=2)
    np.testing.assert_array_equal(sums.charges, n * alone.charges)
    np.testing.assert_array_equal(sums.weights, n * alone.weights)
    assert is_empty(tables)


def test_a_crowd_is_added_up_like_its_ions(mesh):
    x, y = random_ions(5000, seed=8)
    x = np.copysign(np.float32(1.0) + np.abs(x) / 10, x)
    tables = tables_of(x, y, mesh)
    assert tables.has_spilled.any()
    one_by_one = shares.make_sums(mesh, 3)
    add(x, y, 1, 0, VALENCES, STRIDE, mesh, one_by_one)
    crowd = merged(tables, mesh)
    np.testing.assert_array_equal(crowd.charges, one_by_one.charges)
    np.testing.assert_array_equal(crowd.weights, one_by_one.weights)


def test_a_cell_holds_as_many_ions_as_promised():
    mesh = make_box(1, 1.0)
    n = (1 << 18) - 1
    x = np.full(n, np.nextafter(np.float32(SPACING), np.float32(0)), np.float32)
    y = np.full(n, np.nextafter(np.float32(1), np.float32(0)), np.float32)
    sums = deposited(x, y, mesh)
    np.testing.assert_array_equal(sums.charges[STRIDE : STRIDE + 2], [0, n * SHARE_ONE])


def test_ions_are_counted_in_their_cells(mesh):
    """Those in no bath are in none, and the counts of a cell are those of the entry it is in."""
    x, y = random_ions(500)
    x[:3] = PARKED
    tables, parts = make_tables(mesh, weighed=0), (slice(0, 200), slice(200, 500))
    for species, part in enumerate(parts):
        tables_of(x[part], y[part], mesh, species, tables, all_apart=True)
    sums, counts = shares.make_sums(mesh, 3), np.full((3, 2 * STRIDE * mesh.n_along), 7, np.int32)
    merge_and_count(tables, VALENCES, mesh, shares.make_merge_scratch(mesh, 3, 2), sums, counts)
    for species, part in enumerate(parts):
        x_here, y_here = x[part][x[part] != PARKED], y[part][x[part] != PARKED]
        entry = (np.abs(x_here) / SPACING * SHARE_ONE + 0.5).astype(int) // SHARE_ONE
        along = (y_here / WIDTH * N_ALONG * SHARE_ONE + 0.5).astype(int) // SHARE_ONE % N_ALONG
        cell = (entry + STRIDE * (x_here > 0)) * N_ALONG + along
        np.testing.assert_array_equal(counts[species], np.bincount(cell, minlength=counts.shape[1]))
    assert not counts[2].any()
    np.testing.assert_array_equal(counts.reshape(3, 2 * STRIDE, -1).sum(axis=2), sums.counts)


def test_with_one_cell_along_the_membrane_the_charges_are_those_of_one_dimension():
    """But for the rounding, which is to units of a share here."""

    @njit
    def deposit_1d(positions, cells, weights, counts, weight_sums):
        deposition.find_cells_and_weights(positions, cells, weights, 1.0 / SPACING, STRIDE)
        for k in range(positions.size):
            counts[cells[k]] += 1
            weight_sums[cells[k]] += weights[k]

    @njit
    def sum_1d(counts, weight_sums, valences, stride, node_charges):
        poisson.sum_node_charges(counts, weight_sums, valences, stride, node_charges)

    # Distances that are whole shares.
    x, y = random_ions(1000)
    x = (np.round(x / SPACING * SHARE_ONE) / SHARE_ONE * SPACING).astype(np.float32)
    counts, weight_sums = np.zeros((2, 3, 2 * STRIDE), np.int64)
    cells, weights = np.zeros((2, x.size), np.uint32)
    deposit_1d(x, cells, weights, counts[2], weight_sums[2])
    expected = np.zeros(2 * STRIDE, np.int64)
    sum_1d(counts, weight_sums, VALENCES, STRIDE, expected)
    charges = deposited(x, y, make_box(1), species=2).charges
    np.testing.assert_array_equal(charges * (deposition.WEIGHT_ONE // SHARE_ONE), expected)


def test_a_coordinate_rounded_up_to_the_width_is_at_the_first_corner(mesh):
    sums = deposited(np.float32([1.1]), np.float32([WIDTH]), mesh)
    charges = sums.charges.reshape(2, STRIDE, N_ALONG)
    assert charges[1, 4:6, 0].sum() == SHARE_ONE
