"""Calcium beside an open channel: the excess that a line source makes in a half space, with and without a sink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.recording.recording import Recording
from mc.validation.calcium import calcium_patch, make_sink
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_count, check_mean
from mc.validation.scenarios import acting_length

LENGTH, WIDTH, MEMBRANE = 25.0, 100.0, 4.0
"""nm: calcium disappears at the far end, (2 L/pi)^2/D = 240 ns away."""

DEPTH = {"brownian": 200.0, "lattice": 1000.0, "continuum": 1000.0}
SPACING = {"brownian": (1.0, 1.0), "lattice": (1.25, 1.5625), "continuum": (25.0 / 6.0, 6.25)}
TIME_STEP = {"brownian": 0.5, "lattice": 2.0, "continuum": 30.0}
"""nm of the line, nm across and along the membrane, and ns."""

PERMEABILITY, POTENTIAL = 0.025, -85.0
"""nm3/ns of the channel for each nm of its line; mV."""

RINGS = ((5.0, 8.0, 90.0), (8.0, 12.0, 90.0), (12.0, 17.0, 90.0), (17.0, 22.0, 90.0), (30.0, 45.0, 20.0))
"""Inner and outer radius in nm, and the largest angle in degrees between the membrane and the way from the mouth."""

INTERVAL = {"brownian": 10.0, "lattice": 10.0, "continuum": 30.0}
RISE, SETTLING, BLOCK = (60.0, 90.0, 150.0), 1500.0, 450.0
"""ns between maps; times after the channel has opened that are looked at; ns until the steady state, and of its
parts, which are independent."""

UPTAKE, PUMPS, HALF_SATURATION = 0.15, 1280, 1e5
"""nm/ns; pumps, and mM: far from saturation they take in proportion to what there is."""


@dataclass
class Domain:
    """What calcium did around the mouth."""

    engine: str
    x: np.ndarray
    y: np.ndarray
    """(cells,) from the membrane and along it from the mouth, nm."""
    shares: np.ndarray
    """(rings, cells) of a ring's volume in each cell."""
    volumes: np.ndarray
    """(rings,) nm3."""
    coefficient: float
    far_end: float
    """nm2/ns, and where the far end acts, nm."""
    time: np.ndarray
    current: np.ndarray
    """(maps,) ns, and net ions in per ns since the one before."""
    rings: np.ndarray
    """(maps, rings) mM."""

    @property
    def depth(self) -> float:
        """Of the untracked axis, nm."""
        return DEPTH[self.engine]


@dataclass
class Domains:
    """The domain of a channel alone, and, where pumps act at their place, with a membrane full of them."""

    alone: Domain
    with_sink: Domain | None


def make_scenario(engine: str, duration: float, sink: str = "") -> str:
    """Return a channel between a bath full of calcium and one that starts, and ends, without any."""
    depth = DEPTH[engine]
    return calcium_patch(
        "A microdomain" + (" and a sink" if sink else ""),
        width=WIDTH,
        depth=depth,
        length=LENGTH,
        outside_length=5.0,
        spacing=SPACING[engine],
        duration=duration,
        time_step=TIME_STEP[engine],
        interval=INTERVAL[engine],
        permeability=PERMEABILITY * depth,
        boundary="bath",
        sink=sink,
    )


def measure(trial: Trial) -> Domains:
    """Open a channel, and watch the domain rise and stand."""
    steady = 900.0 if trial.engine == "continuum" else trial.pick(5000.0, 20_000.0)
    recording = trial.run(
        make_scenario(trial.engine, SETTLING + steady), "alone", clamped_potential=POTENTIAL
    )
    alone = observe(recording, trial.engine)
    if trial.engine != "continuum":
        return Domains(alone, None)
    sink = make_sink(UPTAKE, WIDTH * DEPTH["continuum"], PUMPS, HALF_SATURATION)
    recording = trial.run(
        make_scenario(trial.engine, SETTLING + steady, sink), "sink", clamped_potential=POTENTIAL
    )
    return Domains(alone, observe(recording, trial.engine))


def observe(recording: Recording, engine: str) -> Domain:
    """Return means over rings, and the current, window by window."""
    maps, names = recording.maps, recording.species_names
    calcium = recording.species[names.index("Ca")]
    inside = recording.profiles.position < 0.0
    x, y = np.meshgrid(-recording.profiles.position[inside], maps.y - mouth(maps.y), indexing="ij")
    widths = np.broadcast_to(recording.profiles.cell_width[inside][:, None], x.shape)
    radius, angle = np.hypot(x, y), np.rad2deg(np.arctan2(x, np.abs(y)))
    pieces = np.array(
        [
            widths * ((radius >= inner) & (radius < outer) & (angle < steepest))
            for inner, outer, steepest in RINGS
        ]
    ).reshape(len(RINGS), -1)
    totals = pieces.sum(axis=1)
    shares = pieces / totals[:, None]
    cells = maps.concentration[:, names.index("Ca")][:, inside].reshape(len(maps.time), -1)
    net = recording["crossings_inward.channel.Ca"] - recording["crossings_outward.channel.Ca"]
    at_windows = np.interp(np.append(0.0, maps.time), recording.time, net)
    per_row = (maps.y[1] - maps.y[0]) * DEPTH[engine]
    return Domain(
        engine,
        x.ravel(),
        y.ravel(),
        shares,
        totals * per_row,
        calcium.diffusion_coefficient,
        acting_length(engine, LENGTH, calcium.diffusion_coefficient, TIME_STEP[engine]),
        maps.time,
        np.diff(at_windows) / np.diff(np.append(0.0, maps.time)),
        cells @ shares.T,
    )


def mouth(columns: np.ndarray) -> float:
    """Return where along the membrane the mouth is: in the middle of a column where voxels are all there is."""
    spacing = columns[1] - columns[0]
    if spacing <= max(SPACING["brownian"]):
        return WIDTH / 2.0
    return float(columns[int(WIDTH / 2.0 / spacing)])


def steady_excess(domain: Domain, speed: float = 1.0, uptake: float = 0.0) -> np.ndarray:
    """Return the mean excess in the rings for one ion per ns, (rings,) mM."""
    cells = theory.wall_source_excess(
        domain.x,
        domain.y,
        1.0,
        speed * domain.coefficient,
        domain.depth,
        domain.far_end,
        WIDTH,
        uptake,
    )
    excess: np.ndarray = domain.shares @ cells
    return excess


def rising_excess(domain: Domain, n_maps: int, speed: float = 1.0) -> np.ndarray:
    """Return the excess that the ions which were counted leave in the rings in the first maps, (maps, rings).

    A steady source that opens has left E(t) by t, so that one that lasts from one map to the next has left
    E(t) - E(t - interval).
    """
    grown = np.array(
        [
            domain.shares
            @ theory.wall_source_transient(
                domain.x,
                domain.y,
                time,
                1.0,
                speed * domain.coefficient,
                domain.depth,
                domain.far_end,
                WIDTH,
            )
            for time in domain.time[:n_maps]
        ]
    )
    response = np.diff(grown, axis=0, prepend=0.0)
    found = np.zeros_like(response)
    for start in range(n_maps):
        found[start:] += domain.current[start] * response[: n_maps - start]
    return found


def compare(domains: Domains, speed: float = 1.0, sides: float = 1.0, uptake: float = UPTAKE) -> list[Check]:
    """Compare the rise, the steady state and that with a sink, each driven by the crossings that were counted."""
    checks = check_rise(domains.alone, speed)
    checks += check_steady(domains.alone, "", speed, sides, 0.0)
    if domains.with_sink is not None:
        checks += check_steady(domains.with_sink, ", with a sink", speed, sides, uptake)
    return checks


def check_rise(domain: Domain, speed: float) -> list[Check]:
    """Return the checks of the first 150 ns: numbers of independent ions."""
    maps = [int(np.argmin(np.abs(domain.time - time))) for time in RISE]
    expected = rising_excess(domain, max(maps) + 1, speed)
    checks = []
    for time, one in zip(RISE, maps, strict=True):
        for i, (inner, outer, _) in enumerate(RINGS[:3]):
            ions = domain.volumes[i] * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
            name = f"{inner:g} to {outer:g} nm after {time:g} ns"
            checks.append(check_count(name, ions * domain.rings[one, i], ions * expected[one, i], "ions"))
    return checks


def check_steady(domain: Domain, where: str, speed: float, sides: float, uptake: float) -> list[Check]:
    """Return the checks of the steady state: means of independent parts of the run."""
    settled = domain.time > SETTLING
    difference = domain.rings[settled] - np.outer(
        domain.current[settled], steady_excess(domain, speed, uptake) / sides
    )
    blocks = in_blocks(domain, difference)
    mean = domain.current[settled].mean() * steady_excess(domain, speed, uptake) / sides
    return [
        check_mean(f"{inner:g} to {outer:g} nm{where}", blocks[:, i] + mean[i], float(mean[i]), "mM")
        for i, (inner, outer, _) in enumerate(RINGS)
    ]


def in_blocks(domain: Domain, series: np.ndarray) -> np.ndarray:
    """Return the means of a series (maps, rings) over parts of it, (blocks, rings)."""
    per_block = round(BLOCK / INTERVAL[domain.engine])
    n_blocks = len(series) // per_block
    means: np.ndarray = series[: n_blocks * per_block].reshape(n_blocks, per_block, -1).mean(axis=1)
    return means


def draw(domains: Domains) -> Picture:
    """Draw the steady excess over the distance from the mouth, along the membrane."""
    distance = np.linspace(2.0, 48.0, 80)
    lines, points = [], []
    for label, domain, uptake in (("alone", domains.alone, 0.0), ("with a sink", domains.with_sink, UPTAKE)):
        if domain is None:
            continue
        settled = domain.time > SETTLING
        current = float(domain.current[settled].mean())
        line = theory.wall_source_excess(
            np.full(len(distance), 1.0),
            distance,
            current,
            domain.coefficient,
            domain.depth,
            domain.far_end,
            WIDTH,
            uptake,
        )
        lines.append(Line(f"{label}, 1 nm from the membrane", distance, line))
        radii = np.array([0.5 * (inner + outer) for inner, outer, _ in RINGS])
        expected = current * steady_excess(domain, uptake=uptake)
        lines.append(Line(f"{label}, in rings", radii, expected))
        parts = in_blocks(domain, domain.rings[settled])
        error = parts.std(axis=0, ddof=1) / np.sqrt(len(parts))
        points.append(Points(label, radii, parts.mean(axis=0), error))
    return Picture("distance from the mouth (nm)", "calcium (mM)", tuple(lines), tuple(points), y_scale="log")


LAW = Law(
    name="calcium-microdomain",
    claim="Around an open channel calcium rises and stands as diffusion from a line source at a wall says.",
    formula="c = (J/2πDH) ln[(cosh a + cos b)/(cosh a − cos b)], a = πy/2L, b = πx/2L;  rise: Σ ±E₁(r²/4Dt)",
    references=(
        "Morse & Feshbach (1953), Methods of Theoretical Physics, section 10.2",
        "Carslaw & Jaeger (1959), Conduction of Heat in Solids, sections 10.4 and 14.10",
        "Neher (1986), Exp. Brain Res. Ser. 14:80",
    ),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={
        "ions a fifth slower": lambda domains: compare(domains, speed=0.8),
        "spreading to both sides of the membrane": lambda domains: compare(domains, sides=2.0),
    },
    draw=draw,
    remark=(
        "The prediction is driven by the crossings that were counted, and knows nothing of the channel. The sink, in "
        "the continuum, is a membrane full of pumps far from saturation, which take calcium in proportion to what "
        "there is beside them. Single ions are taken from within 5 nm of the membrane, which is no sink at the wall, "
        "and on the lattice in steps, which for so strong a sink would have to be ten times as short: their sink is "
        "that of calcium-cleft."
    ),
)
