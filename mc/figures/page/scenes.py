"""What the player of the page moves: ions, channels, pumps and traces, packed small.

Positions are whole levels of the box, 16 bits each; from frame to frame only the differences are kept, low bytes
apart from high bytes, which compress well because most of them are alike. All arrays go into one block, gzipped and
in base64, beside a table that says what lies where.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps

from mc.analysis.channels import open_channels
from mc.analysis.flux import pump_cycles
from mc.analysis.potential import ghk_series
from mc.errors import RecordingError
from mc.figures import style
from mc.figures.animation import (
    WIDTH_PER_LENGTH,
    Moments,
    find_open,
    ghk_with_pumps,
    has_events,
    pseudo_random,
    types_of_channels,
)
from mc.figures.maps import has_two_dimensions, map_series
from mc.figures.page.inline import css_colour
from mc.figures.page.words import many
from mc.formatting import show_time
from mc.recording.recording import Recording
from mc.sampling import LEAST_OF_A_SPECIES, evenly_spaced, fair_sample, quotas

MOST_IONS, MOST_FRAMES = 5000, 400

MOST_BYTES = 7_500_000
"""Of the packed block; a page is to stay under 10 MB with its figures."""

FINE_LEVELS, COARSE_LEVELS = 4096, 256
"""Levels along each axis; coarse ones where fine ones would take more than `MOST_BYTES`."""

ABSENT = 65535
"""The level of an ion that is in no bath and no pore."""

MOST_CHANNELS, MOST_PUMPS, MOST_IN_A_PLANE = 24, 6, 150
"""Proteins that are drawn: side by side, and where each has its own place."""

MOST_MAPS = 40
"""Each is the mean of a longer span, and less grainy for it."""

MOST_RECORDS = 1500
"""Of the traces."""

SCATTER_STEP = 0.02
"""Of the box, by which an ion that has no place of its own wanders from frame to frame."""


LONGEST_GLIDE, SHORT_GLIDE = 0.25, 0.1
"""Of the shorter bath: how far an ion may wander from frame to frame and glide all the same, and what looks well."""

MOST_RECORDED_FRAMES = 200
"""Frames of a run whose scenario does not say how often positions are recorded."""


_WITHOUT_PLACES = {
    "brownian": "This run recorded too few moments of its ions",
    "lattice": "This run counts ions and follows none",
    "continuum": "This run solves mean equations, which know no single ion",
}
"""Why the dots are not where ions were recorded, by engine."""


class Places(NamedTuple):
    """Where the drawn ions are."""

    x: np.ndarray
    """(frames, ions) nm; not a number for an ion that is nowhere."""
    y: np.ndarray
    """(frames, ions) nm along the membrane, or (1, ions) where they keep it."""
    species: np.ndarray
    """(ions,) indices."""
    note: str
    """How true the picture is."""
    glides: bool = True
    """Whether an ion goes in a straight line from frame to frame, or stays until it is at its next place."""


def pack(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return `arrays` (uint8, uint16 or float32) as a table of dtype, shape and offset beside one block of base64."""
    table, block = {}, bytearray()
    for name, array in arrays.items():
        block += bytes(-len(block) % 4)
        table[name] = {"type": array.dtype.name, "shape": list(array.shape), "offset": len(block)}
        block += np.ascontiguousarray(array).tobytes()
    content = gzip.compress(bytes(block), compresslevel=9, mtime=0)
    return {"arrays": table, "block": base64.b64encode(content).decode()}


def split_differences(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return low and high bytes of the differences between successive rows of `levels` (frames, ions) uint16.

    The first row is its difference from 0. Differences are folded to 0, -1, 1, -2, ... -> 0, 1, 2, 3, ..., so that
    small ones have no high byte.
    """
    signed = np.diff(levels.astype(np.uint16), axis=0, prepend=np.uint16(0)).view(np.int16)
    folded = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
    return (folded & 255).astype(np.uint8), (folded >> 8).astype(np.uint8)


def make_scene(recording: Recording) -> dict[str, Any] | None:
    """Return what the player needs, ready for JSON; None for a run that recorded neither positions nor profiles."""
    moments = _moments(recording)
    if moments is None:
        return None
    has_positions = recording.has_positions
    places = (_followed if has_positions else _scattered)(recording, moments)
    width = _width(recording)
    low, high = _box(recording)
    for levels in (FINE_LEVELS, COARSE_LEVELS):
        arrays = {
            **_as_levels("x", (places.x - low) / (high - low), levels),
            **_as_levels("y", places.y / width, levels),
            "species": places.species.astype(np.uint8),
            **_proteins(recording, moments, width),
            **_traces(recording),
        }
        packed = pack(arrays)
        if len(packed["block"]) <= MOST_BYTES:
            break
    axis = style.time_axis(recording.time[-1])
    counts = np.bincount(places.species, minlength=len(recording.species))
    return {
        **packed,
        "levels": levels,
        "box": {"low": low, "high": high, "thickness": recording.thickness, "width": width},
        "planar": recording.scenario.geometry.dimensions > 1,
        "time": axis.scale(moments.time).round(6).tolist(),
        "timeUnit": axis.unit,
        "species": [
            {"name": one.name, "label": label, "colour": colour, "shown": int(shown)}
            for one, label, colour, shown in zip(
                recording.species, _labels(recording), _colours(recording), counts, strict=True
            )
        ],
        "channels": [
            {
                "name": one.name,
                "count": one.count,
                "colour": colour_of_channel(recording, i),
                "passes": [one.permeability.get(name, 0.0) > 0.0 for name in recording.species_names],
            }
            for i, one in enumerate(recording.channels)
        ],
        "pumps": [{"name": one.name, "count": one.count} for one in recording.pumps],
        "predictions": [
            {"name": name, "array": array, "colour": css_colour(colour)}
            for name, array, colour in (
                ("GHK", "trace_ghk", style.GHK_COLOUR),
                ("GHK with pumps", "trace_ghk_with_pumps", style.GHK_WITH_PUMP_COLOUR),
            )
            if np.isfinite(arrays[array]).any()
        ],
        "note": places.note,
        "glides": places.glides,
    }


def make_profiles(recording: Recording) -> dict[str, Any] | None:
    """Return what the page shows along x with time as a slider; None for a run without profiles."""
    profiles = recording.profiles
    if len(profiles.time) == 0:
        return None
    chosen = evenly_spaced(len(profiles.time), min(len(profiles.time), 200))
    axis = style.time_axis(recording.time[-1])
    low, high = _box(recording)
    nodes = np.flatnonzero((profiles.node_position >= low) & (profiles.node_position <= high))
    nodes = nodes[evenly_spaced(len(nodes), min(len(nodes), 160))]
    arrays, edges = {}, {}
    for side, cells in (("inside", profiles.position < 0), ("outside", profiles.position > 0)):
        cells = cells & (profiles.cell_width > 0)
        length = profiles.cell_width[cells].sum()
        starts, bins = _bins(profiles.position[cells], profiles.cell_width[cells], length / 50)
        ions = profiles.concentration[chosen][..., cells] * profiles.cell_width[cells]
        means = np.add.reduceat(ions, starts, axis=-1) / np.diff(bins)
        arrays[f"concentration_{side}"] = _short(means)
        edges[side] = bins.round(3).tolist()
    arrays["potential"] = _short(profiles.potential[chosen][:, nodes])
    # From one record to the next an ion leaves a bin of a few nanometres: what is counted anew is independent.
    edges_of_window = np.append(0.0, profiles.time)
    counts = np.diff(np.searchsorted(recording.time, edges_of_window, side="right"))[chosen]
    volume = {side: recording.attributes["area"] * np.diff(edges[side]) for side in edges}
    return {
        **pack(arrays),
        "time": axis.scale(profiles.time[chosen]).round(6).tolist(),
        "timeUnit": axis.unit,
        "records": np.maximum(counts, 1).tolist(),
        "counted": recording.has_noise,
        "edges": edges,
        "volume": {side: values.round(3).tolist() for side, values in volume.items()},
        "nodes": profiles.node_position[nodes].round(3).tolist(),
        "thickness": recording.thickness,
        "species": [
            {"name": one.name, "label": label, "colour": colour}
            for one, label, colour in zip(
                recording.species, _labels(recording), _colours(recording), strict=True
            )
        ],
    }


def make_maps(recording: Recording) -> dict[str, Any] | None:
    """Return the maps of each species and of the potential as colours against time; None where there are none."""
    if not has_two_dimensions(recording) or len(recording.maps.time) == 0:
        return None
    axis = style.time_axis(recording.time[-1])
    low, high = _box(recording)
    arrays: dict[str, np.ndarray] = {}
    quantities = []
    for i, (name, label) in enumerate(
        [*zip(recording.species_names, _labels(recording), strict=True), (None, "")]
    ):
        series = map_series(recording, name, MOST_MAPS)
        values = np.concatenate([side.values.ravel() for side in series.sides])
        first, last = (float(one) for one in np.percentile(values, [1, 99]))
        is_log = name is not None and last > 10 * first
        if is_log:
            first = max(first, last / 1000)
        elif name is not None:
            first = 0.0
        last = max(last, first + 1e-9)
        for place, side in zip(("inside", "outside"), series.sides, strict=True):
            shown = np.clip(side.values, first, last)
            share = (
                np.log(shown / first) / np.log(last / first) if is_log else (shown - first) / (last - first)
            )
            arrays[f"{i}_{place}"] = np.round(255 * share).astype(np.uint8)
        colours = np.round(255 * colormaps["viridis" if name else "cividis"](np.arange(256))).astype(int)
        quantities.append(
            {
                "key": str(i),
                "label": f"{label} (mM)" if name else "potential (mV)",
                "low": f"{first:.3g}".replace("-", "−"),
                "high": f"{last:.3g} {'mM' if name else 'mV'}".replace("-", "−"),
                "colours": colours.tolist(),
            }
        )
    places = [(i, y) for i, y in zip(types_of_channels(recording), recording.channel_y, strict=True)]
    return {
        **pack(arrays),
        "time": axis.scale(series.time).round(6).tolist(),
        "timeUnit": axis.unit,
        "box": {
            "low": low,
            "high": high,
            "width": _width(recording),
            "inside": series.sides[0].x_edges[[0, -1]].round(3).tolist(),
            "outside": series.sides[1].x_edges[[0, -1]].round(3).tolist(),
        },
        "quantities": quantities,
        "sites": [
            *({"y": round(float(y), 2), "colour": colour_of_channel(recording, i)} for i, y in places),
            *({"y": round(float(y), 2), "colour": css_colour(style.BLACK)} for y in recording.pump_y),
        ],
    }


def _moments(recording: Recording) -> Moments | None:
    """Return the frames to show: those of the positions, or else those of the profiles."""
    time = recording.position_times if recording.has_positions else recording.profiles.time
    if len(time) < 2 or len(recording.time) < 2:
        return None
    frames = evenly_spaced(len(time), min(len(time), MOST_FRAMES))
    records = np.searchsorted(recording.time, time[frames] * (1 + 1e-12), side="right") - 1
    return Moments(frames, time[frames], np.maximum(records, 0))


def _followed(recording: Recording, moments: Moments) -> Places:
    """Return the places of a fair sample of the recorded ions."""
    species = recording.recorded_species
    ions = fair_sample(species, MOST_IONS, LEAST_OF_A_SPECIES)
    x, y = recording.read_positions(moments.frames, ions)
    glides, in_between = _between_frames(recording, moments)
    note = f"{len(ions):,} of {recording.n_ions:,} ions, where they were recorded. {in_between}"
    if recording.scenario.geometry.dimensions > 1:
        return Places(x, y, species[ions], note, glides)
    # Along the membrane each ion stands where its number says.
    y = _width(recording) * pseudo_random(recording.recorded_ions[ions])[None]
    return Places(
        x,
        y,
        species[ions],
        note
        + " The run is one-dimensional: along the membrane the ions are scattered at random, and channels and "
        "pumps stand evenly spaced.",
        glides,
    )


def _between_frames(recording: Recording, moments: Moments) -> tuple[bool, str]:
    """Return whether ions may glide from frame to frame, and what to say of the time in between.

    They may if the fastest moves by a small part of its bath from one frame to the next, sqrt(2 D t) (Einstein 1905):
    a straight line would otherwise pretend that it was followed.
    """
    gap = float(np.max(np.diff(moments.time)))
    fastest = max(range(len(recording.species)), key=lambda i: recording.species[i].diffusion_coefficient)
    diffusion_coefficient = recording.species[fastest].diffusion_coefficient
    wanders = np.sqrt(2.0 * diffusion_coefficient * gap)
    shorter_bath = min(recording.attributes[key] for key in ("inside_length", "outside_length"))
    apart = f"Two frames are {show_time(gap)} apart"
    if wanders <= LONGEST_GLIDE * shorter_bath:
        return True, f"{apart}; in between the ions glide."
    walk = MOST_RECORDED_FRAMES * (SHORT_GLIDE * shorter_bath) ** 2 / (2.0 * diffusion_coefficient)
    seen = float(f"{walk:.0e}")
    ion, distance = _labels(recording)[fastest], f"{float(f'{wanders:.2g}'):g} nm"
    return False, (
        f"{apart}, and {ion} wanders {distance} in that time: each ion stays where it was seen "
        f"until it appears at its next place. A run of {show_time(seen)} shows them walk (--set "
        f'simulation.duration="{seen:g} ns").'
    )


def _scattered(recording: Recording, moments: Moments) -> Places:
    """Return places drawn from the recorded profiles, or maps, of counts, in the proportions of what was there.

    Each ion has two numbers between 0 and 1 that wander a little from frame to frame and stay evenly distributed; its
    place is where the share of its species up to there is that number.
    """
    regions = ("ions_inside", "ions_outside")
    at_start = np.array(
        [sum(recording[f"{region}.{name}"][0] for region in regions) for name in recording.species_names]
    )
    species = np.repeat(np.arange(len(at_start)), quotas(at_start, MOST_IONS, LEAST_OF_A_SPECIES))
    generator = np.random.default_rng(0)
    wandering = generator.random((2, len(species)))
    profiles, width = recording.profiles, _width(recording)
    edges_of_cell = profiles.position - profiles.cell_width / 2
    is_planar = recording.scenario.geometry.dimensions > 1
    x, y = np.empty((2, len(moments.frames), len(species)))
    for i, frame in enumerate(moments.frames):
        wandering = _reflected(wandering + SCATTER_STEP * generator.standard_normal(wandering.shape))
        for one in range(len(at_start)):
            own = species == one
            across, along = wandering[:, own]
            ions = profiles.concentration[frame, one] * profiles.cell_width
            cell, share = _place_of_share(ions, across)
            x[i, own] = edges_of_cell[cell] + share * profiles.cell_width[cell]
            if is_planar:
                rows = recording.maps.concentration[min(frame, len(recording.maps.time) - 1), one]
                y[i, own] = _along(rows, cell, along) * width
            else:
                y[i, own] = along * width
    return Places(
        x,
        y,
        species,
        f"{len(species):,} dots stand for {many(recording.n_ions)} ions. {_WITHOUT_PLACES[recording.engine]}: they "
        "are scattered as the recorded concentrations say; that they wander is drawn, not computed."
        + (
            ""
            if is_planar
            else " Along the membrane nothing was tracked; channels and pumps stand evenly spaced."
        ),
    )


def _along(rows: np.ndarray, cell: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return where along its cell's row (0..1) each ion is that is the `share` of that row."""
    places = np.empty(len(cell))
    for i in np.unique(cell):
        own = cell == i
        place, rest = _place_of_share(rows[i].astype(float), share[own])
        places[own] = (place + rest) / rows.shape[1]
    return places


def _place_of_share(amounts: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell up to which `share` of the `amounts` (cells,) lies, and how far into that cell, 0..1."""
    if not amounts.sum() > 0:
        amounts = np.ones(len(amounts))
    total = np.cumsum(amounts) / amounts.sum()
    cell = np.minimum(np.searchsorted(total, share, side="right"), np.flatnonzero(amounts)[-1])
    before = total[cell] - amounts[cell] / amounts.sum()
    return cell, np.clip((share - before) * amounts.sum() / amounts[cell], 0.0, 1.0)


def _reflected(share: np.ndarray) -> np.ndarray:
    """Return numbers a little outside 0..1 mirrored into it."""
    share = np.abs(share)
    return np.where(share > 1.0, 2.0 - share, share)


def _as_levels(name: str, share: np.ndarray, levels: int) -> dict[str, np.ndarray]:
    """Return `share` (frames, ions) of the box as low and high bytes of differences of levels."""
    with np.errstate(invalid="ignore"):
        level = np.floor(np.clip(share, 0.0, 1.0 - 1e-9) * levels)
    level = np.where(np.isfinite(share), level, ABSENT).astype(np.uint16)
    low, high = split_differences(level)
    return {f"{name}_low": low, f"{name}_high": high}


def _proteins(recording: Recording, moments: Moments, width: float) -> dict[str, np.ndarray]:
    """Return places, types and states of the channels and pumps that are drawn."""
    types = types_of_channels(recording)
    pump_types = np.repeat(np.arange(len(recording.pumps)), [one.count for one in recording.pumps]).astype(
        int
    )
    is_planar = recording.scenario.geometry.dimensions > 1
    channels = fair_sample(types, MOST_IN_A_PLANE if is_planar else MOST_CHANNELS, 2)
    pumps = fair_sample(pump_types, MOST_IN_A_PLANE if is_planar else MOST_PUMPS, 1)
    if is_planar:
        places, pump_places = recording.channel_y[channels], recording.pump_y[pumps]
    else:
        n = len(channels) + len(pumps)
        slots = width * (np.random.default_rng(2).permutation(n) + 0.5) / max(n, 1)
        places, pump_places = slots[: len(channels)], slots[len(channels) :]
    n_open = open_channels(recording)
    by_type = [n_open[one.name][moments.records] for one in recording.channels]
    return {
        "channel_place": places.astype(np.float32),
        "channel_type": types[channels].astype(np.uint8),
        "channel_number": (channels - np.searchsorted(types, types[channels]) + 1).astype(np.float32),
        "channel_open": find_open(recording, channels, moments).astype(np.uint8),
        "open_of_type": np.array(by_type).reshape(len(by_type), len(moments.time)).T.astype(np.float32),
        "pump_place": pump_places.astype(np.float32),
        "pump_type": pump_types[pumps].astype(np.uint8),
        "pump_turns": _turns(recording, pumps, pump_types, moments),
        "cycles_of_type": np.array(
            [pump_cycles(recording)[one.name][moments.records] for one in recording.pumps]
        )
        .reshape(len(recording.pumps), len(moments.time))
        .T.astype(np.float32),
    }


def _turns(recording: Recording, pumps: np.ndarray, types: np.ndarray, moments: Moments) -> np.ndarray:
    """Return how often each of `pumps` has turned at each moment, (moments, pumps) float32.

    Without events all pumps of a type are taken to turn alike.
    """
    turns = np.zeros((len(moments.time), len(pumps)), dtype=np.float32)
    moves = recording.pump_moves
    if not has_events(recording):
        for i, one in enumerate(recording.pumps):
            cycles = pump_cycles(recording)[one.name][moments.records]
            turns[:, types[pumps] == i] = (cycles / one.count)[:, None]
        return turns
    # A cycle moves several ions, each in a row of its own.
    _, first = np.unique(np.stack([moves["pump"], moves["cycle"]]), axis=1, return_index=True)
    pump, time = moves["pump"][first], moves["time"][first]
    for column, one in enumerate(pumps):
        turns[:, column] = np.searchsorted(np.sort(time[pump == one]), moments.time, side="right")
    return turns


def _traces(recording: Recording) -> dict[str, np.ndarray]:
    """Return the potential, GHK and the command against time in the unit of the axis, thinned out."""
    records = evenly_spaced(len(recording.time), min(len(recording.time), MOST_RECORDS))
    axis = style.time_axis(recording.time[-1])
    return {
        "trace_time": axis.scale(recording.time[records]).astype(np.float32),
        "trace_potential": recording["membrane_potential"][records].astype(np.float32),
        "trace_ghk": ghk_series(recording)[records].astype(np.float32),
        "trace_ghk_with_pumps": ghk_with_pumps(recording)[records].astype(np.float32),
        "trace_command": recording["command_potential"][records].astype(np.float32),
    }


def _bins(position: np.ndarray, width: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first cell of each bin of about `size` nm, and the edges (bins + 1,) of the bins."""
    edges = np.append(position - width / 2, position[-1] + width[-1] / 2)
    starts = np.flatnonzero(np.diff(np.floor((position - edges[0]) / size), prepend=-1))
    return starts, edges[np.append(starts, len(position))]


def _short(values: np.ndarray) -> np.ndarray:
    """Return `values` as float32 with 10 bits after the first, which compress well: a thousandth is enough to see."""
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def _box(recording: Recording) -> tuple[float, float]:
    attributes = recording.attributes
    return -attributes["inside_length"], attributes["thickness"] + attributes["outside_length"]


def _width(recording: Recording) -> float:
    """Return the period along the membrane in nm, or how wide the picture of a run in one dimension is."""
    geometry = recording.scenario.geometry
    if geometry.dimensions > 1:
        if geometry.width is None:
            raise RecordingError(f"{recording.path} has two dimensions and no width")
        return geometry.width
    low, high = _box(recording)
    return WIDTH_PER_LENGTH * (high - low)


def _labels(recording: Recording) -> list[str]:
    return [style.unicode_ion(one.name, one.valence) for one in recording.species]


def _colours(recording: Recording) -> list[str]:
    return [css_colour(colour) for colour in style.ion_colours(recording.species_names).values()]


def colour_of_channel(recording: Recording, i: int) -> str:
    """Return the colour of the ion that a type of channel lets through best."""
    permeability = recording.channels[i].permeability
    if not permeability:
        return css_colour(style.GREY)
    best = max(permeability, key=permeability.__getitem__)
    return css_colour(style.ion_colours(recording.species_names)[best])
