"""The folder of a sweep: held by one, and what is wrong with it is told as what it is."""

import os

import pytest

from mc.ensemble.plan import Replica, SweepPlan, folder_of
from mc.ensemble.results import read_summaries
from mc.ensemble.sweep import _held
from mc.errors import SweepError


def test_a_folder_that_cannot_be_made_or_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SweepError, match=r"cannot write to .*file/out"), _held(tmp_path / "file" / "out"):
        pass
    with pytest.raises(SweepError, match="something else than a sweep"), _held(tmp_path):
        pass


def test_an_error_of_what_is_done_in_the_folder_is_not_taken_for_one_of_writing(tmp_path):
    with pytest.raises(ConnectionResetError), _held(tmp_path / "out"):
        raise ConnectionResetError
    with _held(tmp_path / "out"):
        pass


@pytest.mark.parametrize("content", [None, "", '{"seed": '])
def test_a_finished_run_without_a_readable_summary_is_named_with_what_to_do(tmp_path, content):
    plan = SweepPlan("s.toml", "", (), ("a",), (("1",), ("2",)), replicas=1, seed=1)
    folder = tmp_path / folder_of(Replica(1, 0))
    os.makedirs(folder)
    assert read_summaries(tmp_path, plan) == {}
    (folder / ".done").touch()
    if content is not None:
        (folder / "summary.json").write_text(content)
    with pytest.raises(SweepError, match=r"point-0001/replica-000/summary.json .*remove .*\.done"):
        read_summaries(tmp_path, plan)
