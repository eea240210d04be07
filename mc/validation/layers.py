"""What laws of the diffuse layers share: a clamped membrane that nothing crosses, and the charge beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian.engine import bulk_distances
from mc.recording.recording import Recording
from mc.scenario.composition import compose
from mc.validation.law import Trial
from mc.validation.potentials import VALENCES
from mc.validation.scenarios import CAPACITANCE, patch

AREA = 5000.0
"""nm2."""

TIME_STEP = {"brownian": 0.00625, "lattice": 0.0125, "continuum": 0.0125}
"""ns; a step of single ions is 0.18 nm long, a quarter of the Debye length."""

SPACING = {"brownian": 0.2, "lattice": 0.1, "continuum": 0.2}
"""nm."""

SIDES = {"inside": 1.0, "outside": -1.0}
"""Sign of the charge that a side holds when the potential is positive."""


@dataclass
class Layers:
    """Ions between the face and several depths, and what electrodes read beyond the slab."""

    edges: np.ndarray
    """(cells,) nm from the face."""
    ions: dict[str, dict[str, np.ndarray]]
    """By side and species, (windows, cells): ions up to each edge."""
    charge: float
    """e on the inner side."""
    drop: np.ndarray
    """(windows,) mV."""
    field_mismatch: float
    """mV, the largest difference, of all windows, of the field's drop across the slab from charge/capacitance."""
    resolved: float
    """Share of the layers' potential that steps of this length leave."""
    bulk: tuple[float, float]
    """nm from the face: where the bulk begins, over which electrodes take the mean, and the far end."""

    def enclosed(self, side: str) -> np.ndarray:
        """Return the charge up to each edge, (windows, cells) in e."""
        total: np.ndarray = np.sum([VALENCES[name] * ions for name, ions in self.ions[side].items()], axis=0)
        return total


def measure_layers(
    trial: Trial,
    title: str,
    solution: Mapping[str, float],
    command: float,
    *,
    length: float,
    settling: float,
    window: float,
    n_windows: int,
    is_open: bool,
) -> Layers:
    """Clamp a membrane between equal solutions (mM) at `command` mV, and watch it for `n_windows` windows.

    `length` in nm of each bath, `settling` and each `window` in ns. Layers take from a closed bath what they hold;
    with `is_open` far ends hold the solution.
    """
    boundary = '\nboundary = "bath"' if is_open else ""
    text = patch(
        title,
        inside=solution,
        outside=solution,
        area=AREA,
        length=length,
        duration=settling + n_windows * window,
        time_step=TIME_STEP[trial.engine],
        interval=0.5,
        geometry=f'grid_spacing = "{SPACING[trial.engine]} nm"{boundary}',
        recording=f'events = false\nprofile_interval = "{window} ns"',
        more=f'[[protocol.voltage]]\nstart = "0 ns"\npotential = "{command} mV"\n',
    )
    recording = trial.run(text, "layers")
    profiles = recording.profiles
    kept = profiles.time > settling + 0.9 * window
    names = recording.species_names
    distances = {"inside": -profiles.position, "outside": profiles.position - recording.thickness}
    ions: dict[str, dict[str, np.ndarray]] = {}
    for side, distance in distances.items():
        order = np.argsort(distance)
        order = order[distance[order] > 0.0]
        edges = np.cumsum(profiles.cell_width[order])
        per_cell = profiles.cell_width * AREA * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        found = (profiles.concentration * per_cell)[kept][:, :, order]
        ions[side] = {name: np.cumsum(found[:, names.index(name)], axis=1) for name in solution}
    beyond = recording["membrane_potential"] - recording["charge_separation_potential"]
    first = int(np.searchsorted(recording.time, settling))
    per_window = round(window / 0.5)
    n_kept = (len(beyond) - first) // per_window
    drop = beyond[first : first + n_kept * per_window].reshape(n_kept, -1).mean(axis=1)
    scenario = recording.scenario
    bulk = (float(bulk_distances(scenario, compose(scenario))[0]), length)
    # A clamp that nothing disturbs holds the same charge at every moment.
    potential = float(recording["charge_separation_potential"][-1])
    faces = [int(np.argmin(np.abs(profiles.node_position - place))) for place in (0.0, recording.thickness)]
    field_drop = profiles.potential[kept][:, faces[0]] - profiles.potential[kept][:, faces[1]]
    return Layers(
        edges,
        ions,
        CAPACITANCE * AREA * potential,
        drop,
        float(np.abs(field_drop - potential).max()),
        share_resolved(trial.engine, TIME_STEP[trial.engine], solution, recording),
        bulk,
    )


ANSWERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brownian": lambda b: np.where(
        b < 1e-6, 1.0, b / (1.0 - np.sinc(np.sqrt(6.0 * np.maximum(b, 1e-6)) / np.pi))
    ),
    "lattice": lambda b: np.where(b < 1e-12, 1.0, -b / np.expm1(-np.maximum(b, 1e-12))),
    "continuum": np.ones_like,
}
"""How deep a density wave is after the drift, over Boltzmann's law, by b = k^2 D dt: b/(1 - g), where g is what the
diffusion of a step leaves of it (docs/methods.md)."""


def share_resolved(
    engine: str, time_step: float, solution: Mapping[str, float], recording: Recording
) -> float:
    """Return the share of the potential of a layer that steps (ns) leave, for a layer whose potential is small.

    (2/pi) int dq/(q^2 + B(q)) over the waves q = k lambda of a charged face, where B is the answer of all ions, each
    by its part of the ionic strength; without steps B is 1, and so is the share.
    """
    strength = {name: VALENCES[name] ** 2 * amount for name, amount in solution.items()}
    length = float(theory.debye_length(solution, VALENCES, recording.temperature))
    coefficients = {one.name: one.diffusion_coefficient for one in recording.species}
    # q = tan(angle) makes the line finite; the ends, where the integrand is flat, are left out.
    nodes, weights = np.polynomial.legendre.leggauss(400)
    angle = np.pi / 4.0 * (1.0 + nodes)
    wave = np.tan(angle)
    answer = np.zeros_like(wave)
    for name, part in strength.items():
        b = (wave / length) ** 2 * coefficients[name] * time_step
        answer += part / sum(strength.values()) * ANSWERS[engine](b)
    integrand = (1.0 + wave**2) / (wave**2 + answer)
    return float(0.5 * integrand @ weights)


def seen_by_electrodes(potential: Callable[[np.ndarray], np.ndarray], bulk: tuple[float, float]) -> float:
    """Return what electrodes read across a layer, mV: its potential at the face less the mean over the bulk.

    `potential` (mV) at distances from the face. Five Debye lengths from the face a hundredth of it is left.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    start, end = bulk
    in_bulk = potential(start + 0.5 * (end - start) * (1.0 + nodes))
    return float(potential(np.zeros(1))[0] - 0.5 * in_bulk @ weights)
