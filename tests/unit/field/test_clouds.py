import numpy as np
import pytest
from numba import njit, set_num_threads

from mc.compilation import entry_point
from mc.field import clouds, deposition, node_tables, poisson
from mc.field.deposition import PARKED, WEIGHT_ONE
from mc.field.mesh import make_mesh

SPACING, STRIDE = 0.25, 42  # baths of 10 nm
LENGTH = SPACING * (STRIDE - 2)
BOXES = [((8,), (6.0,)), ((4, 8), (5.0, 6.0))]
VALENCES = np.array([1, -1, 2])


@pytest.fixture(autouse=True)
def threads():
    set_num_threads(2)


@pytest.fixture(params=BOXES, ids=["2D", "3D"])
def box(request):
    cells, widths = request.param
    return make_mesh(STRIDE, SPACING, cells, widths), np.array(widths, dtype=np.float32)


def random_ions(n, widths, seed=1):
    random = np.random.default_rng(seed)
    x = (random.uniform(1e-6, LENGTH, n) * random.choice([-1, 1], n)).astype(np.float32)
    return x, (random.random((widths.size, n)) * widths[:, None]).astype(np.float32)


@entry_point
def deposit(positions, transverse, mesh, nodes, shapes, weights, table):
    clouds.find_weights(positions, transverse, 0, mesh, nodes, shapes, weights)
    clouds.add_weights(weights, nodes, mesh, table)


@entry_point
def merge(tables, chunk_species, mesh, asked_for, scratch, sums):
    node_tables.merge_tables(tables, chunk_species, VALENCES, mesh, asked_for, scratch, sums)


@njit
def add(x, transverse, ions, species, valences, mesh, sums):
    for k in range(x.size):
        if ions > 0:
            node_tables.restore(x[k], transverse[:, k], species, valences[species], mesh, sums)
        else:
            node_tables.withdraw(x[k], transverse[:, k], species, valences[species], mesh, sums)


@entry_point
def write_potentials(potential, mesh, potentials):
    node_tables.write_potentials(potential, mesh, 2, potentials)


@entry_point
def gather(x, transverse, nodes, mesh, potentials, shapes, looked_up):
    clouds.find_shapes(x, transverse, 0, mesh, nodes, shapes)
    clouds.look_up_differences(potentials, nodes, mesh, looked_up)
    clouds.add_inner_terms(looked_up, shapes, x.size)


@entry_point
def weigh(x, transverse, nodes, mesh, shapes, weights):
    clouds.find_shapes(x, transverse, 0, mesh, nodes, shapes)
    clouds.multiply_shapes(shapes, x.size)
    clouds.weigh_corners(shapes, x.size, weights)


@entry_point
def count(x, transverse, first_ion, mesh, counts):
    node_tables.count_ions(x, transverse, first_ion, mesh, counts)


def tables_of(x, transverse, mesh, species=0, tables=None, chunk=0):
    tables = node_tables.make_tables(mesh, 3, 2) if tables is None else tables
    shapes, nodes = clouds.make_shapes(mesh, x.size), np.zeros(x.size, np.uint32)
    deposit(x, transverse, mesh, nodes, shapes, np.zeros(shapes.shape, np.int32), tables[chunk, species])
    return tables


def merged(tables, mesh, workers=2, asked_for=STRIDE, chunk_species=((0, 2), (0, 2))):
    sums = node_tables.make_sums(mesh, 3)
    sums.weights[:], sums.charges[:] = 7, 7
    merge(tables, np.array(chunk_species), mesh, asked_for, node_tables.make_scratch(mesh, workers), sums)
    return sums


def deposited(x, transverse, mesh, species=0, workers=2):
    return merged(tables_of(x, transverse, mesh, species), mesh, workers)


def field_at(x, transverse, mesh, potential):
    """Return the components at each ion, (1 + axes, ions)."""
    potentials = node_tables.make_potentials(mesh)
    potentials[:] = np.nan
    write_potentials(potential.astype(float), mesh, potentials)
    shapes, nodes = clouds.make_shapes(mesh, x.size), np.zeros(x.size, np.uint32)
    looked_up = np.zeros_like(shapes)
    gather(x, transverse, nodes, mesh, potentials, shapes, looked_up)
    every_axis = len(shapes) - 1
    rises = [
        clouds.component.py_func(looked_up[own], looked_up[every_axis], shapes[every_axis ^ own])
        for own in 1 << np.arange(1 + mesh.cells.size)
    ]
    return -np.array(rises, dtype=float) * mesh.spacing_ratios[:, None] / SPACING


def multilinear(x, transverse, mesh, potential):
    """Return the interpolated potential at each ion in double precision."""
    table = potential.reshape(2, STRIDE, *mesh.cells)
    scaled = [np.abs(x.astype(float)) / SPACING]
    scaled += [
        y.astype(float) * float(inverse) for y, inverse in zip(transverse, mesh.inverse_spacings, strict=True)
    ]
    nodes = [np.floor(s).astype(int) for s in scaled]
    value = np.zeros(x.size)
    for corner in np.ndindex(*(2,) * len(scaled)):
        share, index = np.ones(x.size), [(x > 0).astype(int), nodes[0] + corner[0]]
        for axis, (s, node, far) in enumerate(zip(scaled, nodes, corner, strict=True)):
            share = share * (s - node if far else 1 - (s - node))
            if axis > 0:
                index.append((node + far) % mesh.cells[axis - 1])
        value += share * table[tuple(index)]
    return value


@pytest.mark.parametrize("n", [1, 5, 2048])
def test_deposit_conserves_charge_and_its_first_moment(box, n):
    mesh, widths = box
    x, transverse = random_ions(n, widths)
    charges = deposited(x, transverse, mesh, species=2).charges
    assert charges.sum() == 2 * n * WEIGHT_ONE
    outside = charges.reshape(2, STRIDE, -1)[1].sum(axis=1)
    moment = outside @ np.arange(STRIDE) * SPACING / WEIGHT_ONE
    assert moment == pytest.approx(2 * x[x > 0].sum(dtype=float), abs=n * SPACING / WEIGHT_ONE)


def test_deposit_gives_every_node_its_multilinear_share(box):
    mesh, widths = box
    x, transverse = random_ions(300, widths)
    charges = deposited(x, transverse, mesh).charges
    random = np.random.default_rng(2)
    for _ in range(3):
        potential = random.normal(size=charges.size)
        # The potential energy of the ions is that of the nodes: gather and deposit share their weights.
        energy = multilinear(x, transverse, mesh, potential).sum()
        assert charges @ potential / WEIGHT_ONE == pytest.approx(energy, abs=0.01)


def test_the_order_of_the_ions_and_of_the_blocks_does_not_matter(box):
    mesh, widths = box
    x, transverse = random_ions(2000, widths)
    order = np.random.default_rng(3).permutation(x.size)
    whole = deposited(x, transverse, mesh)
    tables = tables_of(x[order[:700]], transverse[:, order[:700]], mesh)
    tables = tables_of(x[order[700:1100]], transverse[:, order[700:1100]], mesh, tables=tables)
    tables = tables_of(x[order[1100:]], transverse[:, order[1100:]], mesh, tables=tables, chunk=1)
    parts = merged(tables, mesh)
    assert not tables.any()
    np.testing.assert_array_equal(whole.weights, parts.weights)
    np.testing.assert_array_equal(whole.charges, parts.charges)
    assert whole.weights.sum() == 2000 * WEIGHT_ONE


@pytest.mark.parametrize("workers", [1, 3, 5, 200])
def test_the_number_of_workers_does_not_matter(box, workers):
    mesh, widths = box
    ions = random_ions(500, widths)
    sums, expected = (deposited(*ions, mesh, workers=n) for n in (workers, 2))
    np.testing.assert_array_equal(sums.charges, expected.charges)
    np.testing.assert_array_equal(sums.weights, expected.weights)


def test_chunks_are_asked_only_for_the_species_that_they_have(box):
    mesh, widths = box
    ions = random_ions(100, widths)
    tables = tables_of(*ions, mesh, species=1, chunk=1)
    expected = deposited(*ions, mesh, species=1)
    sums = merged(tables, mesh, chunk_species=((0, 0), (1, 2)))
    np.testing.assert_array_equal(sums.charges, expected.charges)
    assert not tables.any()
    tables_of(*ions, mesh, species=1, tables=tables, chunk=1)
    assert not merged(tables, mesh, chunk_species=((0, 1), (2, 2))).charges.any()


def test_ions_added_one_by_one_are_those_of_a_block(box):
    mesh, widths = box
    x, transverse = random_ions(500, widths)
    sums, block = node_tables.make_sums(mesh, 3), deposited(x, transverse, mesh, species=1)
    add(x, transverse, 1, 1, VALENCES, mesh, sums)
    np.testing.assert_array_equal(sums.weights, block.weights)
    np.testing.assert_array_equal(sums.charges, block.charges)
    add(x, transverse, -1, 1, VALENCES, mesh, sums)
    assert not sums.weights.any()
    assert not sums.charges.any()


def test_ions_in_no_bath_have_no_charge_at_the_nodes(box):
    mesh, widths = box
    x, transverse = random_ions(10, widths)
    sums = deposited(np.copysign(PARKED, x), transverse, mesh)
    assert not sums.weights.any()
    assert not sums.charges.any()
    add(np.copysign(PARKED, x), transverse, 1, 0, VALENCES, mesh, sums)
    assert not sums.charges.any()


def test_species_add_up_by_their_valences(box):
    mesh, widths = box
    x, transverse = random_ions(900, widths)
    tables = node_tables.make_tables(mesh, 3, 2)
    parts = [slice(0, 200), slice(200, 500), slice(500, 900)]
    for species, part in enumerate(parts):
        tables_of(x[part], np.ascontiguousarray(transverse[:, part]), mesh, species, tables)
    sums = merged(tables, mesh)
    assert list(sums.weights.sum(axis=1)) == [n * WEIGHT_ONE for n in (200, 300, 400)]
    alone = [deposited(x[part], np.ascontiguousarray(transverse[:, part]), mesh, 0).charges for part in parts]
    np.testing.assert_array_equal(sums.charges, alone[0] - alone[1] + 2 * alone[2])


def test_species_are_weighed_as_far_from_the_membrane_as_is_asked_for(box):
    mesh, widths = box
    ions = random_ions(400, widths)
    everywhere, beside = deposited(*ions, mesh), merged(tables_of(*ions, mesh), mesh, asked_for=5)
    is_beside = np.repeat(np.arange(2 * STRIDE) % STRIDE < 5, mesh.plane)
    np.testing.assert_array_equal(beside.weights[:, is_beside], everywhere.weights[:, is_beside])
    assert (beside.weights[:, ~is_beside] == 7).all()
    np.testing.assert_array_equal(beside.charges, everywhere.charges)


def test_the_weights_of_two_axes_are_those_of_any_number():
    mesh = make_mesh(STRIDE, SPACING, (8,), (6.0,))
    x, transverse = random_ions(300, np.float32([6.0]))
    shapes, nodes = clouds.make_shapes(mesh, x.size), np.zeros((2, x.size), np.uint32)
    weights = np.zeros((2, *shapes.shape), np.int32)
    weigh(x, transverse, nodes[0], mesh, shapes, weights[0])
    table = node_tables.make_tables(mesh, 1, 1)[0, 0]
    deposit(x, transverse, mesh, nodes[1], shapes, weights[1], table)
    np.testing.assert_array_equal(*nodes)
    np.testing.assert_array_equal(*weights)
    assert (weights[0].sum(axis=0) == WEIGHT_ONE).all()


def test_ions_are_counted_in_their_cells(box):
    mesh, widths = box
    x, transverse = random_ions(500, widths)
    x[:3] = PARKED
    counts = np.full((2, 2 * STRIDE * mesh.plane), 7)
    count(x, transverse, np.array([0, 200, 500]), mesh, counts)
    for species, part in enumerate((slice(0, 200), slice(200, 500))):
        entry = np.where(x[part] == PARKED, STRIDE - 1, np.abs(x[part]) // SPACING).astype(int)
        cell = entry + STRIDE * (x[part] > 0)
        for axis, n in enumerate(mesh.cells):
            cell = cell * n + (transverse[axis, part] * mesh.inverse_spacings[axis]).astype(int)
        np.testing.assert_array_equal(counts[species], np.bincount(cell, minlength=counts.shape[1]))


def test_with_one_cell_along_the_membrane_the_charges_are_those_of_one_dimension():
    @njit
    def deposit_1d(positions, cells, weights, counts, weight_sums):
        deposition.find_cells_and_weights(positions, cells, weights, 1.0 / SPACING, STRIDE)
        for k in range(positions.size):
            counts[cells[k]] += 1
            weight_sums[cells[k]] += weights[k]

    @njit
    def sum_1d(counts, weight_sums, valences, stride, node_charges):
        poisson.sum_node_charges(counts, weight_sums, valences, stride, node_charges)

    mesh = make_mesh(STRIDE, SPACING, (1,), (6.0,))
    x, transverse = random_ions(1000, np.float32([6.0]))
    counts, weight_sums = np.zeros((2, 3, 2 * STRIDE), np.int64)
    cells, weights = np.zeros((2, x.size), np.uint32)
    deposit_1d(x, cells, weights, counts[2], weight_sums[2])
    expected = np.zeros(2 * STRIDE, np.int64)
    sum_1d(counts, weight_sums, VALENCES, STRIDE, expected)
    np.testing.assert_array_equal(deposited(x, transverse, mesh, species=2).charges, expected)


def test_an_entry_holds_as_many_ions_as_promised():
    mesh = make_mesh(STRIDE, SPACING, (1,), (1.0,))
    n = (1 << 15) - 1
    x = np.full(n, np.nextafter(np.float32(SPACING), np.float32(0)), np.float32)
    y = np.full((1, n), np.nextafter(np.float32(1), np.float32(0)), np.float32)
    sums = deposited(x, y, mesh)
    np.testing.assert_array_equal(sums.charges[STRIDE : STRIDE + 2], [0, n * WEIGHT_ONE])


def test_a_coordinate_rounded_up_to_the_width_is_in_the_last_cell():
    mesh = make_mesh(STRIDE, SPACING, (8,), (6.0,))
    sums = deposited(np.float32([1.1]), np.float32([[6.0]]), mesh)
    charges = sums.charges.reshape(2, STRIDE, 8)
    assert charges[1, 4:6, 0].sum() == WEIGHT_ONE


def test_the_field_is_minus_the_gradient_of_the_interpolated_potential(box):
    """Exact within a cell: a finite move along one axis does the work that the potential loses."""
    mesh, widths = box
    random = np.random.default_rng(4)
    potential = random.normal(size=2 * STRIDE * mesh.plane)
    x, transverse = random_ions(400, widths)
    field = field_at(x, transverse, mesh, potential)
    for axis in range(1 + widths.size):
        spacing = SPACING if axis == 0 else 1.0 / float(mesh.inverse_spacings[axis - 1])
        start, end = ([x.astype(float), *transverse.astype(float)] for _ in range(2))
        coordinate = abs(start[axis]) / spacing
        # From the near to the far end of the cell, a hair inside.
        for place, at in ((start, np.floor(coordinate) + 1e-6), (end, np.floor(coordinate) + 1 - 1e-6)):
            place[axis] = at * spacing * (np.sign(x) if axis == 0 else 1)
        energies = [multilinear(p[0], p[1:], mesh, potential) for p in (start, end)]
        work = field[axis] * spacing * (1 - 2e-6)
        np.testing.assert_allclose(work, energies[0] - energies[1], atol=1e-3)


def test_the_field_of_a_linear_potential_is_exact_on_either_side_of_the_face():
    mesh = make_mesh(STRIDE, SPACING, (8,), (6.0,))
    node = np.arange(STRIDE) * SPACING
    potential = np.stack([10.0 - 3.0 * node, -20.0 + 5.0 * node])[:, :, None].repeat(8, axis=2).ravel()
    x = np.float32([-0.01, -5.3, 0.01, 5.3])
    normal, along = field_at(x, np.float32([[0.1, 2.0, 3.3, 5.9]]), mesh, potential)
    np.testing.assert_allclose(normal, [3.0, 3.0, -5.0, -5.0], rtol=1e-5)
    np.testing.assert_allclose(along, 0.0, atol=1e-5)


def test_the_field_along_the_membrane_of_a_ramp_is_exact():
    mesh = make_mesh(STRIDE, SPACING, (8,), (6.0,))
    ramp = 2.0 * np.minimum(np.arange(8), 4) * 0.75
    potential = np.tile(ramp, 2 * STRIDE)
    normal, along = field_at(np.float32([-3.0, 3.0]), np.float32([[0.4, 2.9]]), mesh, potential)
    np.testing.assert_allclose(normal, 0.0, atol=1e-5)
    np.testing.assert_allclose(along, -2.0, rtol=1e-5)
