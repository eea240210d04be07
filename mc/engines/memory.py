"""What an engine must keep to go on later exactly as it would have: the arrays that change as steps are made."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mc.errors import RecordingError


def named(prefix: str, owner: Any, *fields: str) -> dict[str, NDArray]:
    """Return some arrays of a tuple of arrays under the names prefix.field."""
    return {f"{prefix}.{field}": getattr(owner, field) for field in fields}


def restore(arrays: Mapping[str, NDArray], saved: Mapping[str, NDArray]) -> None:
    """Write what was saved into the arrays of the same names.

    Raises RecordingError where they are not the same arrays: then nothing is written.
    """
    for name, array in arrays.items():
        if name not in saved:
            raise RecordingError(f"what was kept of the run lacks {name}: it is of another kind of run")
        if saved[name].shape != array.shape or saved[name].dtype != array.dtype:
            raise RecordingError(
                f"what was kept of the run does not fit: {name} has the shape {saved[name].shape}, now "
                f"{array.shape} is needed; the number of ions, channels, pumps or cells must stay the same"
            )
    for name, array in arrays.items():
        np.copyto(array, saved[name])
