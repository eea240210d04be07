"""Charge to potential with transverse axes: one tridiagonal system along the membrane normal for each mode.

The transverse axes are periodic, so the transform along them (`mc.field.transform`) splits Poisson's equation into
independent systems, one for each transverse mode of wavenumber k:

    d/dx(eps dphi/dx) - eps k^2 phi = -rho

Finite differences with nodes in x on each bath, half cells at the faces and the far ends. The slab has no grid: it
holds no charge but that of pores, and its own solution joins its faces exactly. With eps_m = C_m d, the flux into it
is eps_m k (phi_inner coth(k d) - phi_outer/sinh(k d)) at the inner face, and the same with the faces exchanged at
the outer one; for k = 0 both are the plate capacitor C_m (phi_inner - phi_outer). A charge q at depth x in the slab
acts on the outside world as q sinh(k (d - x))/sinh(k d) on the inner face and q sinh(k x)/sinh(k d) on the outer one.

A list of axes of any length makes the modes; without an axis there is the one mode k = 0, which is Gauss's law.
"""

from typing import NamedTuple

import numpy as np
from numba import int64, prange

from mc.compilation import compiled, entry_point, internal, parallel
from mc.field.deposition import WEIGHT_ONE, smaller
from mc.field.mesh import copy_row
from mc.field.transform import interleave, separate, transform_axis, twiddles
from mc.field.vectors import LANES

GROUP = 64
"""Modes whose systems are solved together: what their rows hold stays in the cache between both sweeps."""


class Modes(NamedTuple):
    """The box as the solver sees it; all in internal units."""

    stride: int
    """Entries a side of every cell and node table, along the normal. The far end is node `stride - 2`."""
    spacing: float
    """Along the normal, nm."""
    node_area: float
    """What a node stands for of the membrane's area, nm2."""
    permittivity: float
    """Of the baths, e/(mV nm)."""
    thickness: float
    """Of the slab, nm."""
    specific_capacitance: float
    """Of the slab, e/(mV nm2)."""
    holds_far_end: bool
    """Whether the potential is zero all over the far end outside; else there is no field there."""
    cells: np.ndarray
    """(axes,) int64, along each transverse axis."""
    transverse_spacings: np.ndarray
    """(axes,) nm."""
    wavenumbers: np.ndarray
    """(modes,) effective ones of the finite differences, 1/nm: the root of the sum of (2 sin(k h/2)/h)^2."""
    turns: np.ndarray
    """(axes, 2, largest number of cells) see `transform.twiddles`; float32 or float64, as is all that is solved."""
    nodes_of_rows: np.ndarray
    """(rows + LANES - 1,) where the nodes of each row begin in their tables, the last one repeated."""
    modes_of_rows: np.ndarray
    """(rows + LANES - 1,) where the modes of each row begin in a group of systems, the last one repeated."""


class Factors(NamedTuple):
    """The factorised systems, with rows from the far end inside to the far end outside, 2 (stride - 1) in all.

    Modes are in groups, the rows of a group together: a power of two between rows would be hard on the cache.
    """

    multipliers: np.ndarray
    """(groups, rows, modes of a group) what of the row before is added to a row to eliminate it."""
    inverse_pivots: np.ndarray
    """(groups, rows, modes of a group)"""


class Workspace(NamedTuple):
    """Memory of the solver."""

    spectrum: np.ndarray
    """(groups, rows, modes of a group) charge, then potential, of each mode."""
    buffers: np.ndarray
    """(workers, 2, modes * LANES)"""
    profile: np.ndarray
    """(modes,) of a charge in the slab."""
    phases: np.ndarray
    """(largest number of cells along an axis,) the same along one axis."""


def make_modes(
    *,
    stride: int,
    spacing: float,
    area: float,
    permittivity: float,
    thickness: float,
    specific_capacitance: float,
    cells: tuple[int, ...],
    widths: tuple[float, ...],
    holds_far_end: bool = False,
    precision: type[np.floating] = np.float64,
) -> Modes:
    """Return the solver's view of a box of `widths` (nm) cut into `cells`, a power of two along each axis.

    `precision`: of all that is solved, float32 or float64.
    """
    squares = np.zeros(1)
    turns = np.zeros((len(cells), 2, max(cells, default=1)), dtype=precision)
    for axis, (n, width) in enumerate(zip(cells, widths, strict=True)):
        turns[axis, :, :n] = twiddles(n)
        h = width / n
        square = (2.0 / h * np.sin(np.pi * np.arange(n) / n)) ** 2
        squares = (squares[:, None] + square).ravel()
    rows = np.minimum(np.arange(2 * (stride - 1) + LANES - 1), 2 * (stride - 1) - 1)
    return Modes(
        stride=stride,
        spacing=spacing,
        node_area=area / squares.size,
        permittivity=permittivity,
        thickness=thickness,
        specific_capacitance=specific_capacitance,
        holds_far_end=holds_far_end,
        cells=np.array(cells, dtype=np.int64),
        transverse_spacings=np.array(widths, dtype=float) / np.array(cells, dtype=float),
        wavenumbers=np.sqrt(squares),
        turns=turns,
        nodes_of_rows=np.where(rows < stride - 1, stride - 2 - rows, rows + 1) * squares.size,
        modes_of_rows=rows * min(squares.size, GROUP),
    )


def _systems_shape(modes: Modes) -> tuple[int, int, int]:
    n = modes.wavenumbers.size
    group = min(n, GROUP)
    return n // group, 2 * (modes.stride - 1), group


def make_factors(modes: Modes) -> Factors:
    """Return memory for the factorised systems."""
    shape, precision = _systems_shape(modes), modes.turns.dtype
    return Factors(np.zeros(shape, dtype=precision), np.zeros(shape, dtype=precision))


def make_workspace(modes: Modes, workers: int) -> Workspace:
    """Return memory for a solver on so many threads."""
    n, precision = modes.wavenumbers.size, modes.turns.dtype
    return Workspace(
        np.zeros(_systems_shape(modes), dtype=precision),
        np.zeros((workers, 2, n * LANES), dtype=precision),
        np.zeros(n),
        np.zeros(modes.turns.shape[2]),
    )


@internal
def cell_between(row, stride):
    """Return the cell between a row and the next one on the same side, as an index along the normal."""
    return stride - 3 - row if row < stride - 2 else row + 1


@internal
def is_at_far_end(row, stride):
    """Return whether a row is the far end of a bath."""
    return row == 0 or row == 2 * stride - 3


@entry_point
def factorise(modes, conductivities, time_step, factors):
    """Factorise the systems of all modes.

    With `time_step` = 0 they are Gauss's law. With the step's length they are semi-implicit (Ventzek, Hoekstra &
    Kushner 1994, J. Vac. Sci. Technol. B 12:461): the conductivity adds dt sigma to the permittivity.

    `conductivities`: plane averages in each cell along the normal, (2 * stride,), e/(mV nm ns).

    The potential is zero at the far end outside: everywhere if that end is held, else in the mode k = 0 only, which
    says nothing but the box is neutral there. A pivot that is infinite pins it.

    Each pivot is kept as what it exceeds the coupling to the next row by, a sum of positive terms: no digits are
    lost, even in the mode k = 0, where the plain recurrence subtracts numbers that are almost the same.
    """
    stride, h = modes.stride, modes.spacing
    rows = 2 * (stride - 1)
    inner_face = stride - 2
    group_size = factors.multipliers.shape[2]
    for mode in range(modes.wavenumbers.size):
        multipliers = factors.multipliers[mode // group_size, :, mode % group_size]
        inverse_pivots = factors.inverse_pivots[mode // group_size, :, mode % group_size]
        k = modes.wavenumbers[mode]
        decay = np.exp(-k * modes.thickness)
        if k > 0.0:
            stiffness = modes.specific_capacitance * modes.thickness * k
            slab_coupling = stiffness * 2.0 * decay / (1.0 - decay * decay)
            slab_charging = stiffness * (1.0 - decay) / (1.0 + decay)
        else:
            slab_coupling, slab_charging = modes.specific_capacitance, 0.0
        coupling_before, excess_before, half_before = 0.0, 0.0, 0.0
        for row in range(rows):
            if row == inner_face:
                coupling, half_after, own = slab_coupling, 0.0, slab_charging
            elif row == rows - 1:
                coupling, half_after, own = 0.0, 0.0, 0.0
            else:
                permittivity = modes.permittivity + time_step * conductivities[cell_between(row, stride)]
                coupling = permittivity / h
                half_after = 0.5 * h * permittivity * k * k
                own = slab_charging if row == inner_face + 1 else 0.0
            own += half_before + half_after
            pivot_before = excess_before + coupling_before
            if row > 0:
                multipliers[row] = coupling_before / pivot_before
                own += coupling_before * (excess_before / pivot_before)
            is_pinned = row == rows - 1 and (modes.holds_far_end or k == 0.0)
            inverse_pivots[row] = 0.0 if is_pinned else 1.0 / (own + coupling)
            coupling_before, excess_before, half_before = coupling, own, half_after


@internal
def transform_lanes(modes, buffers):
    """Transform one batch of columns along every axis; return the index of the buffer that holds the result."""
    n = modes.wavenumbers.size
    at = 0
    outer, inner = 1, n
    for axis in range(modes.cells.size):
        cells = modes.cells[axis]
        inner //= cells
        length = cells * inner * LANES
        swapped = False
        for i in range(outer):
            here = slice(i * length, (i + 1) * length)
            swapped = transform_axis(
                buffers[at, here],
                buffers[1 - at, here],
                cells,
                inner * LANES,
                modes.turns[axis, :, :cells],
            )
        if swapped:
            at = 1 - at
        outer *= cells
    return at


@internal
def fill_lanes(source, places, first, moved, n, factor, lanes):
    """Put `n` numbers of LANES rows side by side, each times a factor, see `transform.interleave`."""
    whole = n - n % LANES
    for k in range(0, whole, LANES):
        interleave(source, places, first, moved + k, factor, lanes, k * LANES)
    for k in range(whole, n):
        for lane in range(LANES):
            lanes[k * LANES + lane] = factor * source[places[first + lane] + moved + k]


@internal
def empty_lanes(lanes, n, target, places, first, moved):
    """Take `n` numbers of LANES rows out of the lanes, the inverse of `fill_lanes`."""
    whole = n - n % LANES
    for k in range(0, whole, LANES):
        separate(lanes, k * LANES, target, places, first, moved + k)
    for k in range(whole, n):
        for lane in range(LANES):
            target[places[first + lane] + moved + k] = lanes[k * LANES + lane]


@internal
def load_charges(node_charges, scale, first, last, modes, lanes):
    """Put the charges of the nodes of up to LANES rows side by side.

    An ion on the far wall may leave a rounding error's share at the node beyond it: that is the wall's.
    """
    n = modes.wavenumbers.size
    fill_lanes(node_charges, modes.nodes_of_rows, first, 0, n, scale, lanes)
    for row in range(first, last):
        if is_at_far_end(row, modes.stride):
            beyond = modes.nodes_of_rows[row] + n
            for m in range(n):
                lanes[m * LANES + row - first] += scale * node_charges[beyond + m]


@internal
def store_spectrum(lanes, first, modes, spectrum):
    """Take rows of the spectrum out of the lanes."""
    groups, rows, n = spectrum.shape
    flat = spectrum.reshape(spectrum.size)
    for group in range(groups):
        here = lanes[group * n * LANES : (group + 1) * n * LANES]
        empty_lanes(here, n, flat, modes.modes_of_rows, first, group * rows * n)


@internal
def load_spectrum(spectrum, first, modes, lanes):
    """Put rows of the spectrum side by side."""
    groups, rows, n = spectrum.shape
    flat = spectrum.reshape(spectrum.size)
    for group in range(groups):
        here = lanes[group * n * LANES : (group + 1) * n * LANES]
        fill_lanes(flat, modes.modes_of_rows, first, group * rows * n, n, spectrum.dtype.type(1.0), here)


@internal
def store_potential(lanes, first, last, modes, potential):
    """Take the potential at the nodes of some rows out of the lanes; beyond a far end it stays what it is there."""
    n = modes.wavenumbers.size
    empty_lanes(lanes, n, potential, modes.nodes_of_rows, first, 0)
    for row in range(first, last):
        if is_at_far_end(row, modes.stride):
            start = modes.nodes_of_rows[row]
            copy_row(potential[start : start + n], potential[start + n : start + 2 * n])


@parallel
def transform_charges(node_charges, unit, modes, workspace):
    """Write the spectrum of the charge per area at each row.

    `node_charges`: (2 * stride * modes,) integers in units of e/unit.
    """
    rows = workspace.spectrum.shape[1]
    workers = workspace.buffers.shape[0]
    batches = (rows + LANES - 1) // LANES
    # The transform is its own inverse but for the number of modes, which is put in here.
    scale = modes.turns.dtype.type(1.0 / (unit * modes.node_area * modes.wavenumbers.size))
    for worker in prange(workers):
        buffers = workspace.buffers[int64(worker)]
        for batch in range(worker * batches // workers, (worker + 1) * batches // workers):
            first, last = batch * LANES, min((batch + 1) * LANES, rows)
            load_charges(node_charges, scale, first, last, modes, buffers[0])
            result = transform_lanes(modes, buffers)
            store_spectrum(buffers[result], first, modes, workspace.spectrum)


@internal
def add_charge_in_plane(charge, entry, modes, workspace):
    """Add a charge in e, spread evenly over the nodes of an entry along the normal, to the spectrum."""
    stride = modes.stride
    row = stride - 2 - entry if entry < stride else entry - 1
    workspace.spectrum[0, row, 0] += charge / (modes.node_area * modes.wavenumbers.size)


@compiled
def decay(exponent):
    """Return exp(-exponent) of a number from 0 on, to 1e-13, in a way that the compiler can vectorise.

    The series of a 256th of it, squared eight times. Beyond 40 it is as good as zero.
    """
    x = smaller(exponent, 40.0) * (1.0 / 256.0)
    series = 1.0 / 120.0 - x * (1.0 / 720.0)
    series = 1.0 / 24.0 - x * series
    series = 1.0 / 6.0 - x * series
    series = 0.5 - x * series
    series = 1.0 - x * series
    series = 1.0 - x * series
    for _ in range(8):
        series *= series
    return series


@internal
def write_phases(node, share, cells, turns, phases):
    """Write what a unit charge between a node and the next is in each mode of an axis; `cells`: a power of two."""
    cosines, sines = turns[0], turns[1]
    for k in range(cells):
        near, far = (k * node) & (cells - 1), (k * (node + 1)) & (cells - 1)
        phases[k] = (1.0 - share) * (cosines[near] + sines[near]) + share * (cosines[far] + sines[far])


@internal
def multiply_by_phases(profile, phases, cells, inner):
    """Multiply each mode by its phase along one axis; `inner`: modes of the axes after it."""
    for first in range(0, profile.size, cells * inner):
        for m in range(inner):
            for k in range(cells):
                profile[first + k * inner + m] *= phases[k]


@internal
def share_between_faces(profile, wavenumbers, depth, thickness, inner_face, outer_face):
    """Add a charge in the slab to some modes of the spectra of both faces, none of which is k = 0.

    sinh(k (d - x))/sinh(k d) in exponentials that only decay, and the same with the faces exchanged.
    """
    for m in range(profile.size):
        k = wavenumbers[m]
        at_inner, at_outer = decay(k * depth), decay(k * (thickness - depth))
        across = at_inner * at_outer
        charge = profile[m] / (1.0 - across * across)
        inner_face[m] += charge * (at_inner - across * at_outer)
        outer_face[m] += charge * (at_outer - across * at_inner)


@internal
def add_charge_in_slab(charge, depth, transverse, modes, workspace):
    """Add a charge in the slab (e, `depth` nm from the inner face) to the spectrum of both faces.

    `transverse`: (axes,) its place along each axis in nm; it is shared by the two nearest nodes as in the baths.
    """
    n = modes.wavenumbers.size
    profile = workspace.profile
    profile[:] = charge / (modes.node_area * n)
    inner = n
    for axis in range(modes.cells.size):
        cells = modes.cells[axis]
        inner //= cells
        scaled = transverse[axis] / modes.transverse_spacings[axis]
        node = int64(np.floor(scaled))
        write_phases(node, scaled - node, cells, modes.turns[axis], workspace.phases)
        multiply_by_phases(profile, workspace.phases, cells, inner)
    face, group_size = modes.stride - 2, workspace.spectrum.shape[2]
    # The plain mean is shared as a plate capacitor does.
    from_inner = depth / modes.thickness
    workspace.spectrum[0, face, 0] += (1.0 - from_inner) * profile[0]
    workspace.spectrum[0, face + 1, 0] += from_inner * profile[0]
    for group in range(workspace.spectrum.shape[0]):
        first, last = group * group_size, (group + 1) * group_size
        skipped = 1 if group == 0 else 0
        share_between_faces(
            profile[first + skipped : last],
            modes.wavenumbers[first + skipped : last],
            depth,
            modes.thickness,
            workspace.spectrum[group, face, skipped:],
            workspace.spectrum[group, face + 1, skipped:],
        )


@internal
def eliminate(before, multipliers, row):
    """Add to a row what the elimination of the row before leaves."""
    for m in range(row.size):
        row[m] += multipliers[m] * before[m]


@internal
def substitute(after, multipliers, inverse_pivots, row):
    """Solve a row, the row after it being solved."""
    for m in range(row.size):
        row[m] = row[m] * inverse_pivots[m] + multipliers[m] * after[m]


@parallel
def solve_systems(factors, workspace):
    """Turn the spectrum of the charge into that of the potential in mV."""
    groups, rows, _ = workspace.spectrum.shape
    for i in prange(groups):
        group = int64(i)
        spectrum = workspace.spectrum[group]
        multipliers, inverse_pivots = factors.multipliers[group], factors.inverse_pivots[group]
        for row in range(1, rows):
            eliminate(spectrum[row - 1], multipliers[row], spectrum[row])
        last = rows - 1
        for m in range(spectrum.shape[1]):
            spectrum[last, m] *= inverse_pivots[last, m]
        for row in range(last - 1, -1, -1):
            substitute(spectrum[row + 1], multipliers[row + 1], inverse_pivots[row], spectrum[row])


@parallel
def transform_potential(modes, workspace, potential):
    """Write the potential at each node in mV, (2 * stride * modes,)."""
    rows = workspace.spectrum.shape[1]
    workers = workspace.buffers.shape[0]
    batches = (rows + LANES - 1) // LANES
    for worker in prange(workers):
        buffers = workspace.buffers[int64(worker)]
        for batch in range(worker * batches // workers, (worker + 1) * batches // workers):
            first, last = batch * LANES, min((batch + 1) * LANES, rows)
            load_spectrum(workspace.spectrum, first, modes, buffers[0])
            result = transform_lanes(modes, buffers)
            store_potential(buffers[result], first, last, modes, potential)


@internal
def solve_modes(node_charges, charges_in_slab, modes, factors, workspace, potential):
    """Write the potential at each node in mV, (2 * stride * modes,), zero at the far end outside.

    `node_charges`: see `transform_charges`, in units of e/WEIGHT_ONE. `charges_in_slab`: (ions, 2 + axes) charge in
    e, depth from the inner face in nm, place along each axis in nm.
    """
    transform_charges(node_charges, WEIGHT_ONE, modes, workspace)
    for i in range(charges_in_slab.shape[0]):
        add_charge_in_slab(
            charges_in_slab[i, 0], charges_in_slab[i, 1], charges_in_slab[i, 2:], modes, workspace
        )
    solve_systems(factors, workspace)
    transform_potential(modes, workspace, potential)


@entry_point
def find_potential(node_charges, charges_in_slab, modes, factors, workspace, potential):
    """Call `solve_modes` from Python."""
    solve_modes(node_charges, charges_in_slab, modes, factors, workspace, potential)
