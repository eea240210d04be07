"""The equations of Poisson, Nernst and Planck with a membrane that gates and pumps, as stores, flows and a potential.

    d stores/dt = moved flows(stores, potential) + electrodes      0 = charge(stores) - K potential

`moved` is a constant matrix. Its columns add up to zero over the ions of a species, so that none is lost or made, and
so does every approximation of the flows. Electrodes and open far ends are in it: at an open far end a cell keeps its
ions, and what would have come into it goes to the count of what was exchanged, with the charge of that at the end.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from mc.engines.continuum.flows import Entries, Flows, Stores
from mc.engines.continuum.grid import Grid, held_node


class Drive(NamedTuple):
    """What an amplifier does: a current of its own into the cell, and whether the membrane's comes back by it."""

    current: float
    """At the moment `since`, e/ns."""
    slope: float
    """Of that current in time, e/ns2."""
    since: float
    """ns."""
    returns_membrane_current: bool
    """Whether it also gives what flows out through the membrane: then the charge in the cell is held."""


NO_DRIVE = Drive(0.0, 0.0, 0.0, False)


def to_matrix(entries: Entries, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a sparse matrix of entries."""
    return sparse.csr_array(sparse.coo_array((entries.values, (entries.rows, entries.columns)), shape=shape))


def join(parts: Sequence[Entries], row_offsets: Sequence[int], column_offsets: Sequence[int]) -> Entries:
    """Return the entries of several matrices as those of one."""
    return Entries(
        np.concatenate([one.rows + offset for one, offset in zip(parts, row_offsets, strict=True)]),
        np.concatenate([one.columns + offset for one, offset in zip(parts, column_offsets, strict=True)]),
        np.concatenate([one.values for one in parts]),
    )


class Equations:
    """The right-hand side, its Jacobian, and the potential of given stores."""

    def __init__(
        self,
        grid: Grid,
        stores: Stores,
        valences: NDArray[np.int64],
        kinds: Sequence[Flows],
        stiffness: sparse.csc_array,
        carrier: int,
        is_open: bool,
        clamped_potential: float | None,
    ) -> None:
        """`kinds`: every kind of flow; `carrier`: the species that electrodes carry their current with."""
        self.grid, self.stores, self.kinds = grid, stores, kinds
        moved = [kind.moved() for kind in kinds]
        self.n_flows = [kind.rates(np.ones(stores.size)).size for kind in kinds]
        self.first_flows = np.concatenate([[0], np.cumsum(self.n_flows)[:-1]]).astype(int).tolist()
        total = sum(self.n_flows)
        closed = to_matrix(join(moved, [0] * len(kinds), self.first_flows), (stores.n_stores, total))
        ends = _open_ends(stores, grid, is_open)
        self.electrodes = ends @ _electrodes(stores, grid, valences, carrier)
        self.moved = sparse.csr_array(ends @ closed)
        inside = stores.ions[:, grid.nodes_of(0)]
        charges = np.zeros(stores.n_stores)
        charges[inside] = np.broadcast_to(valences[:, None], inside.shape)
        outward = -(charges @ closed)
        self.moved_and_returned = sparse.csr_array(
            self.moved + sparse.csr_array(self.electrodes[:, None]) @ sparse.csr_array(outward[None, :])
        )
        self.mass = np.concatenate([np.ones(stores.n_stores), np.zeros(grid.n_nodes)])
        self._make_constraint(valences, stiffness, clamped_potential)

    def _make_constraint(
        self, valences: NDArray[np.int64], stiffness: sparse.csc_array, clamped_potential: float | None
    ) -> None:
        """Prepare Gauss's law; of a clamped slab the potential is given, and the baths have no field."""
        grid, stores = self.grid, self.stores
        self.fixed = np.zeros(grid.n_nodes)
        rows = np.broadcast_to(np.arange(grid.n_nodes), stores.ions.shape)
        charges = np.repeat(valences.astype(np.float64), grid.n_nodes)
        of_ends = np.broadcast_to(grid.ends, (valences.size, 2, grid.columns))[
            ..., : stores.exchanged.shape[2]
        ]
        entries = Entries(
            np.concatenate([rows.ravel(), of_ends.ravel()]),
            np.concatenate([stores.ions.ravel(), stores.exchanged.ravel()]),
            np.concatenate([charges, -np.repeat(valences.astype(np.float64), of_ends[0].size)]),
        )
        shape = (grid.n_nodes, stores.n_stores)
        if clamped_potential is not None:
            self.fixed[grid.nodes_of(0)] = clamped_potential
            stiffness = sparse.csc_array(sparse.eye_array(grid.n_nodes))
            self.charges = sparse.csr_array(shape)
        else:
            is_kept = entries.rows != held_node(grid)
            self.charges = to_matrix(Entries(*(part[is_kept] for part in entries)), shape)
        self.stiffness = stiffness
        self.inverse_stiffness = splu(stiffness)
        self.constraint = sparse.hstack([self.charges, -stiffness])

    def find_potential(self, stores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the potential at each node in mV, zero at the far end outside (at its first node)."""
        return np.asarray(self.inverse_stiffness.solve(self.charges @ stores + self.fixed), dtype=np.float64)

    def derivative(self, drive: Drive, time: float, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rates of change of the stores, and what is left of the constraint."""
        flows = np.concatenate([kind.rates(variables) for kind in self.kinds])
        moved = self.moved_and_returned if drive.returns_membrane_current else self.moved
        current = drive.current + drive.slope * (time - drive.since)
        return np.concatenate(
            [moved @ flows + current * self.electrodes, self.constraint @ variables + self.fixed]
        )

    def jacobian(self, drive: Drive, variables: NDArray[np.float64]) -> sparse.csc_array:
        """Return the derivative of `derivative` with respect to the variables."""
        slopes = to_matrix(
            join([kind.slopes(variables) for kind in self.kinds], self.first_flows, [0] * len(self.kinds)),
            (sum(self.n_flows), self.stores.size),
        )
        moved = self.moved_and_returned if drive.returns_membrane_current else self.moved
        return sparse.csc_array(sparse.vstack([moved @ slopes, self.constraint]))

    def in_time(self, drive: Drive) -> NDArray[np.float64]:
        """Return the derivative of `derivative` with respect to time."""
        return np.concatenate([drive.slope * self.electrodes, np.zeros(self.grid.n_nodes)])


def _open_ends(stores: Stores, grid: Grid, is_open: bool) -> sparse.csr_array:
    """Return the matrix that hands on what would come into the cells at open far ends to what is exchanged."""
    size = stores.n_stores
    if not is_open:
        return sparse.csr_array(sparse.eye_array(size))
    at_ends = stores.ions[:, grid.ends].ravel()
    kept = np.ones(size)
    kept[at_ends] = 0.0
    handed_on = to_matrix(Entries(stores.exchanged.ravel(), at_ends, -np.ones(at_ends.size)), (size, size))
    return sparse.csr_array(sparse.diags_array(kept) + handed_on)


def _electrodes(stores: Stores, grid: Grid, valences: NDArray[np.int64], carrier: int) -> NDArray[np.float64]:
    """Return what one charge into the cell adds to each store: a cation comes in for it, an anion goes out."""
    moved = np.zeros(stores.n_stores)
    share = 1.0 / (int(valences[carrier]) * grid.columns)
    moved[stores.ions[carrier, grid.ends[0]]] = share
    moved[stores.ions[carrier, grid.ends[1]]] = -share
    moved[stores.injected] = 1.0
    return moved
