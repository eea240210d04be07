"""What the tests of physics share: runs of small membrane patches."""

import itertools

import pytest
from membrane_patch import make_patch

from mc.simulation import simulate


@pytest.fixture(scope="session")
def simulate_patch(tmp_path_factory):
    """Return a function that runs a patch with a seed and returns its recording."""
    folder, number = tmp_path_factory.mktemp("runs"), itertools.count()

    def run(seed, *, clamped_potential=None, **patch):
        # One thread: patches are small, and a second core may be busy.
        return simulate(
            make_patch(**patch),
            folder / str(next(number)),
            seed=seed,
            threads=1,
            clamped_potential=clamped_potential,
        )

    return run
