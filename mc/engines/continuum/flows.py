"""What flows in the continuum: between cells, through channels, between states of channels, round pumps.

Everything that changes is a store: the ions of a cell, the channels of a type in a state, what has crossed so far. A
flow moves something from store to store at a rate that depends on the stores and on the potential. All that a kind of
flow owes the rest are its rates, their derivatives, and how much of each store one unit of it moves.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mc.constants import LARGEST_GATING_POTENTIAL
from mc.engines.continuum.electrodiffusion import goldman_factor, goldman_slope
from mc.engines.continuum.grid import Grid
from mc.membrane.gating import FORMS
from mc.membrane.transport import Pumps, cycle_rates
from mc.theory import VOLTAGE_DEPENDENCES

POTENTIAL_SHIFT = 1e-3
"""mV over which slopes of the rates of gates and pumps are taken: right to their third derivative times 1e-7."""

RELATIVE_SHIFT = 1e-4
"""Of a concentration, for slopes of the rates of pumps."""


class Entries(NamedTuple):
    """Entries of a sparse matrix; several of one place add up."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


class Stores(NamedTuple):
    """Where each store stands in the vector of all, and after them the potentials."""

    ions: NDArray[np.int64]
    """(species, nodes) number of ions."""
    states: NDArray[np.int64]
    """(groups' states,) number of channels of one type and column in one state."""
    crossings: NDArray[np.int64]
    """(channel types, species, 2) so far; outward, inward."""
    cycles: NDArray[np.int64]
    """(pump types, 2) so far; forward, backward."""
    exchanged: NDArray[np.int64]
    """(species, 2, columns) net number that came in from the reservoirs so far; empty where far ends are closed."""
    injected: NDArray[np.int64]
    """(1,) charge into the cell by the amplifier so far, e."""
    potential: NDArray[np.int64]
    """(nodes,) mV; no store, but found from them."""

    @property
    def n_stores(self) -> int:
        """Number of stores."""
        return int(self.injected[0]) + 1

    @property
    def size(self) -> int:
        """Number of all variables."""
        return self.n_stores + self.potential.size


def make_stores(
    n_species: int, n_nodes: int, n_states: int, n_channel_types: int, n_pump_types: int, n_open_columns: int
) -> Stores:
    """Return a numbering of as many of each."""
    shapes = (
        (n_species, n_nodes),
        (n_states,),
        (n_channel_types, n_species, 2),
        (n_pump_types, 2),
        (n_species, 2, n_open_columns),
        (1,),
        (n_nodes,),
    )
    first, numbered = 0, []
    for shape in shapes:
        size = int(np.prod(shape))
        numbered.append(np.arange(first, first + size, dtype=np.int64).reshape(shape))
        first += size
    return Stores(*numbered)


class Flows(Protocol):
    """One kind of flow."""

    def moved(self) -> Entries:
        """Return how much of each store (rows) one unit of each flow (columns) adds."""

    def rates(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate of each flow in 1/ns."""

    def slopes(self, variables: NDArray[np.float64]) -> Entries:
        """Return the derivative of each flow (rows) with respect to each variable (columns)."""


class Electrodiffusion:
    """Ions between neighbouring cells of one side, one flow for each species and edge."""

    def __init__(
        self,
        grid: Grid,
        stores: Stores,
        valences: NDArray[np.int64],
        diffusion_coefficients: NDArray[np.float64],
        thermal_potential: float,
    ) -> None:
        self.grid, self.stores = grid, stores
        self.conductances = diffusion_coefficients[:, None] * grid.edge_lengths
        self.per_millivolt = valences[:, None] / thermal_potential

    def moved(self) -> Entries:
        """Return how much of each store one unit of each flow adds."""
        one, other = (self.stores.ions[:, nodes].ravel() for nodes in self.grid.edges)
        flow = np.arange(one.size)
        ones = np.ones(one.size)
        return Entries(np.concatenate([one, other]), np.tile(flow, 2), np.concatenate([-ones, ones]))

    def _reduced_drops(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        potential = variables[self.stores.potential]
        one, other = self.grid.edges
        return self.per_millivolt * (potential[one] - potential[other])

    def rates(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the net flow along each edge, ions/ns."""
        density = variables[self.stores.ions] / self.grid.volumes
        one, other = self.grid.edges
        u = self._reduced_drops(variables)
        down = goldman_factor(u)
        return (self.conductances * (down * density[:, one] - (down - u) * density[:, other])).ravel()

    def slopes(self, variables: NDArray[np.float64]) -> Entries:
        """Return the derivatives of the flows."""
        volumes, stores = self.grid.volumes, self.stores
        density = variables[stores.ions] / volumes
        one, other = self.grid.edges
        u = self._reduced_drops(variables)
        down, slope = goldman_factor(u), goldman_slope(u)
        by_potential = (
            self.conductances
            * (slope * density[:, one] - (slope - 1.0) * density[:, other])
            * self.per_millivolt
        )
        flow = np.arange(u.size)
        potentials = np.broadcast_to(stores.potential, (len(u), stores.potential.size))
        return Entries(
            np.tile(flow, 4),
            np.concatenate(
                [
                    stores.ions[:, one].ravel(),
                    stores.ions[:, other].ravel(),
                    potentials[:, one].ravel(),
                    potentials[:, other].ravel(),
                ]
            ),
            np.concatenate(
                [
                    (self.conductances * down / volumes[one]).ravel(),
                    (-self.conductances * (down - u) / volumes[other]).ravel(),
                    by_potential.ravel(),
                    -by_potential.ravel(),
                ]
            ),
        )


class ChannelGroups(NamedTuple):
    """Channels of one type in one column of cells, as many as there are of them in each state."""

    group_type: NDArray[np.int64]
    """(groups,)"""
    group_column: NDArray[np.int64]
    """(groups,)"""
    sizes: NDArray[np.int64]
    """(groups,) channels."""
    state_group: NDArray[np.int64]
    """(states,) the group that each store of states belongs to."""
    state_number: NDArray[np.int64]
    """(states,) its number among the states of its type."""
    permeabilities: NDArray[np.float64]
    """(states, species) of one channel, nm3/ns."""
    free_share: NDArray[np.float64]
    """(groups,) of the channels that no drug blocks; written when a protocol blocks them."""


class Crossings:
    """Ions through open channels: a flow outward and one inward for each type, species and column that passes any."""

    def __init__(
        self,
        grid: Grid,
        stores: Stores,
        groups: ChannelGroups,
        valences: NDArray[np.int64],
        thermal_potential: float,
    ) -> None:
        self.grid, self.stores, self.groups = grid, stores, groups
        types = groups.group_type[groups.state_group]
        columns = groups.group_column[groups.state_group]
        state, species = np.nonzero(groups.permeabilities)
        keys = np.stack([types[state], species, columns[state]], axis=1).reshape(-1, 3)
        passages, self.passage_of_entry = np.unique(keys, axis=0, return_inverse=True)
        self.passage_of_entry = self.passage_of_entry.reshape(-1)
        self.types, self.species, self.columns = passages.T
        self.entry_state, self.entry_permeability = state, groups.permeabilities[state, species]
        self.inner, self.outer = (grid.faces[side, self.columns] for side in range(2))
        self.per_millivolt = valences[self.species] / thermal_potential

    @property
    def n(self) -> int:
        """Number of passages; there are twice as many flows, those outward first."""
        return self.types.size

    def moved(self) -> Entries:
        """Return how much of each store one unit of each flow adds."""
        stores, n = self.stores, self.n
        inside, outside = (
            stores.ions[self.species, self.inner],
            stores.ions[self.species, self.outer],
        )
        counted = [stores.crossings[self.types, self.species, way] for way in range(2)]
        outward, inward, ones = np.arange(n), n + np.arange(n), np.ones(n)
        return Entries(
            np.concatenate([inside, outside, inside, outside, *counted]),
            np.concatenate([outward, outward, inward, inward, outward, inward]),
            np.concatenate([-ones, ones, ones, -ones, ones, ones]),
        )

    def _by_permeability(self, variables: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
        """Return reduced drops, and outward and inward flows through a unit of permeability."""
        potential = variables[self.stores.potential]
        u = self.per_millivolt * (potential[self.inner] - potential[self.outer])
        down = goldman_factor(u)
        inside, outside = self._densities(variables)
        return u, down * inside, (down - u) * outside

    def _densities(self, variables: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        ions, volumes = variables[self.stores.ions], self.grid.volumes
        return (
            ions[self.species, self.inner] / volumes[self.inner],
            ions[self.species, self.outer] / volumes[self.outer],
        )

    def permeabilities(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the permeability of each passage, nm3/ns."""
        total = np.zeros(self.n)
        np.add.at(
            total,
            self.passage_of_entry,
            self._entry_shares() * variables[self.stores.states][self.entry_state],
        )
        return total

    def _entry_shares(self) -> NDArray[np.float64]:
        """Return the permeability that one more channel in each state adds."""
        return self.entry_permeability * self.groups.free_share[self.groups.state_group[self.entry_state]]

    def rates(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the one-way flows, ions/ns."""
        _, outward, inward = self._by_permeability(variables)
        permeabilities = self.permeabilities(variables)
        return np.concatenate([permeabilities * outward, permeabilities * inward])

    def slopes(self, variables: NDArray[np.float64]) -> Entries:
        """Return the derivatives of the flows."""
        stores, volumes, n = self.stores, self.grid.volumes, self.n
        u, outward, inward = self._by_permeability(variables)
        inside, outside = self._densities(variables)
        down, slope = goldman_factor(u), goldman_slope(u)
        permeabilities = self.permeabilities(variables)
        out, back = np.arange(n), n + np.arange(n)
        by_drop = [
            permeabilities * slope * inside * self.per_millivolt,
            permeabilities * (slope - 1.0) * outside * self.per_millivolt,
        ]
        shares, entry = self._entry_shares(), self.passage_of_entry
        opened = stores.states[self.entry_state]
        inner, outer = stores.potential[self.inner], stores.potential[self.outer]
        return Entries(
            np.concatenate([out, back, out, out, back, back, entry, n + entry]),
            np.concatenate(
                [
                    stores.ions[self.species, self.inner],
                    stores.ions[self.species, self.outer],
                    inner,
                    outer,
                    inner,
                    outer,
                    opened,
                    opened,
                ]
            ),
            np.concatenate(
                [
                    permeabilities * down / volumes[self.inner],
                    permeabilities * (down - u) / volumes[self.outer],
                    by_drop[0],
                    -by_drop[0],
                    by_drop[1],
                    -by_drop[1],
                    shares * outward[entry],
                    shares * inward[entry],
                ]
            ),
        )


class Gating:
    """Channels from state to state: the master equation of each scheme, at the drop and the ligands of its column."""

    def __init__(
        self,
        grid: Grid,
        stores: Stores,
        groups: ChannelGroups,
        laws: NDArray,
        ligands: NDArray[np.float64],
        ions_per_volume: float,
    ) -> None:
        """`laws`: (types, states, states) of `membrane.gating.LAW`; `ligands`: (1, ligands) mM, those of a protocol
        after two for each species, as in `membrane.gating.Channels`."""
        self.grid, self.stores = grid, stores
        self.ligands, self.ions_per_volume = ligands, ions_per_volume
        number_of = {
            (int(group), int(state)): i
            for i, (group, state) in enumerate(zip(groups.state_group, groups.state_number, strict=True))
        }
        sources, targets, columns, which = [], [], [], []
        for group, (channel_type, column) in enumerate(
            zip(groups.group_type, groups.group_column, strict=True)
        ):
            for source, target in np.argwhere(laws["rate"][channel_type] > 0.0):
                sources.append(number_of[group, source])
                targets.append(number_of[group, target])
                columns.append(column)
                which.append((channel_type, source, target))
        self.sources, self.targets, self.columns = (
            np.array(one, dtype=np.int64) for one in (sources, targets, columns)
        )
        self.laws = laws[tuple(np.array(which, dtype=np.int64).reshape(-1, 3).T)]
        self.of_form = [np.flatnonzero(self.laws["form"] == number) for number in range(len(FORMS))]
        self.bound = np.flatnonzero(self.laws["ligand"] >= 0)
        is_ion = self.laws["ligand"][self.bound] < 2 * len(stores.ions)
        self.ion_bound, self.drug_bound = self.bound[is_ion], self.bound[~is_ion]
        species, side = np.divmod(self.laws["ligand"][self.ion_bound], 2)
        self.sensed_nodes = grid.faces[side, self.columns[self.ion_bound]]
        self.sensed_stores = stores.ions[species, self.sensed_nodes]

    def moved(self) -> Entries:
        """Return how much of each store one unit of each flow adds."""
        states, ones = self.stores.states, np.ones(self.sources.size)
        return Entries(
            np.concatenate([states[self.sources], states[self.targets]]),
            np.tile(np.arange(self.sources.size), 2),
            np.concatenate([-ones, ones]),
        )

    def _drops(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        potential = variables[self.stores.potential]
        inner, outer = self.grid.faces[:, self.columns]
        return potential[inner] - potential[outer]

    def _rates_by_potential(self, drops: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rates in 1/ns, or in 1/ns for each mM of their ligand."""
        clipped = np.clip(drops, -LARGEST_GATING_POTENTIAL, LARGEST_GATING_POTENTIAL)
        rates = self.laws["rate"].astype(np.float64)
        for form, members in zip(FORMS, self.of_form, strict=True):
            if form in VOLTAGE_DEPENDENCES and members.size:
                laws = self.laws[members]
                rates[members] = VOLTAGE_DEPENDENCES[form](
                    clipped[members], laws["rate"], laws["midpoint"], laws["scale"]
                )
        return rates

    def _bound_ligands(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the concentration in mM of what each rate asks for, 1 where it asks for nothing."""
        concentrations = np.ones(self.sources.size)
        concentrations[self.drug_bound] = self.ligands[0, self.laws["ligand"][self.drug_bound]]
        concentrations[self.ion_bound] = variables[self.sensed_stores] / (
            self.grid.volumes[self.sensed_nodes] * self.ions_per_volume
        )
        return np.maximum(concentrations, 0.0)

    def rates(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return transitions, 1/ns."""
        rates = self._rates_by_potential(self._drops(variables)) * self._bound_ligands(variables)
        return rates * variables[self.stores.states[self.sources]]

    def slopes(self, variables: NDArray[np.float64]) -> Entries:
        """Return the derivatives of the flows."""
        stores, flow = self.stores, np.arange(self.sources.size)
        drops, ligands = self._drops(variables), self._bound_ligands(variables)
        by_potential = self._rates_by_potential(drops)
        channels = variables[stores.states[self.sources]]
        rise = (
            self._rates_by_potential(drops + POTENTIAL_SHIFT)
            - self._rates_by_potential(drops - POTENTIAL_SHIFT)
        ) / (2.0 * POTENTIAL_SHIFT)
        by_drop = rise * ligands * channels
        per_ion = 1.0 / (self.grid.volumes[self.sensed_nodes] * self.ions_per_volume)
        inner, outer = stores.potential[self.grid.faces[:, self.columns]]
        return Entries(
            np.concatenate([flow, flow, flow, self.ion_bound]),
            np.concatenate([stores.states[self.sources], inner, outer, self.sensed_stores]),
            np.concatenate(
                [
                    by_potential * ligands,
                    by_drop,
                    -by_drop,
                    (by_potential * channels)[self.ion_bound] * per_ion,
                ]
            ),
        )


class PumpGroups(NamedTuple):
    """Pumps or transporters of one type in one column of cells."""

    group_type: NDArray[np.int64]
    """(groups,)"""
    group_column: NDArray[np.int64]
    """(groups,)"""
    free: NDArray[np.float64]
    """(groups,) how many of them no drug blocks; written when a protocol blocks them."""


class Pumping:
    """Cycles of pumps and transporters: one flow forward and one backward for each group."""

    def __init__(
        self,
        grid: Grid,
        stores: Stores,
        groups: PumpGroups,
        pumps: Pumps,
        ions_per_volume: float,
    ) -> None:
        self.grid, self.stores, self.groups, self.pumps = grid, stores, groups, pumps
        self.ions_per_volume = ions_per_volume

    @property
    def n(self) -> int:
        """Number of groups; there are twice as many flows, those forward first."""
        return self.groups.group_type.size

    def moved(self) -> Entries:
        """Return how much of each store one unit of each flow adds."""
        rows, columns, values = [], [], []
        for group, (pump_type, column) in enumerate(
            zip(self.groups.group_type, self.groups.group_column, strict=True)
        ):
            outward, inward = self.pumps.stoichiometry[pump_type].T
            net = (outward - inward).astype(np.float64)
            for way, sign in ((0, 1.0), (1, -1.0)):
                flow = way * self.n + group
                for side, gain in ((0, -sign * net), (1, sign * net)):
                    rows.append(self.stores.ions[:, self.grid.faces[side, column]])
                    columns.append(np.full(net.size, flow))
                    values.append(gain)
                rows.append(self.stores.cycles[pump_type, way : way + 1])
                columns.append(np.array([flow]))
                values.append(np.ones(1))
        if not rows:
            return Entries(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
        return Entries(np.concatenate(rows), np.concatenate(columns), np.concatenate(values))

    def _sensed(self, variables: NDArray[np.float64], column: int) -> tuple[NDArray[np.float64], float]:
        """Return concentrations beside the membrane, (species, 2) in mM, and the drop in mV."""
        nodes = self.grid.faces[:, column]
        ions = np.maximum(variables[self.stores.ions[:, nodes]], 0.0)
        inner, outer = variables[self.stores.potential[nodes]]
        return ions / (self.grid.volumes[nodes] * self.ions_per_volume), float(inner - outer)

    def _cycle_rates(
        self, pump_type: int, concentrations: NDArray[np.float64], drop: float
    ) -> NDArray[np.float64]:
        """Return the rates of one pump, forward and backward, 1/ns."""
        return np.array(cycle_rates.py_func(self.pumps, pump_type, concentrations, drop))

    def rates(self, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return cycles, 1/ns."""
        rates = np.zeros((2, self.n))
        for group, (pump_type, column) in enumerate(
            zip(self.groups.group_type, self.groups.group_column, strict=True)
        ):
            rates[:, group] = self._cycle_rates(pump_type, *self._sensed(variables, column))
        return (rates * self.groups.free).ravel()

    def slopes(self, variables: NDArray[np.float64]) -> Entries:
        """Return the derivatives of the flows."""
        rows, columns, values = [], [], []

        def add(group: int, variable: int, slope: NDArray[np.float64]) -> None:
            rows.extend([group, self.n + group])
            columns.extend([variable, variable])
            values.extend(slope * self.groups.free[group])

        for group, (pump_type, column) in enumerate(
            zip(self.groups.group_type, self.groups.group_column, strict=True)
        ):
            concentrations, drop = self._sensed(variables, column)
            nodes = self.grid.faces[:, column]
            above, below = (
                self._cycle_rates(pump_type, concentrations, drop + shift)
                for shift in (POTENTIAL_SHIFT, -POTENTIAL_SHIFT)
            )
            slope = (above - below) / (2.0 * POTENTIAL_SHIFT)
            add(group, self.stores.potential[nodes[0]], slope)
            add(group, self.stores.potential[nodes[1]], -slope)
            for species in np.flatnonzero(self.pumps.exponents[pump_type].any(axis=1)):
                for side in range(2):
                    here = concentrations[species, side]
                    shift = RELATIVE_SHIFT * max(here, self.pumps.half_saturation[pump_type, species, side])
                    # Not to the other side of zero.
                    low = max(here - shift, 0.0)
                    ends = []
                    for value in (here + shift, low):
                        moved = concentrations.copy()
                        moved[species, side] = value
                        ends.append(self._cycle_rates(pump_type, moved, drop))
                    slope = (ends[0] - ends[1]) / (here + shift - low)
                    per_ion = 1.0 / (self.grid.volumes[nodes[side]] * self.ions_per_volume)
                    add(group, self.stores.ions[species, nodes[side]], slope * per_ion)
        return Entries(np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64), np.array(values))
