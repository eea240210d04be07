"""The figures of one run by short names, for notebooks: `recording.plot.potential()`."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mc.analysis.distribution import first_and_last_profile
from mc.figures import distributions, maps, traces
from mc.figures.report import draw_figures
from mc.recording.recording import Recording


class Plots:
    """What can be drawn of a run. Each method takes matplotlib axes, or makes its own, and returns them.

    In a notebook `recording.plot.potential().figure` shows the figure.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"<figures of {self._recording.title!r}: {', '.join(names)}>"

    def potential(self, ax: Axes | None = None) -> Axes:
        """Draw the membrane potential beside Nernst and GHK."""
        return traces.plot_membrane_potential(self._recording, ax)

    def open_channels(self, ax: Axes | None = None) -> Axes:
        """Draw the open fraction of each type of channel."""
        return traces.plot_open_channels(self._recording, ax)

    def crossings(self, ax: Axes | None = None) -> Axes:
        """Draw how many ions of each species have crossed."""
        return traces.plot_crossings(self._recording, ax)

    def pump_cycles(self, ax: Axes | None = None) -> Axes:
        """Draw how many cycles the pumps have made."""
        return traces.plot_pump_cycles(self._recording, ax)

    def kymograph(self, species: str, ax: Axes | None = None) -> Axes:
        """Draw the concentration of `species`, depth against time."""
        return distributions.plot_kymograph(self._recording, species, ax)

    def concentrations(self, ax: Axes | None = None) -> Axes:
        """Draw the concentrations along the box at start and end."""
        return distributions.plot_concentrations(self._recording, ax)

    def double_layers(self, ax: Axes | None = None) -> Axes:
        """Draw the concentrations close to the membrane at the end."""
        _, last = first_and_last_profile(self._recording)
        return distributions.plot_double_layers(self._recording, last, ax)

    def potential_profile(self, ax: Axes | None = None) -> Axes:
        """Draw the potential along the box at start and end."""
        return distributions.plot_potential(self._recording, ax)

    def concentration_map(self, species: str, ax: Axes | None = None) -> Axes:
        """Draw the concentration of `species` over the plane; of runs in two dimensions."""
        return maps.plot_concentration_map(self._recording, species, ax)

    def potential_map(self, ax: Axes | None = None) -> Axes:
        """Draw the potential over the plane; of runs in two dimensions."""
        return maps.plot_potential_map(self._recording, ax)

    def charge_map(self, ax: Axes | None = None) -> Axes:
        """Draw the charge close to the membrane over the plane; of runs in two dimensions."""
        return maps.plot_charge_map(self._recording, ax)

    def ions(self, ax: Axes | None = None, frame: int = -1) -> Axes:
        """Draw the ions of a recorded frame; of runs in two dimensions."""
        return maps.plot_scatter(self._recording, ax, frame)

    def all(self) -> dict[str, Figure]:
        """Draw every figure of the run, by name."""
        return draw_figures(self._recording)
