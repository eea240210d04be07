import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from mc import compilation


def test_kernel_sources_are_the_files_that_define_kernels_and_their_constants():
    names = {path.name for path in compilation.kernel_sources()}
    assert {"streams.py", "deposition.py", "poisson.py", "gating.py", "crossing.py", "stepping.py"} <= names
    assert {"vectors.py", "clock.py", "constants.py"} <= names
    assert not {"schema.py", "recorder.py", "equilibrium.py"} & names


def test_an_edited_kernel_gets_a_cache_folder_of_its_own(monkeypatch, tmp_path):
    kernel = tmp_path / "kernel.py"
    monkeypatch.setattr(compilation, "kernel_sources", lambda: [kernel])
    kernel.write_text("x = 1")
    before = compilation.cache_folder()
    assert compilation.cache_folder() == before
    kernel.write_text("x = 2")
    assert compilation.cache_folder() != before
    assert compilation.cache_folder().parent == before.parent


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"IONMC_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a/ionmc")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/ionmc")),
        ({}, Path.home() / ".cache" / "ionmc"),
    ],
)
def test_cache_folder_is_where_the_environment_says(monkeypatch, variables, expected):
    for name in ("IONMC_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert compilation.cache_folder().parent == expected


def test_a_folder_that_cannot_be_written_is_replaced_by_a_temporary_one(tmp_path):
    (tmp_path / "file").write_text("")
    wanted = tmp_path / "file" / "ionmc" / "abc"
    usable = compilation._usable(wanted)
    assert usable != wanted
    assert usable.name == "abc"


def test_is_compiled_says_whether_kernels_are_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "none"))
    assert not compilation.is_compiled()
    (tmp_path / "none" / "mc").mkdir(parents=True)
    (tmp_path / "none" / "mc" / "kernel.nbc").write_bytes(b"")
    assert compilation.is_compiled()


def test_a_cache_folder_of_the_users_own_is_left_alone(tmp_path):
    command = "import mc.compilation, numba; print(numba.config.CACHE_DIR)"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(tmp_path)
