"""`ionmc animate`: a real run becomes a moving picture, or one clear error."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import mc
from mc.cli import cli

SCENARIO = Path(__file__).parent / "good_scenario.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of 11 frames."""
    overrides = {
        "simulation.duration": "100 ns",
        "geometry.area": "0.005 um^2",
        "recording.interval": "5 ns",
        "recording.positions_interval": "10 ns",
        "recording.positions_stride": "5",
    }
    folder = tmp_path_factory.mktemp("animated")
    mc.simulate(mc.read_scenario(SCENARIO, overrides), folder, threads=2).close()
    return folder


def animate(*arguments):
    return CliRunner().invoke(cli, ["animate", *map(str, arguments)])


def test_a_gif_is_written_beside_the_run(run):
    result = animate(run, "--ions", 500)
    assert result.exit_code == 0, result.output
    path = run / "figures" / "animation.gif"
    assert result.stdout == f"{path}\n"
    assert "11 of 11 frames drawn" in result.stderr
    with Image.open(path) as gif:
        assert gif.n_frames == 11
        assert min(gif.size) > 400
    before = path.read_bytes()
    refused = animate(run)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert path.read_bytes() == before
    assert animate(run, "--ions", 500, "--frames", 2, "--overwrite").exit_code == 0
    with Image.open(path) as gif:
        assert gif.n_frames == 2


def test_the_name_of_the_output_tells_the_format(run, tmp_path):
    result = animate(run, "--output", tmp_path / "film.avi")
    assert result.exit_code == 2
    assert "does not end in .gif or .mp4" in result.stderr
    result = animate(run, "--output", tmp_path / "film.gif", "--format", "mp4")
    assert result.exit_code == 2
    assert "does not end in .mp4" in result.stderr


def test_an_mp4_without_ffmpeg_gets_one_clear_error(run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = animate(run, "--format", "mp4")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: an mp4 needs ffmpeg")
    assert "Traceback" not in result.output


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_mp4_is_written_where_there_is_ffmpeg(run, tmp_path):
    result = animate(run, "--output", tmp_path / "film.mp4", "--frames", 3)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


def test_what_is_no_run_gets_one_clear_error(tmp_path):
    result = animate(tmp_path)
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
