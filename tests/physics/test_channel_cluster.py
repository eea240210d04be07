"""Channels crowded into a cluster share one cloud of what they let out, those spread along a membrane do not.

Potassium leaves through the twenty channels of scenarios/channel_cluster.toml into the bath of that scenario, but
without a field, and without potassium there: so every ion counts. As for the microdomain of calcium, the prediction
is driven by the crossings that were counted. Confidence bands are Student's for means of blocks.
"""

from pathlib import Path

import numpy as np
import pytest
from membrane_patch import BODY_TEMPERATURE
from scipy.stats import t as student

from mc import theory
from mc.analysis.statistics import block_average
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.reading import read_scenario
from mc.scenario.schema import Scenario
from mc.simulation import simulate

LENGTH, WIDTH, DEPTH, THICKNESS = 50.0, 200.0, 20.0, 4.0
CHANNELS, MOUTH_WIDTH, RADIUS, CENTRE = 20, 1.0, 10.0, 100.0
TIME_STEP, RECORD, SETTLING = 0.2, 10.0, 2000.0
"""ns; what is on its way disappears as exp(-t/(0.4 us))."""
FALSE_ALARM = 1e-5
"""Share of all seeds with which one test would fail by chance."""
REGIONS = {
    "mouths": ((0.5, 2.5), (0.0, 10.0)),
    "20 nm": ((0.5, 8.0), (15.0, 25.0)),
    "50 nm": ((0.5, 15.0), (40.0, 60.0)),
    "100 nm": ((0.5, 15.0), (85.0, 100.0)),
    "above": ((15.0, 25.0), (0.0, 10.0)),
}
"""nm from the face, and from the centre of the cluster along it to both sides."""


def make_scenario(cluster):
    """Return twenty channels, spread evenly or in a cluster, between potassium and none."""
    placing = {"cluster": {"centre": CENTRE, "radius": RADIUS}} if cluster else {}
    tables = {
        "title": "Twenty channels",
        "simulation": {"duration": 1000.0, "time_step": TIME_STEP, "temperature": BODY_TEMPERATURE},
        "geometry": {
            "dimensions": 2,
            "width": WIDTH,
            "depth": DEPTH,
            "inside_length": 4.0,
            "outside_length": LENGTH,
            "boundary": "bath",
            # Without a field nothing depends on the grid.
            "grid_spacing": 2.0,
            "grid_spacing_y": 12.5,
        },
        "membrane": {"thickness": THICKNESS, "capacitance": "1 uF/cm^2"},
        "species": {"tetravalent": {"valence": -4, "diffusion_coefficient": 0.1}},
        "inside": {"K": 240.0, "tetravalent": 60.0},
        "outside": {"Na": 1.0, "Cl": 1.0},
        "channels": [
            {
                "name": "K leak",
                "count": CHANNELS,
                "permeability": {"K": 0.15},
                "pore": {"mouth_width": MOUTH_WIDTH, "mouth_depth": 0.6},
                "placement": "even",
            }
            | placing
        ],
    }
    return Scenario.model_validate(tables, context={"internal_units": True})


class Cloud:
    """What was seen of potassium outside: current (records,) per ns, concentrations (records, regions) mM."""

    def __init__(self, cluster, seed, n_records):
        engine = BrownianEngine(make_scenario(cluster), seed, TIME_STEP, 1, clamped_potential=0.0)
        potassium = engine.composition.names.index("K")
        is_potassium = engine.species_of_slots == potassium
        self.sites = np.array(engine.state.plane.mouths.sites)
        self.diffusion_coefficient = engine.composition.diffusion_coefficients[potassium]
        # Ends that remove ions after each step act a little beyond their place: see test_calcium_microdomain.
        self.far_end = LENGTH + 0.516 * np.sqrt(2.0 * self.diffusion_coefficient * TIME_STEP)
        (low, high), (near, far) = np.array(list(REGIONS.values())).transpose(1, 2, 0)
        volumes = (high - low) * 2.0 * (far - near) * DEPTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        crossed, counts = [], []
        for record in range(round(SETTLING / RECORD) + n_records + 1):
            left = round(RECORD / TIME_STEP) if record else 0
            while left:
                left -= engine.advance(left)
                engine.drain_events()
            now = engine.observe()
            crossed.append(now.crossings[0, potassium, 0] - now.crossings[0, potassium, 1])
            place = engine.locate()
            x = place.x[is_potassium] - THICKNESS
            y = np.abs(place.y[is_potassium] - CENTRE)
            x, y = x[x > 0.0][:, None], y[x > 0.0][:, None]
            counts.append(((x >= low) & (x < high) & (y >= near) & (y < far)).sum(axis=0))
        self.current = np.diff(crossed)[-n_records:] / RECORD
        self.concentrations = np.array(counts)[-n_records:] / volumes


def predict(sites, diffusion_coefficient, far_end):
    """Return the mean excess in the regions for one ion per ns from mouths at `sites` together, (regions,) mM."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    # Five lines to a mouth.
    sources = (np.asarray(sites)[:, None] + MOUTH_WIDTH * np.linspace(-0.4, 0.4, 5)).ravel()
    excess = []
    for (low, high), (near, far) in REGIONS.values():
        x = (low + high) / 2.0 + (high - low) / 2.0 * nodes[:, None, None]
        y = (near + far) / 2.0 + (far - near) / 2.0 * nodes[:, None]
        on_either_side = [
            theory.wall_source_excess(
                x, CENTRE + side * y - sources, 1.0, diffusion_coefficient, DEPTH, far_end, WIDTH
            ).mean(axis=2)
            for side in (-1.0, 1.0)
        ]
        excess.append(weights @ np.mean(on_either_side, axis=0) @ weights / 4.0)
    return np.array(excess)


def is_off(cloud, excess, n_blocks=16):
    """Return whether measured and predicted excess differ in each region, and by how many standard errors."""
    difference = cloud.concentrations - excess * cloud.current[:, None]
    blocks = difference.reshape(n_blocks, -1, len(REGIONS)).mean(axis=1)
    scores = blocks.mean(axis=0) / (blocks.std(axis=0, ddof=1) / np.sqrt(n_blocks))
    return np.abs(scores) > student.isf(FALSE_ALARM / 2.0 / len(REGIONS), n_blocks - 1), scores


SPREAD_SITES = WIDTH / CHANNELS * (np.arange(CHANNELS) + 0.5)
CLUSTERED_SITES = CENTRE - RADIUS + 2.0 * RADIUS / CHANNELS * (np.arange(CHANNELS) + 0.5)


@pytest.fixture(scope="module")
def spread():
    """8 us after it has settled, 3,300 ions."""
    return Cloud(False, 2, 800)


@pytest.fixture(scope="module")
def clustered():
    return Cloud(True, 1, 800)


def test_channels_stand_where_they_should(spread, clustered):
    np.testing.assert_allclose(spread.sites, SPREAD_SITES)
    np.testing.assert_allclose(clustered.sites, CLUSTERED_SITES)


def test_spread_channels_meet_the_resistance_of_the_whole_bath(spread):
    expected = predict(SPREAD_SITES, spread.diffusion_coefficient, spread.far_end)
    off, scores = is_off(spread, expected)
    assert not np.any(off), scores


def test_clustered_channels_stand_in_their_common_cloud(clustered):
    expected = predict(CLUSTERED_SITES, clustered.diffusion_coefficient, clustered.far_end)
    off, scores = is_off(clustered, expected)
    assert not np.any(off), scores


def test_another_cloud_would_be_noticed(spread, clustered):
    """That of the other placing; of ions 25 % slower; of a source that spreads to both sides of the membrane."""
    coefficient, far_end = spread.diffusion_coefficient, spread.far_end
    placings = ((spread, SPREAD_SITES, CLUSTERED_SITES), (clustered, CLUSTERED_SITES, SPREAD_SITES))
    for cloud, sites, other_sites in placings:
        for wrong in (
            predict(other_sites, coefficient, far_end),
            predict(sites, coefficient / 1.25, far_end),
            predict(sites, coefficient, far_end) / 2.0,
        ):
            off, scores = is_off(cloud, wrong)
            assert np.any(off), scores


def test_the_mouths_of_a_cluster_see_three_times_as_much(spread, clustered):
    """5 standard errors of the ratio."""
    ratios, errors = [], []
    for cloud in (spread, clustered):
        mouths = cloud.concentrations[:, 0].reshape(16, -1).mean(axis=1)
        ratios.append(mouths.mean() / cloud.current.mean())
        errors.append(mouths.std(ddof=1) / 4.0 / mouths.mean())
    coefficient, far_end = spread.diffusion_coefficient, spread.far_end
    expected = (predict(CLUSTERED_SITES, coefficient, far_end) / predict(SPREAD_SITES, coefficient, far_end))[
        0
    ]
    assert expected == pytest.approx(3.2, abs=0.05)
    assert abs(np.log(ratios[1] / ratios[0] / expected)) < 5.0 * np.hypot(*errors)
    assert ratios[1] > 2.0 * ratios[0]


def test_the_scenario_says_what_theory_says():
    """The numbers in its header, for 94 ions per us."""
    current, coefficient = 0.094, 2.53
    spread = current * LENGTH / (coefficient * WIDTH * DEPTH)
    access = theory.strip_access_resistance(
        2.0 * RADIUS, coefficient, DEPTH, LENGTH, WIDTH, mouth="uniform flux"
    )
    per_millimolar = IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    assert spread / per_millimolar == pytest.approx(0.77, abs=0.01)
    assert current * access / per_millimolar == pytest.approx(2.6, abs=0.05)
    away = theory.wall_source_excess(0.0, [20.0, 50.0, 100.0], current, coefficient, DEPTH, LENGTH, WIDTH)
    np.testing.assert_allclose(away, [1.16, 0.43, 0.17], rtol=0.02)


SHIPPED = Path(__file__).parents[2] / "scenarios" / "channel_cluster.toml"


@pytest.mark.slow
def test_the_shipped_scenario_shows_its_cloud_with_the_field(tmp_path):
    """Clustered less spread, so that what both baths hold anyhow drops out; 4 standard errors, with fixed seeds.

    With its field the bath of line charges holds some per cent more of all ions than its reservoir.
    """
    measured, errors, predicted = [], [], []
    for name, override in (
        ("spread", ()),
        ("clustered", ['channels."K leak".cluster={ centre = "100 nm", radius = "10 nm" }']),
    ):
        recording = simulate(read_scenario(SHIPPED, override), tmp_path / name, seed=1, threads=1)
        maps, potassium = recording.maps, recording.species_names.index("K")
        coefficient = recording.species[potassium].diffusion_coefficient
        far_end = LENGTH + 0.516 * np.sqrt(2.0 * coefficient * recording.time_step)
        outside = recording.profiles.position > THICKNESS
        x = (recording.profiles.position[outside] - THICKNESS)[:, None]
        y = np.abs(maps.y - CENTRE)
        settled = maps.time > SETTLING
        concentration = maps.concentration[settled, potassium][:, outside]
        net = recording["crossings_outward.K leak.K"] - recording["crossings_inward.K leak.K"]
        first = np.searchsorted(recording.time, SETTLING)
        current = (net[-1] - net[first]) / (recording.time[-1] - recording.time[first])
        for (low, high), (near, far) in REGIONS.values():
            is_inside = (x >= low) & (x < high) & ((y >= near) & (y < far) | (name == "spread"))
            mean = block_average(concentration[:, is_inside].mean(axis=1))
            measured.append(mean.mean)
            errors.append(mean.standard_error)
        if name == "spread":
            depths = np.array([(low + high) / 2.0 for (low, high), _ in REGIONS.values()])
            per_ion = (far_end - depths) / (coefficient * WIDTH * DEPTH)
            predicted.append(current * per_ion / IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)
        else:
            predicted.append(current * predict(CLUSTERED_SITES, coefficient, far_end))
    difference = np.diff(np.array(measured).reshape(2, -1), axis=0)[0]
    error = np.hypot(*np.array(errors).reshape(2, -1))
    assert np.all(error < 0.25)
    scores = (difference - (predicted[1] - predicted[0])) / error
    assert np.all(np.abs(scores) < 4.0), scores
    # Without a cloud of their own, as channels that do not feel each other.
    assert difference[0] > 5.0 * error[0]
