"""Cloud in cell with transverse axes: from the potential at the nodes to ions, and from ions to weights at the nodes.

An ion's shape in a subset of the axes, see `mc.field.mesh`, is the product of its fractional distances from the near
corner of its cell along them. Everything multilinear is a sum of shapes:

- the potential within a cell is sum_v shape_v prod_{a in v} (difference along a) phi, at its near corner;
- the weight of a corner c is sum_{v contains c} (-1)^(number of axes of v not in c) shape_v, with shapes as integers.

Everything here is done for pieces of a few hundred ions, row by row in the nearest cache.
"""

import numpy as np
from numba import float32, int32, int64, uint32

from mc.compilation import compiled, internal
from mc.field.deposition import WEIGHT_ONE
from mc.field.mesh import (
    Mesh,
    corner_offset,
    count_subsets,
    find_entry,
    find_fraction,
    find_transverse_cell,
)
from mc.field.rows import FOUR, add_four, look_up_four


def make_shapes(mesh: Mesh, n: int) -> np.ndarray:
    """Return memory for the shapes of `n` ions, (subsets, n) float32: that in the empty subset is always 1."""
    shapes = np.zeros((count_subsets(mesh), n), dtype=np.float32)
    shapes[0] = 1.0
    return shapes


@compiled
def as_weight(shape):
    """Return a shape in units of 1/WEIGHT_ONE."""
    return int32(shape * float32(WEIGHT_ONE) + float32(0.5))


@internal
def multiply(first, second, product):
    """Write the product of two rows."""
    for k in range(first.size):
        product[k] = first[k] * second[k]


@internal
def add_product(first, second, total):
    """Add the product of two rows to a third."""
    for k in range(total.size):
        total[k] += first[k] * second[k]


@internal
def subtract(row, target):
    """Subtract a row from another."""
    for k in range(target.size):
        target[k] -= row[k]


@internal
def find_shapes_on_two_axes(
    positions,
    coordinates,
    inverse_spacing,
    stride,
    step,
    inverse_spacing_along,
    cells_along,
    nodes,
    normal,
    transverse,
):
    """Write where in a padded table each ion's near corner is, and its fractional distances from it.

    One loop over both axes: two, that write and read what is between them, take half as long again.
    """
    for k in range(positions.size):
        x = positions[k]
        scaled = abs(x) * inverse_spacing
        normal[k] = find_fraction(scaled, int32(scaled))
        scaled = coordinates[k] * inverse_spacing_along
        cell = find_transverse_cell(scaled, cells_along)
        transverse[k] = find_fraction(scaled, cell)
        nodes[k] = uint32(uint32(find_entry(x, inverse_spacing, stride) * uint32(step)) + uint32(cell))


@internal
def refine_nodes(coordinates, inverse_spacing, n_cells, step, nodes, fractions):
    """Find the near corners along one more axis, and write the fractional distances along it."""
    for k in range(coordinates.size):
        scaled = coordinates[k] * inverse_spacing
        cell = find_transverse_cell(scaled, n_cells)
        fractions[k] = find_fraction(scaled, cell)
        nodes[k] = uint32(nodes[k] + uint32(uint32(cell) * uint32(step)))


@internal
def find_shapes(positions, transverse, start, mesh, nodes, shapes):
    """Write the near corner of each ion's cell, (ions,) uint32, and its shapes as far as the field asks for them.

    Those are the shapes in every subset of some but not all axes.

    `positions`: (ions,); `transverse`: (axes, all ions) nm, each within the width of its axis, those of these ions
    from `start` on; `nodes`: in a padded table; `shapes`: see `make_shapes`, as long as these ions or longer. Tables
    with rows are given whole: a part of their columns is not known to be contiguous, and loops over it are not
    vectorised.
    """
    n, last = positions.size, mesh.cells.size - 1
    find_shapes_on_two_axes(
        positions,
        transverse[last, start : start + n],
        mesh.inverse_spacing,
        mesh.stride,
        mesh.steps[0],
        mesh.inverse_spacings[last],
        mesh.cells[last],
        nodes,
        shapes[1, :n],
        shapes[2 << last, :n],
    )
    for axis in range(last):
        refine_nodes(
            transverse[axis, start : start + n],
            mesh.inverse_spacings[axis],
            mesh.cells[axis],
            mesh.steps[axis + 1],
            nodes,
            shapes[2 << axis, :n],
        )
    if last > 0:
        multiply_shapes(shapes, n)


@internal
def multiply_shapes(shapes, n):
    """Write the shapes of `n` ions in all subsets of several axes from those in single ones."""
    own = 2
    while own < shapes.shape[0]:
        for subset in range(1, own):
            multiply(shapes[subset, :n], shapes[own, :n], shapes[own | subset, :n])
        own *= 2


# --- from the potential to ions ---


@internal
def take_differences(looked_up, n, axes):
    """Turn numbers at the corners of `n` cells into their differences along some axes, a subset, in every subset."""
    own = 1
    while own < looked_up.shape[0]:
        if own & axes:
            for subset in range(looked_up.shape[0]):
                if subset & own == 0:
                    subtract(looked_up[subset, :n], looked_up[subset | own, :n])
        own *= 2


@internal
def look_up_differences(potentials, nodes, mesh, looked_up):
    """Look up the differences of the potential over the axes of every subset for each ion.

    `potentials`: see `node_tables.make_potentials`; `nodes`: see `find_shapes`; `looked_up`: (subsets, at least ions)
    float32.
    """
    n, subsets, step = nodes.size, looked_up.shape[0], mesh.steps[0]
    fastest = subsets // 2
    in_fours = n - n % FOUR
    for corner in range(0, fastest, 2):
        offset = corner_offset(corner, mesh.steps)
        for k in range(0, in_fours, FOUR):
            look_up_four(potentials, nodes, k, offset, step, corner, fastest, looked_up)
    for k in range(in_fours, n):
        for corner in range(0, fastest, 2):
            near = int64(nodes[k]) + corner_offset(corner, mesh.steps)
            far = near + step
            along = potentials[near + 1] - potentials[near]
            looked_up[corner, k] = potentials[near]
            looked_up[corner | fastest, k] = along
            looked_up[corner | 1, k] = potentials[far] - potentials[near]
            looked_up[corner | 1 | fastest, k] = (potentials[far + 1] - potentials[far]) - along
    if fastest > 2:
        take_differences(looked_up, n, subsets - 1 - (1 | fastest))


@internal
def add_inner_terms(looked_up, shapes, n):
    """Add to the differences of `n` ions along each single axis what their places along others make of them, but one.

    The component of the field along an axis is the same all along this axis within a cell, and linear along the
    others: minus the gradient of the interpolated potential, so its work is the change of an energy. It is minus the
    sum over the subsets of all other axes of the differences in these and its own times the shapes in these, over the
    spacing. The term of all other axes together is left to `component`; with one transverse axis there is no other.
    """
    subsets = looked_up.shape[0]
    own = 1
    while own < subsets:
        for others in range(1, subsets - 1):
            if others & own == 0 and others | own != subsets - 1:
                add_product(looked_up[others | own, :n], shapes[others, :n], looked_up[own, :n])
        own *= 2


@compiled
def component(difference, outer_difference, outer_shape):
    """Return by how much the potential rises across an ion's cell along an axis, see `add_inner_terms`.

    `difference`: that along this axis alone with the inner terms; `outer_difference`: that over all axes;
    `outer_shape`: that in all the others.
    """
    return difference + outer_difference * outer_shape


# --- from ions to weights ---


@internal
def find_weights_on_two_axes(
    positions,
    coordinates,
    inverse_spacing,
    stride,
    step,
    inverse_spacing_along,
    cells_along,
    nodes,
    near,
    normal,
    transverse,
    both,
):
    """Write where in a padded table each ion's near corner is, and the weights of the corners of its cell.

    The same as `find_shapes_on_two_axes` and `weigh_corners`, without writing and reading the shapes.
    """
    for k in range(positions.size):
        x = positions[k]
        scaled = abs(x) * inverse_spacing
        fraction = find_fraction(scaled, int32(scaled))
        scaled = coordinates[k] * inverse_spacing_along
        cell = find_transverse_cell(scaled, cells_along)
        fraction_along = find_fraction(scaled, cell)
        nodes[k] = uint32(uint32(find_entry(x, inverse_spacing, stride) * uint32(step)) + uint32(cell))
        on_normal, on_transverse = as_weight(fraction), as_weight(fraction_along)
        on_both = as_weight(fraction * fraction_along)
        both[k] = on_both
        normal[k] = int32(on_normal - on_both)
        only_transverse = int32(on_transverse - on_both)
        transverse[k] = only_transverse
        near[k] = int32(int32(int32(WEIGHT_ONE) - on_normal) - only_transverse)


@internal
def round_shapes(shapes, weights):
    """Write a row of shapes as integers."""
    for k in range(weights.size):
        weights[k] = as_weight(shapes[k])


@internal
def weigh_corners(shapes, n, weights):
    """Write the weights of the corners of the cells of `n` ions, (subsets, at least n) int32, from their shapes."""
    subsets = shapes.shape[0]
    for subset in range(subsets):
        round_shapes(shapes[subset, :n], weights[subset, :n])
    own = 1
    while own < subsets:
        for corner in range(subsets):
            if corner & own == 0:
                subtract(weights[corner | own, :n], weights[corner, :n])
        own *= 2


@internal
def find_weights(positions, transverse, start, mesh, nodes, shapes, weights):
    """Write the near corner of each ion's cell, see `find_shapes`, and the weights of the corners of its cell.

    `weights`: (subsets, at least ions) int32; `shapes`: memory, see `make_shapes`.
    """
    n = positions.size
    if mesh.cells.size == 1:
        find_weights_on_two_axes(
            positions,
            transverse[0, start : start + n],
            mesh.inverse_spacing,
            mesh.stride,
            mesh.steps[0],
            mesh.inverse_spacings[0],
            mesh.cells[0],
            nodes,
            weights[0, :n],
            weights[1, :n],
            weights[2, :n],
            weights[3, :n],
        )
    else:
        find_shapes(positions, transverse, start, mesh, nodes, shapes)
        weigh_corners(shapes, n, weights)


@internal
def add_weights(weights, nodes, mesh, table):
    """Add the weights of each ion to those at the corners of its cell; `table`: one of `node_tables.make_tables`."""
    n, subsets, step = nodes.size, weights.shape[0], mesh.steps[0]
    fastest = subsets // 2
    in_fours = n - n % FOUR
    for corner in range(0, fastest, 2):
        offset = corner_offset(corner, mesh.steps)
        for k in range(0, in_fours, FOUR):
            add_four(weights, nodes, k, offset, step, corner, fastest, table)
    for k in range(in_fours, n):
        for corner in range(subsets):
            table[int64(nodes[k]) + corner_offset(corner, mesh.steps)] += weights[corner, k]
