"""Nodes of a grid that is fine beside the membrane and coarse in the bulk."""

import numpy as np
from numpy.typing import NDArray

GROWTH = 1.2
"""Of the spacing from node to node: smooth enough for errors to keep falling with its square."""


def graded_distances(length: float, finest: float, coarsest: float) -> NDArray[np.float64]:
    """Return the distances of nodes from the membrane in nm, from 0 to `length`.

    Spacings grow from `finest` to `coarsest`; all are then scaled so that the last node is at the far end. Equal ones
    make an even grid, of the nearest spacing below that fits.
    """
    spacings = []
    spacing, reached = min(finest, coarsest), 0.0
    while reached < length * (1.0 - 1e-9):
        spacings.append(spacing)
        reached += spacing
        spacing = min(spacing * GROWTH, coarsest)
    distances = np.concatenate([[0.0], np.cumsum(spacings)])
    return np.asarray(distances * (length / distances[-1]), dtype=np.float64)
