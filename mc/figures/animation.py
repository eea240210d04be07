"""The recorded positions in motion: ions, membrane and channels above the trace of the membrane potential."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from PIL import Image

from mc.analysis.potential import ghk_series
from mc.comparison import ghk_with_pumps_series
from mc.errors import RecordingError
from mc.figures import style
from mc.recording.recording import Recording
from mc.sampling import LEAST_OF_A_SPECIES, evenly_spaced, fair_sample

FORMATS = ("gif", "mp4")

MOST_FRAMES = 200
"""Frames of an animation for which no number is asked."""

MOST_CHANNELS = 24
"""Channels that are drawn where y is not tracked: side by side there is room for no more."""

WIDTH_PER_LENGTH = 2.2
"""How much wider than high the picture is where y is not tracked."""

OPEN_PORE, CLOSED_PORE, LIPID, DARK_TEXT = style.SKY_BLUE, style.BLACK, style.PALE, "#4D4D4D"

# Inches; times DPI they are even numbers, as films need.
_CANVAS_WIDTH, _DPI = 8.4, 100
_LEFT, _RIGHT, _LARGEST_PICTURE_HEIGHT, _TRACE_HEIGHT, _LINE = 1.0, 0.2, 5.0, 1.3, 0.2


class Moments(NamedTuple):
    """The frames that are shown."""

    frames: np.ndarray
    """(moments,) indices into the recorded frames of positions."""
    time: np.ndarray
    """(moments,) ns."""
    records: np.ndarray
    """(moments,) index of the last record of the series at or before each."""


class Places(NamedTuple):
    """Where ions and channels stand along the membrane."""

    width: float
    """nm."""
    of_ions: np.ndarray
    """(recorded frames, recorded ions) nm, or (recorded ions,) where y is not tracked."""
    of_channels: np.ndarray
    """(channels,) nm; not a number for channels that are not drawn."""
    are_tracked: bool


def animate(
    recording: Recording,
    path: str | os.PathLike[str],
    *,
    n_ions: int = 2000,
    n_frames: int | None = None,
    frames_per_second: int = 15,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write an animation of the recorded positions to `path`, a .gif or an .mp4, and return the path.

    At most `n_ions` ions are shown, and `n_frames` of the recorded frames, evenly spaced (by default all, but
    `MOST_FRAMES` at most). `on_progress` is called with the frames drawn and their number. An mp4 needs the
    program ffmpeg. Raises RecordingError where nothing moves because fewer than two frames were recorded,
    where ffmpeg is missing, and for a file that is in the way or cannot be written; ValueError for another
    kind of file.
    """
    path = Path(path)
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise ValueError(f"animations are written as {', '.join(FORMATS)}, not as {path.suffix!r}")
    if path.exists() and not overwrite:
        raise RecordingError(f"{path} exists already: give --overwrite to replace it, or another --output")
    if file_format == "mp4" and shutil.which("ffmpeg") is None:
        raise RecordingError(
            "an mp4 needs ffmpeg, which is not on the PATH: install it, or give --format gif"
        )
    picture = MovingPicture(recording, choose_moments(recording, n_frames), n_ions)
    images = _drawn(picture, on_progress)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if file_format == "gif":
            _write_gif(temporary, images, picture.colours, frames_per_second)
        else:
            _write_mp4(temporary, images, frames_per_second)
        os.replace(temporary, path)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def choose_moments(recording: Recording, n_frames: int | None) -> Moments:
    """Return `n_frames` of the recorded frames, evenly spaced with the first and the last; None: see `animate`."""
    positions = recording.positions
    if not recording.has_noise:
        raise RecordingError(f"{recording.path} holds concentrations, and no ions that could be animated")
    if recording.engine == "lattice":
        raise RecordingError(
            f"{recording.path} counts ions in voxels: none has a place that could be animated"
        )
    n_recorded = len(positions.time)
    if n_recorded < 2:
        raise RecordingError(
            f"{recording.path} holds {n_recorded} frames of positions, and an animation needs 2 at least: run "
            "again with a shorter recording.positions_interval, for example "
            '--set recording.positions_interval="20 ns"'
        )
    frames = evenly_spaced(n_recorded, min(n_recorded, n_frames or MOST_FRAMES))
    records = np.searchsorted(recording.step, positions.step[frames], side="right") - 1
    return Moments(frames, positions.time[frames], records)


def find_places(recording: Recording) -> Places:
    """Return where ions and channels stand along the membrane.

    Where y is not tracked, each ion has a y of its own, a pseudo-random number that follows from its id, and a
    fair sample of the channels is spaced evenly, all types mixed.
    """
    if recording.scenario.geometry.dimensions > 1:
        return _recorded_places(recording)
    types = types_of_channels(recording)
    length = (
        recording.attributes["inside_length"] + recording.thickness + recording.attributes["outside_length"]
    )
    width = WIDTH_PER_LENGTH * length
    of_channels = np.full(len(types), np.nan)
    if len(types):
        shown = np.random.default_rng(2).permutation(fair_sample(types, MOST_CHANNELS, least=2))
        of_channels[shown] = width * (np.arange(len(shown)) + 0.5) / len(shown)
    return Places(width, width * pseudo_random(recording.positions.ion), of_channels, are_tracked=False)


def _recorded_places(recording: Any) -> Places:
    """Return the places of a run in two dimensions. (Of any type, as runs in one dimension lack all three.)"""
    width = recording.scenario.geometry.width
    return Places(width, recording.positions.y, recording.channel_y, are_tracked=True)


def ghk_with_pumps(recording: Recording) -> np.ndarray:
    """Return GHK with the current of the pumps counted, (records,) mV; not a number where there is none."""
    try:
        series = ghk_with_pumps_series(recording)
    except RecordingError:
        series = None
    return np.full(len(recording.time), np.nan) if series is None else series


def pseudo_random(ions: np.ndarray) -> np.ndarray:
    """Return a number in [0, 1) for each id of `ions`, always the same for the same id."""
    return np.random.default_rng(1).random(int(ions.max(initial=0)) + 1)[ions]


def types_of_channels(recording: Recording) -> np.ndarray:
    """Return the index of the type of each channel, (channels,)."""
    counts = [channel.count for channel in recording.channels]
    return np.repeat(np.arange(len(counts)), np.array(counts, dtype=np.int64))


def has_events(recording: Recording) -> bool:
    """Return whether the run tells of each single transition and cycle; mean equations know none."""
    return recording.scenario.recording.events and recording.has_noise


def find_open(recording: Recording, shown: np.ndarray, moments: Moments) -> np.ndarray:
    """Return which of the channels `shown` (indices) are open, (moments, shown channels) bool.

    From the recorded transitions. A run without events tells only how many are open of each type: then that
    fraction of the shown ones is taken to be.
    """
    types = types_of_channels(recording)
    if has_events(recording):
        conducts = [
            list(channel.gating.scheme.is_open) if channel.gating else [True]
            for channel in recording.scenario.channels
        ]
        n_states = max(map(len, conducts), default=1)
        table = np.array([row + [False] * (n_states - len(row)) for row in conducts]).reshape(-1, n_states)
        return table[types[shown], _states_at(recording, moments.time)[:, shown]]
    is_open = np.zeros((len(moments.time), len(shown)), dtype=bool)
    for i, channel in enumerate(recording.channels):
        own = np.flatnonzero(types[shown] == i)
        fraction = recording[f"open_channels.{channel.name}"][moments.records] / channel.count
        is_open[:, own] = np.arange(len(own)) < np.round(fraction * len(own))[:, None]
    return is_open


def _states_at(recording: Recording, times: np.ndarray) -> np.ndarray:
    """Return the state of every channel at each of the ascending `times` (ns), (times, channels)."""
    gating = recording.gating
    order = np.argsort(gating["time"], kind="stable")
    time, channel, before, after = (
        gating[name][order] for name in ("time", "channel", "from_state", "to_state")
    )
    moving, first = np.unique(channel, return_index=True)
    state = np.full(len(types_of_channels(recording)), -1)
    state[moving] = before[first]
    start = 0
    for one in recording.channels:
        own = state[start : start + one.count]
        start += one.count
        # Channels that never move are in the states that the first record counts and no other channel began in.
        counted = np.array([recording[f"state.{one.name}.{name}"][0] for name in one.states], dtype=np.int64)
        left = counted - np.bincount(own[own >= 0], minlength=len(counted))
        own[own < 0] = np.repeat(np.arange(len(counted)), left)
    states = np.empty((len(times), len(state)), dtype=np.int64)
    done = 0
    for i, end in enumerate(np.searchsorted(time, times, side="right")):
        # Of several transitions of one channel the last is kept.
        state[channel[done:end]] = after[done:end]
        states[i], done = state, end
    return states


class MovingPicture:
    """One figure whose ions, pores, traces and clock are set anew for each moment; all else is drawn once."""

    def __init__(self, recording: Recording, moments: Moments, n_ions: int) -> None:
        self.moments = moments
        self._recording = recording
        self._axis = style.time_axis(moments.time[-1])
        self._places = find_places(recording)
        drawn = np.flatnonzero(np.isfinite(self._places.of_channels))
        # Channels of a rare type come last, so that no common neighbour covers them.
        types = types_of_channels(recording)
        self._channels = drawn[np.argsort(-np.bincount(types, minlength=1)[types[drawn]], kind="stable")]
        self._is_open = find_open(recording, self._channels, moments)
        self._ions = fair_sample(recording.positions.species, n_ions, LEAST_OF_A_SPECIES)
        self._species = recording.positions.species[self._ions]
        self._series = [
            ("simulated", style.BLACK, recording["membrane_potential"]),
            ("GHK", style.GHK_COLOUR, ghk_series(recording)),
            ("GHK with pumps", style.GHK_WITH_PUMP_COLOUR, ghk_with_pumps(recording)),
        ]
        self._ion_colours = list(style.ion_colours(recording.species_names).values())
        colour_of_type = self._channel_colours()
        self._walls = [colour_of_type[i] for i in types[self._channels]]
        self._lets_through = self._permeabilities() > 0

        labels = _Legends(self._ion_handles(), self._channel_handles())
        picture, trace, height = self._lay_out(labels.height)
        self.figure = Figure(figsize=(_CANVAS_WIDTH, height), dpi=_DPI)
        self._canvas = FigureCanvasAgg(self.figure)
        self._draw_frame_of_picture(picture_axes := self.figure.add_axes(picture))
        labels.draw(self.figure, top=picture[1] - 0.42 / height)
        self._moving: list[Artist] = []
        self._channel_boxes = self._draw_channels(picture_axes)
        self._dots = [self._draw_dots(picture_axes, colour) for colour in self._ion_colours]
        self._traces = self._draw_trace(self.figure.add_axes(trace))
        self._clock = self.figure.text(
            1 - _RIGHT / _CANVAS_WIDTH, 1 - 0.2 / height, "", ha="right", va="center", fontsize=11
        )
        self._moving.append(self._clock)
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    @property
    def colours(self) -> list[str]:
        """Every colour in the picture besides white."""
        return list(
            dict.fromkeys(
                [
                    *(
                        style.BLACK,
                        style.GHK_COLOUR,
                        style.GHK_WITH_PUMP_COLOUR,
                        DARK_TEXT,
                        LIPID,
                        style.GREY,
                        OPEN_PORE,
                        CLOSED_PORE,
                    ),
                    *self._ion_colours,
                ]
            )
        )

    def draw(self, i: int) -> np.ndarray:
        """Return the picture of moment `i`, (height, width, 3) uint8."""
        self._set_ions(i)
        self._set_channels(i)
        until = slice(0, self.moments.records[i] + 1)
        time = self._axis.scale(self._recording.time[until])
        for (line, text), (name, _, series) in zip(self._traces, self._series, strict=True):
            values = series[until]
            line.set_data(time, values)
            text.set_text(f"{name} {style.number(values[-1], 1)} mV" if np.isfinite(values[-1]) else "")
        now = float(self._axis.scale(self.moments.time[i]))
        self._clock.set_text(f"{now:.{self._clock_decimals()}f} {self._axis.unit}")
        self._canvas.restore_region(self._background)
        for artist in self._moving:
            self.figure.draw_artist(artist)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _set_channels(self, i: int) -> None:
        pores = [OPEN_PORE if is_open else CLOSED_PORE for is_open in self._is_open[i]]
        self._channel_boxes.set_facecolor(list(chain.from_iterable(zip(self._walls, pores, strict=True))))

    def _set_ions(self, i: int) -> None:
        frame = self.moments.frames[i]
        x = self._recording.positions.x[frame, self._ions]
        y = self._places.of_ions[..., self._ions]
        y = y[frame] if self._places.are_tracked else self._move_into_channels(x, y, self._is_open[i])
        for species, dots in enumerate(self._dots):
            own = self._species == species
            dots.set_data(y[own], x[own])

    def _move_into_channels(self, x: np.ndarray, y: np.ndarray, is_open: np.ndarray) -> np.ndarray:
        """Return y with the ions that are in a pore put into the nearest channel that lets them through."""
        in_pore = np.flatnonzero((x > 0) & (x < self._recording.thickness))
        if not len(in_pore) or not len(self._channels):
            return y
        y = y.copy()
        channel_y = self._places.of_channels[self._channels]
        distance = np.abs(y[in_pore, None] - channel_y)
        # An open channel comes before any closed one, and both before one that does not let the ion through.
        lets_through = self._lets_through[self._channels][:, self._species[in_pore]].T
        distance += self._places.width * (~is_open + 2.0 * ~lets_through)
        y[in_pore] = channel_y[distance.argmin(axis=1)]
        return y

    def _lay_out(self, legend_height: float) -> tuple[tuple, tuple, float]:
        """Return the places of picture and trace as fractions of the canvas, and the canvas' height in inches."""
        room = _CANVAS_WIDTH - _LEFT - _RIGHT
        low, high = self._x_limits()
        scale = min(room / self._places.width, _LARGEST_PICTURE_HEIGHT / (high - low))
        width, height = scale * self._places.width, scale * (high - low)
        bottom = 0.5 + _TRACE_HEIGHT + 0.3 + legend_height + 0.48
        # Whole pixels, and an even number of them.
        canvas_height = 2 * round((bottom + height + 0.4) * _DPI / 2) / _DPI
        picture = (_LEFT + (room - width) / 2, bottom, width, height)
        trace = (_LEFT, 0.5, room, _TRACE_HEIGHT)
        size = (_CANVAS_WIDTH, canvas_height) * 2
        fractions = [tuple(np.divide(box, size).tolist()) for box in (picture, trace)]
        return fractions[0], fractions[1], canvas_height

    def _x_limits(self) -> tuple[float, float]:
        recording = self._recording
        return -recording.attributes["inside_length"], recording.thickness + recording.attributes[
            "outside_length"
        ]

    def _draw_frame_of_picture(self, ax: Axes) -> None:
        """Draw what does not move: the slab, the names of the sides, the scale bar and what one must know."""
        recording, width = self._recording, self._places.width
        low, high = self._x_limits()
        ax.set_xlim(0, width)
        ax.set_ylim(low, high)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_color(style.PALE)
        ax.add_patch(Rectangle((0, 0), width, recording.thickness, color=LIPID, linewidth=0))
        sides = [
            (low / 2, "cytoplasm", 10),
            (recording.thickness / 2, "membrane", 8),
            ((recording.thickness + high) / 2, "outside", 10),
        ]
        for x, name, size in sides:
            ax.annotate(
                name,
                (0, x),
                (-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=size,
                color=DARK_TEXT,
                annotation_clip=False,
            )
        bar = _round_length(width / 8)
        below = low - 0.11 * _DPI / ax.get_window_extent().height * (high - low)
        ax.plot([width - bar, width], [below] * 2, color=style.BLACK, linewidth=2.5, clip_on=False)
        ax.annotate(
            f"{bar:g} nm",
            (width - bar, below),
            (-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
        left = ax.get_position().x0
        top = ax.get_position().y0 - 0.05 / self.figure.get_figheight()
        self.figure.text(left, top, self._note(), va="top", fontsize=8, style="italic", color=DARK_TEXT)
        self.figure.text(
            _LEFT / _CANVAS_WIDTH,
            1 - 0.2 / self.figure.get_figheight(),
            style.plain(recording.title),
            va="center",
            fontsize=11,
            weight="bold",
        )

    def _note(self) -> str:
        shown = f"{len(self._ions):,} of {self._recording.n_ions:,} ions are shown"
        if self._places.are_tracked:
            return shown
        return f"{shown}\ny is not tracked: ions are scattered at random along it, channels are evenly spaced"

    def _draw_channels(self, ax: Axes) -> PolyCollection:
        """Draw a box for each channel and a narrower one for its pore on it, and return them in this order."""
        places = self._places.of_channels[self._channels]
        thickness = self._recording.thickness
        width = min(0.7 * thickness, 0.7 * self._places.width / max(len(places), 1))
        walls, pores = _boxes(places, width, thickness), _boxes(places, 0.5 * width, thickness)
        boxes = PolyCollection(list(chain.from_iterable(zip(walls, pores, strict=True))), linewidths=0)
        ax.add_collection(boxes, autolim=False)
        self._moving.append(boxes)
        return boxes

    def _draw_dots(self, ax: Axes, colour: str) -> Line2D:
        [dots] = ax.plot(
            [], [], linestyle="none", marker="o", markersize=2.6, markeredgewidth=0, color=colour
        )
        self._moving.append(dots)
        return dots

    def _draw_trace(self, ax: Axes) -> list[tuple[Line2D, Text]]:
        """Draw the axes of the membrane potential; return line and text of the simulation and of each prediction."""
        last = slice(0, self.moments.records[-1] + 1)
        shown = np.concatenate([[0.0], *(series[last] for _, _, series in self._series)])
        low, high = np.nanmin(shown), np.nanmax(shown)
        margin = max(0.08 * (high - low), 2.0)
        ax.set_ylim(low - margin, high + margin)
        ax.set_xlim(0, float(self._axis.scale(self.moments.time[-1])))
        ax.set_xlabel(self._axis.label, fontsize=9)
        ax.set_ylabel("membrane\npotential (mV)", fontsize=9)
        ax.tick_params(labelsize=8)
        style.tidy(ax)
        traces = []
        for (_, colour, _), place in zip(self._series, (0.0, 0.24, 0.42), strict=True):
            [line] = ax.plot([], [], color=colour, linewidth=1.2, marker="o", markersize=4, markevery=[-1])
            line.set_clip_on(False)
            text = ax.text(place, 1.03, "", transform=ax.transAxes, color=colour, fontsize=9, va="bottom")
            self._moving += [line, text]
            traces.append((line, text))
        return traces

    def _ion_handles(self) -> list[Artist]:
        """Return a dot for each species with how many of its ions are shown of how many there are."""
        counts = np.bincount(self._species, minlength=len(self._ion_labels()))
        return [
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markersize=5,
                color=colour,
                label=f"{name}  {shown:,} of {n:,}",
            )
            for name, colour, shown, n in zip(
                self._ion_labels(), self._ion_colours, counts, self._ions_at_start(), strict=True
            )
        ]

    def _ion_labels(self) -> list[str]:
        return [style.ion_label(one.name, one.valence) for one in self._recording.species]

    def _ions_at_start(self) -> list[int]:
        regions = ("ions_inside", "ions_outside", "ions_in_pores")
        return [
            int(sum(self._recording[f"{region}.{name}"][0] for region in regions))
            for name in self._recording.species_names
        ]

    def _channel_handles(self) -> list[Artist]:
        """Return a patch for each type of channel with how many are drawn of how many, and for the pores."""
        if not self._recording.channels:
            return []
        types = types_of_channels(self._recording)[self._channels]
        counts = np.bincount(types, minlength=len(self._recording.channels))
        return [
            *(
                Patch(color=colour, label=f"{style.plain(channel.name)}  {shown} of {channel.count}")
                for channel, colour, shown in zip(
                    self._recording.channels, self._channel_colours(), counts, strict=True
                )
            ),
            Patch(color=OPEN_PORE, label="open pore"),
            Patch(color=CLOSED_PORE, label="closed pore"),
        ]

    def _permeabilities(self) -> np.ndarray:
        """Return the permeability of each channel to each species, (channels, species)."""
        names = self._recording.species_names
        by_type = [[one.permeability.get(name, 0.0) for name in names] for one in self._recording.channels]
        return np.array(by_type).reshape(-1, len(names))[types_of_channels(self._recording)]

    def _channel_colours(self) -> list[str]:
        """Return for each type of channel the colour of the ion that it lets through best."""
        colours = style.ion_colours(self._recording.species_names)
        return [
            colours[max(one.permeability, key=one.permeability.__getitem__)]
            if one.permeability
            else style.GREY
            for one in self._recording.channels
        ]

    def _clock_decimals(self) -> int:
        """Return the decimals of the time at which two moments differ."""
        interval = float(self._axis.scale(np.diff(self.moments.time).min()))
        return max(0, math.ceil(-math.log10(interval)))


class _Legends:
    """One legend for the ions and one for the channels below it, in lines of up to five and six entries."""

    def __init__(self, ions: list[Artist], channels: list[Artist]) -> None:
        self._rows = [(handles, n) for handles, n in ((ions, 5), (channels, 6)) if handles]

    @property
    def height(self) -> float:
        """Inches."""
        return _LINE * sum(math.ceil(len(handles) / n) for handles, n in self._rows)

    def draw(self, figure: Figure, top: float) -> None:
        """Write the legends into `figure`, from the fraction `top` of its height downwards."""
        for handles, n in self._rows:
            figure.legend(
                handles=handles,
                loc="upper left",
                bbox_to_anchor=(_LEFT / _CANVAS_WIDTH, top),
                ncols=n,
                fontsize=8,
                frameon=False,
                borderpad=0,
                borderaxespad=0,
                handlelength=1.0,
                handletextpad=0.4,
                columnspacing=1.4,
            )
            top -= _LINE * math.ceil(len(handles) / n) / figure.get_figheight()


def _drawn(picture: MovingPicture, on_progress: Callable[[int, int], None] | None) -> Iterator[np.ndarray]:
    """Draw one moment after the other, (height, width, 3) uint8 each."""
    n_moments = len(picture.moments.time)
    for i in range(n_moments):
        yield picture.draw(i)
        if on_progress is not None:
            on_progress(i + 1, n_moments)


def _write_gif(path: Path, images: Iterator[np.ndarray], colours: list[str], frames_per_second: int) -> None:
    palette = _palette(colours)
    frames = (Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    first = next(frames)
    # The format counts hundredths of a second.
    duration = 10 * max(2, round(100 / frames_per_second))
    first.save(
        path,
        format="GIF",
        save_all=True,
        append_images=frames,
        duration=duration,
        loop=0,
        optimize=False,
    )


def _palette(colours: list[str]) -> Image.Image:
    """Return the one palette of all frames: white, and each colour in steps of its fading into white."""
    levels = np.linspace(1.0, 0.0, min(8, 255 // len(colours)), endpoint=False)
    inks = np.array([to_rgb(colour) for colour in colours])
    shades = 1.0 - levels[:, None, None] * (1.0 - inks)
    shades = shades.reshape(-1, 3)
    # A shade that is nearly white would be taken for white, which is matched only roughly.
    table = np.concatenate([np.ones((1, 3)), shades[shades.min(axis=1) < 0.95]])
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * table).astype(np.uint8).tobytes())
    return palette


def _write_mp4(path: Path, images: Iterator[np.ndarray], frames_per_second: int) -> None:
    first = next(images)
    height, width = first.shape[:2]
    command = [
        *("ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{width}x{height}", "-r", str(frames_per_second), "-i", "-"),
        *("-pix_fmt", "yuv420p", "-f", "mp4", str(path)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        try:
            for image in chain([first], images):
                encoder.stdin.write(image.tobytes())
        except BrokenPipeError:
            # It gave up, and says below why.
            pass
        _, message = encoder.communicate()
    if encoder.returncode:
        raise RecordingError(f"ffmpeg failed: {message.decode(errors='replace').strip()}; give --format gif")


def _boxes(places: np.ndarray, width: float, thickness: float) -> list[np.ndarray]:
    """Return the corners of rectangles across the slab, (4, 2) each."""
    corners = np.array([[-0.5, 0.0], [0.5, 0.0], [0.5, 1.0], [-0.5, 1.0]]) * (width, thickness)
    return [corners + np.array([place, 0.0]) for place in places]


def _round_length(length: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20... that is not above `length`."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= length)
