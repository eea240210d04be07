import numpy as np
import pytest

from mc.field import poisson
from mc.field.deposition import PARKED, WEIGHT_ONE, Sums, restore
from mc.field.poisson import Grid

SPACING, AREA, PERMITTIVITY = 0.5, 100.0, 0.004
N_CELLS = 20  # 10 nm a side
STRIDE = N_CELLS + 2
GRID = Grid(STRIDE, SPACING, AREA, PERMITTIVITY, membrane_capacitance=0.006)
VALENCES = np.array([1, -1, 2])
NO_CONDUCTIVITY = np.zeros(2 * STRIDE)


def sums_of(ions):
    """Return the sums of (species, signed distance) pairs."""
    shape = (VALENCES.size, 2 * STRIDE)
    sums = Sums(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.float32(1 / SPACING), STRIDE)
    for species, x in ions:
        restore.py_func(np.float32(x), species, sums)
    return sums


def node_charges_of(ions):
    sums, node_charges = sums_of(ions), np.zeros(2 * STRIDE, np.int64)
    poisson.sum_node_charges.py_func(sums.counts, sums.weight_sums, VALENCES, STRIDE, node_charges)
    return node_charges


def field_of(ions, conductivities=NO_CONDUCTIVITY, time_step=0.0):
    field = np.zeros(2 * STRIDE)
    poisson.solve_baths.py_func(node_charges_of(ions), conductivities, time_step, GRID, field)
    return field


def random_ions(n=200, seed=3):
    random = np.random.default_rng(seed)
    return list(
        zip(random.integers(0, 3, n), random.uniform(0.01, 9.99, n) * random.choice([-1, 1], n), strict=True)
    )


def test_node_charges_add_up_exactly_to_the_charge_of_each_side():
    ions = random_ions()
    node_charges = node_charges_of(ions)
    for side, sign in ((0, -1), (1, 1)):
        charge = sum(int(VALENCES[species]) for species, x in ions if x * sign > 0)
        assert node_charges[side * STRIDE : (side + 1) * STRIDE].sum() == charge * WEIGHT_ONE


def test_the_charge_of_one_ion_is_split_between_the_nodes_beside_it():
    node_charges = node_charges_of([(2, -0.6)])  # 0.1 nm past node 1 of the cytoplasm
    assert node_charges[2] == pytest.approx(2 * 0.2 * WEIGHT_ONE, abs=2)
    assert node_charges[1] + node_charges[2] == 2 * WEIGHT_ONE
    assert np.count_nonzero(node_charges) == 2


def test_ions_in_pores_have_no_charge_in_the_baths():
    assert not node_charges_of([(0, PARKED)])[:-2].any()


@pytest.mark.parametrize("side", [0, 1])
def test_field_of_a_plane_of_charge_is_uniform_up_to_it_and_zero_beyond(side):
    """One charge q on node 10: E = q/(eps A) towards the membrane between face and plane."""
    x = 5.0 if side else -5.0
    field = field_of([(0, x)])[side * STRIDE : (side + 1) * STRIDE]
    np.testing.assert_allclose(field[:10], -1.0 / (PERMITTIVITY * AREA))
    np.testing.assert_array_equal(field[10:], 0.0)


def test_field_of_two_opposite_planes_is_that_of_a_capacitor():
    """+e at 2 nm, -e at 6 nm: E = e/(eps A) between them, away from the positive plane, and none elsewhere."""
    field = field_of([(0, 2.0), (1, 6.0)])[STRIDE:]
    np.testing.assert_allclose(field[4:12], 1.0 / (PERMITTIVITY * AREA))
    np.testing.assert_array_equal(field[:4], 0.0)
    np.testing.assert_array_equal(field[12:], 0.0)


def test_field_between_ion_and_neighbouring_nodes_follows_gauss_in_every_cell():
    """The jump of eps E A from one cell to the next is the charge of the node between them."""
    ions = random_ions()
    field, node_charges = field_of(ions), node_charges_of(ions)
    for side in range(2):
        of_side = slice(side * STRIDE, side * STRIDE + STRIDE - 1)
        jumps = np.diff(field[of_side]) * PERMITTIVITY * AREA * WEIGHT_ONE
        np.testing.assert_allclose(jumps, node_charges[of_side][1:], atol=1e-6)


def test_semi_implicit_field_has_dt_sigma_added_to_the_permittivity():
    conductivities = np.linspace(0.001, 0.02, 2 * STRIDE)
    ions, time_step = random_ions(), 1.5
    explicit, implicit = field_of(ions), field_of(ions, conductivities, time_step)
    np.testing.assert_allclose(
        implicit, explicit * PERMITTIVITY / (PERMITTIVITY + time_step * conductivities)
    )


def test_conductivity_is_the_sum_of_the_mobile_charges_over_the_volume_of_a_cell():
    sums = sums_of([(0, 0.3), (0, 0.4), (2, 0.1), (1, -0.7)])
    conductances_per_ion, conductivities = np.array([0.1, 0.2, 0.5]), np.full(2 * STRIDE, np.nan)
    poisson.sum_conductivities.py_func(sums.counts, conductances_per_ion, GRID, conductivities)
    assert conductivities[STRIDE] == pytest.approx((2 * 0.1 + 0.5) / (AREA * SPACING))
    assert conductivities[1] == pytest.approx(0.2 / (AREA * SPACING))
    assert np.count_nonzero(conductivities) == 2


def test_charge_of_a_side_counts_its_bath_and_no_pores():
    sums = sums_of([(0, -1.0), (2, -9.0), (1, -3.0), (2, 4.0), (2, PARKED), (2, -PARKED)])
    assert poisson.sum_side_charge.py_func(sums.counts, VALENCES, 0, STRIDE) == 2
    assert poisson.sum_side_charge.py_func(sums.counts, VALENCES, 1, STRIDE) == 2


def test_potential_integrates_the_field_from_the_far_end_outside():
    """+e at 2 nm and -e at 6 nm outside: the face lies above the far end by E times 4 nm."""
    field, potential = field_of([(0, 2.0), (1, 6.0)]), np.zeros(2 * STRIDE)
    poisson.integrate_potential.py_func(field, -70.0, SPACING, STRIDE, potential)
    step = 4.0 / (PERMITTIVITY * AREA)
    assert potential[2 * STRIDE - 1] == 0.0
    np.testing.assert_allclose(potential[STRIDE : STRIDE + 5], step)
    assert potential[STRIDE + 8] == pytest.approx(step / 2)
    np.testing.assert_allclose(potential[:STRIDE], step - 70.0)


def test_potential_inside_falls_along_the_field_away_from_the_membrane():
    """+e at 1 nm and -e at 3 nm inside: the field points away from the membrane, so the far end lies below."""
    field, potential = field_of([(0, -1.0), (1, -3.0)]), np.zeros(2 * STRIDE)
    poisson.integrate_potential.py_func(field, 0.0, SPACING, STRIDE, potential)
    assert potential[0] == 0.0
    assert potential[N_CELLS] == pytest.approx(-2.0 / (PERMITTIVITY * AREA))
