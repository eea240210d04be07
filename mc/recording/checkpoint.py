"""The state of a run, kept now and then beside run.h5, so that the run can go on after an end that was not its own.

Two generations are kept, and the newer one comes into being by being renamed: a kill at any instant leaves one whole.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.errors import RecordingError

FORMAT_VERSION = 1
NAMES = ("checkpoint.npz", "checkpoint.previous.npz")
"""The newer one first."""


class Checkpoint(NamedTuple):
    """Arrays by name, and what describes them."""

    arrays: Mapping[str, NDArray]
    header: Mapping[str, Any]


def write_checkpoint(
    folder: str | os.PathLike[str], arrays: Mapping[str, NDArray], header: Mapping[str, Any]
) -> None:
    """Write a checkpoint into a folder, the last one becoming the previous one; `header` must be fit for JSON.

    Raises RecordingError if it cannot be written; the ones before stay as they are.
    """
    newest, previous = (Path(folder) / name for name in NAMES)
    temporary = newest.with_name(f".{newest.name}.{os.getpid()}.tmp")
    text = json.dumps({**header, "format_version": FORMAT_VERSION})
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, header=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
            file.flush()
            os.fsync(file.fileno())
        if newest.exists():
            os.replace(newest, previous)
        os.replace(temporary, newest)
    except OSError as error:
        raise RecordingError(
            f"cannot write {newest}: {error}. It needs {_megabytes(arrays):.3g} MB: free some space, or give another "
            "--output folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint | None:
    """Return the newest checkpoint of a folder that can be read, or None if there is none."""
    for name in NAMES:
        try:
            with np.load(Path(folder) / name, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            header = json.loads(arrays.pop("header").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            continue
        if header.get("format_version") == FORMAT_VERSION:
            return Checkpoint(arrays, header)
    return None


def remove_checkpoints(folder: str | os.PathLike[str]) -> None:
    """Remove the checkpoints of a run that needs them no more."""
    for name in NAMES:
        (Path(folder) / name).unlink(missing_ok=True)


def _megabytes(arrays: Mapping[str, NDArray]) -> float:
    return sum(array.nbytes for array in arrays.values()) / 1e6
