"""A line of membrane with channels in their places rests at the Nernst potential."""

import numpy as np
import pytest

from mc import theory
from mc.analysis.statistics import variance_estimate
from mc.comparison import compare_potential
from mc.scenario.schema import Scenario
from mc.simulation import simulate

EQUILIBRATION = 500.0
"""ns."""


def simulate_line(folder, seed, duration, placement="even", area=2000.0):
    """Run a membrane that potassium crosses, 140 mM inside and 20 mM outside."""
    channel = {"name": "K", "count": 80, "permeability": {"K": 0.037}, "placement": placement}
    tables = {
        "title": "A line",
        "simulation": {"duration": duration, "time_step": 1.0},
        "geometry": {"dimensions": 2, "width": 100.0, "depth": area / 100.0}
        | {"inside_length": 15.0, "outside_length": 15.0},
        "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
        "inside": {"K": 140.0, "Cl": 10.0},
        "outside": {"K": 20.0, "Na": 130.0, "Cl": 120.0},
        "channels": [channel],
        "recording": {"interval": 20.0, "positions_interval": duration, "events": False},
    }
    scenario = Scenario.model_validate(tables, context={"internal_units": True})
    return simulate(scenario, folder, seed=seed, threads=1)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    return simulate_line(tmp_path_factory.mktemp("line"), 1, 30_000.0)


def test_the_potential_is_nernsts(line):
    """Standard error 0.85 mV, estimated to a tenth; 5 sigma.

    A third of the record is too little: one in thirty then takes its noise for a correlation that lasts.
    """
    difference = compare_potential(line, EQUILIBRATION).difference
    assert line.n_ions > 10_000
    assert difference.standard_error < 1.4
    assert abs(difference.mean) < 5.0 * difference.standard_error


def test_maps_and_places_are_recorded(line):
    maps = line.maps
    assert maps.concentration.shape[1:] == (*line.profiles.concentration.shape[1:], maps.y.size)
    np.testing.assert_allclose(
        maps.concentration.mean(axis=3), line.profiles.concentration, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(maps.potential.mean(axis=2), line.profiles.potential, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(line.channel_y, (np.arange(80) + 0.5) * 100.0 / 80)
    y = line.positions.y
    assert np.all((y >= 0.0) & (y < 100.0))


@pytest.mark.slow
def test_nernst_to_half_a_millivolt(tmp_path):
    """Channels at random places; standard error below 0.8 mV, within 3 of them, and the noise of the capacitance."""
    recording = simulate_line(tmp_path, 3, 60_000.0, "random", area=4000.0)
    difference = compare_potential(recording, EQUILIBRATION).difference
    assert difference.standard_error < 0.8
    assert abs(difference.mean) < 3.0 * difference.standard_error
    first = np.searchsorted(recording.time, EQUILIBRATION)
    noise = theory.capacitance_noise(recording.membrane_capacitance, recording.temperature)
    deviation = np.sqrt(variance_estimate(recording["charge_separation_potential"][first:]).mean)
    assert deviation == pytest.approx(noise, rel=0.1)
