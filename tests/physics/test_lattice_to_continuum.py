"""The mean of many runs on the lattice tends to the continuum, and its noise falls with the root of the area."""

import math

import numpy as np
import pytest
from membrane_patch import make_patch
from scipy.stats import t as student

from mc.simulation import simulate

AREAS = (2e4, 8e4, 3.2e5)
SEEDS = range(1, 13)
FALSE_ALARM = math.erfc(5.0 / math.sqrt(2.0))
"""Of one comparison at five standard deviations."""

SETTLED, APART = 2000.0, 500.0
"""ns: the membrane has charged; records so far apart are independent."""


def make_scenario(engine, area, sodium=145.0):
    """Return a patch with gated leaks and pumps, as dense at every area."""
    share = area / AREAS[0]

    def leak(name, count, permeability, opening, closing):
        rates = {"closed->open": opening, "open->closed": closing}
        gating = {"states": ["closed", "open"], "open": ["open"], "rates": rates}
        return {
            "name": f"{name} leak",
            "count": round(count * share),
            "permeability": {name: permeability},
            "gating": gating,
        }

    return make_patch(
        engine=engine,
        inside={"K": 140.0, "Na": 12.0, "Cl": 8.0},
        outside={"K": 5.0, "Na": sodium, "Cl": 115.0},
        channels=[
            leak("K", 300, 0.037, 4e-3, 1e-3),
            leak("Na", 40, 0.0095, 2e-3, 2e-3),
            leak("Cl", 126, 0.03, 4e-3, 1e-3),
        ],
        pumps=[{"name": "pump", "count": round(48 * share), "turnover": 5e-3}],
        area=area,
        length=25.0,
        duration=10_000.0,
        time_step=20.0,
        interval=100.0,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the potentials at independent records, (areas, seeds, records), of the lattice and of the continuum."""
    folder = tmp_path_factory.mktemp("areas")

    def potentials(engine, area, seed):
        recording = simulate(
            make_scenario(engine, area), folder / f"{engine}.{area:g}.{seed}", seed=seed, threads=1
        )
        chosen = np.flatnonzero((recording.time >= SETTLED) & (recording.time % APART < 1.0))
        return recording["membrane_potential"][chosen]

    lattice = np.array([[potentials("lattice", area, seed) for seed in SEEDS] for area in AREAS])
    continuum = np.array([[potentials("continuum", area, 1)] for area in AREAS])
    return lattice, continuum


@pytest.mark.slow
def test_the_mean_is_that_of_the_continuum(runs):
    """By Student's t of twelve runs at every area, with room for what one ion moves where the patch is small."""
    lattice, continuum = runs
    for area, deviations in zip(AREAS, (lattice - continuum).mean(axis=2), strict=True):
        error = deviations.std(ddof=1) / math.sqrt(deviations.size)
        bound = student.isf(FALSE_ALARM / 2.0, deviations.size - 1) * error
        one_ion = 1.0 / (6.2415e-5 * area)
        assert error < 1.0 * math.sqrt(AREAS[0] / area)
        assert abs(deviations.mean()) < bound + 0.3 * one_ion, (area, deviations.mean(), error)
    # In the largest patch twice as much sodium outside would be noticed.
    other = simulate_continuum_with(300.0)
    assert abs((lattice[-1] - other).mean()) > bound


def simulate_continuum_with(sodium):
    """Return the potential at the end with another solution outside, without a recording."""
    from mc.engines.continuum.engine import ContinuumEngine

    scenario = make_scenario("continuum", AREAS[-1], sodium)
    engine = ContinuumEngine(scenario, 1, 20.0)
    engine.advance(400)
    return engine.observe().membrane_potential


@pytest.mark.slow
def test_the_noise_falls_with_the_root_of_the_area(runs):
    """The slope of its logarithm is -1/2: 200 samples an area know it to 0.027; 5 sigma."""
    lattice, continuum = runs
    noise = (lattice - continuum).reshape(len(AREAS), -1).std(axis=1)
    samples = lattice[0].size
    centred = np.log(AREAS) - np.log(AREAS).mean()
    slope = float((centred * np.log(noise)).sum() / (centred**2).sum())
    # The error of a logarithm of a standard deviation of n samples is 1/sqrt(2 n).
    error = math.sqrt(1.0 / (2.0 * samples) / (centred**2).sum())
    assert abs(slope + 0.5) < 5.0 * error, (slope, error, noise)
    assert error < 0.04
    assert slope + 1.0 > 5.0 * error
    # And it is not less than what heat makes of a capacitor.
    assert noise[-1] > 0.8 * math.sqrt(26.73 / (6.2415e-5 * AREAS[-1]))
