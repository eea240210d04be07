"""Figures by short names, in given axes; what notebooks show of runs, scenarios and figures; style sheets."""

import numpy as np
import pytest
from matplotlib import rcParams
from synthetic_run import describe_synthetic_run

from mc.errors import RecordingError
from mc.figures import style
from mc.figures.plots import Plots
from mc.figures.report import make_figures
from mc.formatting import html_table
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording

OF_A_LINE = [
    "potential",
    "open_channels",
    "crossings",
    "pump_cycles",
    "concentrations",
    "double_layers",
    "potential_profile",
]


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


@pytest.mark.parametrize("name", OF_A_LINE)
def test_each_figure_is_drawn_into_given_axes(recording, name):
    figure = style.new_figure(5, 4)
    ax = figure.add_subplot()
    assert getattr(recording.plot, name)(ax) is ax
    assert ax.lines


def test_a_figure_has_axes_of_its_own_without(recording):
    ax = recording.plot.potential()
    [measured] = [one for one in ax.lines if one.get_label() == "simulated"]
    np.testing.assert_array_equal(measured.get_ydata(), recording["membrane_potential"])
    assert recording.plot.kymograph("K").get_ylabel() == "x (nm)"


def test_maps_of_a_line_are_refused(recording):
    for draw in (recording.plot.charge_map, recording.plot.potential_map, recording.plot.ions):
        with pytest.raises(RecordingError, match="one dimension"):
            draw()


def test_the_names_are_listed(recording):
    assert isinstance(recording.plot, Plots)
    assert all(name in repr(recording.plot) for name in OF_A_LINE)


def test_notebooks_show_a_figure_without_pyplot(recording):
    png = recording.plot.open_channels().figure._repr_png_()
    assert png.startswith(b"\x89PNG")


def test_notebooks_show_what_a_run_is(recording):
    shown = recording._repr_html_()
    for text in ("A made-up neuron", "175,000 (K, Na, Cl, Ca, A)", "finished", "400 K leak", "seed 7"):
        assert text in shown


def test_notebooks_show_what_a_scenario_is(recording):
    shown = recording.scenario._repr_html_()
    for text in (
        "A made-up neuron",
        "K 140 mM",
        "0.02 µm²",
        "6 us",
        "400 K leak, 20 Na leak, 20 Na/K-ATPase",
    ):
        assert text in shown


def test_what_notebooks_show_is_no_markup_of_the_user(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(title="<b>&")) as recorder:
        recorder.record_series(0, 0.0, np.zeros(len(recorder.columns)))
    with Recording(tmp_path) as recording:
        assert "<b>" not in recording._repr_html_()
    assert html_table("a<b", [("c<d", "e<f")]).count("&lt;") == 3


def test_a_style_sheet_sets_fonts_and_leaves_colours(recording, tmp_path):
    sheet = tmp_path / "own.mplstyle"
    sheet.write_text("font.size: 23\n")
    before = rcParams["font.size"]
    with style.use_style_file(sheet):
        ax = recording.plot.open_channels()
    assert ax.xaxis.label.get_fontsize() == 23
    assert ax.lines[0].get_color() == style.ION_COLOURS["K"]
    assert rcParams["font.size"] == before
    plain = make_figures(recording, tmp_path / "plain")
    styled = make_figures(recording, tmp_path / "styled", style_file=sheet)
    assert [path.name for path in styled] == [path.name for path in plain]
    assert styled[0].read_bytes() != plain[0].read_bytes()


@pytest.mark.parametrize("content", [None, "no.such.key: 3\n", "font.size: large and round\n"])
def test_what_is_no_style_sheet_is_named(tmp_path, content):
    sheet = tmp_path / "own.mplstyle"
    if content is not None:
        sheet.write_text(content)
    with pytest.raises(RecordingError, match="no style sheet"), style.use_style_file(sheet):
        pass
