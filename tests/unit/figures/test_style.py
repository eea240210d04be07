"""Colours, labels and units that all figures share."""

from itertools import pairwise

import numpy as np
import pytest

from mc.figures import style


def test_an_ion_has_one_colour_in_every_run():
    alone = style.ion_colours(["Na"])
    among_others = style.ion_colours(["Mg", "K", "Na", "Rb"])
    assert among_others["Na"] == alone["Na"]
    assert len(set(among_others.values())) == 4


@pytest.mark.parametrize(
    ("name", "valence", "label"), [("Na", 1, "Na⁺"), ("Ca", 2, "Ca²⁺"), ("Cl", -1, "Cl⁻"), ("X", -3, "X³⁻")]
)
def test_ions_are_written_with_their_charge(name, valence, label):
    assert style.ion_label(name, valence) == label


@pytest.mark.parametrize(("duration", "unit"), [(900.0, "ns"), (20_000.0, "µs"), (3e6, "ms")])
def test_times_are_shown_in_a_fitting_unit(duration, unit):
    axis = style.time_axis(duration)
    assert axis.unit == unit
    assert 1 <= axis.scale(duration) < 1000


def test_labels_at_line_ends_do_not_overlap():
    ax = style.own_axes(None)
    ax.set_ylim(-100, 0)
    style.label_line_ends(ax, [(-50.0, "b", "k"), (-50.5, "a", "k"), (200.0, "far", "k"), (-1.0, "d", "k")])
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent().y0, text.get_window_extent().y1) for text in ax.texts)
    assert all(upper[0] >= lower[1] - 1 for lower, upper in pairwise(boxes))
    assert sorted(text.get_text() for text in ax.texts) == ["a", "b", "d", "far ↑"]


def test_a_minus_sign_is_a_minus_sign():
    assert style.number(np.float64(-68.04), 1) == "−68.0"
