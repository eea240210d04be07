"""Charge to potential in one dimension: Gauss's law by summation, exact for any grid.

The box as a whole is neutral and the field is zero at both far ends, so the field between two nodes of a bath is
minus the charge beyond them, over area and permittivity. Fields are signed away from the membrane on each side,
which makes both sides the same formula.
"""

from typing import NamedTuple

from mc.compilation import internal
from mc.field.deposition import WEIGHT_ONE


class Grid(NamedTuple):
    """Geometry and dielectric of both baths and the slab; scalars in internal units."""

    stride: int
    """Entries a side of every cell table; the last is for ions in no bath."""
    spacing: float
    """Cell width in nm."""
    area: float
    """nm2."""
    permittivity: float
    """Of the baths, in e/(mV nm)."""
    membrane_capacitance: float
    """Of the whole patch, in e/mV."""


@internal
def sum_node_charges(counts, weight_sums, valences, stride, node_charges):
    """Write the charge at each node, shape (2 * stride,), in units of e/WEIGHT_ONE, from the sums of all species."""
    for node in range(node_charges.size):
        node_charges[node] = 0
    for species in range(valences.size):
        valence = valences[species]
        for side in range(2):
            first = side * stride
            for cell in range(first, first + stride - 1):
                weight_sum = weight_sums[species, cell]
                node_charges[cell] += valence * (counts[species, cell] * WEIGHT_ONE - weight_sum)
                node_charges[cell + 1] += valence * weight_sum


@internal
def solve_baths(node_charges, conductivities, time_step, grid, field):
    """Write the electric field away from the membrane in each cell, in mV/nm, shape (2 * stride,).

    With `time_step` = 0 this is Gauss's law. With the step's length it is the semi-implicit field (Ventzek,
    Hoekstra & Kushner 1994, J. Vac. Sci. Technol. B 12:461): the conductivity that is about to move the charge
    acts as an added permittivity, dt sigma, so that the charge after the drift obeys Gauss's law.

    `conductivities`: of each cell, in e/(mV nm ns).
    """
    for side in range(2):
        first = side * grid.stride
        last = first + grid.stride - 1
        field[last] = 0.0
        beyond = node_charges[last]
        for cell in range(last - 1, first - 1, -1):
            permittivity = grid.permittivity + time_step * conductivities[cell]
            field[cell] = -beyond / (WEIGHT_ONE * grid.area * permittivity)
            beyond += node_charges[cell]


@internal
def sum_conductivities(counts, conductances_per_ion, grid, conductivities):
    """Write the conductivity of each cell from the ions in it, in e/(mV nm ns).

    `conductances_per_ion`: z^2 D/(kT/e) of each species, in e nm2/(mV ns).
    """
    cell_volume = grid.area * grid.spacing
    for cell in range(conductivities.size):
        conductivities[cell] = 0.0
    for species in range(conductances_per_ion.size):
        for cell in range(conductivities.size):
            conductivities[cell] += counts[species, cell] * conductances_per_ion[species] / cell_volume


@internal
def sum_side_charge(counts, valences, side, stride):
    """Return the charge in one bath in e (side 0: cytoplasm, 1: outside)."""
    charge = 0
    for species in range(valences.size):
        for cell in range(side * stride, (side + 1) * stride - 1):
            charge += valences[species] * counts[species, cell]
    return charge


@internal
def integrate_potential(field, membrane_potential_drop, spacing, stride, potential):
    """Write the potential at each node in mV, shape (2 * stride,), zero at the far end outside.

    `membrane_potential_drop`: inner face minus outer face, in mV.
    """
    outer_face = stride
    potential[2 * stride - 1] = 0.0
    for node in range(2 * stride - 2, outer_face - 1, -1):
        potential[node] = potential[node + 1] + field[node] * spacing
    potential[0] = potential[outer_face] + membrane_potential_drop
    for node in range(1, stride):
        potential[node] = potential[node - 1] - field[node - 1] * spacing


@internal
def clamp_potential(drop, potential):
    """Write the potential at each node, first those inside, of a clamped slab between baths without a field."""
    if potential[0] != drop:
        inside = potential.size // 2
        potential[:inside] = drop
        potential[inside:] = 0.0
