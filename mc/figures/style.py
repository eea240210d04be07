"""What all figures share: colours, text of the user, the time axis, the membrane's shade, labels at line ends."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context, rc_params_from_file, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mc.errors import RecordingError

# Okabe & Ito (2008), Color Universal Design: told apart with every common colour vision.
BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "#7F7F7F", "#D9D9D9"

ION_COLOURS = {"K": BLUE, "Na": ORANGE, "Cl": GREEN, "Ca": PURPLE, "A": GREY}
GHK_COLOUR, GHK_WITH_PUMP_COLOUR = VERMILLION, SKY_BLUE
# From the "muted" scheme of Tol (2021): an ion of the user's must not look like black, GHK or a known ion.
_OTHER_COLOURS = ("#882255", "#999933", "#332288", YELLOW)
PROTEIN_COLOURS = (BLACK, VERMILLION, SKY_BLUE, GREY, PURPLE, GREEN)
LINE_STYLES = ("-", "--", ":", "-.")

ON_DARK = {
    BLACK: "#E8E8E8",
    "#FFFFFF": "#1B1F24",
    PALE: "#3A4048",
    GREY: "#9A9FA6",
    "#4D4D4D": "#B4B9C0",
    BLUE: "#3E9ADB",
    GREEN: "#1DB489",
    VERMILLION: "#F0762B",
    "#882255": "#C4679A",
    "#332288": "#8C82D6",
}
"""What stands for a colour on a dark page, where it would be too dark to be seen; all others stay."""

_SUPERSCRIPTS = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


class TimeAxis(NamedTuple):
    """How times in ns are shown."""

    unit: str
    nanoseconds_per_unit: float

    @property
    def label(self) -> str:
        """Label of the axis."""
        return f"time ({self.unit})"

    def scale(self, time: np.ndarray | float) -> np.ndarray:
        """Return `time` in ns in the unit of the axis."""
        return np.asarray(time) / self.nanoseconds_per_unit


def time_axis(duration: float) -> TimeAxis:
    """Return ns, µs, ms or s, whatever gives a run of `duration` ns the shortest numbers."""
    for unit, nanoseconds in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if duration >= nanoseconds:
            return TimeAxis(unit, nanoseconds)
    return TimeAxis("ns", 1.0)


def ion_colours(names: Sequence[str]) -> dict[str, str]:
    """Return the colour of each species: the same for K, Na, Cl, Ca and A in every figure of every run."""
    others = [name for name in names if name not in ION_COLOURS]
    chosen = {name: _OTHER_COLOURS[i % len(_OTHER_COLOURS)] for i, name in enumerate(others)}
    return {name: ION_COLOURS.get(name) or chosen[name] for name in names}


@contextmanager
def use_style_file(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Draw with a style sheet of matplotlib (fonts, sizes, ticks, grid); ions and lines keep their colours.

    None changes nothing. Raises RecordingError for a file that cannot be read or sets what there is not.
    """
    if path is None:
        yield
        return
    try:
        settings = rc_params_from_file(path, fail_on_error=True, use_default_template=False)
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, KeyError) as error:
        raise RecordingError(f"{path} is no style sheet of matplotlib: {error}") from error
    # matplotlib only logs a key that it does not know.
    keys = (line.split("#")[0].split(":")[0].strip() for line in lines)
    unknown = [key for key in keys if key and key not in rcParams]
    if unknown:
        raise RecordingError(f"{path} is no style sheet of matplotlib: it has no key {', '.join(unknown)}")
    with rc_context(settings):
        yield


def plain(text: str) -> str:
    """Return `text` as the user wrote it, for a figure: a "$" in it must not begin a formula."""
    return text.replace("$", r"\$")


def wrapped(text: str, width: int, max_lines: int = 3) -> str:
    """Return the `plain` text in at most `max_lines` lines of `width` characters, the rest as an ellipsis."""
    return plain(textwrap.fill(text, width, max_lines=max_lines, placeholder=" …"))


def set_title(figure: Figure, title: str) -> None:
    """Write `title` above the panels in lines as wide as `figure`, smaller if its letters are wide ones."""
    characters_per_inch = 10
    text = figure.suptitle(wrapped(title, int(characters_per_inch * figure.get_figwidth())))
    room = 0.96 * figure.bbox.width
    text.set_fontsize(float(text.get_fontsize()) * min(1.0, room / max(text.get_window_extent().width, 1.0)))


def unicode_ion(name: str, valence: int) -> str:
    """Return Ca²⁺ for Ca of valence 2."""
    number = "" if abs(valence) == 1 else str(abs(valence))
    return name + f"{number}{'+' if valence > 0 else '-'}".translate(_SUPERSCRIPTS)


def ion_label(name: str, valence: int) -> str:
    """Return Ca²⁺ for Ca of valence 2, as `plain` text."""
    return unicode_ion(plain(name), valence)


class NotebookFigure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches that can be saved without a display."""
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def own_axes(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """Return `ax`, or axes in a figure of their own."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def tidy(ax: Axes) -> None:
    """Take away the lines that say nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def shade_membrane(ax: Axes, thickness: float, *, along: str = "x", text: bool = True) -> None:
    """Draw the slab at 0..thickness as a grey band across the axis `along`, named in it or in the legend."""
    if along == "x":
        ax.axvspan(0, thickness, color=PALE, zorder=0, linewidth=0, label=None if text else "membrane")
        place, transform, rotation, vertical = (thickness / 2, 0.97), ax.get_xaxis_transform(), 90, "top"
    else:
        ax.axhspan(0, thickness, color=PALE, zorder=0, linewidth=0, label=None if text else "membrane")
        place, transform, rotation, vertical = (0.5, thickness / 2), ax.get_yaxis_transform(), 0, "center"
    if text:
        ax.text(
            *place,
            "membrane",
            transform=transform,
            rotation=rotation,
            ha="center",
            va=vertical,
            fontsize=8,
            color="#4D4D4D",
        )


def number(value: float, decimals: int) -> str:
    """Return `value` with a proper minus sign, and none before a zero."""
    return f"{value:z.{decimals}f}".replace("-", "−")


def label_line_ends(ax: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write (height, text, colour) to the right of the axes at each height, moved apart where they overlap.

    Heights are in data units; those beyond the axes stand at its edge with an arrow that points to them.
    """
    low, high = ax.get_ylim()
    height_in_points = ax.get_window_extent().height * 72 / ax.figure.dpi
    gap = 11 * (high - low) / height_in_points
    labels = sorted(labels)
    wanted = [min(max(height, low), high) for height, _, _ in labels]
    for place, (height, text, colour) in zip(_move_apart(wanted, gap, high), labels, strict=True):
        arrow = " ↑" if height > high else " ↓" if height < low else ""
        ax.annotate(
            text + arrow,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=colour,
            annotation_clip=False,
        )


def _move_apart(heights: Sequence[float], gap: float, high: float) -> list[float]:
    """Return the sorted `heights`, moved up and then down from `high` until they are `gap` apart."""
    places = list(heights)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    if places and places[-1] > high:
        places[-1] = high
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - gap)
    return places
