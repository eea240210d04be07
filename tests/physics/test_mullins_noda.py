"""With the pump and the leaks of sodium and potassium in steady state the potential is that of Mullins and Noda."""

import numpy as np
import pytest

from mc import theory
from mc.analysis.potential import bulk_concentrations, ghk_series
from mc.analysis.statistics import block_average

PERMEABILITY = {"K": 200.0, "Na": 20.0}


@pytest.fixture(scope="module")
def steady(simulate_patch):
    """Leaks fast enough that the whole box comes to its steady state within a few microseconds."""
    return simulate_patch(
        1,
        inside={"K": 120.0, "Na": 30.0, "Cl": 10.0},
        outside={"K": 20.0, "Na": 130.0, "Cl": 120.0},
        channels=[
            {"name": f"{ion} leak", "count": 400, "permeability": {ion: value / 400}}
            for ion, value in PERMEABILITY.items()
        ],
        pumps=[
            {
                "name": "Na/K-ATPase",
                "count": 100,
                "turnover": 0.05,
                "half_saturation": {"Na": 10.0, "K": 5.0},
            }
        ],
        area=10_000.0,
        length=15.0,
        duration=30_000.0,
        interval=10.0,
    )


@pytest.fixture(scope="module")
def window(steady):
    """The last two thirds."""
    return slice(len(steady.time) // 3, None)


def test_the_pump_balances_the_leaks(steady, window):
    """Na and K inside drift no more: leak and pump agree within 5 standard deviations of their counts."""
    cycles = np.diff(steady["pump_cycles.Na/K-ATPase"][window][[0, -1]])[0]
    assert cycles > 5000
    for ion, moved in (("Na", -3), ("K", 2)):
        crossed = [
            np.diff(steady[f"crossings_{way}.{ion} leak.{ion}"][window][[0, -1]])[0]
            for way in ("outward", "inward")
        ]
        drift = np.diff(steady[f"ions_inside.{ion}"][window][[0, -1]])[0]
        error = np.sqrt(sum(crossed))
        assert abs(drift) < 5.0 * error
        assert abs((crossed[0] - crossed[1]) - moved * cycles) < 5.0 * error, (ion, crossed, cycles)


def test_the_potential_is_that_of_mullins_and_noda(steady, window):
    """Of the moment's concentrations, within 5 standard errors; GHK, without the pump, is not."""
    inside, outside = bulk_concentrations(steady)
    species = [steady.species_names.index(ion) for ion in ("K", "Na")]

    def difference(ratio):
        predicted = theory.mullins_noda_potential(
            np.array([PERMEABILITY["K"], PERMEABILITY["Na"]])[:, np.newaxis],
            inside[species],
            outside[species],
            steady.temperature,
            ratio=ratio,
        )
        return block_average((steady["membrane_potential"] - predicted)[window])

    rest = difference(1.5)
    assert rest.standard_error < 0.7
    assert abs(rest.mean) < 5.0 * rest.standard_error, rest
    without = difference(1.0)
    assert without.mean < -5.0 * without.standard_error, without
    # 2 Na for 3 K, the other way round:
    reverse = difference(2.0 / 3.0)
    assert reverse.mean < -5.0 * reverse.standard_error


def test_the_pumps_own_share_is_bounded_by_ln_three_halves(steady, window):
    """It makes the inside more negative, by less than (kT/e) ln 1.5 = 10.8 mV."""
    share = block_average((steady["membrane_potential"] - ghk_series(steady))[window])
    bound = theory.species.thermal_potential(steady.temperature) * np.log(1.5)
    assert -bound - 5.0 * share.standard_error < share.mean < -5.0 * share.standard_error, (share, bound)
