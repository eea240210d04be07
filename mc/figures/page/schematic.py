"""The membrane as textbooks draw it, with the numbers of the run: lipids, proteins, ions in their proportions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

from mc.analysis.channels import open_channels
from mc.figures import style
from mc.figures.page.inline import css_colour
from mc.figures.page.scenes import colour_of_channel
from mc.figures.page.words import ion_labels, show_concentration
from mc.recording.recording import Recording

WIDTH, HEIGHT = 720, 430
TOP_OF_MEMBRANE, BOTTOM_OF_MEMBRANE = 178, 252
DOTS = 70
"""Ions that are drawn on the fuller side; the other side has its share."""

MOST_GLYPHS = 12
HEAD = 5.0
"""Radius of a lipid's head."""


class Legend(NamedTuple):
    """What stands below the drawing, for one type of protein."""

    number: int
    name: str
    state: str
    colour: str


def draw_schematic(
    recording: Recording, records: slice
) -> tuple[Markup, list[Legend], list[tuple[str, str, str, str]]]:
    """Return the drawing, the legend of its proteins, and label, colour and both concentrations of each ion.

    All numbers are means over `records`.
    """
    legend, glyphs = _glyphs(recording, records)
    inside, outside = (
        np.array(
            [
                recording[f"bulk_concentration_{side}.{name}"][records].mean()
                for name in recording.species_names
            ]
        )
        for side in ("inside", "outside")
    )
    potential = float(recording["membrane_potential"][records].mean())
    colours = [css_colour(colour) for colour in style.ion_colours(recording.species_names).values()]
    per_dot = max(inside.sum(), outside.sum()) / DOTS
    parts = [
        f'<rect class="outside" width="{WIDTH}" height="{TOP_OF_MEMBRANE}"/>',
        f'<rect class="inside" y="{BOTTOM_OF_MEMBRANE}" width="{WIDTH}" height="{HEIGHT - BOTTOM_OF_MEMBRANE}"/>',
        *_dots(outside, per_dot, colours, 14.0, TOP_OF_MEMBRANE - 42.0, seed=1),
        *_dots(inside, per_dot, colours, BOTTOM_OF_MEMBRANE + 16.0, HEIGHT - 14.0, seed=2),
        *_lipids(glyphs),
        *(glyph.svg for glyph in glyphs),
        _label(14, 26, "outside, 0 mV"),
        _label(14, HEIGHT - 14, f"cytoplasm, {style.number(potential, 1)} mV"),
    ]
    description = f"The membrane with its channels and pumps; the cytoplasm is at {potential:.1f} mV"
    drawing = Markup(
        f'<svg class="schematic" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{description}">'
        + "".join(parts)
        + "</svg>"
    )
    labels = ion_labels(recording)
    ions = [
        (labels[name], colour, show_concentration(within), show_concentration(beyond))
        for name, colour, within, beyond in zip(
            recording.species_names, colours, inside, outside, strict=True
        )
        if within > 0 or beyond > 0
    ]
    return drawing, legend, ions


class _Glyph(NamedTuple):
    """One protein in the membrane: its drawing, and the stretch that lipids leave free for it."""

    svg: Markup
    left: float
    right: float


def _glyphs(recording: Recording, records: slice) -> tuple[list[Legend], list[_Glyph]]:
    """Return the legend and the proteins, three of a type where there is room, evenly spaced."""
    n_types = len(recording.channels) + len(recording.pumps)
    if n_types == 0:
        return [], []
    each = max(1, min(3, MOST_GLYPHS // n_types))
    n_open = open_channels(recording)
    legend: list[Legend] = []
    drawn: list[tuple[Legend, bool | None]] = []
    for i, channel in enumerate(recording.channels):
        share = float(n_open[channel.name][records].mean()) / channel.count
        colour = colour_of_channel(recording, i)
        state = (
            f"{100 * share:.3g} % of {channel.count:,} open"
            if channel.count > 1
            else f"open {100 * share:.3g} % of the time"
        )
        legend.append(Legend(len(legend) + 1, channel.name, state, colour))
        shown = min(each, channel.count)
        drawn += [(legend[-1], j < round(share * shown)) for j in range(shown)]
    for pump in recording.pumps:
        cycles = recording[f"pump_cycles.{pump.name}"][-1]
        state = f"{pump.count:,} made {cycles:,.0f} cycles"
        legend.append(Legend(len(legend) + 1, pump.name, state, "pump"))
        drawn += [(legend[-1], None)] * min(each, pump.count, 2)
    room = WIDTH / max(len(drawn), 1)
    glyphs = []
    # Types take turns, so that like ones do not stand side by side.
    order = sorted(range(len(drawn)), key=lambda k: [one[0] for one in drawn[:k]].count(drawn[k][0]))
    for slot, k in enumerate(order):
        one, is_open = drawn[k]
        x = (slot + 0.5) * room
        glyphs.append(_pump(x, one.number) if is_open is None else _channel(x, one, is_open))
    return legend, glyphs


def _channel(x: float, legend: Legend, is_open: bool) -> _Glyph:
    """Return two walls that touch at the inner end where the channel is shut."""
    top, bottom, wall = TOP_OF_MEMBRANE - 10, BOTTOM_OF_MEMBRANE + 10, 13
    gap = 6.0
    foot = gap if is_open else 0.0
    walls = [
        f"M{x + side * gap:.1f},{top} h{side * wall} V{bottom} H{x + side * foot:.1f} "
        f"L{x + side * foot:.1f},{bottom - 14} L{x + side * gap:.1f},{bottom - 26} Z"
        for side in (-1, 1)
    ]
    state = "open" if is_open else "closed"
    return _Glyph(
        Markup(
            f'<g><title>{escape(legend.name)}: {state}</title><path class="wall" fill="{legend.colour}" '
            f'd="{" ".join(walls)}"/>{_number(x, legend.number)}</g>'
        ),
        x - gap - wall,
        x + gap + wall,
    )


def _pump(x: float, number: int) -> _Glyph:
    """Return a body with an arrow out and one in."""
    middle, half = (TOP_OF_MEMBRANE + BOTTOM_OF_MEMBRANE) / 2, 24
    top, bottom = TOP_OF_MEMBRANE - 12, BOTTOM_OF_MEMBRANE + 12
    arrows = (
        f"M{x - 8},{bottom - 16} V{top + 16} m-6,8 l6,-8 l6,8 "
        f"M{x + 8},{top + 16} V{bottom - 16} m-6,-8 l6,8 l6,-8"
    )
    return _Glyph(
        Markup(
            f'<g><rect class="pump" x="{x - half}" y="{top}" width="{2 * half}" height="{bottom - top}" '
            f'rx="{half}"/><path class="arrow" d="{arrows}"/>{_number(x, number, middle)}</g>'
        ),
        x - half,
        x + half,
    )


def _number(x: float, number: int, y: float | None = None) -> Markup:
    """Return the number that the legend explains, above the protein or in it."""
    y = TOP_OF_MEMBRANE - 22 if y is None else TOP_OF_MEMBRANE - 24
    return Markup(
        f'<circle class="tag" cx="{x:.1f}" cy="{y}" r="9"/>'
        f'<text class="tag" x="{x:.1f}" y="{y + 4.2}">{number}</text>'
    )


def _lipids(glyphs: list[_Glyph]) -> list[str]:
    """Return heads and tails of both leaflets, where no protein stands."""
    middle = (TOP_OF_MEMBRANE + BOTTOM_OF_MEMBRANE) / 2
    n = int(WIDTH // (2 * HEAD + 0.4))
    tails, heads = [], []
    for x in (np.arange(n) + 0.5) * WIDTH / n:
        if any(glyph.left - HEAD < x < glyph.right + HEAD for glyph in glyphs):
            continue
        for y, end in ((TOP_OF_MEMBRANE + HEAD, middle - 2), (BOTTOM_OF_MEMBRANE - HEAD, middle + 2)):
            heads.append(
                f"M{x - HEAD:.1f},{y}a{HEAD},{HEAD} 0 1,0 {2 * HEAD},0a{HEAD},{HEAD} 0 1,0 {-2 * HEAD},0"
            )
            tails += [f"M{x + side:.1f},{y}V{end}" for side in (-2, 2)]
    return [
        f'<path class="tails" d="{"".join(tails)}"/>',
        f'<path class="heads" d="{"".join(heads)}"/>',
    ]


def _dots(
    concentration: np.ndarray, per_dot: float, colours: list[str], top: float, bottom: float, *, seed: int
) -> list[str]:
    """Return a dot for every `per_dot` mM of each species, spread over the side, none close to another."""
    counts = (
        np.round(concentration / per_dot).astype(int) if per_dot > 0 else np.zeros(len(colours), dtype=int)
    )
    species = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(colours)), counts))
    places = _spread(len(species), top, bottom, seed)
    return [
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="5.5" fill="{colours[one]}"/>'
        for one, (x, y) in zip(species, places, strict=True)
    ]


def _spread(n: int, top: float, bottom: float, seed: int) -> np.ndarray:
    """Return `n` places (n, 2), each the farthest from all before among some at random (Mitchell 1991)."""
    generator = np.random.default_rng(seed)
    # The corner that holds the side's label stays free.
    places = np.array([[105.0, 14.0 if top < TOP_OF_MEMBRANE else HEIGHT - 14.0]])
    for _ in range(n):
        candidates = generator.uniform((12.0, top), (WIDTH - 12.0, bottom), (40, 2))
        to_label = np.hypot(*((candidates - places[0]) / (2.4, 0.7)).T)
        distance = np.linalg.norm(candidates[:, None] - places[None, 1:], axis=2)
        nearest = np.minimum(distance.min(axis=1, initial=1e9), np.where(to_label < 55, 0.0, 1e9))
        places = np.vstack([places, candidates[nearest.argmax()]])
    return places[1:]


def _label(x: float, y: float, text: str) -> str:
    return f'<text class="side" x="{x}" y="{y}">{text}</text>'
