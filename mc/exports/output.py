"""What all exports share: where they write, and what they say when something is missing."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mc.errors import RecordingError


def require(library: str, format_name: str) -> Any:
    """Return the module `library`, or raise RecordingError that tells how to get it."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise RecordingError(
            f"{format_name} needs {library.split('.')[0]}, which is not installed: pip install 'ionmc[export]'"
        ) from error


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give the path of a file to write, which stands at `path` once it is whole.

    Raises RecordingError if `path` is in the way or cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    with _in_place(path, overwrite):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder to fill; once it is whole its files go to the folder `path`. See `new_file`.

    Of a folder that is there, with `overwrite`, files of the same names are replaced and all others stay.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _in_place(path, overwrite):
        try:
            temporary.mkdir()
            yield temporary
            path.mkdir(exist_ok=True)
            for written in temporary.iterdir():
                os.replace(written, path / written.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _in_place(path: Path, overwrite: bool) -> Iterator[None]:
    if path.exists() and not overwrite:
        raise RecordingError(f"{path} exists already: give --overwrite to replace it, or another --output")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error}") from error
