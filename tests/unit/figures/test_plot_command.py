"""`ionmc plot`: paths on stdout, or one clear error and exit status 2."""

import numpy as np
import pytest
from click.testing import CliRunner
from synthetic_run import describe_synthetic_run

from mc.cli import cli
from mc.recording.recorder import Recorder


@pytest.fixture
def plot():
    return lambda *arguments: CliRunner().invoke(cli, ["plot", *map(str, arguments)])


def test_it_prints_where_the_figures_are(plot, tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run()) as recorder:
        for i in range(50):
            recorder.record_series(i, i * 10.0, np.full(len(recorder.columns), 10.0 + i % 3))
    result = plot(tmp_path, "--format", "svg")
    assert result.exit_code == 0, result.output
    path = tmp_path / "figures" / "membrane_potential.svg"
    assert result.stdout == f"{path}\n"
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "does not exist"),
        ("run.h5", "not HDF5", "no readable HDF5 file"),
    ],
)
def test_what_is_no_run_gets_one_clear_error(plot, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    result = plot(tmp_path / name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.output
