"""Runs of two dimensions: maps of concentration, charge and potential, profiles at a channel, the ions themselves.

The membrane lies across every map, the cytoplasm below it and the outside above it, y runs along it. Single ions
make maps grainy: cells are averaged over squares as large as it takes to count enough ions in each, and the title
says how large they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import offset_copy

from mc.analysis.distribution import bin_depth
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.errors import RecordingError
from mc.figures import style
from mc.recording.layout import ChannelDescription, PumpDescription
from mc.recording.recording import Maps, Recording

IONS_PER_BIN = 12.0
"""Ions to be counted in a bin on average; the noise is then 30 %, which a logarithmic scale forgives."""

SMALLEST_BIN, LARGEST_BIN = 1.0, 10.0
"""nm; as thin as the double layers, and still small beside the box."""

NEAR_MEMBRANE = 6.0
"""nm on each side that the map of the charge shows: beyond the double layers there is only noise."""

CHARGE_BIN = 0.5
"""nm across the membrane, for charge that lies in sheets before it."""

CHARGE_NOISE = 0.002
"""e/nm3 that bins along the membrane are made long enough for; the sheets of -70 mV have 0.005."""

NEAR_SITE = 2.5
"""nm along the membrane, to each side of a site, over which a profile at the site is averaged."""

FLAT = 0.25
"""Height over width of the box below which maps stand one above the other."""

MOST_IN_A_ROW = 8
"""Entries of the legend below a map."""

MOST_DRAWN = 3000
"""Ions; more would hide one another."""

SAMPLE_SEED = 0
"""The sample of ions is the same each time."""


class MeanMaps(NamedTuple):
    """Maps averaged over a span of time."""

    start: float
    """ns."""
    end: float
    """ns."""
    n_records: int
    """Moments that were averaged."""
    concentration: np.ndarray
    """(species, cells, cells along y) mM."""
    potential: np.ndarray
    """(nodes, cells along y) mV."""


class BinnedSide(NamedTuple):
    """A map of one side of the membrane in bins of whole cells."""

    x_edges: np.ndarray
    """(bins across + 1,) nm."""
    y_edges: np.ndarray
    """(bins along + 1,) nm."""
    values: np.ndarray
    """(bins across, bins along)."""
    bin_size: float
    """nm, the edge of a bin."""


def mean_maps(recording: Recording, window: tuple[float, float] | None = None) -> MeanMaps:
    """Return the maps averaged over `window`, the start and end in ns; without it over the last half of the run.

    Maps are kept as means of spans of time; those that end within the window are taken. Raises RecordingError
    for a run in one dimension and for a window that holds no map.
    """
    maps = _require_maps(recording)
    start, end = window or (maps.time[-1] / 2, maps.time[-1])
    chosen = np.flatnonzero((maps.time > start) & (maps.time <= end))
    if len(chosen) == 0:
        raise RecordingError(
            f"{recording.path} holds no map from {start:g} to {end:g} ns: there are {len(maps.time)} "
            f"from {maps.time[0]:g} to {maps.time[-1]:g} ns"
        )
    # The last map may be the mean of fewer moments than the others.
    spans = np.searchsorted(recording.time, np.append(0.0, maps.time), side="right")
    weights = np.maximum(np.diff(spans), 1)[chosen]
    return MeanMaps(
        start=float(maps.time[chosen[0] - 1]) if chosen[0] else 0.0,
        end=float(maps.time[chosen[-1]]),
        n_records=int(weights.sum()),
        concentration=np.average(maps.concentration[chosen], axis=0, weights=weights),
        potential=np.average(maps.potential[chosen], axis=0, weights=weights),
    )


class MapSeries(NamedTuple):
    """Maps of both sides at successive times."""

    time: np.ndarray
    """(times,) ns, the end of the span that each is the mean of."""
    sides: tuple[BinnedSide, BinnedSide]
    """Inside and outside, with values (times, bins across, bins along)."""


def map_series(recording: Recording, species: str | None, n_times: int) -> MapSeries:
    """Return maps of the concentration of `species` in mM, or of the potential in mV, of at most `n_times` spans.

    Bins are squares that hold enough ions; of the potential, cells of two nanometres. Raises RecordingError for a run
    in one dimension or without a map.
    """
    maps = _require_maps(recording)
    spans = -(-len(maps.time) // n_times)
    starts = np.arange(0, len(maps.time), spans)
    ends = np.append(starts[1:], len(maps.time)) - 1
    counts = (ends - starts + 1)[:, None, None]
    if species is None:
        summed = np.add.reduceat(maps.potential, starts, axis=0)
        values = _at_cells(recording, summed / counts)
        sizes = [2.0, 2.0]
    else:
        i_species = _index_of(recording, species)
        values = np.add.reduceat(maps.concentration[:, i_species], starts, axis=0) / counts
        records = max(1, round(spans * len(recording.time) / len(maps.time)))
        mean = MeanMaps(
            0.0, float(maps.time[-1]), records, maps.concentration.mean(axis=0), maps.potential[0]
        )
        sizes = [_bin_size(recording, mean, i_species, is_side) for is_side in _sides(recording)]
    sides = []
    for is_side, size in zip(_sides(recording), sizes, strict=True):
        binned = [_bin_side(recording, one, is_side, size, size) for one in values]
        sides.append(binned[0]._replace(values=np.stack([one.values for one in binned])))
    return MapSeries(maps.time[ends], (sides[0], sides[1]))


def _at_cells(recording: Recording, potential: np.ndarray) -> np.ndarray:
    """Return the potential (times, nodes, cells along y) at the centres of the bath cells, (times, cells, ...)."""
    nodes, centres = recording.profiles.node_position, recording.profiles.position
    above = np.clip(np.searchsorted(nodes, centres), 1, len(nodes) - 1)
    share = np.clip((centres - nodes[above - 1]) / (nodes[above] - nodes[above - 1]), 0.0, 1.0)[:, None]
    return (1.0 - share) * potential[:, above - 1] + share * potential[:, above]


def plot_concentration_map(
    recording: Recording, species: str, ax: Axes | None = None, window: tuple[float, float] | None = None
) -> Axes:
    """Draw the concentration of `species` over the plane, averaged over `window` (ns) or the last half.

    The colours reach from the first to the 99th percentile, and are logarithmic if that is more than a decade;
    then they span three decades at most. What is below the scale, and where no ion was seen, has its darkest
    colour. Raises RecordingError as `mean_maps` does, and KeyError for a species that the run does not have.
    """
    mean = mean_maps(recording, window)
    ax = _own_map_axes(recording, ax)
    sides = list(_concentration_sides(recording, mean, _index_of(recording, species)))
    norm, extend = _concentration_scale(np.concatenate([side.values.ravel() for side in sides]))
    for side in sides:
        # Zero has no logarithm.
        values = np.maximum(side.values, 1e-12) if isinstance(norm, LogNorm) else side.values
        ax.pcolormesh(side.y_edges, side.x_edges, values, cmap="viridis", norm=norm, rasterized=True)
    _add_bar(ax, ScalarMappable(norm, "viridis"), f"{_labels(recording)[species]} (mM)", extend)
    sizes = ", ".join(
        f"{side.bin_size:.2g} nm {place}" for side, place in zip(sides, ("inside", "outside"), strict=True)
    )
    _finish_map(recording, ax, f"{_labels(recording)[species]}, {_span(recording, mean)}; bins of {sizes}")
    ax.set_aspect("equal")
    return ax


def plot_charge_map(
    recording: Recording, ax: Axes | None = None, window: tuple[float, float] | None = None
) -> Axes:
    """Draw the density of the ions' charge close to the membrane, averaged over `window` (ns) or the last half.

    The depth is stretched, because the charge lies in sheets of a nanometre. Raises RecordingError as `mean_maps`
    does.
    """
    mean = mean_maps(recording, window)
    ax = _own_map_axes(recording, ax)
    charge = np.tensordot(recording.valence, mean.concentration, axes=1)
    charge *= IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    along = _charge_bin_along(recording, mean)
    sides = [_bin_side(recording, charge, is_side, CHARGE_BIN, along) for is_side in _sides(recording)]
    near = [side.values[_is_near(recording, side)] for side in sides]
    largest = max(float(np.percentile(np.abs(np.concatenate(near)), 99)), 1e-9)
    norm = Normalize(-largest, largest)
    for side in sides:
        ax.pcolormesh(side.y_edges, side.x_edges, side.values, cmap="RdBu_r", norm=norm, rasterized=True)
    _add_bar(ax, ScalarMappable(norm, "RdBu_r"), "charge density (e/nm³)", "both")
    # Cells may be larger than the bins that were asked for.
    across = float(np.diff(sides[0].x_edges).mean())
    bins = f"bins of {across:.2g} × {along:.2g} nm, depth stretched"
    _finish_map(recording, ax, f"charge, {_span(recording, mean)}; {bins}")
    ax.set_ylim(-NEAR_MEMBRANE, recording.thickness + NEAR_MEMBRANE)
    return ax


def plot_potential_map(
    recording: Recording, ax: Axes | None = None, window: tuple[float, float] | None = None
) -> Axes:
    """Draw the potential over the plane, averaged over `window` (ns) or the last half.

    Raises RecordingError as `mean_maps` does.
    """
    mean = mean_maps(recording, window)
    ax = _own_map_axes(recording, ax)
    nodes = recording.profiles.node_position
    # It is known at the near ends of the cells along y; the first of them comes again at the end of the period.
    y = np.linspace(0, _width(recording), len(recording.maps.y) + 1)
    potential = np.concatenate([mean.potential, mean.potential[:, :1]], axis=1)
    bottom, top = _box(recording)
    inside, outside = (nodes >= bottom) & (nodes <= 0), (nodes >= recording.thickness) & (nodes <= top)
    norm = Normalize(*np.percentile(mean.potential[inside | outside], [0.5, 99.5]))
    for is_side in (inside, outside):
        ax.pcolormesh(
            y,
            nodes[is_side],
            potential[is_side],
            shading="gouraud",
            cmap="cividis",
            norm=norm,
            rasterized=True,
        )
    _add_bar(ax, ScalarMappable(norm, "cividis"), "potential (mV)", "both")
    _finish_map(recording, ax, f"potential, {_span(recording, mean)}")
    ax.set_aspect("equal")
    return ax


def figure_of_maps(recording: Recording) -> Figure:
    """Return the concentrations of the species that vary over the plane, the potential and the charge.

    A species varies if its mean over squares of 10 nm has a spread of a tenth at least, and three times that of
    counting. Raises RecordingError as `mean_maps` does.
    """
    names = varying_species(recording)
    n_panels = len(names) + 2
    # A flat box has the whole width for each of its maps.
    is_flat = _height_to_width(recording) < FLAT
    n_columns, width = (1, 8.0) if is_flat else (2, 4.6)
    n_rows = -(-n_panels // n_columns)
    row_height = min(max(width * _height_to_width(recording), 1.2), 4.6) + 0.85
    figure = style.new_figure(10.0 if is_flat else 12.0, row_height * n_rows + 0.7)
    grid = figure.add_gridspec(n_rows, n_columns)
    axes = [figure.add_subplot(grid[i // n_columns, i % n_columns]) for i in range(n_panels - 1)]
    # The stretched map of the charge fills the last row, if that has room.
    axes.append(figure.add_subplot(grid[-1, :] if n_panels % n_columns or is_flat else grid[-1, 1]))
    for name, ax in zip(names, axes, strict=False):
        plot_concentration_map(recording, name, ax)
    plot_potential_map(recording, axes[-2])
    plot_charge_map(recording, axes[-1])
    handles, labels = axes[0].get_legend_handles_labels()
    for ax in axes:
        ax.legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=9, frameon=False)
    style.set_title(figure, f"{recording.title}: cytoplasm below the membrane, outside above it")
    return figure


def varying_species(recording: Recording) -> list[str]:
    """Return the species whose concentration differs from place to place; see `figure_of_maps`."""
    mean = mean_maps(recording)
    names = []
    for i, name in enumerate(recording.species_names):
        sides = [
            _bin_side(recording, mean.concentration[i], is_side, LARGEST_BIN, LARGEST_BIN)
            for is_side in _sides(recording)
        ]
        values = np.concatenate([side.values.ravel() for side in sides])
        if values.mean() == 0:
            continue
        n_ions = values.mean() * _ions_per_millimolar(recording, mean) * LARGEST_BIN**2
        if values.std() / values.mean() > max(0.1, 3 * n_ions**-0.5):
            names.append(name)
    return names


def plot_normal_profile(
    recording: Recording,
    species: str,
    site: int = 0,
    ax: Axes | None = None,
    window: tuple[float, float] | None = None,
) -> Axes:
    """Draw the concentration along the normal through channel number `site`, beside that far from it.

    Through the site means within `NEAR_SITE` nm of it along the membrane; far from it means in the quarter of the
    period that is farthest. The bands are the counting error of one standard deviation. Raises RecordingError as
    `mean_maps` does, KeyError for a species and IndexError for a channel that the run does not have.
    """
    mean = mean_maps(recording, window)
    i_species = _index_of(recording, species)
    name_of_site = _name_of_channel(recording, site)
    ax = style.own_axes(ax)
    y, width = recording.maps.y, _width(recording)
    away = np.abs((y - recording.channel_y[site] + width / 2) % width - width / 2)
    n_at_site = max(1, int((away < NEAR_SITE).sum()))
    at_site = np.argsort(away, kind="stable")[:n_at_site]
    far = np.flatnonzero(away >= 3 / 8 * width)
    profiles, colour = recording.profiles, style.ion_colours(recording.species_names)[species]
    style.shade_membrane(ax, recording.thickness)
    largest = smallest = 0.0
    for is_side in _sides(recording):
        depth_bin = _bin_size(recording, mean, i_species, is_side, strip=2 * NEAR_SITE)
        for cells, shade, style_of_line, label in (
            (far, style.GREY, "--", f"farther than {3 / 8 * width:.0f} nm from it"),
            (at_site, colour, "-", f"through {name_of_site}"),
        ):
            means = mean.concentration[i_species][np.ix_(is_side, cells)].mean(axis=1)
            edges, binned = bin_depth(
                profiles.position[is_side], profiles.cell_width[is_side], means[None], depth_bin
            )
            x, concentration = (edges[1:] + edges[:-1]) / 2, binned[:, 0]
            ions_per_millimolar = (
                _ions_per_millimolar(recording, mean) * np.diff(edges) * len(cells) * width / len(y)
            )
            noise = np.sqrt(np.maximum(concentration, 1 / ions_per_millimolar) / ions_per_millimolar)
            ax.plot(
                x,
                # What was not seen has no place on a logarithmic scale but its band, up to one ion.
                np.where(concentration > 0, concentration, np.nan),
                color=shade,
                linestyle=style_of_line,
                marker=".",
                markersize=4,
                linewidth=1.4,
                label=label if profiles.position[is_side][0] < 0 else None,
            )
            ax.fill_between(
                x,
                np.maximum(concentration - noise, 0),
                concentration + noise,
                color=shade,
                alpha=0.2,
                linewidth=0,
            )
            seen = concentration[concentration > 0]
            largest = max(largest, float(seen.max(initial=0)))
            smallest = min(smallest or np.inf, float(seen.min(initial=np.inf)))
    if largest > 10 * smallest:
        ax.set_yscale("log")
        ax.set_ylim(smallest / 2, largest * 2)
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    else:
        ax.set_ylim(bottom=0)
    ax.set_xlim(*_box(recording))
    ax.set_xlabel("x (nm)")
    ax.set_ylabel(f"{_labels(recording)[species]} (mM)")
    ax.set_title(f"mean of {_span(recording, mean)}", fontsize=10, loc="left")
    ax.legend(fontsize=9, frameon=False, loc="best")
    style.tidy(ax)
    return ax


def plot_scatter(recording: Recording, ax: Axes | None = None, frame: int = -1) -> Axes:
    """Draw the recorded ions of one frame of positions, each species in its colour.

    Of more than `MOST_DRAWN` a fair sample is drawn, every ion with the same chance, and the title says so. Raises
    RecordingError for a run in one dimension or without positions, IndexError for a frame that there is not.
    """
    _require_two_dimensions(recording)
    positions = recording.positions
    if len(positions.time) == 0:
        raise RecordingError(
            f"{recording.path} holds no positions: run longer, or shorten recording.positions_interval"
        )
    ax = _own_map_axes(recording, ax)
    x, y = positions.x[frame], positions.y[frame]
    # What is in the reservoir of an open far end has no place.
    present = np.flatnonzero(np.isfinite(x))
    drawn = present
    if len(present) > MOST_DRAWN:
        drawn = np.random.default_rng(SAMPLE_SEED).choice(present, MOST_DRAWN, replace=False)
    colours, labels = style.ion_colours(recording.species_names), _labels(recording)
    species = positions.species[drawn]
    counts = np.bincount(species, minlength=len(labels))
    # The rare ones last, so that the common ones do not hide them.
    for i in np.argsort(-counts, kind="stable"):
        name, chosen = recording.species_names[i], drawn[species == i]
        if len(chosen):
            ax.scatter(
                y[chosen],
                x[chosen],
                s=7,
                color=colours[name],
                linewidths=0,
                label=labels[name],
                rasterized=True,
            )
    axis = style.time_axis(recording.time[-1])
    moment = f"{axis.scale(positions.time[frame]):.3g} {axis.unit}"
    n_ions = len(present) if len(positions.ion) >= recording.n_ions else recording.n_ions
    share = "all" if len(drawn) == n_ions else f"a sample of {len(drawn):,} of"
    _finish_map(recording, ax, f"{share} {n_ions:,} ions at {moment}")
    ax.set_aspect("equal")
    return ax


def figure_of_ions(recording: Recording) -> Figure:
    """Return the ions at the last recorded moment; raises RecordingError as `plot_scatter` does."""
    figure = style.new_figure(10.0, _map_height(recording, 9.0))
    plot_scatter(recording, figure.add_subplot())
    style.set_title(figure, f"{recording.title}: cytoplasm below the membrane, outside above it")
    return figure


def has_two_dimensions(recording: Recording) -> bool:
    """Return whether the ions of the run move along the membrane, too."""
    return len(recording.maps.y) > 0


def _require_two_dimensions(recording: Recording) -> None:
    if not has_two_dimensions(recording):
        raise RecordingError(f"{recording.path} is a run in one dimension, which has no maps")


def _require_maps(recording: Recording) -> Maps:
    _require_two_dimensions(recording)
    if len(recording.maps.time) == 0:
        raise RecordingError(
            f"{recording.path} holds no map yet: run longer, or shorten recording.profile_interval"
        )
    return recording.maps


def _width(recording: Recording) -> float:
    """Return the period along the membrane in nm."""
    y = recording.maps.y
    return float(2 * y[0] * len(y))


def _own_map_axes(recording: Recording, ax: Axes | None) -> Axes:
    """Return `ax`, or axes in a figure as high as equal scales along both axes need it."""
    return style.own_axes(ax, width=9.0, height=_map_height(recording, 7.0))


def _map_height(recording: Recording, width: float) -> float:
    """Return the height in inches of a figure of one map `width` inches wide."""
    return min(max(width * _height_to_width(recording), 1.0), 8.0) + 1.7


def _height_to_width(recording: Recording) -> float:
    bottom, top = _box(recording)
    return (top - bottom) / _width(recording)


def _index_of(recording: Recording, species: str) -> int:
    if species not in recording.species_names:
        raise KeyError(f"no species {species!r} in this run; there are {', '.join(recording.species_names)}")
    return recording.species_names.index(species)


def _concentration_sides(recording: Recording, mean: MeanMaps, i_species: int) -> Iterator[BinnedSide]:
    """Yield the concentration inside and outside in squares that hold enough ions."""
    for is_side in _sides(recording):
        size = _bin_size(recording, mean, i_species, is_side)
        yield _bin_side(recording, mean.concentration[i_species], is_side, size, size)


def _bin_size(
    recording: Recording, mean: MeanMaps, i_species: int, is_side: np.ndarray, strip: float | None = None
) -> float:
    """Return the edge in nm of squares, or the length of pieces of a `strip`, that count `IONS_PER_BIN` ions."""
    concentration = mean.concentration[i_species, is_side].mean()
    per_area = max(concentration * _ions_per_millimolar(recording, mean), IONS_PER_BIN / LARGEST_BIN**2)
    if strip:
        return float(np.clip(IONS_PER_BIN / per_area / strip, SMALLEST_BIN, LARGEST_BIN))
    return _whole_cells(recording, np.clip(np.sqrt(IONS_PER_BIN / per_area), SMALLEST_BIN, LARGEST_BIN))


def _charge_bin_along(recording: Recording, mean: MeanMaps) -> float:
    """Return how long in nm bins of the charge are along the membrane, a tenth of the period at most."""
    squared_charge = float(np.tensordot(recording.valence**2, mean.concentration, axes=1).mean())
    per_volume = squared_charge * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    depth = recording.attributes["area"] / _width(recording)
    # The variance of a sum of charges, if each ion is where it is by chance, is the sum of their squares.
    length = per_volume / (CHARGE_BIN * depth * mean.n_records * CHARGE_NOISE**2)
    return _whole_cells(recording, np.clip(length, SMALLEST_BIN, _width(recording) / 10))


def _whole_cells(recording: Recording, length: float) -> float:
    """Return `length` rounded up to whole cells along the membrane, so that all bins are alike."""
    cell = _width(recording) / len(recording.maps.y)
    return float(np.ceil(length / cell - 1e-6) * cell)


def _ions_per_millimolar(recording: Recording, mean: MeanMaps) -> float:
    """Return how many ions 1 mM is in 1 nm2 of the map, all moments counted."""
    depth = recording.attributes["area"] / _width(recording)
    return IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * depth * mean.n_records


def _bin_side(
    recording: Recording, values: np.ndarray, is_side: np.ndarray, across: float, along: float
) -> BinnedSide:
    """Return the means of `values` (cells, cells along y) over bins of whole cells of one side."""
    profiles, y = recording.profiles, recording.maps.y
    x_edges, columns = bin_depth(
        profiles.position[is_side], profiles.cell_width[is_side], values[is_side].T, across
    )
    y_edges, rows = bin_depth(y, np.full(len(y), _width(recording) / len(y)), columns, along)
    return BinnedSide(x_edges, y_edges, rows.T, across)


def _sides(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells lie inside and which outside; the shorter side has cells of no width beyond its end."""
    is_inside, has_width = recording.profiles.position < 0, recording.profiles.cell_width > 0
    return is_inside & has_width, ~is_inside & has_width


def _box(recording: Recording) -> tuple[float, float]:
    """Return the ends of the box in nm; nodes may lie beyond them, as the grid is as long on both sides."""
    attributes = recording.attributes
    return -attributes["inside_length"], attributes["thickness"] + attributes["outside_length"]


def _is_near(recording: Recording, side: BinnedSide) -> np.ndarray:
    """Return which bins across the membrane the map of the charge shows."""
    centres = (side.x_edges[1:] + side.x_edges[:-1]) / 2
    return (centres > -NEAR_MEMBRANE) & (centres < recording.thickness + NEAR_MEMBRANE)


def _concentration_scale(values: np.ndarray) -> tuple[Normalize, str]:
    """Return the scale of the colours, and at which of its ends it is cut."""
    low, high = np.percentile(values, [1, 99])
    high = max(float(high), 1e-6)
    if high <= 10 * low:
        # From zero, so that noise does not look like a gradient.
        return Normalize(0, high), "max"
    return LogNorm(max(float(low), high / 1000), high), "both"


def _add_bar(ax: Axes, colours: ScalarMappable, label: str, extend: str) -> None:
    # An inset is as high as the map, also where equal scales make that lower than its room.
    bar = ax.figure.colorbar(colours, cax=ax.inset_axes((1.015, 0, 0.025, 1)), extend=extend)
    if isinstance(colours.norm, LogNorm):
        low, high = colours.norm.inverse(np.array([0.0, 1.0]))
        few = high < 50 * low
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_label(label)


def _finish_map(recording: Recording, ax: Axes, title: str) -> None:
    """Draw the membrane with its channels and pumps, and label the axes."""
    style.shade_membrane(ax, recording.thickness, along="y", text=False)
    _mark_sites(recording, ax)
    ax.set_xlim(0, _width(recording))
    ax.set_ylim(*_box(recording))
    ax.set_xlabel("y, along the membrane (nm)")
    ax.set_ylabel("x (nm)")
    ax.set_title(title, fontsize=10, loc="left")
    handles, labels = ax.get_legend_handles_labels()
    rows = -(-len(labels) // MOST_IN_A_ROW)
    ax.legend(
        handles,
        labels,
        loc="upper center",
        # Below the label of the axis, however high the axes are.
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=offset_copy(ax.transAxes, fig=ax.get_figure(root=True), y=-34.0, units="points"),
        ncols=-(-len(labels) // max(1, rows)),
        fontsize=9,
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.2,
    )


def _mark_sites(recording: Recording, ax: Axes) -> None:
    """Draw channels as circles in the colour of the ion that they pass best, and pumps as black diamonds."""
    colours = style.ion_colours(recording.species_names)
    kinds: tuple[tuple[Sequence[ChannelDescription | PumpDescription], np.ndarray, str], ...] = (
        (recording.channels, recording.channel_y, "o"),
        (recording.pumps, recording.pump_y, "D"),
    )
    for proteins, places, marker in kinds:
        first = 0
        for protein in proteins:
            colour = style.BLACK
            if isinstance(protein, ChannelDescription):
                colour = colours[max(protein.permeability, key=protein.permeability.__getitem__)]
            y = places[first : first + protein.count]
            first += protein.count
            ax.scatter(
                y,
                np.full(len(y), recording.thickness / 2),
                # Many of a kind are small, that they stay apart.
                s=30 if protein.count <= 10 else 12,
                marker=marker,
                color=colour,
                edgecolors="white",
                linewidths=0.4,
                zorder=3,
                label=style.plain(protein.name),
            )


def _name_of_channel(recording: Recording, site: int) -> str:
    """Return the name of the type of channel number `site`, with the number if there are several."""
    first = 0
    for channel in recording.channels if site >= 0 else ():
        if site < first + channel.count:
            return channel.name if channel.count == 1 else f"{channel.name} {site - first + 1}"
        first += channel.count
    raise IndexError(f"there is no channel {site}: the run has {len(recording.channel_y)}")


def _span(recording: Recording, mean: MeanMaps) -> str:
    axis = style.time_axis(recording.time[-1])
    return f"{axis.scale(mean.start):.3g} to {axis.scale(mean.end):.3g} {axis.unit}"


def _labels(recording: Recording) -> dict[str, str]:
    return {one.name: style.ion_label(one.name, one.valence) for one in recording.species}
