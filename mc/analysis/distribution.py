"""Where the ions are: profiles averaged over time, and coarser maps of depth against time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mc.errors import RecordingError
from mc.recording.recording import Profiles, Recording


class MeanProfile(NamedTuple):
    """Profiles averaged over a span of time."""

    start: float
    """ns."""
    end: float
    """ns."""
    concentration: np.ndarray
    """(species, cells) mM."""
    potential: np.ndarray
    """(nodes,) mV."""


class Kymograph(NamedTuple):
    """Concentration of one species on one side against depth and time."""

    time_edges: np.ndarray
    """(times + 1,) ns."""
    depth_edges: np.ndarray
    """(depths + 1,) nm."""
    concentration: np.ndarray
    """(depths, times) mM."""


def first_and_last_profile(recording: Recording, fraction: float = 0.25) -> tuple[MeanProfile, MeanProfile]:
    """Return the profiles averaged over the first window and over the last `fraction` of all windows.

    The first window alone stands for the start, as the membrane charges quickly. Raises RecordingError if
    the recording holds no profile.
    """
    profiles = _require_profiles(recording)
    n_windows = len(profiles.time)
    n_last = max(1, round(fraction * n_windows))
    return _mean_profile(profiles, 0, 1), _mean_profile(profiles, n_windows - n_last, n_windows)


def kymographs(
    recording: Recording, species: str, *, depth_bin: float = 0.5, n_times: int = 100
) -> tuple[Kymograph, Kymograph]:
    """Return the maps of `species` inside and outside, averaged over bins of `depth_bin` nm and of time.

    At most `n_times` bins of time. Averaging over cells takes the noise of single ions away that the thin
    cells of the field's grid have. Raises RecordingError if the recording holds no profile.
    """
    profiles = _require_profiles(recording)
    concentration = profiles.concentration[:, recording.species_names.index(species)].astype(float)
    windows_per_bin = -(-len(profiles.time) // n_times)
    starts = np.arange(0, len(profiles.time), windows_per_bin)
    counts = np.diff(np.append(starts, len(profiles.time)))
    averaged = np.add.reduceat(concentration, starts, axis=0) / counts[:, None]
    window_edges = np.append(0.0, profiles.time)
    time_edges = window_edges[np.append(starts, len(profiles.time))]
    is_inside = profiles.position < 0
    return tuple(  # type: ignore[return-value]
        Kymograph(
            time_edges,
            *bin_depth(profiles.position[side], profiles.cell_width[side], averaged[:, side], depth_bin),
        )
        for side in (is_inside, ~is_inside)
    )


def bin_depth(
    position: np.ndarray, cell_width: np.ndarray, concentration: np.ndarray, depth_bin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (depths + 1,) and means (depths, times) of bins made of whole neighbouring cells."""
    # The grid is as long on both sides: beyond the end of the shorter one its cells have no width.
    has_width = cell_width > 0
    position, cell_width, concentration = (
        position[has_width],
        cell_width[has_width],
        concentration[:, has_width],
    )
    edges = np.append(position - cell_width / 2, position[-1] + cell_width[-1] / 2)
    group = np.floor((position - edges[0]) / depth_bin + 1e-9).astype(int)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ions = np.add.reduceat(concentration * cell_width, starts, axis=1)
    length = np.add.reduceat(cell_width, starts)
    return edges[np.append(starts, len(position))], (ions / length).T


def _mean_profile(profiles: Profiles, first: int, last: int) -> MeanProfile:
    return MeanProfile(
        start=float(profiles.time[first - 1]) if first else 0.0,
        end=float(profiles.time[last - 1]),
        concentration=profiles.concentration[first:last].mean(axis=0, dtype=float),
        potential=profiles.potential[first:last].mean(axis=0, dtype=float),
    )


def _require_profiles(recording: Recording) -> Profiles:
    if len(recording.profiles.time) == 0:
        raise RecordingError(
            f"{recording.path} holds no profile yet: run longer, or shorten recording.profile_interval"
        )
    return recording.profiles
