"""A law: theory as lines, measurements as points with bars of their standard errors."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mc.figures import style

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY_BLUE)


class LineLike(Protocol):
    """What theory says: `x` and `y` (points,)."""

    @property
    def label(self) -> str: ...
    @property
    def x(self) -> np.ndarray: ...
    @property
    def y(self) -> np.ndarray: ...


class PointsLike(LineLike, Protocol):
    """What was measured, `error` (points,) its standard errors."""

    @property
    def error(self) -> np.ndarray: ...


class PictureLike(Protocol):
    """What a law gives to be drawn."""

    @property
    def x_label(self) -> str: ...
    @property
    def y_label(self) -> str: ...
    @property
    def lines(self) -> Sequence[LineLike]: ...
    @property
    def points(self) -> Sequence[PointsLike]: ...
    @property
    def x_scale(self) -> str: ...
    @property
    def y_scale(self) -> str: ...


def figure_of_law(picture: PictureLike) -> Figure:
    """Return the figure of a law; a line and the points of the same label have the same colour."""
    figure = style.new_figure(5.6, 3.6)
    ax = figure.add_subplot()
    colours: dict[str, str] = {}

    def colour(label: str) -> str:
        return colours.setdefault(label, COLOURS[len(colours) % len(COLOURS)])

    drawn = {one.label for one in picture.points}
    for line in picture.lines:
        own = colour(line.label) if line.label in drawn else style.GREY
        text = None if line.label in drawn else style.plain(line.label)
        dashes = style.LINE_STYLES[[one.label for one in picture.lines].index(line.label) % 4]
        ax.plot(
            line.x, line.y, color=own, linewidth=1.3, linestyle="-" if text is None else dashes, label=text
        )
    for points in picture.points:
        ax.errorbar(
            points.x,
            points.y,
            yerr=points.error,
            fmt="o",
            markersize=4,
            color=colour(points.label),
            elinewidth=1,
            capsize=2,
            label=style.plain(points.label),
        )
    ax.set_xscale(picture.x_scale)
    ax.set_yscale(picture.y_scale)
    ax.set_xlabel(picture.x_label)
    ax.set_ylabel(picture.y_label)
    ax.legend(fontsize=8, frameon=False)
    style.tidy(ax)
    return figure


def svg_of_law(picture: PictureLike, name: str) -> str:
    """Return the figure as an SVG element in the colour of the text around it; `name` keeps its ids apart."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        stream = io.StringIO()
        figure_of_law(picture).savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    svg = text[text.index("<svg") :]
    # Ids are counted from one in every figure, and a page holds many.
    svg = re.sub(r'(id="|"#|\(#)', rf"\g<1>{name}-", svg)
    return svg.replace("#000000", "currentColor").replace(
        '<text style="', '<text fill="currentColor" style="'
    )
