"""Figures of sweeps show the numbers of the table."""

import math

import numpy as np
import pytest

from mc.errors import RecordingError
from mc.figures.sweeps import (
    figure_of_curves,
    figure_of_map,
    is_logarithmic,
    make_sweep_figures,
    plot_curve,
    plot_difference,
)
from mc.recording.sweep_table import COLUMNS, Parameter, SweepTable, make_columns

POTASSIUM = np.array([1.5, 5.0, 20.0, 150.0])
AREA = np.array([0.01, 0.02])


def row(point, quantity, mean, theory):
    return {
        **dict.fromkeys(COLUMNS, math.nan),
        "point": point,
        "runs": 3,
        "short_runs": 0,
        "quantity": quantity,
        "unit": "mV",
        "standard_error_from": "between replicas",
        "standard_error": 0.5,
        "mean": mean,
        "theory": theory,
        "difference": mean - theory,
        "difference_standard_error": 0.4,
        "difference_in_standard_errors": (mean - theory) / 0.4,
    }


def numbers(key, unit, values):
    return Parameter(
        key, unit, tuple(f"{value:g} {unit}" for value in values), np.asarray(values, dtype=float)
    )


@pytest.fixture
def curve():
    rows = []
    for point, concentration in enumerate(POTASSIUM):
        nernst = 26.73 * math.log(concentration / 140.0)
        rows += [
            row(point, "membrane_potential", nernst + 6.0, nernst + 5.0),
            row(point, "noise", 20.0 / (point + 1), 20.0 / (point + 1)),
            row(point, "reversal_potential.K", nernst, math.nan),
        ]
    return SweepTable(
        "Potassium $", 1, 3, False, (numbers("outside.K", "mM", POTASSIUM),), make_columns(rows)
    )


@pytest.fixture
def crossed():
    rows = [row(point, "membrane_potential", -70.0 + point, -70.0) for point in range(8)]
    parameters = (
        numbers("outside.K", "mM", np.repeat(POTASSIUM, 2)),
        numbers("geometry.area", "um^2", np.tile(AREA, 4)),
    )
    return SweepTable("", 1, 3, False, parameters, make_columns(rows))


def test_points_bars_and_lines_are_those_of_the_table(curve):
    ax = plot_curve(curve, "membrane_potential")
    rows = curve.of("membrane_potential")
    (points,) = ax.containers
    np.testing.assert_array_equal(points.lines[0].get_xydata(), np.column_stack([POTASSIUM, rows["mean"]]))
    segments = points.lines[2][0].get_segments()
    np.testing.assert_allclose([segment[1][1] - segment[0][1] for segment in segments], 1.0)
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["GHK"], rows["theory"])
    np.testing.assert_array_equal(lines["Nernst potential of K"], curve.of("reversal_potential.K")["mean"])
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "outside.K (mM)"
    assert ax.get_yscale() == "linear"


def test_noise_over_a_wide_range_is_on_logarithmic_axes(curve):
    assert plot_curve(curve, "noise").get_yscale() == "log"


def test_the_difference_is_drawn_about_zero(curve):
    (points,) = plot_difference(curve, "membrane_potential").containers
    np.testing.assert_allclose(points.lines[0].get_ydata(), 1.0)


def test_axes_are_logarithmic_where_values_are():
    assert is_logarithmic(np.array([1.5, 3, 5, 10, 20, 40, 80, 150]))
    assert is_logarithmic(np.array([100.0, 1.0, 10.0]))
    assert not is_logarithmic(np.linspace(1, 100, 9))
    assert not is_logarithmic(np.array([0.0, 1.0, 10.0, 100.0]))
    assert not is_logarithmic(np.array([1.0, 2.0, 4.0]))
    assert not is_logarithmic(np.array([1.0, 100.0]))


def test_values_that_are_no_numbers_stand_side_by_side(curve):
    words = Parameter("simulation.engine", "", ("a", "b", "c$", "d"), np.full(4, math.nan))
    table = SweepTable("", 1, 3, False, (words,), curve.columns)
    ax = plot_curve(table, "membrane_potential")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", r"c\$", "d"]


def test_two_keys_make_a_map_with_every_value_at_its_place(crossed):
    figure = figure_of_map(crossed, "membrane_potential")
    left, right = (ax for ax in figure.axes if ax.images)
    grid = left.images[0].get_array()
    np.testing.assert_array_equal(grid, -70.0 + np.arange(8).reshape(4, 2).T)
    np.testing.assert_allclose(right.images[0].get_array(), (grid + 70.0) / 0.4)
    assert left.get_xlabel() == "outside.K"
    assert left.get_ylabel() == "geometry.area"
    assert {text.get_text() for text in left.texts} >= {"−70.0", "−63.0"}


def test_figures_are_written_and_paired_keys_are_one_axis(curve, crossed, tmp_path):
    names = [path.name for path in make_sweep_figures(curve, tmp_path)]
    assert names == ["membrane_potential.png", "noise.png"]
    paired = SweepTable("", 1, 3, True, crossed.parameters, crossed.columns)
    assert (
        figure_of_curves(paired, "membrane_potential").axes[1].get_xlabel()
        == "outside.K (mM), with geometry.area"
    )
    assert len(make_sweep_figures(crossed, tmp_path / "map", "svg")) == 1


def test_more_keys_than_two_and_none_are_refused(curve, crossed, tmp_path):
    three = SweepTable("", 1, 3, False, (*crossed.parameters, crossed.parameters[0]), crossed.columns)
    for table, number in ((three, "3"), (SweepTable("", 1, 3, False, (), curve.columns), "no")):
        with pytest.raises(RecordingError, match=f"a sweep of {number} keys is not drawn"):
            make_sweep_figures(table, tmp_path)
