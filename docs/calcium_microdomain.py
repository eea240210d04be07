"""Draw docs/calcium_microdomain.png from the run of its scenario: the map of calcium, and its excess against theory.

    ionmc run scenarios/calcium_microdomain.toml && python docs/calcium_microdomain.py

The theory is a line source at a wall, driven by the crossings that the run counted.
"""

import argparse
from pathlib import Path

import numpy as np

from mc import theory
from mc.analysis.statistics import block_average
from mc.figures import style
from mc.figures.maps import plot_concentration_map
from mc.recording.recording import Recording
from mc.scenario.composition import compose

SETTLED = 4000.0
"""ns; what the start left decays within 1 us."""

RINGS = [(3, 7), (7, 14), (14, 22), (22, 32), (32, 45), (45, 60), (60, 80), (80, 100)]
"""Distances from the mouth, nm."""


def ring_means(recording: Recording) -> tuple[list, list]:
    """Return the measured excess in each ring, with its error, and that of a line source on the same cells."""
    maps, profiles = recording.maps, recording.profiles
    geometry = recording.scenario.geometry
    is_inside = (profiles.position < 0.0) & (profiles.cell_width > 0.0)
    from_wall, width = -profiles.position[is_inside], profiles.cell_width[is_inside]
    along = maps.y - recording.channel_y[0]
    first = np.searchsorted(recording.time, SETTLED)
    crossings = recording["crossings_inward.Ca channel.Ca"] - recording["crossings_outward.Ca channel.Ca"]
    rate = (crossings[-1] - crossings[first]) / (recording.time[-1] - recording.time[first])
    species = recording.species_names.index("Ca")
    predicted = theory.wall_source_excess(
        from_wall[:, None],
        along,
        rate,
        compose(recording.scenario).diffusion_coefficients[species],
        geometry.depth,
        geometry.inside_length,
        geometry.width,
    )
    concentration = maps.concentration[maps.time > SETTLED][:, species][:, is_inside]
    distance = np.hypot(from_wall[:, None], along)
    measured, expected = [], []
    for near, far in RINGS:
        weights = np.where((distance >= near) & (distance < far), width[:, None], 0.0)
        weights /= weights.sum()
        measured.append(block_average((concentration * weights).sum(axis=(1, 2))))
        expected.append((predicted * weights).sum())
    return measured, expected


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", default="outputs/calcium_microdomain")
    with Recording(parser.parse_args().run) as recording:
        figure = style.new_figure(10.0, 3.6)
        grid = figure.add_gridspec(1, 2, width_ratios=(1.6, 1))
        plot_concentration_map(recording, "Ca", figure.add_subplot(grid[0]), (SETTLED, recording.time[-1]))
        measured, expected = ring_means(recording)
        ax = figure.add_subplot(grid[1])
        radii = [np.sqrt(near * far) for near, far in RINGS]
        ax.plot(radii, expected, color="0.3", label="line source at a wall")
        ax.errorbar(
            radii,
            [one.mean for one in measured],
            [one.standard_error for one in measured],
            fmt="o",
            color=style.ion_colours(["Ca"])["Ca"],
            label="simulated, one standard error",
        )
        ax.set_xscale("log")
        ax.set_xticks([5, 10, 20, 50, 100], labels=["5", "10", "20", "50", "100"])
        ax.minorticks_off()
        ax.set_ylim(bottom=0.0)
        ax.set_xlabel("distance from the mouth (nm)")
        ax.set_ylabel("Ca²⁺ inside (mM)")
        ax.legend(frameon=False, fontsize=9)
        style.tidy(ax)
        figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
