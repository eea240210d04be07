"""Profiles averaged over time and maps of depth against time."""

import numpy as np
import pytest
from synthetic_run import describe_synthetic_run

from mc.analysis.distribution import first_and_last_profile, kymographs
from mc.errors import RecordingError
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def test_the_last_profile_is_a_mean_and_the_first_is_not(recording):
    first, last = first_and_last_profile(recording, fraction=0.1)
    profiles = recording.profiles
    np.testing.assert_array_equal(first.concentration, profiles.concentration[0])
    np.testing.assert_allclose(last.concentration, profiles.concentration[-6:].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(last.potential, profiles.potential[-6:].mean(axis=0), rtol=1e-5)
    assert (first.start, first.end) == (0.0, profiles.time[0])
    assert (last.start, last.end) == (profiles.time[-7], profiles.time[-1])


@pytest.mark.parametrize(("depth_bin", "n_times"), [(0.5, 100), (1.0, 10), (0.01, 7), (30.0, 1)])
def test_a_kymograph_keeps_every_ion(recording, depth_bin, n_times):
    profiles = recording.profiles
    widths = profiles.cell_width
    ions = (profiles.concentration[:, 0] * widths).sum(axis=1).mean()
    weight = 0.0
    for side in kymographs(recording, "K", depth_bin=depth_bin, n_times=n_times):
        times, depths = np.diff(side.time_edges), np.diff(side.depth_edges)
        assert side.concentration.shape == (len(depths), len(times))
        assert len(times) <= n_times
        n_windows = np.round(times / times[0] * np.ceil(len(profiles.time) / n_times))
        weight += (depths @ side.concentration @ n_windows) / n_windows.sum()
    assert weight == pytest.approx(ions, rel=1e-3)


def test_the_sides_of_a_kymograph_leave_the_membrane_free(recording):
    inside, outside = kymographs(recording, "Na")
    assert inside.depth_edges[[0, -1]] == pytest.approx([-25, 0])
    assert outside.depth_edges[[0, -1]] == pytest.approx([4, 29])
    assert outside.concentration.mean() == pytest.approx(145, rel=0.01)


def test_a_run_without_profiles_is_refused(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run()):
        pass
    with pytest.raises(RecordingError, match="holds no profile yet"):
        first_and_last_profile(Recording(tmp_path))
