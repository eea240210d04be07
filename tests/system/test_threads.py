"""The same bits for any number of threads."""

import numpy as np
import pytest

from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.schema import Scenario
from mc.simulation import simulate


@pytest.fixture(scope="module")
def scenario():
    """More than 30,000 ions, gates and pumps."""
    return Scenario.model_validate(
        {
            "title": "Enough ions for two threads",
            "simulation": {"duration": "60 ns", "time_step": "0.5 ns", "seed": 11},
            "geometry": {"area": "0.005 um^2", "inside_length": "18 nm", "outside_length": "16 nm"},
            "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
            "inside": {"K": "140 mM", "Na": "40 mM", "Cl": "10 mM"},
            "outside": {"K": "20 mM", "Na": "130 mM", "Cl": "120 mM"},
            "channels": [
                {
                    "name": "leak",
                    "count": 300,
                    "permeability": {"K": "0.037 nm^3/ns", "Cl": "0.01 nm^3/ns"},
                    "gating": {
                        "states": ["closed", "open"],
                        "open": ["open"],
                        "rates": {"closed->open": "50 /us", "open->closed": "20 /us"},
                    },
                }
            ],
            "pumps": [{"name": "pump", "count": 20, "turnover": "100 /s", "acceleration": 1e6}],
            "recording": {"interval": "5 ns", "profile_interval": "20 ns", "positions_interval": "20 ns"},
        }
    )


@pytest.fixture(scope="module")
def runs(scenario, tmp_path_factory):
    """The same run on one thread and on two."""
    folder = tmp_path_factory.mktemp("threads")
    return [simulate(scenario, folder / str(threads), threads=threads) for threads in (1, 2)]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_work_is_split_among_the_threads(scenario, threads):
    engine = BrownianEngine(scenario, 11, 0.5, threads)
    assert engine.threads == threads
    assert engine.state.scratch.n_candidates.size == threads


def test_the_runs_hold_enough_to_tell_them_apart(runs):
    one = runs[0]
    assert one.n_ions > 30_000
    assert one.crossings["ion"].size > 20
    assert one.pump_moves["ion"].size > 20
    assert one.gating["channel"].size > 200


def test_series_profiles_and_positions_are_the_same_bits(runs):
    one, two = runs
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.profiles.concentration, two.profiles.concentration)
    np.testing.assert_array_equal(one.profiles.potential, two.profiles.potential)
    np.testing.assert_array_equal(one.positions.x, two.positions.x)


@pytest.mark.parametrize("table", ["crossings", "pump_moves", "gating"])
def test_events_are_the_same_in_the_same_order(runs, table):
    one, two = (getattr(recording, table) for recording in runs)
    assert one.keys() == two.keys()
    for name, column in one.items():
        np.testing.assert_array_equal(column, two[name])
