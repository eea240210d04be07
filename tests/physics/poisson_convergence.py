"""How fast the field converges with the grid: a manufactured solution across the dielectric jump.

The potential is that of one transverse mode k, away from the membrane on each side

    phi(s, y) = (a + b s + c s^2 + e s^3) cos(k y),   s the distance from the face,

with zero field at the far ends, and in the slab its exact continuation. The charge density follows from Poisson's
equation, the charge on the faces from the jump of the flux. Run as a script, this prints the table.
"""

from typing import NamedTuple

import numpy as np

from mc.field import modes
from mc.field.deposition import WEIGHT_ONE

LENGTH, WIDTH, AREA = 8.0, 12.0, 600.0
PERMITTIVITY, THICKNESS, CAPACITANCE = 4.1e-3, 4.0, 6.24e-5
SCALE = 1.0e9
"""Charges are integers in units of e/WEIGHT_ONE: the problem is this much larger, so that rounding plays no part."""


class Convergence(NamedTuple):
    """A row of the table."""

    cells: int
    spacing: float
    """nm, the same in both directions in proportion."""
    error: float
    """Largest error of the potential over the largest potential."""


def potential_and_derivatives(distance, side):
    """Return the potential of the mode, its first and its second derivative, and the value at the face."""
    a, b, c = ((50.0, -8.0, 3.0), (-20.0, 6.0, -2.0))[side]
    # No field at the far end.
    e = -(b + 2 * c * LENGTH) / (3 * LENGTH**2)
    s = distance
    return a + b * s + c * s**2 + e * s**3, b + 2 * c * s + 3 * e * s**2, 2 * c + 6 * e * s


def manufactured_error(cells: int, *, thickness_error: float = 0.0) -> float:
    """Return the relative error of the potential on a grid of so many cells a side and along the membrane."""
    k = 2 * np.pi / WIDTH
    stride, h = cells + 2, LENGTH / cells
    box = modes.make_modes(
        stride=stride,
        spacing=h,
        area=AREA,
        permittivity=PERMITTIVITY,
        thickness=THICKNESS + thickness_error,
        specific_capacitance=CAPACITANCE * THICKNESS / (THICKNESS + thickness_error),
        cells=(cells,),
        widths=(WIDTH,),
    )
    y = np.arange(cells) * WIDTH / cells
    distance = np.arange(stride - 1) * h
    expected = np.zeros((2, stride - 1, cells))
    charge = np.zeros((2, stride, cells))
    faces = [potential_and_derivatives(0.0, side)[0] for side in range(2)]
    for side in range(2):
        value, first, second = potential_and_derivatives(distance, side)
        expected[side] = value[:, None] * np.cos(k * y)
        density = -PERMITTIVITY * (second - k * k * value)
        per_area = density * h
        # Half cells: the centroid of the half cell at a face is off by h/4, a second-order matter.
        per_area[[0, -1]] *= 0.5
        into_slab = (
            CAPACITANCE
            * THICKNESS
            * k
            * (faces[side] / np.tanh(k * THICKNESS) - faces[1 - side] / np.sinh(k * THICKNESS))
        )
        per_area[0] += into_slab - PERMITTIVITY * first[0]
        charge[side, :-1] = (per_area * box.node_area)[:, None] * np.cos(k * y)
    node_charges = np.rint(charge * WEIGHT_ONE * SCALE).astype(np.int64).ravel()
    factors, workspace = modes.make_factors(box), modes.make_workspace(box, 1)
    modes.factorise(box, np.zeros(2 * stride), 0.0, factors)
    potential = np.zeros(node_charges.size)
    modes.find_potential(node_charges, np.zeros((0, 3)), box, factors, workspace, potential)
    found = potential.reshape(2, stride, cells)[:, :-1] / SCALE
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def manufactured_errors(grids: tuple[int, ...] = (16, 32, 64, 128)) -> list[Convergence]:
    """Return the error for each grid."""
    return [Convergence(cells, LENGTH / cells, manufactured_error(cells)) for cells in grids]


if __name__ == "__main__":
    rows = manufactured_errors()
    print("| cells a side | h (nm) | largest relative error | order |\n|---|---|---|---|")
    for before, row in zip([None, *rows], rows, strict=False):
        order = f"{np.log2(before.error / row.error):.2f}" if before else ""
        print(f"| {row.cells} | {row.spacing:g} | {row.error:.2e} | {order} |")
