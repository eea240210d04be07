"""The figures show the numbers of the recording."""

import numpy as np
import pytest
from matplotlib import image
from matplotlib.colors import to_hex
from synthetic_run import describe_synthetic_run

from mc.analysis.flux import crossings_by_species
from mc.analysis.potential import ghk_series
from mc.comparison import compare_potential
from mc.errors import RecordingError
from mc.figures import distributions, style, traces
from mc.figures.report import make_figures
from mc.recording.layout import ChannelDescription, PumpDescription, series_blocks
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def line(ax, label):
    """Return the data (x, y) of the line whose label begins with `label`."""
    [found] = [one for one in ax.lines if one.get_label().startswith(label)]
    return found.get_data()


def line_style(ax, label):
    """Return the colour and style of the line whose label begins with `label`."""
    [found] = [one for one in ax.lines if one.get_label().startswith(label)]
    return found.get_color(), found.get_linestyle()


def write_steady_run(folder, **changes):
    """Write a run of 50 records with a potential near 10 mV, no backward cycle, all else 10, and no profile."""
    description = describe_synthetic_run(**changes)
    blocks = series_blocks(description)
    with Recorder(folder / "run.h5", description) as recorder:
        for i in range(50):
            values = np.full(len(recorder.columns), 10.0)
            values[0] += i % 3
            values[blocks["pump_cycles_backward"]] = 0.0
            recorder.record_series(i, i * 10.0, values)
    return Recording(folder)


def test_the_membrane_potential_stands_beside_its_predictions(recording):
    ax = traces.plot_membrane_potential(recording)
    time, potential = line(ax, "simulated")
    np.testing.assert_allclose(time, recording.time / 1000)
    np.testing.assert_array_equal(potential, recording["membrane_potential"])
    np.testing.assert_array_equal(line(ax, "GHK of the same moment")[1], ghk_series(recording))
    comparison = compare_potential(recording)
    np.testing.assert_array_equal(
        line(ax, "GHK with the pumps")[1], ghk_series(recording, comparison.pump_current)
    )
    [band] = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.max() - heights.min()) / 2 == pytest.approx(comparison.capacitance_noise)
    assert ax.get_ylim()[0] < potential.min() < 0 < ax.get_ylim()[1]
    assert f"{abs(comparison.difference_in_standard_errors):.1f} standard errors" in ax.get_title("left")
    assert ax.get_xlabel() == "time (µs)"
    assert ax.get_ylabel() == "membrane potential (mV)"


def test_nernst_lines_are_named_and_far_ones_pointed_at(recording):
    ax = traces.plot_membrane_potential(recording)
    texts = {text.get_text(): text.get_color() for text in ax.texts}
    assert texts == {"K⁺ Nernst −89": style.ION_COLOURS["K"], "Na⁺ Nernst 67 ↑": style.ION_COLOURS["Na"]}


def test_crossings_are_drawn_by_species_and_direction(recording):
    ax = traces.plot_crossings(recording)
    crossings = crossings_by_species(recording)
    for name in ("K", "Na"):
        np.testing.assert_array_equal(line(ax, f"{name}⁺ out")[1], crossings[name].outward)
        np.testing.assert_array_equal(line(ax, f"{name}⁺ in")[1], crossings[name].inward)
    assert len(ax.lines) == 4


def test_channels_and_pumps_are_drawn(recording):
    channels = traces.plot_open_channels(recording)
    np.testing.assert_allclose(line(channels, "K leak (of 400)")[1], recording["open_channels.K leak"] / 4)
    pumps = traces.plot_pump_cycles(recording)
    np.testing.assert_array_equal(line(pumps, "Na/K-ATPase")[1], recording["pump_cycles.Na/K-ATPase"])
    assert "10,000× faster" in pumps.lines[0].get_label()


def test_channels_have_the_colour_of_their_ion_and_pumps_are_black(recording):
    channels = traces.plot_open_channels(recording)
    assert line_style(channels, "K leak") == (style.ION_COLOURS["K"], "-")
    assert line_style(channels, "Na leak") == (style.ION_COLOURS["Na"], "-")
    assert traces.plot_pump_cycles(recording).lines[0].get_color() == style.BLACK


def test_channels_of_one_ion_are_told_apart_by_their_lines(tmp_path):
    channels = tuple(
        ChannelDescription(name, 1, ("open",), permeability)
        for name, permeability in [
            ("leak", {"Na": 0.001, "K": 0.03}),
            ("cation", {"Na": 0.02, "K": 0.01}),
            ("slow", {"K": 0.02}),
        ]
    )
    ax = traces.plot_open_channels(write_steady_run(tmp_path, channels=channels, pumps=()))
    assert [line_style(ax, one.name) for one in channels] == [
        (style.ION_COLOURS["K"], "-"),
        (style.ION_COLOURS["Na"], "-"),
        (style.ION_COLOURS["K"], "--"),
    ]


def test_names_with_dollars_are_drawn_as_they_are_written(tmp_path):
    run = write_steady_run(
        tmp_path,
        title="$\\frac{1$",
        channels=(ChannelDescription("a$_b$", 1, ("open",), {"K": 0.03}),),
        pumps=(PumpDescription("$\\pump$", 1, 1.0, {"Na": 3}, {"K": 2}),),
    )
    figure = traces.figure_of_traces(run)
    figure.canvas.draw()
    texts = [figure.texts[0], *(text for ax in figure.axes for text in ax.get_legend().get_texts())]
    drawn = [text._preprocess_math(text.get_text()) for text in texts]
    assert ("$\\frac{1$", False) in drawn
    assert ("a$_b$ (of 1)", False) in drawn
    assert ("$\\pump$: 10\n(1 in the patch)", False) in drawn


def test_the_panels_of_traces_share_their_time_axis(recording):
    figure = traces.figure_of_traces(recording)
    assert len(figure.axes) == 4
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def test_a_kymograph_leaves_the_membrane_free_and_has_a_bar(recording):
    ax = distributions.plot_kymograph(recording, "K")
    inside, outside = ax.collections[:2]
    assert inside.get_coordinates()[..., 1].max() == pytest.approx(0)
    assert outside.get_coordinates()[..., 1].min() == pytest.approx(4)
    assert inside.get_array().mean() == pytest.approx(140, rel=0.02)
    assert inside.norm.vmin < 5 < 140 < inside.norm.vmax < 200
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "K⁺ (mM)"
    ticks = bar.get_yticks()
    assert (ticks[0], ticks[-1]) == (inside.norm.vmin, inside.norm.vmax)
    assert [float(tick.get_text()) for tick in bar.get_yticklabels()] == list(ticks)
    assert len(ticks) >= 3


def test_profiles_keep_the_colour_of_each_ion(recording):
    ax = distributions.plot_concentrations(recording)
    drawn = {to_hex(one.get_color()).upper() for one in ax.lines}
    assert drawn == {style.ION_COLOURS[name] for name in ("K", "Na", "Cl", "Ca", "A")}
    solid = [one for one in ax.lines if one.get_linestyle() == "-" and len(one.get_xdata())]
    potassium_inside = solid[0].get_ydata()
    assert potassium_inside.mean() == pytest.approx(140, rel=0.01)


def test_the_close_up_shows_the_double_layers(recording):
    last = distributions.first_and_last_profile(recording)[1]
    ax = distributions.plot_double_layers(recording, last)
    assert ax.get_xlim() == (-5, 9)
    by_colour = {}
    for one in ax.lines:
        if len(one.get_xdata()) > 2 and one.get_linestyle() == "-":
            by_colour.setdefault(to_hex(one.get_color()).upper(), []).append(one)
    potassium_inside = by_colour[style.BLUE][0].get_ydata()
    sodium_outside = by_colour[style.ORANGE][-1].get_ydata()
    # The charge of a negative cytoplasm lies at its face: cations are missing there, and too many outside.
    assert potassium_inside[-1] < 0.99
    assert sodium_outside[0] > 1.01
    assert style.PURPLE not in by_colour or len(by_colour[style.PURPLE]) == 1


def test_large_cells_have_no_double_layers_to_show(recording, monkeypatch):
    _, last = distributions.first_and_last_profile(recording)
    assert distributions.plot_double_layers(recording, last).lines[1:]
    monkeypatch.setattr(distributions, "DEPTH_BIN", 2.0)
    assert not distributions.plot_double_layers(recording, last).lines[1:]


def test_boltzmann_stands_beside_the_double_layers(tmp_path):
    description = describe_synthetic_run()
    x = description.cell_position
    bulk = np.where(x < 0, 140.0, 100.0)

    def bend_at(x):
        return np.where(x <= 0, -4.0 * np.exp(x / 0.8), 4.0 * np.exp(-(x - 4.0) / 0.8))

    concentration = np.array([bulk * np.exp(-z * bend_at(x) / 26.7268) for z in (1, 1, -1, 2, -1)])
    nodes = description.node_position
    at_nodes = np.where(nodes <= 0, -60.0, 0.0) + bend_at(nodes)
    with Recorder(tmp_path / "run.h5", description) as recorder:
        for i in range(50):
            recorder.record_series(i, 10.0 * i, np.full(len(recorder.columns), 10.0))
        recorder.record_profile(490.0, concentration, at_nodes)
    with Recording(tmp_path) as recording:
        last = distributions.first_and_last_profile(recording)[1]
        ax = distributions.plot_double_layers(recording, last)
    dashed = [one for one in ax.lines if one.get_linestyle() == "--"]
    solid = [one for one in ax.lines if one.get_linestyle() == "-" and one.get_marker() == "."]
    assert len(dashed) == len(solid) == 10
    # Between nodes 0.42 nm apart the potential is taken to be straight: h^2 phi''/8 = 0.14 mV at the membrane, 0.5 %
    # for an ion of charge 1 and twice that for Ca.
    for prediction, measured in zip(dashed, solid, strict=True):
        np.testing.assert_allclose(prediction.get_ydata(), measured.get_ydata(), atol=0.011)
    # It would not fit ions of another charge.
    assert np.abs(dashed[0].get_ydata() - solid[4].get_ydata()).max() > 0.1


def test_a_close_up_without_a_curve_is_left_out(recording, monkeypatch):
    assert len(distributions.figure_of_concentrations(recording).axes) == 3
    last = distributions.first_and_last_profile(recording)[1]
    known = distributions._double_layers
    monkeypatch.setattr(
        distributions,
        "_double_layers",
        lambda recording, profile, near: known(recording, profile, near) if profile.end == last.end else [],
    )
    whole, close_up = distributions.figure_of_concentrations(recording).axes
    assert whole.get_title().startswith("whole box")
    span = f"{last.start / 1000:.3g} to {last.end / 1000:.3g} µs"
    assert close_up.get_title() == f"double layers, {span}; dashed: Boltzmann"
    assert close_up.get_ylabel() == "concentration / bulk of its side"
    monkeypatch.setattr(distributions, "_double_layers", lambda *_: [])
    assert len(distributions.figure_of_concentrations(recording).axes) == 1


def test_the_potential_is_drawn_at_start_and_end(recording):
    ax = distributions.plot_potential(recording, near=5.0)
    start, end = [one for one in ax.lines if one.get_label().startswith("mean of")]
    assert start.get_ydata()[0] > end.get_ydata()[0]
    assert end.get_ydata()[-1] == 0
    assert ax.get_xlim() == (-5, 9)


def test_figures_are_drawn_into_given_axes(recording):
    figure = style.new_figure(5, 5)
    ax = figure.add_subplot()
    assert traces.plot_open_channels(recording, ax) is ax
    assert figure.axes == [ax]


def test_all_figures_are_written(recording, tmp_path):
    paths = make_figures(recording, tmp_path / "figures")
    assert [path.name for path in paths] == [
        "membrane_potential.png",
        "kymographs.png",
        "concentration_profiles.png",
        "potential_profile.png",
    ]
    for path in paths:
        pixels = image.imread(path)
        assert min(pixels.shape[:2]) > 500
        assert len(np.unique(pixels[..., 0])) > 10


@pytest.mark.parametrize(("file_format", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_run_without_proteins_and_profiles_is_drawn(tmp_path, file_format, start):
    [path] = make_figures(write_steady_run(tmp_path, channels=(), pumps=()), tmp_path, file_format)
    assert path.name == f"membrane_potential.{file_format}"
    assert path.read_bytes().startswith(start)


def test_a_folder_that_cannot_be_written_is_named(recording, tmp_path):
    (tmp_path / "figures").write_text("")
    with pytest.raises(RecordingError, match=r"cannot write figures to .*figures"):
        make_figures(recording, tmp_path / "figures")


def test_an_unknown_format_is_refused(recording, tmp_path):
    with pytest.raises(ValueError, match="not as 'bmp'"):
        make_figures(recording, tmp_path, "bmp")
