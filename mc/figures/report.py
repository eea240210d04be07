"""All figures of a run, written to a folder."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.figure import Figure

from mc.comparison import compare_potential
from mc.errors import RecordingError
from mc.figures import style
from mc.figures.distributions import figure_of_concentrations, figure_of_kymographs, figure_of_potential
from mc.figures.experiments import (
    figure_of_current_voltage,
    figure_of_mean_variance,
    figure_of_single_channels,
    figure_of_spikes,
)
from mc.figures.maps import figure_of_ions, figure_of_maps, has_two_dimensions
from mc.figures.traces import figure_of_traces
from mc.recording.recording import Recording

FORMATS = ("png", "pdf", "svg")

ELECTROPHYSIOLOGY = {
    "single_channels": figure_of_single_channels,
    "current_voltage": figure_of_current_voltage,
    "mean_variance": figure_of_mean_variance,
    "spikes": figure_of_spikes,
}
"""Figures that are drawn of the runs that hold what they show."""


def draw_figures(recording: Recording, equilibration_time: float | None = None) -> dict[str, Figure]:
    """Return all figures of `recording` by name, in the order of reading.

    membrane_potential, kymographs, concentration_profiles and potential_profile, and of a run in two dimensions
    maps and ions; a run that ended before its first profile has the first, and ions, alone. Of runs that hold what
    they show: single_channels, current_voltage, mean_variance and spikes. `equilibration_time` in ns is left out of
    the averages; without it the data decide (`analysis.potential.find_window`). Raises RecordingError for a run too
    short to average.
    """
    figures = {
        "membrane_potential": figure_of_traces(recording, compare_potential(recording, equilibration_time))
    }
    if len(recording.profiles.time):
        figures["kymographs"] = figure_of_kymographs(recording)
        figures["concentration_profiles"] = figure_of_concentrations(recording)
        figures["potential_profile"] = figure_of_potential(recording)
    if has_two_dimensions(recording):
        if len(recording.maps.time):
            figures["maps"] = figure_of_maps(recording)
        if recording.positions.x.size:
            figures["ions"] = figure_of_ions(recording)
    for name, draw in ELECTROPHYSIOLOGY.items():
        figure = draw(recording)
        if figure is not None:
            figures[name] = figure
    return figures


def make_figures(
    recording: Recording,
    folder: str | os.PathLike[str],
    file_format: str = "png",
    *,
    equilibration_time: float | None = None,
    style_file: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Write all figures of `recording`, see `draw_figures`, to `folder` and return their paths.

    `style_file` is a style sheet of matplotlib; see `style.use_style_file`. Raises RecordingError for a run too short
    to average, a folder that cannot be written, or a style file that cannot be read.
    """
    if file_format not in FORMATS:
        raise ValueError(f"figures are written as {', '.join(FORMATS)}, not as {file_format!r}")
    folder = Path(folder)
    paths = []
    with style.use_style_file(style_file):
        figures = draw_figures(recording, equilibration_time)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, figure in figures.items():
                path = folder / f"{name}.{file_format}"
                figure.savefig(path, dpi=150)
                paths.append(path)
        except OSError as error:
            raise RecordingError(f"cannot write figures to {folder}: {error}") from error
    return paths
