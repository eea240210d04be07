"""What several folders of tests share."""

import pytest
from synthetic_run import write_synthetic_run


@pytest.fixture(scope="session")
def synthetic_run(tmp_path_factory):
    """The path of a made-up run.h5; read it, never write to it."""
    path = tmp_path_factory.mktemp("synthetic") / "run.h5"
    write_synthetic_run(path)
    return path
