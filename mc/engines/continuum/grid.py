"""The cells of the continuum, nodes along the normal on both sides and columns along the membrane, and Gauss's law.

Nodes are numbered row by row: those of the inside from the membrane to the far end, then those of the outside from
the membrane to the far end; within a row the columns follow each other. A cell reaches halfway to the neighbours of
its node. Along the normal spacings may differ, along the membrane, where the grid is periodic, they are equal.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray


class Grid(NamedTuple):
    """Where the cells are; lengths in nm."""

    distances: tuple[NDArray[np.float64], NDArray[np.float64]]
    """From the membrane, of each row inside and outside."""
    widths: NDArray[np.float64]
    """(rows,) of cells along the normal."""
    columns: int
    """1 in one dimension."""
    spacing_along: float
    """Between columns; of no meaning in one dimension."""
    depth: float
    """Area between neighbouring cells along the membrane over their width."""
    volumes: NDArray[np.float64]
    """(nodes,) nm3."""
    edges: NDArray[np.int64]
    """(2, edges) the two nodes of every pair of neighbours on the same side of the membrane."""
    edge_lengths: NDArray[np.float64]
    """(edges,) area between both cells over the distance of their nodes."""
    faces: NDArray[np.int64]
    """(2, columns) nodes at the membrane, inside and outside."""
    ends: NDArray[np.int64]
    """(2, columns) nodes at the far ends."""

    @property
    def n_rows(self) -> tuple[int, int]:
        """Rows inside and outside."""
        return self.distances[0].size, self.distances[1].size

    @property
    def n_nodes(self) -> int:
        """Nodes on both sides."""
        return self.volumes.size

    def rows_of(self, side: int) -> slice:
        """Return the rows of a side."""
        inside, outside = self.n_rows
        return slice(0, inside) if side == 0 else slice(inside, inside + outside)

    def nodes_of(self, side: int) -> slice:
        """Return the nodes of a side."""
        rows = self.rows_of(side)
        return slice(rows.start * self.columns, rows.stop * self.columns)


def make_grid(
    distances: tuple[NDArray[np.float64], NDArray[np.float64]], area: float, columns: int, width: float
) -> Grid:
    """Return the cells of a box with nodes at `distances` from the membrane; `width`: along the membrane, nm."""
    widths, normal, normal_lengths, along, along_lengths = [], [], [], [], []
    column_area, spacing_along = area / columns, width / columns
    depth = column_area / spacing_along
    first = 0
    every = np.arange(columns)
    for of_side in distances:
        spacings = np.diff(of_side)
        middles = (of_side[:-1] + of_side[1:]) / 2.0
        widths.append(np.diff(np.concatenate([[0.0], middles, of_side[-1:]])))
        for row in range(of_side.size):
            here = first + row * columns + every
            if row + 1 < of_side.size:
                normal.append(np.stack([here, here + columns]))
                normal_lengths.append(np.full(columns, column_area / spacings[row]))
            if columns > 1:
                along.append(np.stack([here, np.roll(here, -1)]))
                along_lengths.append(np.full(columns, widths[-1][row] * depth / spacing_along))
        first += of_side.size * columns
    all_widths = np.concatenate(widths)
    inside, rows = distances[0].size, all_widths.size
    return Grid(
        distances=distances,
        widths=all_widths,
        columns=columns,
        spacing_along=spacing_along,
        depth=depth,
        volumes=np.repeat(all_widths * column_area, columns),
        edges=np.concatenate([*normal, *along], axis=1),
        edge_lengths=np.concatenate([*normal_lengths, *along_lengths]),
        faces=np.stack([every, inside * columns + every]),
        ends=np.stack([(inside - 1) * columns + every, (rows - 1) * columns + every]),
    )


def make_stiffness(
    grid: Grid, permittivity: float, specific_capacitance: float, thickness: float
) -> sparse.csc_array:
    """Return K of Gauss's law K potential = charge, (nodes, nodes) in e/mV.

    Central differences in the baths. The slab holds no charge; along the normal its field is even, so that it couples
    both faces by its capacitance, and along the membrane by linear elements, which is the exact solution to second
    order in thickness over wavelength. No field leaves the far ends, so that a constant is open: the row of one node
    at the far end outside says instead that its potential is zero. It would follow from the others, as all charge
    together is zero.
    """
    first, second, values = [grid.edges[0]], [grid.edges[1]], [permittivity * grid.edge_lengths]
    inner, outer = grid.faces
    first.append(inner)
    second.append(outer)
    values.append(np.full(grid.columns, specific_capacitance * grid.spacing_along * grid.depth))
    if grid.columns > 1:
        along = specific_capacitance * thickness**2 * grid.depth / grid.spacing_along
        for here, there, share in (
            (inner, inner, 1 / 3),
            (outer, outer, 1 / 3),
            (inner, outer, 1 / 6),
            (outer, inner, 1 / 6),
        ):
            first.append(here)
            second.append(np.roll(there, -1))
            values.append(np.full(grid.columns, along * share))
        # The two faces of one column: what the linear elements take from their capacitance.
        first.append(inner)
        second.append(outer)
        values.append(np.full(grid.columns, -2.0 * along / 6))
    one, other, value = np.concatenate(first), np.concatenate(second), np.concatenate(values)
    stiffness = sparse.coo_array(
        (
            np.concatenate([value, value, -value, -value]),
            (np.concatenate([one, other, one, other]), np.concatenate([one, other, other, one])),
        ),
        shape=(grid.n_nodes, grid.n_nodes),
    ).tolil()
    held = held_node(grid)
    stiffness[held, :] = 0.0
    stiffness[held, held] = 1.0
    return sparse.csc_array(stiffness)


def held_node(grid: Grid) -> int:
    """Return the node whose potential is zero."""
    return int(grid.ends[1, 0])
