"""`ionmc plot`: paths on stdout, or one clear error and exit status 2."""

import shutil

import pytest
from click.testing import CliRunner

from mc.cli import cli


@pytest.fixture
def plot():
    return lambda *arguments: CliRunner().invoke(cli, ["plot", *map(str, arguments)])


def test_it_prints_where_the_figures_are(plot, synthetic_run, tmp_path):
    shutil.copy(synthetic_run, tmp_path)
    result = plot(tmp_path, "--format", "svg")
    assert result.exit_code == 0, result.output
    paths = result.stdout.split()
    assert paths[0] == str(tmp_path / "figures" / "membrane_potential.svg")
    assert len(paths) == len(list((tmp_path / "figures").iterdir())) == 4


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
