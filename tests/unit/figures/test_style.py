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


def test_no_ion_looks_like_the_simulated_potential_or_its_prediction():
    colours = style.ion_colours(["K", "Na", "Cl", "Ca", "A", "Mg", "Rb", "Li", "F"])
    assert len(set(colours.values())) == 9
    reserved = {style.BLACK, style.GHK_COLOUR, style.GHK_WITH_PUMP_COLOUR}
    assert not reserved & set(colours.values())


@pytest.mark.parametrize("title", ["$\\frac{1$", "a$_b$", "\\$", "short"])
def test_text_of_the_user_is_drawn_as_it_is_written(title):
    figure = style.new_figure(6, 2)
    style.set_title(figure, title)
    [text] = [one for one in figure.texts if one.get_text()]
    figure.canvas.draw()
    assert text._preprocess_math(text.get_text()) == (title, False)


@pytest.mark.parametrize("title", ["a long title of many words " * 6, "W" * 200, "WIDE WORDS " * 12])
def test_a_long_title_stays_in_its_figure(title):
    figure = style.new_figure(6, 3)
    figure.add_subplot()
    style.set_title(figure, title)
    figure.canvas.draw()
    [text] = figure.texts
    box = text.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert 2 <= text.get_text().count("\n") + 1 <= 3


@pytest.mark.parametrize(
    ("name", "valence", "label"), [("Na", 1, "Na⁺"), ("Ca", 2, "Ca²⁺"), ("Cl", -1, "Cl⁻"), ("X", -3, "X³⁻")]
)
def test_ions_are_written_with_their_charge(name, valence, label):
    assert style.ion_label(name, valence) == label


@pytest.mark.parametrize(("duration", "unit"), [(900.0, "ns"), (20_000.0, "µs"), (3e6, "ms"), (12e9, "s")])
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
    assert style.number(-0.02, 0) == "0"
