"""The animation shows where the recorded ions were, which channels were open, and the potential until then."""

import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from synthetic_run import SCENARIO, describe_synthetic_run

from mc.analysis.potential import ghk_series
from mc.errors import RecordingError
from mc.figures import animation, style
from mc.recording.layout import ChannelDescription, series_blocks
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.scenario.schema import Scenario

CHANNELS = """
[[channels]]
name = "K leak"
count = 4
permeability = { K = "0.037 nm^3/ns" }
gating.states = ["closed", "open"]
gating.open = ["open"]
gating.rates = { "closed->open" = "1 /us", "open->closed" = "1 /us" }
[[channels]]
name = "Na leak"
count = 2
permeability = { Na = "0.03 nm^3/ns" }
"""
N_FRAMES, FRAME_INTERVAL, N_IONS = 5, 10.0, 50


def write_run(path, *, n_frames=N_FRAMES, events=True):
    """Write a run of 6 channels: 0 opens at 15 ns, 2 closes at 15 and opens at 18, and of 1 and 3 one is open."""
    settings = f"[recording]\nevents = {str(events).lower()}\n"
    description = describe_synthetic_run(
        scenario_json=Scenario.model_validate(tomllib.loads(SCENARIO + CHANNELS + settings)).to_json(),
        channels=(
            ChannelDescription("K leak", 4, ("closed", "open"), {"K": 0.037}),
            ChannelDescription("Na leak", 2, ("open",), {"Na": 0.03}),
        ),
    )
    blocks = series_blocks(description)
    generator = np.random.default_rng(1)
    with Recorder(path, description) as recorder:
        for i in range(n_frames):
            row = np.ones(len(recorder.columns))
            n_open = 2 if i < 2 else 3
            row[blocks["membrane_potential"]] = -10.0 * i
            row[blocks["open_channels"]] = n_open, 2
            row[blocks["state"]] = 4 - n_open, n_open, 2
            row[blocks["ions_inside"]] = 1000
            recorder.record_series(20 * i, FRAME_INTERVAL * i, row)
            x = generator.uniform(-25, 0, N_IONS)
            x[0], x[1] = 2.0, 3.0
            recorder.record_positions(20 * i, FRAME_INTERVAL * i, x)
        if events:
            recorder.record_gating(
                {
                    "step": np.array([36, 30, 30]),
                    "time": np.array([18.0, 15.0, 15.0]),
                    "channel": np.array([2, 0, 2], dtype=np.uint32),
                    "from_state": np.array([0, 0, 1], dtype=np.uint8),
                    "to_state": np.array([1, 1, 0], dtype=np.uint8),
                }
            )
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(write_run(tmp_path_factory.mktemp("animated") / "run.h5"))


@pytest.fixture(scope="module")
def picture(recording):
    return animation.MovingPicture(recording, animation.choose_moments(recording, None), 40)


def test_an_ion_is_scattered_by_its_id_alone():
    alone = animation.pseudo_random(np.array([700]))
    among_others = animation.pseudo_random(np.array([90_000, 700, 3]))
    assert alone[0] == among_others[1]
    many = animation.pseudo_random(np.arange(10_000))
    np.testing.assert_allclose(np.histogram(many, 10, (0, 1))[0], 1000, atol=150)


def test_channels_are_open_as_their_transitions_tell(recording):
    is_open = animation.find_open(recording, np.arange(6), animation.choose_moments(recording, None))
    assert is_open[:, 0].tolist() == [False, False, True, True, True]
    assert is_open[:, 2].tolist() == [True] * 5
    assert is_open[:, 4:].all()
    np.testing.assert_array_equal(is_open[:, :4].sum(axis=1), recording["open_channels.K leak"])


def test_a_channel_is_seen_closed_between_two_transitions(recording):
    moments = animation.Moments(np.arange(2), np.array([16.0, 18.0]), np.array([1, 1]))
    is_open = animation.find_open(recording, np.array([2, 0]), moments)
    assert is_open.tolist() == [[False, True], [True, True]]


def test_without_events_the_open_fraction_is_shown(tmp_path):
    recording = Recording(write_run(tmp_path / "run.h5", events=False))
    is_open = animation.find_open(recording, np.arange(6), animation.choose_moments(recording, None))
    assert is_open[:, :4].sum(axis=1).tolist() == [2, 2, 3, 3, 3]
    assert is_open[:, 4:].all()


def test_frames_are_chosen_evenly_with_first_and_last(recording):
    moments = animation.choose_moments(recording, 3)
    assert moments.frames.tolist() == [0, 2, 4]
    assert moments.time.tolist() == [0.0, 20.0, 40.0]
    assert moments.records.tolist() == [0, 2, 4]
    assert len(animation.choose_moments(recording, 99).frames) == N_FRAMES


def test_a_run_of_one_frame_is_told_which_key_to_set(tmp_path):
    recording = Recording(write_run(tmp_path / "run.h5", n_frames=1))
    with pytest.raises(RecordingError, match=r"1 frames of positions.*recording\.positions_interval"):
        animation.animate(recording, tmp_path / "animation.gif")
    assert not (tmp_path / "animation.gif").exists()


def test_dots_stand_where_the_ions_were(recording, picture):
    picture.draw(3)
    dots = {
        line.get_color(): line.get_data() for line in picture.figure.axes[0].lines if len(line.get_xdata())
    }
    anions = recording.positions.species == 4
    y, x = dots[style.ION_COLOURS["A"]]
    assert len(x) == 8
    assert set(x) <= set(recording.positions.x[3, anions])
    width = animation.find_places(recording).width
    by_x = dict(zip(x, y, strict=True))
    expected = width * animation.pseudo_random(recording.positions.ion[anions])
    for one_x, one_y in zip(recording.positions.x[3, anions], expected, strict=True):
        assert one_x not in by_x or by_x[one_x] == one_y


def test_ions_in_pores_are_drawn_in_an_open_channel_that_lets_them_through(recording, picture):
    places = animation.find_places(recording).of_channels
    is_open = animation.find_open(recording, np.arange(6), picture.moments)
    for i in range(N_FRAMES):
        picture.draw(i)
        dots = {line.get_color(): line.get_data() for line in picture.figure.axes[0].lines}
        for name, x_in_pore, channels in (("K", 2.0, range(4)), ("Na", 3.0, range(4, 6))):
            y, x = dots[style.ION_COLOURS[name]]
            assert y[list(x).index(x_in_pore)] in [
                places[channel] for channel in channels if is_open[i, channel]
            ]


def test_traces_end_at_the_moment_shown(recording, picture):
    for i in (0, 2):
        picture.draw(i)
        simulated, ghk, ghk_with_pumps = picture.figure.axes[1].lines
        np.testing.assert_array_equal(simulated.get_xdata(), recording.time[: i + 1])
        np.testing.assert_array_equal(simulated.get_ydata(), -10.0 * np.arange(i + 1))
        np.testing.assert_array_equal(ghk.get_ydata(), ghk_series(recording)[: i + 1])
        assert len(ghk_with_pumps.get_ydata()) == i + 1
    texts = [text.get_text() for text in picture.figure.axes[1].texts]
    assert texts[0] == "simulated −20.0 mV"
    assert texts[1].startswith("GHK ")


def test_the_picture_says_what_it_shows(picture):
    texts = " ".join(text.get_text() for text in picture.figure.texts)
    assert "40 of 175,000 ions are shown" in texts
    assert "y is not tracked" in texts
    entries = [text.get_text() for legend in picture.figure.legends for text in legend.get_texts()]
    assert "Ca²⁺  8 of 1,002" in entries
    assert "K leak  4 of 4" in entries


def test_the_membrane_and_its_lengths_are_in_true_proportion(picture):
    ax = picture.figure.axes[0]
    box = ax.get_window_extent()
    assert box.width / np.ptp(ax.get_xlim()) == pytest.approx(box.height / np.ptp(ax.get_ylim()))
    assert ax.get_ylim() == (-25, 29)


def test_pores_show_whether_they_are_open(recording, picture):
    [boxes] = picture.figure.axes[0].collections
    walls = [to_rgb(style.ION_COLOURS[name]) for name in ["K"] * 4 + ["Na"] * 2]
    for i in range(N_FRAMES):
        image = picture.draw(i)
        is_open = animation.find_open(recording, np.arange(6), picture.moments)[i]
        expected = [to_rgb(animation.OPEN_PORE if one else animation.CLOSED_PORE) for one in is_open]
        np.testing.assert_allclose(boxes.get_facecolor()[0::2, :3], walls)
        np.testing.assert_allclose(boxes.get_facecolor()[1::2, :3], expected)
        open_pixels = (image == np.round(255 * np.array(to_rgb(animation.OPEN_PORE)))).all(axis=-1).sum()
        assert open_pixels > 100 * is_open.sum()


def test_real_places_are_used_where_there_are_any():
    y, channel_y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([50.0])
    recording = SimpleNamespace(
        scenario=SimpleNamespace(geometry=SimpleNamespace(dimensions=2, width=100.0)),
        positions=SimpleNamespace(y=y),
        channel_y=channel_y,
    )
    assert animation.find_places(recording) == (100.0, y, channel_y, True)


def test_a_gif_holds_every_frame_in_the_colours_of_the_figures(recording, tmp_path):
    seen = []
    path = animation.animate(
        recording,
        tmp_path / "new" / "a.gif",
        n_frames=4,
        frames_per_second=10,
        on_progress=lambda *progress: seen.append(progress),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [child.name for child in path.parent.iterdir()] == ["a.gif"]
    with Image.open(path) as gif:
        assert gif.n_frames == 4
        assert gif.info["duration"] == 100
        for i in range(4):
            gif.seek(i)
            colours = np.array([colour for _, colour in gif.convert("RGB").getcolors(10_000)])
            assert colours.max(axis=0).tolist() == [255] * 3
            for name in ("K", "Na", "Cl", "Ca", "A"):
                ink = 255 * np.array(to_rgb(style.ION_COLOURS[name]))
                assert np.abs(colours - ink).max(axis=1).min() <= 2


def test_an_existing_file_is_refused(recording, tmp_path):
    (tmp_path / "a.gif").write_text("precious")
    with pytest.raises(RecordingError, match=r"a\.gif exists already: give --overwrite"):
        animation.animate(recording, tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_text() == "precious"


def test_an_mp4_without_ffmpeg_names_the_remedy(recording, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RecordingError, match=r"ffmpeg.*--format gif"):
        animation.animate(recording, tmp_path / "a.mp4")


def test_a_failing_ffmpeg_is_quoted_and_leaves_nothing(recording, tmp_path, monkeypatch):
    ffmpeg = tmp_path / "bin" / "ffmpeg"
    ffmpeg.parent.mkdir()
    ffmpeg.write_text("#!/bin/sh\necho no encoder >&2\nexit 1\n")
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", str(ffmpeg.parent))
    with pytest.raises(RecordingError, match="no encoder; give --format gif"):
        animation.animate(recording, tmp_path / "films" / "a.mp4", n_frames=2)
    assert list((tmp_path / "films").iterdir()) == []


def test_an_unknown_format_is_refused(recording, tmp_path):
    with pytest.raises(ValueError, match=r"not as '\.avi'"):
        animation.animate(recording, tmp_path / "a.avi")


@pytest.mark.parametrize(("length", "rounded"), [(9.99, 5), (10, 10), (15, 10), (49, 20), (0.3, 0.2)])
def test_the_scale_bar_has_a_round_length(length, rounded):
    assert animation._round_length(length) == pytest.approx(rounded)


def test_a_run_without_channels_is_animated(tmp_path):
    description = describe_synthetic_run(channels=(), pumps=())
    blocks = series_blocks(description)
    with Recorder(tmp_path / "run.h5", description) as recorder:
        for i in range(2):
            row = np.full(len(recorder.columns), 10.0 + i)
            row[blocks["permeability"]] = 0.0
            recorder.record_series(i, i * 10.0, row)
            recorder.record_positions(i, i * 10.0, np.full(N_IONS, -1.0))
    recording = Recording(tmp_path)
    picture = animation.MovingPicture(recording, animation.choose_moments(recording, None), 10)
    picture.draw(1)
    assert [text.get_text() for text in picture.figure.axes[1].texts] == ["simulated 11.0 mV", "", ""]
    assert len(picture.figure.legends) == 1
