"""Around the mouth of an open channel calcium stands as diffusion from a line source says, and rises as it says.

The prediction is driven by the crossings that were counted, so it knows nothing of the channel. Compared are means
over pieces of rings around the mouth, from 3 to 100 nm away from it. Confidence bands are those of Student for means
of independent parts, blocks of a run or runs with other seeds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from membrane_patch import BODY_TEMPERATURE
from scipy.stats import t as student

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.reading import read_scenario
from mc.scenario.schema import Scenario
from mc.simulation import simulate

LENGTH, WIDTH, DEPTH = 50.0, 200.0, 20.0
TIME_STEP, RECORD = 0.5, 10.0
"""ns."""
RINGS = (
    (3.0, 7.0, 90.0),
    (7.0, 14.0, 90.0),
    (15.0, 25.0, 90.0),
    (25.0, 35.0, 90.0),
    (40.0, 60.0, 45.0),
    (80.0, 100.0, 15.0),
)
"""Inner and outer radius in nm, and the largest angle in degrees between the membrane and the way from the mouth."""
FALSE_ALARM = 1e-5
"""Share of all seeds with which a test of all that it compares would fail by chance."""
MILNE = 0.516
"""How far beyond its place an end that removes ions after each step acts, in standard deviations of a step.

The density of a walk in steady flux vanishes there: E h^2/(2 E h) of the heights h by which uniform increments first
go beyond a level (Milne's problem; 0.583 for Gaussian ones).
"""


def make_scenario():
    """Return a strong channel between a bath full of calcium and one that starts, and ends, without any."""
    tables = {
        "title": "A microdomain",
        "simulation": {"duration": 1000.0, "time_step": TIME_STEP, "temperature": BODY_TEMPERATURE},
        "geometry": {
            "dimensions": 2,
            "width": WIDTH,
            "depth": DEPTH,
            "inside_length": LENGTH,
            "outside_length": 5.0,
            "boundary": "bath",
            # Without a field nothing depends on the grid.
            "grid_spacing": 2.5,
            "grid_spacing_y": 12.5,
        },
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "species": {"tetravalent": {"valence": -4, "diffusion_coefficient": 0.1}},
        "inside": {"K": 1.0, "Cl": 1.0},
        "outside": {"Ca": 200.0, "tetravalent": 100.0},
        "channels": [
            {
                "name": "Ca channel",
                "count": 1,
                "permeability": {"Ca": 0.5},
                "pore": {"mouth_width": 2.0, "mouth_depth": 0.8},
                "placement": [WIDTH / 2.0],
            }
        ],
    }
    return Scenario.model_validate(tables, context={"internal_units": True})


@dataclass
class Domain:
    """What was seen of calcium, record by record."""

    current: np.ndarray
    """(records,) net ions in per ns since the last record."""
    concentrations: np.ndarray
    """(records, rings) mM at the time of the record."""
    diffusion_coefficient: float

    @property
    def far_end(self):
        """Where the far end acts, nm from the membrane."""
        return LENGTH + MILNE * np.sqrt(2.0 * self.diffusion_coefficient * TIME_STEP)


def observe(seed, n_records):
    engine = BrownianEngine(make_scenario(), seed, TIME_STEP, 1, clamped_potential=-85.0)
    calcium = engine.composition.names.index("Ca")
    is_calcium = engine.species_of_slots == calcium
    inner, outer, steepest = np.array(RINGS).T
    volumes = np.deg2rad(steepest) * (outer**2 - inner**2) * DEPTH
    crossed, concentrations = [0], []
    for _ in range(n_records):
        left = round(RECORD / TIME_STEP)
        while left:
            left -= engine.advance(left)
            engine.drain_events()
        now = engine.observe()
        crossed.append(now.crossings[0, calcium, 1] - now.crossings[0, calcium, 0])
        place = engine.locate()
        x, y = -place.x[is_calcium], place.y[is_calcium] - WIDTH / 2.0
        x, y = x[x > 0.0], y[x > 0.0]
        radius, angle = np.hypot(x, y)[:, None], np.rad2deg(np.arctan2(x, np.abs(y)))[:, None]
        counts = ((radius >= inner) & (radius < outer) & (angle < steepest)).sum(axis=0)
        concentrations.append(counts / volumes / IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)
    coefficient = engine.composition.diffusion_coefficients[calcium]
    return Domain(np.diff(crossed) / RECORD, np.array(concentrations), coefficient)


def average_over_ring(function, ring):
    """Return the mean over a ring's piece of a function of arrays of x and y, both (points,), along its last axis."""
    inner, outer, steepest = ring
    nodes, weights = np.polynomial.legendre.leggauss(16)
    radius = (outer + inner) / 2.0 + (outer - inner) / 2.0 * nodes[:, None]
    angle = np.deg2rad(steepest) * (1.0 + nodes) / 2.0
    x, y = radius * np.sin(angle), radius * np.cos(angle)
    shares = weights[:, None] * weights * radius
    return function(x.ravel(), y.ravel()) @ (shares / shares.sum()).ravel()


def steady_excess(diffusion_coefficient, far_end):
    """Return the mean excess in the rings for one ion per ns, (rings,) mM."""

    def excess(x, y):
        return theory.wall_source_excess(x, y, 1.0, diffusion_coefficient, DEPTH, far_end, WIDTH)

    return np.array([average_over_ring(excess, ring) for ring in RINGS])


def is_off(differences):
    """Return whether each mean of independent `differences` (parts, comparisons) is off zero, and the scores."""
    n_parts, *comparisons = differences.shape
    error = differences.std(axis=0, ddof=1) / np.sqrt(n_parts)
    scores = differences.mean(axis=0) / error
    largest = student.isf(FALSE_ALARM / 2.0 / np.prod(comparisons), n_parts - 1)
    return np.abs(scores) > largest, scores


def block_means(series, n):
    """Return means over `n` blocks of a series (records, ...)."""
    return series[: len(series) // n * n].reshape(n, -1, *series.shape[1:]).mean(axis=1)


SETTLING = 4000.0
"""ns; what is on its way disappears as exp(-t/(1 us))."""


@pytest.fixture(scope="module")
def domain():
    """24 us after it has settled, 8,000 ions."""
    return observe(seed=1, n_records=2800)


def steady_differences(domain, excess, n_blocks=24):
    """Return measured less predicted excess by block, (blocks, rings) mM."""
    first = round(SETTLING / RECORD)
    difference = domain.concentrations[first:] - excess * domain.current[first:, None]
    return block_means(difference, n_blocks)


def test_the_steady_excess_is_that_of_a_line_source(domain):
    """To about 1 % within 35 nm."""
    expected = steady_excess(domain.diffusion_coefficient, domain.far_end)
    differences = steady_differences(domain, expected)
    relative_error = differences.std(axis=0) / np.sqrt(len(differences)) / (expected * domain.current.mean())
    assert np.all(relative_error[:4] < 0.02)
    assert np.all(relative_error < 0.06)
    off, scores = is_off(differences)
    assert not np.any(off), scores


def test_another_steady_excess_would_be_noticed(domain):
    """Ions 15 % slower; spreading to both sides of the membrane; no plane that absorbs; one at half the distance."""
    coefficient, far_end = domain.diffusion_coefficient, domain.far_end
    right = steady_excess(coefficient, far_end)
    for wrong in (
        steady_excess(coefficient / 1.15, far_end),
        right / 2.0,
        steady_excess(coefficient, 20.0 * far_end),
        steady_excess(coefficient, far_end / 2.0),
    ):
        off, scores = is_off(steady_differences(domain, wrong))
        assert np.any(off), scores


WINDOWS = ((10.0, 40.0), (40.0, 100.0), (100.0, 250.0), (250.0, 600.0))
"""ns after the first ion can come."""


@pytest.fixture(scope="module")
def rises():
    """30 runs of 600 ns, 200 ions each."""
    return [observe(seed, n_records=60) for seed in range(100, 130)]


def of_one_ion(diffusion_coefficient, far_end, n_records):
    """Return the excess left by one ion that came at any time of a record alike, by its age, (records, rings) mM."""
    times = RECORD * np.arange(n_records + 1)

    def excess(x, y):
        return theory.wall_source_transient(
            x, y, times[:, None], 1.0, diffusion_coefficient, DEPTH, far_end, WIDTH
        )

    return np.diff(np.stack([average_over_ring(excess, ring) for ring in RINGS], axis=1), axis=0)


def predict_rise(rises, diffusion_coefficient):
    """Return the excess that the ions counted in each run have left at each record, (runs, records, rings) mM."""
    n_records = len(rises[0].current)
    left = of_one_ion(diffusion_coefficient, rises[0].far_end, n_records)
    ages = np.subtract.outer(np.arange(n_records), np.arange(n_records))
    response = np.where(ages[:, :, None] >= 0, left[ages], 0.0)
    return np.einsum("tsr,ns->ntr", response, np.array([domain.current for domain in rises]))


def window_means(series):
    """Return means of series (..., records, rings) over the windows, (..., windows, rings)."""
    time = RECORD * np.arange(1, series.shape[-2] + 1)
    return np.stack(
        [series[..., (time > start) & (time <= stop), :].mean(axis=-2) for start, stop in WINDOWS], axis=-2
    )


@pytest.fixture(scope="module")
def risen(rises):
    """Which windows and rings are compared: those with a tenth of the steady excess, so that means are normal."""
    coefficient, far_end = rises[0].diffusion_coefficient, rises[0].far_end
    steady = np.mean([domain.current for domain in rises]) * steady_excess(coefficient, far_end)
    return window_means(predict_rise(rises, coefficient).mean(axis=0)) > 0.1 * steady


def rise_differences(rises, risen, predicted):
    """Return measured less predicted excess, (runs, comparisons) mM."""
    measured = np.array([domain.concentrations for domain in rises])
    return window_means(measured - predicted)[:, risen]


def test_the_excess_rises_as_that_of_a_line_source_that_opens(rises, risen):
    assert risen.sum() >= 12
    predicted = predict_rise(rises, rises[0].diffusion_coefficient)
    off, scores = is_off(rise_differences(rises, risen, predicted))
    assert not np.any(off), scores


def test_another_rise_would_be_noticed(rises, risen):
    """Steady at once; ions a quarter slower; a quarter faster."""
    coefficient, far_end = rises[0].diffusion_coefficient, rises[0].far_end
    currents = np.array([domain.current.mean() for domain in rises])
    at_once = currents[:, None, None] * steady_excess(coefficient, far_end)
    for wrong in (at_once, predict_rise(rises, coefficient / 1.25), predict_rise(rises, coefficient * 1.25)):
        off, scores = is_off(rise_differences(rises, risen, wrong))
        assert np.any(off), scores


SHIPPED = Path(__file__).parents[2] / "scenarios" / "calcium_microdomain.toml"


@pytest.mark.slow
def test_the_shipped_scenario_shows_its_domain_with_the_field(tmp_path):
    """30 us with 150 mM of salt and its field; 200 calcium ions, which tell the excess to 7 to 25 %."""
    recording = simulate(read_scenario(SHIPPED), tmp_path / "run", seed=1, threads=1)
    maps, names = recording.maps, recording.species_names
    coefficient = recording.species[names.index("Ca")].diffusion_coefficient
    inside = recording.profiles.position < 0.0
    x, y = np.meshgrid(-recording.profiles.position[inside], maps.y - WIDTH / 2.0, indexing="ij")
    width = np.broadcast_to(recording.profiles.cell_width[inside][:, None], x.shape)
    far_end = LENGTH + MILNE * np.sqrt(2.0 * coefficient * recording.time_step)
    per_ion = theory.wall_source_excess(x, y, 1.0, coefficient, DEPTH, far_end, WIDTH)
    radius, angle = np.hypot(x, y), np.rad2deg(np.arctan2(x, np.abs(y)))
    measured, expected = [], []
    for inner, outer, steepest in RINGS:
        share = width * ((radius >= inner) & (radius < outer) & (angle < steepest))
        share = share / share.sum()
        measured.append(np.sum(maps.concentration[:, names.index("Ca")][:, inside] * share, axis=(1, 2)))
        expected.append(np.sum(per_ion * share))
    settled = maps.time > SETTLING
    net = recording["crossings_inward.Ca channel.Ca"] - recording["crossings_outward.Ca channel.Ca"]
    crossed = net[np.searchsorted(recording.time, maps.time - 1e-6)]
    current = (np.diff(crossed) / np.diff(maps.time))[settled[1:], None]
    measured = np.array(measured).T[settled]
    differences = block_means(measured - np.array(expected) * current, 13)
    off, scores = is_off(differences)
    assert not np.any(off), scores
    errors = differences.std(axis=0) / np.sqrt(len(differences))
    assert np.all(errors[:4] < 0.2 * np.array(expected)[:4] * current.mean())
    off, scores = is_off(block_means(measured - 2.0 * np.array(expected) * current, 13))
    assert np.any(off), scores
