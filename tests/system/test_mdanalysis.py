"""MDAnalysis reads the positions of a run as they are."""

import MDAnalysis
import numpy as np
from synthetic_run import N_FRAMES, N_RECORDED_IONS

from mc.recording.recording import Recording


def test_mdanalysis_reads_every_frame(synthetic_run):
    positions = Recording(synthetic_run).positions
    universe = MDAnalysis.Universe.empty(N_RECORDED_IONS)
    universe.load_new(str(synthetic_run), format="H5MD")

    assert len(universe.trajectory) == N_FRAMES
    for frame, x, time, step in zip(
        universe.trajectory, positions.x, positions.time, positions.step, strict=True
    ):
        # MDAnalysis counts in Angstrom and picoseconds.
        np.testing.assert_allclose(frame.positions[:, 0], 10 * x, rtol=1e-6)
        assert not frame.positions[:, 1:].any()
        assert frame.time == 1000 * time
        assert frame.data["step"] == step
        assert frame.dimensions is None


def test_mdanalysis_knows_the_format_by_its_extension(synthetic_run, tmp_path):
    (tmp_path / "run.h5md").symlink_to(synthetic_run)
    universe = MDAnalysis.Universe(str(tmp_path / "run.h5md"))
    assert len(universe.atoms) == N_RECORDED_IONS
