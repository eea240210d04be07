"""How kernels are compiled: the one place that configures numba.

Numba's on-disk cache does not notice a change in a function that is called from another file. The cache folder is
therefore named by a hash of all kernel sources: any edit gives a fresh folder, and nothing stale is ever run.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

# A thread that waits for the others at the end of a parallel region spins for some 60 us, which is longer than most
# of the waits in a step, and then sleeps. Measured on two cores and a step of 1e5 ions in a plane: 630 us, as with
# any longer spinning, against 820 with a third of it. With one core busy otherwise, a thread that spins keeps those
# it waits for from running: 1.4 ms against 1.1, and 13 ms where it spins a hundred times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import llvmlite.binding
import numba

_PACKAGE = Path(__file__).parent
_KERNEL = re.compile(rb"^ *@(compiled|internal|inlined|parallel|entry_point|intrinsic)$", re.MULTILINE)

# Numba's type hints know neither its settings nor all options of its decorator.
_settings: Any = numba.config
_njit: Any = numba.njit


def kernel_sources() -> list[Path]:
    """Return every source file of the package that defines kernels, or constants compiled into them, sorted."""
    kernels = {path for path in _PACKAGE.rglob("*.py") if _KERNEL.search(path.read_bytes())}
    return sorted(kernels | {_PACKAGE / "constants.py"})


def cache_folder() -> Path:
    """Return the folder of compiled kernels for exactly these sources; it need not exist yet."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *kernel_sources()]:
        digest.update(path.read_bytes())
    root = os.environ.get("IONMC_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "ionmc" / digest.hexdigest()[:16]


def available_threads() -> int:
    """Return how many threads kernels can use at most."""
    return int(_settings.NUMBA_NUM_THREADS)


def is_compiled() -> bool:
    """Return whether kernels of these sources have been compiled before on this machine."""
    folder = Path(_settings.CACHE_DIR)
    return folder.is_dir() and any(folder.rglob("*.nbc"))


def _usable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return (
        Path(tempfile.gettempdir())
        / f"ionmc-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
        / folder.name
    )


def wide_vectors() -> str | None:
    """Return the features of this processor with its vectors of 512 bits in use, None where it has no such.

    Left alone, LLVM keeps to half of that on many processors that have them, for the sake of early ones that had to
    slow down. Measured on a whole step of a million ions in one dimension: 1.2 times as fast.
    """
    features = llvmlite.binding.get_host_cpu_features()
    return f"{features.flatten()},-prefer-256-bit" if features.get("avx512f", False) else None


if _settings.CPU_FEATURES is None:
    _settings.CPU_FEATURES = wide_vectors()

if not _settings.CACHE_DIR:
    _settings.CACHE_DIR = str(_usable(cache_folder()))

_PRANGE_ALONE = {
    "prange": True,
    "comprehension": False,
    "reduction": False,
    "inplace_binop": False,
    "setitem": False,
    "numpy": False,
    "stencil": False,
    "fusion": False,
}

compiled = _njit(cache=True, nogil=True, error_model="numpy")
"""A kernel that runs on one thread."""

_INTERNAL = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}

internal = _njit(**_INTERNAL)
"""A kernel that only other kernels call and that allocates nothing: without the way in from Python and without
reference counts it compiles several times faster."""

inlined = _njit(**_INTERNAL, forceinline=True)
"""An internal kernel that becomes part of every kernel that calls it. For what is done with single ions and the large
tuples of an engine: to pass hundreds of fields on takes longer than most of that."""

parallel = _njit(**_INTERNAL, parallel=_PRANGE_ALONE)
"""An internal kernel whose `prange` loop runs on all threads. Give each pass of the loop memory of its own."""

entry_point = _njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False)
"""A kernel that Python calls with large tuples of arrays and that allocates nothing."""
