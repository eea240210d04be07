"""Whether two recordings are the same: one changed bit anywhere is found, dates and wall times do not count."""

import shutil

import h5py
import pytest
from synthetic_run import write_synthetic_run

from mc.recording.identity import differing, differing_versions


@pytest.fixture
def twins(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    write_synthetic_run(tmp_path / "one" / "run.h5", n_records=100)
    shutil.copy(tmp_path / "one" / "run.h5", tmp_path / "other" / "run.h5")
    return tmp_path / "one", tmp_path / "other"


def change(folder, action):
    with h5py.File(folder / "run.h5", "r+") as file:
        action(file)


def test_dates_and_wall_times_do_not_count(twins):
    change(twins[1], lambda file: file["metadata"].attrs.update({"created": "later"}))
    change(twins[1], lambda file: file["metadata/end"].attrs.update({"wall_seconds": 99.0}))
    assert differing(*twins) == []


@pytest.mark.parametrize(
    ("action", "found"),
    [
        (lambda file: file["events/crossings/ion"].__setitem__(2, 9), "events/crossings/ion: from row 2 on"),
        (
            lambda file: file["series/time"].resize(99, axis=0),
            "series/time: (100,) of float64, (99,) of float64",
        ),
        (
            lambda file: file["metadata/pumps/acceleration"].__setitem__(0, 2.0),
            "metadata/pumps/acceleration: from row 0 on",
        ),
        (lambda file: file["metadata"].attrs.__setitem__("seed", 8), "attribute seed"),
        (lambda file: file.create_dataset("more", data=1.0), "more: only in"),
    ],
)
def test_whatever_else_is_another_is_named(twins, action, found):
    change(twins[1], action)
    [line] = differing(*twins)
    assert line.startswith(found)


def test_versions_are_compared_by_program(twins):
    change(twins[1], lambda file: file["metadata"].attrs.__setitem__("versions", '{"ionmc": "99"}'))
    assert differing_versions(*twins)["ionmc"][1] == "99"
    assert differing_versions(*twins)["numpy"][1] == "none"
    assert differing_versions(twins[0], twins[0]) == {}
