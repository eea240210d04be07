"""The maps show the numbers of a made-up run in two dimensions: one channel in front of a cloud of calcium."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import LogNorm, to_hex
from synthetic_run import describe_synthetic_run

from mc.errors import RecordingError
from mc.figures import maps, style
from mc.figures.report import make_figures
from mc.recording.layout import COMPLETED, ChannelDescription, PumpDescription
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording

WIDTH, INSIDE_LENGTH, OUTSIDE_LENGTH, THICKNESS, N_CELLS = 80.0, 40.0, 20.0, 4.0, 40
SITE = 60.0
IONS_INSIDE = np.array([140.0, 12.0, 100.0, 0.05, 52.0])
IONS_OUTSIDE = np.array([5.0, 145.0, 100.0, 2.0, 54.0])
IN_RESERVOIR = 7


def write_plane(path, outside_length):
    """Write a run of 20 maps at 100, 200, ... ns; an outside that is shorter ends before its grid does."""
    edges = np.arange(N_CELLS + 1.0)
    outside_edges = np.minimum(edges, outside_length)
    y = (np.arange(N_CELLS) + 0.5) * WIDTH / N_CELLS
    n_ions = 5000
    description = describe_synthetic_run(
        area=WIDTH * 20.0,
        inside_length=INSIDE_LENGTH,
        outside_length=outside_length,
        n_ions=n_ions,
        recorded_ions=np.arange(n_ions),
        recorded_species=np.arange(n_ions) % 5,
        cell_position=np.concatenate(
            [edges[:-1] + 0.5 - INSIDE_LENGTH, THICKNESS + (outside_edges[1:] + outside_edges[:-1]) / 2]
        ),
        cell_width=np.concatenate([np.ones(N_CELLS), np.diff(outside_edges)]),
        node_position=np.concatenate([edges - INSIDE_LENGTH, THICKNESS + edges]),
        channels=(
            ChannelDescription("Ca channel", 1, ("open",), {"Ca": 0.2}),
            ChannelDescription("K leak", 2, ("open",), {"K": 0.1}),
        ),
        pumps=(PumpDescription("Na/K-ATPase", 1, 1e4, {"Na": 3}, {"K": 2}),),
        cell_y=y,
        channel_y=np.array([SITE, 20.0, 40.0]),
        pump_y=np.array([10.0]),
    )
    x = description.cell_position
    inside = (x < 0)[:, None]
    concentration = np.where(inside, IONS_INSIDE[:, None, None], IONS_OUTSIDE[:, None, None])
    concentration = concentration * np.ones(N_CELLS)
    distance = np.hypot(x[:, None], y - SITE)
    concentration[3] += np.where(inside, 5 * np.exp(-distance / 10), 0)
    # A sheet of charge before each face of the membrane.
    concentration[2, N_CELLS - 1] += 20
    concentration[0, N_CELLS] += 20
    concentration[:, description.cell_width == 0] = 0
    potential = np.where(description.node_position[:, None] <= 0, -70.0, 0.0) * np.ones(N_CELLS)
    generator = np.random.default_rng(3)
    with Recorder(path, description) as recorder:
        for i in range(201):
            row = np.full(len(recorder.columns), 10.0 + i % 3)
            recorder.record_series(10 * i, 10.0 * i, row)
            if i and i % 10 == 0:
                # The first half of the run is twice as concentrated.
                factor = 2 if i <= 100 else 1
                recorder.record_profile(10.0 * i, factor * concentration.mean(axis=2), potential.mean(axis=1))
                recorder.record_map(10.0 * i, factor * concentration, potential)
        places = generator.uniform(-INSIDE_LENGTH, 0, n_ions), generator.uniform(0, WIDTH, n_ions)
        for place in places:
            place[IN_RESERVOIR] = np.nan
        recorder.record_positions(2000, 2000.0, *places)
        recorder.finish(COMPLETED, 1.0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "run.h5"
    write_plane(path, OUTSIDE_LENGTH)
    return Recording(path)


def meshes(ax):
    return [one for one in ax.collections if isinstance(one, QuadMesh)]


def bar_label(ax):
    return ax.child_axes[0].get_ylabel()


def test_a_map_is_the_mean_of_its_window(recording):
    last_half = maps.mean_maps(recording)
    assert (last_half.start, last_half.end, last_half.n_records) == (1000, 2000, 100)
    assert last_half.concentration[0, 5, 5] == pytest.approx(140)
    assert maps.mean_maps(recording, (0, 1000)).concentration[0, 5, 5] == pytest.approx(280)
    assert maps.mean_maps(recording, (500, 1500)).concentration[0, 5, 5] == pytest.approx(210)
    with pytest.raises(RecordingError, match="no map from 2000 to 3000 ns"):
        maps.mean_maps(recording, (2000, 3000))


def test_a_map_of_concentration_leaves_the_membrane_free(recording):
    ax = maps.plot_concentration_map(recording, "K")
    inside, outside = meshes(ax)
    assert inside.get_coordinates()[..., 1].max() == pytest.approx(0)
    assert outside.get_coordinates()[..., 1].min() == pytest.approx(THICKNESS)
    # Cells beyond the shorter side's end are not drawn.
    assert outside.get_coordinates()[..., 1].max() == pytest.approx(THICKNESS + OUTSIDE_LENGTH)
    assert np.asarray(inside.get_array()).mean() == pytest.approx(140)
    assert ax.get_xlim() == (0, WIDTH)
    assert ax.get_ylim() == (-INSIDE_LENGTH, THICKNESS + OUTSIDE_LENGTH)
    assert ax.get_aspect() == 1
    assert bar_label(ax) == "K⁺ (mM)"
    assert "1 to 2 µs" in ax.get_title("left")


def test_colours_are_logarithmic_beyond_a_decade_only(recording):
    [wide, *_] = meshes(maps.plot_concentration_map(recording, "K"))
    assert isinstance(wide.norm, LogNorm)
    assert wide.norm.vmin <= 5 < 140 <= wide.norm.vmax
    [narrow, *_] = meshes(maps.plot_concentration_map(recording, "A"))
    assert not isinstance(narrow.norm, LogNorm)
    assert narrow.norm.vmin == 0


def test_calcium_stands_highest_at_its_channel(recording):
    inside = meshes(maps.plot_concentration_map(recording, "Ca"))[0]
    values, coordinates = np.asarray(inside.get_array()), inside.get_coordinates()
    highest_x, highest_y = np.unravel_index(values.argmax(), values.shape)
    assert coordinates[highest_x, highest_y, 0] <= SITE <= coordinates[highest_x, highest_y + 1, 0]
    assert coordinates[highest_x + 1, highest_y, 1] == pytest.approx(0)


def test_dilute_ions_are_averaged_over_larger_bins(recording):
    inside, outside = meshes(maps.plot_concentration_map(recording, "K"))
    assert np.asarray(outside.get_array()).shape[1] <= np.asarray(inside.get_array()).shape[1]
    coarse, _ = meshes(maps.plot_concentration_map(recording, "Ca", window=(1900, 2000)))
    fine, _ = meshes(maps.plot_concentration_map(recording, "Ca"))
    assert np.asarray(coarse.get_array()).size < np.asarray(fine.get_array()).size


def test_channels_and_pumps_stand_in_the_membrane(recording):
    ax = maps.plot_potential_map(recording)
    marks = {one.get_label(): one.get_offsets() for one in ax.collections if isinstance(one, PathCollection)}
    expected = {"Ca channel": [SITE], "K leak": [20, 40], "Na/K-ATPase": [10]}
    assert list(marks) == list(expected)
    for name, places in expected.items():
        np.testing.assert_allclose(marks[name], [(y, THICKNESS / 2) for y in places])


def test_the_charge_is_centred_on_zero(recording):
    ax = maps.plot_charge_map(recording)
    inside, outside = meshes(ax)
    assert inside.norm.vmin == -inside.norm.vmax
    sheet = 20 * 6.02214076e-4
    np.testing.assert_allclose(np.asarray(inside.get_array())[-1].min(), -sheet, rtol=0.5)
    np.testing.assert_allclose(np.asarray(outside.get_array())[0].max(), sheet, rtol=0.5)
    assert bar_label(ax) == "charge density (e/nm³)"


def test_the_potential_fills_the_whole_period(recording):
    inside, outside = meshes(maps.plot_potential_map(recording))
    assert np.asarray(inside.get_array()) == pytest.approx(-70)
    assert np.asarray(outside.get_array()) == pytest.approx(0)
    for side in (inside, outside):
        assert side.get_coordinates()[..., 0].max() == WIDTH
    assert outside.get_coordinates()[..., 1].max() == THICKNESS + OUTSIDE_LENGTH


def test_the_figure_holds_the_species_that_vary(recording):
    assert maps.varying_species(recording) == ["K", "Na", "Ca"]
    figure = maps.figure_of_maps(recording)
    labels = [bar_label(ax) for ax in figure.axes]
    assert labels == ["K⁺ (mM)", "Na⁺ (mM)", "Ca²⁺ (mM)", "potential (mV)", "charge density (e/nm³)"]
    assert len(figure.legends) == 1
    assert not any(ax.get_legend() for ax in figure.axes)


def test_a_profile_through_the_channel_stands_beside_one_far_from_it(recording):
    ax = maps.plot_normal_profile(recording, "Ca")
    lines = {one.get_label(): one for one in ax.lines}
    at_site, far = lines["through Ca channel"].get_ydata(), lines["farther than 30 nm from it"].get_ydata()
    assert at_site[-1] > 4
    assert far[-1] == pytest.approx(0.05 + 5 * np.exp(-3.5), rel=0.3)
    assert ax.get_yscale() == "log"
    assert maps.plot_normal_profile(recording, "A").get_yscale() == "linear"
    assert maps.plot_normal_profile(recording, "K", site=2).lines[1].get_label() == "through K leak 2"


def test_ions_are_a_fair_sample_in_their_colours(recording):
    ax = maps.plot_scatter(recording)
    ions = [one for one in ax.collections if isinstance(one, PathCollection)][:5]
    counts = [len(one.get_offsets()) for one in ions]
    assert sum(counts) == maps.MOST_DRAWN
    assert min(counts) > 0.9 * maps.MOST_DRAWN / 5
    colours = {one.get_label(): to_hex(one.get_facecolor()[0]).upper() for one in ions}
    assert colours["Ca²⁺"] == style.ION_COLOURS["Ca"]
    assert ax.get_title("left") == "a sample of 3,000 of 4,999 ions at 2 µs"
    assert not np.isnan(np.concatenate([one.get_offsets() for one in ions])).any()


def test_few_ions_are_all_drawn(recording, monkeypatch):
    monkeypatch.setattr(maps, "MOST_DRAWN", 10_000)
    assert maps.plot_scatter(recording).get_title("left") == "all 4,999 ions at 2 µs"


def test_maps_are_drawn_into_given_axes(recording):
    figure = style.new_figure(5, 5)
    ax = figure.add_subplot()
    assert maps.plot_concentration_map(recording, "K", ax) is ax
    assert figure.axes == [ax]


def test_what_is_not_there_is_named(recording, synthetic_run):
    with pytest.raises(KeyError, match="no species 'Mg'"):
        maps.plot_concentration_map(recording, "Mg")
    for site in (3, -1):
        with pytest.raises(IndexError, match=f"no channel {site}: the run has 3"):
            maps.plot_normal_profile(recording, "K", site)
    for plot in (maps.plot_scatter, maps.figure_of_maps):
        with pytest.raises(RecordingError, match="one dimension"):
            plot(Recording(synthetic_run))


def test_a_run_of_two_dimensions_has_two_figures_more(tmp_path):
    write_plane(tmp_path / "run.h5", INSIDE_LENGTH)
    names = [path.name for path in make_figures(Recording(tmp_path), tmp_path)]
    assert names[-2:] == ["maps.png", "ions.png"]
    assert len(names) == 6
