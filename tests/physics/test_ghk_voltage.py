"""With several permeant ions the membrane rests at the potential of Goldman, Hodgkin and Katz.

In two dimensions each of the 300 channels stands at a random place and feels the potential drop there. The current of
one takes p u d/(pi H D) = 0.03 % of the ions above its mouth: too little to see.
"""

import numpy as np
import pytest

from mc import theory
from mc.analysis.potential import bulk_concentrations
from mc.comparison import compare_potential

EQUILIBRATION = 500.0
"""ns; the membrane charges within 100 ns."""

PERMEABILITY = {"K": 1.0, "Na": 0.2, "Cl": 0.45}
"""Relative."""


WIDTHS = {"1D": None, "2D": 128.0}
"""nm."""


def rest(simulate_patch, seed, width, **changes):
    """Run a patch whose ions slowly run down: each record is compared with the concentrations of its own moment."""
    return simulate_patch(
        seed,
        inside={"K": 140.0, "Na": 12.0, "Cl": 10.0},
        outside={"K": 5.0, "Na": 145.0, "Cl": 115.0},
        channels=[
            {"name": name, "count": 100, "permeability": {name: 0.05 * relative}}
            for name, relative in PERMEABILITY.items()
        ],
        width=width,
        **{"duration": 15_000.0} | changes,
    )


@pytest.fixture(scope="module", params=WIDTHS)
def resting_patch(simulate_patch, request):
    return rest(simulate_patch, 1, WIDTHS[request.param])


def test_the_potential_is_ghks(resting_patch):
    """Standard error below 1 mV; 5 sigma, a false alarm in 6e-7 of all seeds."""
    difference = compare_potential(resting_patch, EQUILIBRATION).difference
    assert difference.standard_error < 1.0
    assert abs(difference.mean) < 5.0 * difference.standard_error, difference


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_ghk_to_half_a_millivolt(simulate_patch, width):
    """Standard error below 0.5 mV; 3 sigma, a false alarm in 1 of 370 seeds; this one is fixed."""
    difference = compare_potential(
        rest(simulate_patch, 2, width, area=10_000.0, length=25.0, duration=40_000.0), EQUILIBRATION
    ).difference
    assert difference.standard_error < 0.5
    assert abs(difference.mean) < 3.0 * difference.standard_error, difference


@pytest.mark.parametrize(
    "change", [{"Cl": 0.0}, {"Na": 0.0}, {"K": 0.0}, {"Na": 1.0}], ids=["no Cl", "no Na", "no K", "more Na"]
)
def test_wrong_permeabilities_would_be_noticed(resting_patch, change):
    permeability = PERMEABILITY | change
    assert abs(score(resting_patch, permeability, resting_patch.valence)) > 5.0


def test_chloride_counted_as_a_cation_would_be_noticed(resting_patch):
    assert abs(score(resting_patch, PERMEABILITY, abs(resting_patch.valence))) > 5.0


def score(recording, permeability, valence):
    """Return by how many standard errors the potential lies off GHK with these permeabilities and valences.

    The standard error is that of the difference from the right GHK potential: it holds the noise of the membrane
    alone, while the difference from a wrong one drifts with the concentrations.
    """
    inside, outside = bulk_concentrations(recording)
    per_species = [permeability.get(name, 0.0) for name in recording.species_names]
    potential = theory.ghk_potential(per_species, inside, outside, valence, recording.temperature)
    first = np.searchsorted(recording.time, EQUILIBRATION)
    difference = (recording["membrane_potential"] - potential)[first:].mean()
    return difference / compare_potential(recording, EQUILIBRATION).difference.standard_error
