"""Counts of what went through channels and pumps."""

import numpy as np
import pytest

from mc.analysis.channels import open_channels, permeant_species, total_permeability
from mc.analysis.flux import (
    charge_per_cycle,
    crossings_by_species,
    pump_current,
    pump_cycles,
    pumped_by_species,
    pumped_charge,
)
from mc.recording.recording import Recording


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def test_crossings_add_up_over_channel_types(recording):
    sodium = crossings_by_species(recording)["Na"]
    for direction in ("outward", "inward"):
        expected = sum(recording[f"crossings_{direction}.{name}.Na"] for name in ("K leak", "Na leak"))
        assert (getattr(sodium, direction) == expected).all()
        assert getattr(sodium, direction)[-1] > 100


def test_a_sodium_potassium_pump_moves_one_charge_outward(recording):
    assert charge_per_cycle(recording) == {"Na/K-ATPase": 1}
    assert (pumped_charge(recording) == pump_cycles(recording)["Na/K-ATPase"]).all()


def test_pumped_ions_are_those_of_the_cycles_and_of_those_back(recording):
    forward, backward = (recording[f"pump_cycles{way}.Na/K-ATPase"] for way in ("", "_backward"))
    assert forward[-1] > 0
    pumped = pumped_by_species(recording)
    assert (pumped["Na"].outward == 3 * forward).all()
    assert (pumped["Na"].inward == 3 * backward).all()
    assert (pumped["K"].inward == 2 * forward).all()
    assert (pumped["K"].outward == 2 * backward).all()
    assert not np.any([pumped["Cl"].outward, pumped["Cl"].inward])


def test_the_pump_current_is_charge_over_time(recording):
    charge = pumped_charge(recording)
    assert pump_current(recording, slice(100, 301)) == pytest.approx((charge[300] - charge[100]) / 2000)


def test_permeability_is_that_of_all_open_channels(recording):
    n_open = open_channels(recording)
    permeability = total_permeability(recording)
    np.testing.assert_allclose(permeability[0], n_open["K leak"] * 0.037)
    np.testing.assert_allclose(permeability[1], n_open["K leak"] * 0.0004 + n_open["Na leak"] * 0.03)
    assert not permeability[2:].any()
    assert permeant_species(recording) == ["K", "Na"]
