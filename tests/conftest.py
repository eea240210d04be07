"""What several folders of tests share."""

import os
from pathlib import Path

import pytest

# Before anything imports numba: compiled kernels are kept between test runs, and there are two threads everywhere.
os.environ.setdefault("IONMC_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "kernels"))
os.environ.setdefault("NUMBA_NUM_THREADS", str(max(2, os.cpu_count() or 1)))

from synthetic_run import write_synthetic_run


@pytest.fixture(scope="session")
def synthetic_run(tmp_path_factory):
    """The path of a made-up run.h5; read it, never write to it."""
    path = tmp_path_factory.mktemp("synthetic") / "run.h5"
    write_synthetic_run(path)
    return path
